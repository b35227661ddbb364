"""Small corpora on disk, made for one test each."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_tl.data.manifest import Utterance

COLUMNS = ("file_name", "text", "language", "speaker_id")


@pytest.fixture
def tone() -> Callable[..., Path]:
    def write(path: Path, *, seconds: float = 0.2, rate: int = 16000, channels: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = 0.5 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
        soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
        return path

    return write


@pytest.fixture
def corpus(tmp_path: Path, tone: Callable[..., Path]) -> Callable[..., Path]:
    """A folder with metadata.csv of the given rows, and the audio files they name unless told otherwise."""

    def write(rows: Sequence[Sequence[str]], *, columns: Sequence[str] = COLUMNS, make: bool = True) -> Path:
        folder = tmp_path / "corpus"
        folder.mkdir()
        with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
        for row in rows if make else ():
            tone(folder / row[0])
        return folder

    return write


@pytest.fixture
def speaking() -> Callable[..., list[Utterance]]:
    """Utterances without audio: (speaker, text[, split]) each."""

    def make(*rows: Sequence[str], language: str = "eng") -> list[Utterance]:
        return [
            Utterance(f"{i}.wav", row[1], language, row[0], split=(*row, "", "")[2], seconds=6.0, name=f"c/{i}")
            for i, row in enumerate(rows)
        ]

    return make
