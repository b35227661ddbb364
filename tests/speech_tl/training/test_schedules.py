"""The schedules at the steps where their values are known fractions."""

import pytest

from speech_tl.training.schedules import warmup_cosine


def test_warmup_then_cosine_by_hand() -> None:
    """4 steps of warm-up, then half a cosine over 8: 1, (1 + sqrt 1/2) / 2, 1/2, ... at its quarters"""
    rates = [warmup_cosine(step, total=12, warmup=4) for step in range(13)]
    assert rates[:5] == [1 / 4, 1 / 2, 3 / 4, 1, 1]
    assert rates[6] == pytest.approx((1 + 0.5**0.5) / 2)
    assert rates[8] == pytest.approx(1 / 2)
    assert rates[12] == pytest.approx(0)
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_no_warmup_and_only_warmup() -> None:
    assert warmup_cosine(0, total=10, warmup=0) == 1
    assert [warmup_cosine(step, total=2, warmup=4) for step in range(2)] == [1 / 4, 1 / 2]
