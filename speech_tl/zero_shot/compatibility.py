"""How well an example fits a class it was never trained on: f(x)·g(y), word vectors, convex combination.

f places an example in the space of signatures and g(y) is the signature of class y. Training asks that the right class
wins by a margin, as in the lecture (and DeViSE, Frome et al., 2013), or by softmax; ConSE (Norouzi et al., 2014) needs
only a classifier of the seen classes. Calibrated stacking (Chao et al., 2016) is for choosing among seen and unseen.
"""

import torch
from torch import Tensor, nn


def margin_loss(scores: Tensor, targets: Tensor, *, margin: float = 1.0) -> Tensor:
    """The lecture's max(0, k − f(xⁿ)·g(yⁿ) + max_{m≠n} f(xⁿ)·g(yᵐ)), the mean over examples.

    Args:
        scores: (B, C) f(x)·g(y) for every seen class, at least two.
        targets: (B,) the right class.
    """
    right = scores.gather(1, targets[:, None]).squeeze(1)
    others = scores.scatter(1, targets[:, None], float("-inf")).amax(1)
    return torch.relu(margin - right + others).mean()


def softmax_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """−log p(right class), with p the softmax of f(x)·g(y) over the seen classes. scores: (B, C), targets: (B,)."""
    return nn.functional.cross_entropy(scores.float(), targets)


def conse(probabilities: Tensor, seen: Tensor, candidates: Tensor, *, best: int = 10) -> Tensor:
    """The seen classes' signatures, weighted by how probable each is, against those of the candidates, by cosine.

    Args:
        probabilities: (N, S) of the seen classes.
        seen: (S, D) their signatures.
        candidates: (C, D) signatures of the classes to choose from.
        best: how many of the most probable classes are combined.

    Returns:
        (N, C) cosines.
    """
    weights, classes = probabilities.topk(min(best, probabilities.shape[1]), dim=1)
    weights = weights / weights.sum(1, keepdim=True)
    combined = (weights[..., None] * seen[classes]).sum(1)  # (N, D)
    return nn.functional.normalize(combined, dim=1) @ nn.functional.normalize(candidates, dim=1).T


def calibrated(scores: Tensor, seen: Tensor, handicap: float) -> Tensor:
    """scores: (N, C), seen: (C,) true for the classes of training -> the same, seen ones lowered by `handicap`.

    Without it nearly everything is taken for a class that was trained on.
    """
    return scores - handicap * seen.to(scores.dtype)


def harmonic_mean(seen: float, unseen: float) -> float:
    """2 s u / (s + u); 0 where both are 0."""
    return 2 * seen * unseen / (seen + unseen) if seen + unseen else 0.0


def with_examples(signature: Tensor, examples: Tensor) -> Tensor:
    """One shot and few: the signature of a class, moved towards where f places k labelled examples of it.

    The signature counts as one example; both sides are of length 1 first.

    Args:
        signature: (D,).
        examples: (k, D), f(x) of each.
    """
    placed = nn.functional.normalize(examples, dim=1)
    moved = nn.functional.normalize(signature, dim=0) + placed.sum(0)
    return moved / (1 + len(examples))


def class_accuracy(predicted: list[str], labels: list[str] | tuple[str, ...]) -> float:
    """Percent of right answers, averaged over classes, so that a class with many pictures counts once."""
    hits: dict[str, list[bool]] = {}
    for said, label in zip(predicted, labels, strict=True):
        hits.setdefault(label, []).append(said == label)
    return 100 * sum(sum(own) / len(own) for own in hits.values()) / max(1, len(hits))
