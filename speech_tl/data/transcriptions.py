"""Recordings that are transcribed in IPA: the words of each language as phones, and the language's inventory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from speech_tl.data.clips import Clips
from speech_tl.data.manifest import Utterance, read
from speech_tl.data.splits import draw
from speech_tl.errors import InputError, unknown_name
from speech_tl.files import at_home
from speech_tl.phonology import inventories
from speech_tl.phonology.inventories import Inventory
from speech_tl.phonology.phones import segments, signatures


@dataclass(frozen=True)
class Words:
    """Words of one language; the text of each is its phones with spaces between."""

    code: str
    utterances: tuple[Utterance, ...]
    inventory: Inventory

    @property
    def phones(self) -> tuple[tuple[str, ...], ...]:
        """Of every utterance."""
        return tuple(tuple(utterance.text.split()) for utterance in self.utterances)

    def clips(self, rate: int) -> Clips:
        return Clips(self.utterances, rate)

    def parted(self, share: float, *, seed: int) -> "tuple[Words, Words]":
        """(rest, drawn): so large a part drawn by seed, at least one of both.

        Raises:
            InputError: fewer than two recordings.
        """
        if len(self.utterances) < 2:
            raise InputError(f"{self.code}: one recording cannot be divided; expected several")
        order = sorted(self.utterances, key=lambda utterance: draw(utterance.key, seed))
        number = max(1, round(share * len(order)))
        return replace(self, utterances=tuple(order[number:])), replace(self, utterances=tuple(order[:number]))


def corpus(
    source: str, *, column: str = "text", tones: bool = False, rewrite: Mapping[str, str] | None = None
) -> dict[str, Words]:
    """Language code -> its words, sorted by code.

    Args:
        column: of the metadata that holds the IPA.
        tones: whether a tone is a phone of its own.
        rewrite: phones that the transcripts write otherwise than they mean -> what they mean.

    Raises:
        InputError: no such corpus or column, something is not IPA, or an inventory lacks a phone of the words.
    """
    rewrite = rewrite or {}
    found: dict[str, list[Utterance]] = {}
    for utterance in read(source):
        cells = {"text": utterance.text, **dict(utterance.extra)}
        if column not in cells:
            raise unknown_name("column", column, cells, where="--column")
        phones = segments(cells[column], tones=tones, where=utterance.where)
        if not phones:
            raise InputError(f"{utterance.where}: no phone in {cells[column]!r}; leave the row out")
        text = " ".join(rewrite.get(phone, phone) for phone in phones)
        found.setdefault(utterance.language, []).append(replace(utterance, text=text))
    inventory = {code: _inventory(source, code, own, rewrite) for code, own in found.items()}
    return {code: Words(code, tuple(found[code]), inventory[code]) for code in sorted(found)}


def _inventory(source: str, code: str, own: Sequence[Utterance], rewrite: Mapping[str, str]) -> Inventory:
    """Of `LANGUAGE/inventory/allophone.txt` in the folder; where there is none, the phones of the words."""
    said = sorted({phone for utterance in own for phone in utterance.text.split()})
    file = at_home(source) / code / "inventory" / "allophone.txt"
    inventory = inventories.read(file) if file.is_file() else Inventory.of(said)
    inventory = inventory.rewritten(rewrite)
    try:
        inventory.encode(said)
        signatures(inventory.phones)
    except InputError as error:
        place = file if file.is_file() else f"{source}, {code}"
        raise InputError(f"{place}: {error}") from None
    return inventory
