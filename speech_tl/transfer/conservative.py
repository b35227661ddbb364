"""Holding back: an adapted model that stays near the one it came from, in its weights or in what it says.

With seconds of data a model soon says what it was told and forgets the rest. L2-SP pulls the weights back to where they
started instead of to zero (Li et al., 2018); the KL term pulls the outputs back, frame by frame for CTC (Yu et al.,
2013, KL-divergence regularised adaptation). Both need an anchor that training cannot move: a copy, never a view.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


def clone(model: Model) -> Model:
    """A copy that is never trained and always in evaluation mode: what the model said before."""
    anchor = copy.deepcopy(model)
    anchor.requires_grad_(False)
    anchor.eval()
    return anchor


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every weight that is trained, as `l2_sp` wants it."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def l2_sp(model: nn.Module, anchor: dict[str, Tensor]) -> Tensor:
    """½ Σ ‖w − w⁰‖², over the weights in `anchor`; others, such as a new head's, are free."""
    now = dict(model.named_parameters())
    squares = [(now[name] - start).square().sum() for name, start in anchor.items()]
    return torch.stack(squares).sum() / 2


def output_kl(log_probabilities: Tensor, reference: Tensor, lengths: Tensor) -> Tensor:
    """Σ_v p⁰(v) (log p⁰(v) − log p(v)), nats per frame, the mean over the utterances' own frames.

    Args:
        log_probabilities: (B, T, V) of the model.
        reference: (B, T, V) of the anchor on the same input.
        lengths: (B,) frames; padding does not count.
    """
    inside = torch.arange(reference.shape[1], device=reference.device) < lengths[:, None]
    each = (reference.exp() * (reference - log_probabilities)).sum(-1)  # (B, T)
    return each.masked_fill(~inside, 0.0).sum() / inside.sum()
