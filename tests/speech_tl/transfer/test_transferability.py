"""Which layers a network of the experiment takes from elsewhere, and which of them move."""

import pytest
import torch
from torch import nn

from speech_tl.errors import InputError
from speech_tl.transfer.transferability import SIDES, TREATMENTS, Cut, Treatment, cuts, put_together

NAMES = ("conv.0", "conv.1", "head")
BELOW = NAMES[:2]


def net(value: float) -> dict[str, nn.Module]:
    """Every weight is `value`."""
    layers = {name: nn.Linear(1, 1) for name in NAMES}
    for layer in layers.values():
        nn.init.constant_(layer.weight, value)
    return layers


def values(groups: dict[str, nn.Module]) -> list[float]:
    return [group.get_parameter("weight").item() for group in groups.values()]


@pytest.mark.parametrize(
    ("cut", "weights", "free"),
    [
        (Cut("AnB", "input", 1), [1, 0, 0], "conv.1 head"),
        (Cut("AnB", "output", 1), [0, 1, 0], "conv.0 head"),
        (Cut("AnB+", "input", 2), [1, 1, 0], "conv.0 conv.1 head"),
        (Cut("BnB", "input", 1), [2, 0, 0], "conv.1 head"),
        (Cut("BnB+", "output", 1), [0, 2, 0], "conv.0 conv.1 head"),
        (Cut("RnB", "input", 2), [0, 0, 0], "head"),
    ],
)
def test_kept_layers_come_from_a_or_b_and_the_others_are_fresh(cut: Cut, weights: list[float], free: str) -> None:
    target = net(0)
    assert put_together(cut, target, a=net(1), b=net(2), keepable=BELOW) == tuple(free.split())
    assert values(target) == weights


def test_every_network_once() -> None:
    """Of two layers: one or both from the input, one from the output, where both are the same network again."""
    found = cuts(2)
    assert len(found) == len(set(found)) == len(TREATMENTS) * 3
    assert {(cut.side, cut.kept) for cut in found} == {("input", 1), ("input", 2), ("output", 1)}
    assert cuts(2, treatments=["AnB"], sides=["output"]) == [Cut("AnB", "output", 1), Cut("AnB", "output", 2)]
    assert [cut.kept for cut in cuts(5, treatments=["BnB"], sides=SIDES[:1], kept=(2, 4))] == [2, 4]
    with pytest.raises(InputError, match="3 layers to keep: this network has 2, so expected 1 to 2"):
        cuts(2, kept=(3,))


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_a_copy_is_not_shared(treatment: Treatment) -> None:
    a, b, target = net(1), net(2), net(0)
    put_together(Cut(treatment, "input", 2), target, a=a, b=b, keepable=BELOW)
    with torch.no_grad():
        target["conv.0"].get_parameter("weight").fill_(9)
    assert (values(a)[0], values(b)[0]) == (1, 2)
