"""Words outside the lexicon, refused by a confidence from right answers; every number worked by hand."""

from dataclasses import replace
from math import exp, isnan
from pathlib import Path

import pytest
import torch

from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language, prepare
from speech_tl.errors import InputError
from speech_tl.held_out_words import HeldOut
from speech_tl.models.lookup import threshold
from speech_tl.models.word_search import Heard
from speech_tl.phonology.lexicon import Lexicon
from speech_tl.phonology.spelling import Known
from speech_tl.phonology.units import Units
from speech_tl.rejection import absent, confidences, percentiles, rows
from speech_tl.unseen_words import Answers

PRESENT = Answers(
    said=("a", "b", "c", "a"),
    heard=((Heard("a", -2), Heard("b", -9)), (Heard("b", -4),), (Heard("c", -1.5),), (Heard("b", -1.1),)),
    frames=(10, 10, 10, 10),
)
"""c was never trained on; a and b are lowered by a nat in ten frames already. The last answer is wrong."""
ABSENT = replace(PRESENT, heard=((Heard("b", -6),), (Heard("c", -3),), (), ()))


def test_how_sure_of_each_best_word() -> None:
    """Of a and b as if they had not been lowered; c is raised by what they would be."""
    assert confidences(PRESENT, handicap=0.1) == pytest.approx([100 * exp(-at) for at in (0.1, 0.3, 0.05, 0.01)])
    assert confidences(ABSENT, handicap=0.1) == pytest.approx([100 * exp(-0.5), 100 * exp(-0.2), 0, 0])


def test_percentiles_of_right_answers() -> None:
    """74.08, 90.48 and 95.12; between them in proportion."""
    found = percentiles([PRESENT], handicap=0.1)
    assert (len(found), found[0], found[50], found[100]) == (101, 74.08, 90.48, 95.12)
    assert found[25] == pytest.approx((74.08 + 90.48) / 2, abs=0.01)
    assert percentiles([ABSENT], handicap=0.1) == []
    assert threshold(found, 12.5) == pytest.approx((3 * 74.08 + 90.48) / 4, abs=0.1)
    with pytest.raises(InputError, match="100 % of right answers to be lost: expected 0 or more and below 100"):
        threshold(found, 100)
    with pytest.raises(InputError, match="was not asked how sure it is of right words"):
        threshold([], 5)


def test_what_a_threshold_costs_and_lets_through() -> None:
    """72, 75 and 80 % for 2, 5 and 10: b's 74 is lost from the second on, and of four clips without their word one,
    with 82, is answered. Of twelve pairs of a right answer and such a clip the right one is surer in eleven."""
    found = rows(PRESENT, ABSENT, ["c"], [min(100, 70 + at) for at in range(101)], handicap=0.1)
    assert [(row["false_rejections"], row["least"]) for row in found] == [(2, 72), (5, 75), (10, 80)]
    assert [row["seen_rejected"] for row in found] == [0, 50, 50]
    assert {(row["unseen_rejected"], row["falsely_accepted"], row["clips"]) for row in found} == {(0, 25, 4)}
    assert found[0]["area"] == pytest.approx(100 * 11 / 12)
    assert isnan(rows(PRESENT, ABSENT, [], [50.0] * 101, handicap=0.1)[0]["unseen_rejected"]), "none is held out"


def test_a_clip_is_looked_up_without_its_word(tiny_speech: Path) -> None:
    """Frames that plainly say ab: without ab the next of three is ac, and a clip that is said to be ac is ab."""
    spoken: Language = prepare([str(tiny_speech)], languages=("fi",), sample_rates={"": 8000})["fi"]
    units, lexicon = Units(("<blank>", "a", "b", "c")), Lexicon({"ab": ("ab",), "ac": ("ac",), "cc": ("cc",)})
    said = torch.full((4, 4), -9.0)
    for at, unit in enumerate((0, 1, 0, 2)):
        said[at, unit] = 0.0
    clips = Clips.of(
        [replace(spoken.test.utterances[0], text=text) for text in ("ab", "ac")], [spoken.test[0]] * 2, 8000
    )
    trained = replace(spoken, train=Clips.of([replace(clips.utterances[0], text="ac")], [clips[0]], 8000))
    words = HeldOut({"fi": trained}, {"fi": {"ac": "ac"}}, {"fi": ("ab",)}, Known(units))
    found = absent([said.log_softmax(-1)] * 2, clips, lexicon, words, "fi", handicap=0.5)
    assert (found.said, found.best, found.frames) == (("ab", "ac"), ["ac", "ab"], (4, 4))
