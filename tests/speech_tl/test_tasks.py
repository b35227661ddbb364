"""Tasks that differ in one thing: words, or voices."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speech_tl.data.preparation import Language, prepare
from speech_tl.errors import InputError
from speech_tl.images import Pictures
from speech_tl.tasks import halves, picture_halves, quarter

WORDS = ("yksi", "kaksi", "kolme", "viisi")


@pytest.fixture(scope="module")
def language(tiny_speech: Path) -> Language:
    """Every speaker says the words in turn."""
    made = prepare([str(tiny_speech)], languages=("fi",), sample_rates={"": 8000})["fi"]
    for part in (made.train, made.test):
        part.utterances = tuple(replace(u, text=WORDS[at % 4]) for at, u in enumerate(part.utterances))
    return made


def test_halves_are_drawn_by_seed() -> None:
    names = [f"name{at}" for at in range(9)]
    ours, theirs = halves(names, 0)
    assert (len(ours), len(theirs)) == (4, 5)
    assert ours | theirs == set(names) and not ours & theirs
    assert halves(names, 0) == (ours, theirs) != halves(names, 1)
    with pytest.raises(InputError, match="only cannot be halved"):
        halves(["only"], 0)


def test_half_of_the_classes_of_which_none_is_tested() -> None:
    train, test = (Pictures(np.zeros((len(own), 1, 4, 4), np.uint8), tuple(own)) for own in ("abcd", "a"))
    with pytest.raises(InputError, match=r"no test pictures of .*: a half of the classes needs some"):
        picture_halves({"train": train, "test": test}, seed=0)


def test_quarters_share_what_they_should(language: Language) -> None:
    mine, words, voices = (
        quarter(language, seed=0),
        quarter(language, seed=0, other_words=True),
        quarter(language, seed=0, other_voices=True),
    )

    def said(part: Language) -> set[str]:
        return {u.text for u in part.train.utterances}

    def speakers(part: Language) -> set[str]:
        return {u.speaker for u in part.train.utterances}

    assert speakers(mine) == speakers(words) and not said(mine) & said(words)
    assert said(mine) == said(voices) and not speakers(mine) & speakers(voices)
    assert {u.speaker for u in mine.test.utterances} == {u.speaker for u in language.test.utterances}
    assert {u.text for u in mine.test.utterances} <= said(mine)
    few = quarter(language, seed=0, most=2)
    assert len(few.train) == 2 and few.test.utterances == mine.test.utterances
    assert mine.units == words.units, "one head fits both"
