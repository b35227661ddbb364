"""Mandarin's sounds from pinyin with numbered tones: `bei3jing1` -> pei˨˩˦t͡ɕiŋ˥.

Initials and finals are few and each has one broad pronunciation (Lee & Zee, "Standard Chinese (Beijing)", Journal of
the International Phonetic Association 33, 2003); a tone is tone letters behind its syllable, the neutral one none.
How characters are read, pypinyin says.
"""

import re
import unicodedata
from importlib.util import find_spec

from speech_tl.errors import InputError

_INITIALS = {
    **{"b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l"},
    **{"g": "k", "k": "kʰ", "h": "x", "j": "t͡ɕ", "q": "t͡ɕʰ", "x": "ɕ"},
    **{"zh": "ʈ͡ʂ", "ch": "ʈ͡ʂʰ", "sh": "ʂ", "r": "ɻ", "z": "t͡s", "c": "t͡sʰ", "s": "s", "": ""},
}
_FINALS = {
    **{"a": "a", "o": "wo", "e": "ɤ", "ai": "ai", "ei": "ei", "ao": "au", "ou": "ou", "er": "aɻ"},
    **{"an": "an", "en": "ən", "ang": "aŋ", "eng": "əŋ", "ong": "ʊŋ"},
    **{"i": "i", "ia": "ja", "ie": "je", "iao": "jau", "iu": "jou", "ian": "jɛn", "in": "in", "io": "jo", "iai": "jai"},
    **{"iang": "jaŋ", "ing": "iŋ", "iong": "jʊŋ"},
    **{"u": "u", "ua": "wa", "uo": "wo", "uai": "wai", "ui": "wei", "uan": "wan", "un": "wən", "uang": "waŋ"},
    **{"ueng": "wəŋ", "ü": "y", "üe": "ɥe", "üan": "ɥɛn", "ün": "yn"},
}
_WRITTEN_OTHERWISE = {
    **{"yi": "i", "yin": "in", "ying": "ing", "wu": "u", "you": "iu", "wei": "ui", "wen": "un"},
    **{"yai": "iai", "yu": "ü", "yue": "üe", "yuan": "üan", "yun": "ün", "yong": "iong"},
}
"""Syllables without an initial; all others have i for y and u for w."""
_WITHOUT_VOWEL = {"m": "m̩", "n": "n̩", "ng": "ŋ̩"}
_TONES = {"": "", "0": "", "1": "˥", "2": "˧˥", "3": "˨˩˦", "4": "˥˩", "5": ""}
_SYLLABLE = re.compile("([a-zü]+)([0-5]?)|.")


def ipa(pinyin: str, *, where: str = "") -> str:
    """Its IPA.

    Args:
        pinyin: syllables, each with the number of its tone behind it, or characters; ü may be written v or u:.
        where: file and row, for messages.

    Raises:
        InputError: something that is no syllable of Mandarin, or characters where pypinyin is not installed.
    """
    plain = _without_characters(pinyin).lower().replace("u:", "ü").replace("v", "ü")
    parted = "".join(" " if unicodedata.category(sign).startswith("P") else sign for sign in plain)
    return "".join(_syllable(found, pinyin, where) for part in parted.split() for found in _SYLLABLE.finditer(part))


def _without_characters(text: str) -> str:
    if not any(unicodedata.name(sign, "").startswith("CJK UNIFIED") for sign in text):
        return text
    if find_spec("pypinyin") is None:
        raise InputError(f'{text!r}: how characters are read, pypinyin knows; pip install "speech-tl[mandarin]"')
    from pypinyin import Style, lazy_pinyin

    return "".join(lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=True))


def _syllable(found: re.Match[str], pinyin: str, where: str) -> str:
    syllable, tone = found[1] or "", found[2] or ""
    if syllable in _WITHOUT_VOWEL:
        return _WITHOUT_VOWEL[syllable] + _TONES[tone]
    initial = syllable[:2] if syllable[:2] in ("zh", "ch", "sh") else syllable[:1]
    final = syllable[len(initial) :]
    if initial in ("y", "w"):
        initial, final = "", _WRITTEN_OTHERWISE.get(syllable, {"y": "i", "w": "u"}[initial] + final)
    elif initial not in _INITIALS:
        initial, final = "", syllable
    if initial in ("j", "q", "x") and final.startswith("u"):
        final = "ü" + final[1:]
    if final not in _FINALS:
        place = f" in {where}" if where else ""
        raise InputError(
            f"{found[0]!r} in {pinyin!r}{place} is no syllable of pinyin; expected numbered tones, such as bei3jing1"
        )
    if final == "i" and initial in ("z", "c", "s", "zh", "ch", "sh", "r"):
        vowel = "ɹ̩" if initial in ("z", "c", "s") else "ɻ̩"
    else:
        vowel = "o" if final == "o" and not initial else _FINALS[final]
    return _INITIALS[initial] + vowel + _TONES[tone]
