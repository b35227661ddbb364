"""A recogniser learns one more language from little of it: many ways, beside one that starts from scratch.

The lecture's advice is a fresh head on kept lower layers; with more data more of the layers are worth retraining, and
what the other languages pay for it is in the same row. What comes out is one checkpoint for each method and amount,
which speaks the old languages too. More recordings of a language that it knows are learned the same way: its head goes
on, and gets a row for every symbol that it lacks.

    python -m recipes.asr_new_language --checkpoint runs/words --data D/lithuanian_speech_commands \\
        --train-speakers 1 2 4 8 16 --methods scratch head output_layers full full_conservative \\
        --source D/fsdd_english_digits D/arabic_speech_commands --replay 0 --out runs/lithuanian

Lithuanian words from a model of FSDD, Arabic and dspspeech20, 1,000 updates, seed 0, errors on ten speakers with 14,
61 and 248 s: scratch 76.4, 47.8, 60.1; full 39.9, 18.5, 10.7; a ridge on fixed features 53.4, 23.6, 6.2; head and
bottlenecks 57.3, 62.4, 54.5. At equal updates that is a multiplier of 17.7 and more; scratch with twelve times the
updates is better than nearly all of them (recipes/LOG.md). The old languages, 12.8 before, keep that by head and
fixed features, and are at 44 to 52 after full; of another such model (14.3 before; seeds 0, 1, 2) full with 61 s
comes to 19.1, 21.9, 16.9 and the old languages to 47.0, 47.5, 42.8, with --replay 0.5 to 19.7, 25.3, 16.3 and 17.5,
20.0, 16.7, a progressive column (seed 0) to 34.8 and 14.3.
Mboshi sentences from a model of Malayalam, Swahili, Kinyarwanda and English (`--train-minutes 2 5 20 45 --methods
scratch head full --steps 1000 --augment-after 0.5`, seed 0), character error on a new speaker: scratch 86.1, 77.2,
73.9, 73.4; head 75.1, 70.0, 65.6, 64.9, the old languages at 42.5 as before; full 78.5, 74.1, 62.6, 58.2, the old
languages at 57 to 63. Two minutes transferred are worth 12.
Gone on with alone (2,000 updates at 5e-4) where a shared model knows it already, Lithuanian falls from 11.2 to 5.6, and
FSDD and Arabic together rise from 6.2 to 6.8 (seed 0).
"""

import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

from speech_tl import flags, languages
from speech_tl.baselines import fixed_features
from speech_tl.curves import CAPTIONS, Cell, advised, multipliers, pictures, tables
from speech_tl.data import splits
from speech_tl.data.clips import Clips
from speech_tl.data.manifest import read
from speech_tl.data.preparation import Division, Language, prepare
from speech_tl.device import chosen
from speech_tl.errors import InputError
from speech_tl.evaluate import Evaluation, check_spells, division_of, evaluate, heard_by, sentences_heard_by, splits_of
from speech_tl.languages import Method
from speech_tl.models import ctc
from speech_tl.recommendation import distance, for_language
from speech_tl.report import Report, finish
from speech_tl.results import telling
from speech_tl.systems import Settings, learn_to_tell_languages, variation
from speech_tl.training import config as configuration
from speech_tl.training.config import command
from speech_tl.training.loop import Plan
from speech_tl.transfer import replay


@dataclass(frozen=True, kw_only=True)
class Config(flags.Run):
    checkpoint: Path
    """A run of asr_multilingual, or its checkpoint."""
    data: tuple[str, ...]
    """Recordings of the new language, or more of one that the checkpoint knows."""
    language: str = ""
    """Its ISO 639-3 code; may be left out where the recordings hold one language."""
    methods: tuple[Method | Literal["unadapted", "fixed_features", "auto"], ...] = ("scratch", "auto")
    """Ways to learn it; auto says how much there is and, with --source, how far away it is, and does what was best;
    fixed_features is a linear classifier of whole words over the frozen encoder; unadapted is the checkpoint as it is,
    where it knows the language."""
    train_minutes: tuple[float, ...] = ()
    """Amounts of training speech; all that there is if none, and no train-speakers."""
    train_speakers: tuple[int, ...] = ()
    """Amounts as numbers of speakers, the first of them in order."""
    test_speakers: int | None = None
    """Test on the last so many speakers; as the corpus is divided if none."""
    phones: tuple[str, ...] = ()
    """Where pronunciations come from, LANGUAGE=SOURCE as in asr_multilingual, if the checkpoint learned with phones."""
    source: tuple[str, ...] = ()
    """Recordings of the old languages: what they lose is measured on the test clips of the checkpoint's run."""
    replay: float | None = None
    """Share of the updates, on top of --steps, that go on with the old languages' recordings in --source, which the
    isolated head alone does not need; if none 0.5 where there are such recordings, which keeps most of what the old
    languages knew for twice the time."""
    steps: int = 1000
    """Updates of every method on the new language."""
    peak_rate: float = 1e-3
    """Learning rate after the warm-up."""
    validate_every: int = 100
    """Updates between validations, and between saved states."""
    augment_after: float | None = None
    """Share of the updates after which clips are varied; 0 is from the start, 1 is never; 0.1 for words, 0.5 for
    sentences if none."""
    batch_seconds: float = 32.0
    """Padded seconds of audio in a batch."""
    batch_clips: int = 16
    """Most utterances in a batch."""
    plan: bool = False
    """Print which weights each method would move, and leave."""
    out: Path = Path("runs/asr_new_language")
    """Where the run is kept, with a checkpoint for each method and amount."""


def main(config: Config) -> Report | None:
    began = time.monotonic()
    chosen(config.device)
    if not config.plan:
        config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    flags.check_named(methods=config.methods, data=config.data)
    if config.train_minutes and config.train_speakers:
        raise InputError("--train-minutes and --train-speakers are two ways to say how much: give one of them")
    replay.check(_replay(config))
    if config.steps < 2:
        raise InputError(f"--steps {config.steps}: expected 2 or more, some of which warm up a new head")

    # Model
    model = ctc.load(config.checkpoint, device=chosen(config.device))

    # Data
    if config.replay and not config.source:
        raise InputError("--replay goes on with the other languages' recordings: name them with --source")
    flags.check_phones(config.phones, model, where=config.checkpoint)
    _check_methods(config, model)
    amounts = _amounts(config, model)
    source = _source(config, model, but=next(iter(amounts.values())).code)
    amounts = _distinct({name: language.without(source.values()) for name, language in amounts.items()})
    _check_strangers(config, model, next(iter(amounts.values())))
    known = _heard(model, source.values())
    print("\n".join(each.description for each in amounts.values()), file=sys.stderr)

    if config.plan:
        _print_plan(config, model, amounts, source)
        return None

    # Transfer and train
    steps = 8 if config.tiny else config.steps
    plan = Plan(steps=steps, peak_rate=config.peak_rate, validate_every=min(steps, config.validate_every), average=0.99)
    configuration.begin(config, config.out, resume=config.resume, free=("methods", "train_minutes", "train_speakers"))
    augmentation, after = variation((own.train for own in amounts.values()), after=config.augment_after)
    settings = Settings(
        augmentation=augmentation,
        augment_after=after,
        batch_seconds=config.batch_seconds,
        batch_clips=config.batch_clips,
        device=config.device,
    )
    cells: list[Cell] = []
    advice: dict[tuple[str, float], Method] = {}
    for amount, language in amounts.items():
        best = _advice(config, model, language, source)
        advice[language.code, 3600 * language.train.hours] = best
        for method in _methods(config, best):
            name = f"{method}_{amount}"
            cells.append(_cell(config, model, language, method, name, source, known, settings=settings, plan=plan))

    # Evaluate
    words = all(each.split.task == "words" for each in amounts.values())
    measured = tables(cells, base="scratch", measure=telling(words=words))
    measured["advice"] = advised(measured["targets"], advice)
    measured["multipliers"] = multipliers(measured["curve"], base="scratch")
    return finish(
        "asr_new_language",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables=measured,
        captions=CAPTIONS,
        sections=pictures(measured["curve"]),
        notes=tuple(each.description for each in amounts.values()),
        shown=("curve",),
    )


def _replay(config: Config) -> float:
    return config.replay if config.replay is not None else 0.5 if config.source else 0.0


Asked = Method | Literal["unadapted", "fixed_features"]


def _methods(config: Config, best: Method) -> list[Asked]:
    """Those asked for, each once; auto is the best."""
    return list(dict.fromkeys(best if asked == "auto" else asked for asked in config.methods))


def _print_plan(
    config: Config, model: ctc.MultilingualCTC, amounts: Mapping[str, Language], source: Mapping[str, Language]
) -> None:
    for amount, language in amounts.items():
        best = _advice(config, model, language, source)
        for method in _methods(config, best):
            if method == "unadapted" or method == "fixed_features":
                print(f"\n{method}, {amount}: no weight of the model moves")
            else:
                print(f"\n{method}, {amount}\n{languages.moving(model, language, method)}")


def _check_methods(config: Config, model: ctc.MultilingualCTC) -> None:
    """Nothing is trained before it is known that everything can be."""
    if not model.config.from_scratch and (fresh := [m for m in config.methods if m in ("scratch", "progressive")]):
        raise InputError(
            f"--methods {' '.join(fresh)}: {config.checkpoint} is a pretrained {model.config.encoder['model_type']}, "
            f"which cannot be had without its weights: leave out {' and '.join(fresh)}"
        )


def _cell(
    config: Config,
    model: ctc.MultilingualCTC,
    language: Language,
    method: Asked,
    name: str,
    source: Mapping[str, Language],
    known: Evaluation,
    *,
    settings: Settings,
    plan: Plan,
) -> Cell:
    """The new language learned in one way, and what was heard of it and of the old ones afterwards.

    Args:
        name: of its folder.
        known: what `model` heard of the old languages before.
    """
    seconds = 3600 * language.train.hours
    facts = partial(Cell, "language", language.code, method, seconds, config.seed, heard_seconds=seconds)
    if method == "unadapted":
        return facts(_heard(model, [language]), known, known, trained_parameters=0, cpu_seconds=0.0)
    if method == "fixed_features":
        began = time.process_time()
        after = fixed_features(model, language, rate=language.train.sample_rate)
        return facts(after, known, known, trained_parameters=0, cpu_seconds=time.process_time() - began)
    folder = config.out / name
    old = None if method == "scratch" else splits_of(config.checkpoint)
    splits.save({language.code: language.split}, folder / ctc.SPLITS, beside=old)
    learned = languages.learn(
        model,
        language,
        method=method,
        settings=settings,
        plan=plan,
        folder=folder,
        seed=config.seed,
        old=source,
        replay=_replay(config),
        resume=config.resume,
    )
    together = {**source, language.code: language}
    if together.keys() == set(learned.model.languages):
        learn_to_tell_languages(learned.model, together, folder / "checkpoint")
    return facts(
        _heard(learned.model, [language]),
        known,
        Evaluation(()) if method == "scratch" else _heard(learned.model, source.values()),
        trained_parameters=learned.trained_parameters,
        cpu_seconds=learned.cpu_seconds,
    )


def _advice(config: Config, model: ctc.MultilingualCTC, language: Language, source: Mapping[str, Language]) -> Method:
    """What auto stands for; said aloud where auto was asked for."""
    near = [each.train for each in source.values() if each.train.sample_rate == language.train.sample_rate]
    distances = [far for each in near if (far := distance(model, each, language.train)) is not None]
    seconds = 3600 * language.train.hours
    known, words = language.code in model.languages, language.split.task == "words"
    advice = for_language(seconds, min(distances, default=None), known=known, words=words)
    if "auto" in config.methods:
        print(f"{language.code}, {seconds:.0f} s: {advice}", file=sys.stderr)
    return cast(Method, advice.method)


def _amounts(config: Config, model: ctc.MultilingualCTC) -> dict[str, Language]:
    """Name of an amount -> the new language with so much of its training speech."""
    amounts = {f"{n:g}min": _language(config, model, minutes=n) for n in config.train_minutes}
    amounts |= {f"{n}speakers": _language(config, model, speakers=n) for n in config.train_speakers}
    amounts = amounts or {"all": _language(config, model)}
    first = next(iter(amounts.values()))
    check_spells(model, first.code, where=config.checkpoint)
    if first.code in model.languages:
        if "progressive" in config.methods:
            raise InputError(f"{config.checkpoint} knows {first.code}, which needs no column: leave out progressive")
        _check_untrained(first.test, heard_by(config.checkpoint, [first.code]), config.checkpoint)
        heard = sentences_heard_by(config.checkpoint, first.code)
        amounts = {name: _unread(language, heard) for name, language in amounts.items()}
    elif "unadapted" in config.methods:
        raise InputError(f"{config.checkpoint} does not know {first.code}, unadapted would say nothing: leave it out")
    if "fixed_features" in config.methods and first.split.task != "words":
        raise InputError(f"fixed_features tells whole words apart, and these are {first.split.task}: leave it out")
    return amounts


def _unread(language: Language, heard: Collection[str]) -> Language:
    """Tested on none of the sentences that were heard, from whomever."""
    kept = [at for at, u in enumerate(language.test.utterances) if splits.digest(u.text) not in heard]
    lost = len(language.test) - len(kept)
    if not lost:
        return language
    if not kept:
        raise InputError(f"the checkpoint learned all {lost} sentences that {language.code} tests: give others")
    own, test = language.split, language.test.take(kept)
    note = f"{own.note}; {lost} test clips dropped, the checkpoint learned their sentences"
    return replace(language, test=test, split=replace(own, test=tuple(test.utterances), note=note))


def _check_strangers(config: Config, model: ctc.MultilingualCTC, language: Language) -> None:
    """Who is tested as a stranger is nobody whom the checkpoint learned from in another language."""
    heard = heard_by(config.checkpoint, model.languages)
    voices = {u.speaker for source in config.data for u in read(source) if u.key in heard}
    if known := sorted(splits.strangers(language.split) & voices):
        raise InputError(
            f"{config.checkpoint} learned from {', '.join(known)} in another language, whom {language.code} tests as "
            "new voices: divide the recordings as its run did, or test others with --test-speakers"
        )


def _distinct(amounts: Mapping[str, Language]) -> dict[str, Language]:
    """One of those amounts that come to the same clips."""
    found: dict[str, Language] = {}
    for name, language in amounts.items():
        if not len(language.train):
            raise InputError(f"{name}: every clip is of a speaker whom --source tests as a stranger; give others")
        twin = next((n for n, own in found.items() if own.train.utterances == language.train.utterances), None)
        if twin is None:
            found[name] = language
        else:
            print(f"{name} is all there is, as {twin} is: left out", file=sys.stderr)
    return found


def _check_untrained(test: Clips, heard: Collection[str], checkpoint: Path) -> None:
    """Nothing is tested that the checkpoint learned from."""
    if seen := [u.key for u in test.utterances if u.key in heard]:
        raise InputError(
            f"{checkpoint} learned from {len(seen)} of {len(test)} test clips ({', '.join(seen[:3])}): divide the "
            "recordings as its run did, or give others"
        )


def _language(
    config: Config, model: ctc.MultilingualCTC, *, minutes: float | None = None, speakers: int | None = None
) -> Language:
    """The new language with so much of its training speech; the test clips are always the same."""
    for flag, asked in (
        ("train-minutes", minutes),
        ("train-speakers", speakers),
        ("test-speakers", config.test_speakers),
    ):
        if asked is not None and not asked > 0:
            raise InputError(f"--{flag} {asked:g}: expected a number above 0")
    division = Division(
        train_speakers={"": speakers} if speakers else None,
        test_speakers={"": config.test_speakers} if config.test_speakers else None,
    )
    found = prepare(
        config.data,
        languages=(config.language,) if config.language else (),
        division=division,
        sample_rates={"": max(model.config.rate_of.values()), **_rates(config.data, model)},
        train_minutes={"": minutes} if minutes else None,
        phones=dict(flags.language_and_source(value) for value in config.phones),
        seed=config.seed,
    )
    if len(found) > 1:
        raise InputError(f"{' '.join(config.data)} hold {', '.join(found)}: say which with --language")
    return next(iter(found.values()))


def _source(config: Config, model: ctc.MultilingualCTC, *, but: str) -> dict[str, Language]:
    """The other languages, divided as they were for the checkpoint's own run."""
    if not config.source:
        return {}
    rates = _rates(config.source, model)
    rates.pop(but, None)
    if not rates:
        raise InputError(f"{' '.join(config.source)} hold no language but the one to learn that the checkpoint knows")
    division = division_of(config.checkpoint)
    return prepare(config.source, languages=tuple(rates), division=division, sample_rates=rates, seed=config.seed)


def _rates(sources: Sequence[str], model: ctc.MultilingualCTC) -> dict[str, int]:
    """Language of the sources that the model knows -> Hz."""
    present = {utterance.language for source in sources for utterance in read(source)}
    return {code: model.sample_rate(code) for code in model.languages if code in present}


def _heard(model: ctc.MultilingualCTC, spoken: Iterable[Language]) -> Evaluation:
    return sum((evaluate(model, each.test.utterances, each.test) for each in spoken), Evaluation(()))


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
