"""Which phones a language has, which of them it tells apart, and what of a lexicon a model cannot hear.

A language's phonemes are each spoken as one phone or another: Japanese /h/ is [h], [ç] or [ɸ]. A model hears phones,
and the inventory of a language says which phonemes they are (Li et al., "Universal phone recognition with a
multilingual allophone system", ICASSP 2020).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from speech_tl.errors import InputError
from speech_tl.phonology.phones import Nearest, nearest, segments


@dataclass(frozen=True)
class Inventory:
    """The phonemes of a language in the order of a head, whose blank comes before them, and the phones of each."""

    allophones: tuple[tuple[str, tuple[str, ...]], ...]
    """(phoneme, the phones it is spoken as)."""

    def __post_init__(self) -> None:
        if not self.allophones:
            raise InputError("an inventory without a phone: expected the phones of a language")
        for at, phoneme in enumerate(self.phonemes):
            if phoneme in self.phonemes[:at]:
                raise InputError(f"the phoneme {phoneme!r} is in the inventory twice: keep one, with all its phones")
            if not self.allophones[at][1]:
                raise InputError(f"the phoneme {phoneme!r} is spoken as no phone: expected one or more")

    @classmethod
    def of(cls, phones: Iterable[str]) -> "Inventory":
        """These phones, sorted, each a phoneme of its own."""
        return cls(tuple((phone, (phone,)) for phone in sorted(set(phones))))

    def __len__(self) -> int:
        return len(self.allophones)

    @cached_property
    def phonemes(self) -> tuple[str, ...]:
        return tuple(phoneme for phoneme, _ in self.allophones)

    @cached_property
    def phones(self) -> tuple[str, ...]:
        """Every phone once."""
        return tuple(dict.fromkeys(phone for _, phones in self.allophones for phone in phones))

    @cached_property
    def _index(self) -> dict[str, int]:
        """Phoneme, or a phone of one phoneme only -> its place in a head."""
        own = Counter(phone for _, phones in self.allophones for phone in set(phones))
        spoken = {phone: at for at, (_, phones) in enumerate(self.allophones, 1) for phone in phones if own[phone] == 1}
        return spoken | {phoneme: at for at, phoneme in enumerate(self.phonemes, 1)}

    def rewritten(self, meant: Mapping[str, str]) -> "Inventory":
        """With other signs for some phones; phonemes that become one have the phones of both."""
        table: dict[str, tuple[str, ...]] = {}
        for phoneme, phones in self.allophones:
            own, spoken = meant.get(phoneme, phoneme), (meant.get(phone, phone) for phone in phones)
            table[own] = tuple(dict.fromkeys((*table.get(own, ()), *spoken)))
        return Inventory(tuple(table.items()))

    def encode(self, phones: Sequence[str]) -> tuple[int, ...]:
        """Indices of a head, in which 0 is the blank.

        Raises:
            InputError: a phone is not in the inventory, or in several of its phonemes.
        """
        for phone in phones:
            if phone not in self._index:
                known = " ".join(self.phonemes)
                raise InputError(f"{phone!r} is no phoneme of the inventory, or of several the phone; known: {known}")
        return tuple(self._index[phone] for phone in phones)

    def decode(self, ids: Iterable[int]) -> tuple[str, ...]:
        """Phonemes, blanks left out."""
        return tuple(self.phonemes[at - 1] for at in ids if at)


def read(path: Path) -> Inventory:
    """A text file with a phoneme on each line and behind it the phones that it is spoken as, if others than itself.

    Raises:
        InputError: it cannot be read, holds no line, or something that is not one phone in IPA.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no inventory that can be read ({error})") from None
    found = []
    for number, line in enumerate(lines, start=1):
        written = line.split()
        phones = [segments(each, tones=True, where=f"{path}, line {number}") for each in written]
        if wrong := [each for each, cut in zip(written, phones, strict=True) if len(cut) != 1]:
            raise InputError(f"{path}, line {number}: {wrong[0]!r} is not one phone; expected a phoneme and its phones")
        if phones:
            (phoneme,), *spoken = phones
            found.append((phoneme, tuple(phone for (phone,) in spoken) or (phoneme,)))
    if not found:
        raise InputError(f"{path} is empty: expected a phoneme and its phones on each line")
    return Inventory(tuple(found))


@dataclass(frozen=True)
class Coverage:
    """What of some words a lexicon and an inventory do not hold."""

    words: int
    missing: tuple[str, ...]
    """Words without an entry."""
    replaced: tuple[tuple[Nearest, int], ...]
    """Phones outside the inventory with what stands for them, and how often they occur; the most frequent first."""

    def __str__(self) -> str:
        lost = (
            f"{len(self.missing)} of {self.words} words have no entry: {_some(self.missing)}; " if self.missing else ""
        )
        used = [f"[{x.phone}]×{n} as [{x.nearest}] ({x.distance:.2f})" for x, n in self.replaced]
        heard = f"{len(used)} phones are outside the inventory" + (": " if used else "")
        return f"{lost}{heard}{_some(used)}"


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def coverage(words: Sequence[str], said: Mapping[str, Sequence[str]], phones: Sequence[str]) -> Coverage:
    """How much of the words a model can look up and hear.

    Args:
        said: word -> its phones, of a lexicon.
        phones: those that the model knows.
    """
    own, known = dict.fromkeys(words), set(phones)
    counts = Counter(phone for word in own if word in said for phone in said[word] if phone not in known)
    outside = [phone for phone, _ in counts.most_common()]
    return Coverage(
        len(own),
        tuple(word for word in own if word not in said),
        tuple((each, counts[each.phone]) for each in nearest(outside, phones)) if outside else (),
    )
