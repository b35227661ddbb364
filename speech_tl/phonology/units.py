"""The symbols a CTC head writes: one code point each, the blank first, in an order that never changes.

Characters need no lexicon and no tokeniser that could go missing, so a checkpoint that holds this list
explains its own output (Graves et al., "Connectionist temporal classification", ICML 2006, for the blank).
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from speech_tl.errors import InputError

BLANK = "<blank>"


@dataclass(frozen=True)
class Units:
    """`symbols[0]` is the blank; every other symbol is one code point of NFC text, the space included."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.symbols[:1] != (BLANK,):
            raise InputError(f"the first unit must be {BLANK!r}, got {self.symbols[:1]}")
        if len(set(self.symbols)) != len(self.symbols):
            raise InputError(f"{len(self.symbols) - len(set(self.symbols))} units occur twice")
        if long := [symbol for symbol in self.symbols[1:] if len(symbol) != 1]:
            raise InputError(f"a unit is one code point, got {long[0]!r}")

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
        return tuple(dict.fromkeys(s for s in unicodedata.normalize("NFC", text) if s not in self._index))

    def encode(self, text: str) -> tuple[int, ...]:
        """One index per code point; InputError names the symbols that have no unit."""
        try:
            return tuple(self._index[symbol] for symbol in unicodedata.normalize("NFC", text))
        except KeyError:
            names = ", ".join(f"{s!r} (U+{ord(s):04X} {unicodedata.name(s, '?')})" for s in self.missing(text)[:3])
            raise InputError(
                f"text {text[:40]!r} has symbols never seen in training: {names}; "
                f"known: {''.join(self.symbols[1:])[:80]!r}"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """Symbols joined, blanks left out; repeats are kept (collapsing them is the decoder's task)."""
        return "".join(self.symbols[i] for i in ids if i)
