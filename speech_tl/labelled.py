"""Batches of labelled examples, whether pixels or features, in an order that can be resumed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from speech_tl.errors import unknown_name
from speech_tl.training.sampling import GroupBatches


class Labelled(Protocol):
    """What `images.Pictures` and `feature_tables.FeatureTable` are."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def tensor(self, indices: Sequence[int], /) -> Tensor:
        """(len(indices), …) float32."""
        ...


@dataclass(frozen=True)
class LabelledBatch:
    """B examples with the indices of their classes."""

    examples: Tensor
    """(B, …): pixels (B, C, H, W), or features (B, D)."""
    targets: Tensor
    """(B,) int64."""
    rows: Tensor
    """(B,) int64, which examples of their data these are."""

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str) -> "LabelledBatch":
        """The same batch elsewhere."""
        return LabelledBatch(self.examples.to(device, non_blocking=True), self.targets.to(device), self.rows)

    def share(self, rank: int, world: int) -> "tuple[LabelledBatch, float]":
        """One process's part and its weight, as in `data.batches.SpeechBatch.share`."""
        mine = list(range(rank, len(self), world))
        weight = len(mine) * world / len(self)
        mine = mine or [0]
        return LabelledBatch(self.examples[mine], self.targets[mine], self.rows[mine]), weight


class LabelledBatches:
    """Endless batches in a new order each epoch; all of their state is the order's."""

    def __init__(self, data: Labelled, classes: Sequence[str], *, batch: int, generator: torch.Generator) -> None:
        if missing := sorted(set(data.labels) - set(classes)):
            raise unknown_name("class", missing[0], classes)
        self.data = data
        self.targets = torch.tensor([list(classes).index(label) for label in data.labels])
        lengths = {"examples": [1] * len(data)}
        self.order = GroupBatches(lengths, max_total=batch, max_items=batch, temperature=1.0, generator=generator)
        self.batches_per_epoch = self.order.batches_per_epoch

    def __iter__(self) -> "LabelledBatches":
        return self

    def __next__(self) -> LabelledBatch:
        _, indices = next(self.order)
        rows = torch.tensor(indices)
        return LabelledBatch(self.data.tensor(indices), self.targets[rows], rows)

    def state_dict(self) -> dict[str, Any]:
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.order.load_state_dict(state)


@torch.no_grad()
def over(
    data: Labelled, model: nn.Module, function: Callable[[Tensor], Tensor] | None = None, *, most: int = 500
) -> Tensor:
    """What a model makes of every example, joined, (N, …) on the CPU. The model's mode is restored.

    Args:
        function: one of its methods, its call where none.
        most: examples at a time.
    """
    training, device = model.training, next(model.parameters()).device
    model.train(False)
    parts = [range(first, min(first + most, len(data))) for first in range(0, len(data), most)]
    found = [(function or model)(data.tensor(part).to(device)).cpu() for part in parts]
    model.train(training)
    return torch.cat(found)
