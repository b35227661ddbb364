"""A student has its teacher's heads and frames, and learns what the teacher would say."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speech_tl import students
from speech_tl.augmentation import NEW_VOICES
from speech_tl.data.preparation import Language, prepare
from speech_tl.errors import InputError
from speech_tl.models import ctc
from speech_tl.models.growing import beside
from speech_tl.systems import Settings, untrained
from speech_tl.training.loop import Plan

SETTINGS = Settings(encoder="tiny", device="cpu")


@pytest.fixture(scope="module")
def data(tiny_speech: Path) -> dict[str, Language]:
    return prepare([str(tiny_speech)], languages=("fi", "it"), sample_rates={"": 8000})


@pytest.fixture(scope="module")
def teacher(data: dict[str, Language]) -> ctc.MultilingualCTC:
    return untrained(data, Settings(encoder="small", device="cpu"), seed=0).train(False)


def test_a_student_is_smaller_and_its_frames_are_the_teachers(teacher: ctc.MultilingualCTC) -> None:
    small = students.student(teacher, "tiny", seed=0)
    sizes = [sum(weight.numel() for weight in model.parameters()) for model in (teacher, small)]
    assert sizes[1] < sizes[0] / 3
    samples = torch.tensor([4000, 12345])
    assert small.output_lengths(samples, "fi").equal(teacher.output_lengths(samples, "fi"))
    assert small.languages == teacher.languages
    assert small.units("it") == teacher.units("it")
    with pytest.raises(InputError, match="not trained from scratch as one column"):
        students.student(beside(teacher, "sw", teacher.units("fi"), sample_rate=8000), "tiny", seed=0)
    with pytest.raises(InputError, match="unknown encoder size 'tinny'; did you mean 'tiny'"):
        students.student(teacher, "tinny", seed=0)


@pytest.mark.parametrize("method", students.METHODS)
def test_the_teacher_stands_beside_the_transcripts(
    method: students.Method, teacher: ctc.MultilingualCTC, data: dict[str, Language], tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    plan = Plan(steps=2, warmup_steps=1, validate_every=2, log_every=1)
    system = students.learn(
        teacher, data, method=method, size="tiny", settings=SETTINGS, plan=plan, folder=tmp_path, seed=0
    )
    assert all(value.equal(before[name]) for name, value in teacher.state_dict().items())
    expected = {"ctc", "intermediate_ctc"} | ({method} - {"alone"})
    assert expected <= system.history.losses[0].keys()
    assert not {"soft_targets", "relational"} - {method} & system.history.losses[0].keys()


def test_a_pupil_that_agrees_pays_nothing(teacher: ctc.MultilingualCTC, data: dict[str, Language]) -> None:
    language = data["fi"]
    batch = language.examples(language.train, teacher.units("fi")).batch([0, 1, 2])
    other = students.student(teacher, "tiny", seed=1).train(False)
    varied = replace(SETTINGS, augmentation=NEW_VOICES, augment_after=0.0)
    for method in ("soft_targets", "relational"):
        terms = students._taught(teacher, method, varied, temperature=2.0, weight=3.0)
        assert terms(teacher, batch, 0.0)[method].item() == pytest.approx(0, abs=1e-6)
        assert terms(other, batch, 0.0)[method].item() > 1e-3


def test_an_unknown_method_is_named(teacher: ctc.MultilingualCTC, data: dict[str, Language], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown method 'soft'"):
        students.learn(
            teacher, data, method="soft", size="tiny", settings=SETTINGS, plan=Plan(steps=1), folder=tmp_path, seed=0
        )  # type: ignore[call-overload]
