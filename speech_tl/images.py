"""The only pixels in the house: pictures from files, and a small network that tells them apart.

MNIST's own files (gzipped IDX, also in several parts) and folders of pictures by class are read. The network is the
usual few convolutions; it answers `layer_groups` as every model here does, so that what moves layers of a recogniser
moves its layers too.
"""

import gzip
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speech_tl.errors import InputError, unknown_name
from speech_tl.training.sampling import GroupBatches

SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Pictures:
    """N labelled pictures of one size."""

    pixels: NDArray[np.uint8]
    """(N, C, H, W)."""
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.pixels) != len(self.labels):
            raise ValueError(f"{len(self.pixels)} pictures but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """Every label once, sorted."""
        return tuple(sorted(set(self.labels)))

    def take(self, indices: Sequence[int]) -> "Pictures":
        """Only these, in this order."""
        return Pictures(self.pixels[list(indices)], tuple(self.labels[index] for index in indices))

    def of(self, classes: Sequence[str]) -> "Pictures":
        """Only those of these classes."""
        return self.take([index for index, label in enumerate(self.labels) if label in classes])

    def tensor(self, indices: Sequence[int]) -> Tensor:
        """(len(indices), C, H, W) float32 from -1 to 1."""
        return torch.from_numpy(self.pixels[list(indices)].astype(np.float32)) / 127.5 - 1


def holds_pictures(folder: str | Path) -> bool:
    """Whether there are pictures in a folder that `read` can read."""
    root = Path(folder)
    return root.is_dir() and (bool(list(root.glob("*-idx3-ubyte.gz"))) or any(_pictures(root)))


def read(folder: str | Path, *, size: int | None = None) -> dict[str, Pictures]:
    """The parts `train` and `test`.

    Args:
        folder: MNIST's IDX files; or FOLDER/train/CLASS/… and FOLDER/test/CLASS/… (also `val`) with JPEG or PNG files.
        size: side in pixels that files are scaled to; their own where none, which then must be the same for all.

    Raises:
        InputError: no pictures, a file that is not one, pictures of several sizes, a part without the classes of the
            other.
    """
    root = Path(folder)
    parts = _mnist(root) if list(root.glob("*-idx3-ubyte.gz")) else _by_class(root, size)
    for name, pictures in parts.items():
        if not len(pictures):
            raise InputError(f"{root} holds no {name} pictures: expected {name}/CLASS/*.jpg or MNIST's own files")
    if unknown := sorted(set(parts["test"].classes) - set(parts["train"].classes)):
        raise InputError(f"{root}: {', '.join(unknown[:5])} are tested and never trained")
    return parts


def _mnist(root: Path) -> dict[str, Pictures]:
    return {name: _idx_part(root, prefix) for name, prefix in (("train", "train"), ("test", "t10k"))}


def _idx_part(root: Path, prefix: str) -> Pictures:
    pixels = [_idx(file, 3) for file in sorted(root.glob(f"{prefix}-images*-idx3-ubyte.gz"))]
    labels = [_idx(file, 1) for file in sorted(root.glob(f"{prefix}-labels*-idx1-ubyte.gz"))]
    if not pixels or [len(each) for each in pixels] != [len(each) for each in labels]:
        raise InputError(f"{root}: every {prefix}-images file needs a {prefix}-labels file with as many labels")
    return Pictures(np.concatenate(pixels)[:, None], tuple(str(label) for label in np.concatenate(labels)))


def _idx(file: Path, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file of bytes: two zeros, type 8, the number of dimensions, their sizes as big-endian 32 bits, values."""
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError) as error:
        raise InputError(f"{file} is not a whole gzip file ({error}): fetch it again") from None
    head = 4 + 4 * dimensions
    if len(content) < head or content[:4] != bytes([0, 0, 8, dimensions]):
        raise InputError(f"{file}: expected an IDX file of bytes with {dimensions} dimensions; fetch it again")
    shape = [int.from_bytes(content[4 + 4 * at : 8 + 4 * at], "big") for at in range(dimensions)]
    if len(content) != head + math.prod(shape):
        wanted = " x ".join(map(str, shape))
        raise InputError(f"{file} has {len(content) - head} bytes where {wanted} are promised: fetch it again")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _pictures(root: Path) -> list[Path]:
    return [file for file in sorted(root.glob("*/*/**/*")) if file.suffix.lower() in SUFFIXES]


def _by_class(root: Path, size: int | None) -> dict[str, Pictures]:
    found: dict[str, list[tuple[Path, str]]] = {"train": [], "test": []}
    for file in _pictures(root):
        part, label = file.relative_to(root).parts[:2]
        if part not in ("train", "test", "val"):
            raise unknown_name("part", part, ("train", "val", "test"), where=str(root))
        found["train" if part == "train" else "test"].append((file, label))
    return {name: _opened(files, size) for name, files in found.items()}


def _opened(files: Sequence[tuple[Path, str]], size: int | None) -> Pictures:
    from PIL import Image, UnidentifiedImageError

    arrays: list[NDArray[np.uint8]] = []
    for file, _ in files:
        try:
            with Image.open(file) as image:
                coloured = image.convert("RGB")
        except (UnidentifiedImageError, OSError) as error:
            raise InputError(f"{file} is not a picture that can be read ({error}): replace it or take it out") from None
        if size:
            coloured = coloured.resize((size, size), Image.Resampling.BILINEAR)
        arrays.append(np.asarray(coloured).transpose(2, 0, 1))
        if arrays[-1].shape != arrays[0].shape:
            ours, first = (" x ".join(map(str, each.shape[1:])) for each in (arrays[-1], arrays[0]))
            raise InputError(f"{file} has {ours} pixels, {files[0][0].name} {first}: give a size to scale them to")
    pixels = np.stack(arrays) if arrays else np.zeros((0, 3, 1, 1), np.uint8)
    return Pictures(pixels, tuple(label for _, label in files))


class SmallCNN(nn.Module):
    """Convolutions that halve the picture each, a hidden layer, and a linear head over `classes`."""

    def __init__(
        self,
        classes: Sequence[str],
        *,
        channels: int,
        size: int,
        widths: Sequence[int] = (32, 64, 64),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.classes = tuple(classes)
        ins = (channels, *widths[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(8, o), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True))
            for i, o in zip(ins, widths, strict=True)
        )
        side = size
        for _ in widths:
            side = math.ceil(side / 2)
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * side * side, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, len(self.classes))

    def features(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, hidden)."""
        for block in self.blocks:
            pixels = block(pixels)
        found: Tensor = self.hidden(pixels)
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, classes)."""
        logits: Tensor = self.head(self.features(pixels))
        return logits


def layer_groups(model: SmallCNN) -> dict[str, nn.Module]:
    """Its named layers from input to output: `conv.0`, …, `hidden`, `head`."""
    return {
        **{f"conv.{at}": block for at, block in enumerate(model.blocks)},
        "hidden": model.hidden,
        "head": model.head,
    }


@torch.no_grad()
def said(model: SmallCNN, pictures: Pictures, *, batch: int = 500) -> list[str]:
    """The class that the model gives each picture. The model's mode is restored."""
    training, device = model.training, next(model.parameters()).device
    model.train(False)
    found: list[int] = []
    for first in range(0, len(pictures), batch):
        indices = range(first, min(first + batch, len(pictures)))
        found += model(pictures.tensor(indices).to(device)).argmax(-1).tolist()
    model.train(training)
    return [model.classes[index] for index in found]


@dataclass(frozen=True)
class PictureBatch:
    """B pictures with the indices of their classes."""

    pixels: Tensor
    """(B, C, H, W)."""
    targets: Tensor
    """(B,) int64."""

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str) -> "PictureBatch":
        """The same batch elsewhere."""
        return PictureBatch(self.pixels.to(device, non_blocking=True), self.targets.to(device))

    def share(self, rank: int, world: int) -> "tuple[PictureBatch, float]":
        """One process's part and its weight, as in `data.batches.SpeechBatch.share`."""
        mine = list(range(rank, len(self), world))
        weight = len(mine) * world / len(self)
        return replace(self, pixels=self.pixels[mine or [0]], targets=self.targets[mine or [0]]), weight


class PictureBatches:
    """Endless batches in a new order each epoch; all of their state is the order's."""

    def __init__(self, pictures: Pictures, classes: Sequence[str], *, batch: int, generator: torch.Generator) -> None:
        if missing := sorted(set(pictures.labels) - set(classes)):
            raise unknown_name("class", missing[0], classes)
        self.pictures = pictures
        self.targets = torch.tensor([list(classes).index(label) for label in pictures.labels])
        lengths = {"pictures": [1] * len(pictures)}
        self.order = GroupBatches(lengths, max_total=batch, max_items=batch, temperature=1.0, generator=generator)
        self.batches_per_epoch = self.order.batches_per_epoch

    def __iter__(self) -> "PictureBatches":
        return self

    def __next__(self) -> PictureBatch:
        _, indices = next(self.order)
        return PictureBatch(self.pictures.tensor(indices), self.targets[list(indices)])

    def state_dict(self) -> dict[str, Any]:
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.order.load_state_dict(state)
