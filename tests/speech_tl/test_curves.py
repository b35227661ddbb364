"""Both sides of a transfer, pooled over targets and paired with the model that was not adapted."""

from functools import partial

import matplotlib.figure
import pytest

from speech_tl.curves import Cell, advised, multipliers, pictures, tables
from speech_tl.results import Evaluation, scored, telling

of_words = partial(tables, measure=telling(words=True))


def heard(speaker: str, *right: bool) -> Evaluation:
    """An utterance `ja` for each, heard right or as something else."""
    return Evaluation(
        tuple(
            scored("ja", "ja" if each else "ei", key=f"{at}", language="fi", speaker=speaker)
            for at, each in enumerate(right)
        )
    )


def cell(target: str, method: str, after: Evaluation, source: Evaluation, *, amount: float = 5.0) -> Cell:
    known = heard("old", True, True)
    return Cell(
        "speaker",
        target,
        method,
        amount,
        0,
        after,
        known,
        source,
        trained_parameters=7,
        cpu_seconds=2.0,
        heard_seconds=4.5,
    )


KNOWN = heard("old", True, True)
CELLS = [
    cell("a", "unadapted", heard("a", False, False), KNOWN),
    cell("b", "unadapted", heard("b", True, False), KNOWN),
    cell("a", "head", heard("a", True, True), heard("old", True, False)),
    cell("b", "head", heard("b", True, False), heard("old", True, True)),
]


def test_targets_are_pooled_and_the_source_counts_once_for_each() -> None:
    """Unadapted 3 of 4 wrong, with the head 1 of 4; of the source 1 of 2 + 2 heard wrong afterwards, none before."""
    rows = {row["method"]: row for row in of_words(CELLS, base="unadapted")["curve"]}
    assert (rows["unadapted"]["target_error"], rows["head"]["target_error"]) == (75.0, 25.0)
    assert (rows["head"]["source_error_before"], rows["head"]["source_error_after"]) == (0.0, 25.0)
    assert (rows["head"]["trained_parameters"], rows["head"]["cpu_seconds"], rows["head"]["heard_seconds"]) == (
        7,
        2,
        4.5,
    )


def test_each_method_is_held_against_the_base_and_against_before() -> None:
    found = {row["side"]: row for row in of_words(CELLS, base="unadapted")["differences"]}
    assert found["target"]["utterance_error_difference"] == pytest.approx(-50.0)
    assert (found["target"]["wins"], found["target"]["losses"]) == (2, 0)
    assert found["source"]["utterance_error_difference"] == pytest.approx(25.0)
    alone = of_words(CELLS[2:], base="unadapted")["differences"]
    assert [row["side"] for row in alone] == ["source"], "nothing to hold the target against"


def test_what_was_recommended_is_first_or_not() -> None:
    """For a unadapted, 100 %, is not within reach of the head's 0 %; for b both have 50 %."""
    rows = of_words(CELLS, base="unadapted")["targets"]
    found = advised(rows, {("a", 5.0): "unadapted", ("b", 5.0): "unadapted"})
    assert [(row["target"], row["first_error"], row["within"]) for row in found] == [
        ("a", 0.0, False),
        ("b", 50.0, True),
    ]
    assert [row["first"] for row in advised(rows, {("a", 5.0): "head", ("b", 5.0): "lora"})] == ["head"], (
        "lora: not tried"
    )


def test_of_sentences_characters_are_counted() -> None:
    """`ja` and `sana`, written `jo` and `sana`: one of two utterances is wrong, one of six characters."""
    pairs = (("ja", "jo"), ("sana", "sana"))
    sentences = Evaluation(tuple(scored(*pair, key=pair[0], language="fi", speaker="a") for pair in pairs))
    cells = [cell("a", "unadapted", sentences, sentences)]
    (words,), (characters,) = (
        tables(cells, base="unadapted", measure=telling(words=told))["curve"] for told in (True, False)
    )
    assert (words["measure"], words["target_error"], words["source_error_after"]) == ("utterance_error", 50.0, 50.0)
    assert (characters["measure"], characters["target_error"]) == ("cer", pytest.approx(100 / 6))
    assert characters["source_error_after"] == pytest.approx(100 / 6)
    assert "Character error" in pictures([characters])[0].caption


def test_an_utterance_heard_after_every_target_is_still_one_utterance() -> None:
    """Two of the source, one of them worse after both targets: a draw of two with replacement may miss it twice."""
    worse = heard("old", True, False)
    several = [cell(target, "head", heard(target, True), worse) for target in "abcdefgh"]
    (found,) = (row for row in of_words(several, base="unadapted")["differences"] if row["side"] == "source")
    low, high = (found[f"utterance_error_difference_{end}"] for end in ("low", "high"))
    assert (found["utterance_error_difference"], low, high) == (50.0, 0.0, 100.0)
    assert (found["wins"], found["losses"]) == (0, 1)


def test_a_target_without_test_clips_has_no_error() -> None:
    nothing = Evaluation(())
    alone = Cell(
        "speaker",
        "a",
        "head",
        5.0,
        0,
        nothing,
        nothing,
        nothing,
        trained_parameters=7,
        cpu_seconds=1.0,
        heard_seconds=4.5,
    )
    (row,) = of_words([alone], base="unadapted")["curve"]
    assert (row["target_error"], row["source_error_after"]) == (None, None)
    assert [row["target"] for row in of_words(CELLS, base="unadapted")["targets"]] == ["a", "b", "a", "b"]


def test_how_many_times_as_much_data() -> None:
    """From scratch 80, 60, 20 % at 10, 40, 160 s: 40 % is half-way from 40 to 160 s on a logarithmic scale, 80 s.

    10 % is never reached, so that 160 s are too few; for 90 % the 10 s may be more than enough.
    """
    line = {10.0: 80.0, 40.0: 60.0, 160.0: 20.0}
    transferred = {10.0: 40.0, 40.0: 60.0, 160.0: 10.0, 5.0: 90.0}
    rows = [
        {"case": "language", "seed": 0, "method": method, "amount_seconds": amount, "target_error": error}
        for method, curve in (("scratch", line), ("full", transferred))
        for amount, error in curve.items()
    ]
    found = {row["amount_seconds"]: (row["multiplier"], row["bound"]) for row in multipliers(rows, base="scratch")}
    assert found == {
        10.0: (pytest.approx(8.0), ""),
        40.0: (pytest.approx(1.0), ""),
        160.0: (1.0, "lower"),
        5.0: (2.0, "upper"),
    }


def test_pictures_of_one_side_or_both() -> None:
    rows = of_words([*CELLS, cell("a", "head", heard("a", True, True), KNOWN, amount=10.0)], base="unadapted")["curve"]
    assert [figure.title for figure in pictures(rows)] == ["What the target gains", "Both sides"]
    assert len(pictures([{**row, "source_error_after": None} for row in rows])) == 1
    draw, canvas = pictures([*rows, *({**row, "case": "carried"} for row in rows)])[0].draw, matplotlib.figure.Figure()
    assert callable(draw)
    draw(canvas)
    told = [line.get_label() for line in canvas.axes[0].lines]
    assert told == [f"{method}, {case}" for case in ("speaker", "carried") for method in ("unadapted", "head")]
