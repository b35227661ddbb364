"""Many languages share one encoder, each with its own CTC head, beside what each reaches alone.

The main recipe: the shared encoder with heads, monolingual baselines of the same size, and the control in which all
languages share one head over the union of their symbols. A monolingual baseline is the better (by validation) of
two runs: as many updates as the whole shared run had, and as many as the shared run spent on that language.

    python -m recipes.asr_multilingual --data D/fsdd_english_digits D/arabic_speech_commands \\
        D/lithuanian_speech_commands --sample-rate 8000 --temperature 10 --steps 12000 \\
        --phones eng=espeak:en-us arb=ipa lit=espeak:lt --adapters 0 --draws 1 --seed 0 --out runs/words

With D the folder of recordings (31 CPU-minutes for the shared model), utterance error on new speakers, mean of seeds 0,
1, 2 [range]: theo of FSDD 6.0 % [5.2, 6.8], Arabic 9.7 [9.4, 10.3], Lithuanian (one training minute) 11.8 [9.0, 13.5].
Lithuanian alone, seed 0, with all 12,000 updates for itself 6.2 [1.6, 11.5 for its 178 clips], with the shared model's
share of them 10.1 [4.1, 16.8]. With what a language owns besides its head (`--adapters 32 --draws 16 --steps 8000
--validate-every 500 --no-union`, seed 0): 7.2, 12.2, 10.1 shared, 6.8, 9.5, 4.5 alone with all updates; shared with
20,000 updates 4.0, 8.0, 11.2.

Sentences, of Mboshi ten minutes (`--data D/mboshi D/malayalam_msc D/swahili_ammi D/kinyarwanda_ammi D/ljspeech_mini
--train-minutes mdw=10 --sample-rate 8000 --phones mdw=espeak:sw swh=espeak:sw kin=espeak:sw mal=espeak:ml
eng=espeak:en-us --batch-seconds 24 --batch-clips 8 --steps 4000 --augment-after 0.1 --validate-every 500 --no-union`,
seed 0): character error of Mboshi 64.2 % shared, 75.3 % alone, difference -11.1 [-12.4, -9.8]; of Malayalam 61.5 and
65.3, -3.8 [-6.2, -2.0]; of Swahili 33.5 and 31.6, +1.9 [+0.2, +3.6]; of Kinyarwanda 40.9 and 33.7, +7.1 [+5.6, +8.7];
of English 56.5 and 62.7, -6.2 [-9.7, -2.5]. With 10,000 updates, varied as words are (until 8d4f8e5): 63.1 and 71.9,
59.9 and 63.7, 30.0 and 29.6, 33.9 and 32.0, English 54.6 shared. On an H200 in bf16 (`--steps 2500 --batch-seconds
128 --batch-clips 48`): Mboshi 67.9 shared, 76.4 alone.
"""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from speech_tl import figures, flags
from speech_tl.baselines import mfcc_ridge
from speech_tl.data.preparation import Language
from speech_tl.device import chosen
from speech_tl.errors import unknown_name
from speech_tl.report import Report, finish
from speech_tl.results import CAPTIONS, Evaluation, tables
from speech_tl.systems import TOLD_APART, System, learn_to_tell_languages, train, train_alone, union_of, untrained
from speech_tl.training.config import command
from speech_tl.training.sampling import temperature_probabilities


@dataclass(frozen=True)
class Config(flags.Training, flags.Recordings):
    monolingual: tuple[str, ...] = ("all",)
    """Languages to train a baseline for, `all` or `none`; each is trained twice, see above."""
    union: bool = True
    """Also train the control, one head for the symbols of all languages."""
    adapters: int = 32
    """Channels of the bottleneck that each language owns after every block; with 0 it owns its head alone."""
    draws: int = 4
    """How often a language is drawn for one batch: updates that hear several pull the shared layers no one way."""
    out: Path = Path("runs/asr_multilingual")
    """Where the run is kept."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read

    # Data
    data = flags.prepared(config, seed=config.seed, made_in=config.out.parent, tiny=config.tiny)
    flags.check_named(monolingual=config.monolingual)
    named: Mapping[str, Iterable[str]] = {"all": data, "none": ()}
    baselines = [code for each in config.monolingual for code in named.get(each, (each,))]
    for code in baselines:
        if code not in data:
            raise unknown_name("language", code, data, where="--monolingual")
    settings, said = flags.settings(config, data)
    settings = replace(settings, adapters=config.adapters, draws=config.draws)
    several = len(data) > 1
    said = said if several else f"{said}; one language: nothing to share, the model is its own baseline"
    notes = (*(language.description for language in data.values()), said)
    print("\n".join(notes), file=sys.stderr)

    # Model
    model = untrained(data, settings, seed=config.seed)

    # Train
    plan = flags.plan(config)
    flags.begin(config, config.out, data, resume=config.resume, free=("monolingual", "union"))
    fitted = partial(train, data=data, settings=settings, seed=config.seed, resume=config.resume)
    shared = fitted("shared_heads", model, plan=plan, folder=config.out)
    plan = replace(plan, minutes=None, epochs=None, steps=shared.history.steps)
    together = {"shared_heads": shared}
    if config.union and several:
        model = untrained(data, settings, seed=config.seed, shared=union_of(data))
        together["union_head"] = fitted("union_head", model, plan=plan, folder=config.out / "systems/union")
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
        if several and code in baselines
    }
    if not several:
        alone = dict.fromkeys(baselines, shared)

    # Evaluate
    return _report(config, data, together, alone, notes=notes, began=began)


def _report(
    config: Config,
    data: Mapping[str, Language],
    together: Mapping[str, System],
    alone: Mapping[str, System],
    *,
    notes: Sequence[str],
    began: float,
) -> Report:
    shared = together["shared_heads"]
    results = {name: system.test(data) for name, system in together.items()}
    if alone:
        results["monolingual"] = sum((system.test(data) for system in alone.values()), Evaluation(()))
    results["mfcc_ridge"] = mfcc_ridge(data)
    train_seconds = {name: dict.fromkeys(data, system.history.train_seconds) for name, system in together.items()}
    train_seconds["monolingual"] = {code: system.history.train_seconds for code, system in alone.items()}
    measured = tables(results, main="shared_heads", train_seconds=train_seconds)
    measured["language_identification"] = learn_to_tell_languages(shared.model, data, shared.folder / "checkpoint")
    histories = {name: system.history for name, system in (*together.items(), *alone.items())}
    words = all(language.split.task == "words" for language in data.values())
    return finish(
        "asr_multilingual",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables=measured,
        captions=CAPTIONS | TOLD_APART,
        sections=(
            figures.errors_by_language(measured["error_rates"], by="utterance_error" if words else "cer"),
            *figures.learning_curves(histories),
            *figures.alignment(shared.model, next(iter(data.values()))),
            figures.worst_utterances(results["shared_heads"]),
        ),
        notes=tuple(notes),
        shown=("error_rates",),
    )


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
