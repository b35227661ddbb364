"""Languages that were never trained on, heard phone by phone with nothing but their inventory.

All other languages train one encoder with the heads of `speech_tl.models.phone_heads`; the softmax is over the
inventory of the batch's own language, as it will be for a language that was not there.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from speech_tl.data.batches import Examples, SpeechBatch, name_infeasible, shuffled
from speech_tl.data.splits import draw
from speech_tl.data.transcriptions import Words
from speech_tl.errors import InputError, unknown_name
from speech_tl.metrics import Errors
from speech_tl.models import phone_heads
from speech_tl.models.phone_heads import Head, PhoneRecogniser
from speech_tl.phone_results import hear
from speech_tl.systems import Settings, check_batches
from speech_tl.training.loop import Plan, fit
from speech_tl.training.seeding import Streams, seed_everything

VALIDATION = 0.1
"""Share of the recordings of every language of the training that is kept back."""


def held_out(data: Mapping[str, Words], wanted: Sequence[str], *, seed: int) -> tuple[str, ...]:
    """The languages that are named, or, where `wanted` is one number, so many drawn by seed, sorted.

    Raises:
        InputError: a language is not in the data, or fewer than two are left to train on.
    """
    drawn = len(wanted) == 1 and wanted[0].isdecimal()
    for code in () if drawn else wanted:
        if code not in data:
            raise unknown_name("language", code, data, where="--hold-out")
    count = int(wanted[0]) if drawn else len(set(wanted))
    if not 1 <= count <= len(data) - 2:
        raise InputError(f"{count} languages to hold out of {len(data)}: expected one or more, and two to train on")
    return tuple(sorted(sorted(data, key=lambda code: draw(code, seed))[:count] if drawn else set(wanted)))


def train(
    data: Mapping[str, Words],
    *,
    settings: Settings,
    plan: Plan,
    folder: Path,
    seed: int,
    heads: Sequence[Head] = ("phones", "signatures"),
    resume: bool = False,
) -> PhoneRecogniser:
    """A recogniser of the phones of these languages; what is kept has the lowest validation error.

    That is the phone error, of all heads, over the recordings that are kept back of the same languages.

    Args:
        heads: whose losses are added up, each with an equal share.
    """
    check_batches(settings)
    phones = sorted({phone for language in data.values() for said in language.phones for phone in said})
    print(f"training on {len(data)} languages and {len(phones)} phones in {folder}", file=sys.stderr, flush=True)
    seed_everything(seed)
    model = phone_heads.build(settings.encoder, phones, subsampling=settings.subsampling, dropout=settings.dropout)
    parts = {code: language.parted(VALIDATION, seed=seed) for code, language in data.items()}
    clips = {code: tuple(part.clips(model.rate) for part in own) for code, own in parts.items()}
    examples = {
        code: Examples(code, clips[code][0], tuple(map(own.inventory.encode, own.phones)))
        for code, (own, _) in parts.items()
    }
    for each in examples.values():
        name_infeasible(each, model.output_lengths, speed=settings.augmentation.fastest)
    streams = Streams(seed)
    batches = shuffled(
        examples,
        seconds=settings.batch_seconds,
        clips=settings.batch_clips,
        temperature=settings.temperature,
        generator=streams.generator("batches"),
    )

    def terms(model: PhoneRecogniser, batch: SpeechBatch, progress: float) -> dict[str, Tensor]:
        losses = model.losses(
            batch.audio,
            batch.audio_lengths,
            data[batch.language].inventory,
            targets=batch.targets,
            target_lengths=batch.target_lengths,
            heads=heads,
            augmentation=settings.augmentation if progress >= settings.augment_after else None,
        )
        share = {True: settings.intermediate / len(heads), False: (1 - settings.intermediate) / len(heads)}
        return {name: share[name.startswith("intermediate_")] * loss for name, loss in losses.items()}

    def validation_error(model: PhoneRecogniser) -> float:
        heard = [hear(model, own, clips[code][1], heads=heads, lexicon=False) for code, (_, own) in parts.items()]
        return sum((each.errors for own in heard for every in own.values() for each in every), Errors()).rate

    history = fit(
        model,
        batches,
        terms,
        plan=plan,
        out=folder,
        streams=streams,
        validate=validation_error,
        on_best=lambda best: phone_heads.save(best, folder / "checkpoint"),
        resume=resume,
        device=settings.device,
    )
    print(f"phone error on words kept back of the same languages: {history.best_score:.1f} %", file=sys.stderr)
    return phone_heads.load(folder / "checkpoint", device=str(next(model.parameters()).device))
