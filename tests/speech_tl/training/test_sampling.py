"""Every item once an epoch, never more than fits, small groups more often, and the same after a resume."""

from collections import Counter

import pytest
import torch

from speech_tl.errors import InputError
from speech_tl.training.sampling import GroupBatches, temperature_probabilities

LENGTHS = {"bn": [7, 3, 9, 4, 4, 6, 2, 8, 5, 3, 30], "fa": [2, 2, 3], "uk": [20, 1]}


def batches(seed: int = 0, **changes: float) -> GroupBatches:
    settings: dict[str, float] = {"max_total": 30, "max_items": 4, "temperature": 2.0, **changes}
    return GroupBatches(
        LENGTHS,
        max_total=int(settings["max_total"]),
        max_items=int(settings["max_items"]),
        temperature=settings["temperature"],
        generator=torch.Generator().manual_seed(seed),
    )


def test_temperature_by_hand() -> None:
    """Sizes 9 and 1: at T = 1 they are drawn 9/10 and 1/10, at T = 2 (square roots 3 and 1) 3/4 and 1/4."""
    assert temperature_probabilities([9, 1], temperature=1).tolist() == pytest.approx([9 / 10, 1 / 10])
    assert temperature_probabilities([9, 1], temperature=2).tolist() == pytest.approx([3 / 4, 1 / 4])
    assert temperature_probabilities([9, 1], temperature=1e9).tolist() == pytest.approx([1 / 2, 1 / 2])
    assert temperature_probabilities([5000, 1], temperature=0.001).tolist() == [1, 0], "not beyond any number"


def test_shares_stand_in_the_place_of_the_temperature() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = {"uk": 0.0, "bn": 0.25, "fa": 0.75}
    stream = GroupBatches(LENGTHS, max_total=30, max_items=4, temperature=1, generator=generator, shares=shares)
    drawn = Counter(next(stream)[0] for _ in range(4000))
    assert drawn["fa"] / 4000 == pytest.approx(3 / 4, abs=0.04) and not drawn["uk"]


def test_groups_are_drawn_as_often_as_said() -> None:
    """n = 11, 3, 2 at T = 1; five standard errors of a share of 4000 draws are below 0.04."""
    stream = batches(temperature=1.0)
    drawn = Counter(next(stream)[0] for _ in range(4000))
    for group, expected in {"bn": 11 / 16, "fa": 3 / 16, "uk": 2 / 16}.items():
        assert drawn[group] / 4000 == pytest.approx(expected, abs=0.04)


def test_the_longest_comes_first_and_within_its_epoch() -> None:
    for seed in range(5):
        stream = batches(seed)
        assert next(stream) == ("bn", (10,))
        seen = [10]
        while stream.epochs["bn"] < 1:
            group, indices = next(stream)
            seen += indices if group == "bn" else ()
        assert sorted(seen) == list(range(11))


def test_no_batch_is_too_large_and_every_epoch_is_whole() -> None:
    stream = batches()
    seen: dict[str, list[int]] = {group: [] for group in LENGTHS}
    for _ in range(500):
        group, indices = next(stream)
        lengths = [LENGTHS[group][index] for index in indices]
        assert len(indices) <= 4
        assert len(indices) * max(lengths) <= 30
        seen[group] += indices
    for group, lengths in LENGTHS.items():
        size = len(lengths)
        for start in range(0, len(seen[group]) - size, size):
            assert sorted(seen[group][start : start + size]) == list(range(size))
        assert stream.epochs[group] == pytest.approx(len(seen[group]) / size, abs=1)


def test_batches_hold_similar_lengths() -> None:
    """1000 items of 1 to 1000: a fifth of padding at most, where unsorted batches waste some 45 %."""
    generator = torch.Generator().manual_seed(1)
    stream = GroupBatches({"bn": range(1, 1001)}, max_total=10_000, max_items=10, temperature=1, generator=generator)
    padded = real = 0
    for _ in range(stream.batches_per_epoch):
        _, indices = next(stream)
        padded += len(indices) * (max(indices) + 1)
        real += sum(index + 1 for index in indices)
    assert real / padded > 0.8


def test_two_epochs_differ() -> None:
    stream = GroupBatches(
        {"bn": [5] * 20}, max_total=20, max_items=4, temperature=1, generator=torch.Generator().manual_seed(0)
    )
    first, second = ([next(stream)[1] for _ in range(5)] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("steps", [0, 1, 7, 200])
def test_resumes_in_mid_epoch(steps: int) -> None:
    stream = batches(seed=3)
    for _ in range(steps):
        next(stream)
    state = stream.state_dict()
    expected = [next(stream) for _ in range(50)]
    resumed = batches(seed=99)
    resumed.load_state_dict(state)
    assert [next(resumed) for _ in range(50)] == expected
    assert resumed.epochs == stream.epochs


def test_other_data_are_not_resumed() -> None:
    with pytest.raises(InputError, match="training on other data"):
        batches().load_state_dict(batches(max_items=5).state_dict())


@pytest.mark.parametrize(
    ("lengths", "changes", "message"),
    [
        ({}, {}, "no group to draw batches from"),
        ({"bn": []}, {}, "'bn' has no training items"),
        ({"bn": [3, 40]}, {}, "item 1 of 'bn' has length 40, longer than a whole batch"),
        ({"bn": [3]}, {"temperature": 0}, "temperature 0 must be above 0"),
        ({"bn": [3]}, {"max_items": 0}, "max_items must be 1 or more"),
    ],
)
def test_what_cannot_be_sampled(lengths: dict[str, list[int]], changes: dict[str, int], message: str) -> None:
    settings = {"max_total": 30, "max_items": 4, "temperature": 1, **changes}
    with pytest.raises(InputError, match=message):
        GroupBatches(lengths, generator=torch.Generator(), **settings)
