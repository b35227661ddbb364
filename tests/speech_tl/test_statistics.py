"""Hand-worked intervals and p-values, then the same by brute force."""

import itertools
import math

import numpy as np
import pytest

from speech_tl.statistics import bootstrap, detectable_difference, paired_bootstrap, sign_test


def test_no_spread_no_interval() -> None:
    interval = bootstrap(["a", "b", "c"], [1, 1, 1], [4, 4, 4])
    assert (interval.mean, interval.low, interval.high) == (25, 25, 25)
    assert str(interval) == "25.0 [25.0, 25.0]"


def test_the_mean_is_the_ratio_of_the_sums() -> None:
    assert bootstrap(["a", "a"], [1, 0], [2, 9]).mean == pytest.approx(100 / 11)


def test_two_items_by_enumeration() -> None:
    """Items 0 and 1, two draws with replacement: 0, 50, 50, 100 %, each a quarter."""
    interval = bootstrap(["a", "a"], [0, 1], [1, 1], draws=4000)
    assert (interval.low, interval.mean, interval.high) == (0, 50, 100)


def test_same_seed_same_interval_and_order_of_speakers_by_name() -> None:
    groups = [str(i % 9) for i in range(45)]
    right = [float(i % 4 == 0) for i in range(45)]
    assert bootstrap(groups, right, [1] * 45, seed=3) == bootstrap(groups, right, [1] * 45, seed=3)
    assert bootstrap(groups, right, [1] * 45, seed=3) != bootstrap(groups, right, [1] * 45, seed=4)


def brute_force(groups: list[str], numerators: list[float], denominators: list[float], draws: int) -> list[float]:
    """The definition, one utterance at a time."""
    generator = np.random.default_rng(7)
    names = sorted(set(groups))
    items = {name: [i for i, group in enumerate(groups) if group == name] for name in names}
    rates = []
    for _ in range(draws):
        chosen = [
            int(item)
            for g in generator.integers(len(names), size=len(names))
            for item in generator.choice(items[names[g]], size=len(items[names[g]]))
        ]
        rates.append(100 * sum(numerators[i] for i in chosen) / sum(denominators[i] for i in chosen))
    return [float(np.quantile(rates, q)) for q in (0.025, 0.975)]


def test_hierarchical_bootstrap_against_brute_force() -> None:
    generator = np.random.default_rng(1)
    groups, numerators, denominators = [], [], []
    for speaker in range(10):
        for _ in range(int(generator.integers(3, 9))):
            groups.append(f"s{speaker}")
            denominators.append(float(generator.integers(3, 12)))
            numerators.append(float(generator.binomial(int(denominators[-1]), 0.1 + 0.05 * speaker)))
    ours = bootstrap(groups, numerators, denominators, draws=4000)
    low, high = brute_force(groups, numerators, denominators, draws=4000)
    assert ours.low == pytest.approx(low, abs=1.0)
    assert ours.high == pytest.approx(high, abs=1.0)


def test_speakers_who_differ_widen_the_interval_from_eight_on() -> None:
    """Half the speakers are always wrong: 8 speakers vary by speaker, 7 only by utterance."""
    for speakers, wide in ((8, True), (7, False)):
        groups = [str(s) for s in range(speakers) for _ in range(50)]
        wrong = [float(int(group) % 2) for group in groups]
        interval = bootstrap(groups, wrong, [1] * len(groups))
        assert (interval.high - interval.low > 40) == wide


def test_an_interval_covers_the_truth_about_95_times_in_100() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        wrong = generator.binomial(1, 0.3, size=100).tolist()
        interval = bootstrap(["a"] * 100, wrong, [1] * 100, draws=300, seed=seed)
        covered += interval.low <= 30 <= interval.high
    assert 180 <= covered <= 199


def test_pairs_cancel_what_both_share() -> None:
    """Both systems fail on the same hard half; a also fails on one more clip in ten."""
    n = 200
    b = [float(i % 2) for i in range(n)]
    a = [1.0 if i % 10 == 0 else b[i] for i in range(n)]
    interval = paired_bootstrap(["x"] * n, a, b, [1] * n)
    assert interval.mean == pytest.approx(10)
    assert 5 < interval.low < 10 < interval.high < 15
    reverse = paired_bootstrap(["x"] * n, b, a, [1] * n)
    assert (reverse.low, reverse.high) == pytest.approx((-interval.high, -interval.low))


def test_sign_test_by_hand_and_by_enumeration() -> None:
    assert sign_test(0, 0) == 1
    assert sign_test(5, 0) == pytest.approx(2 / 32)
    assert sign_test(6, 0) == pytest.approx(2 / 64)  # the fewest items that can be significant at 5 %
    assert sign_test(3, 1) == sign_test(1, 3) == pytest.approx(2 * (1 + 4) / 16)
    assert 0.1 < sign_test(2000, 2100) < 0.2  # thousands of items do not overflow
    for wins in range(9):
        heads = [sum(coins) for coins in itertools.product((0, 1), repeat=8)]
        as_extreme = sum(abs(h - 4) >= abs(wins - 4) for h in heads)
        assert sign_test(wins, 8 - wins) == pytest.approx(as_extreme / len(heads))


def test_detectable_difference() -> None:
    assert detectable_difference(178, 0) == pytest.approx(100 / 178)  # one clip: 0.56 points
    assert round(detectable_difference(178, 0), 2) == 0.56
    assert detectable_difference(200, 50) == pytest.approx(100 * 2.801585 * math.sqrt(0.5 / 200))  # 14 points
    assert detectable_difference(400, 20) == pytest.approx(detectable_difference(100, 20) / 2)
    assert detectable_difference(178, 20) == pytest.approx(detectable_difference(178, 80))


def test_a_detectable_difference_is_detected_four_times_in_five() -> None:
    n, rate = 400, 30.0
    step = detectable_difference(n, rate) / 100
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(2000):
        a = generator.binomial(n, rate / 100 + step / 2) / n
        b = generator.binomial(n, rate / 100 - step / 2) / n
        found += abs(a - b) > 1.96 * math.sqrt((a * (1 - a) + b * (1 - b)) / n)
    assert 0.77 < found / 2000 < 0.84


def test_what_cannot_be_computed_says_why() -> None:
    with pytest.raises(ValueError, match="2 groups, 1 numerators, 1 denominators"):
        bootstrap(["a", "b"], [1], [1])
    with pytest.raises(ValueError, match="sum to 0"):
        bootstrap(["a"], [0], [0])
    with pytest.raises(ValueError, match="same items"):
        paired_bootstrap(["a"], [1], [1, 1], [1])
    with pytest.raises(ValueError, match="negative"):
        sign_test(-1, 3)
    with pytest.raises(ValueError, match="0 utterances"):
        detectable_difference(0, 10)
