"""What is said between two pauses, looked up in a lexicon: one word, or a sentence of many, and where each lies."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_tl.errors import InputError
from speech_tl.models.decoding import BLANK, align
from speech_tl.models.lexicon_beam import Beam
from speech_tl.models.word_network import Network, Sentence
from speech_tl.models.word_search import lowered, near
from speech_tl.phonology.lexicon import PrefixTree

NUMPY, FLASHLIGHT = "numpy", "flashlight"
"""The searches for many words."""
Search = Callable[[NDArray[np.float64]], Sentence | None]
"""(T, V) log-probabilities -> the best words."""


@dataclass(frozen=True)
class Spoken:
    """A word of a sentence and where it was heard."""

    word: str
    first: int
    """Frame, counted from 0."""
    last: int
    """Frame, included."""
    score: float
    """Log-probability of its sounds, in nats, the mean over its frames; raised by `one_word`'s handicap where it has
    not been trained on."""


Lookup = Callable[[Tensor], list[Spoken]]
"""(T, V) log-probabilities of what is said between two pauses -> its words; none where nothing fits."""


def one_word(
    tree: PrefixTree, *, doubted: PrefixTree | None = None, known: Collection[str] = (), handicap: float = 0.0
) -> Lookup:
    """All of it is one word of the tree.

    Args:
        doubted: as `word_search.near` takes it; what it takes off such a word lowers its score too.
        known: words that were trained on; the others are raised by `handicap` nats for every frame, which fit worse.
    """

    def best(log_probs: Tensor) -> list[Spoken]:
        nats = handicap * len(log_probs)
        heard = near(log_probs, tree, doubted=doubted, more=nats)
        return [
            Spoken(each.word, 0, len(log_probs) - 1, (each.score + nats) / len(log_probs))
            for each in lowered(heard, known, nats)[:1]
        ]

    return best


def threshold(confidences: Sequence[float], false_rejections: float) -> float:
    """The confidence (%) below which so many percent of right answers are.

    Args:
        confidences: as a checkpoint has them in `word_confidences`.

    Raises:
        InputError: it has none, or that is no percentage.
    """
    if not 0 <= false_rejections < 100:
        raise InputError(f"{false_rejections:g} % of right answers to be lost: expected 0 or more and below 100")
    if not confidences:
        raise InputError("this checkpoint was not asked how sure it is of right words, as asr_unseen_words asks")
    return float(np.interp(false_rejections, range(101), confidences))


def many_words(network: Network) -> Lookup:
    """Any row of the network's words: by flashlight's search where it is installed and a language model is asked, for
    which KenLM is fast; else by the other, which is the faster without one and drops the best less often."""
    installed = searches()
    found = installed[FLASHLIGHT if network.lm and FLASHLIGHT in installed else NUMPY](network)

    def best(log_probs: Tensor) -> list[Spoken]:
        sentence = found(log_probs.detach().double().cpu().numpy())
        return aligned(log_probs, sentence) if sentence and sentence.words else []

    return best


def searches() -> dict[str, Callable[[Network], Search]]:
    """What is installed."""
    found: dict[str, Callable[[Network], Search]] = {NUMPY: Beam}
    if find_spec("flashlight"):
        from speech_tl.models.lexicon_flashlight import Flashlight

        found[FLASHLIGHT] = Flashlight
    return found


def aligned(log_probs: Tensor, sentence: Sentence) -> list[Spoken]:
    """Where its words lie on the best path through (T, V) log-probabilities."""
    units = [unit for _, said in sentence.words for unit in said]
    lengths, sizes = torch.tensor([len(log_probs)]), torch.tensor([len(units)])
    spans = align(log_probs[None], lengths, torch.tensor([units]), sizes)[0]
    path = torch.full((len(log_probs),), BLANK)
    for span in spans:
        path[span.first : span.last + 1] = span.symbol
    scores = log_probs.gather(1, path[:, None])[:, 0]  # (T,)
    found, at = [], 0
    for word, said in sentence.words:
        first, last = spans[at].first, spans[at + len(said) - 1].last
        at += len(said)
        found.append(Spoken(word, first, last, float(scores[first : last + 1].mean())))
    return found
