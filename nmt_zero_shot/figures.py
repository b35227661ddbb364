"""The pictures of a translation report: the matrix, the encoder's space, and where direct and pivot part."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nmt_zero_shot.corpus import Row
from nmt_zero_shot.metrics import score
from nmt_zero_shot.model import Translator
from nmt_zero_shot.results import DIRECT, PIVOT
from nmt_zero_shot.retrieval import embed
from speech_tl.report import COLOURS, Figure, Listing, curves, heat_map
from speech_tl.training.loop import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

SHOWN = 40
"""Sentences in the picture of the encoder's space."""


def matrices(rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """BLEU of every direction, a picture for each test set; `rows` are those of the table `bleu`."""
    tests = dict.fromkeys(row["test"] for row in rows)
    return [_matrix([row for row in rows if row["test"] == test], test=test) for test in tests]


def _matrix(own: Sequence[Mapping[str, Any]], *, test: str) -> Figure:
    targets = [key for key in own[0] if key not in ("test", "source")]
    values = [[np.nan if row[target] is None else row[target] for target in targets] for row in own]
    draw = heat_map(
        values, rows=[row["source"] for row in own], columns=targets, row_label="source", column_label="target"
    )
    return Figure(
        f"BLEU, {test}", "Direct translation between every two languages; an empty cell is no direction.", draw
    )


def learning_curves(histories: Mapping[str, History]) -> Figure:
    """Validation loss of every system over its updates."""
    losses = {name: [(row["step"], row["score"]) for row in h.validations] for name, h in histories.items()}
    return Figure(
        "Validation loss",
        "On hub-centric pairs only: no pair that is held out chooses a checkpoint. Its lowest point is kept.",
        curves(losses, x="updates", y="nats per subword"),
    )


def encoder_space(
    translator: Translator, tests: Mapping[str, Sequence[Row]], languages: Sequence[str], *, tag: str
) -> list[Figure]:
    """Sentences as points by their language, a line between those that mean the same (Johnson et al., 2017, fig. 2).

    Of the test set with the most rows in all of the languages; no picture where no row is.
    """
    whole = [[row for row in rows if row.keys() >= set(languages)] for rows in tests.values()]
    shown = max(whole, key=len, default=[])[:SHOWN]
    if not shown:
        return []
    vectors = torch.stack([embed(translator, [row[each] for row in shown], each, tag=tag) for each in languages])
    centred = vectors.flatten(0, 1) - vectors.mean((0, 1))  # (languages x sentences, D)
    _, spread, axes = torch.linalg.svd(centred, full_matrices=False)
    points = (centred @ axes[:2].T).view(len(languages), len(shown), 2).numpy()
    share = float(100 * spread[:2].square().sum() / spread.square().sum())

    def draw(canvas: "Canvas") -> None:
        plot = canvas.subplots()
        for sentence in range(len(shown)):
            plot.plot(*points[:, sentence].T, color=COLOURS[5], linewidth=0.5, alpha=0.5, zorder=1)
        for at, language in enumerate(languages):
            plot.scatter(
                points[at, :, 0], points[at, :, 1], s=12, color=COLOURS[at % len(COLOURS)], label=language, zorder=2
            )
        plot.set_xticks([])
        plot.set_yticks([])
        canvas.legend(loc="outside upper center", ncols=len(languages))

    caption = (
        f"{len(shown)} test sentences in {len(languages)} languages, read under the tag {tag}: the mean of the "
        f"encoder's states on its first two principal axes ({share:.0f} % of the variance). A line joins one meaning."
    )
    return [Figure("The encoder's space", caption, draw)]


def where_direct_and_pivot_part(sentences: Sequence[Mapping[str, Any]], *, most: int = 20) -> Listing:
    """The sentences in which the two differ most in chrF; `sentences` are `Evaluation.sentence_rows`."""
    parted = []
    for row in sentences:
        if row.get("reference") and row.get(PIVOT) and row[DIRECT] != row[PIVOT]:
            own = [score([row[system]], [row["reference"]], row["target"]).chrf for system in (DIRECT, PIVOT)]
            parted.append({**row, "chrf_direct": own[0], "chrf_pivot": own[1]})
    parted.sort(key=lambda row: -abs(row["chrf_direct"] - row["chrf_pivot"]))
    columns = ("source", "target", "text", "reference", DIRECT, PIVOT, "chrf_direct", "chrf_pivot")
    return Listing(
        "Where direct and pivot part",
        f"The {most} sentences with the largest difference in chrF, for either side.",
        [{column: row[column] for column in columns} for row in parted[:most]],
    )
