"""What each class is like: a table of classes and attributes, from which a class never seen is recognised.

An animal is described by being furry and striped, a phone by being nasal and labial; nothing here knows which.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_tl.errors import InputError, unknown_name


@dataclass(frozen=True)
class Signatures:
    """A row of numbers for each class."""

    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    values: NDArray[np.float32]
    """(classes, attributes), the more the truer."""

    def __post_init__(self) -> None:
        shape = (len(self.classes), len(self.attributes))
        if self.values.shape != shape:
            raise InputError(f"signatures of {self.values.shape}: expected {shape[0]} classes x {shape[1]} attributes")
        if twice := [name for at, name in enumerate(self.classes) if name in self.classes[:at]]:
            raise InputError(f"the class {twice[0]!r} has two signatures: keep one")
        if not np.isfinite(self.values).all():
            raise InputError("a signature holds a value that is no finite number: every attribute of a class is needed")

    def of(self, classes: Sequence[str]) -> NDArray[np.float32]:
        """(len(classes), attributes), in that order.

        Raises:
            InputError: a class without a signature.
        """
        for name in classes:
            if name not in self.classes:
                raise unknown_name("class", name, self.classes, where="the table of attributes")
        return self.values[[self.classes.index(name) for name in classes]]

    def binary(self) -> "Signatures":
        """1 where a value is above the mean of the whole table, as Lampert et al. (2009) made theirs, else 0."""
        return Signatures(self.classes, self.attributes, (self.values > self.values.mean()).astype(np.float32))

    def unit(self) -> "Signatures":
        """Rows of length 1, so that no class wins by the size of its numbers."""
        lengths = np.linalg.norm(self.values, axis=1, keepdims=True)
        if (lengths == 0).any():
            empty = self.classes[int(np.argmin(lengths))]
            raise InputError(f"the class {empty!r} has no attribute at all: it cannot be recognised by them")
        return Signatures(self.classes, self.attributes, self.values / lengths)


def read(path: str | Path) -> Signatures:
    """A tab-separated table: a header with the attributes' names, then a row per class, its name first.

    Raises:
        InputError: the file is not there or not UTF-8, a row is of another length, or a value is not a number.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = [row for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no table of attributes that can be read ({error})") from None
    if len(rows) < 2 or len(rows[0]) < 2:
        raise InputError(f"{path}: expected a header with attributes and a row per class, tab separated")
    head, *rows = rows
    values = []
    for number, row in enumerate(rows, start=2):
        if len(row) != len(head):
            raise InputError(f"{path}, line {number}: {len(row) - 1} values for {row[0]!r}; expected {len(head) - 1}")
        try:
            values.append([float(value) for value in row[1:]])
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}; expected numbers") from None
    return Signatures(tuple(row[0] for row in rows), tuple(head[1:]), np.array(values, np.float32))
