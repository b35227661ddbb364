"""Error tables out of pairs of texts: what was said, what some system wrote, and who spoke.

Nothing here knows how the text was written, so a network, a lookup and another toolkit share one
table and one paired comparison. Everything is in percent or percentage points.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from speech_tl import statistics
from speech_tl.metrics import Errors, character_errors, confusions, tidy, utterance_errors, word_errors

CAPTIONS = {
    "error_rates": "Errors (%) of each system on the test clips; low and high are a 95 % interval that resamples "
    "speakers, then their utterances; of fewer than 8 speakers the utterances alone.",
    "differences": "Points by which the first system errs more than the other on the same clips, with their 95 % "
    "interval: it is better where high is below 0. The sign test (p) counts the clips that only one of them gets "
    "entirely right.",
    "test_sets": "What a test set can tell: the points that one utterance counts, and the least difference that so "
    "many utterances find four times out of five.",
    "speakers": "Errors (%) of every test speaker.",
}
"""What the tables of `tables` show."""

Row = dict[str, Any]
K = TypeVar("K")

Measure = Literal["utterance_error", "cer"]
COUNTED: Mapping[Measure, str] = {"utterance_error": "Utterance error", "cer": "Character error"}


def telling(*, words: bool) -> Measure:
    """What tells systems apart: whole words where they are isolated, characters in sentences.

    Of sentences nearly every one is wrong somewhere as long as there is little data.
    """
    return "utterance_error" if words else "cer"


FEW = "{} speakers: each is shown, utterances are resampled, and nothing is claimed about speakers at large"


@dataclass(frozen=True)
class Result:
    """What one utterance was, what was written, and the errors between."""

    key: str
    language: str
    speaker: str
    reference: str
    hypothesis: str
    feasible: bool
    """Whether the clip has frames enough for its text."""
    unknown: tuple[str, ...]
    """Symbols of the reference that the head cannot write."""
    characters: Errors
    words: Errors
    utterance: Errors


def scored(
    reference: str,
    hypothesis: str,
    *,
    key: str,
    language: str,
    speaker: str,
    feasible: bool = True,
    unknown: tuple[str, ...] = (),
) -> Result:
    """One utterance with its errors counted; both texts are normalised already."""
    return Result(
        key,
        language,
        speaker,
        tidy(reference),
        hypothesis,
        feasible,
        unknown,
        character_errors(reference, hypothesis),
        word_errors(reference, hypothesis),
        utterance_errors(reference, hypothesis),
    )


@dataclass(frozen=True)
class Evaluation:
    """The results of one system; `+` joins those of several languages."""

    results: tuple[Result, ...]

    def __add__(self, other: "Evaluation") -> "Evaluation":
        return Evaluation(self.results + other.results)

    @property
    def cer(self) -> float:
        """Character error over all results, percent."""
        return sum((result.characters for result in self.results), Errors()).rate

    def of(self, languages: Collection[str]) -> "Evaluation":
        """The results in these languages."""
        return Evaluation(tuple(result for result in self.results if result.language in languages))

    def by_language(self) -> dict[str, list[Result]]:
        return grouped(self.results, lambda result: result.language)

    def rows(self, *, system: str, train_seconds: Mapping[str, float] | None = None) -> list[Row]:
        """The table `error_rates`: a row per language, with the seconds of training it took where that is said."""
        return [
            {"system": system, **_rates(results), "train_seconds": (train_seconds or {}).get(language)}
            for language, results in self.by_language().items()
        ]

    def speaker_rows(self, *, system: str) -> list[Row]:
        """A row per language and speaker; the intervals resample that speaker's utterances."""
        speakers = grouped(self.results, lambda result: (result.language, result.speaker))
        return [{"system": system, **_rates(speakers[key]), "speaker": key[1]} for key in sorted(speakers)]

    def test_set_rows(self) -> list[Row]:
        """What each language's test set is and can show."""
        rows = []
        for language, results in self.by_language().items():
            wrong = sum((result.utterance for result in results), Errors()).rate
            speakers = _speakers(results)
            unknown = Counter(symbol for result in results for symbol in result.unknown)
            few = speakers < statistics.FEWEST_SPEAKERS
            rows.append(
                {
                    "language": language,
                    "utterances": len(results),
                    "speakers": speakers,
                    "one_utterance": 100 / len(results),
                    "detectable_difference": statistics.detectable_difference(len(results), wrong),
                    "infeasible": sum(not result.feasible for result in results),
                    "unknown_symbols": " ".join(f"{symbol!r}×{n}" for symbol, n in unknown.most_common()),
                    "note": FEW.format(speakers or "unnamed") if few else "",
                }
            )
        return rows

    def confusion_rows(self, *, most: int = 10) -> list[Row]:
        """The most frequent confusions by language; an empty side is a deletion or an insertion."""
        rows = []
        for language, results in self.by_language().items():
            pairs = [(tidy(result.reference), tidy(result.hypothesis)) for result in results]
            counts = {
                "character": confusions(pairs),
                "word": confusions((said.split(), written.split()) for said, written in pairs),
            }
            rows += [
                {"language": language, "kind": kind, "reference": said, "hypothesis": written, "count": count}
                for kind, counter in counts.items()
                for (said, written), count in counter.most_common(most)
            ]
        return rows

    def utterance_rows(self) -> list[Row]:
        """What was said and what was written, utterance by utterance."""
        return [
            {
                "key": result.key,
                "language": result.language,
                "speaker": result.speaker,
                "reference": result.reference,
                "hypothesis": result.hypothesis,
                "cer": result.characters.rate,
                "feasible": result.feasible,
            }
            for result in self.results
        ]


def classified(labels: Sequence[str], said: Sequence[str], *, speakers: Sequence[str] = ()) -> Evaluation:
    """Examples of classes, and the classes that were said of them: an error is a wrong class."""
    rows = enumerate(zip(labels, said, speakers or [""] * len(labels), strict=True))
    return Evaluation(
        tuple(scored(label, word, key=str(at), language="", speaker=speaker) for at, (label, word, speaker) in rows)
    )


def tables(
    results: Mapping[str, Evaluation], *, main: str, train_seconds: Mapping[str, Mapping[str, float]]
) -> dict[str, list[Row]]:
    """What a comparison of systems on the same test clips leaves behind.

    Args:
        results: system -> its results, in the order of the tables.
        main: the system whose speakers are shown and that every other is held against.
        train_seconds: system -> language -> CPU-seconds of training; wall seconds on a GPU.
    """
    rows = [
        row
        for name, result in results.items()
        for row in result.rows(system=name, train_seconds=train_seconds.get(name))
    ]
    differences = [
        {"system": main, "against": name, **row}
        for name, result in results.items()
        if name != main
        for row in compare(results[main].of(result.by_language()), result)
    ]
    return {
        "error_rates": rows,
        "differences": differences,
        "test_sets": results[main].test_set_rows(),
        "speakers": results[main].speaker_rows(system=main),
    }


def compare(a: Evaluation, b: Evaluation) -> list[Row]:
    """a - b in points by language, on the same utterances: a is better where `..._high` is below 0."""
    theirs = {(result.language, result.key): result for result in b.results}
    rows = []
    for language, own in a.by_language().items():
        other = [theirs[language, result.key] for result in own if (language, result.key) in theirs]
        if len(other) != len(own):
            raise ValueError(f"{language}: {len(other)} of {len(own)} utterances are in both evaluations")
        speakers = [result.speaker for result in own]
        row: Row = {"language": language}
        for name, pick in (("cer", _characters), ("utterance_error", _utterance)):
            difference = statistics.paired_bootstrap(
                speakers,
                [pick(result).count for result in own],
                [pick(result).count for result in other],
                [pick(result).length for result in own],
            )
            row |= {f"{name}_difference": difference.mean, f"{name}_difference_low": difference.low}
            row |= {f"{name}_difference_high": difference.high}
        gains = [y.utterance.count - x.utterance.count for x, y in zip(own, other, strict=True)]
        wins, losses = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
        rows.append(row | {"wins": wins, "losses": losses, "p": statistics.sign_test(wins, losses)})
    return rows


def _characters(result: Result) -> Errors:
    return result.characters


def _utterance(result: Result) -> Errors:
    return result.utterance


def _rates(results: Sequence[Result]) -> Row:
    words = sum((result.words for result in results), Errors())
    cer, utterance = _interval(results, _characters), _interval(results, _utterance)
    return {
        "language": results[0].language,
        "cer": cer.mean,
        "cer_low": cer.low,
        "cer_high": cer.high,
        "wer": words.rate,
        "utterance_error": utterance.mean,
        "utterance_error_low": utterance.low,
        "utterance_error_high": utterance.high,
        "utterances": len(results),
        "speakers": _speakers(results),
    }


def _interval(results: Sequence[Result], pick: Callable[[Result], Errors]) -> statistics.Interval:
    errors = [pick(result) for result in results]
    total = sum(errors, Errors())
    if not total.length:  # nothing but empty references
        return statistics.Interval(total.rate, total.rate, total.rate)
    speakers = [result.speaker for result in results]
    return statistics.bootstrap(speakers, [e.count for e in errors], [e.length for e in errors])


def _speakers(results: Sequence[Result]) -> int:
    return len({result.speaker for result in results} - {""})


def grouped(items: Sequence[Any], key: Callable[[Any], K]) -> dict[K, list[Any]]:
    groups: dict[K, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
