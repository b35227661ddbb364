"""Adapters say nothing at first, belong to their layer, and go without a trace."""

import copy

import pytest
import torch
from torch import Tensor, nn

from speech_tl.errors import InputError
from speech_tl.transfer import adapters


class Pair(nn.Linear):
    """A layer that returns more than its output, as transformers' layers do."""

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> tuple[Tensor, str]:  # type: ignore[override]
        return super().forward(hidden), "attention"


@pytest.mark.parametrize(
    "adapter",
    [adapters.LHUC(4), adapters.LIN(4, diagonal=True), adapters.LIN(4, diagonal=False), adapters.Bottleneck(4, 2)],
)
def test_a_fresh_adapter_changes_nothing_and_can_learn(adapter: nn.Module) -> None:
    hidden = torch.randn(2, 3, 4)
    assert adapter(hidden).allclose(hidden)
    (adapter(hidden) * torch.randn(2, 3, 4)).sum().backward()
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in adapter.parameters())


def test_by_hand() -> None:
    """a = log 3 gives 2σ(a) = 2 · 3/4; W = 2, 3 and b = 1; relu(1 − 2) = 0 and relu(2 − 1) = 1 come up as 10."""
    lhuc = adapters.LHUC(2)
    lhuc.amplitude.data = torch.tensor([0.0, 3.0]).clamp(min=1e-9).log().clamp(min=-20)
    assert lhuc(torch.tensor([5.0, 4.0])).tolist() == pytest.approx([0.0, 6.0], abs=1e-6)
    lin = adapters.LIN(2, diagonal=True)
    lin.weight.data, lin.bias.data = torch.tensor([2.0, 3.0]), torch.tensor([1.0, 1.0])
    assert lin(torch.tensor([[[1.0, 1.0]]])).tolist() == [[[3.0, 4.0]]]
    neck = adapters.Bottleneck(1, 2)
    neck.down.weight.data, neck.down.bias.data = torch.tensor([[1.0], [1.0]]), torch.tensor([-2.0, -1.0])
    neck.up.weight.data = torch.tensor([[100.0, 10.0]])
    assert neck(torch.tensor([[2.0]])).item() == 12.0


def test_a_full_lin_turns_the_features_of_every_frame() -> None:
    lin = adapters.LIN(2, diagonal=False)
    lin.weight.data = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    assert lin(torch.tensor([[[3.0, 5.0], [1.0, 0.0]]])).tolist() == [[[5.0, 6.0], [0.0, 2.0]]]


def test_attached_it_belongs_to_its_layer_and_a_copy_has_its_own() -> None:
    layer = Pair(2, 2)
    model = nn.ModuleDict({"layer": layer})
    adapters.after(layer, adapters.LHUC(2))
    assert "layer.adapter.amplitude" in model.state_dict()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin["layer"].get_parameter("adapter.amplitude").fill_(20.0)
    hidden = torch.randn(3, 2)
    (ours, said), (doubled, _) = layer(hidden), twin["layer"](hidden)
    assert said == "attention"
    assert doubled.allclose(2 * ours)


def test_before_a_layer() -> None:
    layer = Pair(1, 1)
    adapters.before(layer, adapters.LIN(1, diagonal=True))
    plain, _ = layer(torch.tensor([[2.0]]))
    with torch.no_grad():
        layer.get_parameter("adapter.weight").fill_(3.0)
    turned, _ = layer(torch.tensor([[2.0]]), mask=None)
    expected = nn.functional.linear(torch.tensor([[6.0]]), layer.weight, layer.bias)
    assert turned.allclose(expected) and not turned.allclose(plain)
    with pytest.raises(InputError, match="Pair has an adapter already"):
        adapters.before(layer, adapters.LIN(1, diagonal=True))


def test_what_it_passes_through_for_a_while_leaves_no_trace() -> None:
    """Doubled by the borrowed adapter, then turned up by 3/2 by the layer's own; afterwards only the latter."""
    layer = Pair(2, 2)
    own = adapters.LHUC(2)
    own.amplitude.data.fill_(3.0).log_()
    adapters.after(layer, own)
    hidden = torch.randn(3, 2)
    before, names = layer(hidden)[0], list(layer.state_dict())
    with adapters.through([layer], [lambda output: 2 * output]):
        assert layer(hidden)[0].allclose(2 * before)
        assert list(layer.state_dict()) == names
    assert layer(hidden)[0].equal(before)
    with pytest.raises(RuntimeError, match="halfway"), adapters.through([layer], [lambda output: 2 * output]):
        raise RuntimeError("halfway")
    assert layer(hidden)[0].equal(before)
