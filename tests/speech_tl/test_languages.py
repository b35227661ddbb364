"""One more language: a head of its own, the layers that a method names, and the others to the byte."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speech_tl import languages
from speech_tl.data.preparation import Language, prepare
from speech_tl.errors import InputError
from speech_tl.models import ctc
from speech_tl.phonology.units import Units
from speech_tl.systems import Settings, untrained
from speech_tl.training.loop import Plan

SETTINGS = Settings(encoder="tiny", device="cpu")
PLAN = Plan(steps=5, peak_rate=1e-3, warmup_steps=1, validate_every=5)


@pytest.fixture(scope="module")
def data(tiny_speech: Path) -> dict[str, Language]:
    return prepare([str(tiny_speech)], languages=("fi", "it"), sample_rates={"": 8000})


@pytest.fixture(scope="module")
def model(data: dict[str, Language]) -> ctc.MultilingualCTC:
    return untrained({"fi": data["fi"]}, SETTINGS, seed=0).train(False)


def learned(
    model: ctc.MultilingualCTC, data: dict[str, Language], method: languages.Method, folder: Path
) -> languages.Learned:
    return languages.learn(model, data["it"], method=method, settings=SETTINGS, plan=PLAN, folder=folder, seed=0)


@pytest.mark.parametrize("method", languages.METHODS)
def test_what_a_method_names_moves_and_nothing_else(
    method: languages.Method, model: ctc.MultilingualCTC, data: dict[str, Language], tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = learned(model, data, method, tmp_path)
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    after = found.model.state_dict()
    if method == "scratch":
        assert found.model.languages == ("it",)
        return
    if method == "progressive":
        assert all(value.equal(after[f"older.{name}"]) for name, value in before.items())
        assert sorted(found.model.languages) == ["fi", "it"]
        return
    moved = {
        name.split(".body.layers.")[-1][:1] if ".body.layers." in name else name.split(".")[0]
        for name, value in before.items()
        if not value.equal(after[name])
    }
    named = {"head": set(), "output_layers": {"1"}, "input_layers": {"encoder", "0"}}
    assert moved == named.get(method, {"encoder", "0", "1"})
    assert sorted(found.model.languages) == ["fi", "it"]
    assert after["heads.fi.weight"].equal(before["heads.fi.weight"])
    assert (tmp_path / "checkpoint" / "model.safetensors").is_file()


def test_an_isolated_head_changes_no_old_language(
    model: ctc.MultilingualCTC, data: dict[str, Language], tmp_path: Path
) -> None:
    found = learned(model, data, "head", tmp_path)
    head = found.model.heads["it"]
    assert found.trained_parameters == sum(weight.numel() for weight in head.parameters())
    audio, samples = data["fi"].test[0][None], torch.tensor([data["fi"].test.lengths[0]])
    with torch.no_grad():
        ours, before = (each.log_probabilities(audio, samples, "fi")[0] for each in (found.model, model))
    assert ours.equal(before)


@pytest.mark.parametrize("method", ["scratch", "head", "progressive"])
def test_a_seed_gives_one_result(
    method: languages.Method, model: ctc.MultilingualCTC, data: dict[str, Language], tmp_path: Path
) -> None:
    one, two = (learned(model, data, method, tmp_path / name).model.state_dict() for name in ("one", "two"))
    assert all(value.equal(two[name]) for name, value in one.items())


def test_recordings_without_a_ctc_path_are_refused(
    model: ctc.MultilingualCTC, data: dict[str, Language], tmp_path: Path
) -> None:
    long = replace(data["it"], train=copy.copy(data["it"].train))
    long.train.utterances = tuple(replace(each, text=50 * each.text) for each in data["it"].train.utterances)
    with pytest.raises(InputError, match=r"it: \d+ of \d+ clips have too few frames for their texts"):
        learned(model, {"it": long}, "head", tmp_path)


def test_a_dry_run_trains_nothing(model: ctc.MultilingualCTC, data: dict[str, Language]) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    lines = {m: languages.moving(model, data["it"], m).splitlines() for m in ("head", "full", "discriminative")}
    assert [line.split()[0] for line in lines["head"]][-1] == "head.it"
    assert [int(line.split()[1].replace(",", "")) > 0 for line in lines["head"]] == [False] * 3 + [True]
    assert all(line.split()[1] == line.split()[3] for line in lines["full"])
    assert lines["discriminative"][-2].endswith("at 0.5 times the rate")
    assert all(weight.equal(before[name]) for name, weight in model.state_dict().items())


def test_replay_goes_on_with_the_old_languages(
    model: ctc.MultilingualCTC, data: dict[str, Language], tmp_path: Path
) -> None:
    found = languages.learn(
        model, data["it"], method="full", settings=SETTINGS, plan=PLAN, folder=tmp_path, seed=0,
        old={"fi": data["fi"]},
        replay=0.5,
    )  # fmt: skip
    assert not found.model.state_dict()["heads.fi.weight"].equal(model.state_dict()["heads.fi.weight"])


@pytest.mark.parametrize("method", ["head", "full_conservative"])
def test_more_of_a_known_language_goes_on_with_its_head(
    method: languages.Method, data: dict[str, Language], tmp_path: Path
) -> None:
    two = untrained({"fi": data["fi"], "it": data["it"]}, SETTINGS, seed=0).train(False)
    old = two.units("it").symbols
    spelt = tuple(replace(each, text=f"ß{each.text}") for each in data["it"].train.utterances)
    more = replace(data["it"], units=Units.from_texts(u.text for u in spelt), train=copy.copy(data["it"].train))
    more.train.utterances = spelt
    found = languages.learn(two, more, method=method, settings=SETTINGS, plan=PLAN, folder=tmp_path, seed=0)
    assert found.model.units("it").symbols == (*old, "ß")
    assert found.model.languages == two.languages
    before, after = (each.state_dict()["heads.it.weight"] for each in (two, found.model))
    assert after.shape == (len(old) + 1, before.shape[1])
    # five steps of at most 1e-3 each: the old rows were gone on with, not drawn again
    assert 0 < float((after[: len(old)] - before).abs().max()) < 6e-3
    assert two.units("it").symbols == old


def test_a_column_for_a_language_that_is_known_and_a_method_that_is_not(
    model: ctc.MultilingualCTC, data: dict[str, Language], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="has a head 'fi' already, and needs no column for it"):
        languages.learn(model, data["fi"], method="progressive", settings=SETTINGS, plan=PLAN, folder=tmp_path, seed=0)
    with pytest.raises(InputError, match="unknown method 'fulll'; did you mean 'full'"):
        learned(model, data, "fulll", tmp_path)  # type: ignore[arg-type]
