"""How the texts of a language are pronounced, from whatever the user has: a column, a lexicon, or espeak-ng's rules.

The result is text -> sound classes (`speech_tl.phonology.sounds`), which all languages of a model share.
"""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from speech_tl.data import espeak
from speech_tl.data.manifest import Utterance
from speech_tl.errors import InputError, unknown_name
from speech_tl.phonology.sounds import sound_classes

ESPEAK = "espeak:"


def pronunciations(
    utterances: Sequence[Utterance], source: str, *, normalise: Callable[[str], str], flag: str = "--phones"
) -> dict[str, str]:
    """Normalised text -> its sound classes, for every text of one language.

    Args:
        source: `espeak:VOICE`; a file of words and their IPA, tab separated; or a metadata column that holds IPA.

    Raises:
        InputError: there is no such column, file or voice, a word is not in the file, or something is not IPA.
    """
    texts = {normalise(utterance.text): utterance for utterance in utterances}
    if source.startswith(ESPEAK):
        ipa = dict(zip(texts, espeak.transcribe(source.removeprefix(ESPEAK), list(texts)), strict=True))
    elif Path(source).expanduser().suffix in (".tsv", ".txt", ".csv"):
        lexicon = _lexicon(Path(source).expanduser(), normalise)
        missing = sorted({word for text in texts for word in text.split() if word not in lexicon})
        if missing:
            raise InputError(f"{source}: {len(missing)} words of the data are not in it: {', '.join(missing[:5])}")
        ipa = {text: " ".join(lexicon[word] for word in text.split()) for text in texts}
    else:
        columns = {name for utterance in utterances for name, _ in utterance.extra}
        if source not in columns:
            raise unknown_name("column", source, columns or {"espeak:VOICE"}, where=flag)
        ipa = {text: dict(utterance.extra)[source] for text, utterance in texts.items()}
    return {text: sound_classes(said, where=f"{source} for {text!r}") for text, said in ipa.items()}


def _lexicon(file: Path, normalise: Callable[[str], str]) -> dict[str, str]:
    """Word -> IPA; of several pronunciations the first."""
    lexicon: dict[str, str] = {}
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
                if len(row) != 2:
                    raise InputError(f"{file}, line {number}: {len(row)} columns; expected a word, a tab, its IPA")
                lexicon.setdefault(normalise(row[0]), row[1])
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text ({error}); expected a word, a tab, its IPA on each line") from None
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; --phones takes a file of words and their IPA, tab separated") from None
    return lexicon
