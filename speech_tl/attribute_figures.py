"""The pictures of recognition by descriptors: where examples fall among signatures, and which attributes are seen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speech_tl.descriptions import Recogniser
from speech_tl.report import Figure, Listing

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

SHOWN = 60
"""Examples of a class in the picture."""


def embedding(recogniser: Recogniser, data: Any, classes: Sequence[str]) -> Figure:
    """The lecture's picture: examples of unseen classes, placed by f, around the signatures g of their classes."""
    placed = recogniser.placed(data).numpy()
    signatures = recogniser.signatures(classes).numpy()
    unit = [each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-9) for each in (placed, signatures)]
    centre = unit[1].mean(0)
    spread = unit[1] if len(classes) > 2 else np.concatenate(unit)  # three points or more make a plane
    _, _, axes = np.linalg.svd(spread - centre, full_matrices=False)
    points, targets = ((each - centre) @ axes[:2].T for each in unit)
    labels = np.array(data.labels)

    def draw(canvas: "Canvas") -> None:
        plot = canvas.subplots()
        for at, name in enumerate(classes):
            own = points[labels == name][:SHOWN]
            colour = f"C{at % 7}"
            plot.scatter(own[:, 0], own[:, 1], s=6, alpha=0.35, color=colour, linewidths=0)
            plot.scatter(targets[at, 0], targets[at, 1], s=40, marker="*", color=colour)
            plot.annotate(name.replace("+", " "), targets[at], fontsize=7)
        plot.set_xticks([])
        plot.set_yticks([])

    return Figure(
        "Classes never seen, among their descriptions",
        f"By {recogniser.method}: dots are examples, stars the signatures of their classes, in the plane in which the "
        "signatures differ most.",
        draw,
    )


def predictions(recogniser: Recogniser, data: Any, classes: Sequence[str], *, most: int = 5) -> Listing:
    """For each class never seen, the attributes that its examples are most believed to have."""
    placed, labels = recogniser.placed(data).numpy(), np.array(data.labels)
    base = placed.mean(0)
    rows = []
    for name, truth in zip(classes, recogniser.attributes.binary().of(classes), strict=True):
        believed = np.argsort(base - placed[labels == name].mean(0))[:most]
        names = [f"{recogniser.attributes.attributes[at]}{'' if truth[at] else ' (not so)'}" for at in believed]
        rows.append({"class": name, "believed most, against the others": ", ".join(names)})
    caption = "What direct attribute prediction sees in classes it was never shown"
    return Listing(caption, "", rows)
