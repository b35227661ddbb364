"""A smaller recogniser for the same languages, that learns from a larger one what it would say.

The student has the teacher's heads and hears every language at the same rate; frames of both fall on each other, so
that the teacher's opinion of each frame can be its target beside the transcript (Hinton et al., 2015; for CTC Kurata &
Audhkhasi, 2018), or the way in which the teacher places clips against each other (Park et al., 2019). Both hear one and
the same variation of a clip, a new one in every update (Beyer et al., 2022).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from speech_tl.acoustics import mask
from speech_tl.data.batches import SpeechBatch
from speech_tl.data.preparation import Language
from speech_tl.errors import InputError, unknown_name
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.ctc_config import PHONE_HEAD, MultilingualCTCConfig
from speech_tl.models.encoder import from_size
from speech_tl.models.language_heads import runs_of
from speech_tl.systems import Settings, System, train
from speech_tl.training.loop import Plan
from speech_tl.training.run import Terms
from speech_tl.training.seeding import seed_everything
from speech_tl.transfer.conservative import clone
from speech_tl.transfer.distillation import relational, soft_targets

Method = Literal["alone", "soft_targets", "relational"]
METHODS: tuple[Method, ...] = get_args(Method)


def student(teacher: MultilingualCTC, size: str, *, seed: int, phones: bool = False) -> MultilingualCTC:
    """An untrained model of another size with the teacher's heads, rates and frames.

    Args:
        phones: with the head of all languages' sounds too, if the teacher has one.

    Raises:
        InputError: a size that there is not, or a teacher whose frames a model from scratch cannot have.
    """
    config = teacher.config
    if not config.from_scratch or config.older:
        raise InputError("this teacher was not trained from scratch as one column: its frames are not a student's")
    seed_everything(seed)
    encoder = from_size(size, subsampling=config.encoder["subsampling_factor"], dropout=config.encoder["dropout"])
    return MultilingualCTC(
        MultilingualCTCConfig(
            encoder=encoder,
            symbols={name: units for name, units in config.symbols.items() if phones or name != PHONE_HEAD},
            head_of=config.head_of,
            rate_of=config.rate_of,
            least_frames=config.least_frames,
            adapters=config.adapters,
            label_prior=config.label_prior,
            trained_words=config.trained_words,
            handicap=config.handicap,
            understudies=config.understudies,
            normalisers=config.normalisers,
            language=config.language,
        )
    )


def learn(
    teacher: MultilingualCTC,
    data: Mapping[str, Language],
    *,
    method: Method,
    size: str,
    settings: Settings,
    plan: Plan,
    folder: Path,
    seed: int,
    temperature: float = 2.0,
    weight: float = 1.0,
    resume: bool = False,
) -> System:
    """A student trained on the transcripts of `data`, alone or with the teacher beside them.

    Args:
        temperature: of the soft targets.
        weight: of what comes from the teacher, against 1 for the transcripts.

    Raises:
        InputError: a method that there is not, or as `student`.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    own = student(teacher, size, seed=seed, phones=any(language.pronunciations for language in data.values()))
    penalties = (
        None if method == "alone" else _taught(teacher, method, settings, temperature=temperature, weight=weight)
    )
    return train(
        method,
        own,
        data,
        settings=settings,
        plan=plan,
        folder=folder,
        seed=seed,
        penalties=penalties,
        resume=resume,
    )


def _taught(
    teacher: MultilingualCTC, method: Method, settings: Settings, *, temperature: float, weight: float
) -> Terms:
    """What the teacher adds to the loss."""
    still = clone(teacher)

    def terms(model: MultilingualCTC, batch: SpeechBatch, progress: float) -> dict[str, Tensor]:
        still.to(batch.audio.device)  # type: ignore[arg-type]
        augmentation = settings.augmentation if progress >= settings.augment_after else None
        rate = model.sample_rate(batch.languages[0])
        heard = model.encoder.features(batch.audio, batch.audio_lengths, rate, augmentation=augmentation)
        own, frames = model.hidden_of(*heard, batch.languages)
        with torch.no_grad():
            theirs, _ = still.hidden_of(*heard, batch.languages)
        if method == "soft_targets":
            each = [
                soft_targets(model.head(code)(own[-1][rows]), still.head(code)(theirs[-1][rows]), frames[rows],
                             temperature=temperature) * frames[rows].sum() / frames.sum()
                for code, rows in runs_of(batch.languages)
            ]  # fmt: skip
            return {"soft_targets": weight * torch.stack(each).sum()}
        if len(batch) < 2:
            return {"relational": 0 * own[-1].sum()}  # every process names the same losses
        return {"relational": weight * relational(*(_pooled(hidden[-1], frames) for hidden in (own, theirs)))}

    return terms


def _pooled(states: Tensor, frames: Tensor) -> Tensor:
    """(B, T, D), frames (B,) -> their mean over time, (B, D)."""
    return (states * mask(frames, states.shape[1])[..., None]).sum(1) / frames[:, None].clamp(min=1)
