"""Examples whose features somebody has extracted already: a folder of arrays, with what each class is like.

labels.npz        y (N,) numbers into classes.txt, train_classes and test_classes (names)
*.npz             features of N rows: one array, or `q` times `scale` by column; joined side by side
attributes.tsv    class x attributes (`zero_shot.signatures.read`); or the tables of Animals with Attributes,
                  classes.txt, predicates.txt and predicate-matrix-continuous.txt
wordvec*.npz      (classes, D) word vectors in the order of classes.txt, where there are any
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_tl.errors import InputError
from speech_tl.zero_shot.signatures import Signatures
from speech_tl.zero_shot.signatures import read as read_signatures


@dataclass(frozen=True)
class FeatureTable:
    """N labelled examples of D features."""

    features: NDArray[np.float32]
    """(N, D)."""
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.features) != len(self.labels):
            raise ValueError(f"{len(self.features)} examples but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Sequence[int]) -> "FeatureTable":
        """Only these, in this order."""
        return FeatureTable(self.features[list(indices)], tuple(self.labels[index] for index in indices))

    def tensor(self, indices: Sequence[int]) -> Tensor:
        """(len(indices), D)."""
        return torch.from_numpy(self.features[list(indices)])


@dataclass(frozen=True)
class Described:
    """A folder's examples, and what their classes are like."""

    table: FeatureTable
    attributes: Signatures
    words: Signatures | None
    """Word vectors of the classes' names, where there are any."""
    unseen: tuple[str, ...]
    """The classes that are not trained on; the table holds these and `train_classes`."""


def read(folder: str | Path) -> Described:
    """Everything in the folder.

    Raises:
        InputError: a file that is missing or broken, tables that do not fit together, or a class in both halves.
    """
    root = Path(folder)
    facts = _arrays(root / "labels.npz")
    for name in ("y", "train_classes", "test_classes"):
        if name not in facts:
            raise InputError(f"{root / 'labels.npz'} has no {name}: expected y, train_classes and test_classes")
    attributes, words = described(root)
    numbers = facts["y"]
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        told = " x ".join(map(str, numbers.shape))
        raise InputError(f"{root / 'labels.npz'}: y is {told} of {numbers.dtype}: expected a row of class numbers")
    if len(numbers) == 0 or numbers.min() < 0 or numbers.max() >= len(attributes.classes):
        raise InputError(f"{root / 'labels.npz'}: labels outside of the {len(attributes.classes)} classes")
    seen, unseen = (tuple(map(str, np.atleast_1d(facts[name]))) for name in ("train_classes", "test_classes"))
    if both := sorted(set(seen) & set(unseen)):
        raise InputError(f"{root / 'labels.npz'}: {', '.join(both[:3])} are both trained on and unseen")
    attributes.of([*seen, *unseen])  # every class has a row
    columns = []
    for file in sorted(root.glob("*.npz")):
        if file.name != "labels.npz" and not file.name.startswith("wordvec"):
            columns.append(_features(file, len(numbers)))
    if not columns:
        raise InputError(f"{root} holds no features: expected .npz files beside labels.npz")
    labels = tuple(attributes.classes[number] for number in numbers)
    for name in (*seen, *unseen):
        if name not in labels:
            raise InputError(f"{root / 'labels.npz'}: no example of {name!r}, which train_classes or test_classes name")
    table = FeatureTable(np.concatenate(columns, 1), labels)
    named = {*seen, *unseen}
    table = table.take([at for at, label in enumerate(labels) if label in named])
    return Described(table, attributes, words, unseen)


def _arrays(file: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise InputError(f"no {file.name} in {file.parent}: expected a folder of feature tables") from None
    except (OSError, ValueError, BadZipFile, zlib.error, NotImplementedError, SyntaxError, TokenError) as error:
        raise InputError(f"{file} is not a whole .npz file ({error}): fetch it again") from None


def _features(file: Path, rows: int) -> NDArray[np.float32]:
    arrays = _arrays(file)
    try:
        numbers = {name: array.astype(np.float32) for name, array in arrays.items()}
        if arrays.keys() == {"q", "scale"}:
            numbers = {"": numbers["q"] * numbers["scale"]}
    except ValueError as error:
        raise InputError(f"{file} holds no features ({error}): expected numbers, or q and scale of one width") from None
    if len(numbers) == 1:
        values = next(iter(numbers.values()))
    else:
        raise InputError(f"{file} holds {', '.join(sorted(arrays))}: expected one array, or q and scale")
    if values.ndim != 2 or len(values) != rows:
        raise InputError(f"{file} is {' x '.join(map(str, values.shape))}: expected {rows} rows, one for each label")
    if not np.isfinite(values).all():
        raise InputError(f"{file} holds values that are no finite numbers")
    return values


def described(path: str | Path) -> tuple[Signatures, Signatures | None]:
    """What classes are like, and their word vectors if there are any: a folder as `read` takes it, or a .tsv table.

    Raises:
        InputError: a table that is missing or broken.
    """
    root = Path(path)
    if root.is_file():
        return read_signatures(root), None
    attributes = _attributes(root)
    return attributes, _words(root, attributes)


def _attributes(root: Path) -> Signatures:
    """Its classes in the order of classes.txt, by which labels and word vectors are numbered, where there is one."""
    if (root / "attributes.tsv").is_file():
        table = read_signatures(root / "attributes.tsv")
        classes = _names(root / "classes.txt") if (root / "classes.txt").is_file() else table.classes
        return Signatures(classes, table.attributes, table.of(classes))
    names = {file: _names(root / file) for file in ("classes.txt", "predicates.txt")}
    matrix = root / "predicate-matrix-continuous.txt"
    try:
        values = np.loadtxt(matrix, dtype=np.float32, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{matrix} is no table of numbers ({error})") from None
    return Signatures(names["classes.txt"], names["predicates.txt"], np.maximum(values, 0))  # -1 is "nobody was asked"


def _names(file: Path) -> tuple[str, ...]:
    """The last word of each line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"no attributes.tsv in {file.parent}, nor {file.name} of Animals with Attributes") from None
    return tuple(line.split()[-1] for line in lines if line.strip())


def _words(root: Path, attributes: Signatures) -> Signatures | None:
    files = sorted(root.glob("wordvec*.npz"))
    if not files:
        return None
    arrays = list(_arrays(files[0]).values())
    vectors = next((each for each in arrays if each.ndim == 2 and each.dtype.kind in "fiu"), np.zeros((0, 0)))
    if len(vectors) != len(attributes.classes):
        raise InputError(f"{files[0]} is no table of numbers with {len(attributes.classes)} rows, one for each class")
    vectors = vectors.astype(np.float32)
    return Signatures(attributes.classes, tuple(f"dimension {at}" for at in range(vectors.shape[1])), vectors)
