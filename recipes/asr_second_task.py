"""A second task that must not cost the first: a progressive column and PathNet, beside fine-tuning and from scratch.

The second task is half of a corpus's words from half of its training speakers, tested on its own test speakers. The
first one differs in one thing: `words` (the other words, same voices), `voices` (same words, other voices), a folder of
another language; or is `shuffled`, the other words with their transcripts given to the clips at random, so that no word
can be learned from it. Of pictures the second task is half of the classes, the first the other half, `classes`, or
these with labels at random, `shuffled`. A word is a class here, stretched to a few frames, and all methods share one
small network of modules (`speech_tl.sequences`), its updates and its batches; a path of PathNet is as wide as the
others' layers are.

    python -m recipes.asr_second_task --data D/arabic_speech_commands --first words voices shuffled \\
        --examples 400 --steps 1000 --seeds 0 1 2 3 4 --out runs/second_task
    python -m recipes.asr_second_task --data D/mnist --first classes shuffled --examples 500 --out runs/second_digits

Measured with the first command, five seeds, mean [range], error of the second task in percent: from scratch 33.0
[25.6, 38.4]. After other words fine-tuned 31.8 [29.4, 35.6], while the first task loses 23.9 points; as a column 32.9
[27.5, 37.8], by PathNet 36.6 [31.9, 44.7]. After other voices fine-tuned 28.1 [22.2, 35.6], the first task losing
10.6; as a column 30.3 [27.2, 34.4], better than scratch on four seeds, beyond its interval on one (on another day's
machine 28.9, on four); by PathNet 35.4 [30.6, 40.9]. After shuffled transcripts fine-tuned 38.2 [34.7, 46.9], a
column 34.2 [28.4, 40.0], PathNet 35.6 [30.3, 42.2]. Columns and PathNet cost the first task exactly nothing; with its
laterals closed a column falls to 57.1, 59.7 and 42.2.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from speech_tl import flags, forgetting, images
from speech_tl.data.preparation import Language
from speech_tl.device import alone, chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.forgetting import Learned
from speech_tl.images import Pictures
from speech_tl.report import Figure, Report, error_bars, finish, text
from speech_tl.second_tasks import METHODS, Method, Pair, Search
from speech_tl.sequences import Sequences, of_pictures, of_words
from speech_tl.tasks import NEAR, other_corpora, picture_halves, quarter, words_of
from speech_tl.training import config as configuration
from speech_tl.training.config import command
from speech_tl.training.loop import Plan

SHUFFLED = "shuffled"

Parts = dict[str, Sequences]
"""`train` and `test`."""
Case = tuple[int, str, Parts, Parts]
"""Seed, name, first task and second task; made one after the other, since all together are large."""


@dataclass(frozen=True, kw_only=True)
class Config(flags.Runs):
    data: str
    """A corpus of words with several training speakers; or pictures: MNIST's files, or folders by class."""
    first: tuple[str, ...] = ("words", SHUFFLED)
    """First tasks: `words`, `voices`, `shuffled`, or corpora of other languages; of pictures `classes`, `shuffled`."""
    language: str = ""
    """Of --data, where it holds several."""
    methods: tuple[Method, ...] = METHODS
    """Ways to the second task; without laterals it is the column that learned with them, which is closed in testing."""
    examples: int | None = None
    """At most so many training examples of the second task, drawn by seed."""
    size: int | None = None
    """Pixels a side that pictures in folders are scaled to; their own if none."""
    sample_rate: int = 8000
    """Hz that all audio is brought to, 16000 or 8000."""
    steps: int = 2000
    """Updates of either task; those of all paths together, where paths are searched for."""
    peak_rate: float = 2e-3
    """Learning rate after the warm-up."""
    modules: int = 10
    """In a layer of PathNet."""
    active: int = 3
    """Modules on a path in each layer, at most; in a layer of the other methods."""
    population: int = 8
    """Paths that PathNet chooses from."""
    trial: int = 10
    """Updates of each of the two paths in a tournament."""
    out: Path = Path("runs/asr_second_task")
    """Where the run is kept, with a folder for each network."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    alone("asr_second_task")
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    flags.check_named(seeds=config.seeds, methods=config.methods, first=config.first)
    for flag, number in (("examples", config.examples), ("size", config.size)):
        if number is not None and number < 1:
            raise InputError(f"--{flag} {number}: expected 1 or more")
    steps, trial = (8, 2) if config.tiny else (config.steps, config.trial)
    search = Search(config.modules, config.active, config.population, trial)
    if "pathnet" in config.methods and steps < 2 * trial:
        raise InputError(f"--steps {steps}: a tournament takes {2 * trial} updates, two times --trial")

    # Data
    cases = _pictures(config) if images.holds_pictures(config.data) else _speech(config)
    plan = Plan(steps=steps, peak_rate=config.peak_rate, validate_every=max(1, steps // 4))
    configuration.begin(config, config.out, resume=config.resume, free=("methods", "seeds", "first"))

    # Model, transfer and train
    found: list[Learned] = []
    for seed, case, first, second in cases:
        pair = Pair(
            case,
            {"first": first, "second": second},
            plan,
            search,
            config.out / "networks" / f"{case}_seed{seed}",
            seed,
            resume=config.resume,
            device=config.device,
        )
        found += [pair.learn(method) for method in config.methods]
        print(text(forgetting.tables(found[-len(config.methods) :])["second_task"]), file=sys.stderr, flush=True)

    # Evaluate
    measured = forgetting.tables(found)
    return finish(
        "asr_second_task",
        config.out,
        seed=config.seeds,
        device=chosen(config.device),
        began=began,
        tables=measured,
        captions=forgetting.CAPTIONS,
        sections=(
            Figure(
                "The second task",
                "Error on its test set by the first task and the method; mean and range over the seeds.",
                error_bars(
                    measured["seeds"],
                    value="second_error",
                    low="second_least",
                    high="second_most",
                    label="error (%), second task",
                    group="case",
                    series="method",
                ),
            ),
        ),
        shown=("second_task", "seeds"),
    )


def _speech(config: Config) -> Iterator[Case]:
    """Quarters of the corpus by words and by training speakers, and other corpora whole."""
    whole = words_of(config.data, language=config.language, sample_rate=config.sample_rate)
    known = (*NEAR, SHUFFLED)
    far = other_corpora(config.first, sample_rate=config.sample_rate, flag="--first", known=known, tested=whole)
    for name, each in far.items():
        if each.split.task != "words":
            raise InputError(f"--first {name} holds sentences: expected words, which are classes here")
    return _spoken(config, whole, {name: _heard(each) for name, each in far.items()})


def _spoken(config: Config, whole: Language, far: Mapping[str, Parts]) -> Iterator[Case]:
    for seed in config.seeds:
        second = _heard(quarter(whole, seed=seed, most=config.examples))
        for case in filter((*NEAR, SHUFFLED).__contains__, config.first):
            first = _heard(quarter(whole, seed=seed, other_words=case != "voices", other_voices=case == "voices"))
            yield seed, case, _shuffled(first, seed) if case == SHUFFLED else first, second
        yield from ((seed, case, first, second) for case, first in far.items())


def _heard(language: Language) -> Parts:
    return {"train": of_words(language.train), "test": of_words(language.test)}


def _pictures(config: Config) -> Iterator[Case]:
    """Halves of the classes."""
    for case in config.first:
        if case not in ("classes", SHUFFLED):
            raise unknown_name("source", case, ("classes", SHUFFLED), where="--first")
    return _seen(config, images.read(config.data, size=config.size))


def _seen(config: Config, pictures: Mapping[str, Pictures]) -> Iterator[Case]:
    for seed in config.seeds:
        halved = picture_halves(pictures, seed=seed, most=config.examples)
        second, first = ({name: of_pictures(part) for name, part in half.items()} for half in halved)
        for case in config.first:
            yield seed, case, _shuffled(first, seed) if case == SHUFFLED else first, second


def _shuffled(task: Parts, seed: int) -> Parts:
    return {name: part.shuffled(seed) for name, part in task.items()}


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
