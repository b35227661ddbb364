"""A new column beside a frozen one: it reads what the old one makes of the same input, and cannot change it.

Progressive networks (Rusu et al., 2016): layer k of the new column has as input h²ₖ + Uₖ relu(Vₖ h¹ₖ), h¹ being the
frozen column's hidden states. What the old column knew is still there to the bit, and a source that does not help can
be left unread. U is zero at first, so a new column begins as if it were alone.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from speech_tl.errors import InputError

LATERAL = "lateral"
"""Submodule of each layer of the new column but the first."""


class Lateral(nn.Module):
    """U relu(V h), with nothing to say at first."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width, bias=False)
        nn.init.zeros_(self.up.weight)
        self.open = True

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        read: Tensor = self.up(torch.relu(self.down(hidden)))
        return read


def attach(groups: Mapping[str, nn.Module], previous: Mapping[str, nn.Module], *, width: int, inner: int) -> None:
    """The layers `groups` become a column beside the layers `previous`, which are frozen.

    Both columns have the same layers, each of one hidden state as its first argument and `width` channels last. The old
    column runs layer by layer with the new one's masks; every layer but the first reads it. Whoever owns the new column
    keeps the old one too: here it is only referred to.

    Args:
        groups: the new column's layers from input to output.
        previous: the old column's, of the same names.
        inner: channels of Uₖ and Vₖ between the columns.

    Raises:
        InputError: the columns do not have the same layers, or the new one reads an old one already.
    """
    if list(groups) != list(previous):
        raise InputError(f"columns of layers {', '.join(groups)} and {', '.join(previous)}: expected the same")
    beside = _Beside()
    for at, (layer, source) in enumerate(zip(groups.values(), previous.values(), strict=True)):
        if "beside" in layer.__dict__:
            raise InputError("these layers read an old column already")
        source.requires_grad_(False)
        source.train(False)
        if at:
            layer.add_module(LATERAL, Lateral(width, inner).to(next(layer.parameters()).device))
        # Neither is a submodule here: the old column belongs to the model, what is under way to nobody.
        layer.__dict__.update(old_layer=source, beside=beside, begins=not at)
        layer.register_forward_pre_hook(_read, with_kwargs=True)


@contextlib.contextmanager
def without_laterals(groups: Mapping[str, nn.Module]) -> Iterator[None]:
    """The new column alone: what of its work does it owe to the old one?"""
    laterals = [layer.get_submodule(LATERAL) for layer in groups.values() if hasattr(layer, LATERAL)]
    for lateral in laterals:
        lateral.__dict__["open"] = False
    try:
        yield
    finally:
        for lateral in laterals:
            lateral.__dict__["open"] = True


class _Beside:
    """The old column's hidden state between two layers of one forward pass."""

    hidden: Tensor | None = None


def _read(layer: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    ours, *others = arguments
    theirs = ours.detach() if layer.begins else layer.beside.hidden
    if not layer.begins and layer.lateral.open:
        ours = ours + layer.lateral(theirs)
    with torch.no_grad():
        output = layer.old_layer(theirs, *others, **named)
    layer.beside.hidden = output[0] if isinstance(output, tuple) else output
    return (ours, *others), named
