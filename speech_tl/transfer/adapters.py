"""Few weights added to a model that stays as it is: LHUC, an affine input layer, bottlenecks.

LHUC turns each unit of a layer up or down by 2σ(a) (Swietojanski & Renals, 2014); LIN puts an affine map of the
features below the first layer (Neto et al., 1995; fDLR: Seide et al., 2011); a bottleneck adapter adds a small network
of its own to a layer's output (Houlsby et al., 2019). All begin as the identity: a model with fresh adapters says what
it said before. An adapter becomes a submodule of the layer it is attached to, and is trained, saved and copied with it;
only those of `through` belong to somebody else, such as one of several languages that share the layers.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from speech_tl.errors import InputError

NAME = "adapter"
"""The submodule that `after` and `before` add."""


class LHUC(nn.Module):
    """Each unit times 2σ(a), between 0 and 2; a = 0 changes nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.amplitude = nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        return 2 * torch.sigmoid(self.amplitude) * hidden


class LIN(nn.Module):
    """features -> W features + b, W = 1 and b = 0 at first; a diagonal W (one scale per bin) is for a few seconds."""

    def __init__(self, width: int, *, diagonal: bool) -> None:
        super().__init__()
        self.diagonal = diagonal
        self.weight = nn.Parameter(torch.ones(width) if diagonal else torch.eye(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, F) -> (B, T, F)."""
        turned = features * self.weight if self.diagonal else features @ self.weight.T
        return turned + self.bias


class Bottleneck(nn.Module):
    """hidden + up(relu(down(hidden))), the way up zero at first."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        added: Tensor = self.up(torch.relu(self.down(hidden)))
        return hidden + added


def after(layer: nn.Module, adapter: nn.Module) -> None:
    """The layer's output, or the first of several, passes through `adapter` from now on."""
    _add(layer, adapter)
    layer.register_forward_hook(_output)


def before(layer: nn.Module, adapter: nn.Module) -> None:
    """The layer's first argument passes through `adapter` from now on."""
    _add(layer, adapter)
    layer.register_forward_pre_hook(_input, with_kwargs=True)


@contextlib.contextmanager
def through(layers: Sequence[nn.Module], adapters: Sequence[Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """While it lasts, the output of each layer passes through the adapter of the same place; others keep theirs.

    It comes before whatever else is attached to the layer, so that this, too, sees the adapted output.
    """
    handles = [
        layer.register_forward_hook(partial(_adapted, adapter), prepend=True)
        for layer, adapter in zip(layers, adapters, strict=True)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _add(layer: nn.Module, adapter: nn.Module) -> None:
    if hasattr(layer, NAME):
        raise InputError(f"{type(layer).__name__} has an adapter already")
    parameter = next(layer.parameters(), None)
    if parameter is not None:
        adapter.to(parameter.device)
    layer.add_module(NAME, adapter)


# Hooks find the adapter through their layer, not in a closure: a copy of the model then uses its own.


def _output(layer: nn.Module, _arguments: Any, output: Any) -> Any:
    return _adapted(layer.get_submodule(NAME), layer, _arguments, output)


def _adapted(adapter: Callable[[Tensor], Tensor], _layer: nn.Module, _arguments: Any, output: Any) -> Any:
    return (adapter(output[0]), *output[1:]) if isinstance(output, tuple) else adapter(output)


def _input(
    layer: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    first, *others = arguments
    return (layer.get_submodule(NAME)(first), *others), named
