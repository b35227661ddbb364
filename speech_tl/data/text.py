"""One spelling per sound sequence: what the letters of a corpus are reduced to before they are learned or
scored.

The rules are data, not code paths: a language is a row of the table below, every rule can be printed and is
stored with the model, because an error rate means nothing without the normalisation it was measured under.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from speech_tl.errors import unknown_name

TATWEEL = "\u0640"
HARAKAT = "".join(map(chr, range(0x064B, 0x0653))) + "\u0670"
JOINERS = "\u200c\u200d"
DOTTED_I = (("I", "ı"), ("İ", "i"))
APOSTROPHES = str.maketrans(dict.fromkeys("’‘‛`´＇", "'"))
HYPHENS = str.maketrans(dict.fromkeys("‐‑", "-"))
CASES = ("lower", "casefold", "keep")
CHILLUS = (
    ("ണ്\u200d", "ൺ"),
    ("ന്\u200d", "ൻ"),
    ("ര്\u200d", "ർ"),
    ("ല്\u200d", "ൽ"),
    ("ള്\u200d", "ൾ"),
    ("ക്\u200d", "ൿ"),
)


UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Letters of Thai, Lao, Japanese and Chinese, for a set in a regular expression: scripts without spaces."""


@dataclass(frozen=True)
class Normaliser:
    """Text to the text that is learned; calling it twice changes nothing more."""

    language: str = ""
    form: Literal["NFC", "NFKC"] = "NFC"
    """Unicode form, applied first and last: NFC, or NFKC where full and half width are one letter."""
    case: str = "lower"
    """`lower`, `casefold` (Greek: one sigma) or `keep`."""
    inside: str = "'"
    """Punctuation kept between two letters, where it spells a sound; all other becomes a space."""
    drop: str = ""
    """Characters taken out without a space."""
    joiners: bool = False
    """Keep ZERO WIDTH (NON-)JOINER between letters, where it changes the letter."""
    rewrite: tuple[tuple[str, str], ...] = ()
    """Replaced before the case is changed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rewrite", tuple((old, new) for old, new in self.rewrite))
        if self.form not in {"NFC", "NFKC"}:
            raise unknown_name("Unicode form", self.form, ("NFC", "NFKC"), where="a normaliser")
        if self.case not in CASES:
            raise unknown_name("case rule", self.case, CASES, where="a normaliser")

    def __call__(self, text: str) -> str:
        text = unicodedata.normalize(self.form, text).translate(APOSTROPHES).translate(HYPHENS)
        for old, new in self.rewrite:
            text = text.replace(old, new)
        if self.case != "keep":
            text = text.lower() if self.case == "lower" else text.casefold()
            text = re.sub("(?<=[ijį])\u0307", "", text)  # İ lowers to i + dot; Lithuanian accents write the dot too
        text = "".join(map(self._kept, text))
        text = unicodedata.normalize(self.form, self._word_inner(text))
        return " ".join(text.split())

    @property
    def description(self) -> str:
        """The rules in one line, for a report."""
        rules: list[str] = [self.form]
        rules += [f"{self.case} case"] if self.case != "keep" else ["case kept"]
        rules += [f"{old!r} written {new!r}" for old, new in self.rewrite]
        rules += [f"{' '.join(f'U+{ord(c):04X}' for c in self.drop)} dropped"] if self.drop else []
        rules += ["punctuation removed" + (f" except {self.inside} inside words" if self.inside else "")]
        rules += ["zero-width joiners kept"] if self.joiners else []
        return "; ".join(rules)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Normaliser":
        known = {f.name for f in fields(cls)}
        for name in values:
            if name not in known:
                raise unknown_name("rule", name, known, where="a stored normaliser")
        return cls(**values)

    def _kept(self, character: str) -> str:
        """The character itself, a space for punctuation and controls, nothing for invisible characters."""
        if character in self.drop:
            return ""
        if character in self.inside or (self.joiners and character in JOINERS):
            return character
        category = unicodedata.category(character)
        if category == "Cf":
            return ""
        return " " if category[0] in "PZ" or category == "Cc" else character

    def _word_inner(self, text: str) -> str:
        """Marks of `inside`, and joiners, survive only with a letter on both sides."""
        marks = re.escape(self.inside + (JOINERS if self.joiners else ""))
        return re.sub(rf"(?<![^\s{marks}])[{marks}]+|[{marks}]+(?![^\s{marks}])", " ", text) if marks else text


_ARABIC = Normaliser(drop=TATWEEL + HARAKAT)
_PERSIAN = Normaliser(drop=TATWEEL, joiners=True)
_INDIC = Normaliser(joiners=True)
_TURKIC = Normaliser(rewrite=DOTTED_I)
_WIDE = Normaliser(form="NFKC")

RULES: dict[str, Normaliser] = {
    "arb": _ARABIC, "ara": _ARABIC, "ar": _ARABIC, "arz": _ARABIC, "ary": _ARABIC,
    "fas": _PERSIAN, "fa": _PERSIAN, "pes": _PERSIAN, "urd": _PERSIAN, "ur": _PERSIAN, "ckb": _PERSIAN,
    "uig": _PERSIAN, "ug": _PERSIAN, "pus": _PERSIAN, "ps": _PERSIAN,
    "tur": _TURKIC, "tr": _TURKIC, "aze": _TURKIC, "azj": _TURKIC, "az": _TURKIC, "crh": _TURKIC,
    "ell": Normaliser(case="casefold"), "el": Normaliser(case="casefold"),
    "heb": Normaliser(inside="'׳״"), "he": Normaliser(inside="'׳״"),
    "cat": Normaliser(inside="'·"), "ca": Normaliser(inside="'·"),
    "nan": Normaliser(inside="'-"), "nan-tw": Normaliser(inside="'-"),
    "mal": Normaliser(joiners=True, rewrite=CHILLUS), "ml": Normaliser(joiners=True, rewrite=CHILLUS),
    "ben": _INDIC, "bn": _INDIC, "hin": _INDIC, "hi": _INDIC, "mar": _INDIC, "mr": _INDIC, "nep": _INDIC,
    "ne": _INDIC, "sin": _INDIC, "si": _INDIC, "kan": _INDIC, "kn": _INDIC, "tel": _INDIC, "te": _INDIC,
    "cmn": _WIDE, "zho": _WIDE, "zh": _WIDE, "yue": _WIDE, "jpn": _WIDE, "ja": _WIDE,
    "kor": _WIDE, "ko": _WIDE,
}  # fmt: skip
"""By ISO 639-3 and 639-1 code; a language without a row gets the default rules."""


def normaliser(language: str, stored: Mapping[str, Any] | None = None) -> Normaliser:
    """The rules of a language, or those that a checkpoint stored; `zh-CN` and `sw_ke` fall back on `zh` and `sw`."""
    if stored:
        return Normaliser.from_dict(stored)
    base = re.split("[-_]", language)[0]
    return replace(RULES.get(language.lower(), RULES.get(base.lower(), Normaliser())), language=language)
