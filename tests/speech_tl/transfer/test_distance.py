"""0 where two domains cannot be told apart, 2 where always, and what is known of a group does not count."""

import numpy as np
import pytest

from speech_tl.errors import InputError
from speech_tl.transfer.distance import proxy_a_distance

RANDOM = np.random.default_rng(0)


def test_the_same_domain_twice_is_near_nothing_and_two_far_ones_are_two() -> None:
    source, target = RANDOM.normal(size=(2, 200, 3))
    assert proxy_a_distance(source, target) < 0.3
    assert proxy_a_distance(source, target + 50) == 2.0


def test_half_of_a_domain_that_differs_is_half_the_way() -> None:
    """Half of the target lies far off: ε is near ¼, and 2 (1 − 2/4) = 1."""
    source, target = RANDOM.normal(size=(2, 400, 1))
    target[::2] += 50
    assert proxy_a_distance(source, target) == pytest.approx(1.0, abs=0.35)


def test_speakers_who_are_only_themselves_do_not_make_a_distance() -> None:
    """Each speaker has a place of their own, drawn alike in both: known speakers are told apart, new ones are not."""
    speakers = np.repeat(np.arange(20), 10)
    places = RANDOM.normal(size=(2, 20, 30)) * 5
    source, target = (places[at][speakers] + 0.1 * RANDOM.normal(size=(200, 30)) for at in (0, 1))
    known = proxy_a_distance(source, target)
    new = proxy_a_distance(source, target, source_groups=speakers, target_groups=speakers)
    assert known > 1.3 > 0.9 > new


def test_what_cannot_be_measured() -> None:
    with pytest.raises(InputError, match="features of 3 and 2 numbers"):
        proxy_a_distance(np.zeros((4, 3)), np.zeros((4, 2)))
    with pytest.raises(InputError, match="a domain of 1 group"):
        proxy_a_distance(np.zeros((4, 3)), np.zeros((4, 3)), source_groups=np.zeros(4))
