"""The formats a corpus comes in, each read into the same rows of strings; nothing is guessed and nothing is
NA.

A reader knows files and columns, `speech_tl.data.manifest` knows what an utterance is. Formats: a folder with
`metadata.csv|tsv|jsonl`, a Common Voice release (Ardila et al., LREC 2020), a Kaldi data directory (Povey et
al., 2011).
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from speech_tl.errors import InputError

METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl")
COMMON_VOICE = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}


@dataclass(frozen=True)
class Row:
    """One recording as it was written down: every cell a string, under our own column names."""

    where: str
    """`metadata.csv, row 12`: for messages."""
    audio: Path
    name: str
    """Portable identity of the recording: the corpus folder's name and the file name in it."""
    cells: Mapping[str, str]


def metadata(file: Path) -> Iterator[Row]:
    """`file_name,text,language,speaker_id[,split,start,end,duration_s]`, paths inside the file's folder."""
    folder = file.parent.resolve()
    for where, cells in table(file, required=("file_name", "text", "language", "speaker_id")):
        yield Row(where, _inside(folder, cells["file_name"], where), f"{folder.name}/{cells['file_name']}", cells)


def common_voice(folder: Path) -> Iterator[Row]:
    """train, dev and test of a release, or else validated.tsv without a split; clips lie in `clips/`."""
    folder = folder.resolve()
    present = {split: folder / name for split, name in COMMON_VOICE.items() if (folder / name).is_file()}
    files = present if "train" in present else {"": folder / "validated.tsv"}
    for split, file in files.items():
        if split not in ("dev", "test") or _has_rows(file):  # small releases test nobody
            yield from common_voice_file(file, split=split)


def _has_rows(file: Path) -> bool:
    with file.open("rb") as lines:
        return sum(bool(line.strip()) for line in islice(lines, 9)) > 1


def common_voice_file(file: Path, *, split: str = "") -> Iterator[Row]:
    """One table of a release. The language is the `locale` column, or the folder's name where that is
    missing.
    """
    folder = file.parent.resolve()
    for where, cells in table(file, required=("client_id", "path", "sentence")):
        clip = cells["path"] if Path(cells["path"]).suffix else f"{cells['path']}.mp3"
        ours = {
            "text": cells["sentence"],
            "language": cells.get("locale") or folder.name,
            "speaker_id": cells["client_id"],
            "split": split,
        }
        rest = {k: v for k, v in cells.items() if k not in {"client_id", "path", "sentence", "locale"}}
        yield Row(where, _inside(folder / "clips", clip, where), f"{folder.name}/{clip}", {**rest, **ours})


def kaldi(folder: Path) -> Iterator[Row]:
    """`wav.scp`, `text`, `utt2spk`; `segments` and `utt2lang` are optional (language: the folder's name)."""
    folder = folder.resolve()
    recordings = _mapping(folder / "wav.scp")
    texts, speakers = _mapping(folder / "text"), _mapping(folder / "utt2spk")
    languages = _mapping(folder / "utt2lang") if (folder / "utt2lang").is_file() else {}
    segments = _mapping(folder / "segments") if (folder / "segments").is_file() else None
    for utterance, (where, text) in texts.items():
        recording, times, place = utterance, {}, where
        if segments is not None:
            place, cell = _look_up(segments, utterance, folder / "segments", where)
            parts = cell.split()
            if len(parts) != 3:
                raise InputError(f"{place}: expected `utterance recording start end`, got {cell!r}")
            recording, times = parts[0], {"start": parts[1], "end": parts[2]}
        cells = {
            "text": text,
            "language": _look_up(languages, utterance, folder / "utt2lang", where)[1] if languages else folder.name,
            "speaker_id": _look_up(speakers, utterance, folder / "utt2spk", where)[1],
            **times,
        }
        place, path = _look_up(recordings, recording, folder / "wav.scp", place)
        yield Row(where, _plain_path(folder, path, place), f"{folder.name}/{utterance}", cells)


def table(file: Path, *, required: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """(where, cells) of a CSV (quoted), TSV (never quoted, as Common Voice writes it) or JSON-lines file."""
    if file.suffix != ".jsonl":
        yield from _delimited(file, required)
        return
    for where, cells in _json_lines(file):
        _check_columns(tuple(cells), required, where)
        yield where, cells


def _check_columns(columns: Sequence[str], required: Sequence[str], where: str) -> None:
    if absent := [name for name in required if name not in columns]:
        found = f"columns found: {', '.join(columns)}{_hint(columns, absent)}"
        raise InputError(f"{where}: no column {', '.join(absent)}; {found}")


def _hint(columns: Sequence[str], absent: Sequence[str]) -> str:
    """What is likely to be wrong with a header that lacks columns."""
    marks = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "bars"}
    if len(columns) == 1 and (mark := next((mark for mark in marks if mark in columns[0]), "")):
        return f" (one, with {marks[mark]}: separate by commas in a .csv, by tabs in a .tsv)"
    alike = {column.casefold().replace(" ", "_"): column for column in columns}
    renamed = [f"{alike[name]!r} as {name}" for name in absent if name in alike]
    return f" (write {', '.join(renamed)})" if renamed else ""


def _delimited(file: Path, required: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    tabs = file.suffix == ".tsv"
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(
            lines,
            delimiter="\t" if tabs else ",",
            quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
            strict=not tabs,  # else an open quote swallows rows
        )
        header: list[str] = []
        rows = ended = 0
        try:
            for number, row in enumerate(reader, start=1):
                ended = reader.line_num
                if not any(map(str.strip, row)):
                    continue
                if not header:
                    header = [name.strip() for name in row]
                    named = [name for name in header if name]  # spreadsheets write empty columns
                    if len(set(named)) != len(named):
                        raise InputError(f"{file}: a column name occurs twice in {', '.join(named)}")
                    _check_columns(header, required, f"{file}, row {number}")
                elif len(row) != len(header):
                    raise InputError(
                        f"{file}, row {number}: {len(row)} cells, but the header has {len(header)} columns "
                        f"({', '.join(header)})"
                        + ("; a quote may never be closed" if any("\n" in cell for cell in row) else "")
                    )
                else:
                    rows += 1
                    cells = zip(header, row, strict=True)
                    yield f"{file}, row {number}", {name: cell for name, cell in cells if name}
        except UnicodeDecodeError:
            raise _bad_encoding(file) from None
        except csv.Error as error:
            raise InputError(
                f"{file}, line {ended + 1}: not readable as a table ({error}); a quote may never be closed"
            ) from None
        if not rows:
            found = "a header and no rows" if header else "empty"
            raise InputError(f"{file} is {found}; expected a header with {', '.join(required)}, then a row each")


def _json_lines(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                where = f"{file}, row {number}"
                try:
                    cells = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
                except json.JSONDecodeError as error:
                    raise InputError(f"{where}: not a JSON object ({error}): {line.strip()[:60]!r}") from None
                if not isinstance(cells, dict):
                    raise InputError(f"{where}: expected a JSON object with named fields, got {line.strip()[:60]!r}")
                yield where, {name: _cell(value) for name, value in cells.items()}
    except UnicodeDecodeError:
        raise _bad_encoding(file) from None


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _mapping(file: Path) -> dict[str, tuple[str, str]]:
    """A Kaldi table: the first word of a line is the key, the rest its value; with where it stood."""
    if not file.is_file():
        raise InputError(f"{file}: missing; a Kaldi data directory has wav.scp, text and utt2spk")
    result: dict[str, tuple[str, str]] = {}
    try:
        for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), start=1):
            if not line.strip():
                continue
            key, _, value = line.strip().replace("\t", " ").partition(" ")
            if key in result:
                raise InputError(f"{file}, row {number}: {key!r} occurs twice")
            result[key] = (f"{file}, row {number}", value.strip())
    except UnicodeDecodeError:
        raise _bad_encoding(file) from None
    return result


def _look_up(mapping: Mapping[str, tuple[str, str]], key: str, file: Path, where: str) -> tuple[str, str]:
    if key not in mapping:
        raise InputError(f"{where}: {key!r} is not in {file}")
    return mapping[key]


def _plain_path(folder: Path, text: str, where: str) -> Path:
    """A path of wav.scp. A trailing pipe would run a program named in a data file, so it is refused."""
    if text.endswith("|") or text.startswith("|"):
        raise InputError(f"{where}: a pipe ({text[:60]!r}); write its output to a file and name the file instead")
    return Path(text) if os.path.isabs(text) or not (folder / text).exists() else folder / text


def _inside(folder: Path, name: str, where: str) -> Path:
    if not name.strip():
        raise InputError(f"{where}: empty file name")
    if os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == "..":
        raise InputError(f"{where}: {name!r} points outside {folder}; give a path inside that folder")
    return folder / name


def _bad_encoding(file: Path) -> InputError:
    """Name the first row that is not UTF-8, found in a second pass over the bytes."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return InputError(
                    f"{file}, row {number}: not UTF-8 (byte {line[error.start]:#04x} at column "
                    f"{error.start + 1}); convert the file, e.g. with iconv -t UTF-8"
                )
    return InputError(f"{file}: not UTF-8; convert the file, e.g. with iconv -t UTF-8")
