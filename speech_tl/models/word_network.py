"""What may be said: any row of a lexicon's words, each as probable as a language model has it.

The score of a row is that of its best CTC path, plus for each word its weighted log-probability and a bonus:
log p(path) + α Σ log p(w | before) + β |words| (Hannun et al., "Deep Speech", 2014, section 2.2).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_tl.errors import InputError
from speech_tl.phonology.lexicon import PrefixTree
from speech_tl.phonology.word_lm import WordLM, read

BEAM = 25.0
"""Nats below the best state from which others are dropped; more than for one word, since a language model has its say
only where a word ends."""


@dataclass(frozen=True)
class Network:
    """Words in a row."""

    tree: PrefixTree
    lm: WordLM | None = None
    lm_weight: float = 1.0
    """α, of natural logarithms; a row begins and ends as the model's sentences do."""
    word_score: float = 0.0
    """β, nats; below 0 for fewer words."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lm_weight) and self.lm_weight >= 0):
            raise InputError(f"a language model's weight of {self.lm_weight:g}: expected 0 or more, such as 1")
        if not math.isfinite(self.word_score):
            raise InputError(f"a word's score of {self.word_score:g}: expected nats, such as -2 for fewer words")

    @property
    def units(self) -> int:
        """How many of the head's units, the blank with them, it takes to spell."""
        return int(self.tree.symbol.max()) + 1

    @cached_property
    def entries(self) -> tuple[tuple[int, str], ...]:
        """(node, word), ordered by nodes: of words that neither sound nor language model tell apart the first."""
        first: dict[tuple[int, str], str] = {}
        for node, word in self.tree.words:
            first.setdefault((node, self.lm.known(word) if self.lm else ""), word)
        return tuple(sorted((node, word) for (node, _), word in first.items()))

    @cached_property
    def ahead(self) -> NDArray[np.float64]:
        """(N,) log p of the most probable word of each beginning, by itself; 0 for none and without a model.

        A search counts it beforehand, so that the end of a word does not come as a shock (Ortmanns, Ney & Eiden,
        "Language-model look-ahead for large vocabulary speech recognition", 1996).
        """
        if self.lm is None:
            return np.zeros(len(self.tree))
        best = [-math.inf] * len(self.tree)
        for node, word in self.entries:
            best[node] = max(best[node], self.lm.score((), word)[0])
        parents = self.tree.parent.tolist()
        for node in range(len(best) - 1, 0, -1):  # children come behind their parents
            best[parents[node]] = max(best[parents[node]], best[node])
        return np.array([0.0, *best[1:]])


@dataclass(frozen=True)
class Sentence:
    """The best row of words."""

    words: tuple[tuple[str, tuple[int, ...]], ...]
    """Each with the units by which it was recognised; none for silence."""
    score: float
    """Nats: path, language model and words' scores."""


def language_model(path: Path, tree: PrefixTree) -> WordLM:
    """Of an ARPA file.

    Raises:
        InputError: no ARPA file, or it has no word of the tree.
    """
    lm = read(path)
    if not any(word in lm for _, word in tree.words):
        some = ", ".join(dict.fromkeys(word for _, word in tree.words[:3]))
        raise InputError(f"{path} has no word of the lexicon, such as {some}: is it of this language and spelling?")
    return lm
