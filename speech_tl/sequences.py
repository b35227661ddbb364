"""Labelled examples of one size, a spoken word stretched to a few frames or the rows of a picture, and who reads them.

A word is a class among others here, so a network without recurrence reads it whole; it cannot write a word it was not
trained on. The network is banks of small modules that are summed, of which all or a path are active, below a head for
each task; it answers `layer_groups` as every model here does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speech_tl.acoustics import LogMel
from speech_tl.data.clips import Clips
from speech_tl.errors import InputError
from speech_tl.images import Pictures
from speech_tl.labelled import over
from speech_tl.models.encoder import BINS
from speech_tl.results import Evaluation, classified
from speech_tl.transfer.pathnet import Bank

FRAMES = 32
"""Frames every word is stretched to."""


@dataclass(frozen=True)
class Sequences:
    """N labelled sequences of T vectors."""

    features: NDArray[np.float32]
    """(N, T, F)."""
    labels: tuple[str, ...]
    speakers: tuple[str, ...]
    """Empty texts where nobody speaks."""

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.labels) == len(self.speakers):
            raise ValueError(
                f"{len(self.features)} examples, {len(self.labels)} labels, {len(self.speakers)} speakers: one of each"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """Every label once, sorted."""
        return tuple(sorted(set(self.labels)))

    def tensor(self, indices: Sequence[int]) -> Tensor:
        """(len(indices), T, F)."""
        return torch.from_numpy(self.features[list(indices)])

    def shuffled(self, seed: int) -> "Sequences":
        """The same labels on other examples, at random: nothing that is learned here is true of any other."""
        order = np.random.default_rng(seed).permutation(len(self))
        return replace(self, labels=tuple(self.labels[at] for at in order))


@torch.no_grad()
def of_words(clips: Clips) -> Sequences:
    """Log-mel energies, the level of each clip taken out; what a clip says is its class.

    Raises:
        InputError: a sampling rate that has no number of mel bins here.
    """
    if clips.sample_rate not in BINS:
        known = " or ".join(map(str, BINS))
        raise InputError(f"no features for a sampling rate of {clips.sample_rate} Hz; expected {known}")
    front = LogMel(clips.sample_rate, BINS[clips.sample_rate], per_bin=False)
    found = np.empty((len(clips), FRAMES, front.bins), np.float32)
    for at in range(len(clips)):
        features, _ = front(clips[at][None], torch.tensor([len(clips[at])]))  # (1, T, F)
        found[at] = nn.functional.interpolate(features.transpose(1, 2), size=FRAMES, mode="linear")[0].T
    return Sequences(found, tuple(u.text for u in clips.utterances), tuple(u.speaker for u in clips.utterances))


def of_pictures(pictures: Pictures) -> Sequences:
    """From top to bottom, a row of pixels (of all channels) as one vector."""
    rows = pictures.tensor(range(len(pictures))).permute(0, 2, 3, 1).flatten(2)  # (N, C, H, W) -> (N, H, W C)
    return Sequences(rows.contiguous().numpy(), pictures.labels, ("",) * len(pictures))


class Convolution(nn.Conv1d):
    """One module: relu over five frames, every other time, channels last."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 5, stride=2, padding=2)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, F) -> (B, ⌈T / 2⌉, D)."""
        return torch.relu(super().forward(hidden.transpose(1, 2))).transpose(1, 2)


class Head(nn.Linear):
    """Reads all frames at once."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> (B, classes)."""
        return super().forward(hidden.flatten(1))


class ModularNetwork(nn.Module):
    """Banks of modules, each of which halves the time, below a linear head for each task.

    Args:
        shape: (T, F) of an example.
        modules: in each bank.
        depth: banks.
    """

    def __init__(self, shape: tuple[int, int], *, modules: int, depth: int = 3, width: int = 32) -> None:
        super().__init__()
        frames, features = shape
        self.width = width
        self.banks = nn.ModuleList(
            Bank(partial(Convolution, inputs, width), modules) for inputs in (features, *[width] * (depth - 1))
        )
        self.flat = -(-frames // 2**depth) * width
        self.heads = nn.ModuleDict()
        self.classes: dict[str, tuple[str, ...]] = {}
        """Of each task."""

    def add_head(self, task: str, classes: Sequence[str]) -> None:
        """A fresh head."""
        device = next(self.banks.parameters()).device
        self.heads[task] = Head(self.flat, len(classes)).to(device)
        self.classes[task] = tuple(classes)

    def forward(self, features: Tensor, task: str) -> Tensor:
        """(B, T, F) -> logits (B, classes of the task)."""
        for bank in self.banks:
            features = bank(features)
        logits: Tensor = self.heads[task](features)
        return logits


def layer_groups(model: ModularNetwork, task: str) -> dict[str, nn.Module]:
    """Its named layers from input to output: `bank.0`, …, `head`."""
    return {**{f"bank.{at}": bank for at, bank in enumerate(model.banks)}, "head": model.heads[task]}


def evaluated(model: ModularNetwork, data: Sequences, task: str) -> Evaluation:
    """Results on examples of a task; an error is a wrong class."""
    best = over(data, model, lambda features: model(features, task)).argmax(-1).tolist()
    return classified(data.labels, [model.classes[task][number] for number in best], speakers=data.speakers)
