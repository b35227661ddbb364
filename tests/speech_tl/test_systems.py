"""What a recipe trains: short clips, infeasible ones, and that a head belongs to its language."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from speech_tl.augmentation import AS_RECORDED, MILD, NEW_VOICES, Augmentation
from speech_tl.baselines import _mfcc, fixed_features, mfcc_ridge
from speech_tl.data.manifest import Utterance
from speech_tl.data.preparation import Language, by_language, prepare
from speech_tl.errors import InputError
from speech_tl.evaluate import evaluate
from speech_tl.flags import check_phones
from speech_tl.models import ctc
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.phonology.sounds import PHONES
from speech_tl.phonology.units import Units
from speech_tl.systems import Settings, fit_short_clips, learn_to_tell_languages, train, untrained, variation
from speech_tl.training.loop import Plan

SETTINGS = Settings(encoder="tiny", device="cpu", augmentation=Augmentation(warp=0.1))


@pytest.fixture(scope="session")
def data(tiny_speech: Path) -> dict[str, Language]:
    return prepare([str(tiny_speech)], languages=("fi", "it"), sample_rates={"": 8000})


def test_prepared_languages_share_no_speaker_and_no_text(data: dict[str, Language]) -> None:
    for language in data.values():
        speakers = [{u.speaker for u in part} for part in (language.split.train, language.split.test)]
        texts = [{u.text for u in part} for part in (language.split.train, language.split.test)]
        assert not speakers[0] & speakers[1]
        assert not texts[0] & texts[1]
        assert [len(language.test[i]) for i in range(3)] == language.test.lengths[:3]
        assert "unseen speakers" in language.description


def test_numbers_by_language() -> None:
    assert by_language(("lit=4", "8"), int, flag="--train-speakers") == {"lit": 4, "": 8}
    with pytest.raises(InputError, match=r"--train-speakers got 'lit=x'; expected a number, or LANGUAGE=NUMBER"):
        by_language(("lit=x",), int, flag="--train-speakers")
    with pytest.raises(InputError, match="above 0"):
        by_language(("0",), int, flag="--train-speakers")


def test_prepare_names_what_it_does_not_know(tiny_speech: Path) -> None:
    with pytest.raises(InputError, match=r"unknown language 'fin'.*did you mean 'fi'"):
        prepare([str(tiny_speech)], languages=("fin",))


def shortened(language: Language, milliseconds: int) -> Language:
    """The same texts, but every training clip cut to one length."""
    clips = language.train
    cut = milliseconds * clips.sample_rate // 1000

    class Cut:
        utterances = clips.utterances
        sample_rate = clips.sample_rate
        lengths = [cut] * len(clips)

        def __len__(self) -> int:
            return len(clips)

        def __getitem__(self, index: int) -> torch.Tensor:
            return clips[index][:cut]

    return replace(language, train=Cut())  # type: ignore[arg-type]


def test_short_clips_are_filled_up_or_the_subsampling_is_halved(data: dict[str, Language]) -> None:
    language = shortened(data["fi"], 100)  # 10 frames of 10 ms

    def spoken(text: str) -> dict[str, Language]:
        language.train.utterances = (replace(data["fi"].train.utterances[0], text=text),) * len(language.train)
        return {"fi": language}

    subsampling, least, sentence = fit_short_clips(spoken("ei"), 4)  # S = 2: (2·2 + 1) · 4 = 20 frames are wanted
    assert (subsampling, least) == (4, 20)
    assert "fewer than 2S+1 frames at ÷4: shorter clips are filled up to 0.20 s" in sentence
    long = "ei" * 7  # S = 14: 116 frames are more than a second, so nothing is filled, and 14 > 10 / 4 frames
    subsampling, least, sentence = fit_short_clips(spoken(long), 4)
    assert (subsampling, least) == (2, 58)  # (2·14 + 1) · 2 fit into a second
    assert "too fast for ÷4: halved" in sentence
    assert fit_short_clips(spoken("a"), 2) == (2, 0, "no clip is filled up; one frame out for 2 of 10 ms")


def test_a_language_without_a_feasible_clip_is_refused(data: dict[str, Language]) -> None:
    settings = Settings(encoder="tiny", device="cpu")
    untrained({"fi": data["fi"]}, settings, seed=0)
    with pytest.raises(InputError, match=r"fi: \d+ of \d+ clips have too few frames.*check the transcripts"):
        untrained({"fi": shortened(data["fi"], 30)}, settings, seed=0)


def test_a_trained_system_and_the_wrong_head(data: dict[str, Language], tmp_path: Path) -> None:
    one = {"fi": data["fi"], "it": data["it"]}
    plan = Plan(steps=150, peak_rate=3e-3, warmup_steps=20, validate_every=75)
    system = train(
        "shared_heads", untrained(one, SETTINGS, seed=1), one, settings=SETTINGS, plan=plan, folder=tmp_path, seed=1
    )
    losses = [row["loss"] for row in system.history.losses]
    assert losses[-1] < 0.7 * losses[0]
    assert (tmp_path / "checkpoint" / "model.safetensors").is_file()
    rows = system.test(one).rows(system="shared_heads")
    assert [row["language"] for row in rows] == ["fi", "it"]
    finnish = data["fi"].test
    right = system.model.losses(**batch(data["fi"], "fi", system.model))["ctc"]
    wrong = system.model.losses(**batch(data["fi"], "it", system.model))["ctc"]
    assert right < wrong, "another language's head must score worse"
    assert len(evaluate(system.model, finnish.utterances, finnish).results) == len(finnish)
    confusion = learn_to_tell_languages(system.model, one, system.folder / "checkpoint")
    assert [row["spoken"] for row in confusion] == ["fi", "it"]
    assert ctc.load(tmp_path).config.calibration["languages"] == ["fi", "it"]


def test_words_are_varied_more_and_earlier_than_sentences() -> None:
    """By the median second of all training clips, whatever language they are in and however often texts recur."""
    short, long = (SimpleNamespace(sample_rate=10, lengths=n) for n in ([9, 10, 12], [28, 90]))

    def found(*data: Any, after: float | None = None) -> tuple[Augmentation, float]:
        return variation(data, after=after)

    assert found(short) == found(short, long) == (NEW_VOICES, 0.1)
    assert found(long) == found(short, long, long) == (MILD, 0.5)
    assert found(long, after=0.0) == (MILD, 0.0)
    assert found(short, after=1.0) == (AS_RECORDED, 1.0)
    with pytest.raises(InputError, match=r"--augment-after 1\.5: expected a share of updates"):
        found(short, after=1.5)


def test_clips_are_varied_after_their_share_of_the_updates(
    data: dict[str, Language], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eight updates the first two are on clips as recorded."""
    one, varied = {"fi": data["fi"]}, Augmentation.__call__
    calls: list[int] = []

    def counted(self: Augmentation, *arguments: Any) -> Any:
        calls.append(1)
        return varied(self, *arguments)

    monkeypatch.setattr(Augmentation, "__call__", counted)
    plan = Plan(steps=8, warmup_steps=1, validate_every=8)
    late = replace(SETTINGS, augment_after=0.25)
    train("late", untrained(one, late, seed=1), one, settings=late, plan=plan, folder=tmp_path, seed=1)
    assert len(calls) == 6


def test_a_batch_hears_as_many_languages_as_are_drawn(
    data: dict[str, Language], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen utterances in four draws of four, each of either language."""
    heard, losses = [], ctc.MultilingualCTC.losses

    def noted(self: ctc.MultilingualCTC, audio: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        heard.append(arguments[1])
        return losses(self, audio, *arguments, **named)

    monkeypatch.setattr(ctc.MultilingualCTC, "losses", noted)
    plan = Plan(steps=12, warmup_steps=1, validate_every=12)
    mixed = replace(SETTINGS, draws=4, adapters=4)
    train("mixed", untrained(data, mixed, seed=1), data, settings=mixed, plan=plan, folder=tmp_path, seed=1)
    assert all(4 <= len(languages) <= 16 for languages in heard)
    assert sum(len(set(languages)) == 2 for languages in heard) > 6, "of 12, 1/8 by chance of one language"
    model, none = untrained(data, mixed, seed=1), replace(mixed, draws=0)
    with pytest.raises(InputError, match=r"--draws 0: expected 1 \(one language in a batch\) or more"):
        train("none", model, data, settings=none, plan=plan, folder=tmp_path, seed=1)
    with pytest.raises(InputError, match=r"--adapters -1: expected a number of channels"):
        untrained(data, replace(SETTINGS, adapters=-1), seed=1)


def test_input_layers_differ_where_the_rates_do(tiny_speech: Path, tmp_path: Path) -> None:
    rates = {"": 8000, "it": 16000}
    data = prepare([str(tiny_speech)], languages=("fi", "it"), sample_rates=rates)
    plan = Plan(steps=2, warmup_steps=1, validate_every=2)
    system = train(
        "shared_heads", untrained(data, SETTINGS, seed=1), data, settings=SETTINGS, plan=plan, folder=tmp_path, seed=1
    )
    assert sorted(system.model.encoder.body.subsampling) == ["64", "80"], "mel bins of 8 kHz and of 16 kHz"
    assert len(learn_to_tell_languages(system.model, data, system.folder / "checkpoint")) == 2
    with pytest.raises(InputError, match="no input layer for a sampling rate of 11025 Hz; expected 16000 or 8000"):
        ctc.build("tiny", {"fi": data["fi"].units}, rate_of={"fi": 11025})


def batch(language: Language, head: str, model: ctc.MultilingualCTC) -> dict[str, object]:
    """The test clips of one language as the head of another would have to write them: symbols both know."""
    known = set(model.units("fi").symbols) & set(model.units("it").symbols)
    texts = ["".join(s for s in u.text if s in known) for u in language.test.utterances]
    own = replace(language, test=language.test)
    targets = [model.units(head).encode(text) for text in texts]
    audio = torch.nn.utils.rnn.pad_sequence([own.test[i] for i in range(len(texts))], batch_first=True)
    return {
        "audio": audio,
        "samples": torch.tensor(own.test.lengths),
        "languages": head,
        "targets": torch.nn.utils.rnn.pad_sequence([torch.tensor(t) for t in targets], batch_first=True),
        "target_lengths": torch.tensor([len(t) for t in targets]),
    }


def test_ridges_tell_a_low_tone_from_a_high_one(data: dict[str, Language]) -> None:
    """On MFCC, and on what an untrained network makes of the tones."""
    generator = torch.Generator().manual_seed(0)

    def tone(hertz: float) -> torch.Tensor:
        noise = 0.1 * torch.randn(4000, generator=generator)
        return torch.sin(2 * torch.pi * hertz * torch.arange(4000) / 8000) + noise

    class Tones:
        sample_rate = 8000

        def __init__(self, *low_high: tuple[str, float]) -> None:
            self.clips = [tone(hertz) for _, hertz in low_high]
            self.utterances = [
                Utterance(f"{at}.wav", word, "fi", "a", name=f"{at}") for at, (word, _) in enumerate(low_high)
            ]

        def __len__(self) -> int:
            return len(self.clips)

        def __getitem__(self, index: int) -> torch.Tensor:
            return self.clips[index]

    many = [("low", 300.0), ("high", 2000.0)] * 7
    finnish = data["fi"]
    words = replace(
        finnish,
        split=replace(finnish.split, task="words"),
        train=Tones(*many),  # type: ignore[arg-type]
        valid=Tones(*many[:2]),  # type: ignore[arg-type]
        test=Tones(("low", 320.0), ("high", 1900.0)),  # type: ignore[arg-type]
    )
    untrained_model = untrained({"it": data["it"]}, SETTINGS, seed=0)
    for evaluation in (mfcc_ridge({"fi": words}), fixed_features(untrained_model, words, rate=8000)):
        assert [result.hypothesis for result in evaluation.results] == ["low", "high"]
    assert untrained_model.training, "as it was"
    assert not mfcc_ridge(data).results, "sentences have no word classifier"
    assert _mfcc(8000)(torch.zeros(240)).shape[0] == 40, "a slip of a boundary is 30 ms"


def test_phones_need_a_head_for_the_sounds_of_all_languages() -> None:
    words = Units.from_texts(["ja"])
    for sounds, told in (({}, "without phones"), ({PHONE_HEAD: words}, "on sounds of its own")):
        model = ctc.build("tiny", {"fi": words, **sounds}, rate_of={"fi": 8000})
        check_phones((), model, where=Path("run"))
        with pytest.raises(InputError, match=f"--phones fi=ipa: run was trained {told}"):
            check_phones(("fi=ipa",), model, where=Path("run"))
    check_phones(("fi=ipa",), ctc.build("tiny", {"fi": words, PHONE_HEAD: PHONES}), where=Path("run"))
