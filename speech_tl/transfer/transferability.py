"""How far each layer's work carries over: the transferability experiment of Yosinski et al. (2014), from both ends.

Two networks are trained, one on task A and one on task B. Then, for every number of layers kept from the input or from
the output side, a network for B is put together: the kept layers come from elsewhere, the others start afresh. Kept
from A and frozen (AnB) they show how general they are; kept from B itself and frozen (BnB) whether neighbouring layers
had adapted to each other and cannot be parted; free to move (AnB+, BnB+) what a start is worth; random and frozen (RnB)
what the layers above can make up for alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from speech_tl.errors import InputError
from speech_tl.transfer import layers
from speech_tl.transfer.layers import Groups

Treatment = Literal["AnB", "AnB+", "BnB", "BnB+", "RnB"]
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)
Side = Literal["input", "output"]
SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True)
class Cut:
    """One network: `kept` layers of one side are not its own."""

    treatment: Treatment
    side: Side
    kept: int

    @property
    def frozen(self) -> bool:
        """Whether the kept layers stay as they are."""
        return not self.treatment.endswith("+")

    def names(self, names: Sequence[str]) -> tuple[str, ...]:
        """The kept ones of the layers `names`, which go from input to output."""
        return tuple(names[: self.kept] if self.side == "input" else names[len(names) - self.kept :])


def cuts(
    depth: int,
    *,
    treatments: Iterable[Treatment] = TREATMENTS,
    sides: Iterable[Side] = SIDES,
    kept: Sequence[int] = (),
) -> list[Cut]:
    """The networks of an experiment with `depth` layers; all of them kept is the same from both sides and made once.

    Args:
        kept: numbers of layers to keep; 1 to `depth` where empty.

    Raises:
        InputError: a number that is not from 1 to `depth`.
    """
    for number in kept:
        if not 1 <= number <= depth:
            raise InputError(f"{number} layers to keep: this network has {depth}, so expected 1 to {depth}")
    chosen = list(sides)
    return [
        Cut(treatment, side, number)
        for treatment in treatments
        for side in chosen
        for number in (kept or range(1, depth + 1))
        if number < depth or side == chosen[0]
    ]


def put_together(cut: Cut, target: Groups, *, a: Groups, b: Groups, keepable: Sequence[str]) -> tuple[str, ...]:
    """Copies the kept layers into the fresh `target`; from A or B as the treatment says, random ones stay fresh.

    Args:
        keepable: layers that may be kept, from input to output; a task's own head is not one of them.

    Returns:
        The layers that are to be trained.

    Raises:
        InputError: a layer that one of the networks lacks, or of another shape.
    """
    kept = cut.names(keepable)
    if cut.treatment != "RnB":
        layers.copy(a if cut.treatment.startswith("A") else b, target, kept)
    return tuple(name for name in target if name not in kept or not cut.frozen)
