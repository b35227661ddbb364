"""Which word of a lexicon was said: the probability of every pronunciation, over a prefix tree.

One pass over the frames sums, for every node of the tree, the CTC paths that write the prefix it stands for (Graves et
al., 2006); words with a common beginning share the work. Nodes far below the best are dropped on the way.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from speech_tl.phonology.lexicon import PrefixTree

BEAM = 15.0
"""Nats below the best prefix from which others are dropped."""
DOUBT = 5.0
"""Nats that a word loses where one phone of it stands for another; chosen as `phonology.spelling.FEW` was."""


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
    nodes, blank, symbol = np.zeros(1, np.int64), np.zeros(1), np.full(1, -np.inf)
    for frame in values:
        nodes, blank, symbol = _step(frame, tree, *_kept(nodes, blank, symbol, beam))
    total = np.logaddexp(blank, symbol)
    at = np.searchsorted(nodes, tree.ends).clip(max=len(nodes) - 1)
    best: dict[str, float] = {}
    for index in np.flatnonzero(nodes[at] == tree.ends):
        word, score = tree.words[index][1], float(total[at[index]])
        if score > best.get(word, -np.inf):
            best[word] = score
    return [Heard(word, score) for word, score in sorted(best.items(), key=lambda item: -item[1])]


def near(log_probs: Tensor, tree: PrefixTree, *, doubted: PrefixTree | None = None, more: float = 0.0) -> list[Heard]:
    """The words within the usual beam and so many nats more; all of them where that leaves beginnings alone.

    Args:
        doubted: pronunciations that are worth less by `DOUBT`, of the same words.
    """
    found = words(log_probs, tree, beam=BEAM + more) or words(log_probs, tree, beam=inf)
    if doubted is None:
        return found
    best = {each.word: each for each in found}
    for each in words(log_probs, doubted, beam=BEAM + more):
        if each.word not in best or each.score - DOUBT > best[each.word].score:
            best[each.word] = replace(each, score=each.score - DOUBT)
    return sorted(best.values(), key=lambda each: -each.score)


def lowered(heard: Sequence[Heard], known: Collection[str], nats: float) -> list[Heard]:
    """The same, the words of `known` lowered by so many nats (calibrated stacking, Chao et al. 2016)."""
    scored = [replace(each, score=each.score - nats * (each.word in known)) for each in heard]
    return sorted(scored, key=lambda each: -each.score)


_Beam = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
"""Nodes, in order, and the log-probabilities of the paths that end in a blank and in their last symbol."""


def _kept(nodes: NDArray[np.int64], blank: NDArray[np.float64], symbol: NDArray[np.float64], beam: float) -> _Beam:
    total = np.logaddexp(blank, symbol)
    kept = total >= max(float(total.max()) - beam, -1e300)
    return nodes[kept], blank[kept], symbol[kept]


def _step(
    frame: NDArray[np.float64],
    tree: PrefixTree,
    nodes: NDArray[np.int64],
    blank: NDArray[np.float64],
    symbol: NDArray[np.float64],
) -> _Beam:
    """After one more frame: a prefix stays, or a symbol makes it one of its children."""
    total, counts = np.logaddexp(blank, symbol), tree.children[nodes]
    parents = np.repeat(np.arange(len(nodes)), counts)  # positions in `nodes`
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    children = tree.first_child[nodes[parents]] + offsets
    doubled = tree.symbol[children] == tree.symbol[nodes[parents]]  # needs a blank between
    grown = np.where(doubled, blank[parents], total[parents]) + frame[tree.symbol[children]]
    reached = np.union1d(nodes, children)
    next_blank, next_symbol = np.full((2, len(reached)), -np.inf)
    stayed, became = np.searchsorted(reached, nodes), np.searchsorted(reached, children)
    next_blank[stayed] = total + frame[0]
    next_symbol[stayed] = symbol + frame[tree.symbol[nodes]]  # -inf at the start, which has no symbol
    next_symbol[became] = np.logaddexp(next_symbol[became], grown)
    return reached, next_blank, next_symbol
