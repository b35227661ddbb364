"""The three layouts of a corpus on disk, each as its own tools write it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from speech_tl.data import manifest
from speech_tl.errors import InputError

HEADER = "file_name\ttext\tlanguage\tspeaker_id\n"


def test_tab_separated_text_keeps_its_quotes(tmp_path: Path, tone: Callable[..., Path]) -> None:
    tone(tmp_path / "a.wav")
    (tmp_path / "metadata.tsv").write_text("\ufeff" + HEADER + 'a.wav\t"hello, she said\teng\t01\n', encoding="utf-8")
    (utterance,) = manifest.read(tmp_path)
    assert (utterance.text, utterance.speaker) == ('"hello, she said', "01")


def test_json_lines_keep_numbers_as_written(tmp_path: Path, tone: Callable[..., Path]) -> None:
    tone(tmp_path / "a.wav", seconds=1.0)
    row = {
        "file_name": "a.wav",
        "text": "خلف",
        "language": "arb",
        "speaker_id": 12,
        "start": 0.10,
        "end": None,
    }
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    (utterance,) = manifest.read(tmp_path)
    assert (utterance.text, utterance.speaker, utterance.start, utterance.end) == ("خلف", "12", 0.1, None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"file_name": "a.wav", "text"', r"metadata\.jsonl, row 2: not a JSON object"),
        ('["a.wav"]', "row 2: expected a JSON object with named fields"),
        (
            '{"file_name": "a.wav", "text": "a", "speaker_id": "s"}',
            "row 2: no column language; columns found: file_",
        ),
    ],
)
def test_a_bad_json_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    good = '{"file_name": "a.wav", "text": "a", "language": "eng", "speaker_id": "s"}\n'
    (tmp_path / "metadata.jsonl").write_text(good + line)
    with pytest.raises(InputError, match=message):
        manifest.read(tmp_path)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_bad_encoding_is_found(tmp_path: Path, name: str) -> None:
    good = b"file_name,text,language,speaker_id\na.wav,a,eng,s\n"
    if name.endswith("jsonl"):
        good = b'{"file_name": "a", "text": "a", "language": "eng", "speaker_id": "s"}\n' * 2
    (tmp_path / name).write_bytes(good + "café".encode("latin-1"))
    with pytest.raises(InputError, match=r"row 3: not UTF-8 \(byte 0xe9 at column 4\)"):
        manifest.read(tmp_path)


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file_name,text,text\na.wav,b,c\n")
    with pytest.raises(InputError, match="a column name occurs twice in file_name, text, text"):
        manifest.read(tmp_path)


def test_what_spreadsheets_add_is_nothing(tmp_path: Path, tone: Callable[..., Path]) -> None:
    tone(tmp_path / "a.wav")
    (tmp_path / "metadata.csv").write_text("file_name,text,language,speaker_id,,\na.wav,b,eng,s,,\n,,,,,\n")
    assert [(u.text, u.extra) for u in manifest.read(tmp_path)] == [("b", ())]


def test_a_quote_that_is_never_closed(tmp_path: Path, tone: Callable[..., Path]) -> None:
    rows = ["file_name,text,language,speaker_id", '0.wav,"hello,fi,a', '1.wav,"bye,fi,b', "2.wav,x,fi,b", ""]
    for at in range(3):
        tone(tmp_path / f"{at}.wav")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    with pytest.raises(InputError, match="line 2: not readable as a table"):
        manifest.read(tmp_path)


@pytest.fixture
def release(tmp_path: Path, tone: Callable[..., Path]) -> Path:
    """A Common Voice release of four clips, in the folder `sw`."""
    folder = tmp_path / "sw"
    for i in range(4):
        tone(folder / "clips" / f"c{i}.mp3", rate=44100)
    header = "client_id\tpath\tsentence\tup_votes\tlocale\n"
    rows = [f'{"ab" * 8}{i}\tc{i}.mp3\tHabari "{i}"\t2\tsw\n' for i in range(4)]
    (folder / "validated.tsv").write_text(header + "".join(rows))
    for name, row in zip(("train", "dev", "test"), rows, strict=False):
        (folder / f"{name}.tsv").write_text(header + row)
    return folder


def test_common_voice_comes_with_its_parts(release: Path) -> None:
    utterances = manifest.read(release)
    assert [(u.split, u.text, u.speaker, u.language) for u in utterances] == [
        (split, f'Habari "{i}"', f"{'ab' * 8}{i}", "sw") for i, split in enumerate(("train", "dev", "test"))
    ]
    assert utterances[0].extra == (("up_votes", "2"),)
    assert utterances[0].key == "sw/c0.mp3"


def test_a_small_release_tests_nobody(release: Path) -> None:
    for name in ("dev", "test"):
        (release / f"{name}.tsv").write_text("client_id\tpath\tsentence\tup_votes\tlocale\n")
    assert [u.split for u in manifest.read(release)] == ["train"]


def test_common_voice_validated_alone_or_by_name(release: Path) -> None:
    assert {u.split for u in manifest.read(release / "validated.tsv")} == {""}
    for name in ("train", "dev", "test"):
        (release / f"{name}.tsv").unlink()
    assert len(manifest.read(release)) == 4


def test_an_old_release_has_neither_locale_nor_suffix(release: Path) -> None:
    for name in ("train", "dev", "test"):
        (release / f"{name}.tsv").unlink()
    (release / "validated.tsv").write_text("client_id\tpath\tsentence\nx\tc0\tHabari\n")
    (utterance,) = manifest.read(release)
    assert (utterance.language, Path(utterance.audio).name) == ("sw", "c0.mp3")


@pytest.fixture
def directory(tmp_path: Path, tone: Callable[..., Path]) -> Path:
    """A Kaldi data directory with one recording of two segments, in the folder `mdw`."""
    folder = tmp_path / "mdw"
    recording = tone(tmp_path / "elsewhere" / "rec 1.wav", seconds=2.0)
    folder.mkdir()
    (folder / "wav.scp").write_text(f"rec1 {recording}\n")
    (folder / "segments").write_text("s-u1 rec1 0.00 0.75\ns-u2 rec1 0.75 2.00\n")
    (folder / "text").write_text("s-u1 wa láayémbá\ns-u2\tbvanga\n", encoding="utf-8")
    (folder / "utt2spk").write_text("s-u1 s\ns-u2 s\n")
    return folder


def test_kaldi_segments(directory: Path) -> None:
    first, second = manifest.read(directory)
    assert (first.text, first.speaker, first.language) == ("wa láayémbá", "s", "mdw")
    assert (second.text, second.start, second.end, second.seconds) == ("bvanga", 0.75, 2.0, 1.25)
    assert first.audio.endswith("rec 1.wav")
    (directory / "utt2lang").write_text("s-u1 swh\ns-u2 kin\n")
    assert [u.language for u in manifest.read(directory)] == ["swh", "kin"]


def test_kaldi_without_segments_and_with_a_relative_path(directory: Path, tone: Callable[..., Path]) -> None:
    (directory / "segments").unlink()
    tone(directory / "wav" / "a.wav")
    (directory / "wav.scp").write_text("s-u1 wav/a.wav\n")
    (directory / "text").write_text("s-u1 wa\n")
    (utterance,) = manifest.read(directory)
    assert (utterance.audio, utterance.start) == (str(directory / "wav" / "a.wav"), None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("wav.scp", "rec1 sph2pipe -f wav a.sph |\n", r"wav\.scp, row 1: a pipe \('sph2pipe"),
        ("wav.scp", "other a.wav\n", r"segments, row 1: 'rec1' is not in .*wav\.scp"),
        ("utt2spk", "s-u1 s\n", r"text, row 2: 's-u2' is not in .*utt2spk"),
        (
            "segments",
            "s-u1 rec1 0.0\ns-u2 rec1 1 2\n",
            r"segments, row 1: expected `utterance recording start end`",
        ),
        (
            "segments",
            "s-u1 rec1 0.5 0.2\ns-u2 rec1 1 2\n",
            r"text, row 1: end 0\.2 s is not after start 0\.5 s",
        ),
        ("text", "s-u1 a\ns-u1 b\n", r"text, row 2: 's-u1' occurs twice"),
        ("text", "s-u1\n", r"text, row 1: empty text"),
        ("wav.scp", "rec1 gone.wav\n", r"1 of 1 audio files are missing"),
    ],
)
def test_a_bad_kaldi_table_is_named(directory: Path, name: str, content: str, message: str) -> None:
    (directory / name).write_text(content)
    with pytest.raises(InputError, match=message):
        manifest.read(directory)


def test_kaldi_without_speakers_is_refused(directory: Path) -> None:
    (directory / "utt2spk").unlink()
    with pytest.raises(InputError, match="utt2spk: missing; a Kaldi data directory has"):
        manifest.read(directory)
