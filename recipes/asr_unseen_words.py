"""Words never heard: trained without any recording of them, recognised from a lexicon by their sounds.

An encoder whose frames hear 165 ms learns the sounds of the other words, of one language or several; then every test
clip of the language is looked up in a lexicon that holds the unseen words too, alone and among distractors of a
dictionary. Words that were trained on fit better, so that among all they are handicapped: by how much, a first model
says, from whose training as many further words were held out.

    python -m recipes.asr_unseen_words --data D/arabic_speech_commands D/swahili_ammi D/lithuanian_speech_commands \\
        D/english_speech_commands_mini --phones arb=ipa swh=espeak:sw lit=espeak:lt eng=espeak:en-us --language arb \\
        --hold-out 8 --handicap 0.2 --distractors wikipron/ara_arab_broad.tsv.gz --batch-clips 24 --steps 12000 \\
        --validate-every 2000 --seed 0 --out runs/unseen

Measured so on the test speakers, 27 to 31 CPU-minutes, seeds (draws) 0 to 4, mean [range]: unseen words among the eight
85.2 [71.9, 94.5] %, harmonic mean of seen and unseen among all forty 83.0 [75.3, 88.2], without the handicap
66.7 [60.5, 69.1]; the handicap was found on another draw's validation speakers.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from speech_tl import flags, unseen_words
from speech_tl.data import splits
from speech_tl.data.preparation import Language
from speech_tl.data.pronunciations import pronunciations
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.phonology.lexicon import Lexicon, prefix_tree, read
from speech_tl.phonology.spelling import Known, phone_units, phones
from speech_tl.phonology.units import Units
from speech_tl.report import Report, finish
from speech_tl.systems import train, untrained
from speech_tl.training import config as configuration
from speech_tl.training.config import command


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
    language: str = ""
    """Whose words are held out; may be left out where there is one language."""
    hold_out: str = "8"
    """So many words drawn by seed, or a text file of words, one on each line."""
    distractors: Path | None = None
    """A lexicon file, of which words as long as a held-out one, give or take a phone, join the search."""
    distractor_count: int = 1000
    """How many of them, drawn by seed."""
    out: Path = Path("runs/asr_unseen_words")
    """Where the run is kept."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    if config.handicap is not None and not config.handicap >= 0:
        raise InputError(f"--handicap {config.handicap:g}: expected nats a frame, 0 or more")
    if not config.label_prior >= 0:
        raise InputError(f"--label-prior {config.label_prior:g}: expected a share of log p(sound), such as 0.3, or 0")
    sources = dict(flags.language_and_source(value) for value in config.phones)

    # Data
    data = flags.prepared(config, seed=config.seed, made_in=config.out.parent, tiny=config.tiny)
    code = config.language or next(iter(data))
    if code not in data:
        raise unknown_name("language", code, data, where="--language")
    if not config.language and len(data) > 1:
        raise InputError(f"{' '.join(data)}: say with --language whose words are held out")
    if code not in sources:
        raise InputError(f"--phones says nothing of {code}: without pronunciations no unseen word can be looked up")
    data = {each: language for each, language in data.items() if each in sources}  # the others have no sounds
    whole = data[code]
    held = _held(config, sorted({u.text for u in whole.train.utterances} & {u.text for u in whole.test.utterances}))
    rest = {**data, code: unseen_words.without(whole, held)}
    said = {each: _said(language, sources[each], tones=config.tones) for each, language in data.items()}
    trained = {(u.text, said[each][u.text]) for each, language in rest.items() for u in language.train.utterances}
    units = phone_units([sounds for _, sounds in trained])
    spell = Known(units)
    spelled = {each: {text: spell(sounds) for text, sounds in own.items()} for each, own in said.items()}
    own = Lexicon({word: (sounds,) for word, sounds in spelled[code].items()})
    notes = (*(language.description for language in data.values()), f"never trained on: {', '.join(held)}")
    print("\n".join(notes), file=sys.stderr)

    # Model and train
    if configuration.begin(config, config.out, resume=config.resume):
        splits.save({each: language.split for each, language in data.items()}, config.out / "splits.json")
    handicap = config.handicap
    if handicap is None:
        handicap = _handicap(config, rest, spelled, units, code, count=len(held))
    known = sorted({u.text for u in rest[code].train.utterances})
    model = _trained(config, rest, spelled, units, config.out, known=known, handicap=handicap)

    # Evaluate
    new = unseen_words.never_heard([said[code][word] for word in held], [sounds for _, sounds in trained])
    facts = {"corpus": code, "draw": config.seed, **new}
    heard = unseen_words.hear(model, whole.test, language=code)
    lexica = (own, *_with_distractors(config, own, held, spell))
    rows = [
        {**facts, **row}
        for lexicon in lexica
        for row in unseen_words.rows(heard, whole.test, lexicon, units, held=held, known=known, handicap=handicap)
    ]
    decoding = [row for lexicon in lexica for row in unseen_words.decoding(heard, whole.test, lexicon, units)]
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
            *(f"a lexicon of {len(lexicon)} words, sha256 {lexicon.digest}" for lexicon in lexica),
        ),
        shown=("words", "decoding"),
    )


def _held(config: Config, present: list[str]) -> tuple[str, ...]:
    """The words of a file, or so many drawn by seed from those that are both trained on and tested."""
    if config.hold_out.isdigit():
        return unseen_words.drawn(present, int(config.hold_out), seed=config.seed)
    try:
        lines = Path(config.hold_out).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--hold-out {config.hold_out}: neither a number nor a file of words ({error})") from None
    return tuple(sorted({line.strip() for line in lines if line.strip()}))


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
    handicap: float = 0.0,
) -> MultilingualCTC:
    """A model of the sounds of these languages' words, whose checkpoint says which are lowered by what."""
    sounds = {code: unseen_words.as_sounds(language, said[code], units) for code, language in data.items()}
    settings, note = flags.settings(config, sounds)
    print(note, file=sys.stderr)
    settings = replace(settings, label_prior=config.label_prior, intermediate=0.0)  # the middle block hears too little
    model = untrained(sounds, settings, seed=config.seed, shared=(PHONE_HEAD, units))
    model.config.trained_words, model.config.handicap = list(known), handicap
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
    config: Config, data: Mapping[str, Language], said: Said, units: Units, code: str, *, count: int
) -> float:
    """What words of the training are lowered by, from a model that has not heard `count` more of them."""
    known = data[code]
    clips = known.valid
    present = {u.text for u in known.train.utterances} & {u.text for u in clips.utterances}
    if len(present) < 3:
        print(f"no handicap: of {len(present)} words with validation clips none can be spared", file=sys.stderr)
        return 0.0
    further = unseen_words.drawn(present, min(count, len(present) - 2), seed=config.seed)
    rest = {**data, code: unseen_words.without(known, further)}
    model = _trained(config, rest, said, units, config.out / "handicap")
    words = {u.text for u in known.train.utterances}
    heard = unseen_words.hear(model, clips, language=code)
    tree = prefix_tree(Lexicon({word: (said[code][word],) for word in sorted(words)}), units=units.encode)
    answers = unseen_words.look_up(heard, clips, tree, handicap=max(unseen_words.HANDICAPS))
    return unseen_words.best_handicap(answers, words.difference(further))


def _with_distractors(config: Config, own: Lexicon, held: tuple[str, ...], spell: Known) -> list[Lexicon]:
    if config.distractors is None:
        return []
    dictionary, count = read(config.distractors, spell=spell), config.distractor_count
    return [own + unseen_words.distractors(dictionary, own, held, count, seed=config.seed)]


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
