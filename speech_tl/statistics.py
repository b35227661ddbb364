"""What a test set can and cannot tell: intervals, paired comparisons, and the smallest difference it would
show.

Recordings of one speaker resemble each other, so intervals resample speakers first and their utterances
second (Davison & Hinkley 1997, section 3.8; for speech recognition Bisani & Ney 2004, Bootstrap estimates for
confidence intervals in ASR performance evaluation). Everything is in percent or percentage points.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_SPEAKERS = 8
"""Below this many speakers nothing is claimed about speakers at large: only utterances are resampled."""

Z_SIGNIFICANCE, Z_POWER = 1.959964, 0.841621
"""Normal quantiles 0.975 (two-sided 95 %) and 0.80 (power)."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % percentile interval, in percent."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} [{self.low:.1f}, {self.high:.1f}]"


def bootstrap(
    groups: Sequence[str],
    numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Interval of 100 · Σ numerators / Σ denominators; item i belongs to speaker `groups[i]`.

    A draw takes G of the G speakers with replacement and, each time a speaker comes up, n of his n utterances
    with replacement. A speaker drawn m times contributes m·n independent draws from his utterances, so one
    multinomial of m·n trials holds them all and no Python loop runs over draws. With fewer than
    `FEWEST_SPEAKERS` speakers all utterances form one group.
    """
    n_g, d_g = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if not len(groups) == len(n_g) == len(d_g):
        raise ValueError(f"{len(groups)} groups, {len(n_g)} numerators, {len(d_g)} denominators: one of each per item")
    if not d_g.sum() > 0:
        raise ValueError(f"the denominators of {len(groups)} items sum to {d_g.sum():g}: expected some")
    names, speaker = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    if len(names) < FEWEST_SPEAKERS:
        names, speaker = names[:1], np.zeros_like(speaker)

    generator = np.random.default_rng(seed)
    times = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)  # (draws, G)
    above, below = np.zeros(draws), np.zeros(draws)
    for g in range(len(names)):
        own = np.flatnonzero(speaker == g)
        counts = generator.multinomial(times[:, g] * len(own), np.full(len(own), 1 / len(own)))  # (draws, n)
        above += counts @ n_g[own]
        below += counts @ d_g[own]
    low, high = np.quantile(_percent(above, below), [0.025, 0.975])
    return Interval(float(100 * n_g.sum() / d_g.sum()), float(low), float(high))


def paired_bootstrap(
    groups: Sequence[str],
    a_numerators: Sequence[float],
    b_numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Interval of a − b in percentage points, both systems judged on the same items in every draw.

    The systems differ where the interval excludes 0. Non-inferiority of a is `high` below a margin chosen
    before.
    """
    a, b = np.asarray(a_numerators, dtype=np.float64), np.asarray(b_numerators, dtype=np.float64)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} results against {len(b)}: a paired comparison needs the same items")
    return bootstrap(groups, (a - b).tolist(), denominators, draws=draws, seed=seed)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact binomial p of a fair coin, ties left out: McNemar's exact test on right/wrong items.

    p = min(1, 2 · Σ_{k ≤ min(w, l)} C(w + l, k) / 2^(w + l))
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"{wins} wins and {losses} losses: counts cannot be negative")
    n, fewer = wins + losses, min(wins, losses)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / (1 << n))


def detectable_difference(n: int, rate: float) -> float:
    """Smallest difference, in percentage points, that n utterances show in 80 % of tests at the two-sided 5 %
    level.

    δ = (z₀.₉₇₅ + z₀.₈₀) · √(2 p (1 − p) / n), with p the utterance error of the baseline: two proportions
    measured as if independently (Fleiss 1981, section 3.2). Two systems on the same clips err together, which
    only shrinks the variance of their difference (Connor 1987, Biometrics 43), so the value is conservative
    for a paired test. It is never below one item: 178 clips cannot show less than 100/178 = 0.56 points.
    """
    if n < 1 or not 0 <= rate <= 100:
        raise ValueError(f"{n} utterances at {rate:g} %: expected at least one, at a rate of 0 to 100")
    p = rate / 100
    return 100.0 * max(1 / n, (Z_SIGNIFICANCE + Z_POWER) * math.sqrt(2 * p * (1 - p) / n))


def _percent(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """A draw that holds only empty references has no rate and is left out."""
    kept = below > 0
    return 100 * above[kept] / below[kept]
