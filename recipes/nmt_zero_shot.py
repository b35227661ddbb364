"""Pairs never seen, translated through one shared encoder: every direction from hub-centric data, with its pivot.

The model trains on hub-x pairs only, each hub sentence in one pair (`--condition disjoint`), and is asked for every
direction x-y. Direct translation stands beside the pivot through the hub and a copy of the source.

    python -m recipes.nmt_zero_shot --data D/multi30k --languages de fr cs --minutes 19.4 --validate-every 500 \\
        --restricted --tests test_2016_flickr --seed 0 --out runs/multi30k

Disjoint thirds of Multi30k, three seeds, 1,135 to 1,216 CPU-seconds on one thread of a busy machine: BLEU supervised
29.0 [28.6, 29.3], zero-shot direct 18.6 [18.2, 18.9], its pivot 20.6 [20.2, 20.8] (direct - pivot -1.9 [-2.3, -1.5]
for seed 0), off-target 0.0 %; with `--align 0.3` P@1 in encoder space rises from 49.1 to 84.8 % (seed 0). Without
--data, five languages made here, 494 s on two cores: zero-shot 85.0, ja-ko 86.7 % word for word (seed 0). What
decided it: the target's tag where the decoder starts and not in the encoder, a little denoising, no dropout, search
restricted to the target's pieces.

On an H200 in bf16 (`--tokens 8000 --steps 4000 --validate-every 400 --dropout 0.3 --attention-dropout 0.1 --align 0.3
--rivals plain bound_fixed_total` in the place of minutes; 281 s beside seven other runs), seeds 0, 1, 2: supervised
31.3, 31.2, 31.0 (plain 32.6, 32.0, 31.9), direct 21.7, 21.5, 21.6, behind its pivot by 0.75, 0.76, 0.71 and the plain
model's by 1.8, 1.5, 1.4, 95 and 97 % of the bound (seeds 0, 1), off-target 0.0, 0.02, 0.0 %, P@1 94.8, 94.8, 95.0.
Japanese-Korean (`--languages ja ko --minutes 20 --rivals plain bound_fixed_total`, seed 0), BLEU over characters:
Python's documentation direct 26.4, its pivot 21.6, plain's 15.6, bound 29.8; the Bible 12.3, 9.8, 7.7, 11.6.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Literal

from nmt_zero_shot import cleaning, corpus, figures, grammar, language_id, lineage, readers, subwords
from nmt_zero_shot.evaluate import evaluate, identifier_rows
from nmt_zero_shot.language_id import Identifier
from nmt_zero_shot.model import Translator, load
from nmt_zero_shot.results import CAPTIONS, Evaluation
from nmt_zero_shot.retrieval import retrieval_rows
from nmt_zero_shot.systems import in_torch
from nmt_zero_shot.training import Settings, Trained, continued, train, untrained
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.report import Report, finish
from speech_tl.training import config as configuration
from speech_tl.training.config import command
from speech_tl.training.loop import Plan

EXPLAINED = {
    "identifier": "Errors (%) of the identifier by which off-target rates are counted, on the references.",
    "retrieval": "How often (%) the sentence that means the same is the nearest of the encoder's states, by cosine.",
    "training": "Updates, CPU-seconds (wall seconds on a GPU) and target subwords read in a second of them.",
}
"""What the tables show that are made here."""

BOUNDS: dict[str, Literal["fixed_total", "added"]] = {"bound_fixed_total": "fixed_total", "bound_added": "added"}
EVALUATED = ("rivals", "tests", "beam", "restricted", "test_sentences")
"""Flags that may change when a run goes on: they say what else is trained and what is asked."""
OWN = (
    *("size", "tags", "norm", "middle_residual", "top_tags", "initialisation", "vocabulary"),
    *("dropout", "attention_dropout"),
)
"""Flags that a model which was trained before has no use for."""
Rival = Literal["plain", "zero_resource", "bound_fixed_total", "bound_added"]


@dataclass(frozen=True)
class Config(Settings):
    data: str = ""
    """A corpus: aligned text files, TSV, TMX, Multi30k's folder or hub:NAME:CONFIG; sentences made here if none."""
    languages: tuple[str, ...] = ()
    """Besides the hub; all that the data hold if none."""
    hub_language: str = "en"
    """The language of every training pair."""
    condition: Literal["disjoint", "multiway"] = "disjoint"
    """disjoint: a hub sentence serves one pair; multiway: every pair it has."""
    believed: bool = False
    """Believe that texts are in the languages they are named after, also where their words speak against it."""
    tests: tuple[str, ...] = ()
    """Only the test sets of these names; all if none."""
    init: Path | None = None
    """Go on from this run, or from a folder of M2M-100, NLLB or mBART, in the place of random weights."""
    add_languages: tuple[str, ...] = ()
    """Languages that --init lacks: each gets a tag of its own, and all old rows are kept."""
    vocabulary: int | None = None
    """Subwords; 4,000 if none, and 1,000 for sentences made here, which have a few hundred words."""
    minutes: float = 12.0
    """CPU-minutes of training, of all threads together; wall minutes on a GPU."""
    steps: int | None = None
    """Updates, in the place of minutes."""
    peak_rate: float | None = None
    """Learning rate after the warm-up; 4e-3 if none, and 1e-4 with --init."""
    warmup: int = 200
    """Updates of linear warm-up."""
    validate_every: int = 200
    """Updates between validations, and between saved states."""
    rivals: tuple[Rival, ...] = ()
    """Also train, with as many updates: plain (without any technique: another pivot), bound_fixed_total and
    bound_added (with direct pairs, as many sentence pairs in all or on top); or zero_resource, the model trained on
    for a quarter of its updates with its own translations as sources of pairs never seen."""
    beam: int = 5
    """Hypotheses kept in the search; 1 is greedy."""
    restricted: bool = False
    """Write only subwords that the training texts of the target language have."""
    test_sentences: int = 1000
    """Of each test set at most so many, in each direction."""
    seed: int = 0
    """Of everything random."""
    out: Path = Path("runs/nmt_zero_shot")
    """Where the run is kept."""
    resume: bool = False
    """Continue the run in --out."""
    tiny: bool = False
    """Seconds on generated sentences, to see that everything works."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    _check(config)
    if config.tiny:
        config = replace(config, size="tiny", steps=config.steps or 40, validate_every=20, beam=1)

    # Data
    hub = config.hub_language
    before = lineage.load(config.init) if config.init else None
    if config.init and before:
        lineage.check_hub(before, hub, where=config.init)
    found, pairs, valid = _divided(config, before or {})
    languages = [hub, *(other for _, other in pairs)]
    if len(pairs) < 2 and (unseen := [name for name in config.rivals if name != "plain"]):
        raise InputError(f"--rivals {' '.join(unseen)}: pairs never trained, of which there are none with one language")
    bounds = {
        name: corpus.bound(found.train, pairs, kind=BOUNDS[name], seed=config.seed)
        for name in config.rivals
        if name in BOUNDS
    }
    if config.condition == "disjoint":
        held_out = permutations((language for language in languages if language != hub), 2)
        corpus.check_held_out(lineage.together(pairs, before), list(held_out))
    sizes = [
        f"{prefix}{a}-{b}: {len(sentences)} sentence pairs"
        for prefix, own in {"": pairs, **{f"{name}, ": each for name, each in bounds.items()}}.items()
        for (a, b), sentences in own.items()
    ]
    known = "" if before is not None or not config.init else f", but for what {config.init} was trained on: unknown"
    notes = (*found.notes, f"condition: {config.condition}{known}", *sizes)
    print("\n".join(notes), file=sys.stderr)

    # Model
    texts = corpus.sentences(pairs)
    identify = language_id.train(texts)
    plan = _plan(config)
    fresh = _beginning(config, texts)
    start = fresh(config)
    if config.restricted:
        for language in languages:
            start.subwords.pieces_of(language)  # refused before anything is trained

    # Train
    fresh_run = configuration.begin(config, config.out, resume=config.resume, free=EVALUATED)
    if fresh_run or not (config.out / lineage.FILE).is_file():  # which a kill just behind `begin` leaves unwritten
        language_id.save(identify, config.out / language_id.FILE)
        lineage.save(lineage.served(pairs, before=before), config.out)
    fitted = partial(train, valid=valid, seed=config.seed, resume=config.resume)
    trained = fitted("zero_shot", start, pairs, settings=config, plan=plan, folder=config.out)
    plan = replace(plan, minutes=None, steps=trained.history.steps)
    rivals = [_rival(name, config, fitted, fresh, bounds.get(name, pairs), before, plan) for name in config.rivals]

    # Evaluate
    search = partial(in_torch, beam=config.beam, restricted=config.restricted)
    evaluation = Evaluation(())
    for test, rows in found.tests.items():
        able = corpus.between(rows, languages)
        most = config.test_sentences
        asked = partial(evaluate, rows=rows, directions=able, test=test, hub=hub, identify=identify, most=most)
        evaluation += asked(search(trained.translator))
        for rival in rivals:
            pivot = "" if rival.name in BOUNDS else f"{rival.name}_pivot"
            evaluation += asked(search(rival.translator), name=rival.name, pivot=pivot)
    return _report(config, (trained, *rivals), evaluation, found.tests, languages, identify, notes=notes, began=began)


def _rival(
    name: Rival,
    config: Config,
    fitted: Callable[..., Trained],
    fresh: Callable[[Settings], Translator],
    pairs: corpus.Bitexts,
    before: lineage.Served | None,
    plan: Plan,
) -> Trained:
    """Another system, trained with as many updates; the zero-resource one goes on from the main one for a quarter."""
    further = partial(fitted, name, folder=config.out / "systems" / name)
    if name == "plain":
        own = config.plain()
        return further(fresh(own), pairs, settings=own, plan=plan)
    if name == "zero_resource":
        assert plan.steps is not None
        quarter = replace(plan, steps=max(1, plan.steps // 4))
        return further(load(config.out), pairs, settings=config, plan=quarter, back_translate=0.5)
    lineage.save(lineage.served(pairs, before=before), config.out / "systems" / name)
    return further(fresh(config), pairs, settings=config, plan=plan)


def _check(config: Config) -> None:
    """What no data are needed to refuse."""
    if config.add_languages and not config.init:
        raise InputError(f"--add-languages {' '.join(config.add_languages)}: to what? name a checkpoint with --init")
    out, init = config.out.resolve(), config.init and config.init.resolve()
    if init and (out.is_relative_to(init) or init.is_relative_to(out)):
        raise InputError(f"--out {config.out} would write over --init {config.init}: choose another folder")
    if config.init and "plain" in config.rivals:
        raise InputError("--rivals plain begins with random weights, which --init takes the place of: leave one out")
    if config.init and (useless := [name for name in OWN if getattr(config, name) != getattr(Config(), name)]):
        flags = ", ".join("--" + name.replace("_", "-") for name in useless)
        raise InputError(f"--init {config.init} brings its own model and vocabulary: leave out {flags}")
    if config.languages and set(config.languages) == {config.hub_language}:
        raise InputError(f"--languages {config.hub_language}: the hub alone; name the others, or none for all")
    if not 0 <= config.seed < 2**32:
        raise InputError(f"--seed {config.seed}: expected a whole number from 0 to {2**32 - 1}")
    if min(config.test_sentences, config.beam) < 1:
        raise InputError(f"--test-sentences {config.test_sentences} --beam {config.beam}: expected 1 or more")


def _report(
    config: Config,
    systems: Sequence[Trained],
    evaluation: Evaluation,
    tests: Mapping[str, Sequence[corpus.Row]],
    languages: Sequence[str],
    identify: Identifier,
    *,
    notes: tuple[str, ...],
    began: float,
) -> Report:
    translator, hub = systems[0].translator, config.hub_language
    measured = evaluation.tables()
    asked = partial(retrieval_rows, translator, languages=languages, tag=hub, most=config.test_sentences)
    measured["identifier"] = identifier_rows(identify, tests)
    measured["retrieval"] = [row for test, rows in tests.items() for row in asked(rows, test=test)]
    measured["training"] = [
        {
            "system": each.name,
            "updates": each.history.steps,
            "train_seconds": each.history.train_seconds,
            "subwords_per_second": each.subwords_per_second,
        }
        for each in systems
    ]
    return finish(
        "nmt_zero_shot",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables=measured,
        captions=CAPTIONS | EXPLAINED,
        sections=(
            *figures.matrices(measured.get("bleu", ())),
            figures.learning_curves({each.name: each.history for each in systems}),
            *figures.encoder_space(translator, tests, languages, tag=hub),
            figures.where_direct_and_pivot_part(evaluation.sentence_rows()),
        ),
        notes=notes,
        shown=[name for name in ("bleu", "summary", "no_references") if name in measured],
    )


def _beginning(config: Config, texts: Mapping[str, Sequence[str]]) -> Callable[[Settings], Translator]:
    """Makes what a system begins with: random weights over a vocabulary of these texts, or the model of --init."""
    if config.init:
        checkpoint = config.init
        return lambda _settings: continued(checkpoint, texts, added=config.add_languages, seed=config.seed)
    size = config.vocabulary or (600 if config.tiny else 4000 if config.data else 1000)
    return partial(untrained, subwords.train(texts, size=size, seed=config.seed), seed=config.seed)


def _divided(config: Config, before: lineage.Served) -> tuple[corpus.Corpus, corpus.Bitexts, corpus.Bitexts]:
    """The corpus, cleaned and with its held-out parts, the pairs to train on, and those to choose a checkpoint by.

    Args:
        before: what --init was trained on.
    """
    hub = config.hub_language
    if config.data:
        found = readers.read(config.data, hub=hub, languages=config.languages)
    else:
        found = grammar.generate(sentences=600, valid=40, test=40) if config.tiny else grammar.generate()
    corpus.paired(found.train, hub, config.languages)  # refused before anything is cleaned
    found = corpus.unlearned(corpus.hold_out(found, hub=hub), before, hub=hub, needed=config.tests)
    found = corpus.untested(found, hub=hub)
    found, _ = cleaning.clean(found, hub=hub, believed=config.believed)
    for name in config.tests:
        if name not in found.tests:
            raise unknown_name("test set", name, found.tests, where=config.data)
    found = replace(found, tests={name: found.tests[name] for name in config.tests or found.tests})
    pairs = corpus.divide(
        found.train,
        hub=hub,
        languages=config.languages,
        condition=config.condition,
        groups=found.groups,
        served=before,
        seed=config.seed,
    )
    return found, pairs, corpus.validation(found.valid, pairs)


def _plan(config: Config) -> Plan:
    return Plan(
        minutes=config.minutes if config.steps is None else None,
        steps=config.steps,
        peak_rate=(1e-4 if config.init else 4e-3) if config.peak_rate is None else config.peak_rate,
        warmup_steps=config.warmup,
        validate_every=config.validate_every,
        average=0.99,
    )


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
