"""Words never heard: trained without any recording of them, recognised from a lexicon by their sounds.

An encoder whose frames hear 165 ms learns the sounds of the other words, of one language or several; then every test
clip of the language is looked up in a lexicon that holds the unseen words too, alone and among distractors of a
dictionary. Words that were trained on fit better, so that among all they are handicapped: by how much, a first model
says, from whose training as many further words were held out.

    python -m recipes.asr_unseen_words --data D/arabic_speech_commands D/swahili_ammi D/lithuanian_speech_commands \\
        D/english_speech_commands_mini --phones arb=ipa swh=espeak:sw lit=espeak:lt eng=espeak:en-us --hold-out arb=8 \\
        --handicap 0.2 --distractors wikipron/ara_arab_broad.tsv.gz --batch-clips 24 --steps 12000 \\
        --validate-every 2000 --seed 0 --out runs/unseen

Measured so on the test speakers, 27 to 31 CPU-minutes, seeds (draws) 0 to 4, mean [range]: unseen words among the eight
85.2 [71.9, 94.5] %, harmonic mean of seen and unseen among all forty 83.0 [75.3, 88.2], without the handicap
66.7 [60.5, 69.1]; the handicap was found on another draw's validation speakers. Mandarin by pinyin (`--phones
cmn=pinyin:text ... --tones --hold-out cmn=3 --steps 6000`, README), five draws: unseen words among the three 90.0
[66.7, 100], against the word most like each 91.7 [62.5, 100], without the handicap 80.8. English commands, one draw of
ten words: 48.1 among the ten.
"""

import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path

from speech_tl import flags, unseen_words
from speech_tl.data import splits
from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language
from speech_tl.data.pronunciations import pronunciations
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.phonology.lexicon import Lexicon, prefix_tree, read
from speech_tl.phonology.spelling import Known, phone_units, phones, understudies, widened
from speech_tl.phonology.units import Units
from speech_tl.report import Report, finish
from speech_tl.systems import train, untrained
from speech_tl.training import config as configuration
from speech_tl.training.config import command

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
    sources = dict(flags.language_and_source(value) for value in config.phones)

    # Data
    data = flags.prepared(config, seed=config.seed, made_in=config.out.parent, tiny=config.tiny, untested=True)
    tested = [code for code, language in data.items() if len(language.test)]
    asked = _by_language(config.hold_out, tested, flag="--hold-out")
    if not asked:
        raise InputError("--hold-out names no words: expected how many, or a file of them")
    dictionaries = _by_language(config.distractors, asked, flag="--distractors")
    for code in asked:
        if code not in sources:
            raise InputError(f"--phones says nothing of {code}: without pronunciations no unseen word can be looked up")
    data = {code: language for code, language in data.items() if code in sources}  # the others have no sounds
    held = {code: _held(what, data[code], seed=config.seed) for code, what in asked.items()}
    rest = {code: unseen_words.without(each, held[code]) if code in held else each for code, each in data.items()}
    said = {code: _said(language, sources[code], tones=config.tones) for code, language in data.items()}
    trained = {(u.text, said[code][u.text]) for code, language in rest.items() for u in language.train.utterances}
    units = phone_units([sounds for _, sounds in trained])
    spell = Known(units)
    spelled = {code: {text: spell(sounds) for text, sounds in own.items()} for code, own in said.items()}
    known = {code: {u.text for u in rest[code].train.utterances} for code in held}
    stand_in = {code: understudies([said[code][text] for text in known[code]], units) for code in held}
    tests = {code: _told_apart(data[code].test, known[code], words) for code, words in held.items()}
    lexica = {
        code: _lexica(config, data[code], tests[code], spelled[code], words, dictionaries.get(code), spell)
        for code, words in held.items()
    }
    notes = (
        *(language.description for language in data.values()),
        *(f"{code}: never trained on: {', '.join(words)}" for code, words in held.items()),
    )
    print("\n".join(notes), file=sys.stderr)

    # Model and train
    if configuration.begin(config, config.out, resume=config.resume, free=SEARCHED):
        splits.save({code: language.split for code, language in data.items()}, config.out / "splits.json")
    handicap = config.handicap
    if handicap is None:
        handicap = _handicap(config, rest, spelled, units, held)
    every = sorted(set().union(*known.values()))
    model = _trained(config, rest, spelled, units, config.out, known=every, stand_in=stand_in, handicap=handicap)

    # Evaluate
    rows, decoding, digests = [], [], []
    for code, words in held.items():
        clips = tests[code]
        heard = unseen_words.hear(model, clips, language=code)
        new = unseen_words.never_heard([said[code][word] for word in words], [sounds for _, sounds in trained])
        for lexicon in lexica[code]:
            found = unseen_words.rows(
                heard,
                clips,
                lexicon,
                units,
                held=words,
                known=known[code],
                stands_for=stand_in[code],
                handicap=handicap,
            )
            rows += [{"corpus": code, "draw": config.seed, **new, **row} for row in found]
            searched = widened(lexicon, stand_in[code])
            decoding += [{"corpus": code, **row} for row in unseen_words.decoding(heard, clips, searched, units)]
            digests.append(f"{code}: a lexicon of {len(lexicon)} words, sha256 {lexicon.digest}")
    return finish(
        "asr_unseen_words",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables={"words": rows, "decoding": decoding},
        notes=(
            *notes,
            *(f"{sign!r} was never heard: [{other}] stands for it" for sign, other in spell.stand_ins.items()),
            *digests,
        ),
        shown=("words", "decoding"),
    )


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
        return unseen_words.drawn(present, int(what), seed=seed)
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


def _told_apart(clips: Clips, known: Collection[str], held: Collection[str]) -> Clips:
    """The clips of words that were trained on, and of those held out of it; of others nothing can be said."""
    kept = [at for at, u in enumerate(clips.utterances) if u.text in known or u.text in held]
    if left := len(clips) - len(kept):
        print(f"{left} test clips left out: their words are neither trained on nor held out", file=sys.stderr)
    return clips.take(kept)


def _lexica(
    config: Config,
    language: Language,
    clips: Clips,
    said: Mapping[str, str],
    held: Sequence[str],
    dictionary: str | None,
    spell: Known,
) -> tuple[Lexicon, ...]:
    """The words that are tested, and the same with distractors where there is a dictionary."""
    own = Lexicon({word: (said[word],) for word in sorted({u.text for u in clips.utterances})})
    if dictionary is None:
        return (own,)
    found = read(dictionary, normalise=language.normaliser, spell=spell)
    return own, own + unseen_words.distractors(found, own, held, config.distractor_count, seed=config.seed)


def _said(language: Language, source: str, *, tones: bool) -> dict[str, str]:
    """Every text of a language -> its phones."""
    texts = (*language.split.train, *language.split.valid, *language.split.test)
    return pronunciations(texts, source, normalise=language.normaliser, spell=partial(phones, tones=tones))


Said = Mapping[str, Mapping[str, str]]
"""Language -> text -> phones."""


def _trained(
    config: Config,
    data: Mapping[str, Language],
    said: Said,
    units: Units,
    folder: Path,
    *,
    known: Sequence[str] = (),
    stand_in: Mapping[str, dict[str, str]] | None = None,
    handicap: float = 0.0,
) -> MultilingualCTC:
    """A model of the sounds of these languages' words; its checkpoint says what was heard too rarely, and too often."""
    sounds = {code: unseen_words.as_sounds(language, said[code], units) for code, language in data.items()}
    settings, note = flags.settings(config, sounds)
    print(note, file=sys.stderr)
    settings = replace(settings, label_prior=config.label_prior, intermediate=0.0)  # the middle block hears too little
    model = untrained(sounds, settings, seed=config.seed, shared=(PHONE_HEAD, units))
    model.config.trained_words, model.config.handicap = list(known), handicap
    model.config.understudies = dict(stand_in or {})
    return train(
        "sounds",
        model,
        sounds,
        settings=settings,
        plan=flags.plan(config),
        folder=folder,
        seed=config.seed,
        validated=False,
        resume=config.resume,
    ).model


def _handicap(
    config: Config, data: Mapping[str, Language], said: Said, units: Units, held: Mapping[str, Collection[str]]
) -> float:
    """What words of the training are lowered by, from a model that has heard as many fewer of them as are held out."""
    further = {}
    for code, words in held.items():
        present = {u.text for u in data[code].train.utterances} & {u.text for u in data[code].valid.utterances}
        if len(present) < 3:
            print(f"{code} says nothing of the handicap: {len(present)} words have validation clips", file=sys.stderr)
        else:
            further[code] = unseen_words.drawn(present, min(len(words), len(present) - 2), seed=config.seed)
    if not further:
        return 0.0
    rest = {code: unseen_words.without(each, further[code]) if code in further else each for code, each in data.items()}
    model = _trained(config, rest, said, units, config.out / "handicap")
    found = []
    for code, words in further.items():
        known, clips = {u.text for u in data[code].train.utterances}, data[code].valid
        stand_in = understudies([said[code][u.text] for u in rest[code].train.utterances], units)
        lexicon = widened(Lexicon({word: (said[code][word],) for word in sorted(known)}), stand_in)
        tree = prefix_tree(lexicon, units=units.encode)
        heard = unseen_words.hear(model, clips, language=code)
        answers = unseen_words.look_up(heard, clips, tree, handicap=max(unseen_words.HANDICAPS))
        found.append((answers, known.difference(words)))
    return unseen_words.best_handicap(found)


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
