"""All methods against a target without labels, side by side: trained, chosen between, and told apart in tables."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from speech_tl.domain_figures import picture
from speech_tl.domains import RULES, Adapted, Method, Rule, adapt, chosen_by, distance, pooled, started
from speech_tl.errors import InputError
from speech_tl.report import Figure
from speech_tl.results import COUNTED, Measure, Row
from speech_tl.shifts import SIDES, Shift
from speech_tl.training.loop import Plan

CAPTIONS = {
    "domains": "Errors (%) on the test examples of both domains after each method; `gap_closed` is the share of the "
    "way from the source alone to the target's own labels, `bound` that of Ben-David et al. (2010) without its "
    "constant: `risk`, the error on the source as the method compares it with the target, and half the A-distance; of "
    "character errors there is none. `effective_size`: so many source examples of "
    "one weight would say what the weighted ones do.",
    "rules": "What each rule that sees no label of the target would have chosen of these networks, one for each "
    "method, and the points of error that it gives away against the best of them.",
}
"""What the tables of `tables` show."""


@dataclass(frozen=True)
class Study:
    """What the methods came to."""

    found: Mapping[Method, Adapted]
    selected: Method
    """By the rule."""
    tables: Mapping[str, Sequence[Row]]
    pictures: tuple[Figure, ...]
    notes: tuple[str, ...]


def study(
    shifts: Sequence[Shift],
    methods: Sequence[Method],
    *,
    rule: Rule,
    start: Plan,
    plan: Plan,
    folder: Path,
    seed: int,
    resume: bool = False,
    device: str = "auto",
) -> Study:
    """Every method from one beginning, with a line on standard error for each that is done.

    Args:
        shifts: one; or several of one source, each of which tests another part of a small target on networks that know
            the rest of it (cross-fitting). Their tests are pooled, and the rule sees its mean over them.
        start: on the source's labels, before the methods part.
        plan: of every method.

    Raises:
        InputError: a method or rule that there is not, or nothing to choose from.
    """
    if not set(methods) - {"target_supervised"}:
        raise InputError("--methods target_supervised alone: expected one that can be chosen, such as source_only")
    shift = shifts[0]
    body = started(shift, plan=start, folder=folder / "start", seed=seed, resume=resume, device=device)
    looks = [{side: each.look(body, side) for side in SIDES} for each in shifts]
    before = fmean(distance(each, seed=seed) for each in looks)
    found: dict[Method, Adapted] = {}
    for method in methods:
        found[method] = pooled(
            [
                adapt(
                    each,
                    body,
                    method=method,
                    rule=rule,
                    plan=plan,
                    folder=folder / method / (f"fold{at}" if len(shifts) > 1 else ""),
                    seed=seed,
                    resume=resume,
                    device=device,
                )
                for at, each in enumerate(shifts)
            ]
        )
        error = found[method].target.rows(system="")[0][shift.measure]
        print(f"{method}: target {COUNTED[shift.measure].lower()} {error:.1f} %", file=sys.stderr, flush=True)
    selected = chosen_by(rule, found, measure=shift.measure)
    notes = (
        f"Chosen by {rule}, said before the run: {selected}.",
        warning(shift.name, found, measure=shift.measure),
    )
    return Study(
        found,
        selected,
        tables(shift.name, found, measure=shift.measure, rule=rule, before=before, seed=seed),
        (picture(looks[0], found[selected].looks, method=selected, seed=seed),),
        tuple(filter(None, notes)),
    )


def tables(
    case: str, found: Mapping[Method, Adapted], *, measure: Measure, rule: Rule, before: float, seed: int
) -> dict[str, list[Row]]:
    """`domains` with a row per method and one for what the rule chose, and `rules` with what each would have chosen.

    In percent; `gap_closed` is the share of the way from the source alone to the target's own labels. The terms of
    Ben-David et al.'s bound (2010) stand beside each other: `risk`, the errors on the source of the network whose
    features are compared, + half the A-distance, and `target_error`; of character errors there is no such bound.

    Args:
        found: with `source_only`, if a gap is to be closed.
        measure: which errors these are.
        before: A-distance of the features that every method began with.
    """
    errors = {method: float(own.target.rows(system="")[0][measure]) for method, own in found.items()}
    low, high = errors.get("target_supervised"), errors.get("source_only")

    def row(own: Adapted, method: str, selected_by: str) -> Row:
        source, risk, target = (each.rows(system="")[0] for each in (own.source, own.risk, own.target))
        error = target[measure]
        return {
            "case": case,
            "method": method,
            "seed": seed,
            "measure": measure,
            "source_error": source[measure],
            "target_error": error,
            "target_low": target[f"{measure}_low"],
            "target_high": target[f"{measure}_high"],
            "target_examples": len(own.target.results),
            "selected_by": selected_by,
            "gap_closed": 100 * (high - error) / (high - low) if low is not None and high and high > low else None,
            "a_distance_before": before,
            "a_distance_after": own.a_distance,
            "risk": risk[measure],
            "bound": risk[measure] + 100 * own.a_distance / 2 if measure == "utterance_error" else None,
            "effective_size": own.effective_size,
            "cpu_seconds": own.seconds,
        }

    rows = [row(own, method, "") for method, own in found.items()]
    free = {method: error for method, error in errors.items() if method != "target_supervised"}
    own = chosen_by(rule, found, measure=measure)
    rows.append(row(found[own], "selected", f"{rule}: {own}"))
    best = min(free, key=lambda method: free[method])
    choices: list[tuple[str, Method]] = [
        *((each, chosen_by(each, found, measure=measure)) for each in RULES),
        ("oracle", best),
    ]
    rules = [
        {"case": case, "seed": seed, "rule": name, "chose": chosen, "target_error": errors[chosen],
         "regret": errors[chosen] - errors[best], "harm": errors[chosen] - high if high is not None else None}
        for name, chosen in choices
    ]  # fmt: skip
    return {"domains": rows, "rules": rules}


def warning(case: str, found: Mapping[Method, Adapted], *, measure: Measure) -> str:
    """Which methods made the target worse than the source alone left it; empty where none did."""
    if "source_only" not in found:
        return ""
    errors = {method: own.target.rows(system="")[0][measure] for method, own in found.items()}
    without = errors["source_only"]
    harmful = [f"{method} ({error:.1f} %)" for method, error in errors.items() if error > without]
    return f"{case}: worse than the source alone ({without:.1f} %): {', '.join(harmful)}" if harmful else ""
