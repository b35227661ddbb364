"""Raw scores of heads mislead; calibrated ones do not."""

import json

import numpy as np
import pytest
import torch

from speech_tl.models import ctc
from speech_tl.models.identification import (
    PER_HEAD,
    LanguageCalibration,
    calibrate,
    confusion_rows,
    head_scores,
)
from speech_tl.phonology.units import Units


def toy(languages: tuple[str, ...], n: int = 60, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """The first head is always surest; each head is 0.5 surer than usual on its own language."""
    generator = np.random.default_rng(seed)
    spoken = [languages[i % len(languages)] for i in range(n)]
    scores = 0.1 * generator.standard_normal((n, len(languages), PER_HEAD))
    for i, language in enumerate(spoken):
        scores[i, :, 0] -= 2.0 * np.arange(len(languages))
        scores[i, languages.index(language), 0] += 0.5
    return scores.reshape(n, -1), spoken


@pytest.mark.parametrize("languages", [("aa", "bb"), ("aa", "bb", "cc")])
def test_calibration_finds_what_raw_scores_hide(languages: tuple[str, ...]) -> None:
    scores, spoken = toy(languages)
    raw = [languages[k] for k in scores[:, ::PER_HEAD].argmax(1)]
    assert set(raw) == {"aa"}
    fitted = calibrate(scores, spoken, languages=languages)
    unseen, truth = toy(languages, seed=1)
    assert np.mean([a == b for a, b in zip(fitted.predict(unseen), truth, strict=True)]) > 0.95
    shares = fitted.probabilities(unseen)
    assert shares.sum(1) == pytest.approx(1.0) and (shares > 0).all()


@pytest.mark.parametrize("languages", [("aa", "bb"), ("aa", "bb", "cc")])
def test_probabilities_are_those_of_scikit_learn(languages: tuple[str, ...]) -> None:
    from sklearn.linear_model import LogisticRegression

    scores, spoken = toy(languages)
    standard = (scores - scores.mean(0)) / scores.std(0)
    theirs = LogisticRegression(class_weight="balanced", max_iter=2000).fit(standard, spoken)
    ours = calibrate(scores, spoken, languages=languages).probabilities(scores)
    assert ours == pytest.approx(theirs.predict_proba(standard), abs=1e-6)


def test_the_calibration_travels_in_the_checkpoint() -> None:
    model = ctc.build("tiny", {"aa": Units.from_texts(["ab"]), "bb": Units.from_texts(["cd"])})
    with pytest.raises(ValueError, match=r"not calibrated.*name one of aa, bb"):
        LanguageCalibration.of(model)
    fitted = calibrate(*toy(("aa", "bb")), languages=("aa", "bb"))
    model.config.calibration = json.loads(json.dumps(fitted.to_dict()))
    assert LanguageCalibration.of(model) == fitted
    model.config.calibration["languages"] = ["aa", "cc"]
    with pytest.raises(ValueError, match="calibrated for aa, cc but has heads for aa, bb"):
        LanguageCalibration.of(model)


def test_scores_of_a_batch_are_scores_of_each_clip_and_the_mode_is_restored() -> None:
    torch.manual_seed(0)
    model = ctc.build(
        "tiny",
        {"aa": Units.from_texts(["ab"]), "bb": Units.from_texts(["cd"])},
        rate_of={"aa": 16000, "bb": 8000},
    )
    clips = [0.1 * torch.randn(n) for n in (16000, 8000, 12000)]
    model.train()
    together = head_scores(model, clips, sample_rate=16000)
    assert model.training and together.shape == (3, 2 * PER_HEAD)
    alone = np.concatenate([head_scores(model, [clip], sample_rate=16000) for clip in clips])
    assert together == pytest.approx(alone, abs=1e-4)
    assert (together[:, 0] <= 0).all() and (together[:, 2] <= 1).all()


def test_every_language_needs_validation_clips() -> None:
    scores, spoken = toy(("aa", "bb"))
    with pytest.raises(ValueError, match="no validation clips of cc"):
        calibrate(scores, spoken, languages=("aa", "bb", "cc"))
    with pytest.raises(ValueError, match="the only language is aa"):
        calibrate(scores, ["aa"] * len(spoken), languages=("aa",))


def test_confusions_are_percent_of_the_spoken_language() -> None:
    rows = confusion_rows(["aa", "aa", "aa", "bb"], ["aa", "aa", "bb", "bb"])
    assert rows[0] == {"spoken": "aa", "clips": 3, "aa": pytest.approx(200 / 3), "bb": pytest.approx(100 / 3)}
    assert rows[1] == {"spoken": "bb", "clips": 1, "aa": 0, "bb": 100}
