"""The old column stays to the bit, the new one may read it, and begins as if it were alone."""

import copy

import pytest
import torch
from torch import nn

from speech_tl.errors import InputError
from speech_tl.transfer.progressive import attach, without_laterals


def column(seed: int, width: int = 3) -> nn.ModuleDict:
    torch.manual_seed(seed)
    return nn.ModuleDict({"low": nn.Linear(2, width), "middle": nn.Linear(width, width), "top": nn.Linear(width, 1)})


def run(model: nn.ModuleDict, inputs: torch.Tensor) -> torch.Tensor:
    hidden = inputs
    for name in ("low", "middle", "top"):
        hidden = model[name](hidden)
    return hidden


def beside(seed: int = 1) -> tuple[nn.ModuleDict, nn.ModuleDict]:
    old, new = column(0), column(seed)
    layers = {name: new[name] for name in ("low", "middle", "top")}
    new.add_module("previous", copy.deepcopy(old))
    attach(layers, dict(new.get_submodule("previous").named_children()), width=3, inner=2)
    return old, new


def test_it_begins_as_if_it_were_alone() -> None:
    inputs = torch.randn(4, 2)
    assert run(beside()[1], inputs).equal(run(column(1), inputs))


def test_one_number_by_hand() -> None:
    """All weights 1, no biases, input 2: the old column says 2 below the top, the lateral relu(2 · 2) · 3 = 12."""
    old, new = (nn.ModuleDict({"low": nn.Linear(1, 1), "top": nn.Linear(1, 1)}) for _ in range(2))
    for weight in [*old.parameters(), *new.parameters()]:
        nn.init.constant_(weight, float(weight.ndim > 1))
    layers = {name: new[name] for name in ("low", "top")}
    attach(layers, {name: old[name] for name in layers}, width=1, inner=1)
    lateral = new["top"].get_submodule("lateral")
    nn.init.constant_(lateral.get_parameter("down.weight"), 2.0)
    nn.init.zeros_(lateral.get_parameter("down.bias"))
    nn.init.constant_(lateral.get_parameter("up.weight"), 3.0)
    inputs = torch.tensor([[2.0]])
    assert new["top"](new["low"](inputs)).item() == 2.0 + 12.0
    with without_laterals(layers):
        assert new["top"](new["low"](inputs)).item() == 2.0
    assert new["top"](new["low"](inputs)).item() == 14.0


def test_training_leaves_the_old_column_to_the_bit() -> None:
    old, new = beside()
    before = {name: value.clone() for name, value in old.state_dict().items()}
    optimizer = torch.optim.AdamW([weight for weight in new.parameters() if weight.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        run(new, torch.randn(4, 2)).square().sum().backward()
        optimizer.step()
    kept = new.get_submodule("previous").state_dict()
    assert all(value.equal(before[name]) for name, value in kept.items())
    assert new["middle"].get_parameter("lateral.up.weight").abs().sum() > 0
    assert not any(weight.requires_grad for weight in new.get_submodule("previous").parameters())


def test_a_copy_reads_its_own_old_column() -> None:
    _, new = beside()
    nn.init.ones_(new["top"].get_parameter("lateral.up.weight"))
    twin = copy.deepcopy(new)
    inputs = torch.randn(4, 2)
    said = run(new, inputs)
    assert run(twin, inputs).equal(said)
    with torch.no_grad():
        for weight in new.get_submodule("previous").parameters():
            weight.zero_()
    assert run(twin, inputs).equal(said)
    assert not run(new, inputs).equal(said)


def test_columns_that_do_not_match() -> None:
    old, new = column(0), column(1)
    with pytest.raises(InputError, match="columns of layers low and low, top: expected the same"):
        attach({"low": new["low"]}, {"low": old["low"], "top": old["top"]}, width=3, inner=2)
    attach({"low": new["low"]}, {"low": old["low"]}, width=3, inner=2)
    with pytest.raises(InputError, match="read an old column already"):
        attach({"low": new["low"]}, {"low": old["low"]}, width=3, inner=2)
