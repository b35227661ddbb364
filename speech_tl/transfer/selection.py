"""Which model to keep when the target has no labels: rules that look at its predictions and features alone."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import torch
from torch import Tensor


def evenly(rows: Any, most: int) -> Any:
    """At most so many rows of an array, evenly spread over it: clips, say, are heard the longest first."""
    return rows[:: max(1, -(-len(rows) // most))]


def entropy(probabilities: Tensor) -> float:
    """The mean entropy (nats) of predictions on the target, the lower the better (Morerio et al., 2018).

    A model that says one class of everything is certain too: this rule falls for it. probabilities: (N, C).
    """
    return float(-(probabilities * probabilities.clamp(min=1e-12).log()).sum(1).mean())


def mutual_information(probabilities: Tensor) -> float:
    """H(mean prediction) − mean H(prediction), nats, the higher the better (Bridle et al., 1991; InfoMax).

    Certain about each example and yet of many minds: a model that says one class of everything has 0. It counts on
    the target's classes being about as frequent as each other. probabilities: (N, C).
    """
    return entropy(probabilities.mean(0, keepdim=True)) - entropy(probabilities)


def agreement(apart: Sequence[Sequence[float]]) -> list[float]:
    """Minus the mean distance of each candidate's answers from those of the others, the higher the better.

    Candidates err in ways of their own, so that who is nearest to all of them errs least; one that is sure of the
    wrong things is alone with them, where its certainty would convince every other rule. Hu et al. (2024, EnsV) choose
    by the nearness to the mean prediction; between transcripts, which have no mean, the medoid takes its place.

    Args:
        apart: (M, M), how far the answers of two candidates lie from each other.
    """
    return [-fmean([*row[:at], *row[at + 1 :]] or [0.0]) for at, row in enumerate(apart)]


def soft_neighbourhood_density(probabilities: Tensor, *, temperature: float = 0.05, most: int = 2000) -> float:
    """How densely the target's predictions lie, the higher the better (Saito et al., 2021).

    The mean entropy of the softmax over the cosines between one prediction and all others. It falls for a model that
    says one class of everything (recipes/LOG.md).

    Args:
        probabilities: (N, C).
        most: rows that are looked at.
    """
    rows = torch.nn.functional.normalize(evenly(probabilities, most).float(), dim=1)
    likeness = rows @ rows.T / temperature
    likeness.fill_diagonal_(float("-inf"))
    near = likeness.softmax(1)
    return entropy(near)
