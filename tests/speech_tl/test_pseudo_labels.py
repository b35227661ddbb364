"""A model's own transcripts are used where it is sure, and only there."""

from math import log
from pathlib import Path

import pytest
import torch

from speech_tl.data.preparation import Language, prepare
from speech_tl.errors import InputError
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.pseudo_labels import pseudo_labelled
from speech_tl.systems import Settings, untrained


@pytest.fixture(scope="module")
def language(tiny_speech: Path) -> Language:
    return prepare([str(tiny_speech)], languages=("fi",), sample_rates={"": 8000})["fi"]


@pytest.fixture
def model(language: Language) -> MultilingualCTC:
    """Writes nothing but the first symbol, with the probability 9/10 in every frame, whatever it hears."""
    built = untrained({"fi": language}, Settings(encoder="tiny", device="cpu"), seed=0)
    head = built.heads["fi"]
    units = head.get_parameter("bias").shape[0]
    with torch.no_grad():
        head.get_parameter("weight").zero_()
        head.get_parameter("bias").zero_()
        head.get_parameter("bias")[1] = log(9 * (units - 1))
    return built


def test_sure_clips_are_kept_with_what_was_heard(model: MultilingualCTC, language: Language) -> None:
    examples = pseudo_labelled(model, language.valid, "fi", least=89.9)
    assert examples.clips.utterances == language.valid.utterances
    assert set(examples.targets) == {(1,)}
    assert examples.clips[0].equal(language.valid[0])
    assert model.training, "as it was"


def test_below_the_bar_nothing_is_learned(model: MultilingualCTC, language: Language) -> None:
    with pytest.raises(InputError, match=r"not one of \d+ clips .* confidence of 90.1 % \(the highest: 90 %\)"):
        pseudo_labelled(model, language.valid, "fi", least=90.1)
    with pytest.raises(InputError, match="a confidence of 101: expected a percentage"):
        pseudo_labelled(model, language.valid, "fi", least=101)


def test_clips_in_which_nothing_is_heard_teach_nothing(model: MultilingualCTC, language: Language) -> None:
    with torch.no_grad():
        model.heads["fi"].get_parameter("bias")[0] = 20.0
    with pytest.raises(InputError, match="the highest: 100 %"):
        pseudo_labelled(model, language.valid, "fi", least=0)
