"""Many languages share one encoder, each with its own CTC head, beside what each reaches alone.

The main recipe: the shared encoder with heads, monolingual baselines of the same size, and the control in which all
languages share one head over the union of their symbols. A monolingual baseline is the better (by validation) of
two runs: as many updates as the whole shared run had, and as many as the shared run spent on that language.

    python -m recipes.asr_multilingual --data D/fsdd_english_digits D/arabic_speech_commands \\
        D/lithuanian_speech_commands --sample-rate 8000 --minutes 12 --monolingual eng lit --seed 0 --out runs/words

With D the folder of recordings, 12 CPU-minutes for the shared model (50 in all) and seed 0, utterance error on new
speakers: FSDD's theo 12.2 % [9.0, 15.4], Arabic 19.7 [16.6, 22.7], Lithuanian with one training minute 38.8 [28.2,
49.7]; alone 7.6, not run, 40.4; one union head 12.8, 19.8, 57.9; ridge 15.2, 51.9, 59.0. Three seeds and a longer
budget are still to be run.
"""

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from speech_tl import figures
from speech_tl.augmentation import AS_RECORDED, NEW_VOICES
from speech_tl.baselines import mfcc_ridge
from speech_tl.data import splits, synthesis
from speech_tl.data.preparation import Division, Language, by_language, prepare
from speech_tl.device import chosen
from speech_tl.errors import unknown_name
from speech_tl.report import Report, text, write
from speech_tl.results import Evaluation, compare
from speech_tl.systems import Settings, System, fit_short_clips, learn_to_tell_languages, train, train_alone
from speech_tl.training import config as configuration
from speech_tl.training.config import command
from speech_tl.training.loop import Plan
from speech_tl.training.sampling import temperature_probabilities


@dataclass(frozen=True)
class Config:
    data: tuple[str, ...] = ()
    """Corpora: folders with a metadata table, Common Voice, Kaldi, hub:NAME:CONFIG; speech made here if none."""
    languages: tuple[str, ...] = ()
    """ISO 639-3 codes to train on; all that the data hold if none."""
    hold_out_speakers: tuple[str, ...] = ()
    """Speakers whose clips are the test set."""
    train_speakers: tuple[str, ...] = ()
    """Train on the first N sorted speakers: N, or LANGUAGE=N."""
    test_speakers: tuple[str, ...] = ()
    """Test on the last N sorted speakers: N, or LANGUAGE=N."""
    split_file: Path | None = None
    """A run's splits.json, to divide the same way."""
    known_speakers: bool = False
    """Allow speakers that are both in training and in test."""
    train_minutes: tuple[str, ...] = ()
    """At most so many minutes of training speech: LANGUAGE=MINUTES."""
    sample_rate: tuple[str, ...] = ("16000",)
    """Hz audio is brought to, 16000 or 8000, or LANGUAGE=HZ: languages of one rate share their input layers."""
    encoder: str = "small"
    """tiny, small or base to train from scratch; or a folder or hub id of a pretrained encoder."""
    subsampling: int = 4
    """Frames of 10 ms per output frame, for an encoder from scratch."""
    minutes: float = 2.0
    """CPU-minutes of training for the shared model, wall minutes on a GPU; the others get as many updates."""
    steps: int | None = None
    """Updates of the shared model, in the place of minutes."""
    epochs: float | None = None
    """Passes of the shared model through the data, in the place of minutes."""
    validate_every: int = 200
    """Updates between validations, and between saved states."""
    peak_rate: float = 2e-3
    """Learning rate after the warm-up."""
    dropout: float = 0.0
    """Of the encoder."""
    augment: bool = True
    """Vary training clips in speed, formants, tempo and noise, and mask them."""
    temperature: float = 2.0
    """Languages are drawn in proportion to size^(1/temperature)."""
    batch_seconds: float = 32.0
    """Padded seconds of audio in a batch."""
    batch_clips: int = 16
    """Most utterances in a batch."""
    monolingual: tuple[str, ...] = ()
    """Languages to train a baseline for; all if none."""
    seed: int = 0
    """Of everything random."""
    out: Path = Path("runs/asr_multilingual")
    """Where the run is kept."""
    resume: bool = False
    """Continue the run in --out."""
    device: str = "auto"
    """auto, cpu or cuda."""
    tiny: bool = False
    """Seconds on generated speech, to see that everything works."""


def main(config: Config) -> Report:
    began = time.monotonic()
    if config.tiny:
        config = replace(config, encoder="tiny", steps=config.steps or 40, validate_every=10)
    chosen(config.device)

    # Data
    data = _data(config)
    for code in config.monolingual:
        if code not in data:
            raise unknown_name("language", code, data, where="--monolingual")
    if not (config.resume and (config.out / "config.json").exists()):
        configuration.save(config, config.out / "config.json")
        splits.save({code: language.split for code, language in data.items()}, config.out / "splits.json")
    augmentation = NEW_VOICES if config.augment else AS_RECORDED
    subsampling, least_frames, short_clips = fit_short_clips(data, config.subsampling, speed=augmentation.fastest)
    notes = (*(language.description for language in data.values()), short_clips)
    print("\n".join(notes), file=sys.stderr)

    # Model
    settings = Settings(
        encoder=config.encoder,
        subsampling=subsampling,
        least_frames=least_frames,
        dropout=config.dropout,
        augmentation=augmentation,
        temperature=config.temperature,
        batch_seconds=config.batch_seconds,
        batch_clips=config.batch_clips,
        device=config.device,
    )

    # Train
    plan = Plan(
        minutes=config.minutes if config.steps is None and config.epochs is None else None,
        steps=config.steps,
        epochs=config.epochs,
        peak_rate=config.peak_rate,
        validate_every=config.validate_every,
        average=0.99,
    )
    build = partial(train, settings=settings, seed=config.seed, resume=config.resume)
    shared = build("shared_heads", data, plan=plan, folder=config.out)
    plan = replace(plan, minutes=None, epochs=None, steps=shared.history.steps)
    union = build("union_head", data, plan=plan, folder=config.out / "systems/union", union=True)
    sizes = [len(language.train) for language in data.values()]
    shares = temperature_probabilities(sizes, temperature=config.temperature).tolist()
    alone = {
        code: train_alone(
            code,
            data[code],
            settings=settings,
            plan=plan,
            share=share,
            folder=config.out / "systems",
            seed=config.seed,
            resume=config.resume,
        )
        for code, share in zip(data, shares, strict=True)
        if code in (config.monolingual or data)
    }

    # Evaluate
    return _report(config, data, shared, union, alone, notes=notes, seconds=time.monotonic() - began)


def _data(config: Config) -> dict[str, Language]:
    size: synthesis.Size = "tiny" if config.tiny else "default"
    sources = config.data or (str(synthesis.build(config.out.parent / f"speech-{size}", size=size)),)
    division = Division(
        config.hold_out_speakers,
        by_language(config.train_speakers, int, flag="--train-speakers"),
        by_language(config.test_speakers, int, flag="--test-speakers"),
        config.split_file,
        config.known_speakers,
    )
    return prepare(
        sources,
        languages=config.languages,
        division=division,
        sample_rates=by_language(config.sample_rate, int, flag="--sample-rate"),
        train_minutes=by_language(config.train_minutes, float, flag="--train-minutes"),
        seed=config.seed,
    )


def _report(
    config: Config,
    data: Mapping[str, Language],
    shared: System,
    union: System,
    alone: Mapping[str, System],
    *,
    notes: Sequence[str],
    seconds: float,
) -> Report:
    results = {system.name: system.test(data) for system in (shared, union)}
    results["monolingual"] = sum((system.test(data) for system in alone.values()), Evaluation(()))
    results["mfcc_ridge"] = mfcc_ridge(data)
    spent = {system.name: system.history.train_seconds for system in (shared, union)}
    rows = [row for name, result in results.items() for row in result.rows(system=name, train_seconds=spent.get(name))]
    for row in rows:
        if row["system"] == "monolingual":
            row["train_seconds"] = alone[row["language"]].history.train_seconds
    differences = [
        {"system": "shared_heads", "against": name, **row}
        for name in ("monolingual", "union_head", "mfcc_ridge")
        for row in compare(results["shared_heads"].of(results[name].by_language()), results[name])
    ]
    histories = {"shared": shared.history, "union": union.history}
    histories |= {code: system.history for code, system in alone.items()}
    words = all(language.split.task == "words" for language in data.values())
    report = Report(
        recipe="asr_multilingual",
        command=shlex.join(["python", "-m", "recipes.asr_multilingual", *sys.argv[1:]]),
        seed=config.seed,
        device=chosen(config.device),
        seconds=seconds,
        tables={
            "error_rates": rows,
            "differences": differences,
            "language_identification": learn_to_tell_languages(shared, data),
            "test_sets": results["shared_heads"].test_set_rows(),
            "speakers": results["shared_heads"].speaker_rows(system="shared_heads"),
        },
        sections=(
            figures.errors_by_language(rows, by="utterance_error" if words else "cer"),
            *figures.learning_curves(histories),
            *figures.alignment(shared.model, next(iter(data.values()))),
            figures.worst_utterances(results["shared_heads"]),
        ),
        notes=tuple(notes),
    )
    write(report, config.out)
    print(text(rows))
    return report


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
