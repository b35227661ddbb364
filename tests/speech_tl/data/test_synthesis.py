"""The offline corpus: the same bytes on every build, also after SIGKILL; test voices and texts kept apart."""

import csv
import hashlib
import importlib.util
import json
import random
import signal
import subprocess
import sys
import time
import wave
from collections import defaultdict
from pathlib import Path

import pytest

from speech_tl.data.espeak import Voice, speak
from speech_tl.data.grammars import GRAMMARS, Grammar, sentences
from speech_tl.data.synthesis import EXTENTS, SAMPLE_RATE, build, plan
from speech_tl.errors import InputError

synthesised = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="espeakng-loader is not installed"
)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("synthesis") / "corpus", size="tiny")


def test_a_pattern_is_filled_slot_by_slot() -> None:
    grammar = Grammar(patterns=("la {noun}o {verb}as",), slots={"noun": "kat", "verb": "dorm"})
    assert grammar.write(random.Random(0)) == "la kato dormas"


@pytest.mark.parametrize("language", GRAMMARS)
def test_sentences_are_different_and_short(language: str) -> None:
    written = sentences(language, 400, random.Random(1))
    assert len(set(written)) == 400
    assert {len(text.split()) for text in written} <= {2, 3, 4, 5}
    assert all(character.isalpha() or character == " " for text in written for character in text)


def test_too_many_sentences_and_unknown_languages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="did you mean 'sw'"):
        sentences("swa", 1, random.Random(0))
    monkeypatch.setattr("speech_tl.data.grammars.GRAMMARS", {"it": Grammar(("{food}",), {"food": "pane vino"})})
    assert set(sentences("it", 2, random.Random(0))) == {"pane", "vino"}
    with pytest.raises(InputError, match="'it' writes fewer than 3 different"):
        sentences("it", 3, random.Random(0))


def test_the_default_plan_is_disjoint_in_voice_and_text() -> None:
    texts: defaultdict[str, list[str]] = defaultdict(list)
    voices: defaultdict[str, set[str]] = defaultdict(set)
    speakers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for session in plan("default", 0):
        texts[session.voice.language] += session.texts
        voices[session.split].add(session.voice.variant)
        speakers[session.voice.language, session.split].add(session.speaker)
    assert all(len(set(each)) == len(each) for each in texts.values())
    assert not voices["train"] & voices["test"]  # a test voice is heard in no language's training set
    assert {len(each) for each in speakers.values()} == {8, 4}
    assert plan("default", 0) == plan("default", 0) != plan("default", 1)


@synthesised
def test_the_recordings_are_what_the_metadata_say(corpus: Path) -> None:
    with (corpus / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    extent = EXTENTS["tiny"]
    languages = len(GRAMMARS)
    train = len(extent.train) * ((languages - 1) * extent.per_train_speaker + extent.low_resource)
    assert len(rows) == train + languages * len(extent.test) * extent.per_test_speaker == 63 + 24
    assert list(rows[0]) == ["file_name", "text", "language", "speaker_id", "split"]
    assert {row["file_name"] for row in rows} == {str(path.relative_to(corpus)) for path in corpus.rglob("*.wav")}
    for row in rows:
        with wave.open(str(corpus / row["file_name"])) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE, 1, 2)
            assert 0.7 * SAMPLE_RATE < file.getnframes() < 6 * SAMPLE_RATE


@synthesised
def test_a_finished_folder_is_left_alone_and_a_lost_voice_spoken_again(corpus: Path) -> None:
    before = digests(corpus)
    written = (corpus / "metadata.csv").stat().st_mtime_ns
    started = time.perf_counter()
    assert build(corpus, size="tiny") == corpus
    assert time.perf_counter() - started < 1
    assert (corpus / "metadata.csv").stat().st_mtime_ns == written
    (corpus / "sw-f2").rename(corpus.parent / "lost")
    assert digests(build(corpus, size="tiny")) == before


@synthesised
def test_a_killed_build_continues_to_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "speech_tl.data.synthesis", "--out", str(folder), "--size", "tiny"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while process.poll() is None and len(list(folder.glob("eo-*"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    assert not json.loads((folder / "synthesis.json").read_text("utf-8"))["finished"]
    assert not (folder / "metadata.csv").exists()
    (folder / ".fi-m1.partial").mkdir(exist_ok=True)  # as left by a kill between two recordings
    (folder / ".fi-m1.partial" / "000.wav").write_bytes(b"half")
    assert digests(build(folder, size="tiny")) == digests(corpus)


@synthesised
def test_another_corpus_or_other_files_are_not_overwritten(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"size tiny, seed 0; wanted size tiny, seed 1"):
        build(corpus, size="tiny", seed=1)
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="choose an empty folder"):
        build(tmp_path, size="tiny")
    with pytest.raises(InputError, match=r"thesis\.tex is a file"):
        build(tmp_path / "thesis.tex", size="tiny")
    (tmp_path / "synthesis.json").write_text("{")
    with pytest.raises(InputError, match=r"synthesis\.json is damaged"):
        build(tmp_path, size="tiny")


@synthesised
def test_voices_differ_and_a_breathy_one_repeats_itself() -> None:
    breathy = Voice("sw", "f5", rate=160, pitch=50)
    rate, first = speak(breathy, ["mama anasoma kitabu", "mama anasoma kitabu"])
    assert rate == 22_050
    time.sleep(1.1)  # unseeded, the breath follows the clock's seconds
    assert speak(breathy, ["mama anasoma kitabu", "mama anasoma kitabu"]) == (rate, first)
    assert first[0] != first[1]  # the synthesiser keeps state between calls: hence one process per voice
    _, deeper = speak(Voice("sw", "m1", rate=160, pitch=50), ["mama anasoma kitabu"])
    assert deeper[0] != first[0]


@synthesised
def test_an_unknown_voice_is_one_line() -> None:
    with pytest.raises(InputError, match="espeak-ng failed: no voice variant 'm99'"):
        speak(Voice("it", "m99", rate=175, pitch=50), ["pane"])
    with pytest.raises(InputError, match="no language 'xx'"):
        speak(Voice("xx", "m1", rate=175, pitch=50), ["pane"])


def test_a_missing_synthesiser_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "speech-tl\[synth\]"'):
        build(tmp_path / "corpus", size="tiny")
