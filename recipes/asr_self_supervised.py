"""A self-supervised start: an encoder listens to recordings without transcripts before it learns from a few with them.

The same model learns from the same few labelled minutes, from scratch and after masked prediction (BEST-RQ) on all
training audio, whose other texts nobody reads once the test's sentences are out of it. Two controls: from scratch with
as many more updates as the start took; and the start on the audio of the labelled minutes alone, which tells what is
owed to more audio.

    python -m recipes.asr_self_supervised --data D/mboshi --sample-rate 8000 --labelled-minutes 5 \\
        --batch-seconds 12 --batch-clips 4 --steps 1500 --pretraining-steps 1500 --validate-every 300 \\
        --augment-after 1 --seed 0 --out runs/self_supervised

Mboshi's character error on an unseen speaker, seed 0: from scratch 74.3 % [73.6, 75.1] in 150 CPU-seconds, with twice
the updates 75.1 in 291; after a start on 56 minutes 73.1 [72.2, 73.9] in 337, -2.0 [-3.0, -1.1] against as many
updates; after a start on the labelled minutes alone 83.1 in 301. None is usable.
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import torch

from speech_tl import figures, flags
from speech_tl.data.preparation import Language
from speech_tl.device import chosen
from speech_tl.errors import InputError
from speech_tl.pretraining import MaskedPrediction, Pretrained, few_labels, pretrain, wordless_batches
from speech_tl.report import Report, finish
from speech_tl.results import CAPTIONS, tables
from speech_tl.systems import System, train, untrained
from speech_tl.training.config import command

Control = Literal["scratch_longer", "labelled_audio"]


@dataclass(frozen=True)
class Config(flags.Training, flags.Recordings):
    labelled_minutes: float = 5.0
    """Minutes of training speech, drawn by seed, whose texts are read; all else of it is audio alone."""
    pretraining_steps: int = 2000
    """Updates of masked prediction, before the others."""
    codebook: int = 512
    """Codes among which that of a masked frame is to be found."""
    masked_share: float = 0.4
    """Of the frames."""
    controls: tuple[Control, ...] = get_args(Control)
    """What is trained besides: from scratch with --pretraining-steps more updates; started on the labelled audio."""
    out: Path = Path("runs/asr_self_supervised")
    """Where the run is kept, with a checkpoint for each system."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    for flag, number in (
        ("labelled-minutes", config.labelled_minutes),
        ("pretraining-steps", config.pretraining_steps),
    ):
        if number <= 0:
            raise InputError(f"--{flag} {number:g}: expected a number above 0")

    # Data
    found = flags.prepared(config, seed=config.seed, made_in=config.out.parent, tiny=config.tiny)
    if len(found) > 1:
        raise InputError(f"the recordings hold {', '.join(found)}: say which with --languages")
    code, whole = next(iter(found.items()))
    labelled = few_labels(whole, minutes=config.labelled_minutes, seed=config.seed)
    data = {code: labelled}
    settings, said = flags.settings(config, data)
    audio = f"{60 * whole.train.hours:.1f} minutes of training audio with or without a transcript"
    notes = (labelled.description, audio, said)
    print("\n".join(notes), file=sys.stderr)

    # Model
    fresh = partial(untrained, data, settings, seed=config.seed)
    task = partial(
        MaskedPrediction, language=code, codebook=config.codebook, share=config.masked_share, seed=config.seed
    )
    task(fresh())  # refused before anything is trained
    wordless_batches(whole.train, code, settings, generator=torch.Generator())  # as is a clip longer than a batch

    # Transfer and train
    plan = flags.plan(config)
    flags.begin(config, config.out, {code: whole}, resume=config.resume, free=("controls",))
    fitted = partial(train, data=data, settings=settings, seed=config.seed, resume=config.resume)
    systems = {"scratch": fitted("scratch", fresh(), plan=plan, folder=config.out / "scratch")}
    steps, more = systems["scratch"].history.steps, 8 if config.tiny else config.pretraining_steps
    plan = replace(plan, minutes=None, epochs=None, steps=steps)
    heard = {"self_supervised": whole.train}
    if "labelled_audio" in config.controls:
        heard["labelled_audio"] = labelled.train
    starts: dict[str, Pretrained] = {}
    for name, clips in heard.items():
        model = fresh()
        starts[name] = pretrain(
            task(model),
            clips,
            labelled.valid,
            settings=settings,
            plan=replace(plan, steps=more),
            folder=config.out / name / "start",
            seed=config.seed,
            resume=config.resume,
        )
        systems[name] = fitted(name, model, plan=plan, folder=config.out / name)
    if "scratch_longer" in config.controls:
        longer = replace(plan, steps=steps + more)
        systems["scratch_longer"] = fitted("scratch_longer", fresh(), plan=longer, folder=config.out / "scratch_longer")

    # Evaluate
    minutes = {name: 60 * clips.hours for name, clips in heard.items()}
    return _report(config, data, systems, starts, minutes, notes=notes, began=began)


def _report(
    config: Config,
    data: Mapping[str, Language],
    systems: Mapping[str, System],
    starts: Mapping[str, Pretrained],
    minutes: Mapping[str, float],
    *,
    notes: tuple[str, ...],
    began: float,
) -> Report:
    """A start's seconds count as its system's; `minutes` of audio each start heard."""
    spent = {name: system.history.train_seconds for name, system in systems.items()}
    spent |= {name: spent[name] + start.history.train_seconds for name, start in starts.items()}
    measured = tables(
        {name: system.test(data) for name, system in systems.items()},
        main="self_supervised",
        train_seconds={name: dict.fromkeys(data, seconds) for name, seconds in spent.items()},
    )
    measured["masked_prediction"] = [
        {
            "system": name,
            "audio_minutes": minutes[name],
            "loss": start.loss,
            "guess": start.guess,
            "accuracy": start.accuracy,
            "train_seconds": start.history.train_seconds,
        }
        for name, start in starts.items()
    ]
    return finish(
        "asr_self_supervised",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables=measured,
        captions=CAPTIONS
        | {"masked_prediction": "Loss (nats) and accuracy (%) on hidden frames; `guess` goes by frequency alone."},
        sections=(
            figures.errors_by_language(measured["error_rates"], by="cer"),
            *figures.learning_curves({name: system.history for name, system in systems.items()}),
        ),
        notes=notes,
        shown=("error_rates", "differences", "masked_prediction"),
    )


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
