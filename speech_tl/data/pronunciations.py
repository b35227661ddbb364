"""How the texts of a language are pronounced, from whatever the user has: a column, a lexicon, or espeak-ng's rules.

The result is text -> sounds, as a rule the classes (`speech_tl.phonology.sounds`) that all languages share.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from speech_tl.data import espeak
from speech_tl.data.manifest import Utterance
from speech_tl.errors import InputError, unknown_name
from speech_tl.phonology import pinyin
from speech_tl.phonology.lexicon import read
from speech_tl.phonology.sounds import Spell, sound_classes

ESPEAK = "espeak:"
PINYIN = "pinyin:"
LEXICONS = (".tsv", ".txt", ".csv", ".gz", ".dict")
"""Endings of files that hold words and their pronunciations."""


def pronunciations(
    utterances: Sequence[Utterance],
    source: str,
    *,
    normalise: Callable[[str], str],
    spell: Spell = sound_classes,
    flag: str = "--phones",
) -> dict[str, str]:
    """Normalised text -> its sounds, for every text of one language.

    Args:
        source: `espeak:VOICE`; a file of words and their IPA, tab separated; a metadata column that holds IPA, such as
            `text`; or `pinyin:COLUMN`, one that holds pinyin with numbered tones, or characters.

    Raises:
        InputError: there is no such column, file or voice, a word is not in the file, or something is not IPA.
    """
    texts: dict[str, Utterance] = {}
    for utterance in utterances:
        texts.setdefault(normalise(utterance.text), utterance)  # what is said first, of training
    if source.startswith(ESPEAK):
        ipa = dict(zip(texts, espeak.transcribe(source.removeprefix(ESPEAK), list(texts)), strict=True))
    elif Path(source).suffix in LEXICONS:
        lexicon = read(source, normalise=normalise, spell=spell)
        own = lexicon.of(sorted({word for text in texts for word in text.split()}), where=source)
        return {text: "".join(own.entries[word][0] for word in text.split()) for text in texts}
    else:
        column = source.removeprefix(PINYIN)
        ipa = {text: _cell(utterance, column, flag=flag) for text, utterance in texts.items()}
        if source.startswith(PINYIN):
            ipa = {text: pinyin.ipa(said, where=f"{column} for {text!r}") for text, said in ipa.items()}
    spelled = {text: spell(said, where=f"{source} for {text!r}") for text, said in ipa.items()}
    if silent := [text for text, said in spelled.items() if text and not said]:
        raise InputError(f"{flag}: {source} has no sound for {silent[0]!r} and {len(silent) - 1} other texts")
    return spelled


def _cell(utterance: Utterance, column: str, *, flag: str) -> str:
    cells = {"text": utterance.text, **dict(utterance.extra)}
    if column not in cells:
        raise unknown_name("column", column, cells, where=f"{flag}, for {utterance.name or utterance.audio}")
    return cells[column]
