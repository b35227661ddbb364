"""Features in which domains cannot be told apart: gradient reversal against a domain classifier.

Ganin & Lempitsky, "Unsupervised domain adaptation by backpropagation" (2015). The classifier learns to tell the domains
apart, and through the reversed gradient the features learn that it must not. How strongly grows with the share of the
updates done, which is part of a run's state: a run continued amid the ramp goes on as if it had not stopped.
"""

from math import exp
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse(features: Tensor, strength: float) -> Tensor:
    """The features themselves; the gradient that comes back is −strength times what it was."""
    reversed_: Tensor = _Reversal.apply(features, strength)  # type: ignore[no-untyped-call]
    return reversed_


def ramp(progress: float, *, steepness: float = 10.0) -> float:
    """2 / (1 + exp(−steepness · progress)) − 1: 0 at the start, nearly 1 at the end (Ganin & Lempitsky's schedule)."""
    return 2 / (1 + exp(-steepness * progress)) - 1


class DomainClassifier(nn.Module):
    """Which of several domains features come from.

    Features that it fights against grow or die: it sees them normalised, and no unit of its own can die.
    """

    def __init__(self, width: int, *, domains: int = 2, hidden: int = 100) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, domains)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) -> logits (B, domains)."""
        logits: Tensor = self.layers(features)
        return logits


def domain_loss(classifier: nn.Module, features: Tensor, domains: Tensor, *, strength: float) -> Tensor:
    """Cross-entropy of the domains behind reversed features, each domain weighing alike however many of it there are.

    Args:
        features: (B, D).
        domains: (B,) int64.
        strength: of the reversal; what is learned by the classifier itself does not depend on it.
    """
    logits = classifier(reverse(features, strength)).float()
    each = nn.functional.cross_entropy(logits, domains, reduction="none")
    present = sorted(set(domains.tolist()))
    return torch.stack([each[domains == domain].mean() for domain in present]).mean()


def fooling_loss(classifier: nn.Module, features: Tensor, *, as_domain: int) -> Tensor:
    """Cross-entropy of features with a domain they are not from; the classifier learns nothing by it.

    The inverted labels of ADDA (Tzeng et al., "Adversarial discriminative domain adaptation", 2017). features: (B, D).
    """
    still = {name: weight.detach() for name, weight in classifier.named_parameters()}
    logits = functional_call(classifier, still, (features,)).float()
    return nn.functional.cross_entropy(logits, torch.full((len(features),), as_domain, device=features.device))
