"""Source examples that look like the target count more: weights from a classifier between the two domains.

Under covariate shift p(target | x) / p(source | x), times the ratio of the domains' sizes, is the weight that makes the
source's loss an estimate of the target's (Shimodaira, 2000; Bickel et al., 2009, for the classifier).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def weights(source: NDArray[Any], target: NDArray[Any], *, most: float = 10.0, folds: int = 5) -> NDArray[np.float64]:
    """(N,) for the source rows, with mean 1; each is judged by a classifier that was not trained on it.

    Args:
        source: (N, D).
        target: (M, D).
        most: larger weights are cut to this, times the mean.
    """
    rows = np.concatenate([source, target])
    domain = np.repeat([0, 1], [len(source), len(target)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    folds = min(folds, len(source), len(target))
    chance = cross_val_predict(classifier, rows, domain, cv=folds, method="predict_proba")[: len(source), 1]
    ratio = chance / np.maximum(1 - chance, 1e-6) * len(source) / len(target)
    ratio = np.minimum(ratio / ratio.mean(), most)
    found: NDArray[np.float64] = ratio / ratio.mean()
    return found


def effective_size(weights: NDArray[Any]) -> float:
    """(Σ w)² / Σ w²: how many examples of equal weight would give as sure an estimate (Kish, 1965)."""
    return float(weights.sum() ** 2 / np.square(weights).sum())
