"""Words and how they are said: from TSV lists, CMUdict or IPA columns to a prefix tree over sounds.

A word that no recording holds is recognised all the same once the lexicon says how it sounds. Pronunciations are kept
as strings of the signs that a model hears, sound classes (`speech_tl.phonology.sounds`) or phones.
"""

import gzip
import re
import sys
import unicodedata
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_tl.errors import InputError
from speech_tl.files import at_home
from speech_tl.phonology.sounds import PHONES, Spell, sound_classes

ARPABET: Mapping[str, str] = {
    **{"AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "tʃ", "D": "d", "DH": "ð"},
    **{"EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "dʒ", "K": "k"},
    **{"L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ", "OY": "ɔɪ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ"},
    **{"T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ"},
}
"""CMUdict's phones as IPA; an unstressed AH is ə."""
_ARPABET_TOKEN = re.compile(r"[A-Z]{1,2}[012]?")


@dataclass(frozen=True)
class Lexicon:
    """Word -> its pronunciations, each a string of signs."""

    entries: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def digest(self) -> str:
        """SHA-256 of its lines, WORD TAB PRONUNCIATION, sorted."""
        lines = sorted(f"{word}\t{said}\n" for word, ways in self.entries.items() for said in ways)
        return sha256("".join(lines).encode()).hexdigest()

    def missing(self, words: Sequence[str]) -> list[str]:
        """The words without an entry, in their order."""
        return [word for word in dict.fromkeys(words) if word not in self.entries]

    def of(self, words: Sequence[str], *, where: str = "the lexicon") -> "Lexicon":
        """Only these words.

        Raises:
            InputError: a word is not in it.
        """
        if lost := self.missing(words):
            raise InputError(f"{where}: {len(lost)} words of the data are not in it: {', '.join(lost[:5])}")
        return Lexicon({word: self.entries[word] for word in dict.fromkeys(words)})

    def phrases(self, lines: Sequence[str], *, where: str = "the lexicon") -> "Lexicon":
        """An entry for each phrase: its words' first pronunciations, one after another.

        Raises:
            InputError: a word is not in it, or there is no phrase.
        """
        if not lines:
            raise InputError("a list of phrases without a phrase: expected one on each line")
        own = self.of([word for line in lines for word in line.split()], where=where)
        return Lexicon({line: ("".join(own.entries[word][0] for word in line.split()),) for line in lines})

    def __add__(self, other: "Lexicon") -> "Lexicon":
        """Both; a word of both has the pronunciations of both."""
        merged = dict(self.entries)
        for word, said in other.entries.items():
            merged[word] = tuple(dict.fromkeys((*merged.get(word, ()), *said)))
        return Lexicon(merged)


def arpabet_to_ipa(phones: Sequence[str], *, where: str = "") -> str:
    """`["AH0", "D", "AE1", "M"]` -> `ə d æ m`.

    Args:
        where: file and row, for messages.

    Raises:
        InputError: a phone that CMUdict does not have.
    """
    found = []
    for phone in phones:
        if phone == "AH0":
            found.append("ə")
            continue
        plain = phone.rstrip("012")
        if plain not in ARPABET:
            place = f" in {where}" if where else ""
            raise InputError(f"{phone!r}{place} is no phone of ARPABET; expected CMUdict's, such as AH0 or TH")
        found.append(ARPABET[plain])
    return " ".join(found)


def read(path: str | Path, *, normalise: Callable[[str], str] = str, spell: Spell = sound_classes) -> Lexicon:
    """A lexicon file, plain or gzipped: CMUdict (`word PH1 PH2`), or word, tab, IPA as ipa-dict and WikiPron have it.

    A word on several lines, or with several transcriptions between slashes, has several pronunciations. Lines that
    cannot be spelled are left out and counted; those that say nothing new are counted.

    Raises:
        InputError: no such file, not UTF-8, a line without a tab or with too many, or symbols that are not IPA in more
            than a tenth of the lines.
    """
    path = at_home(path)
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a word, a tab, its IPA on each line") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); expected a word, a tab, its IPA on each line") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.split("#")[0].strip() and not line.startswith(";;;")  # comments, the second of CMUdict 0.7
    ]
    if not lines:
        raise InputError(f"{path} is empty: expected a word, a tab, its IPA on each line")
    cmudict = all("\t" not in line for _, line in lines[:20]) and _is_arpabet(lines[0][1].split()[1:])
    found: dict[str, list[str]] = {}
    strange: list[InputError] = []
    again = 0

    def spelled(said: str | Sequence[str], where: str) -> str:
        try:
            signs = spell(said if isinstance(said, str) else arpabet_to_ipa(said, where=where), where=where)
            if not signs:
                raise InputError(f"{where}: no pronunciation")
        except InputError as error:
            strange.append(error)
            return ""
        return signs

    for number, line in lines:
        where = f"{path}, line {number}"
        if cmudict:
            word, *phones = line.split("#")[0].split()
            said = [spelled(phones, where)]
            word = re.sub(r"\(\d+\)$", "", word)  # a variant is `word(2)`
        else:
            columns = line.split("\t")
            if len(columns) != 2:
                raise InputError(f"{where}: {len(columns)} columns; expected a word, a tab, its IPA")
            word = columns[0]
            said = [spelled(each, where) for each in _transcriptions(columns[1], where)]
        word = unicodedata.normalize("NFC", normalise(word))
        if not word:
            strange.append(InputError(f"{where}: no word"))
            continue
        own = found.setdefault(word, [])
        said = [each for each in said if each]
        again += bool(said) and {*said} <= {*own}
        own += said
    if 10 * len(strange) > len(lines):
        raise strange[0]
    if strange:
        print(f"{path}: {len(strange)} pronunciations left out, the first: {strange[0]}", file=sys.stderr)
    if again:
        print(f"{path}: {again} lines say what a line before them says", file=sys.stderr)
    return Lexicon({word: tuple(dict.fromkeys(own)) for word, own in found.items() if own})


def _is_arpabet(tokens: Sequence[str]) -> bool:
    return bool(tokens) and all(_ARPABET_TOKEN.fullmatch(token) for token in tokens)


def _transcriptions(column: str, where: str) -> list[str]:
    """`/a/, /b/` and `a ~ b` -> both; `a` -> itself."""
    phones = [token.rstrip("012").upper() for token in column.split()]
    if any(symbol in "012" for symbol in column) and all(phone in ARPABET for phone in phones):
        raise InputError(f"{where}: {column!r} is ARPABET, and IPA was expected; CMUdict has no tabs")
    slashed = re.findall(r"/([^/]*)/", column)
    return slashed or re.split(r"\s*[~;]\s*|,\s+", column)


@dataclass(frozen=True)
class PrefixTree:
    """All pronunciations of a lexicon, with shared beginnings shared; node 0 is the start.

    Nodes are in breadth-first order, so that the children of a node follow each other.
    """

    symbol: NDArray[np.int64]
    """(N,) index of the unit that leads to each node; 0, the blank, for the start."""
    first_child: NDArray[np.int64]
    """(N,)."""
    children: NDArray[np.int64]
    """(N,) how many."""
    words: tuple[tuple[int, str], ...]
    """(node, word) for every pronunciation."""

    def __len__(self) -> int:
        return len(self.symbol)

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """(len(words),) the nodes of `words`."""
        return np.array([node for node, _ in self.words])

    def said(self, node: int) -> tuple[int, ...]:
        """The units from the start to a node."""
        found = []
        while node:
            found.append(int(self.symbol[node]))
            node = int(self.parent[node])
        return tuple(reversed(found))

    @cached_property
    def parent(self) -> NDArray[np.int64]:
        """(N,); the start is its own."""
        return np.concatenate([np.zeros(1, np.int64), np.repeat(np.arange(len(self)), self.children)])


def prefix_tree(lexicon: Lexicon, *, units: Callable[[str], Sequence[int]] = PHONES.encode) -> PrefixTree:
    """The tree of a lexicon.

    Args:
        units: pronunciation -> indices of the head that will be listened to.

    Raises:
        InputError: an empty lexicon.
    """
    said = sorted((tuple(units(each)), word) for word, own in lexicon.entries.items() for each in own)
    if not said:
        raise InputError("the lexicon has no word with a pronunciation: nothing can be recognised")
    depth = max(len(each) for each, _ in said)
    padded = np.zeros((len(said), depth), np.int64)  # 0, the blank, is in no pronunciation
    for row, (each, _) in enumerate(said):
        padded[row, : len(each)] = each
    lengths = np.array([len(each) for each, _ in said])
    node_of = np.zeros(len(said), np.int64)  # the node of each row's prefix so far
    symbol, parent = [np.zeros(1, np.int64)], [np.full(1, -1, np.int64)]
    total = 1
    for at in range(depth):  # rows are sorted, so equal prefixes stand together, level by level
        alive = lengths > at
        keys = np.stack([node_of[alive], padded[alive, at]], 1)
        unique, inverse = np.unique(keys, axis=0, return_inverse=True)
        node_of[alive] = total + inverse.reshape(-1)
        symbol.append(unique[:, 1])
        parent.append(unique[:, 0])
        total += len(unique)
    symbols, parents = np.concatenate(symbol), np.concatenate(parent)
    children = np.bincount(parents[1:], minlength=total)
    first = np.searchsorted(parents[1:], np.arange(total)) + 1  # parents are in order, level by level
    words = tuple((int(node), word) for node, (_, word) in zip(node_of, said, strict=True))
    return PrefixTree(symbols, first, children, words)
