"""Error tables by hand: every number here is a fraction of what was said."""

import math

import pytest

from speech_tl.results import Evaluation, compare, scored

Case = tuple[str, str, str]
"""Reference, hypothesis, speaker."""

CASES: list[Case] = [
    ("one", "one", "s1"),
    ("one", "on", "s2"),
    ("no one", "no one", "s1"),
    ("noon", "none", "s2"),
]


def evaluation(cases: list[Case], *, language: str = "aa") -> Evaluation:
    return Evaluation(
        tuple(
            scored(said, written, key=str(k), language=language, speaker=speaker)
            for k, (said, written, speaker) in enumerate(cases)
        )
    )


def test_rows_by_hand() -> None:
    """aa: 3 + 3 + 6 + 4 characters, errors 0 + 1 + 0 + 2; 5 words, 2 wrong; 2 of 4 utterances wrong."""
    both = evaluation(CASES) + evaluation([("two", "two", "s1")], language="bb")
    first, second = both.rows(system="shared_heads", train_seconds={"aa": 60.0})
    rates = ["cer", "cer_low", "cer_high", "wer"]
    utterance = ["utterance_error", "utterance_error_low", "utterance_error_high"]
    tail = ["utterances", "speakers", "train_seconds"]
    assert list(first) == list(second) == ["system", "language", *rates, *utterance, *tail]
    assert (first["system"], first["language"], first["train_seconds"]) == ("shared_heads", "aa", 60.0)
    assert first["cer"] == pytest.approx(100 * 3 / 16)
    assert first["cer_low"] <= first["cer"] <= first["cer_high"]
    assert first["wer"] == pytest.approx(100 * 2 / 5)
    assert first["utterance_error"] == 50
    assert first["utterance_error_low"] <= 50 <= first["utterance_error_high"]
    assert (first["utterances"], first["speakers"]) == (4, 2)
    assert (second["language"], second["cer"], second["utterance_error"]) == ("bb", 0, 0)


def test_every_speaker_is_shown_and_nothing_is_claimed_below_eight() -> None:
    few = evaluation(CASES)
    speakers = {row["speaker"]: row for row in few.speaker_rows(system="x")}
    assert speakers["s1"]["utterance_error"] == 0 and speakers["s2"]["utterance_error"] == 100
    (row,) = few.test_set_rows()
    assert "2 speakers" in row["note"] and "nothing is claimed about speakers at large" in row["note"]
    assert row["one_utterance"] == 25
    assert row["detectable_difference"] == pytest.approx(100 * 2.801585 * math.sqrt(0.5 / 4))
    many = evaluation([("one", "one", f"s{k}") for k in range(8)])
    assert many.test_set_rows()[0]["note"] == ""
    unnamed = evaluation([("one", "one", "")])
    assert (unnamed.rows(system="x")[0]["speakers"], unnamed.test_set_rows()[0]["note"][:7]) == (0, "unnamed")


def test_empty_references_alone_have_a_rate_and_no_interval() -> None:
    (row,) = evaluation([("", "uh", "s1")]).rows(system="x")
    assert (row["cer"], row["cer_low"], row["utterance_error"]) == (100, 100, 100)


def test_most_frequent_confusions() -> None:
    rows = evaluation([("one", "onn", "s"), ("one", "ono", "s"), ("one", "ono", "s")]).confusion_rows()
    characters = [row for row in rows if row["kind"] == "character"]
    assert (characters[0]["reference"], characters[0]["hypothesis"], characters[0]["count"]) == ("e", "o", 2)
    assert [row["hypothesis"] for row in rows if row["kind"] == "word"] == ["ono", "onn"]
    assert len(evaluation(CASES).confusion_rows(most=1)) == 2


def test_utterances_keep_both_texts() -> None:
    row = evaluation(CASES).utterance_rows()[3]
    assert (row["reference"], row["hypothesis"], row["cer"], row["feasible"]) == ("noon", "none", 50, True)


def test_only_some_languages() -> None:
    both = evaluation(CASES) + evaluation(CASES, language="bb")
    assert both.of(["bb"]) == evaluation(CASES, language="bb")


def test_two_systems_on_the_same_utterances() -> None:
    good = evaluation([("one", "one" if k else "no", "s") for k in range(20)])
    bad = evaluation([("one", "one" if k > 10 else "no", "s") for k in range(20)])
    (row,) = compare(good, bad)
    assert row["utterance_error_difference"] == pytest.approx(-50)
    assert row["utterance_error_difference_high"] < 0 and row["cer_difference_high"] < 0
    assert (row["wins"], row["losses"]) == (10, 0) and row["p"] == pytest.approx(2 / 1024)
    with pytest.raises(ValueError, match="19 of 20 utterances"):
        compare(good, Evaluation(bad.results[1:]))
