"""The offline default corpus: four languages spoken by espeak-ng, the same bytes on every build.

It stands in for recordings where nothing may be downloaded. Three languages have about nine minutes of
training speech and Swahili two. Voice variants are the speakers, and the test voices are heard in no
language's training set; no sentence is spoken twice, so that train and test share neither speakers nor
texts.
"""

import csv
import fcntl
import hashlib
import json
import os
import random
import shutil
import wave
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from speech_tl.data.espeak import Voice, speak
from speech_tl.data.grammars import GRAMMARS, sentences
from speech_tl.errors import InputError

SAMPLE_RATE = 16_000
SILENCE = 0.1  # seconds before and after each sentence; espeak-ng leaves none
STAMP = "synthesis.json"
FORMAT = 1  # raised when the same size and seed would give other bytes

Size = Literal["tiny", "default"]


@dataclass(frozen=True)
class Extent:
    """How much is spoken."""

    train: tuple[str, ...]
    """Voice variants of the training speakers, in every language."""
    test: tuple[str, ...]
    """Voice variants heard in no language's training set."""
    per_train_speaker: int
    """Sentences."""
    per_test_speaker: int
    low_resource: int
    """Sentences per training speaker of Swahili."""


EXTENTS: dict[Size, Extent] = {
    "tiny": Extent(("m1", "m3", "f1"), ("m4", "f2"), per_train_speaker=6, per_test_speaker=3, low_resource=3),
    "default": Extent(
        ("m1", "m2", "m3", "m5", "m6", "f1", "f3", "f4"),
        ("m4", "m7", "f2", "f5"),
        per_train_speaker=36,
        per_test_speaker=15,
        low_resource=8,
    ),
}
LOW_RESOURCE = "sw"


@dataclass(frozen=True)
class Session:
    """What one speaker says, in order."""

    voice: Voice
    split: str
    texts: tuple[str, ...]

    @property
    def speaker(self) -> str:
        return f"{self.voice.language}-{self.voice.variant}"

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """`metadata.csv`: file_name, text, language, speaker_id, split."""
        names = [f"{self.speaker}/{number:03d}.wav" for number in range(len(self.texts))]
        return [
            (name, text, self.voice.language, self.speaker, self.split)
            for name, text in zip(names, self.texts, strict=True)
        ]


@dataclass(frozen=True)
class Config:
    """Build the offline default corpus: four languages spoken by espeak-ng."""

    out: Path
    """Folder to build in; a finished one is left as it is."""
    size: Size = "default"
    """`default` is about half an hour of speech, `tiny` about three minutes."""
    seed: int = 0
    """Chooses the sentences and each speaker's rate and pitch."""


def plan(size: Size, seed: int) -> tuple[Session, ...]:
    """Every speaker of every language with what they say; no sentence twice in a language."""
    extent, sessions = EXTENTS[size], []
    for language in GRAMMARS:
        generator = random.Random(f"{seed} {language}")
        share = extent.low_resource if language == LOW_RESOURCE else extent.per_train_speaker
        counts = dict.fromkeys(extent.train, share)
        counts |= dict.fromkeys(extent.test, extent.per_test_speaker)
        texts = iter(sentences(language, sum(counts.values()), generator))
        for variant, count in counts.items():
            voice = Voice(language, variant, rate=generator.randint(140, 190), pitch=generator.randint(35, 65))
            split = "train" if variant in extent.train else "test"
            sessions.append(Session(voice, split, tuple(next(texts) for _ in range(count))))
    return tuple(sessions)


def build(folder: Path, *, size: Size = "default", seed: int = 0) -> Path:
    """The folder, with every recording and `metadata.csv` in it; voices that are already there are kept."""
    from rich.console import Console
    from rich.progress import track

    sessions = plan(size, seed)
    order = {
        "format": FORMAT,
        "size": size,
        "seed": seed,
        "plan": _digest([asdict(each) for each in sessions]),
    }
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: the offline corpus needs a folder")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if _finished(folder, order) and all((folder / each.speaker).is_dir() for each in sessions):
            return folder
        _write(folder / STAMP, json.dumps(order | {"finished": False}))
        for leftover in folder.glob(".*.partial"):
            shutil.rmtree(leftover)
        console = Console(stderr=True)
        for session in track(sessions, "speaking the offline corpus", console=console):
            if not (folder / session.speaker).is_dir():
                _record(session, folder)
        _write_metadata(folder / "metadata.csv", sessions)
        _write(folder / STAMP, json.dumps(order | {"finished": True}))
        seconds = sum(path.stat().st_size for path in folder.glob("*/*.wav")) / (2 * SAMPLE_RATE)
        console.print(f"offline corpus: {len(sessions)} voices, {seconds / 60:.0f} minutes of speech in {folder}")
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of two processes that ask for one corpus the second waits, then finds it finished."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _finished(folder: Path, order: Mapping[str, str | int]) -> bool:
    """Whether the stamp says so; a folder holding anything else is refused."""
    stamp = folder / STAMP
    if not stamp.is_file():
        if any(folder.iterdir()):
            raise InputError(
                f"{folder} holds other files and no {STAMP}: choose an empty folder for the offline corpus"
            )
        return False
    try:
        found = json.loads(stamp.read_text("utf-8"))
        finished = bool(found.pop("finished"))
    except (ValueError, KeyError, AttributeError):
        raise InputError(f"{stamp} is damaged: remove {folder} to build the offline corpus again") from None
    if found != order:
        was, wanted = (f"size {each.get('size')}, seed {each.get('seed')}" for each in (found, order))
        raise InputError(f"{folder} holds another offline corpus ({was}; wanted {wanted}): choose another folder")
    return finished and (folder / "metadata.csv").is_file()


def _record(session: Session, folder: Path) -> None:
    """All recordings of one speaker: a folder written aside, then renamed."""
    import soxr

    rate, clips = speak(session.voice, session.texts)
    aside = folder / f".{session.speaker}.partial"
    aside.mkdir()
    margin = np.zeros(round(SILENCE * SAMPLE_RATE), np.int16)
    for clip, (name, *_) in zip(clips, session.rows, strict=True):
        samples = soxr.resample(np.frombuffer(clip, "<i2"), rate, SAMPLE_RATE)
        with wave.open(str(aside / Path(name).name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(np.concatenate([margin, samples, margin]).astype("<i2").tobytes())
    aside.rename(folder / session.speaker)


def _write_metadata(path: Path, sessions: Sequence[Session]) -> None:
    aside = path.with_name(f".{path.name}")
    with aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file_name", "text", "language", "speaker_id", "split"))
        writer.writerows(row for session in sessions for row in session.rows)
    aside.replace(path)


def _write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}")
    aside.write_text(text + "\n", "utf-8")
    aside.replace(path)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def main(config: Config) -> None:
    try:
        build(config.out, size=config.size, seed=config.seed)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command again continues the build") from None


if __name__ == "__main__":
    from speech_tl.training.config import command

    raise SystemExit(command(main, Config))
