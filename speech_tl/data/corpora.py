"""How to divide the corpora we know: a corpus is a row here, never a script of its own.

A row is found by the folder's name and supplies defaults only; whatever the command line says about speakers
wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speech_tl.files import at_home


@dataclass(frozen=True)
class Corpus:
    """What `speech_tl.data.splits.split` should do with a corpus unless told otherwise."""

    task: str | None = None
    """`words` or `sentences`; None: told from how often texts recur."""
    hold_out_speakers: tuple[str, ...] = ()
    train_speakers: int | None = None
    test_speakers: int | None = None
    known_speakers: bool = False
    note: str = ""


CORPORA: dict[str, Corpus] = {
    "accented_english_numbers": Corpus("sentences", note="one digit string per speaker"),
    "arabic_speech_commands": Corpus("words", note="its own split is speaker-disjoint"),
    "dspspeech20_mandarin_english": Corpus(
        "words",
        hold_out_speakers=("zh27", "zh28", "zh29", "zh30", "zh31", "zh32", "zh33", "zh34"),
        note="zh01, zh03 and zh13 are bad recordings: not in the test",
    ),
    "english_speech_commands_mini": Corpus("words", note="its own split is speaker-disjoint"),
    "fsdd_english_digits": Corpus("words", hold_out_speakers=("theo",), note="its own split shares speakers"),
    "hebrew_yesno": Corpus("sentences", note="single speaker"),
    "kinyarwanda_ammi": Corpus("sentences", note="single speaker; noisy labels"),
    "lithuanian_speech_commands": Corpus("words", train_speakers=4, test_speakers=10),
    "ljspeech_mini": Corpus("sentences", note="single speaker"),
    "malayalam_msc": Corpus("sentences", note="crowd sentences, three quarters said by several speakers"),
    "mandarin_words_audio_cmn": Corpus(
        "sentences", known_speakers=True, note="one speaker says characters, the other pinyin syllables"
    ),
    "mboshi": Corpus("sentences", hold_out_speakers=("kouarata",), note="its own split shares speakers"),
    "swahili_ammi": Corpus("sentences", note="single speaker"),
    "ucla_phonetic": Corpus("sentences", note="phones; the speaker is a tape, usually one or two people"),
}


def known(source: str | Path) -> Corpus:
    """The row of a corpus folder, or one that leaves everything to the general rules."""
    path = at_home(source).resolve()
    return CORPORA.get(path.parent.name if path.is_file() else path.name, Corpus())


def split_arguments(
    source: str | Path,
    *,
    hold_out_speakers: Sequence[str] = (),
    train_speakers: int | None = None,
    test_speakers: int | None = None,
    split_file: str | Path | None = None,
    known_speakers: bool = False,
) -> dict[str, Any]:
    """Arguments for `split`: the row's, or, as soon as one speaker rule is given, only what was given."""
    row = known(source)
    given = bool(hold_out_speakers or split_file or known_speakers) or test_speakers is not None
    return {
        "task": row.task,
        "hold_out_speakers": tuple(hold_out_speakers) if given else row.hold_out_speakers,
        "train_speakers": train_speakers if train_speakers is not None or given else row.train_speakers,
        "test_speakers": test_speakers if given else row.test_speakers,
        "split_file": split_file,
        "known_speakers": known_speakers if given else row.known_speakers,
    }
