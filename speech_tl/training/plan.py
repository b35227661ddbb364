"""How long and how to train, and what happened: the two records that stand around a run."""

import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from speech_tl.errors import InputError


@dataclass(frozen=True)
class Plan:
    """How long and how to train. Exactly one of minutes, steps and epochs is given."""

    minutes: float | None = None
    """CPU-minutes of training (all processes together; validation is free); wall minutes on a GPU."""
    steps: int | None = None
    """Optimizer steps."""
    epochs: float | None = None
    """Passes through the data, for batches that say how many a pass has (`batches_per_epoch`)."""
    peak_rate: float = 1e-3
    """Learning rate after the warm-up."""
    weight_decay: float = 0.01
    """Of AdamW, on matrices only."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    clip_norm: float = 1.0
    """Longest allowed gradient; 0 = any."""
    accumulate: int = 1
    """Batches per step."""
    validate_every: int = 200
    """Steps between validations, and between saved states."""
    patience: int = 0
    """Validations without a better score before stopping; 0 = never stop early."""
    average: float = 0.0
    """Decay of the exponential moving average of the weights that is validated and exported; 0 = none."""
    log_every: int = 20
    """Steps between logged losses (each the mean since the last)."""
    max_nonfinite: int = 5
    """Steps in a row with a loss or gradient that is not finite before giving up."""

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: not one budget, or a number without sense.
        """
        budgets = {name: value for name in ("minutes", "steps", "epochs") if (value := getattr(self, name)) is not None}
        if len(budgets) != 1:
            given = " and ".join(budgets) or "none"
            raise InputError(f"a plan has exactly one budget of minutes, steps and epochs; given: {given}")
        ((name, budget),) = budgets.items()
        if not budget > 0:
            raise InputError(f"a budget of {budget} {name} trains nothing: give more than 0")
        if not math.isfinite(budget):
            raise InputError(f"a budget of {budget} {name} never ends: give a number")
        for name in ("accumulate", "validate_every", "log_every", "max_nonfinite"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if not 0 < self.peak_rate < math.inf:
            raise InputError(f"peak_rate is {self.peak_rate}: a learning rate is above 0, such as 0.001")
        for name in ("clip_norm", "weight_decay", "warmup_steps", "patience"):
            if not 0 <= (value := getattr(self, name) or 0) < math.inf:
                raise InputError(f"{name} is {value}: it must be 0 or more")
        if not 0 <= self.average < 1:
            raise InputError(f"average is {self.average}: a decay is from 0 (no average) to below 1, such as 0.999")


@dataclass
class History:
    """What happened; JSON values only."""

    steps: int = 0
    train_seconds: float = 0.0
    """CPU-seconds of training, all processes together; wall seconds on a GPU."""
    losses: list[dict[str, float]] = field(default_factory=list)
    """`step`, `loss`, each named term, `rate`, `norm`: means since the row before."""
    validations: list[dict[str, float]] = field(default_factory=list)
    """`step`, `score`."""
    nonfinite: list[int] = field(default_factory=list)
    """The steps that were skipped."""
    best_step: int | None = None
    best_score: float | None = None
    stopped_early: bool = False


def affordable_steps(clocked: Sequence[float], seconds: float) -> int:
    """How many steps a budget of `seconds` amounts to, the ones done included, at the pace of the latest of them.

    Those are the later half, in number and in time: a GPU loads its kernels in the first steps, and the first clips
    are as recorded, which takes no time.

    Args:
        clocked: the seconds spent after each step that is done.
    """
    first = max(len(clocked) // 2, bisect(clocked, clocked[-1] / 2))
    before = clocked[first - 1] if first else 0.0
    pace = (clocked[-1] - before) / (len(clocked) - first)
    return len(clocked) + max(0, round((seconds - clocked[-1]) / pace))


def check(plan: Plan, *, batches_per_epoch: int | None) -> None:
    """What a plan by itself cannot know."""
    if plan.epochs is not None and batches_per_epoch is None:
        raise InputError("these batches do not say how many make an epoch: give the budget in minutes or steps")


def steps(plan: Plan, *, batches_per_epoch: int | None) -> int | None:
    """Of the whole run; None as long as a budget in minutes has not been measured."""
    if plan.epochs is not None and batches_per_epoch is not None:
        return math.ceil(plan.epochs * batches_per_epoch / plan.accumulate)
    return plan.steps


def check_same(plan: Plan, saved: Mapping[str, Any], *, out: Path) -> None:
    changed = [
        f"{name}: {saved.get(name)} -> {value}" for name, value in asdict(plan).items() if saved.get(name) != value
    ]
    if changed:
        raise InputError(
            f"the run in {out} was started with another plan ({'; '.join(changed)}): resume it with the "
            "same one, or start another run in another folder"
        )
