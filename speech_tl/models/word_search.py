"""Which word of a lexicon was said: the probability of every pronunciation, over a prefix tree.

One pass over the frames sums, for every node of the tree, the CTC paths that write the prefix it stands for (Graves et
al., 2006); words with a common beginning share the work. Nodes far below the best are dropped on the way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from speech_tl.phonology.lexicon import PrefixTree

BEAM = 15.0
"""Nats below the best prefix from which others are dropped."""


@dataclass(frozen=True)
class Heard:
    """A word and how well it fits."""

    word: str
    score: float
    """log p(pronunciation | audio), nats; of several pronunciations the best."""


def words(log_probs: Tensor, tree: PrefixTree, *, beam: float = BEAM) -> list[Heard]:
    """The words of a clip that is one word, best first; those that were dropped on the way are absent.

    Args:
        log_probs: (T, V) of the head that the tree's units belong to, the blank first.
        beam: nats; infinite is exact.
    """
    values = log_probs.detach().double().cpu().numpy()
    blank, symbol = np.full(len(tree), -np.inf), np.full(len(tree), -np.inf)
    blank[0] = 0.0
    with np.errstate(invalid="ignore"):  # -inf plus -inf under logaddexp
        for frame in values:
            blank, symbol = _step(frame, tree, blank, symbol, beam)
        total = np.logaddexp(blank, symbol)
    best: dict[str, float] = {}
    for node, word in tree.words:
        if total[node] > best.get(word, -np.inf):
            best[word] = float(total[node])
    return [Heard(word, score) for word, score in sorted(best.items(), key=lambda item: -item[1])]


def _step(
    frame: NDArray[np.float64],
    tree: PrefixTree,
    blank: NDArray[np.float64],
    symbol: NDArray[np.float64],
    beam: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of every prefix after one more frame, by whether its paths end in a blank or in its last symbol."""
    total = np.logaddexp(blank, symbol)
    active = np.flatnonzero(total >= max(total.max() - beam, -1e300))
    next_blank, next_symbol = np.full(len(tree), -np.inf), np.full(len(tree), -np.inf)
    next_blank[active] = total[active] + frame[0]
    next_symbol[active] = symbol[active] + frame[tree.symbol[active]]  # -inf at the start, whatever the blank's score
    counts = tree.children[active]
    parents = np.repeat(active, counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    children = tree.first_child[parents] + offsets
    doubled = tree.symbol[children] == tree.symbol[parents]  # needs a blank between
    source = np.where(doubled, blank[parents], total[parents])
    next_symbol[children] = np.logaddexp(next_symbol[children], source + frame[tree.symbol[children]])
    return next_blank, next_symbol


def free(log_probs: Tensor) -> float:
    """The log-probability of the best path that no lexicon binds, against which a word is accepted or rejected."""
    return float(log_probs.double().amax(-1).sum())
