"""How far what was written lies from what was said: edit errors of characters and words, and confusions.

The distance is Levenshtein's (1966), counted by rapidfuzz; a rate over several utterances is the ratio of the
sums, never the mean of the ratios.

Conventions
-----------
* Every rate is in percent of the *reference* length, so it can exceed 100.
* Both texts are first brought to NFC, and white space to single spaces without margins (`tidy`); nothing else
  is changed. Case and punctuation count, so normalise them before.
* A character is one code point of the tidied text; the space between two words is a character.
* An utterance is wrong when the tidied texts differ at all.
* An empty reference has length 0: its rate is 0 when nothing was written and 100 when anything was. Inside a
  sum its insertions count and its length adds nothing.
* Among equally short edit scripts rapidfuzz chooses one: only the total is unique, not its split into kinds.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein


@dataclass(frozen=True)
class Errors:
    """Edits that turn a reference into a hypothesis; add them up with `+` or `sum(errors, Errors())`."""

    substitutions: int = 0
    deletions: int = 0
    """Symbols of the reference that are missing from the hypothesis."""
    insertions: int = 0
    """Symbols of the hypothesis that the reference does not have."""
    length: int = 0
    """Symbols in the reference."""

    @property
    def count(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """100 (S + D + I) / N."""
        return 100 * self.count / self.length if self.length else 100.0 * (self.count > 0)

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.length + other.length,
        )


def tidy(text: str) -> str:
    """NFC, single spaces, no margins: the form in which texts are compared."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def errors(reference: Sequence[str], hypothesis: Sequence[str]) -> Errors:
    """Errors between two sequences of symbols, whatever a symbol is."""
    kinds = Counter(edit.tag for edit in Levenshtein.editops(reference, hypothesis))
    return Errors(kinds["replace"], kinds["delete"], kinds["insert"], len(reference))


def character_errors(reference: str, hypothesis: str) -> Errors:
    return errors(tidy(reference), tidy(hypothesis))


def word_errors(reference: str, hypothesis: str) -> Errors:
    return errors(tidy(reference).split(), tidy(hypothesis).split())


def utterance_errors(reference: str, hypothesis: str) -> Errors:
    """The utterance as one symbol: `.rate` of a sum is the percentage of utterances not exactly right."""
    return Errors(substitutions=int(tidy(reference) != tidy(hypothesis)), length=1)


def confusions(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Counter[tuple[str, str]]:
    """How often (reference symbol, hypothesis symbol) differ; `""` stands for nothing: a deletion or an
    insertion.

    Strings are compared by character, lists of words by word.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for reference, hypothesis in pairs:
        for edit in Levenshtein.editops(reference, hypothesis):
            said = "" if edit.tag == "insert" else reference[edit.src_pos]
            written = "" if edit.tag == "delete" else hypothesis[edit.dest_pos]
            counts[said, written] += 1
    return counts
