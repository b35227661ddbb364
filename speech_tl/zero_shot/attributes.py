"""Direct attribute prediction: each attribute recognised by itself, the class that fits them best.

Lampert, Nickisch & Harmeling, "Learning to detect unseen object classes by between-class attribute transfer" (2009).
"""

import torch
from torch import Tensor, nn


def attribute_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """logits: (B, A), targets: (B, A) 0 or 1 -> the mean binary cross-entropy (nats) of an attribute."""
    return nn.functional.binary_cross_entropy_with_logits(logits.float(), targets)


def class_posterior(logits: Tensor, signatures: Tensor, priors: Tensor) -> Tensor:
    """log p(z | x), up to a constant of x: Σ over attributes of log p(a = aᶻ | x) - log p(a = aᶻ).

    The division by the prior keeps attributes that nearly all classes have from deciding (Lampert's equation 2).

    Args:
        logits: (N, A) log odds of each attribute.
        signatures: (C, A) 0 or 1.
        priors: (A,) how often each attribute is true of the training classes, within 0 and 1.

    Returns:
        (N, C), the larger the likelier.
    """
    yes, no = nn.functional.logsigmoid(logits.float()), nn.functional.logsigmoid(-logits.float())
    yes, no = yes - priors.log(), no - (1 - priors).log()
    return yes @ signatures.T + no @ (1 - signatures).T


def priors(signatures: Tensor) -> Tensor:
    """(C, A) of the training classes -> (A,): the share of them that has each attribute, at least half a class."""
    share = signatures.mean(0)
    least = 0.5 / len(signatures)
    return torch.clamp(share, least, 1 - least)
