"""How far apart two domains are: what a classifier that tries to tell them apart achieves.

The proxy A-distance is 2 (1 − 2ε), ε the error of a linear classifier between the two on examples it was not trained on
(Ben-David et al., 2007): 0 where they cannot be told apart, 2 where always. It is half of what bounds the error on a
target domain (the other half being the error on the source), and what the choice of a transfer method goes by.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from speech_tl.errors import InputError

FOLDS = 5


def proxy_a_distance(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    *,
    source_groups: NDArray[np.generic] | None = None,
    target_groups: NDArray[np.generic] | None = None,
    seed: int = 0,
) -> float:
    """2 (1 − 2ε), at least 0; ε by cross-validation, both domains weighing alike.

    Args:
        source: (N, D) one row of features per example.
        target: (M, D).
        source_groups: (N,) what must not be split between training and test, such as speakers; a row each if none.
        target_groups: (M,) likewise.

    Raises:
        InputError: a single group on one side, or features of different widths.
    """
    if source.shape[1] != target.shape[1]:
        raise InputError(f"features of {source.shape[1]} and {target.shape[1]} numbers: expected the same model's")
    names = [
        np.arange(len(rows)).astype(str) if groups is None else groups.astype(str)
        for rows, groups in ((source, source_groups), (target, target_groups))
    ]
    fewest = min(len(np.unique(each)) for each in names)
    if fewest < 2:
        raise InputError(f"a domain of {fewest} group: at least 2 (speakers, or examples) are needed to measure it")
    rows = np.concatenate([source, target])
    domain = np.repeat([0, 1], [len(source), len(target)])
    groups = np.concatenate([np.char.add("source ", names[0]), np.char.add("target ", names[1])])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced"))
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    said = cross_val_predict(classifier, rows, domain, groups=groups, cv=folds)
    error = np.mean([np.mean(said[domain == one] != one) for one in (0, 1)])
    return float(max(0.0, 2 * (1 - 2 * error)))
