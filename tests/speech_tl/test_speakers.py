"""A voice learned from a few clips: what moves, what does not, and the file that is left."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speech_tl import speakers
from speech_tl.data.batches import Examples, SpeechBatch
from speech_tl.data.preparation import Language, prepare
from speech_tl.errors import InputError
from speech_tl.models import changes, ctc, voices
from speech_tl.systems import Settings, untrained


@pytest.fixture(scope="module")
def language(tiny_speech: Path) -> Language:
    return prepare([str(tiny_speech)], languages=("fi",), sample_rates={"": 8000})["fi"]


@pytest.fixture(scope="module")
def model(language: Language) -> ctc.MultilingualCTC:
    data = {"fi": language, "sw": replace(language, code="sw")}
    return untrained(data, Settings(encoder="tiny", device="cpu"), seed=0).train(False)


@pytest.fixture(scope="module")
def enrolment(language: Language, model: ctc.MultilingualCTC) -> Examples:
    return language.examples(language.valid, model.units("fi"))


def scores(model: ctc.MultilingualCTC, enrolment: Examples, code: str = "fi") -> torch.Tensor:
    batch = enrolment.batch([0, 1])
    with torch.no_grad():
        return model.log_probabilities(batch.audio, batch.audio_lengths, code)[0]


@pytest.mark.parametrize("method", [each for each in speakers.METHODS if each not in ("unadapted", "lora")])
def test_a_voice_is_learned_saved_and_put_back(
    method: speakers.Method, model: ctc.MultilingualCTC, enrolment: Examples, tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adapted, made = speakers.adapt(model, enrolment, method=method, folder=tmp_path / "run", steps=4, device="cpu")
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    assert list(model.state_dict()) == list(before)
    changes.write(tmp_path / "voice.safetensors", made)
    again = voices.load(model, tmp_path / "voice.safetensors")
    said, ours = scores(again, enrolment), scores(adapted, enrolment)
    assert said.allclose(ours, atol=2e-3)
    if method != "warp":  # which may find that 1 is best
        assert not said.allclose(scores(model, enrolment), atol=2e-3)
    moved = {name.split(".body.layers.")[-1][:1] if ".body.layers." in name else name.split(".")[0]
             for name in made.tensors}  # fmt: skip
    assert moved == {
        "warp": set(),
        "lin": {"encoder"},
        "lhuc": {"encoder", "0", "1"},
        "input_layers": {"encoder", "0"},
        "input_layers_conservative": {"encoder", "0"},
        "output_layers": {"1", "heads"},
        "head": {"heads"},
    }.get(method, {"encoder", "0", "1", "heads"})
    assert not any(name.startswith("heads.sw") for name in made.tensors)


def test_lora_goes_through_peft(model: ctc.MultilingualCTC, enrolment: Examples, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="peft is not installed")
    adapted, made = speakers.adapt(model, enrolment, method="lora", folder=tmp_path / "run", steps=4, device="cpu")
    assert all("lora_" in name and ".layers.0." in name for name in made.tensors)
    changes.write(tmp_path / "voice.safetensors", made)
    again = voices.load(model, tmp_path / "voice.safetensors")
    assert scores(again, enrolment).allclose(scores(adapted, enrolment), atol=2e-3)


def test_unadapted_is_the_model_itself(model: ctc.MultilingualCTC, enrolment: Examples, tmp_path: Path) -> None:
    adapted, made = speakers.adapt(model, enrolment, method="unadapted", folder=tmp_path)
    assert (made.facts["trained_parameters"], dict(made.tensors)) == (0, {})
    assert scores(adapted, enrolment).equal(scores(model, enrolment))


def test_a_few_seconds_get_a_scale_per_bin(
    model: ctc.MultilingualCTC, language: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolment = language.examples(language.valid, model.units("fi"))
    monkeypatch.setattr(speakers, "SHORT", 1e6)
    _, short = speakers.adapt(model, enrolment, method="lin", folder=tmp_path / "short", steps=1, device="cpu")
    monkeypatch.setattr(speakers, "SHORT", 0.0)
    _, long = speakers.adapt(model, enrolment, method="lin", folder=tmp_path / "long", steps=1, device="cpu")
    assert [each.facts["trained_parameters"] for each in (short, long)] == [64 + 64, 64 * 64 + 64]


def test_the_old_opinion_weighs_less_the_more_is_heard() -> None:
    """0.5 at 5 s and 0.1 at 60 s; at √(5 · 60) s, half-way on a logarithmic scale, 0.3."""
    assert [speakers.rho(seconds) for seconds in (2, 5, 300**0.5, 60, 600)] == pytest.approx([0.5, 0.5, 0.3, 0.1, 0.1])


def test_a_file_of_another_checkpoint_is_refused(
    model: ctc.MultilingualCTC, language: Language, enrolment: Examples, tmp_path: Path
) -> None:
    _, made = speakers.adapt(model, enrolment, method="unadapted", folder=tmp_path)
    changes.write(tmp_path / "voice.safetensors", made)
    other = untrained({"fi": language}, Settings(encoder="tiny", device="cpu"), seed=1)
    with pytest.raises(InputError, match="was adapted from another checkpoint"):
        voices.load(other, tmp_path / "voice.safetensors")


def test_an_unknown_method_is_named(model: ctc.MultilingualCTC, enrolment: Examples, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown method 'lhucc'; did you mean 'lhuc'"):
        speakers.adapt(model, enrolment, method="lhucc", folder=tmp_path)  # type: ignore[arg-type]


def test_a_dry_run_says_which_weights_a_voice_moves(model: ctc.MultilingualCTC) -> None:
    def counts(method: speakers.Method, seconds: float) -> list[int]:
        lines = speakers.moving(model, "fi", method, seconds=seconds).splitlines()
        return [int(line.split()[1].replace(",", "")) for line in lines]

    bins = model.encoder.bins(model.sample_rate("fi"))
    assert counts("lin", 5)[0] == 2 * bins and counts("lin", 30)[0] == bins * (bins + 1), "a scale, then a matrix"
    assert [count > 0 for count in counts("input_layers", 5)] == [True, True, False, False]
    assert not any(counts("unadapted", 5))


def test_other_voices_are_gone_on_with(
    language: Language, model: ctc.MultilingualCTC, enrolment: Examples, tmp_path: Path
) -> None:
    """As many updates again, half of all on the others."""
    others = language.examples(language.train, model.units("fi"))
    seen: list[int] = []
    draw = Examples.batch

    def watched(self: Examples, indices: Sequence[int]) -> SpeechBatch:
        seen.append(len(self.clips))
        return draw(self, indices)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Examples, "batch", watched)
        with_them, _ = speakers.adapt(
            model, enrolment, method="full", folder=tmp_path / "b", old=others, steps=20, device="cpu"
        )
    without, _ = speakers.adapt(model, enrolment, method="full", folder=tmp_path / "a", steps=20, device="cpu")
    assert len(seen) == 40 and 10 < seen.count(len(others.clips)) < 30
    batch = others.batch(range(8))
    losses = [
        each.train(False).losses(batch.audio, batch.audio_lengths, "fi", targets=batch.targets,
                                 target_lengths=batch.target_lengths)["ctc"].item()
        for each in (with_them, without)
    ]  # fmt: skip
    assert losses[0] < losses[1]
