"""The search of `speech_tl.models.lexicon_beam` by flashlight-text, in C++ with KenLM (extra `decode`).

Flashlight's own CTC mode ends a word in the first frame of its last unit, which could then not go on sounding. So the
graph is spelt out, in the mode that has no rule of its own and a table of transitions: units u, their twins V + u in
which a word ends, blanks within words as nodes, and a blank 2V between words. No unit may follow its own twin.
"""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions, Trie, TrieNode, ZeroLM
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from numpy.typing import NDArray

from speech_tl.errors import InputError
from speech_tl.models.word_network import BEAM, Network, Sentence

WIDTH = 500
"""Hypotheses kept after each frame. They are rows of words, never joined as the other search's states are, so that on
noise it may drop the best."""


class Flashlight:
    """The search in C++."""

    def __init__(self, network: Network, *, beam: float = BEAM, width: int = WIDTH) -> None:
        self.units = units = network.units
        self.words = list(dict.fromkeys(word for _, word in network.entries))
        self.trie = _trie(network, self.words)
        try:
            lm = KenLM(str(network.lm.path), Dictionary(self.words)) if network.lm else ZeroLM()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(
                f"KenLM cannot read the word model ({reason}): write it again, as ARPA with tabs"
            ) from None
        options = LexiconDecoderOptions(
            beam_size=width,
            beam_size_token=2 * units + 1,
            beam_threshold=beam,
            lm_weight=network.lm_weight * np.log(10),  # KenLM counts in log10
            word_score=network.word_score,
            unk_score=-np.inf,
            sil_score=0.0,
            log_add=False,
            criterion_type=CriterionType.ASG,
        )
        forbidden = np.zeros((2 * units + 1, 2 * units + 1), np.float32)  # to, from
        for unit in range(1, units):
            forbidden[[unit, units + unit], units + unit] = -np.inf
        self.decoder = LexiconDecoder(options, self.trie, lm, 2 * units, -1, -1, forbidden.ravel().tolist(), False)

    def __call__(self, log_probs: NDArray[np.float64]) -> Sentence | None:
        """The best words of (T, V) log-probabilities, or None where nothing fits."""
        if not len(log_probs):
            return Sentence((), 0.0)
        own = log_probs[:, : self.units]
        emissions = np.ascontiguousarray(np.concatenate([own, own, own[:, :1]], 1), np.float32)
        best, *_ = self.decoder.decode(emissions.ctypes.data, *emissions.shape)
        tokens, labels = list(best.tokens)[1:-1], list(best.words)[1:-1]  # without the start and the end
        if tokens[-1] < self.units:
            return None  # within a word
        return Sentence(tuple(self._found(tokens, labels)), best.score)

    def _found(self, tokens: list[int], labels: list[int]) -> Iterator[tuple[str, tuple[int, ...]]]:
        first = 0
        for at, label in enumerate(labels):
            if label >= 0:
                path = (token % self.units for token in tokens[first : at + 1])  # 2V is a blank as well
                yield self.words[label], tuple(unit for unit, _ in groupby(path) if unit)
                first = at + 1


def _trie(network: Network, words: list[str]) -> Trie:
    """Every node of the tree as two, on its symbol and on a blank behind it, and where a word ends a third."""
    tree, units = network.tree, network.units
    labels = {word: at for at, word in enumerate(words)}
    symbol, children = tree.symbol.tolist(), tree.children.tolist()
    first = tree.first_child.tolist()
    sounding, ahead = [TrieNode(each) for each in symbol], (network.ahead / np.log(10)).tolist()
    ending: dict[int, TrieNode] = {}
    for node, word in network.entries:
        end = ending.setdefault(node, TrieNode(units + symbol[node]))
        if network.lm or not end.labels:  # nothing but a language model tells words of one sound apart: the first
            end.labels += [labels[word]]
    trie = Trie(2 * units + 1, 2 * units)
    for node in range(len(tree)):
        below = range(first[node], first[node] + children[node])
        onward = {symbol[child]: sounding[child] for child in below}
        onward |= {units + symbol[child]: ending[child] for child in below if child in ending}
        if node == 0:
            trie.search([]).children = onward  # its get_root gives away what it does not own
            continue
        blank = TrieNode(0)
        blank.children = onward
        blank.max_score = sounding[node].max_score = ahead[node]
        own = {unit: to for unit, to in onward.items() if unit % units != symbol[node]}
        own |= {0: blank} if onward else {}
        own |= {units + symbol[node]: ending[node]} if node in ending else {}
        sounding[node].children = own
    return trie
