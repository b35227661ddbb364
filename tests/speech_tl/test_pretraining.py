"""An encoder that hears first and reads later: what is drawn, what is learned, and that no text is looked at."""

from collections.abc import Mapping
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
import torch
from torch import Tensor

from speech_tl import pretraining
from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language, prepare
from speech_tl.errors import InputError
from speech_tl.models import ctc
from speech_tl.phonology.units import Units
from speech_tl.pretraining import MaskedPrediction, Pretrained, few_labels, pretrain
from speech_tl.systems import Settings, train, untrained
from speech_tl.training.loop import Plan

SETTINGS = Settings(encoder="tiny", dropout=0.0, batch_clips=4, device="cpu")
MINUTES = 0.15


@pytest.fixture(scope="module")
def whole(tiny_speech: Path) -> Language:
    return prepare([str(tiny_speech)], languages=("fi",), sample_rates={"": 8000})["fi"]


def started(
    model: ctc.MultilingualCTC, whole: Language, folder: Path, *, steps: int, every: int = 3, resume: bool = False
) -> Pretrained:
    plan = Plan(steps=steps, peak_rate=3e-3, warmup_steps=3, validate_every=every, log_every=3, average=0.9)
    task = MaskedPrediction(model, "fi", codebook=32, share=0.4, seed=0)
    return pretrain(task, whole.train, whole.valid, settings=SETTINGS, plan=plan, folder=folder, seed=0, resume=resume)


def fresh(language: Language) -> ctc.MultilingualCTC:
    return untrained({"fi": language}, SETTINGS, seed=0)


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(value.equal(other[name]) for name, value in one.items())


def test_the_labelled_minutes_are_those_that_prepare_draws(whole: Language, tiny_speech: Path) -> None:
    few = few_labels(whole, minutes=MINUTES, seed=0)
    alone = prepare([str(tiny_speech)], languages=("fi",), sample_rates={"": 8000}, train_minutes={"": MINUTES})["fi"]
    assert [u.key for u in few.train.utterances] == [u.key for u in alone.train.utterances]
    assert few.units == alone.units and few.train.lengths == alone.train.lengths
    assert 0 < len(few.train) < len(whole.train) and few.train.hours <= MINUTES / 60
    assert few.test is whole.test


@pytest.mark.parametrize(("subsampling", "least"), [(2, 0), (4, 30), (8, 0)])
def test_a_code_for_every_frame_out(subsampling: int, least: int) -> None:
    units = {"fi": Units.from_texts(["a"])}
    model = ctc.build("tiny", units, rate_of={"fi": 8000}, subsampling=subsampling, least_frames=least)
    task = MaskedPrediction(model, "fi", codebook=8, share=0.4, seed=0)
    for frames in range(1, 18):
        logits, codes, masked = task(torch.randn(2, 80 * frames), torch.tensor([80 * frames, 40 * frames]))
        assert logits.shape[:2] == codes.shape == masked.shape


def test_codes_know_neither_masks_nor_padding(whole: Language) -> None:
    task = MaskedPrediction(fresh(whole), "fi", codebook=32, share=0.4, seed=0).train(False)
    clip = whole.train[0][None]
    longer = torch.nn.functional.pad(clip, (0, 8000))
    (first, codes, masks), (_, again, others), (_, padded, _) = (
        task(audio, torch.tensor([clip.shape[1]])) for audio in (clip, clip, longer)
    )
    assert codes.equal(again) and codes.equal(padded) and not masks.equal(others)
    assert len(codes.unique()) > 8, "cepstra spread over the codebook"
    assert first.shape[2] == 32


def test_what_was_masked_is_found_and_the_heads_wait(whole: Language, tmp_path: Path) -> None:
    model = fresh(whole)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start = started(model, whole, tmp_path, steps=24, every=12)
    losses = [row["loss"] for row in start.history.losses]
    assert losses[-1] < losses[0] - 0.2
    assert start.loss == start.history.best_score, "what is left in the model is what validated best"
    assert start.loss < log(32) - 0.3 and start.accuracy > 2 * 100 / 32
    assert 0 < start.guess < log(32)
    after = model.state_dict()
    assert {name.split(".")[0] for name in after if not after[name].equal(before[name])} == {"encoder"}


def test_a_start_that_was_stopped_goes_on_as_if_it_had_not(
    whole: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms, calls, once = pretraining._terms, [], fresh(whole)
    straight = started(once, whole, tmp_path / "once", steps=6)

    def stopped(*arguments: object) -> dict[str, Tensor]:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return terms(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pretraining, "_terms", stopped)
    with pytest.raises(KeyboardInterrupt):
        started(fresh(whole), whole, tmp_path / "twice", steps=6)
    twice = fresh(whole)
    resumed = started(twice, whole, tmp_path / "twice", steps=6, resume=True)
    assert len(calls) == 5 + 3, "from the third update, where it was saved"
    assert same(once.state_dict(), twice.state_dict())
    assert replace(resumed.history, train_seconds=0.0) == replace(straight.history, train_seconds=0.0)


def test_no_text_is_read_but_those_of_the_labelled_minutes(whole: Language, tmp_path: Path) -> None:
    known = {u.key for u in few_labels(whole, minutes=MINUTES, seed=0).train.utterances}
    rubbish = [u if u.key in known else replace(u, text="§" * at) for at, u in enumerate(whole.train.utterances)]
    assert sum("§" in u.text for u in rubbish) > 3
    spoilt = replace(whole, train=Clips(rubbish, whole.train.sample_rate))
    weights = []
    for at, language in enumerate((whole, spoilt)):
        few = few_labels(language, minutes=MINUTES, seed=0)
        model = fresh(few)
        started(model, language, tmp_path / f"{at}" / "start", steps=3)
        plan = Plan(steps=3, validate_every=3)
        system = train("few", model, {"fi": few}, settings=SETTINGS, plan=plan, folder=tmp_path / f"{at}", seed=0)
        weights.append(system.model.state_dict())
    assert same(*weights)


def test_what_cannot_be_started_is_refused(whole: Language) -> None:
    model = fresh(whole)
    for codebook, share in ((1, 0.4), (32, 0.0), (32, 1.0)):
        with pytest.raises(
            InputError, match=rf"a codebook of {codebook}, a share of {share:g} masked: expected 2 codes"
        ):
            MaskedPrediction(model, "fi", codebook=codebook, share=share, seed=0)
    model.config.from_scratch = False
    with pytest.raises(InputError, match="a pretrained parakeet_encoder has had its start already"):
        MaskedPrediction(model, "fi", codebook=32, share=0.4, seed=0)
