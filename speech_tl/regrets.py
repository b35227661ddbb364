"""What rules that see no label of the target gave away, over the runs of `asr_` and `image_domain_adversarial`.

python -m speech_tl.regrets RUN [RUN ...]
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import tyro

from speech_tl.errors import InputError
from speech_tl.report import text
from speech_tl.results import Row
from speech_tl.training.config import command


@dataclass(frozen=True)
class Config:
    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs that are done."""


def main(config: Config) -> None:
    if not config.runs:
        raise InputError("no run is named: expected folders of asr_domain_adversarial or image_domain_adversarial")
    print(text(regrets([_rules(run) for run in config.runs])))


def regrets(runs: Sequence[Sequence[Mapping[str, object]]]) -> list[Row]:
    """A row for each rule, the least mean regret first.

    Regret is the points of error given away against the best method; a rule harms where it does worse than the source
    alone. A run that has not asked a rule counts for the others alone.

    Args:
        runs: of each the table `rules`.
    """
    found: dict[str, list[Mapping[str, object]]] = {}
    for rows in runs:
        for row in rows:
            found.setdefault(str(row["rule"]), []).append(row)
    table: list[Row] = []
    for rule, own in found.items():
        given = [float(str(row["regret"])) for row in own]
        harms = [row["harm"] for row in own if row["harm"] is not None]
        table.append(
            {
                "rule": rule,
                "runs": len(own),
                "mean_regret": fmean(given),
                "worst_regret": max(given),
                "best_chosen": sum(each == 0 for each in given),
                "harmed": sum(float(str(harm)) > 0 for harm in harms),
                "regrets": "; ".join(
                    f"{row['case']} {row['seed']}: {regret:.1f}" for row, regret in zip(own, given, strict=True)
                ),
            }
        )
    return sorted(table, key=lambda row: row["mean_regret"])


def _rules(run: Path) -> list[Mapping[str, object]]:
    try:
        rows: list[Mapping[str, object]] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["tables"][
            "rules"
        ]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{run} holds no finished study of domains ({type(error).__name__}: {error})") from None
    return rows


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
