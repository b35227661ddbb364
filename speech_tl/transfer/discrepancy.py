"""How far two sets of features lie apart, as a loss: by their covariances, or by all moments at once."""

from collections.abc import Sequence

import torch
from torch import Tensor


def coral(source: Tensor, target: Tensor) -> Tensor:
    """‖cov(source) − cov(target)‖² / (4 D²) (Sun & Saenko, "Deep CORAL", 2016).

    source: (B, D), target: (B', D). A single row has no covariance: 0, whatever is on the other side.
    """
    if min(len(source), len(target)) < 2:
        return 0 * (source.float().sum() + target.float().sum())
    width = source.shape[1]
    return (_covariance(source) - _covariance(target)).square().sum() / (4 * width**2)


def _covariance(features: Tensor) -> Tensor:
    centred = features.float() - features.float().mean(0)
    with torch.autocast(features.device.type, enabled=False):  # the difference of two matrices that are nearly alike
        return centred.T @ centred / (len(features) - 1)


def mmd(source: Tensor, target: Tensor, *, bandwidths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0)) -> Tensor:
    """The squared maximum mean discrepancy under a sum of Gaussian kernels, the biased estimate (Gretton et al., 2012).

    Widths are multiples of the mean squared distance between all rows (Long et al., 2015, choose by the median).
    source: (B, D), target: (B', D).
    """
    both = torch.cat([source.float(), target.float()])
    distances = torch.cdist(both, both).square()
    scale = distances.detach().mean().clamp(min=1e-12)
    kernel = torch.stack([torch.exp(-distances / (bandwidth * scale)) for bandwidth in bandwidths]).mean(0)
    n = len(source)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def matching(features: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """A mapping without training: scale and offset that give `features` the mean and deviation of `like`, by column.

    features: (N, D), like: (M, D) -> (D,), (D,).
    """
    scale = like.std(0) / features.std(0).clamp(min=1e-6)
    return scale, like.mean(0) - features.mean(0) * scale
