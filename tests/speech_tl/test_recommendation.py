"""The four scenarios, and a distance that is measured."""

from pathlib import Path

import pytest

from speech_tl import languages, speakers
from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language, prepare
from speech_tl.recommendation import distance, for_language, for_voice
from speech_tl.systems import Settings, untrained


@pytest.mark.parametrize(
    ("seconds", "far", "scenario", "method"),
    [
        (5, 0.5, "little data, similar", "unadapted"),
        (15, 0.5, "little data, similar", "input_layers_conservative"),
        (15, 1.9, "little data, dissimilar", "input_layers_conservative"),
        (30, None, "much data, similar", "input_layers_conservative"),
        (30, 1.9, "much data, dissimilar", "input_layers"),
        (300, 0.5, "much data, similar", "input_layers_conservative"),
    ],
)
def test_a_voice(seconds: float, far: float | None, scenario: str, method: str) -> None:
    advice = for_voice(seconds, far)
    assert (advice.scenario, advice.method) == (scenario, method)
    assert method in speakers.METHODS
    assert str(advice).startswith(
        f"{scenario} (distance {'not measured' if far is None else f'{far} of 2'}): {method},"
    )


def test_beside_the_old_voices_the_input_layers_are_free() -> None:
    assert {for_voice(seconds, far, replay=True).method for seconds in (2, 30, 300) for far in (0.5, 1.9, None)} == {
        "input_layers"
    }
    assert for_voice(2, 0.5, replay=True, covered=2 / 40).method == "unadapted"


@pytest.mark.parametrize(
    ("seconds", "far", "scenario", "method"),
    [
        (60, 0.5, "little data, similar", "full"),
        (60, 1.9, "little data, dissimilar", "full"),
        (600, 0.5, "much data, similar", "full"),
        (600, 1.9, "much data, dissimilar", "full"),
    ],
)
def test_a_language(seconds: float, far: float | None, scenario: str, method: str) -> None:
    advice = for_language(seconds, far)
    assert (advice.scenario, advice.method) == (scenario, method)
    assert method in languages.METHODS


def test_sentences_want_more_than_words() -> None:
    """A new head alone up to ten minutes, which costs the others nothing."""
    assert [for_language(seconds, 0.5, words=False).method for seconds in (120, 300, 1200)] == ["head", "head", "full"]
    assert for_language(300, 0.5, words=False, known=True).method == "full"
    assert "to the bit" in for_language(120, None, words=False).expect


def test_the_distance_is_measured(tiny_speech: Path) -> None:
    data = prepare([str(tiny_speech)], languages=("fi", "sw"), sample_rates={"": 8000})
    model = untrained(data, Settings(encoder="tiny", adapters=4, device="cpu"), seed=0)

    def voice(language: Language, speaker: str) -> Clips:
        return Clips([u for u in language.train.utterances if u.speaker == speaker], 8000)

    first, *_, last = sorted({u.speaker for u in data["fi"].train.utterances})
    itself = distance(model, voice(data["fi"], first), voice(data["fi"], first))
    other = distance(model, voice(data["fi"], first), voice(data["fi"], last))
    assert itself is not None and other is not None
    assert itself < 0.5 < other <= 2
    assert distance(model, data["fi"].train, Clips(data["sw"].train.utterances[:1], 8000)) is None
