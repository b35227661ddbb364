"""The only pixels in the house: pictures from files, and a small network that tells them apart.

MNIST's own files (gzipped IDX, also in several parts) and folders of pictures by class are read. The network is the
usual few convolutions; it answers `layer_groups` as every model here does, so that what moves layers of a recogniser
moves its layers too.
"""

import gzip
import io
import math
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn

from speech_tl import torchaudio_shim as torchaudio_shim  # transformers imports torchaudio with a model
from speech_tl.errors import InputError, unknown_name

if TYPE_CHECKING:
    from PIL.Image import Image

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
        size: side in pixels that files are scaled to; their own where none, which then must be squares of one size.

    Raises:
        InputError: no pictures, a file that is not one, pictures that are no squares of one size, a class that is
            tested and never trained.
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
    except (OSError, EOFError, zlib.error) as error:
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
    return {name: _stacked(files, size) for name, files in found.items()}


def _opened(name: str, content: bytes, size: int | None) -> NDArray[np.uint8]:
    """(3, H, W)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            coloured = _of_8_bits(image).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"{name} is not a picture that can be read: replace it or take it out") from None
    if size:
        coloured = coloured.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(coloured).transpose(2, 0, 1)


def _of_8_bits(image: "Image") -> "Image":
    """Grey of 16 bits in 256 steps, which Pillow would cut off at 255; others as they are."""
    from PIL.Image import fromarray

    if not image.mode.startswith("I"):
        return image
    return fromarray((np.asarray(image).astype(np.int64) // 256).clip(0, 255).astype(np.uint8))


def _stacked(files: Sequence[tuple[Path, str]], size: int | None) -> Pictures:
    arrays = [_opened(str(file), file.read_bytes(), size) for file, _ in files]
    for array, (file, _) in zip(arrays, files, strict=True):
        _, height, width = array.shape
        if height != width or array.shape != arrays[0].shape:
            first = " x ".join(map(str, arrays[0].shape[1:]))
            raise InputError(
                f"{file} has {height} x {width} pixels, {files[0][0].name} {first}: expected squares of one size; "
                "--size scales them"
            )
    pixels = np.stack(arrays) if arrays else np.zeros((0, 3, 1, 1), np.uint8)
    return Pictures(pixels, tuple(label for _, label in files))


def by_class(path: str | Path, *, names: Mapping[str, str] | None = None, size: int = 64) -> Pictures:
    """All pictures of a folder or a .tar archive, labelled by the folder they lie in (or the one above `images`).

    Args:
        names: folder -> class, such as WordNet numbers; pictures in other folders are left out.
        size: side in pixels that they are scaled to.

    Raises:
        InputError: nothing is there, or a file is not a picture.
    """
    path = Path(path)
    arrays: list[NDArray[np.uint8]] = []
    labels: list[str] = []
    for name, content in _contents(path):
        *_, above, parent, _file = ("", "", *Path(name).parts)
        label = above if parent == "images" else parent
        if names is None or label in names:
            arrays.append(_opened(name, content, size))
            labels.append(label if names is None else names[label])
    if not arrays:
        raise InputError(f"no pictures of classes in {path}: expected CLASS/*.jpg, as a folder or a .tar archive")
    return Pictures(np.stack(arrays), tuple(labels))


def coloured(pictures: Pictures) -> Pictures:
    """Grey pictures with three equal channels."""
    return Pictures(np.repeat(pictures.pixels, 3, axis=1), pictures.labels)


def photographs(folder: str | Path) -> list[NDArray[np.uint8]]:
    """Every picture of a folder, (3, H, W) of its own size.

    Raises:
        InputError: there are none, or a file is not a picture.
    """
    found = [_opened(name, content, None) for name, content in _contents(Path(folder))] if Path(folder).is_dir() else []
    if not found:
        raise InputError(f"no photographs in {folder}: expected a folder of JPEG or PNG files")
    return found


def read_names(path: str | Path) -> dict[str, str]:
    """A tab-separated table with a header: folder -> class.

    Raises:
        InputError: it cannot be read, or a row has other than two columns.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no table of folders and classes that can be read ({error})") from None
    rows = [line.split("\t") for line in lines[1:] if line.strip()]
    for number, row in enumerate(rows, start=2):
        if len(row) != 2:
            raise InputError(f"{path}, row {number}: {len(row)} columns; expected a folder, a tab, its class")
    return dict(rows)


@torch.no_grad()
def features(pictures: Pictures, checkpoint: str, *, batch: int = 64) -> NDArray[np.float32]:
    """(N, D) of a frozen vision checkpoint of transformers: its pooled output if that was trained, or the mean over its
    last states.

    Raises:
        InputError: there is no such folder, no checkpoint with safetensors in it, or not all of its weights.
    """
    from transformers import AutoImageProcessor, AutoModel

    if not Path(checkpoint).is_dir():
        raise InputError(f"no vision encoder in {checkpoint!r}: expected cnn, or the folder of a checkpoint")
    try:
        processor = AutoImageProcessor.from_pretrained(checkpoint)
        model, loaded = AutoModel.from_pretrained(
            checkpoint, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"no vision encoder in {checkpoint!r}: expected config.json and safetensors ({reason})"
        ) from None
    pools = not any("pooler" in name for name in loaded["missing_keys"])  # else its weights are random
    if lost := [name for name in loaded["missing_keys"] if "pooler" not in name]:
        raise InputError(f"{checkpoint} lacks weights of its encoder, such as {sorted(lost)[0]}: copy it again")
    model.train(False)
    found = []
    for first in range(0, len(pictures), batch):
        pixels = [each.transpose(1, 2, 0) for each in pictures.pixels[first : first + batch]]
        try:
            said = model(**processor(images=pixels, return_tensors="pt"))
        except (TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{checkpoint}: no encoder of pictures alone ({reason}); give its vision part") from None
        pooled = getattr(said, "pooler_output", None) if pools else None
        found.append(said.last_hidden_state.mean(1) if pooled is None else pooled.flatten(1))
    return torch.cat(found).float().numpy()


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every picture file, in the order of their names."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in SUFFIXES:
                yield str(file), file.read_bytes()
        return
    try:
        with tarfile.open(path) as archive:
            for member in sorted(archive.getmembers(), key=lambda member: member.name):
                found = archive.extractfile(member) if Path(member.name).suffix.lower() in SUFFIXES else None
                if found is not None:
                    yield member.name, found.read()
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is neither a folder nor a whole .tar archive ({error})") from None


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


def vary(pixels: Tensor, *, most: int = 3) -> Tensor:
    """Pictures that show the same: moved, paler or darker, by chance as a negative, with noise and a hidden square.

    A subset of RandAugment's changes (Cubuk et al., 2020) with Cutout (DeVries & Taylor, 2017), each picture its own.
    pixels: (B, C, H, W) from -1 to 1 -> the same shape.

    Args:
        most: pixels that a picture is moved by, and half the side of the square.
    """
    size, _, height, width = pixels.shape
    device = pixels.device
    down, right = torch.randint(-most, most + 1, (2, size, 1), device=device)
    rows = (torch.arange(height, device=device) + down).clamp(0, height - 1)
    columns = (torch.arange(width, device=device) + right).clamp(0, width - 1)
    moved = pixels[torch.arange(size, device=device)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    moved = moved.permute(0, 3, 1, 2)
    contrast, brightness, sign = torch.rand(3, size, 1, 1, 1, device=device)
    changed = moved * (0.4 + 0.6 * contrast) * (1 - 2 * (sign < 0.5).float()) + 0.6 * (brightness - 0.5)
    changed = changed + 0.1 * torch.randn_like(changed)
    top, left = (torch.randint(side, (size, 1), device=device) for side in (height, width))
    near = [(torch.arange(side, device=device) - at).abs() <= most for side, at in ((height, top), (width, left))]
    hidden = near[0][:, :, None] & near[1][:, None, :]
    found: Tensor = changed.clamp(-1, 1).masked_fill(hidden[:, None], 0.0)
    return found
