"""One recogniser from data to evaluation: the step that every speech recipe repeats, once.

A system is a model, the languages it hears and a plan. Monolingual baselines, the shared encoder with a head per
language and the union head are `untrained` and `train` with other arguments.
"""

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speech_tl.augmentation import AS_RECORDED, MILD, NEW_VOICES, Augmentation
from speech_tl.data.batches import SpeechBatch, SpeechBatches, frames_needed, name_infeasible, shuffled
from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language
from speech_tl.device import leads
from speech_tl.errors import InputError
from speech_tl.evaluate import Evaluation, check_heard_whole, evaluate
from speech_tl.models import ctc
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.models.encoder import SUBSAMPLINGS
from speech_tl.models.identification import calibrate, confusion_rows, head_scores
from speech_tl.phonology.sounds import PHONES
from speech_tl.phonology.units import Units
from speech_tl.results import Row
from speech_tl.torchaudio_shim import torchaudio
from speech_tl.training.loop import History, Plan, Terms, fit
from speech_tl.training.seeding import Streams, seed_everything

TOLD_APART = {"language_identification": "Share (%) of each language's test clips that is heard as each."}
"""What the table of `learn_to_tell_languages` shows."""
LONGEST_FILL = 1.0
"""Seconds up to which short clips are filled with silence."""
A_SENTENCE = 1.5
"""Seconds above which a clip is taken for more than a word."""


@dataclass(frozen=True)
class Settings:
    """What all systems of one comparison have in common."""

    encoder: str = "small"
    subsampling: int = 4
    least_frames: int = 0
    adapters: int = 0
    """Channels of the bottleneck that each language owns after every block; 0 for none."""
    label_prior: float = 0.0
    """How much of log p(unit) the heads' scores are lowered by (`language_heads.LanguageHead`)."""
    dropout: float = 0.1
    intermediate: float = 0.3
    """Weight of the CTC loss on the middle block: of phones where they are known, else of the language's symbols."""
    phones: float = 0.3
    """Weight of the CTC loss of phones on the last block, where they are known; the symbols have the rest."""
    augmentation: Augmentation = AS_RECORDED
    augment_after: float = 0.1
    """Share of the updates before which clips stay as recorded."""
    temperature: float = 2.0
    shares: Mapping[str, float] | None = None
    """Language -> how much of the draws it has, in the place of what temperature says."""
    batch_seconds: float = 32.0
    """Padded seconds of audio in a batch."""
    batch_clips: int = 16
    """Utterances in a batch: small ones, for many updates early."""
    draws: int = 1
    """How often a language is drawn for one batch, each time with its share of the utterances; more than once only
    where all languages have one sampling rate and all or none have phones."""
    device: str = "auto"


@dataclass(frozen=True)
class System:
    """A trained recogniser: the model of its best validation, and how it came about."""

    name: str
    model: ctc.MultilingualCTC
    history: History
    folder: Path

    @property
    def validation_error(self) -> float:
        """Character error (%) of the model that was kept, on the validation clips."""
        return 100.0 if self.history.best_score is None else self.history.best_score

    def test(self, data: Mapping[str, Language]) -> Evaluation:
        """Results on the test clips of the languages it knows."""
        known = [language for code, language in data.items() if code in self.model.languages]
        return sum((evaluate(self.model, d.test.utterances, d.test) for d in known), Evaluation(()))


def variation(clips: Iterable[Clips], *, after: float | None) -> tuple[Augmentation, float]:
    """How training clips are varied, and after which share of the updates.

    Single words are varied early and strongly. Where most clips last as long as a sentence does, a model takes much
    longer to find out which sound is which letter, as long again if it never hears the same thing twice: mildly, then,
    and in the second half.

    Args:
        clips: to train on.
        after: that share, where somebody says so: 0 is from the start, 1 never.

    Raises:
        InputError: it is no share.
    """
    if after is not None and not 0 <= after <= 1:
        raise InputError(f"--augment-after {after:g}: expected a share of updates, 0 (from the start) to 1 (never)")
    seconds = [samples / each.sample_rate for each in clips for samples in each.lengths]
    augmentation, usual = (NEW_VOICES, 0.1) if np.median(seconds) < A_SENTENCE else (MILD, 0.5)
    share = usual if after is None else after
    return augmentation if share < 1 else AS_RECORDED, share


def untrained(
    data: Mapping[str, Language], settings: Settings, *, seed: int, shared: tuple[str, Units] | None = None
) -> ctc.MultilingualCTC:
    """A model with a head per language, or with one head for all, of this name and these units.

    Raises:
        InputError: the encoder cannot be had, or a language has no clip that CTC could learn from.
    """
    seed_everything(seed)
    vocabularies = {code: language.units for code, language in data.items()}
    if shared is not None:
        vocabularies = dict([shared])
    if any(language.pronunciations for language in data.values()):
        vocabularies[PHONE_HEAD] = PHONES
    model = ctc.build(
        settings.encoder,
        vocabularies,
        head_of={code: shared[0] if shared else code for code in data},
        rate_of={code: language.train.sample_rate for code, language in data.items()},
        normalisers={code: language.normaliser.to_dict() for code, language in data.items()},
        subsampling=settings.subsampling,
        dropout=settings.dropout,
        least_frames=settings.least_frames,
        adapters=settings.adapters,
        label_prior=settings.label_prior,
    )
    for language in data.values():
        check_clips(language, model, speed=settings.augmentation.fastest)
    return model


def union_of(data: Mapping[str, Language]) -> tuple[str, Units]:
    """The head, and its units, that writes every symbol of every language: the control of a head for each."""
    return "union", Units.from_texts(symbol for own in data.values() for symbol in own.units.symbols[1:])


def train(
    name: str,
    model: ctc.MultilingualCTC,
    data: Mapping[str, Language],
    *,
    settings: Settings,
    plan: Plan,
    folder: Path,
    seed: int,
    rates: Mapping[str, float] | None = None,
    penalties: Terms | None = None,
    validated: bool = True,
    resume: bool = False,
) -> System:
    """Trains a model on the languages and keeps the best of its validations, or the last.

    The loss is CTC on the batch's own head; the language of a batch is drawn with temperature. What is kept is the
    model with the lowest character error on the validation clips.

    Args:
        rates: parameter name -> factor on the learning rate.
        penalties: further losses, named.
        validated: False keeps the last model, for one whose errors without a lexicon say little.
    """
    print(f"training {name} on {', '.join(data)} in {folder}", file=sys.stderr, flush=True)
    seed_everything(seed)
    streams = Streams(seed)
    batches = mixed_batches(data, model, settings, generator=streams.generator("batches"))

    def terms(model: ctc.MultilingualCTC, batch: SpeechBatch, progress: float) -> dict[str, Tensor]:
        losses = model.losses(
            batch.audio,
            batch.audio_lengths,
            batch.languages,
            targets=batch.targets,
            target_lengths=batch.target_lengths,
            phones=batch.phones,
            phone_lengths=batch.phone_lengths,
            augmentation=settings.augmentation if progress >= settings.augment_after else None,
            intermediate=settings.intermediate > 0,
        )
        weights = {"intermediate_ctc": settings.intermediate, "phone_ctc": settings.phones}
        weights = {name: weight for name, weight in weights.items() if name in losses}
        weights["ctc"] = 1 - sum(weights.values())
        weighted = {name: weights[name] * loss for name, loss in losses.items()}
        return {**weighted, **(penalties(model, batch, progress) if penalties else {})}

    history = fit(
        model,
        batches,
        terms,
        plan=plan,
        out=folder,
        streams=streams,
        validate=partial(_validation_error, data=data) if validated else None,
        on_best=lambda best: ctc.save(best, folder / "checkpoint"),
        rates=rates,
        resume=resume,
        device=settings.device,
    )
    best = ctc.load(folder / "checkpoint", device=str(next(model.parameters()).device))
    return System(name, best, history, folder)


def mixed_batches(
    data: Mapping[str, Language], model: ctc.MultilingualCTC, settings: Settings, *, generator: torch.Generator
) -> SpeechBatches:
    """The training clips in batches of several draws, where the languages can stand side by side in one.

    Raises:
        InputError: a batch has less than one draw, or a clip is longer than a whole batch.
    """
    check_batches(settings)
    if settings.draws < 1:
        raise InputError(f"--draws {settings.draws}: expected 1 (one language in a batch) or more")
    alike = len({(d.train.sample_rate, bool(d.pronunciations)) for d in data.values()}) == 1
    draws = max(1, min(settings.draws, settings.batch_clips)) if alike and len(data) > 1 else 1
    if settings.draws > 1 and not alike:
        print("sampling rates differ, or only some languages have phones: a batch is of one language", file=sys.stderr)
    examples = {code: language.examples(language.train, model.units(code)) for code, language in data.items()}
    return shuffled(
        examples,
        seconds=settings.batch_seconds,
        clips=settings.batch_clips,
        temperature=settings.temperature,
        generator=generator,
        draws=draws,
        shares=settings.shares,
    )


def check_batches(settings: Settings) -> None:
    """Refuses batches of no seconds, or of no end."""
    if not 0 < settings.batch_seconds < math.inf:
        raise InputError(f"--batch-seconds {settings.batch_seconds:g}: expected a number above 0")


def train_alone(
    code: str,
    language: Language,
    *,
    settings: Settings,
    plan: Plan,
    share: float,
    folder: Path,
    seed: int,
    resume: bool = False,
) -> System:
    """A monolingual baseline: the better, by validation, of `plan.steps` updates and of `share` times as many.

    The first is all that the shared model had, and stops early after ten validations without a better one. The second
    is what the shared model spent on this language, and takes all of it: a small language's few validation clips
    cannot tell when it should have stopped (recipes/LOG.md).
    """
    steps = plan.steps or 1
    budgets = (("equal_total", steps, 10), ("equal_share", max(1, round(share * steps)), 0))
    runs = [
        train(
            "monolingual",
            untrained({code: language}, settings, seed=seed),
            {code: language},
            settings=settings,
            plan=replace(plan, steps=updates, patience=patience),
            folder=folder / f"{code}_{kind}",
            seed=seed,
            resume=resume,
        )
        for kind, updates, patience in budgets
    ]
    return min(runs, key=lambda run: run.validation_error)


def _validation_error(model: ctc.MultilingualCTC, *, data: Mapping[str, Language]) -> float:
    """Character error on the clips kept back, averaged over languages in proportion to 1 / its standard error.

    That is √n for n clips: with equal weights the seven validation clips of a small language decide by chance which
    weights are kept (recipes/LOG.md). Not the clips' loss: it rises with confidence while errors still fall.
    """
    errors = {code: evaluate(model, d.valid.utterances, d.valid).cer for code, d in data.items()}
    weights = {code: math.sqrt(len(d.valid)) for code, d in data.items()}
    return sum(weights[code] * errors[code] for code in data) / sum(weights.values())


def learn_to_tell_languages(model: ctc.MultilingualCTC, data: Mapping[str, Language], checkpoint: Path) -> list[Row]:
    """Calibrates the heads on the validation clips, keeps that in the checkpoint, and confuses the test clips.

    Args:
        data: of every language of the model.
        checkpoint: the model's folder.

    Returns:
        A row per spoken language with the percentage heard as each; no rows where there is only one language.
    """
    if len(model.languages) < 2:
        return []
    rate = max(language.train.sample_rate for language in data.values())
    scores, spoken = {}, {}
    for part in ("valid", "test"):
        clips = {code: getattr(language, part) for code, language in data.items()}
        spoken[part] = [code for code, own in clips.items() for _ in range(len(own))]
        waveforms = [
            torchaudio.functional.resample(own[index], own.sample_rate, rate)
            for own in clips.values()
            for index in range(len(own))
        ]
        scores[part] = head_scores(model, waveforms, sample_rate=rate)
    calibration = calibrate(scores["valid"], spoken["valid"], languages=model.languages)
    model.config.calibration = calibration.to_dict()
    if leads():
        ctc.save(model, checkpoint)
    return confusion_rows(spoken["test"], calibration.predict(scores["test"]))


def fit_short_clips(data: Mapping[str, Language], subsampling: int, *, speed: float = 1.0) -> tuple[int, int, str]:
    """What is done about clips with hardly enough frames for CTC.

    A word needs room for a blank around every symbol, T ≥ 2S + 1: clips of up to `LONGEST_FILL` seconds that lack it
    are filled with silence. No clip can do with T < S + adjacent repeats: where more than one in twenty comes to that
    when played `speed` times as fast, the subsampling is halved.

    Returns:
        The subsampling, the frames (10 ms) that shorter clips are filled up to, and the sentence that says so.
    """
    clips = [
        (100 * samples / language.train.sample_rate, language.units.encode(utterance.text))  # before subsampling
        for language in data.values()
        for samples, utterance in zip(language.train.lengths, language.train.utterances, strict=True)
    ]
    room = [(frames, (2 * len(text) + 1) * subsampling) for frames, text in clips]
    short = [wanted for frames, wanted in room if frames < wanted <= 100 * LONGEST_FILL]
    fill = max(short, default=0)
    needed = [subsampling * frames_needed(text) for _, text in clips]
    cramped = sum(max(frames / speed, fill) < need for (frames, _), need in zip(clips, needed, strict=True))
    if subsampling // 2 in SUBSAMPLINGS and cramped > len(clips) / 20:
        half, fill, sentence = fit_short_clips(data, subsampling // 2, speed=speed)
        return (
            half,
            fill,
            f"{cramped} of {len(clips)} training clips are too fast for ÷{subsampling}: halved; {sentence}",
        )
    if not fill:
        return subsampling, 0, f"no clip is filled up; one frame out for {subsampling} of 10 ms"
    said = f"{len(short)} of {len(clips)} training clips have fewer than 2S+1 frames at ÷{subsampling}"
    return subsampling, fill, f"{said}: shorter clips are filled up to {fill / 100:.2f} s"


def check_clips(language: Language, model: ctc.MultilingualCTC, *, speed: float) -> None:
    """As `data.batches.name_infeasible`, for what a model that knows the language is to be trained on.

    Raises:
        InputError: also where a clip is too long to be validated or tested on.
    """
    for clips in (language.valid, language.test):
        for utterance, samples in zip(clips.utterances, clips.lengths, strict=True):
            check_heard_whole(utterance, samples / clips.sample_rate)
    examples = language.examples(language.train, model.units(language.code))
    name_infeasible(examples, partial(model.output_lengths, language=language.code), speed=speed)
