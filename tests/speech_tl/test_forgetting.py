"""Errors of both tasks as rows, by hand."""

from speech_tl.forgetting import Learned, tables
from speech_tl.results import Evaluation, scored


def heard(right: int, wrong: int) -> Evaluation:
    said = ["no"] * wrong + ["yes"] * right
    return Evaluation(tuple(scored("yes", word, key=str(at), language="", speaker="") for at, word in enumerate(said)))


NOTHING = Evaluation(())


def test_rows_means_and_differences() -> None:
    found = [
        Learned("words", "scratch", 0, NOTHING, NOTHING, heard(2, 2), 100, 3.0),
        Learned("words", "full", 0, heard(4, 0), heard(3, 1), heard(3, 1), 100, 3.5),
        Learned("words", "scratch", 1, NOTHING, NOTHING, heard(4, 0), 100, 3.0),
        Learned("words", "full", 1, heard(3, 1), heard(1, 3), heard(2, 2), 100, 3.5),
    ]
    made = tables(found)
    scratch, full, *_ = made["second_task"]
    assert list(full) == [
        "case",
        "method",
        "seed",
        "first_error_before",
        "first_error_after",
        "second_error",
        "second_low",
        "second_high",
        "trained_parameters",
        "cpu_seconds",
    ]
    assert (scratch["first_error_before"], scratch["first_error_after"], scratch["second_error"]) == (None, None, 50)
    assert (full["first_error_before"], full["first_error_after"], full["second_error"]) == (0, 25, 25)
    assert full["second_low"] <= 25 <= full["second_high"]
    alone, tuned = made["seeds"]
    assert (alone["second_error"], alone["second_least"], alone["second_most"], alone["seeds"]) == (25, 0, 50, 2)
    assert alone["first_change"] is None
    assert (tuned["second_error"], tuned["second_least"], tuned["second_most"]) == (37.5, 25, 50)
    assert (tuned["first_change"], tuned["first_change_least"], tuned["first_change_most"]) == (37.5, 25, 50)
    points = {
        (row["seed"], row["task"]): (row["utterance_error_difference"], row["wins"], row["losses"])
        for row in made["differences"]
    }
    # against scratch of the same seed, and the first task against itself before: losses are items newly wrong
    assert points == {
        (0, "second"): (-25, 1, 0),
        (1, "second"): (50, 0, 2),
        (0, "first"): (25, 0, 1),
        (1, "first"): (50, 0, 2),
    }
    assert made["paths"] == []


def test_paths_that_share_modules() -> None:
    paths = frozenset({"a", "b", "c"}), frozenset({"b", "c", "d", "e"})
    own = Learned("words", "pathnet", 3, heard(1, 0), heard(1, 0), heard(1, 0), 1, 1.0, paths)
    assert tables([own])["paths"] == [{"case": "words", "seed": 3, "first": 3, "second": 4, "shared": 2}]
