"""A small student learns what a teacher says, not only what is right: soft targets, and how examples relate.

Soft targets at a temperature (Hinton et al., 2015) tell which wrong answers are nearly right; relations between the
examples of a batch (Park et al., 2019, relational knowledge distillation) need no common output, so that teacher and
student may differ in width and in what they write.
"""

import torch
from torch import Tensor, nn


def soft_targets(student: Tensor, teacher: Tensor, lengths: Tensor, *, temperature: float = 1.0) -> Tensor:
    """τ² KL(softmax(teacher/τ) ‖ softmax(student/τ)), nats per frame over the utterances' own frames.

    The factor τ² keeps the gradient's size at every temperature.

    Args:
        student: logits (B, T, V).
        teacher: logits (B, T, V); no gradient goes there.
        lengths: (B,) frames; padding does not count.
    """
    wanted = (teacher.detach().float() / temperature).log_softmax(-1)
    said = (student.float() / temperature).log_softmax(-1)
    inside = torch.arange(said.shape[1], device=said.device) < lengths[:, None]
    each = (wanted.exp() * (wanted - said)).sum(-1)  # (B, T)
    return temperature**2 * each.masked_fill(~inside, 0.0).sum() / inside.sum()


def relational(student: Tensor, teacher: Tensor) -> Tensor:
    """How differently the two place the examples of a batch: Huber loss between their scaled distances.

    Distances between pairs of examples are divided by their mean, so that neither the width nor the scale of the two
    spaces matters. student: (B, D), teacher: (B, D'), pooled over time; at least two examples.
    """
    return nn.functional.smooth_l1_loss(_distances(student), _distances(teacher.detach()))


def _distances(points: Tensor) -> Tensor:
    """(B, D) -> the B (B − 1) / 2 Euclidean distances, over their mean."""
    distances = torch.pdist(points.float())
    return distances / distances.mean().clamp(min=1e-8)
