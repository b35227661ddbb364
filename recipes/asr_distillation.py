"""A recogniser in a quarter of the weights: what its teacher adds to the transcripts.

The same student is trained alone, with the teacher's opinion of every frame (soft targets), and with the way in which
the teacher places clips against each other (relational); the teacher stands above them. All see the recordings that the
teacher was trained on, divided as for the teacher.

    python -m recipes.asr_distillation --checkpoint runs/words --data D/fsdd_english_digits D/arabic_speech_commands \\
        D/lithuanian_speech_commands --steps 6000 --out runs/student

So measured (`--phones eng=espeak:en-us arb=ipa lit=espeak:lt --steps 20000 --validate-every 1000 --methods
soft_targets alone`; the teacher is a words model of 8,000 updates with 0.72 million weights, the student has 0.19),
utterance error on theo, Arabic and Lithuanian, seed 0: teacher 6.8, 12.8, 11.8; student alone 10.8, 19.5, 19.7 (694
CPU-seconds); with soft targets 7.0, 13.0, 16.9 (1,844): within a point of the teacher where it has much data.
`relational` is still to be run.
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from speech_tl import flags, students
from speech_tl.data.preparation import Language, prepare
from speech_tl.device import chosen
from speech_tl.errors import InputError
from speech_tl.evaluate import Evaluation, division_of, evaluate
from speech_tl.models import ctc
from speech_tl.report import Report, finish
from speech_tl.results import CAPTIONS, tables
from speech_tl.students import Method
from speech_tl.systems import TOLD_APART, Settings, System, learn_to_tell_languages, variation
from speech_tl.training.config import command
from speech_tl.training.loop import Plan


@dataclass(frozen=True, kw_only=True)
class Config(flags.Run):
    checkpoint: Path
    """The teacher: a run of asr_multilingual, or its checkpoint."""
    data: tuple[str, ...]
    """Recordings of languages that the teacher knows."""
    phones: tuple[str, ...] = ()
    """Where pronunciations come from, LANGUAGE=SOURCE as in asr_multilingual, if the teacher learned with phones."""
    student: str = "tiny"
    """Size of the student."""
    methods: tuple[Method, ...] = students.METHODS
    """How it is trained."""
    soft: float = 2.0
    """Temperature of the soft targets."""
    weight: float = 1.0
    """Of what comes from the teacher, against 1 for the transcripts."""
    steps: int = 4000
    """Updates of every student."""
    peak_rate: float = 2e-3
    """Learning rate after the warm-up."""
    validate_every: int = 200
    """Updates between validations, and between saved states."""
    temperature: float = 10.0
    """Languages are drawn in proportion to size^(1/temperature)."""
    augment_after: float | None = None
    """Share of the updates after which clips are varied; 0 is from the start, 1 is never; 0.1 for words, 0.5 for
    sentences if none."""
    out: Path = Path("runs/asr_distillation")
    """Where the run is kept, with a checkpoint for each method."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    flags.check_named(methods=config.methods, data=config.data)
    if config.weight <= 0 or config.soft <= 0:
        raise InputError(f"--weight {config.weight:g} --soft {config.soft:g}: expected numbers above 0")

    # Model
    teacher = ctc.load(config.checkpoint, device=chosen(config.device))
    flags.check_phones(config.phones, teacher, where=config.checkpoint)
    students.student(teacher, config.student, seed=config.seed)  # refused before anything is read

    # Data
    rates = {code: teacher.sample_rate(code) for code in teacher.languages}
    data = prepare(
        config.data,
        languages=teacher.languages,
        division=division_of(config.checkpoint),
        sample_rates=rates,
        phones=dict(flags.language_and_source(value) for value in config.phones),
        seed=config.seed,
    )
    print("\n".join(language.description for language in data.values()), file=sys.stderr)

    # Transfer and train
    flags.begin(config, config.out, data, resume=config.resume, free=("methods",))
    systems = {method: _learned(config, teacher, data, method) for method in config.methods}

    # Evaluate
    heard = (evaluate(teacher, language.test.utterances, language.test) for language in data.values())
    results = {"teacher": sum(heard, Evaluation(()))}
    results |= {f"student_{method}": system.test(data) for method, system in systems.items()}
    seconds = {f"student_{name}": dict.fromkeys(data, s.history.train_seconds) for name, s in systems.items()}
    *others, measured = (tables(results, main=name, train_seconds=seconds) for name in seconds)  # each held against all
    measured["differences"] = [row for each in (*others, measured) for row in each["differences"]]
    models = {"teacher": teacher} | {f"student_{method}": system.model for method, system in systems.items()}
    for method, system in systems.items():
        told = learn_to_tell_languages(system.model, data, system.folder / "checkpoint")
        rows = [{"system": f"student_{method}", **row} for row in told]
        measured.setdefault("language_identification", []).extend(rows)
    measured["sizes"] = [
        {"system": name, "weights": sum(weight.numel() for weight in model.parameters())}
        for name, model in models.items()
    ]
    return finish(
        "asr_distillation",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables=measured,
        captions=CAPTIONS | TOLD_APART | {"sizes": "Weights of each system."},
        notes=tuple(language.description for language in data.values()),
        shown=("error_rates",),
    )


def _learned(config: Config, teacher: ctc.MultilingualCTC, data: Mapping[str, Language], method: Method) -> System:
    """A student trained in one way, in a folder of that name."""
    steps = 8 if config.tiny else config.steps
    plan = Plan(steps=steps, peak_rate=config.peak_rate, validate_every=min(steps, config.validate_every), average=0.99)
    augmentation, after = variation((language.train for language in data.values()), after=config.augment_after)
    settings = Settings(
        dropout=0.0,
        augmentation=augmentation,
        augment_after=after,
        temperature=config.temperature,
        draws=4,
        device=config.device,
    )
    return students.learn(
        teacher,
        data,
        method=method,
        size=config.student,
        settings=settings,
        plan=plan,
        folder=config.out / method,
        seed=config.seed,
        temperature=config.soft,
        weight=config.weight,
        resume=config.resume,
    )


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
