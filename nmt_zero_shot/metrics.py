"""How good translations are and whether they are in the right language at all.

BLEU (Papineni et al., 2002) and chrF (Popović, 2015) are sacreBLEU's own, with its signature (Post, 2018); intervals
are the bootstrap's over sentences (Koehn, 2004). Neither score sees a translation into the wrong language for what it
is, so such outputs are counted apart from copies of the source and from empty ones.

Conventions
-----------
* BLEU and chrF are on the scale 0 to 100; every rate is in percent of the sentences.
* Languages that write no spaces between words, and Korean, whose spacing is free, are scored by character: `tok:char`
  in the signature. Every other language has sacreBLEU's default, 13a.
* Copies, empty outputs and outputs in another language are exclusive: an output is counted under the first that fits.
"""

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt_zero_shot.segments import WITHOUT_SPACES, base
from nmt_zero_shot.subwords import normalise
from speech_tl.statistics import Interval

BY_CHARACTER = WITHOUT_SPACES | {"ko", "kor"}
"""Languages, without their script or country, whose BLEU is over characters."""


@dataclass(frozen=True)
class Score:
    """One system's outputs against the references."""

    bleu: float
    chrf: float
    statistics: NDArray[np.int64]
    """(N, 10) of each sentence: its length, its reference's, and for 1- to 4-grams the matches, then all."""

    def interval(self, *, draws: int = 1000, seed: int = 0) -> Interval:
        """BLEU and its 95 % interval over sentences drawn with replacement."""
        return _interval(self.bleu, _bleu(self.statistics, _draws(len(self.statistics), draws=draws, seed=seed)))


def score(hypotheses: Sequence[str], references: Sequence[str], language: str) -> Score:
    """BLEU and chrF of translations into `language`, one reference each."""
    _same_length(hypotheses, references)
    metric = _metric(language)
    rows = [metric.sentence_score(*pair) for pair in zip(hypotheses, ([each] for each in references), strict=True)]
    statistics = np.array([[row.sys_len, row.ref_len, *row.counts, *row.totals] for row in rows], dtype=np.int64)
    chrf = CHRF().corpus_score(hypotheses, [references]).score
    return Score(float(_bleu(statistics, np.ones((1, len(rows)), dtype=np.int64))[0]), chrf, statistics)


def difference(pairs: Sequence[tuple[Score, Score]], *, draws: int = 1000, seed: int = 0) -> Interval:
    """The mean over `pairs` of a - b in BLEU, and its 95 % interval.

    Both of a pair are scored on the same sentences in every draw, and so are all pairs whose test sets are equally
    long: a test set that is parallel in all its languages is drawn as a whole.
    """
    gaps = []
    for a, b in pairs:
        _same_length(a.statistics, b.statistics)
        counts = _draws(len(a.statistics), draws=draws, seed=seed)
        gaps.append(_bleu(a.statistics, counts) - _bleu(b.statistics, counts))
    return _interval(sum(a.bleu - b.bleu for a, b in pairs) / len(pairs), np.mean(gaps, axis=0))


def signatures(language: str) -> dict[str, str]:
    """sacreBLEU's signature of each score for translations into `language`."""
    bleu, chrf = BLEU(tokenize=_tokenizer(language)), CHRF()
    for metric in (bleu, chrf):
        metric.corpus_score(["a"], [["a"]])  # a metric that has scored nothing does not know its references
    return {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}


@dataclass(frozen=True)
class Outputs:
    """How many of `sentences` outputs are no translation into the target language."""

    sentences: int
    off_target: int
    """In another language, as the identifier tells it."""
    copies: int
    """The source itself."""
    empty: int
    heard_as: str | None
    """The language that most of the off-target ones are in."""

    def rates(self) -> dict[str, float]:
        """In percent."""
        counts = {"off_target": self.off_target, "copies": self.copies, "empty": self.empty}
        return {name: 100 * count / self.sentences for name, count in counts.items()}


def outputs(
    hypotheses: Sequence[str],
    sources: Sequence[str],
    *,
    target: str,
    identify: Callable[[Sequence[str]], Sequence[str]],
) -> Outputs:
    """What language the outputs are in; one without a letter (`identify` gives "") is in the right one."""
    _same_length(hypotheses, sources)
    told = identify(hypotheses)
    written = [normalise(text) for text in hypotheses]
    copies = [bool(text) and text == normalise(source) for text, source in zip(written, sources, strict=True)]
    other = Counter(
        name
        for name, text, copy in zip(told, written, copies, strict=True)
        if text and not copy and name not in ("", target)
    )
    most = max(sorted(other), key=other.__getitem__, default=None)
    return Outputs(len(hypotheses), other.total(), sum(copies), written.count(""), most)


def exact_match(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Percentage of outputs that are the reference, character by character after `normalise`."""
    _same_length(hypotheses, references)
    same = sum(normalise(a) == normalise(b) for a, b in zip(hypotheses, references, strict=True))
    return 100 * same / len(references)


def length_ratio(hypotheses: Sequence[str], texts: Sequence[str]) -> float:
    """Characters written for each character of `texts`."""
    return sum(map(len, hypotheses)) / max(1, sum(map(len, texts)))


def _tokenizer(language: str) -> str:
    return "char" if base(language) in BY_CHARACTER else "13a"


@functools.cache
def _metric(language: str) -> BLEU:
    return BLEU(tokenize=_tokenizer(language), effective_order=True)  # for one sentence; the counts are the same


def _draws(sentences: int, *, draws: int, seed: int) -> NDArray[np.int64]:
    """(draws, N) how often each sentence is drawn."""
    return np.random.default_rng(seed).multinomial(sentences, np.full(sentences, 1 / sentences), size=draws)


def _bleu(statistics: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, 10), (draws, N) -> (draws,)"""
    sums = (counts @ statistics).tolist()
    scores = [BLEU.compute_bleu(s[2:6], s[6:], s[0], s[1], smooth_method="exp").score for s in sums]
    return np.array(scores)


def _interval(value: float, scores: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(scores, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def _same_length(a: Any, b: Any) -> None:
    if len(a) != len(b):
        raise ValueError(f"{len(a)} items against {len(b)}: expected one of each per sentence")
