"""Which layers move, by name: chosen from either end, copied, frozen for good, and at rates of their own."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from speech_tl.errors import InputError
from speech_tl.transfer import layers


def net(seed: int, width: int = 3) -> nn.Sequential:
    torch.manual_seed(seed)
    named = [("subsampling", 2), ("encoder.0", width), ("encoder.1", width), ("head.sw", width)]
    inputs = [2, 2, width, width]
    return nn.Sequential(
        OrderedDict((name.replace(".", "_"), nn.Linear(i, o)) for (name, o), i in zip(named, inputs, strict=True))
    )


def groups(model: nn.Sequential) -> dict[str, nn.Module]:
    return {name.replace("_", "."): module for name, module in model.named_children()}


@pytest.mark.parametrize(
    ("which", "chosen"),
    [
        ("all", "subsampling encoder.0 encoder.1 head.sw"),
        ("none", ""),
        ("input:2", "subsampling encoder.0"),
        ("output:1", "head.sw"),
        ("output:1, input:1", "subsampling head.sw"),  # in the model's order, whatever was said first
        ("encoder.*", "encoder.0 encoder.1"),
        ("head.sw,encoder.0", "encoder.0 head.sw"),
    ],
)
def test_layers_are_chosen_from_either_end_and_by_name(which: str, chosen: str) -> None:
    assert layers.select(groups(net(0)), which) == tuple(chosen.split())


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("encoder.7", r"unknown layer 'encoder\.7'; did you mean 'encoder\.[01]'\? known: encoder\.0, encoder\.1"),
        ("head.*x", "unknown layer"),
        ("input:5", "layers 'input:5': expected input:1 to input:4"),
        ("output:0", "expected output:1"),
        ("input:", "expected input:1"),
    ],
)
def test_a_layer_that_there_is_not_is_named(which: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        layers.select(groups(net(0)), which)


def test_only_the_chosen_layers_are_trained_and_the_others_stay_to_the_byte() -> None:
    model = net(0)
    layers.train_only(model, groups(model), ("encoder.1",))
    before = layers.frozen(model)
    assert sorted(before) == sorted(name for name in model.state_dict() if not name.startswith("encoder_1"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    layers.check_frozen(model, before)
    with torch.no_grad():
        model.get_parameter("head_sw.bias")[0] += 1e-7
    with pytest.raises(RuntimeError, match=r"1 frozen tensors have moved: head_sw\.bias"):
        layers.check_frozen(model, before)


def test_copies_are_equal_and_their_own() -> None:
    source, target = net(0), net(1)
    fresh = {name: value.clone() for name, value in target.state_dict().items()}
    layers.copy(groups(source), groups(target), ("subsampling", "encoder.0"))
    for name, value in target.state_dict().items():
        of = source if name.startswith(("subsampling", "encoder_0")) else None
        assert value.equal(source.state_dict()[name] if of else fresh[name])
    with torch.no_grad():
        source.get_parameter("subsampling.weight").zero_()
    assert target.get_parameter("subsampling.weight").abs().sum() > 0


def test_layers_of_other_shapes_are_refused_before_anything_is_copied() -> None:
    source, target = net(0), net(1, width=4)
    before = target.get_parameter("subsampling.weight").clone()
    with pytest.raises(InputError, match=r"layer encoder\.0 is not .*: bias is 3 in the source and 4 in the target"):
        layers.copy(groups(source), groups(target), ("subsampling", "encoder.0"))
    assert target.get_parameter("subsampling.weight").equal(before)
    with pytest.raises(InputError, match=r"unknown layer 'head\.ln'"):
        layers.copy(groups(source), groups(target), ("head.ln",))


def test_rates_fall_from_the_top_and_are_told_by_parameter() -> None:
    model = net(0)
    factors = layers.discriminative(("subsampling", "encoder.0", "head.sw"), decay=0.5)
    assert factors == {"subsampling": 0.25, "encoder.0": 0.5, "head.sw": 1.0}
    assert layers.discriminative(("head.sw", "subsampling")) == {"head.sw": 0.5, "subsampling": 1.0}
    rates = layers.rates(model, groups(model), factors)
    assert rates["subsampling.weight"] == rates["subsampling.bias"] == 0.25
    assert "encoder_1.weight" not in rates


def test_a_dry_run_says_what_will_move() -> None:
    model = net(0)
    layers.train_only(model, groups(model), ("subsampling",))
    said = layers.described(groups(model), {"subsampling": 0.25}).splitlines()
    assert said[0].split() == ["subsampling", "6", "of", "6", "weights", "move", "at", "0.25", "times", "the", "rate"]
    assert said[1].split() == ["encoder.0", "0", "of", "9", "weights", "move"]
