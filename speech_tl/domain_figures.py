"""The lecture's picture: the features of two domains, before a network learned to see them alike and after."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from speech_tl.report import Figure
from speech_tl.shifts import SIDES, Look, Side
from speech_tl.transfer.selection import evenly

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

SHOWN = 300
"""Examples of each domain in the picture."""


def picture(before: Mapping[Side, Look], after: Mapping[Side, Look], *, method: str, seed: int) -> Figure:
    """Both domains' features before and after, by principal components and by t-SNE (van der Maaten & Hinton, 2008)."""
    stages = {"the source alone": before, method: after}
    cut = {name: [evenly(own[side].features, SHOWN).float().numpy() for side in SIDES] for name, own in stages.items()}
    planes = {
        (name, way): _plane(np.concatenate(rows), way, seed) for name, rows in cut.items() for way in ("PCA", "t-SNE")
    }

    def draw(canvas: "Canvas") -> None:
        plots = canvas.subplots(2, 2)
        for plot, ((name, way), points) in zip(plots.flat, planes.items(), strict=True):
            split = len(cut[name][0])
            for label, own, colour in zip(SIDES, (points[:split], points[split:]), ("C0", "C3"), strict=True):
                plot.scatter(own[:, 0], own[:, 1], s=5, alpha=0.5, color=colour, linewidths=0, label=label)
            plot.set_title(f"{name}, {way}", fontsize=9)
            plot.set_xticks([])
            plot.set_yticks([])
        plots.flat[0].legend(fontsize=8)

    return Figure(
        "Both domains' features, before and after",
        f"Validation examples of both, {SHOWN} each at most. Above the network that learned from the source alone, "
        f"below {method}.",
        draw,
    )


def _plane(rows: NDArray[np.float32], way: str, seed: int) -> NDArray[np.float64]:
    if way == "PCA":
        return np.asarray(PCA(2, random_state=seed).fit_transform(rows))
    return np.asarray(TSNE(2, perplexity=min(30.0, len(rows) / 4), random_state=seed).fit_transform(rows))
