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
        most: larger weights are cut to this, times the mean of what comes out; above 1.
    """
    rows = np.concatenate([source, target])
    domain = np.repeat([0, 1], [len(source), len(target)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    folds = min(folds, len(source), len(target))
    chance = cross_val_predict(classifier, rows, domain, cv=folds, method="predict_proba")[: len(source), 1]
    ratio = chance / np.maximum(1 - chance, 1e-6) * len(source) / len(target)
    return _cut(ratio / ratio.mean(), most)


def effective_size(weights: NDArray[np.float64]) -> float:
    """(Σw)² / Σw²: so many examples of one weight would say as much (Kish, 1965)."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def _cut(ratio: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    """No weight above `most`, and mean 1: what is cut off the largest goes to all others in proportion."""
    large = np.zeros(len(ratio), dtype=bool)
    while (over := ratio > most * (1 + 1e-9)).any():
        large |= over
        ratio = np.where(large, most, ratio * (len(ratio) - most * large.sum()) / ratio[~large].sum())
    return ratio
