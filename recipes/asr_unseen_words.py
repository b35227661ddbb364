"""Words never heard: trained without any recording of them, recognised from a lexicon by their sounds.

An encoder whose frames hear 165 ms learns the sounds of the other words, of one language or several; then every test
clip of the language is looked up in a lexicon that holds the unseen words too, alone and among distractors of a
dictionary. Pronunciations come from --phones, or, where that says nothing of a language with unseen words, from its
column `ipa`. Words that were trained on fit better, so that among all they are handicapped: by how much, a first model
says, from whose training as many further words were held out.

    python -m recipes.asr_unseen_words --data D/arabic_speech_commands D/swahili_ammi D/lithuanian_speech_commands \\
        D/english_speech_commands_mini --phones arb=ipa swh=espeak:sw lit=espeak:lt eng=espeak:en-us --hold-out arb=8 \\
        --handicap 0.3 --distractors wikipron/ara_arab_broad.tsv.gz --batch-clips 24 --steps 36000 \\
        --validate-every 6000 --seed 0 --out runs/unseen

Measured so on the test speakers, 30 to 45 minutes of one core, seeds (draws) 0 to 4, mean [range]: unseen words among
the eight 88.1 [79.7, 94.5] %, harmonic mean of seen and unseen among all forty 84.0 [78.7, 88.1]; the handicap was
found on another draw's validation speakers, when a phone may be its nearest on these draws' held-out words as
validation speakers say them. Beside 1,000 words of WikiPron 39.4 of the unseen and 90.2 of the seen without the
handicap, 42.3 and 71.1 with it. With 12,000 updates, clips looked up whole, 86.4 [71.1, 94.5] and 84.0 [75.2, 88.1].
Mandarin by pinyin (`--phones cmn=pinyin:text ... --tones --hold-out cmn=3 --steps 6000`, README), five draws,
likewise whole: unseen words among the three 90.0 [66.7, 100], English commands (README), five draws of ten words:
51.2 [25.0, 70.4] among the ten. Five percent of right answers to validation clips given up (`rejection`): of the test
clips 3.3 % of trained and 15.8 [6.6, 26.0] % of unseen words are lost, and 24.5 [20.2, 26.6] % answered whose word is
not in the lexicon.
"""

import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path

from speech_tl import files, flags, rejection, unseen_words
from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language
from speech_tl.data.pronunciations import pronunciations
from speech_tl.device import chosen, leads
from speech_tl.errors import InputError, unknown_name
from speech_tl.held_out_words import HeldOut, distractors, drawn, never_heard
from speech_tl.models.ctc import MultilingualCTC, save
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.phonology.lexicon import Lexicon, read
from speech_tl.phonology.spelling import phones
from speech_tl.report import Report, finish
from speech_tl.systems import train, untrained
from speech_tl.training.config import command
from speech_tl.training.loop import Plan

IPA = "ipa"
"""The column that pronunciations are taken from where --phones says nothing and the words have it."""
HELD_OUT = "held_out.json"
"""The words that a run never trains on; the file of --hold-out may change until it goes on."""
SEARCHED = ("distractors", "distractor_count")
"""Flags that may change when a run goes on: they say what is searched, and not what is trained."""


@dataclass(frozen=True)
class Config(flags.Training, flags.Recordings):
    encoder: str = "narrow"
    """What hears the sounds: narrow, or another size, a folder or a hub id, which hear whole words."""
    subsampling: int = 2
    """Frames of 10 ms per output frame, for an encoder from scratch."""
    label_prior: float = 0.3
    """How much of log p(sound) the scores of sounds are lowered by; 0 leaves most frames to the blank."""
    handicap: float | None = None
    """Nats a frame by which words of the training are lowered among all; a first model finds it if none is given."""
    tones: bool = False
    """Tones are sounds too, behind what bears them, where the pronunciations have them."""
    hold_out: tuple[str, ...] = ("8",)
    """So many words drawn by seed, or a text file of words, one on each line; LANGUAGE=N where there are several."""
    distractors: tuple[str, ...] = ()
    """A lexicon file, of which words as long as a held-out one, give or take a phone, join the search, or
    LANGUAGE=FILE."""
    distractor_count: int = 1000
    """How many of them, drawn by seed."""
    out: Path = Path("runs/asr_unseen_words")
    """Where the run is kept."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    if config.handicap is not None and not 0 <= config.handicap < inf:
        raise InputError(f"--handicap {config.handicap:g}: expected nats a frame, 0 or more")
    if not 0 <= config.label_prior < inf:
        raise InputError(f"--label-prior {config.label_prior:g}: expected a share of log p(sound), such as 0.3, or 0")

    # Data
    data = flags.prepared(config, seed=config.seed, made_in=config.out.parent, tiny=config.tiny, untested=True)
    asked = _asked(config, data)
    dictionaries = _by_language(config.distractors, asked, flag="--distractors")
    words = _held_out(config, data, asked)
    tests = {code: _told_apart(data[code].test, words, code, part="test") for code in words.words}
    lexica = _lexica(config, words, tests, dictionaries)
    notes = (
        *(data[code].description for code in words.languages),
        *(f"{code}: left out, --phones says nothing of it" for code in data if code not in words.languages),
        *(f"{code}: never trained on: {', '.join(own)}" for code, own in words.words.items()),
    )
    print("\n".join(notes), file=sys.stderr)

    # Model and train
    plan = flags.plan(config)
    known = {code: data[code] for code in words.languages}
    fresh = flags.begin(config, config.out, known, resume=config.resume, free=SEARCHED)
    _keep(words, config.out / HELD_OUT, fresh=fresh)
    handicap = _handicap(config, words, plan) if config.handicap is None else config.handicap
    model = _trained(config, words, plan, config.out, handicap=handicap)
    _know_how_sure(model, words, config.out, handicap=handicap)

    # Evaluate
    rows, hardest, rejected, decoding, digests = [], [], [], [], []
    for code, clips in tests.items():
        heard = unseen_words.hear(model, clips, language=code)
        new = never_heard([words.said[code][word] for word in words.words[code]], words.trained())
        found = unseen_words.look_up(heard, clips, *words.trees(lexica[code][0], code), handicap=handicap)
        found = unseen_words.handicapped(found, words.known(code), handicap)
        hardest += [{"corpus": code, **row} for row in unseen_words.hardest(found, lexica[code][0], words.words[code])]
        if sure := model.config.word_confidences:
            without = rejection.absent(heard, clips, lexica[code][0], words, code, handicap=handicap)
            found_rows = rejection.rows(found, without, words.words[code], sure, handicap=handicap)
            rejected += [{"corpus": code, "draw": config.seed, **row} for row in found_rows]
        for lexicon in lexica[code]:
            right = unseen_words.rows(heard, clips, lexicon, words, code, handicap=handicap)
            rows += [{"corpus": code, "draw": config.seed, **new, **row} for row in right]
            timed = unseen_words.decoding(heard, clips, lexicon, words.spell.units)
            decoding += [{"corpus": code, **row} for row in timed]
            digests.append(f"{code}: a lexicon of {len(lexicon)} words, sha256 {lexicon.digest}")
    return finish(
        "asr_unseen_words",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables={"words": rows, "hardest": hardest, "rejection": rejected, "decoding": decoding},
        captions=unseen_words.CAPTIONS | rejection.CAPTIONS,
        notes=(
            *notes,
            *filter(None, [words.spell.told]),
            *digests,
        ),
        shown=("words", "rejection", "decoding"),
    )


def _asked(config: Config, data: Mapping[str, Language]) -> dict[str, str]:
    """Language -> what --hold-out says of it."""
    tested = [code for code, language in data.items() if len(language.test)]
    asked = _by_language(config.hold_out, tested, flag="--hold-out")
    if not asked:
        raise InputError("--hold-out names no words: expected how many, or a file of them")
    return asked


def _held_out(config: Config, data: Mapping[str, Language], asked: Mapping[str, str]) -> HeldOut:
    """The languages whose sounds are known, without the words that were asked for."""
    sources = dict(flags.language_and_source(value) for value in config.phones)
    for code in asked:
        if code not in sources and all(IPA in dict(u.extra) for u in data[code].split.train):
            sources[code] = IPA
        if code not in sources:
            raise InputError(
                f"--phones says nothing of {code}, which has no column {IPA}: without pronunciations no unseen word "
                "can be looked up"
            )
    known = {code: language for code, language in data.items() if code in sources}
    held = {code: _held(what, known[code], seed=config.seed) for code, what in asked.items()}
    said = {code: _said(language, sources[code], tones=config.tones) for code, language in known.items()}
    return HeldOut.of(known, said, held)


def _by_language(values: Sequence[str], languages: Collection[str], *, flag: str) -> dict[str, str]:
    """`("arb=8", "eng=10")` -> what is said of each; a value without a language is of the only one there is."""
    found: dict[str, str] = {}
    for value in values:
        code, equals, what = value.partition("=")
        code, what = (code, what) if equals else ("", value)
        if not languages:
            raise InputError(f"{flag} {value}: no language has test clips; give a corpus with --data")
        if not code and len(languages) > 1:
            raise InputError(f"{flag} {value}: {' '.join(languages)} are there; expected LANGUAGE={value}")
        code = code or next(iter(languages))
        if code not in languages:
            raise unknown_name("language", code, languages, where=flag)
        if code in found:
            raise InputError(f"{flag} says of {code} both {found[code]} and {what}; give one of them")
        found[code] = what
    return found


def _held(what: str, language: Language, *, seed: int) -> tuple[str, ...]:
    """The words of a file, or so many drawn by seed from those that are both trained on and tested."""
    if what.isdecimal():
        present = {u.text for u in language.train.utterances} & {u.text for u in language.test.utterances}
        return drawn(present, int(what), seed=seed)
    try:
        lines = Path(what).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--hold-out {what}: neither a number nor a file of words ({error})") from None
    words = tuple(sorted({language.normaliser(line) for line in lines if line.strip()}))
    if not words:
        raise InputError(f"--hold-out {what} is empty: expected words, one on each line")
    for word in words:
        if word not in (there := {u.text for u in language.test.utterances}):
            raise unknown_name("word", word, there, where=f"the test recordings of {language.code}")
    return words


def _told_apart(clips: Clips, words: HeldOut, code: str, *, part: str) -> Clips:
    """The clips of words that were trained on, and of those held out of it; of others nothing can be said."""
    told = words.known(code).union(words.words[code])
    kept = [at for at, u in enumerate(clips.utterances) if u.text in told]
    if left := len(clips) - len(kept):
        print(f"{left} {part} clips left out: their words are neither trained on nor held out", file=sys.stderr)
    return clips.take(kept)


def _lexica(
    config: Config, words: HeldOut, tests: Mapping[str, Clips], dictionaries: Mapping[str, str]
) -> dict[str, tuple[Lexicon, ...]]:
    """Language -> the words that are tested, and the same with distractors where there is a dictionary."""
    found: dict[str, tuple[Lexicon, ...]] = {}
    for code, clips in tests.items():
        own = words.lexicon({u.text for u in clips.utterances}, code)
        found[code] = (own,)
        if code in dictionaries:
            whole = read(dictionaries[code], normalise=words.languages[code].normaliser, spell=words.spell)
            more = distractors(whole, own, words.words[code], config.distractor_count, seed=config.seed)
            found[code] += (own + more,)
    return found


def _said(language: Language, source: str, *, tones: bool) -> dict[str, str]:
    """Every text of a language -> its phones."""
    texts = (*language.split.train, *language.split.valid, *language.split.test)
    return pronunciations(texts, source, normalise=language.normaliser, spell=partial(phones, tones=tones))


def _trained(config: Config, words: HeldOut, plan: Plan, folder: Path, *, handicap: float = 0.0) -> MultilingualCTC:
    """A model of the sounds of these languages; its checkpoint says which were heard too rarely, which words too often.

    Args:
        handicap: what words of the training will be lowered by.
    """
    sounds = words.sounds()
    settings, note = flags.settings(config, sounds)
    print(note, file=sys.stderr)
    settings = replace(settings, label_prior=config.label_prior, intermediate=0.0)  # the middle block hears too little
    model = untrained(sounds, settings, seed=config.seed, shared=(PHONE_HEAD, words.spell.units))
    model.config.handicap = handicap
    model.config.trained_words = sorted(words.fitted())
    model.config.understudies = words.stands_for
    return train(
        "sounds",
        model,
        sounds,
        settings=settings,
        plan=plan,
        folder=folder,
        seed=config.seed,
        validated=False,
        resume=config.resume,
    ).model


def _keep(words: HeldOut, file: Path, *, fresh: bool) -> None:
    """Writes down which words are held out; of a run that goes on, they are those that it began with."""
    now = {code: sorted(own) for code, own in words.words.items()}
    if fresh or not file.exists():
        files.write(file, json.dumps(now, ensure_ascii=False, indent=1) + "\n")
    elif (before := json.loads(file.read_text(encoding="utf-8"))) != now:
        code = next(code for code in now if before.get(code) != now[code])
        raise InputError(
            f"--resume: {file.parent} was begun with other words of {code} held out "
            f"({', '.join(before.get(code, ()))}): give those, or a new --out"
        )


def _handicap(config: Config, words: HeldOut, plan: Plan) -> float:
    """What words of the training are lowered by, from a model that has heard as many fewer of them as are held out."""
    further = {}
    for code, own in words.words.items():
        language = words.languages[code]
        present = words.known(code) & {u.text for u in language.valid.utterances}
        if len(present) < 3:
            print(f"{code} says nothing of the handicap: {len(present)} words have validation clips", file=sys.stderr)
        else:
            further[code] = drawn(present, min(len(own), len(present) - 2), seed=config.seed)
    if not further:
        return 0.0
    fewer = words.further(further)
    model = _trained(config, fewer, plan, config.out / "handicap")
    found = []
    for code, own in further.items():
        answers = _on_validation(model, words, code, trained=fewer, handicap=max(unseen_words.HANDICAPS))
        found.append((answers, words.known(code).difference(own)))
    return unseen_words.best_handicap(found)


def _know_how_sure(model: MultilingualCTC, words: HeldOut, folder: Path, *, handicap: float) -> None:
    """Keeps in the checkpoint how sure it is of its right answers to validation clips, if there are any."""
    coded = [code for code in words.words if len(words.languages[code].valid)]
    answers = {code: _on_validation(model, words, code, trained=words, handicap=handicap) for code in coded}
    lowered = [unseen_words.handicapped(own, words.known(code), handicap) for code, own in answers.items()]
    model.config.word_confidences = rejection.percentiles(lowered, handicap=handicap)
    if leads():
        save(model, folder / "checkpoint")


def _on_validation(
    model: MultilingualCTC, words: HeldOut, code: str, *, trained: HeldOut, handicap: float
) -> unseen_words.Answers:
    """What a model that was trained on `trained` makes of the validation clips of all words.

    Args:
        handicap: up to which the answers may be handicapped.
    """
    clips = _told_apart(words.languages[code].valid, words, code, part="validation")
    trees = trained.trees(words.lexicon(words.known(code), code), code)
    heard = unseen_words.hear(model, clips, language=code)
    return unseen_words.look_up(heard, clips, *trees, handicap=handicap)


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
