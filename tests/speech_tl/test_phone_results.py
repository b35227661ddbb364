"""Tables of what the heads made of the same words, by hand."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speech_tl.data.manifest import Utterance
from speech_tl.data.transcriptions import Words
from speech_tl.models import phone_heads
from speech_tl.phone_results import (
    Heard,
    constant_error,
    coverage_rows,
    covered,
    difference_rows,
    found_by_length,
    hear,
    phone_rows,
    word_rows,
)
from speech_tl.phonology.inventories import Inventory


def heard(language: str, said: str, written: str, found: str) -> Heard:
    return Heard(language, tuple(said), tuple(written), said, found, 4, 0.5)


ROWS = [heard("aa", "tad", "tat", "tad"), heard("aa", "da", "a", "tad"), heard("bb", "tata", "tata", "tata")]
"""1 of 3 phones wrong, 1 of 2, none of 4; 2 of the 3 words found."""
PERFECT = [heard(each.language, each.word, each.word, each.word) for each in ROWS]


def test_phone_errors_and_phones_never_trained_on() -> None:
    aa, best, *_, everything, _ = phone_rows({"phones": ROWS, "signatures": PERFECT}, ["t", "a"])
    assert (aa["language"], aa["head"], aa["per"], aa["utterances"]) == ("aa", "phones", pytest.approx(40), 2)
    assert (aa["unseen_phones"], aa["unseen_spoken"], aa["unseen_right"]) == (1, 2, 0), "d, twice, never written"
    assert (best["head"], best["per"], best["unseen_right"]) == ("signatures", 0, 100)
    assert (everything["language"], everything["per"]) == ("all", pytest.approx(200 / 9))
    assert everything["per_low"] <= everything["per"] <= everything["per_high"]


def test_words_against_chance() -> None:
    rows = word_rows({"phones": ROWS})
    assert [(row["language"], row["accuracy"], row["chance"], row["by_length"]) for row in rows] == [
        ("aa", 50, 25, 50),
        ("bb", 100, 25, 50),
        ("all", pytest.approx(200 / 3), 25, 50),
    ]


def test_words_by_nothing_but_their_length() -> None:
    """6 phones in 6 seconds: two words of one phone share a second, the third is the only one of 4 phones."""
    said = [("a",), ("o",), tuple("tata")]
    assert found_by_length(said, [1, 1, 4]) == [0.5, 0.5, 1]
    assert found_by_length(said, [4, 1, 1]) == [0, 0.5, 0]


def test_heads_are_compared_on_the_same_words() -> None:
    (row,) = difference_rows({"phones": ROWS, "signatures": PERFECT})
    assert (row["head"], row["against"]) == ("phones", "signatures")
    assert row["per_difference"] == pytest.approx(200 / 9) and row["accuracy_difference"] == pytest.approx(-100 / 3)
    (same,) = difference_rows({"phones": ROWS, "both": ROWS})
    assert same["per_difference_low"] == same["per_difference_high"] == 0


def test_one_phone_for_every_word() -> None:
    """[a], the most frequent, is right once in [tad] and once in [da]: 2 and 1 deletions of 5 phones."""
    assert constant_error([tuple("tad"), tuple("da")], [tuple("tata"), tuple("a")]) == ("a", pytest.approx(60))


def test_a_language_is_heard_by_every_head(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = phone_heads.build("tiny", ("a", "t"))
    noise, utterances = np.random.default_rng(0), []
    for text, samples in (("t a d", 16000), ("d a", 12000)):
        soundfile.write(tmp_path / f"{text}.wav", 0.1 * noise.standard_normal(samples), 16000)
        utterances.append(Utterance(str(tmp_path / f"{text}.wav"), text, "aa", "1"))
    language = Words("aa", tuple(utterances), Inventory.of("atd"))
    clips = language.clips(model.rate)
    found = hear(model, language, clips)
    assert list(found) == ["phones", "signatures", "both"] and model.training
    for own in found.values():
        assert [each.said for each in own] == [("t", "a", "d"), ("d", "a")]
        assert all(each.found in ("t a d", "d a") and each.lexicon_size == 2 for each in own)
    assert [each.found for each in hear(model, language, clips, heads=("both",), lexicon=False)["both"]] == ["", ""]
    assert coverage_rows("aa", covered(language, model.heads.phones)) == [
        {"language": "aa", "phone": "d", "times": 2, "nearest": "t", "distance": pytest.approx(1 / 24)}
    ]
