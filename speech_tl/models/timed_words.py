"""From log-probabilities of frames to words with their times and confidences.

A word ends at a space of the language's writing, or, where there is none, at a pause; words of a lexicon are looked up
in what is said between two pauses.
"""

from collections.abc import Iterator
from math import exp, inf

import torch
from torch import Tensor

from speech_tl.captions import Word
from speech_tl.models.decoding import BLANK, Span, align, greedy
from speech_tl.models.lookup import Lookup, Spoken
from speech_tl.phonology.units import Units

PAUSE = 0.5
"""Seconds without a symbol that end a word, where the writing has no spaces."""
AROUND = 2
"""Silent frames that are kept on both sides of what is looked up."""
UNKNOWN = "?"
"""Written where no word of the lexicon is believed."""


def written(log_probs: Tensor, *, units: Units, start: float, step: float) -> list[Word]:
    """The words of (T, V) log-probabilities whose first frame is at `start` seconds, each frame `step` seconds long.

    A confidence (%) is the geometric mean of the best path's probabilities over the word's frames.
    """
    lengths, between = torch.tensor([len(log_probs)]), space(units)
    symbols = greedy(log_probs[None], lengths)
    spans = align(log_probs[None], lengths, torch.tensor(symbols), torch.tensor([len(symbols[0])]))[0]
    groups: list[list[Span]] = [[]]
    for span in spans:
        gap = (span.first - groups[-1][-1].last - 1) * step if groups[-1] else 0.0
        if span.symbol == between or (between is None and gap >= PAUSE):
            groups.append([])
        if span.symbol != between:
            groups[-1].append(span)
    words = []
    for group in groups:
        if group:
            frames = sum(span.last - span.first + 1 for span in group)
            score = sum(span.score * (span.last - span.first + 1) for span in group) / frames
            text = units.decode(span.symbol for span in group)
            first, last = start + group[0].first * step, start + (group[-1].last + 1) * step
            words.append(Word(text, round(first, 3), round(last, 3), 100 * exp(score)))
    return words


def looked_up(lookup: Lookup, log_probs: Tensor, *, least: float, start: float, step: float) -> list[Word]:
    """What is said between pauses in (T, P) log-probabilities of sounds, in words of a lexicon.

    A confidence (%) is the geometric mean of the probabilities that the word's frames give it.

    Args:
        least: confidence (%) below which a word is `UNKNOWN`.
    """
    found = []
    for first, last in _said(log_probs, pause=PAUSE / step):
        own = log_probs[first:last]
        for word in lookup(own) or [Spoken(UNKNOWN, 0, len(own) - 1, -inf)]:
            confidence = min(100.0, 100 * exp(word.score))
            text = word.word if confidence >= least else UNKNOWN
            begin, end = first + word.first, first + word.last + 1
            found.append(Word(text, round(start + begin * step, 3), round(start + end * step, 3), confidence))
    return found


def without_silence(log_probs: Tensor) -> Tensor:
    """(T, P) log-probabilities of sounds, the silence at both ends cut as around a word; all where nothing sounds."""
    first, last = next(_said(log_probs, pause=inf), (0, len(log_probs)))
    return log_probs[first:last]


def _said(log_probs: Tensor, *, pause: float) -> Iterator[tuple[int, int]]:
    """(first, last + 1) frames of what lies between pauses, the silence around it cut to a few frames.

    Args:
        pause: frames in which nothing sounds, above which one is meant.
    """
    sounding = [at for at, unit in enumerate(log_probs.argmax(-1).tolist()) if unit != BLANK]
    first = before = sounding[0] if sounding else 0
    for at in sounding:
        if at - before > pause:
            yield max(0, first - AROUND), before + 1 + AROUND
            first = at
        before = at
    if sounding:
        yield max(0, first - AROUND), min(len(log_probs), before + 1 + AROUND)


def space(units: Units) -> int | None:
    """The unit between words; none where the writing has no spaces."""
    return units.symbols.index(" ") if " " in units.symbols else None
