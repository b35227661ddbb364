"""Tables out of translations: what was asked, what some system wrote, and what stands in the reference.

Nothing here knows how a translation was made, so the direct way, the pivot, a bound and a copy of the source share
one table. A reader should see three things beside each BLEU: whether the text is in the right language, how wide the
interval is, and whether direct and pivot can be told apart (Koehn, 2004).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import mean
from typing import Any, Literal, TypeAlias

from nmt_zero_shot.corpus import Direction
from nmt_zero_shot.language_id import Identifier
from nmt_zero_shot.metrics import Outputs, Score, difference, exact_match, length_ratio, outputs, score, signatures

CAPTIONS = {
    "bleu": "BLEU of every direction, from the language of the row, direct; each test set by itself.",
    "pairs": "Every direction: BLEU with its 95 % interval, chrF, translations that are the reference word for word, "
    "and the shares (%) that are in another language, copies or empty.",
    "summary": "Means over the supervised and the zero-shot directions, direct and by way of the hub.",
    "differences": "BLEU by which direct translation is ahead of the pivot and of the other systems, paired, with 95 % "
    "intervals.",
    "mean_differences": "The same over all directions of a kind.",
    "no_references": "Test sets without references: lengths beside the source's, and the way back in chrF.",
    "signatures": "How sacreBLEU computed the scores.",
}
"""What the tables of `Evaluation.tables` show."""

Kind: TypeAlias = Literal["supervised", "zero_shot"]
Row: TypeAlias = dict[str, Any]
RATES = ("off_target", "copies", "empty")
"""Of `metrics.Outputs`, in percent: a system that writes nothing is never off target."""
DIRECT, PIVOT, COPY = "direct", "pivot", "copy"
"""The system that is asked about, the same one by way of the hub, and no translation at all."""


@dataclass(frozen=True)
class Result:
    """One system's translations of one test set in one direction."""

    test: str
    direction: Direction
    kind: Kind
    system: str
    sources: tuple[str, ...]
    hypotheses: tuple[str, ...]
    references: tuple[str, ...]
    """Nothing where the test set has none."""
    back: tuple[str, ...]
    """Without references: the same system's translations back into the source language."""
    outputs: Outputs | None
    """Nothing where the identifier does not know the target language."""
    score: Score | None


def judged(
    hypotheses: Sequence[str],
    sources: Sequence[str],
    *,
    test: str,
    direction: Direction,
    learned: bool,
    system: str,
    identify: Identifier | None,
    references: Sequence[str] = (),
    back: Sequence[str] = (),
) -> Result:
    """How texts were translated in one direction.

    Args:
        learned: whether the direction was trained on.
    """
    target = direction[1]
    knows = identify is not None and target in identify.languages
    return Result(
        test,
        direction,
        "supervised" if learned else "zero_shot",
        system,
        tuple(sources),
        tuple(hypotheses),
        tuple(references),
        tuple(back),
        outputs(hypotheses, sources, target=target, identify=identify) if identify and knows else None,
        score(hypotheses, references, target) if references else None,
    )


@dataclass(frozen=True)
class Evaluation:
    """Results of any systems, tests and directions; `+` joins them."""

    results: tuple[Result, ...]

    def __add__(self, other: "Evaluation") -> "Evaluation":
        return Evaluation(self.results + other.results)

    def tables(self) -> dict[str, list[Row]]:
        """Every table by its name; those without a row are left out."""
        found = {
            "bleu": self.matrix_rows(),
            "pairs": self.pair_rows(),
            "summary": self.summary_rows(),
            "differences": self.difference_rows(),
            "mean_differences": self.mean_difference_rows(),
            "no_references": self.unreferenced_rows(),
            "signatures": self.signature_rows(),
        }
        return {name: rows for name, rows in found.items() if rows}

    def pair_rows(self) -> list[Row]:
        """A row for each test, direction and system; scores from 0 to 100, rates in percent."""
        rows = []
        for result in self.results:
            if result.score:
                interval = result.score.interval()
                scores = {"bleu": interval.mean, "bleu_low": interval.low, "bleu_high": interval.high}
                scores |= {"chrf": result.score.chrf, "exact": exact_match(result.hypotheses, result.references)}
                rows.append({**_head(result), **scores, **_rates(result)})
        return rows

    def unreferenced_rows(self) -> list[Row]:
        """Of test sets without references: the language, the length beside the source's, and the way back in chrF."""
        rows = []
        for result in self.results:
            if not result.score:
                ways = {"length_ratio": length_ratio(result.hypotheses, result.sources)}
                ways["round_trip_chrf"] = score(result.back, result.sources, result.direction[0]).chrf
                rows.append({**_head(result), **ways, **_rates(result)})
        return rows

    def matrix_rows(self) -> list[Row]:
        """The matrix of direct BLEU: a row for each test and source language, a column for each target."""
        found = {(r.test, *r.direction): r.score.bleu for r in self.results if r.score and r.system == DIRECT}
        targets = sorted({target for _, _, target in found})
        lines = dict.fromkeys((test, source) for test, source, _ in found)
        return [
            {"test": test, "source": source, **{target: found.get((test, source, target)) for target in targets}}
            for test, source in lines
        ]

    def difference_rows(self) -> list[Row]:
        """direct - another system in BLEU for each direction that both translated; apart where 0 is outside."""
        rows = []
        for against in self._rivals():
            for a, b in self._compared(against):
                gap = difference([(_score(a), _score(b))])
                told = {"difference": gap.mean, "low": gap.low, "high": gap.high, "apart": not gap.low <= 0 <= gap.high}
                rows.append({**_head(a), "against": against, **told})
        return rows

    def mean_difference_rows(self) -> list[Row]:
        """The same, averaged over the directions of a test and kind, their sentences resampled together."""
        rows = []
        for against in self._rivals():
            pairs = sorted(self._compared(against), key=lambda pair: _group(pair[0]))
            for (test, kind, _), group in groupby(pairs, key=lambda pair: _group(pair[0])):
                own = list(group)
                gap = difference([(_score(a), _score(b)) for a, b in own])
                told = {"directions": len(own), "difference": gap.mean, "low": gap.low, "high": gap.high}
                rows.append({"test": test, "kind": kind, "system": DIRECT, "against": against, **told})
        return rows

    def summary_rows(self) -> list[Row]:
        """Means over the directions of each test, kind and system."""
        rows = []
        with_score = [result for result in self.results if result.score]
        for key, group in groupby(sorted(with_score, key=_group), key=_group):
            own = list(group)
            row = {**dict(zip(("test", "kind", "system"), key, strict=True)), "directions": len(own)}
            row |= {"bleu": mean(_score(r).bleu for r in own), "chrf": mean(_score(r).chrf for r in own)}
            told = [r.outputs.rates() for r in own if r.outputs]
            rows.append({**row, **{name: mean(each[name] for each in told) if told else None for name in RATES}})
        return rows

    def signature_rows(self) -> list[Row]:
        """sacreBLEU's signatures for each target language."""
        targets = sorted({result.direction[1] for result in self.results if result.score})
        return [{"target": target, **signatures(target)} for target in targets]

    def sentence_rows(self) -> list[Row]:
        """Every sentence with its translations by all systems, for reading."""
        rows: dict[tuple[str, Direction, int], Row] = {}
        for result in self.results:
            for i, (text, written) in enumerate(zip(result.sources, result.hypotheses, strict=True)):
                head = {"test": result.test, "source": result.direction[0], "target": result.direction[1], "text": text}
                row = rows.setdefault((result.test, result.direction, i), head)
                if result.references:
                    row["reference"] = result.references[i]
                row[result.system] = written
        return list(rows.values())

    def _rivals(self) -> list[str]:
        """Every system beside the direct one but the copy, which is a floor."""
        return [name for name in dict.fromkeys(r.system for r in self.results) if name not in (DIRECT, COPY)]

    def _compared(self, against: str) -> list[tuple[Result, Result]]:
        others = {(r.test, r.direction): r for r in self.results if r.system == against and r.score}
        own = [r for r in self.results if r.system == DIRECT and r.score]
        return [(r, others[r.test, r.direction]) for r in own if (r.test, r.direction) in others]


def _score(result: Result) -> Score:
    assert result.score is not None
    return result.score


def _group(result: Result) -> tuple[str, str, str]:
    return result.test, result.kind, result.system


def _head(result: Result) -> Row:
    source, target = result.direction
    return {"test": result.test, "source": source, "target": target, "kind": result.kind, "system": result.system}


def _rates(result: Result) -> Row:
    known = result.outputs.rates() if result.outputs else dict.fromkeys(RATES)
    heard_as = result.outputs.heard_as if result.outputs else None
    return {**known, "heard_as": heard_as, "sentences": len(result.sources)}
