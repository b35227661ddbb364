"""Which recording says what, in which language, by whom: the one record every part of the toolkit shares.

A corpus is checked here, before anything is trained on it, so that a missing file or a half-written row costs
a second and not an hour. The formats themselves are in `speech_tl.data.readers` and `speech_tl.data.hub`.
"""

import logging
import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speech_tl.data import hub, readers
from speech_tl.data.readers import Row
from speech_tl.errors import InputError
from speech_tl.files import at_home

log = logging.getLogger(__name__)

COLUMNS = frozenset({"file_name", "text", "language", "speaker_id", "split", "start", "end", "duration_s"})


@dataclass(frozen=True)
class Utterance:
    """One spoken text: a whole file, or the seconds from `start` to `end` of a longer one."""

    audio: str
    """Path of the audio file."""
    text: str
    """As written in the corpus, not normalised."""
    language: str
    speaker: str
    """Empty where the corpus does not say who speaks."""
    start: float | None = None
    """Seconds."""
    end: float | None = None
    """Seconds."""
    split: str = ""
    """As written in the corpus: `train`, `dev`, ... or empty."""
    seconds: float | None = None
    """Duration where the corpus states it."""
    extra: tuple[tuple[str, str], ...] = ()
    """Further columns, as strings."""
    name: str = ""
    """Corpus folder and file name, the same on every machine; the audio file's own name where empty."""
    where: str = field(default="", compare=False)
    """The row it was read from, for messages."""

    @property
    def key(self) -> str:
        """Identity that survives a move to another machine: names the recording in split files and caches."""
        times = "" if self.start is None and self.end is None else f"@{_time(self.start or 0)}-{_time(self.end)}"
        return (self.name or Path(self.audio).name) + times


def read(source: str | Path, *, cache: Path | None = None, untranscribed: bool = False) -> tuple[Utterance, ...]:
    """Every utterance of a corpus: a folder, one of its tables, or `hub:NAME:CONFIG`.

    `cache` is where the hub's audio bytes are written, `untranscribed` takes rows whose text is empty. Duplicate rows
    are dropped with a warning in the log.
    """
    needed = ("language",) if untranscribed else ("text", "language")
    rows = tuple(_rows(str(source), cache))
    _check_filled(rows, needed)
    utterances = _without_duplicates(map(_utterance, rows), source=str(source))
    _check_encoding(utterances)
    if not utterances:
        raise InputError(f"{source}: no utterances")
    check_languages(utterances)
    _check_audio(utterances, source=str(source))
    return utterances


def check_languages(utterances: Iterable[Utterance]) -> None:
    """Refuses a language in two spellings, which would be two languages.

    Raises:
        InputError: with the first such pair and both rows.
    """
    first: dict[str, Utterance] = {}
    for utterance in utterances:
        other = first.setdefault(utterance.language.strip().casefold(), utterance)
        if other.language != utterance.language:
            raise InputError(
                f"{utterance.where}: language {utterance.language!r}, but {other.language!r} in {other.where}; "
                "write both alike"
            )


def check_names(utterances: Iterable[Utterance]) -> None:
    """Refuses two recordings that would be one in a split file: folders of one name, with files of one name; and one
    recording that is read twice, of which each corpus would make what it likes.

    Raises:
        InputError: with the first such name and both rows.
    """
    first: dict[str, Utterance] = {}
    for utterance in utterances:
        other = first.setdefault(utterance.key, utterance)
        if other is not utterance and other.audio == utterance.audio:
            raise InputError(f"{utterance.key} is in {other.where} and in {utterance.where}: give it once")
        if other is not utterance:
            raise InputError(
                f"{utterance.key} is the name of {other.audio} and of {utterance.audio}: folders need different names"
            )


def _rows(source: str, cache: Path | None) -> Iterator[Row]:
    if source.startswith("hub:"):
        return hub.rows(source.removeprefix("hub:"), cache=cache)
    path = at_home(source)
    if path.suffix in {".csv", ".tsv", ".jsonl"} and path.is_file():
        in_release = path.suffix == ".tsv" and not path.stem.startswith("metadata") and (path.parent / "clips").is_dir()
        return readers.common_voice_file(path) if in_release else readers.metadata(path)
    if not path.is_dir():
        found = "a file, and not one of rows (.csv, .tsv, .jsonl)" if path.exists() else "no such folder"
        raise InputError(f"{source}: {found}; expected a corpus folder or hub:NAME:CONFIG")
    for name in readers.METADATA:
        if (path / name).is_file():
            return readers.metadata(path / name)
    if (path / "wav.scp").exists():
        return readers.kaldi(path)
    if (path / "clips").is_dir() and any((path / n).is_file() for n in ("train.tsv", "validated.tsv")):
        return readers.common_voice(path)
    raise InputError(
        f"{source}: not a corpus folder; expected one of {', '.join(readers.METADATA)}, a Common Voice "
        f"release (clips/ and train.tsv or validated.tsv) or a Kaldi data directory (wav.scp, text, utt2spk)"
    )


def _check_filled(rows: Sequence[Row], needed: Sequence[str]) -> None:
    """Names the first row that lacks something, and how many do."""
    hints = {
        "text": "; only --pseudo-labels learns without transcripts",
        "speaker_id": "; splits are by speaker, so name one",
    }
    for column in (*needed, "speaker_id"):
        absent = "" if column in needed else "nobody"  # a corpus without the column does not say who speaks
        if empty := [row for row in rows if not row.cells.get(column, absent).strip()]:
            more = f" and {len(empty) - 1} more of {len(rows)} rows" if len(empty) > 1 else ""
            first = f"{empty[0].where}: empty {column} for {empty[0].audio.name}"
            raise InputError(f"{first}{more}{hints.get(column, '')}")


def _utterance(row: Row) -> Utterance:
    cells = row.cells
    start, end, seconds = (
        _number(cells.get(column, ""), column, row.where) for column in ("start", "end", "duration_s")
    )
    if end is not None and end <= (start or 0.0):
        raise InputError(f"{row.where}: end {end:g} s is not after start {start or 0:g} s")
    return Utterance(
        audio=str(row.audio),
        text=cells["text"],
        language=_code(cells["language"], row.where),
        speaker=_name(cells.get("speaker_id", "")),
        start=start,
        end=end,
        split=_name(cells.get("split", "")),
        seconds=seconds if end is None else end - (start or 0.0),
        extra=tuple((name, value) for name, value in cells.items() if name not in COLUMNS),
        name=row.name,
        where=row.where,
    )


def _code(cell: str, where: str) -> str:
    """A language, by which folders of a run are named too."""
    if (code := _name(cell)).startswith(".") or {*code} & {*"/\\"}:
        raise InputError(f"{where}: language is {code!r}, expected a code such as sw or swh")
    return code


def _name(cell: str) -> str:
    """As it is compared: NFC, without margins."""
    return unicodedata.normalize("NFC", cell.strip())


def _number(cell: str, column: str, where: str) -> float | None:
    if not cell.strip():
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{where}: {column} is {cell!r}, expected seconds such as 1.25")
    return value


def _without_duplicates(utterances: Iterable[Utterance], *, source: str) -> tuple[Utterance, ...]:
    """The same stretch of audio twice: dropped and counted if the rows agree, refused if they contradict."""
    kept: dict[tuple[str, float | None, float | None], Utterance] = {}
    dropped = 0
    for utterance in utterances:
        first = kept.setdefault((utterance.audio, utterance.start, utterance.end), utterance)
        if first is utterance:
            continue
        for what in ("text", "speaker", "language", "split"):
            before, now = getattr(first, what), getattr(utterance, what)
            if before != now:
                raise InputError(
                    f"{utterance.where}: {Path(utterance.audio).name} has {what} {now!r}, but {before!r} in "
                    f"{first.where.rpartition(', ')[2]}; keep one of the two rows"
                )
        dropped += 1
    if dropped:
        log.warning("%s: %d duplicate rows dropped, %d kept", source, dropped, len(kept))
    return tuple(kept.values())


def _check_encoding(utterances: Iterable[Utterance]) -> None:
    """Names of old disks, and halves of a surrogate pair in JSON, cannot be written down again."""
    for utterance in utterances:
        for what, value in (("file name", utterance.key), ("text", utterance.text), ("speaker", utterance.speaker)):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InputError(f"{utterance.where!a}: {what} {value!a} is not Unicode; rename it") from None


def _check_audio(utterances: Iterable[Utterance], *, source: str) -> None:
    """All missing and all empty files are counted, the first three named."""
    files = {utterance.audio: utterance.where for utterance in utterances}
    missing, empty = [], []
    for audio, where in files.items():
        path = Path(audio)
        row = where.rpartition(", ")[2]
        if not path.is_file():
            missing.append(f"{audio} ({row})")
        elif path.stat().st_size == 0:
            empty.append(f"{audio} ({row})")
    for names, what in ((missing, "missing"), (empty, "0 bytes long")):
        if names:
            raise InputError(
                f"{source}: {len(names)} of {len(files)} audio files are {what}: {', '.join(names[:3])}"
                f"{', ...' if len(names) > 3 else ''}"
            )


def _time(seconds: float | None) -> str:
    return "end" if seconds is None else f"{seconds:.3f}".rstrip("0").rstrip(".")
