"""Words never heard: trained without any recording of them, recognised from a lexicon by their sounds.

The encoder and the head of sound classes learn from the other words, of one language or several; then every test clip
of the language is looked up in a lexicon that holds the unseen words too, alone and among distractors of a dictionary.

    python -m recipes.asr_unseen_words --data D/arabic_speech_commands D/fsdd_english_digits \\
        D/lithuanian_speech_commands --phones arb=ipa eng=espeak:en-us lit=espeak:lt --language arb --hold-out 8 \\
        --distractors wikipron/ara_arab_broad.tsv.gz --sample-rate 8000 --temperature 3 --steps 6000 --seed 0 \\
        --out runs/unseen

No figure has been measured with it yet.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from speech_tl import flags, unseen_words
from speech_tl.data import splits
from speech_tl.data.preparation import Language
from speech_tl.data.pronunciations import pronunciations
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.phonology.lexicon import Lexicon, prefix_tree, read
from speech_tl.report import Report, finish
from speech_tl.systems import train, untrained
from speech_tl.training import config as configuration
from speech_tl.training.config import command


@dataclass(frozen=True)
class Config(flags.Training, flags.Recordings):
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
    whole = data[code]
    texts = (*whole.split.train, *whole.split.valid, *whole.split.test)
    said = pronunciations(texts, sources[code], normalise=whole.normaliser)
    own = Lexicon({word: (sounds,) for word, sounds in said.items()})
    held = _held(config, sorted({u.text for u in whole.train.utterances} & {u.text for u in whole.test.utterances}))
    data = {**data, code: unseen_words.without(whole, held)}
    settings, note = flags.settings(config, data)
    notes = (*(language.description for language in data.values()), note, f"never trained on: {', '.join(held)}")
    print("\n".join(notes), file=sys.stderr)

    # Model and train
    model = untrained(data, settings, seed=config.seed)
    if configuration.begin(config, config.out, resume=config.resume):
        splits.save({each: language.split for each, language in data.items()}, config.out / "splits.json")
    system = train(
        "sounds",
        model,
        data,
        settings=settings,
        plan=flags.plan(config),
        folder=config.out,
        seed=config.seed,
        resume=config.resume,
    )

    # Evaluate
    trained = {word: sounds for language in data.values() for word, sounds in _trained(language).items()}
    facts = {"corpus": code, "draw": config.seed}
    rows, lexica = [], (own, *_with_distractors(config, own, held))
    for middle in (False, True):
        heard = unseen_words.hear(system.model, whole.test, language=code, middle=middle)
        among_unseen = unseen_words.look_up(heard, whole.test, prefix_tree(own.of(held)))
        for lexicon in lexica:
            among_all = unseen_words.look_up(heard, whole.test, prefix_tree(lexicon))
            found = unseen_words.row(among_all, among_unseen, held, lexicon)
            block = {"block": "middle" if middle else "last"}
            rows.append({**facts, **block, **found, **unseen_words.never_heard(held, trained, own)})
    decoding = [row for lexicon in lexica for row in unseen_words.decoding(heard, whole.test, lexicon)]
    return finish(
        "asr_unseen_words",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables={"words": rows, "decoding": decoding},
        notes=notes,
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


def _trained(language: Language) -> dict[str, str]:
    """Text -> sounds of what was trained on."""
    return {u.text: language.pronunciations[u.text] for u in language.train.utterances if language.pronunciations}


def _with_distractors(config: Config, own: Lexicon, held: tuple[str, ...]) -> list[Lexicon]:
    if config.distractors is None:
        return []
    dictionary, count = read(config.distractors), config.distractor_count
    return [own + unseen_words.distractors(dictionary, own, held, count, seed=config.seed)]


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
