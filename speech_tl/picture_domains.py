"""Pictures of the same classes from two domains, and MNIST-M, which is made here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speech_tl.errors import InputError
from speech_tl.images import Pictures, SmallCNN, vary
from speech_tl.labelled import LabelledBatch, LabelledBatches, over
from speech_tl.results import Evaluation, Measure, classified
from speech_tl.shifts import Look, Read, Side
from speech_tl.transfer.discrepancy import matching

COARSE = 7
"""Rows and columns of the pictures that reweighting compares domains by."""


@dataclass(frozen=True)
class PictureShift:
    """A `shifts.Shift` of pictures, told apart by a small CNN and compared in its hidden layer."""

    name: str
    source: Mapping[str, Pictures]
    """`train`, `valid` and `test`."""
    target: Mapping[str, Pictures]
    batch: int = 64
    source_varied: bool = False
    """Whether everybody varies pictures, and not only who believes what the network says of them."""

    mapped_first = False

    @property
    def measure(self) -> Measure:
        return "utterance_error"

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return self.source["train"].classes

    def width(self, body: SmallCNN) -> int:
        return body.head.in_features

    def untrained(self, *, seed: int) -> SmallCNN:
        torch.manual_seed(seed)
        _, channels, _, size = self.source["train"].pixels.shape
        return SmallCNN(self.classes, channels=channels, size=size)

    @cached_property
    def mapped(self) -> Self:
        return replace(self, source={name: coloured(own, self.target["train"]) for name, own in self.source.items()})

    def batches(self, side: Side, *, generator: torch.Generator) -> LabelledBatches:
        return LabelledBatches(self._of(side)["train"], self.classes, batch=self.batch, generator=generator)

    def rows(self, batch: LabelledBatch) -> Tensor:
        return batch.rows

    def read(self, body: SmallCNN, batch: LabelledBatch, *, varied: bool) -> Read:
        features = body.features(vary(batch.examples) if varied else batch.examples)
        scores = body.head(features).float()
        return Read(features, scores, torch.ones(len(scores), device=scores.device))

    def losses(self, read: Read, batch: LabelledBatch) -> Tensor:
        return nn.functional.cross_entropy(read.scores, batch.targets, reduction="none")

    def believed(self, read: Read, batch: LabelledBatch) -> tuple[LabelledBatch, Tensor]:
        confidence, said = read.scores.softmax(-1).max(-1)
        return replace(batch, targets=said), confidence

    def coarse(self, side: Side) -> NDArray[Any]:
        data = self._of(side)["train"]
        return nn.functional.adaptive_avg_pool2d(data.tensor(range(len(data))), COARSE).flatten(1).numpy()

    def look(self, body: SmallCNN, side: Side) -> Look:
        data = self._of(side)["valid"]
        each = np.arange(len(data)).astype(str)
        return Look(over(data, body, body.features), over(data, body).float().softmax(-1), each)

    def test(self, body: SmallCNN, side: Side, part: Literal["valid", "test"]) -> Evaluation:
        data = self._of(side)[part]
        return classified(data.labels, [self.classes[index] for index in over(data, body).argmax(-1).tolist()])

    def _of(self, side: Side) -> Mapping[str, Pictures]:
        return self.source if side == "source" else self.target


def coloured(pictures: Pictures, like: Pictures) -> Pictures:
    """The same pictures, every channel with the mean and the deviation that it has in the others."""
    ours, theirs = (own.pixels.astype(np.float32) for own in (pictures, like))
    scale, offset = matching(*(torch.from_numpy(own).movedim(1, -1).flatten(0, -2) for own in (ours, theirs)))
    mapped = ours * scale.numpy()[:, None, None] + offset.numpy()[:, None, None]
    return replace(pictures, pixels=mapped.round().clip(0, 255).astype(np.uint8))


def blended(digits: Pictures, photographs: list[NDArray[np.uint8]], *, seed: int) -> Pictures:
    """MNIST-M: |patch of a photograph − digit|, another patch for each (Ganin & Lempitsky, 2015).

    Args:
        digits: of one channel or three.
        photographs: (3, H, W) each, at least as large as a digit.
    """
    random = np.random.default_rng(seed)
    _, _, height, width = digits.pixels.shape
    if small := [each for each in photographs if each.shape[1] < height or each.shape[2] < width]:
        told = " x ".join(map(str, small[0].shape[1:]))
        raise InputError(f"{len(small)} photographs are smaller than {height} x {width}, one is {told}: leave them out")
    found = np.empty((len(digits), 3, height, width), np.uint8)
    for at, digit in enumerate(digits.pixels):
        photograph = photographs[random.integers(len(photographs))]
        top, left = (
            random.integers(size - side + 1) for size, side in zip(photograph.shape[1:], (height, width), strict=True)
        )
        patch = photograph[:, top : top + height, left : left + width]
        found[at] = np.abs(patch.astype(np.int16) - digit.astype(np.int16))
    return Pictures(found, digits.labels)
