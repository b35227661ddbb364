"""What recognition by descriptions is worth on classes never seen: divided, tuned without them, and tested.

Settings are chosen on validation classes cut from the seen ones, never on the unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from speech_tl.descriptions import GRID, PLACING, Body, Method, Recogniser, learn
from speech_tl.errors import InputError
from speech_tl.training.loop import Plan
from speech_tl.zero_shot.compatibility import class_accuracy, harmonic_mean, with_examples
from speech_tl.zero_shot.signatures import Signatures

CAPTIONS = {
    "attributes": "Class-averaged top-1 (%): unseen classes among themselves, seen ones among themselves, and both "
    "among all classes, where the handicap lowers the seen ones; chosen, like rate and passes (times --epochs), on "
    "validation classes (--tune).",
    "few_shot": "The same among the unseen classes, with so many labelled examples of each besides its signature.",
}
"""What the tables of `Tested` show."""


@dataclass(frozen=True)
class Division:
    """Indices of the examples: seen classes to train on and to test on, and the unseen."""

    train: tuple[int, ...]
    seen_test: tuple[int, ...]
    unseen: tuple[int, ...]


def divide(labels: Sequence[str], unseen: Sequence[str], *, share: float = 0.1, seed: int) -> Division:
    """`share` of every seen class is kept for testing, drawn by seed; of a class of one example, none."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels)).tolist()
    of_class: dict[str, list[int]] = {}
    for index in order:
        of_class.setdefault(labels[index], []).append(index)
    seen = {name: own for name, own in of_class.items() if name not in unseen}
    cut = {name: min(len(own) - 1, max(1, round(share * len(own)))) for name, own in seen.items()}
    return Division(
        train=tuple(sorted(index for name, own in seen.items() for index in own[cut[name] :])),
        seen_test=tuple(sorted(index for name, own in seen.items() for index in own[: cut[name]])),
        unseen=tuple(sorted(index for name, own in of_class.items() if name in unseen for index in own)),
    )


@dataclass(frozen=True)
class Accuracy:
    """Percent, averaged over classes."""

    unseen: float
    """Among the unseen classes."""
    seen: float
    """Among the seen classes."""
    generalised_unseen: float
    """Of examples of unseen classes, among all."""
    generalised_seen: float
    harmonic_mean: float


def tested(recogniser: Recogniser, seen: Any, unseen: Any, *, classes: Sequence[str], handicap: float) -> Accuracy:
    """seen, unseen: labelled test examples of seen classes and of `classes`, which training never saw."""
    both = (*recogniser.seen, *classes)
    placed = {name: recogniser.placed(data) for name, data in (("seen", seen), ("unseen", unseen))}
    among = {
        "seen": class_accuracy(recogniser.said(placed["seen"], recogniser.seen), seen.labels),
        "unseen": class_accuracy(recogniser.said(placed["unseen"], classes), unseen.labels),
    }
    all_seen = class_accuracy(recogniser.said(placed["seen"], both, handicap=handicap), seen.labels)
    all_unseen = class_accuracy(recogniser.said(placed["unseen"], both, handicap=handicap), unseen.labels)
    return Accuracy(among["unseen"], among["seen"], all_unseen, all_seen, harmonic_mean(all_seen, all_unseen))


def best_handicap(recogniser: Recogniser, seen: Any, unseen: Any, *, classes: Sequence[str]) -> float:
    """The handicap of seen classes with the best harmonic mean, on classes that serve as unseen for validation."""
    placed = [recogniser.placed(data) for data in (seen, unseen)]
    gaps = torch.cat(
        [recogniser.scores(p, recogniser.seen).amax(1) - recogniser.scores(p, classes).amax(1) for p in placed]
    )
    candidates = [0.0, *np.quantile(gaps.numpy(), np.linspace(0.02, 0.98, 49)).tolist()]
    found: dict[float, float] = {
        each: tested(recogniser, seen, unseen, classes=classes, handicap=each).harmonic_mean for each in candidates
    }
    return max(found, key=lambda each: found[each])


def few_shot(recogniser: Recogniser, data: Any, *, classes: Sequence[str], shots: int, seed: int) -> float:
    """Accuracy (%) among the unseen classes with `shots` labelled examples of each beside its signature.

    The examples are drawn by seed and not tested on. For the methods that place an example among signatures.

    Raises:
        InputError: another method, or a class with no more than so many examples.
    """
    if recogniser.method not in PLACING:
        raise InputError(f"{recogniser.method} does not place examples among signatures: no few-shot learning by it")
    random = np.random.default_rng(seed)
    placed = recogniser.placed(data)
    moved, kept = [], np.ones(len(data.labels), bool)
    for name, signature in zip(classes, recogniser.signatures(classes), strict=True):
        own = [index for index, label in enumerate(data.labels) if label == name]
        _check_shots(name, len(own), shots)
        examples = random.permutation(own)[:shots]
        kept[examples] = False
        moved.append(with_examples(signature, placed[examples]))
    rest = np.flatnonzero(kept)
    scores = nn.functional.normalize(placed[rest], dim=1) @ nn.functional.normalize(torch.stack(moved), dim=1).T
    said = [classes[index] for index in scores.argmax(1).tolist()]
    return class_accuracy(said, [data.labels[index] for index in rest])


def _check_shots(name: str, examples: int, shots: int) -> None:
    if examples <= shots:
        raise InputError(f"{name} has {examples} examples: {shots} to learn from leave none to test on")


@dataclass(frozen=True)
class Problem:
    """Examples of classes that are described."""

    data: Any
    """`images.Pictures` or `feature_tables.FeatureTable`."""
    attributes: Signatures
    words: Signatures | None
    body: Body

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class with examples, sorted."""
        return tuple(sorted(set(self.data.labels)))


@dataclass(frozen=True)
class Tested:
    """One method on one division into seen and unseen classes."""

    recogniser: Recogniser
    unseen: tuple[str, ...]
    test: Any
    """The examples of the unseen classes."""
    accuracy: Accuracy
    handicap: float
    few_shot: tuple[dict[str, Any], ...]
    seed: int
    validation: float | None = None
    """Percent right among the validation classes that the setting was chosen on."""

    @property
    def row(self) -> dict[str, Any]:
        """Of the table `attributes`."""
        own = self.accuracy
        return {
            "method": self.recogniser.method,
            "unseen_top1": own.unseen,
            "seen_top1": own.seen,
            "generalised_unseen": own.generalised_unseen,
            "generalised_seen": own.generalised_seen,
            "harmonic_mean": own.harmonic_mean,
            "chance": 100 / len(self.unseen),
            "validation_top1": self.validation,
            "rate": self.recogniser.setting.rate,
            "passes": self.recogniser.setting.passes,
            "margin": self.recogniser.setting.margin if self.recogniser.method == "attribute_embedding" else None,
            "best": self.recogniser.setting.best if self.recogniser.method == "conse" else None,
            "handicap": self.handicap,
            "cpu_seconds": self.recogniser.seconds,
            "seed": self.seed,
        }


def solve(
    problem: Problem,
    unseen: Sequence[str],
    *,
    method: Method,
    tune: bool,
    shots: Sequence[int],
    plan: Plan,
    folder: Path,
    seed: int,
    resume: bool = False,
    device: str = "auto",
) -> Tested:
    """Trains one method on the classes that are not `unseen`, and tests it on these.

    Args:
        tune: choose its setting, and the handicap of seen classes, on a quarter of the seen classes; else it has the
            first of `GRID` and no handicap.
        shots: numbers of labelled examples for few-shot learning, where the method can.

    Raises:
        InputError: a class without a signature, or too few classes.
    """
    problem.attributes.of(problem.classes)
    if method in PLACING:
        for name in unseen:
            _check_shots(name, problem.data.labels.count(name), max(shots, default=0))
    parts = divide(problem.data.labels, unseen, seed=seed)
    if not parts.unseen or not parts.seen_test:
        kind = "unseen classes" if not parts.unseen else "seen classes, all but one of each to train on,"
        raise InputError(f"no example of {kind} is there to test on: give more, or other unseen classes")
    train, seen_test, test = (problem.data.take(part) for part in (parts.train, parts.seen_test, parts.unseen))
    fitted = partial(
        learn,
        method=method,
        body=problem.body,
        attributes=problem.attributes,
        words=problem.words,
        plan=plan,
        seed=seed,
        resume=resume,
        device=device,
    )
    setting, handicap, validation = GRID[method][0], 0.0, None
    if tune:
        seen = sorted(set(train.labels))
        pretended = tuple(sorted(np.random.default_rng(seed).permutation(seen)[: max(1, len(seen) // 4)].tolist()))
        inner = divide(train.labels, pretended, seed=seed)
        data, known, kept = (train.take(part) for part in (inner.train, inner.seen_test, inner.unseen))
        tried = [fitted(data, setting=each, folder=folder / f"tune{at}") for at, each in enumerate(GRID[method])]
        right = [class_accuracy(each.said(each.placed(kept), pretended), kept.labels) for each in tried]
        validation = max(right)
        best = tried[right.index(validation)]
        setting, handicap = best.setting, best_handicap(best, known, kept, classes=pretended)
    found = fitted(train, setting=setting, folder=folder)
    few = [
        {
            "method": method,
            "shots": number,
            "unseen_top1": few_shot(found, test, classes=unseen, shots=number, seed=seed),
            "seed": seed,
        }
        for number in shots
        if method in PLACING
    ]
    accuracy = tested(found, seen_test, test, classes=unseen, handicap=handicap)
    return Tested(found, tuple(unseen), test, accuracy, handicap, tuple(few), seed, validation)


def balanced(classes: Sequence[str], unseen: int, draws: int) -> list[tuple[str, ...]]:
    """`draws` sets of `unseen` classes, among which every class occurs about as often as every other.

    Raises:
        InputError: fewer than two classes would be left to train on, or none is unseen.
    """
    if not 1 <= unseen <= len(classes) - 2:
        raise InputError(f"{unseen} unseen of {len(classes)} classes: expected 1 to {len(classes) - 2}")
    random = np.random.default_rng(0)
    found: list[tuple[str, ...]] = []
    while len(found) < draws:
        order = random.permutation(list(classes)).tolist()
        found += [tuple(sorted(order[at : at + unseen])) for at in range(0, len(order) - unseen + 1, unseen)]
    return found[:draws]
