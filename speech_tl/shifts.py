"""Two domains of the same classes, as every way from one to the other sees them.

Neither pixels nor speech are known here: a `Shift` reads its own examples, has a network of its own, and says what that
makes of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speech_tl.results import Evaluation, Measure
from speech_tl.training.loop import Batches

Side = Literal["source", "target"]
SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True)
class Read:
    """What a network makes of a batch of B examples."""

    features: Tensor
    """(B, D), one row per example, in which domains are compared."""
    scores: Tensor
    """What the head says, in whatever shape the shift's losses take it."""
    lengths: Tensor
    """(B,) how much of `scores` is there."""


@dataclass(frozen=True)
class Look:
    """What is seen of N examples without their labels."""

    features: Tensor
    """(N, D) on the CPU."""
    chances: Tensor
    """(M, C) probabilities of decisions, of which an example may have several."""
    groups: NDArray[np.str_]
    """(N,) what is not to be split between training and test, such as speakers."""


class Shift(Protocol):
    """A source and a target of the same classes, each with `train`, `valid` and `test` examples, and their network.

    The labels of the target's `train` are seen by the upper bound alone, those of its `valid` by nobody.
    """

    @property
    def name(self) -> str: ...

    @property
    def measure(self) -> Measure:
        """Which errors tell its networks apart."""
        ...

    def width(self, body: Any, /) -> int:
        """D, of the features."""
        ...

    @property
    def source_varied(self) -> bool:
        """Whether labelled examples are varied while they are learned from."""
        ...

    def untrained(self, *, seed: int) -> nn.Module: ...

    @property
    def mapped(self) -> Self:
        """The same, each part of the source brought to the target's training examples by one mapping for all of it."""
        ...

    @property
    def mapped_first(self) -> bool:
        """Whether methods that go on with the source's labels begin there, and not `feature_mapping` alone."""
        ...

    def batches(self, side: Side, *, generator: torch.Generator) -> Batches:
        """Endless, of the training examples."""
        ...

    def rows(self, batch: Any, /) -> Tensor:
        """(B,) which training examples these are."""
        ...

    def read(self, body: Any, batch: Any, /, *, varied: bool) -> Read:
        """varied: as augmentation makes them, not as they are."""
        ...

    def losses(self, read: Read, batch: Any, /) -> Tensor:
        """(B,) of the labels that the batch has."""
        ...

    def believed(self, read: Read, batch: Any, /) -> tuple[Any, Tensor]:
        """The batch with what the network says in the place of its labels, and how sure it is, (B,) from 0 to 1."""
        ...

    def coarse(self, side: Side, /) -> NDArray[Any]:
        """(N, F) of the training examples as they come to the network."""
        ...

    def look(self, body: Any, side: Side, /) -> Look:
        """At the validation examples."""
        ...

    def test(self, body: Any, side: Side, part: Literal["valid", "test"], /) -> Evaluation: ...


@dataclass(frozen=True)
class PairBatch:
    """Labelled source examples beside target examples whose labels nobody looks at."""

    source: Any
    target: Any

    def __len__(self) -> int:
        return len(self.source)

    def to(self, device: torch.device | str) -> "PairBatch":
        """The same batch elsewhere."""
        return PairBatch(self.source.to(device), self.target.to(device))

    def share(self, rank: int, world: int) -> "tuple[PairBatch, float]":
        """One process's part of both, and the weight of its source examples."""
        source, weight = self.source.share(rank, world)
        return PairBatch(source, self.target.share(rank, world)[0]), weight


class PairBatches:
    """Endless pairs; each side walks its own epochs."""

    def __init__(self, source: Batches, target: Batches) -> None:
        self.source, self.target = source, target

    def __next__(self) -> PairBatch:
        return PairBatch(next(self.source), next(self.target))

    def state_dict(self) -> dict[str, Any]:
        return {"source": self.source.state_dict(), "target": self.target.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.source.load_state_dict(state["source"])
        self.target.load_state_dict(state["target"])
