"""What the sounds of different languages have in common: IPA folded into the 41 sound classes of ASJP.

A phone set per language shares nothing between languages, and narrow IPA hardly more, since transcribers differ in
their habits. ASJPcode (Brown, Holman, Wichmann & Velupillai, "Automated classification of the world's languages",
STUF 61, 2008) was made for comparing words of all languages: seven vowels and 34 consonants, one ASCII sign each;
length, stress, tone, nasality and secondary articulation are left out.
"""

import unicodedata
from collections.abc import Sequence
from typing import Protocol

from speech_tl.errors import InputError
from speech_tl.phonology.phones import LOOK_ALIKES
from speech_tl.phonology.units import BLANK, Units

_VOWELS = {"i": "iɪyʏ", "e": "eø", "E": "æɛœɶ", "3": "ɨᵻɘəɜʉɵɞɚɝ", "a": "aɐɑ", "u": "ɯuʊ", "o": "ɤʌoɔɒ"}
_CONSONANTS = {
    "p": "pɸ",
    "b": "bβʙɓ",
    "m": "mɱ",
    "f": "f",
    "v": "vⱱʋ",
    "8": "θð",
    "t": "tʈ",
    "d": "dɖɗᶑ",
    "s": "s",
    "z": "z",
    "n": "nɳ",
    "S": "ʃɕʂɧ",
    "Z": "ʒʑʐ",
    "T": "cɟʄ",
    "5": "ɲ",
    "k": "k",
    "g": "ɡgɠ",
    "x": "xɣçʝɰ",
    "N": "ŋɴ",
    "q": "q",
    "G": "ɢʛ",
    "X": "χʁħʕʜʢ",
    "7": "ʔʡ",
    "h": "hɦ",
    "l": "lɫɬɮɺ",
    "L": "ʟɭʎ",
    "w": "wʍɥ",
    "y": "j",
    "r": "rɹɾɽʀɻ",
    "!": "ǃǀǁǂʘ",
}
_AFFRICATES = {"ts": "c", "dz": "c", "tʃ": "C", "tɕ": "C", "ʈʂ": "C", "tʂ": "C", "dʒ": "j", "dʑ": "j", "ɖʐ": "j"}

PHONES = Units((BLANK, *sorted({*_VOWELS, *_CONSONANTS, *_AFFRICATES.values()})))
"""Every class, in the order of a phone head. Not quite ASJP's: its 4, a dental nasal, is a diacritic in IPA and n here;
[a] and [ɑ], which broad transcriptions write for one central vowel, are both a."""
_CLASS_OF = {sign: name for table in (_VOWELS, _CONSONANTS) for name, signs in table.items() for sign in signs}


def as_ipa(classes: Sequence[str]) -> tuple[str, ...]:
    """The first sound of each class, an affricate tied: `t`, `C` -> `t`, `t͡ʃ`."""
    first = {name: signs[0] for table in (_VOWELS, _CONSONANTS) for name, signs in table.items()}
    tied = {name: "\u0361".join(pair) for pair, name in reversed(_AFFRICATES.items())}
    return tuple({**first, **tied}[name] for name in classes)


class Spell(Protocol):
    """IPA -> the signs of a model that hears sounds."""

    def __call__(self, ipa: str, *, where: str = "") -> str: ...


def sound_classes(ipa: str, *, where: str = "") -> str:
    """`tʃˈɪkən` -> `Cik3n`: one sign of `PHONES` per phone, the pauses between words dropped.

    Args:
        ipa: broad or narrow, affricates tied or not, spaces between phones, between words or nowhere.
        where: file and row, for messages.

    Raises:
        InputError: a letter is not IPA.
    """
    classes = []
    for chunk in ipa.split():
        letters = _letters(chunk)
        at = 0
        while at < len(letters):
            pair = letters[at : at + 2]
            if pair not in _AFFRICATES and letters[at] not in _CLASS_OF:
                place, code = f" in {where}" if where else "", f"U+{ord(letters[at]):04X}"
                raise InputError(f"{letters[at]!r} ({code}) in {ipa!r}{place} is no IPA letter; expected IPA")
            classes.append(_AFFRICATES.get(pair) or _CLASS_OF[letters[at]])
            at += 2 if pair in _AFFRICATES else 1
    return "".join(classes)


def _letters(ipa: str) -> str:
    """Without diacritics, modifiers (length, stress, palatalisation, aspiration), tone and boundaries."""
    meant = "".join(LOOK_ALIKES.get(sign, sign) for sign in ipa)
    apart = unicodedata.normalize("NFD", meant.replace("ç", "\ue000").replace("c\u0327", "\ue000"))
    kept = (sign for sign in apart if sign == "\ue000" or unicodedata.category(sign) in ("Ll", "Lo", "Lu"))
    return "".join(kept).replace("\ue000", "ç")
