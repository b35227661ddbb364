"""Words in a row: a beam over the prefix tree that goes back to its start behind each word.

The best CTC path, not the sum of all (Viterbi), plus the words' weights: what flashlight's lexicon decoder looks for
(`speech_tl.models.lexicon_flashlight`). A state is a node of the tree, whether the path stands on the node's symbol
or on a blank behind it, and the words that the language model remembers; of two paths to one state the better stays.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from speech_tl.models.word_network import BEAM, Network, Sentence
from speech_tl.phonology.word_lm import END, Context

WIDTH = 1000
"""States kept after each frame."""

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]
_States = tuple[_Ints, _Floats, _Ints, _Ints]
"""Codes of states, their scores, the words behind them (an index into the history), the entry that just began to end
or -1."""


class Beam:
    """The search in numpy. Behind the tree's N nodes stands one more start for each symbol: there a path waits that
    has written a word whose last phone is this symbol, which may go on sounding, and which the next word may repeat
    only after a blank."""

    def __init__(self, network: Network, *, beam: float = BEAM, width: int = WIDTH) -> None:
        self.network, self.beam, self.width = network, beam, width
        tree, units = network.tree, network.units
        self.symbol = np.concatenate([tree.symbol, np.arange(units)])
        self.first_child = np.concatenate([tree.first_child, np.full(units, tree.first_child[0])])
        self.children = np.concatenate([tree.children, np.full(units, tree.children[0])])
        self.ahead = network.lm_weight * np.concatenate([network.ahead, np.zeros(units)])
        ends = np.array([node for node, _ in network.entries])  # in order
        self.entries = np.bincount(ends, minlength=len(self.symbol))
        self.first_entry = np.cumsum(self.entries) - self.entries

    def __call__(self, log_probs: _Floats) -> Sentence | None:
        """The best words of (T, V) log-probabilities, or None where nothing fits."""
        following = _Following(self.network)
        zero = np.zeros(1, np.int64)
        states: _States = (zero, np.zeros(1), zero, zero - 1)  # at the start, as if a blank had been read
        history = [(0, -1)]  # the history before, the entry
        for frame in log_probs:
            code, score, words, ended = self._step(frame, states, following)
            new = np.flatnonzero(ended >= 0)
            before = words[new].tolist()
            words[new] = np.arange(len(history), len(history) + len(new))
            history += zip(before, ended[new].tolist(), strict=True)
            states = code, score, words, ended
        code, score, words, _ = states
        node, context = code // 2 % len(self.symbol), code // (2 * len(self.symbol))
        complete = np.flatnonzero((node == 0) | (node >= len(self.network.tree)))
        if not len(complete):
            return None
        total = score[complete] + following.end(context[complete])
        best = int(total.argmax())
        said = [self.network.entries[entry] for entry in _back(history, int(words[complete[best]]))]
        found = tuple((word, self.network.tree.said(node)) for node, word in reversed(said))
        return Sentence(found, float(total[best]))

    def _step(self, frame: _Floats, states: _States, following: "_Following") -> _States:
        """After one more frame: a blank, the same symbol, the symbol of a child, and with that perhaps a word."""
        size, (code, score, words, _) = len(self.symbol), states
        sounding, node, context = code % 2 == 1, code // 2 % size, code // (2 * size)
        start = node >= len(self.network.tree)
        blank = (context * size + np.where(start, 0, node)) * 2, score + frame[0], words
        held = code[sounding], score[sounding] + frame[self.symbol[node[sounding]]], words[sounding]
        counts = self.children[node]
        at, offsets = _repeated(counts)  # positions in `node`
        child = self.first_child[node[at]] + offsets
        doubled = sounding[at] & (self.symbol[child] == self.symbol[node[at]])  # needs a blank between
        grown = score[at] + frame[self.symbol[child]] + self.ahead[child] - self.ahead[node[at]]
        grown[doubled] = -math.inf
        kept = grown >= max(blank[1].max(), grown.max(initial=-math.inf)) - self.beam
        at, child, grown = at[kept], child[kept], grown[kept]
        said, offsets = _repeated(self.entries[child])
        entry = self.first_entry[child[said]] + offsets
        gain, after = following(context[at[said]], entry)
        gain -= self.ahead[child[said]]
        last = len(self.network.tree) + self.symbol[child[said]]
        inner = self.children[child] > 0
        parts = [
            (*blank, np.full(len(code), -1)),
            (*held, np.full(len(held[0]), -1)),
            ((context[at] * size + child)[inner] * 2 + 1, grown[inner], words[at][inner], np.full(inner.sum(), -1)),
            ((after * size + last) * 2 + 1, grown[said] + gain, words[at[said]], entry),
        ]
        together = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return self._kept(together[0], together[1], together[2], together[3])

    def _kept(self, code: _Ints, score: _Floats, words: _Ints, ended: _Ints) -> _States:
        """The best way to each state, of the best states."""
        order = np.flatnonzero(score >= max(score.max() - self.beam, -1e300))
        order = order[np.argsort(-score[order], kind="stable")]
        _, first = np.unique(code[order], return_index=True)
        order = order[np.sort(first)[: self.width]]
        return code[order], score[order], words[order], ended[order]


def _repeated(counts: _Ints) -> tuple[_Ints, _Ints]:
    """[2, 0, 1] -> positions [0, 0, 2], offsets [0, 1, 0]."""
    at = np.repeat(np.arange(len(counts)), counts)
    return at, np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _back(history: list[tuple[int, int]], at: int) -> Iterator[int]:
    """The entries of a history, last first."""
    while at:
        at, entry = history[at]
        yield entry


class _Following:
    """What a word adds to the score after the words before; these are numbered as they come up."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.contexts: dict[Context, int] = {network.lm.begin if network.lm else (): 0}
        self.known: list[Context] = list(self.contexts)
        self.cache: dict[tuple[int, int], tuple[float, int]] = {}

    def __call__(self, contexts: _Ints, entries: _Ints) -> tuple[_Floats, _Ints]:
        """(K,) gains and (K,) contexts afterwards."""
        if self.network.lm is None:
            return np.full(len(entries), self.network.word_score), contexts
        pairs = list(zip(contexts.tolist(), entries.tolist(), strict=True))
        for context, entry in set(pairs) - self.cache.keys():
            self.cache[context, entry] = self._scored(context, self.network.entries[entry][1])
        found = [self.cache[pair] for pair in pairs]
        return np.array([gain for gain, _ in found]), np.array([after for _, after in found], np.int64)

    def _scored(self, context: int, word: str) -> tuple[float, int]:
        assert self.network.lm
        chance, after = self.network.lm.score(self.known[context], word)
        if after not in self.contexts:
            self.contexts[after] = len(self.known)
            self.known.append(after)
        return self.network.lm_weight * chance + self.network.word_score, self.contexts[after]

    def end(self, contexts: _Ints) -> _Floats:
        """(K,) gains of ending a sentence."""
        if self.network.lm is None:
            return np.zeros(len(contexts))
        ends = {each: self.network.lm.score(self.known[each], END)[0] for each in set(contexts.tolist())}
        return self.network.lm_weight * np.array([ends[each] for each in contexts.tolist()])
