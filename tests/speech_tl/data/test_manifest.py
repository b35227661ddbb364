"""A corpus is refused in one line that names the file and the row, or read exactly as it was written."""

import csv
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from speech_tl.data import manifest
from speech_tl.data.manifest import Utterance
from speech_tl.errors import InputError

SPLIT = ("file_name", "text", "language", "speaker_id", "split", "start", "end")


def test_cells_stay_strings(corpus: Callable[..., Path]) -> None:
    folder = corpus(
        [("a/1.wav", "Tâi-gí", "nan", "007", "1e3", "null"), ("a/2.wav", '"NA", x', "nan", "08", "", "")],
        columns=("file_name", "text", "language", "speaker_id", "digit", "note"),
    )
    first, second = manifest.read(folder)
    assert first == Utterance(
        audio=str(folder / "a/1.wav"),
        text="Tâi-gí",
        language="nan",
        speaker="007",
        extra=(("digit", "1e3"), ("note", "null")),
        name="corpus/a/1.wav",
    )
    assert (second.text, second.speaker) == ('"NA", x', "08")
    assert first.key == "corpus/a/1.wav"
    assert first.where.endswith("metadata.csv, row 2")


def test_a_longer_file_is_cut_into_utterances(corpus: Callable[..., Path]) -> None:
    folder = corpus(
        [("l.wav", "one", "eng", "s", "train", "0", "0.05"), ("l.wav", "two", "eng", "s", "", "0.05", "")],
        columns=SPLIT,
    )
    first, second = manifest.read(folder)
    assert (first.start, first.end, first.seconds, first.split) == (0.0, 0.05, 0.05, "train")
    assert (second.start, second.end, second.seconds) == (0.05, None, None)
    assert [first.key, second.key] == ["corpus/l.wav@0-0.05", "corpus/l.wav@0.05-end"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("x.wav", " ", "eng", "s", "", "", ""), "row 2: empty text for x.wav"),
        (("x.wav", "a", "", "s", "", "", ""), "row 2: empty language"),
        (("x.wav", "a", "eng", "", "", "", ""), "row 2: empty speaker_id"),
        (("", "a", "eng", "s", "", "", ""), "row 2: empty file name"),
        (("x.wav", "a", "eng", "s", "", "2", "1.5"), "row 2: end 1.5 s is not after start 2 s"),
        (("x.wav", "a", "eng", "s", "", "nan", ""), "row 2: start is 'nan', expected seconds"),
        (("x.wav", "a", "eng", "s", "", "-1", ""), "row 2: start is '-1', expected seconds"),
        (("x.wav", "a", "eng", "s", "", "", "soon"), "row 2: end is 'soon', expected seconds"),
        (("../x.wav", "a", "eng", "s", "", "", ""), r"row 2: '\.\./x\.wav' points outside"),
        (("a/../../x.wav", "a", "eng", "s", "", "", ""), "row 2: .* points outside"),
        (("/etc/passwd", "a", "eng", "s", "", "", ""), "row 2: '/etc/passwd' points outside"),
        (("x.wav", "a", "eng"), "row 2: 3 cells, but the header has 7 columns"),
        (("x.wav", "a", "eng", "s", "", "", "", "more"), "row 2: 8 cells, but the header has 7 columns"),
    ],
)
def test_a_bad_row_is_named(corpus: Callable[..., Path], row: tuple[str, ...], message: str) -> None:
    folder = corpus([row], columns=SPLIT, make=False)
    with pytest.raises(InputError, match=message) as caught:
        manifest.read(folder)
    assert "\n" not in str(caught.value)
    assert "metadata.csv" in str(caught.value)


def test_a_missing_column_says_which_columns_came(corpus: Callable[..., Path]) -> None:
    folder = corpus([("x.wav", "a", "eng")], columns=("file_name", "text", "lang"))
    message = "no column language, speaker_id; columns found: file_name, text, lang"
    with pytest.raises(InputError, match=message):
        manifest.read(folder)


@pytest.mark.parametrize(
    ("name", "header", "message"),
    [
        ("metadata.csv", "file_name;text;language;speaker_id", r"found: .* \(one, with semicolons: separate by commas"),
        (
            "metadata.csv",
            "file_name\ttext\tlanguage\tspeaker_id",
            r"\(one, with tabs: separate by commas in a \.csv, by",
        ),
        (
            "metadata.tsv",
            "file_name,text,language,speaker_id",
            r"\(one, with commas: separate by commas in a \.csv, by tabs",
        ),
        (
            "metadata.csv",
            "File_Name,text,language,Speaker ID",
            r"\(write 'File_Name' as file_name, 'Speaker ID' as speak",
        ),
    ],
)
def test_a_header_written_otherwise_is_told_apart(tmp_path: Path, name: str, header: str, message: str) -> None:
    (tmp_path / name).write_text(f"{header}\nx.wav,well, well;eng;s\n")
    with pytest.raises(InputError, match=message) as caught:
        manifest.read(tmp_path)
    assert f"{name}, row 1: no column " in str(caught.value)


@pytest.mark.parametrize(
    ("column", "message"),
    [(1, r"row 3: empty text for 1\.wav and 2 more of 5 rows;"), (3, r"row 3: empty speaker_id for 1\.wav and 2 more")],
)
def test_all_empty_cells_are_counted(corpus: Callable[..., Path], column: int, message: str) -> None:
    rows = [[f"{i}.wav", "a", "eng", "s"] for i in range(5)]
    for row in rows[1:4]:
        row[column] = " "
    with pytest.raises(InputError, match=message):
        manifest.read(corpus(rows))


def test_a_table_may_begin_with_an_empty_line(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("\nfile_name,text,language,speaker_id\nx.wav,a,eng,s\n")
    (tmp_path / "x.wav").write_bytes(b"x")
    assert manifest.read(tmp_path)[0].where.endswith("row 3")
    (tmp_path / "metadata.csv").write_text("\n\n")
    with pytest.raises(InputError, match="is empty; expected a header"):
        manifest.read(tmp_path)


def test_a_language_is_written_in_one_way(corpus: Callable[..., Path]) -> None:
    folder = corpus([("0.wav", "a", "eng", "s"), ("1.wav", "a", "ENG", "s")])
    with pytest.raises(InputError, match=r"row 3: language 'ENG', but 'eng' in .*row 2; write both alike"):
        manifest.read(folder)


def test_one_person_is_one_however_the_name_is_encoded(corpus: Callable[..., Path]) -> None:
    folder = corpus([("0.wav", " a ", " eng", "Jos\u00e9"), ("1.wav", "a", "eng ", "Jose\u0301 ")])
    assert {(u.speaker, u.language) for u in manifest.read(folder)} == {("Jos\u00e9", "eng")}
    assert manifest.read(folder)[0].text == " a ", "texts are as they were written"


def test_times_of_long_recordings_have_names_of_their_own() -> None:
    keys = [Utterance("l.wav", "a", "eng", "s", start=start, end=start + 1.4).key for start in (10000.12, 10000.14)]
    assert keys == ["l.wav@10000.12-10001.52", "l.wav@10000.14-10001.54"]


def test_a_recording_that_is_given_twice(corpus: Callable[..., Path]) -> None:
    folder = corpus([("0.wav", "a", "eng", "s")])
    with pytest.raises(InputError, match=r"corpus/0\.wav is in .*row 2 and in .*row 2: give it once"):
        manifest.check_names([*manifest.read(folder), *manifest.read(folder / "metadata.csv")])


def test_names_that_cannot_be_written(tmp_path: Path, tone: Callable[..., Path]) -> None:
    tone(tmp_path / "a.wav")
    row = {"file_name": "a.wav", "text": "a\ud800", "language": "eng", "speaker_id": "s"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError, match=r"row 1': text 'a\\ud800' is not Unicode; rename it"):
        manifest.read(tmp_path)


def test_all_missing_audio_is_counted_and_three_files_are_named(corpus: Callable[..., Path]) -> None:
    folder = corpus([(f"{i}.wav", "a", "eng", "s") for i in range(5)], make=False)
    with pytest.raises(InputError, match=r"5 of 5 audio files are missing: .*0\.wav \(row 2\), .*, \.\.\.$"):
        manifest.read(folder)
    (folder / "metadata.csv").write_text("file_name,text,language,speaker_id\nz.wav,a,eng,s\n")
    (folder / "z.wav").touch()
    with pytest.raises(InputError, match=r"1 of 1 audio files are 0 bytes long: .*z\.wav \(row 2\)$"):
        manifest.read(folder)


def test_a_row_twice_is_dropped_and_counted(corpus: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    folder = corpus([("x.wav", "a", "eng", "s")] * 3)
    with caplog.at_level(logging.WARNING):
        assert len(manifest.read(folder)) == 1
    assert "2 duplicate rows dropped, 1 kept" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("x.wav", "b", "eng", "s"), "row 3: x.wav has text 'b', but 'a' in row 2"),
        (("x.wav", "a", "eng", "t"), "row 3: x.wav has speaker 't', but 's' in row 2"),
    ],
)
def test_rows_that_contradict_are_refused(corpus: Callable[..., Path], row: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        manifest.read(corpus([("x.wav", "a", "eng", "s"), row]))


def test_what_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a corpus folder; expected one of metadata\.csv"):
        manifest.read(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        manifest.read(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"notes\.txt: a file, and not one of rows"):
        manifest.read(tmp_path / "notes.txt")
    (tmp_path / "metadata.csv").write_text("file_name,text,language,speaker_id\n")
    with pytest.raises(InputError, match="a header and no rows; expected"):
        manifest.read(tmp_path)
    (tmp_path / "metadata.csv").write_text("")
    with pytest.raises(InputError, match="is empty; expected a header"):
        manifest.read(tmp_path)


def test_every_real_corpus_is_read_whole(shared_data: Path) -> None:
    for file in sorted((shared_data / "speech").glob("*/metadata.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        utterances = manifest.read(file.parent)
        assert [(u.text, u.language, u.speaker) for u in utterances] == [
            (row["text"], row["language"], row["speaker_id"]) for row in rows
        ]
        assert len({u.key for u in utterances}) == len(rows)
        assert all(u.seconds for u in utterances)
    assert "nan" in {u.language for u in manifest.read(shared_data / "speech" / "ucla_phonetic")}
