"""The symbols a CTC head writes: code points, or phones, the blank first, in an order that never changes.

Characters need no lexicon and no tokeniser that could go missing, so a checkpoint that holds this list
explains its own output (Graves et al., "Connectionist temporal classification", ICML 2006, for the blank).
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from speech_tl.errors import InputError

BLANK = "<blank>"


@dataclass(frozen=True)
class Units:
    """`symbols[0]` is the blank; every other symbol is a code point of NFC text, the space included, or a phone of
    several. Where one symbol begins as another does, a text is read as the longer."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.symbols[:1] != (BLANK,):
            raise InputError(f"the first unit must be {BLANK!r}, got {self.symbols[:1]}")
        if len(set(self.symbols)) != len(self.symbols):
            raise InputError(f"{len(self.symbols) - len(set(self.symbols))} units occur twice")
        if "" in self.symbols:
            raise InputError("a unit is one code point or several, got none")

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> "Units":
        """The code points that occur, sorted: the same texts in any order give the same units."""
        seen: set[str] = set()
        for text in texts:
            seen.update(unicodedata.normalize("NFC", text))
        return cls((BLANK, *sorted(seen)))

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @property
    def digest(self) -> str:
        """16 hexadecimal digits: two heads with equal digests write the same alphabet."""
        return hashlib.sha256(json.dumps(self.symbols).encode()).hexdigest()[:16]

    def missing(self, text: str) -> tuple[str, ...]:
        """The symbols of a text that have no unit, in order of first occurrence."""
        return tuple(dict.fromkeys(found for found in self.cut(text) if found not in self._index))

    def cut(self, text: str) -> list[str]:
        """The symbols of a text, and the code points that begin none."""
        return self._pattern.findall(unicodedata.normalize("NFC", text))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The longest symbol that is there, or one code point that is none."""
        longest_first = sorted(self.symbols[1:], key=len, reverse=True)
        return re.compile("|".join((*map(re.escape, longest_first), ".")), re.DOTALL)

    def encode(self, text: str) -> tuple[int, ...]:
        """One index per symbol; InputError names those that have no unit."""
        try:
            return tuple(self._index[symbol] for symbol in self.cut(text))
        except KeyError:
            names = ", ".join(f"{s!r} (U+{ord(s):04X} {unicodedata.name(s, '?')})" for s in self.missing(text)[:3])
            raise InputError(
                f"text {text[:40]!r} has symbols never seen in training: {names}; "
                f"known: {''.join(self.symbols[1:])[:80]!r}"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """Symbols joined, blanks left out; repeats are kept (collapsing them is the decoder's task)."""
        return "".join(self.symbols[i] for i in ids if i)
