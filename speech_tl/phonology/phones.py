"""What a phone is made of: IPA cut into phones, and each phone's articulation as a row of features.

A phone that no recording holds can be recognised once its articulation is known, as an animal by its attributes
(`speech_tl.zero_shot`). The features are panphon's (Mortensen et al., "PanPhon: a resource for mapping IPA segments to
articulatory feature vectors", COLING 2016): 24 of them, each present, absent or without meaning for the phone.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from speech_tl.errors import InputError
from speech_tl.zero_shot.signatures import Signatures

TIE = "\u0361"
LOOK_ALIKES = {
    **{"g": "ɡ", ":": "ː", "’": "ʼ", "α": "ɑ", "ε": "ɛ", "є": "ɛ", "ӕ": "æ", "ә": "ə", "ǝ": "ə", "ɩ": "ɪ", "ɷ": "ʊ"},
    **{"ʦ": "t͡s", "ʣ": "d͡z", "ʧ": "t͡ʃ", "ʤ": "d͡ʒ", "ʨ": "t͡ɕ", "ʥ": "d͡ʑ", "ƛ": "t͡ɬ", },
    **{"ᵻ": "ɨ", "ɚ": "ə˞", "ɝ": "ɜ˞", "\u035c": TIE, "\u200b": "", "\u200c": "", "\u200d": ""},
}  # fmt: skip
"""Letters of other scripts and of older IPA, and what has no width -> what they stand for."""
_AFFRICATES = ("ts", "dz", "tʃ", "dʒ", "tɕ", "dʑ", "ʈʂ", "ɖʐ", "tɬ", "dɮ")
"""One phone where they stand together, tied or not."""
TONES = "˩˨˧˦˥"
"""Tone letters, the lowest first."""
_TONES = {
    **dict(zip(TONES, TONES, strict=True)),
    **dict(zip("¹²³⁴⁵", TONES, strict=True)),
    **{"\u030f": "˩", "\u0300": "˨", "\u0304": "˧", "\u0301": "˦", "\u030b": "˥", "\u030c": "˨˦", "\u0302": "˦˨"},
}
"""Tone letters, digits and marks above a vowel -> tone letters."""
_SILENT = frozenset("ˈˌ'.,-|‖‿/[]()ꜛꜜ~⁻")
"""Stress, boundaries, brackets, steps of register and of sandhi: no phones."""
_IPA = "abcdefhijklmnopqrstuvwxyzæðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢβθχⱱᶑꞎ"
"""The letters themselves; ç is one with a mark."""
_RAISED = "\u02b0-\u02c7\u02c9-\u02cb\u02cd-\u02e4\u02ea-\u02ff\u1d2c-\u1d6a\u1d9b-\u1dbf\u207f"
_MARK = f"[{_RAISED}\u0300-\u0360\u0362-\u036f]"
"""A diacritic or a raised letter, tone marks among them."""
_LETTER = f"[{_IPA}]{_MARK}*"
_LONE = re.compile(f"\\s+(?={_MARK}+(?:\\s|$))")
"""Before a length or a diacritic that stands apart from its letter."""
_TOKEN = re.compile(f"(?P<phone>{_MARK}*{_LETTER}(?:{TIE}{_LETTER})*)|.")


def segments(ipa: str, *, tones: bool = False, where: str = "") -> tuple[str, ...]:
    """`ˈaˑdʒʃʲ` -> aˑ, d͡ʒ, ʃʲ: letters with their diacritics and length, affricates as one.

    Args:
        ipa: narrow or broad; spaces between phones, between words or nowhere.
        tones: a tone is a phone of its own, behind the one that bears it, written in tone letters; else it is dropped.
        where: file and row, for messages.

    Raises:
        InputError: a sign that IPA does not have.
    """
    plain = unicodedata.normalize("NFD", "".join(LOOK_ALIKES.get(sign, sign) for sign in ipa))
    for pair in _AFFRICATES:
        plain = plain.replace(pair, TIE.join(pair))
    found = []
    plain = _LONE.sub("", plain)
    for token in (token for chunk in plain.split() for token in _TOKEN.finditer(chunk)):
        if token["phone"]:
            bare = "".join(sign for sign in token["phone"] if sign not in _TONES)
            found.append(unicodedata.normalize("NFC", bare))
        elif token[0] not in _TONES and token[0] not in _SILENT:
            place, code = f" in {where}" if where else "", f"U+{ord(token[0]):04X}"
            raise InputError(f"{token[0]!r} ({code}) in {ipa!r}{place} is no IPA; expected phones in IPA")
        if tones:
            found += "".join(_TONES.get(sign, "") for sign in token[0])
    return tuple(found)


def signatures(phones: Sequence[str]) -> Signatures:
    """Phone x feature: 1 where the phone has it, -1 where it lacks it, 0 where that means nothing.

    A diacritic that panphon does not know on its letter changes nothing: [aˑ] has the features of [a].

    Raises:
        InputError: a phone without articulation, or panphon is not installed.
    """
    table, rows = _feature_table(), []
    for phone in phones:
        known = table.longest_one_seg_prefix(phone)
        if not known:
            raise InputError(f"{phone!r} is no phone whose articulation is known: expected IPA, one phone at a time")
        rows.append(table.fts(known).numeric())
    values = np.array(rows, np.float32).reshape(len(phones), len(table.names))
    return Signatures(tuple(phones), tuple(table.names), values)


def articulated(phones: Iterable[str]) -> list[str]:
    """Those of which the articulation is known."""
    table = _feature_table()
    return [phone for phone in phones if table.longest_one_seg_prefix(phone)]


@cache
def _feature_table() -> Any:
    try:
        from panphon import FeatureTable
    except ImportError:
        raise _missing() from None
    return FeatureTable()


@dataclass(frozen=True)
class Nearest:
    """What stands for a phone where that phone is not to be had."""

    phone: str
    nearest: str
    distance: float
    """Share of the features that differ, 0 to 1."""


def nearest(phones: Sequence[str], known: Sequence[str]) -> tuple[Nearest, ...]:
    """For each phone the one of `known` from which fewest features differ: itself where it is there, else the first.

    Raises:
        InputError: nothing is known, or a phone has no articulation.
    """
    if not known:
        raise InputError("no phone is known: nothing can stand for another")
    wanted, choice = signatures(tuple(dict.fromkeys(phones))), signatures(known)
    found = []
    for phone in phones:
        differ = (choice.values != wanted.of([phone])).mean(1)
        at = choice.classes.index(phone) if phone in choice.classes else int(differ.argmin())
        found.append(Nearest(phone, known[at], float(differ[at])))
    return tuple(found)


def apart(one: str, other: str) -> float:
    """How far two pronunciations in IPA are from each other, for each phone of the longer: 0 for one and the same.

    The least cost of edits, of which a phone for another costs the share of their features that differ, and one more or
    less costs 1 (Mortensen et al., 2016).

    Raises:
        InputError: panphon is not installed.
    """
    return float(_distance().hamming_feature_edit_distance_div_maxlen(one, other))


@cache
def _distance() -> Any:
    try:
        from panphon.distance import Distance
    except ImportError:
        raise _missing() from None
    return Distance()


def _missing() -> InputError:
    return InputError('panphon, which knows how phones sound, is missing; pip install "speech-tl[phones]"')
