"""Two tasks in a row: what the second reaches, and what it costs the first, as tables. Errors are in percent."""

from collections.abc import Sequence
from dataclasses import dataclass

from speech_tl.results import Evaluation, Row, compare, grouped

CAPTIONS = {
    "second_task": "Errors (%) on the second task, with 95 % intervals, and on the first before and after it.",
    "seeds": "The same over the seeds: means, least and most.",
    "differences": "Points by which the second task errs more than from scratch, and the first more than before, on "
    "the same clips, with 95 % intervals.",
    "paths": "Modules on PathNet's path of either task, and how many both share.",
}
"""What the tables of `tables` show."""


@dataclass(frozen=True)
class Learned:
    """What one method makes of the second task, and what it leaves of the first."""

    case: str
    method: str
    seed: int
    before: Evaluation
    """Of the first task, before the second; empty where it was not learned."""
    after: Evaluation
    second: Evaluation
    trained_parameters: int
    """In learning the second task."""
    cpu_seconds: float
    """Of learning the second task; wall seconds on a GPU."""
    paths: tuple[frozenset[str], ...] = ()
    """The modules that the first and the second task pass through, where paths were searched for."""


def tables(found: Sequence[Learned]) -> dict[str, list[Row]]:
    """All that is known of several cases, methods and seeds.

    `second_task` has a row for each; `seeds` means and ranges over the seeds; `differences` holds the second task
    against scratch and the first against itself before, paired; `paths` says how many modules PathNet's paths have, and
    how many both share.
    """
    rows = [_row(each) for each in found]
    by_method = grouped(rows, lambda row: (row["case"], row["method"]))
    return {
        "second_task": rows,
        "seeds": [_over_seeds(*key, own) for key, own in by_method.items()],
        "differences": _differences(found),
        "paths": [
            {
                "case": each.case,
                "seed": each.seed,
                "first": len(each.paths[0]),
                "second": len(each.paths[1]),
                "shared": len(each.paths[0] & each.paths[1]),
            }
            for each in found
            if each.paths
        ],
    }


def _row(each: Learned) -> Row:
    before, after, second = (next(iter(part.rows(system="")), {}) for part in (each.before, each.after, each.second))
    return {
        "case": each.case,
        "method": each.method,
        "seed": each.seed,
        "first_error_before": before.get("utterance_error"),
        "first_error_after": after.get("utterance_error"),
        "second_error": second["utterance_error"],
        "second_low": second["utterance_error_low"],
        "second_high": second["utterance_error_high"],
        "trained_parameters": each.trained_parameters,
        "cpu_seconds": each.cpu_seconds,
    }


def _over_seeds(case: str, method: str, rows: Sequence[Row]) -> Row:
    errors = [row["second_error"] for row in rows]
    sides = [(row["first_error_before"], row["first_error_after"]) for row in rows]
    changes = [after - before for before, after in sides if before is not None]
    return {
        "case": case,
        "method": method,
        "seeds": len(rows),
        "second_error": sum(errors) / len(errors),
        "second_least": min(errors),
        "second_most": max(errors),
        "first_change": sum(changes) / len(changes) if changes else None,
        "first_change_least": min(changes, default=None),
        "first_change_most": max(changes, default=None),
    }


def _differences(found: Sequence[Learned]) -> list[Row]:
    alone = {(each.case, each.seed): each.second for each in found if each.method == "scratch"}
    rows: list[Row] = []
    for each in found:
        pairs = {"first": (each.after, each.before)}
        if each.method != "scratch" and (each.case, each.seed) in alone:
            pairs["second"] = (each.second, alone[each.case, each.seed])
        for task, (now, then) in pairs.items():
            facts = {"case": each.case, "method": each.method, "seed": each.seed, "task": task}
            rows += [{**facts, **row} for row in compare(now, then)]
    return rows
