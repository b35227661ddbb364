"""Both sides of a transfer over the amount of target data, and over the layers that are kept: tables and pictures.

A method that wins on the target by forgetting the source has not won, so every table and picture shows the two. Cells
of several targets (speakers, languages) at one amount are pooled, utterance by utterance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import Any

from speech_tl.report import Figure, curves
from speech_tl.results import COUNTED, Evaluation, Measure, Result, Row, compare, grouped
from speech_tl.transfer.transferability import Cut

CAPTIONS = {
    "curve": "Errors (%) of the target after each method and amount, and of what was known before and after it, over "
    "all targets together, with 95 % intervals; rows of different targets do not compare. `heard_seconds` is what "
    "there was of the amount, in whole clips, the mean over targets.",
    "differences": "The same in points, paired clip by clip: the target against the method without transfer, the "
    "source against the model before. Better where high is below 0.",
    "targets": "Every target by itself.",
    "advice": "Where a recommended method was tried beside others: whether it is the first, or the first lies within "
    "its interval.",
    "multipliers": "How many times as much data it takes without transfer to come to the same error; `bound` says "
    "where no more is known than more or less than that.",
    "layers": "Utterance errors (%) with so many layers kept from one side: of A (AnB), of B itself (BnB), at random "
    "(RnB); free to move with a plus, else frozen.",
}
"""What the tables of `tables`, `advised`, `multipliers` and `layer_tables` show."""


@dataclass(frozen=True)
class Cell:
    """One target adapted to by one method from one amount of data."""

    case: str
    """What was transferred to: `speaker`, `language`."""
    target: str
    method: str
    amount_seconds: float
    """Asked for."""
    seed: int
    after: Evaluation
    """Of the target's test clips; empty where all of its clips were learned from."""
    source_before: Evaluation
    source_after: Evaluation
    """Of what the model knew before; empty where nobody asked."""
    trained_parameters: int
    cpu_seconds: float
    heard_seconds: float
    """Learned from: whole clips make it a little less than was asked for, or there was no more."""


def tables(cells: Sequence[Cell], *, base: str, measure: Measure) -> dict[str, list[Row]]:
    """`curve`: a row per method and amount; `differences`: what each changes, paired; `targets`: one by one.

    Of the target a method is held against the method `base` at the same amount, of the source against the model before.
    Errors are those that `measure` names, in percent; `differences` has both.
    """
    pooled = grouped(cells, lambda cell: (cell.case, cell.method, cell.amount_seconds, cell.seed))
    plain = {(cell.case, cell.amount_seconds, cell.seed, cell.target): cell for cell in cells if cell.method == base}
    differences: list[Row] = []
    for (case, method, amount, seed), own in pooled.items():
        facts = {"case": case, "method": method, "amount_seconds": amount, "seed": seed}
        rivals = [plain[key] for cell in own if (key := (case, amount, seed, cell.target)) in plain]
        sides = {"source": (_pool(own, "source_after"), _pool(own, "source_before"))}
        if method != base and len(rivals) == len(own):
            sides["target"] = (_pool(own, "after"), _pool(rivals, "after"))
        for side, (now, then) in sides.items():
            if now.results and method != base:
                differences += [{**facts, "side": side, **row} for row in compare(now, then)]
    return {
        "curve": [_row(*key, own, measure) for key, own in pooled.items()],
        "differences": differences,
        "targets": [_row(*key, [cell], measure, cell.target) for key, own in pooled.items() for cell in own],
    }


def multipliers(rows: Sequence[Row], *, base: str) -> list[Row]:
    """How many times as much data the method `base` needs for the same target error; of the table `curve`.

    Between two amounts the error of `base` is a straight line over the logarithm of the amount. Where `base` never
    comes down to it, `multiplier` is its most data over the method's and a lower `bound`; where its least data are
    enough already, these over the method's and an upper one.
    """
    found: list[Row] = []
    for (case, seed), own in grouped(rows, lambda row: (row["case"], row["seed"])).items():
        measured = [row for row in own if row["target_error"] is not None]
        line = sorted((_amount(row), row["target_error"]) for row in measured if row["method"] == base)
        for row in measured:
            if row["method"] == base or not line:
                continue
            needed, bound = _reaches(line, row["target_error"])
            found.append(
                {
                    "case": case,
                    "method": row["method"],
                    "amount_seconds": row["amount_seconds"],
                    "seed": seed,
                    "multiplier": needed / row["amount_seconds"],
                    "bound": bound,
                }
            )
    return found


def advised(rows: Sequence[Row], methods: Mapping[tuple[str, float], str]) -> list[Row]:
    """Where a recommended method was tried beside others: is it the first, or the first within its interval?

    Args:
        rows: of the table `targets`.
        methods: (target, amount in seconds) -> the method that was recommended for it.
    """
    found: list[Row] = []
    cases = grouped(rows, lambda row: (row["case"], row["target"], row["amount_seconds"], row["seed"]))
    for (case, target, amount, seed), own in cases.items():
        errors = {row["method"]: row for row in own if row["target_error"] is not None}
        advice = methods[target, amount]
        if advice not in errors or len(errors) < 2:
            continue
        mine, first = errors[advice], min(errors.values(), key=lambda row: row["target_error"])
        found.append(
            {
                "case": case,
                "target": target,
                "amount_seconds": amount,
                "seed": seed,
                "advised": advice,
                "target_error": mine["target_error"],
                "target_low": mine["target_low"],
                "target_high": mine["target_high"],
                "first": first["method"],
                "first_error": first["target_error"],
                "within": mine["target_low"] <= first["target_error"],
            }
        )
    return found


def _reaches(line: Sequence[tuple[float, float]], error: float) -> tuple[float, str]:
    """The first amount at which a curve of (amount, error) is down at `error`, and which bound that is, if any."""
    if line[0][1] <= error:
        return line[0][0], "" if line[0][1] == error else "upper"
    for (less, above), (more, below) in pairwise(line):
        if below <= error:
            way = (above - error) / (above - below)
            return float(less * (more / less) ** way), ""
    return line[-1][0], "lower"


def pictures(rows: Sequence[Row]) -> tuple[Figure, ...]:
    """Of the table `curve`: the target's error over the amount, and both sides of it against each other."""
    several = len({row["case"] for row in rows}) > 1
    methods = grouped(
        [row for row in rows if row["target_error"] is not None],
        lambda row: f"{row['method']}, {row['case']}" if several else row["method"],
    )
    falling = {
        method: [(row["amount_seconds"], row["target_error"]) for row in sorted(own, key=_amount)]
        for method, own in methods.items()
    }
    bands = {method: _band(sorted(own, key=_amount), "amount_seconds") for method, own in methods.items()}
    sides = {
        method: [
            (row["source_error_after"], row["target_error"])
            for row in sorted(own, key=_amount)
            if row["source_error_after"] is not None
        ]
        for method, own in methods.items()
    }
    told = {name: points for name, points in sides.items() if points}
    both = curves(told, x="source error (%)", y="target error (%)")
    figures = [
        Figure(
            "What the target gains",
            f"{COUNTED[rows[0]['measure']]} on the target's test clips over the seconds it was adapted with.",
            curves(falling, x="seconds of target data", y="target error (%)", bands=bands, logarithmic=True),
        )
    ]
    if told:
        figures.append(
            Figure(
                "Both sides",
                "Each method from its least to its most data: down is better for the target, left for the source.",
                both,
            )
        )
    return tuple(figures)


@dataclass(frozen=True)
class Network:
    """One network of the layer experiment (`transfer.transferability`), and what it reaches on task B."""

    case: str
    """`speech`, `pictures`."""
    source: str
    """The task A that layers were kept from; empty where they were not."""
    cut: Cut | None
    """None for B as it is."""
    seed: int
    after: Evaluation
    trained_parameters: int
    cpu_seconds: float

    @property
    def facts(self) -> Row:
        """What it is, as columns."""
        told = {"treatment": "B", "side": "", "kept": 0} if self.cut is None else vars(self.cut)
        return {"case": self.case, "source": self.source, **told, "seed": self.seed}


def layer_tables(networks: Sequence[Network]) -> dict[str, list[Row]]:
    """`layers`: a row per network; `differences`: each against B as it is, paired. Utterance errors in percent.

    Args:
        networks: B as it is comes first.
    """
    rows = []
    for network in networks:
        error = _error(network.after)
        rows.append(
            {
                **network.facts,
                "target_error": error["utterance_error"],
                "target_low": error["utterance_error_low"],
                "target_high": error["utterance_error_high"],
                "trained_parameters": network.trained_parameters,
                "cpu_seconds": network.cpu_seconds,
            }
        )
    base, *others = networks
    pairs = [{**network.facts, **row} for network in others for row in compare(network.after, base.after)]
    return {"layers": rows, "differences": pairs}


def layer_pictures(rows: Sequence[Row]) -> tuple[Figure, ...]:
    """Of the table `layers`: for each side and source, a curve per treatment over the kept layers; B as it is at 0."""
    figures = []
    for side in sorted({row["side"] for row in rows} - {""}):
        for source in sorted({row["source"] for row in rows} - {""}) or [""]:
            mine = [row for row in rows if row["source"] in ("", source) and row["side"] in ("", side)]
            treated = grouped(sorted(mine, key=lambda row: int(row["kept"])), lambda row: row["treatment"])
            b = treated.pop("B", [])
            lines = {name: [(row["kept"], row["target_error"]) for row in (*b, *own)] for name, own in treated.items()}
            bands = {name: _band((*b, *own), "kept") for name, own in treated.items()}
            figures.append(
                Figure(
                    f"Kept from the {side} side" + (f", A = {source}" if source else ""),
                    "Error on B's test set over the number of layers that come from elsewhere; at 0, B as it is.",
                    curves(lines, x=f"layers kept from the {side}", y="error (%)", bands=bands),
                )
            )
    return tuple(figures)


def _row(
    case: str, method: str, amount: float, seed: int, cells: Sequence[Cell], measure: Measure, target: str = ""
) -> Row:
    errors = {side: _error(_pool(cells, side)) for side in ("after", "source_before", "source_after")}
    row: dict[str, Any] = {
        "case": case,
        "method": method,
        "amount_seconds": amount,
        "seed": seed,
        "measure": measure,
        "target_error": errors["after"].get(measure),
        "target_low": errors["after"].get(f"{measure}_low"),
        "target_high": errors["after"].get(f"{measure}_high"),
        "source_error_before": errors["source_before"].get(measure),
        "source_error_after": errors["source_after"].get(measure),
        "trained_parameters": cells[0].trained_parameters,
        "cpu_seconds": fmean(cell.cpu_seconds for cell in cells),
        "heard_seconds": fmean(cell.heard_seconds for cell in cells),
        "targets": len({cell.target for cell in cells}),
        "test_examples": sum(len(cell.after.results) for cell in cells),
    }
    return {"target": target, **row} if target else row


def _pool(cells: Sequence[Cell], side: str) -> Evaluation:
    """One evaluation of all: each target's own utterances, and each of the source once, its errors added up.

    After every target the source's utterances are heard anew, which makes no more of them: they are resampled as one.
    """
    heard: dict[tuple[str, str], Result] = {}
    for cell in cells:
        for result in getattr(cell, side).results:
            key = f"{cell.target}/{result.key}" if side == "after" else result.key
            before = heard.get((result.language, key))
            heard[result.language, key] = _both(before, result) if before else replace(result, key=key)
    return Evaluation(tuple(heard.values()))


def _both(one: Result, other: Result) -> Result:
    return replace(
        one,
        characters=one.characters + other.characters,
        words=one.words + other.words,
        utterance=one.utterance + other.utterance,
    )


def _error(evaluation: Evaluation) -> Row:
    """Over all languages together."""
    together = Evaluation(tuple(replace(result, language="") for result in evaluation.results))
    return next(iter(together.rows(system="")), {})


def _band(rows: Iterable[Row], at: str) -> list[tuple[float, float, float]]:
    """The target error's interval over the column `at`."""
    return [(row[at], row["target_low"], row["target_high"]) for row in rows if row["target_low"] is not None]


def _amount(row: Row) -> float:
    return float(row["amount_seconds"])
