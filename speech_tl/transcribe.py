"""Audio files of any format and length to text with word times and confidences.

`python -m speech_tl.transcribe --checkpoint RUN [--language sw] FILES…` prints text; other formats and a folder for
them are flags. A long file is heard in windows that overlap, of which only the middle is kept, and written as it goes
along, so memory does not grow with its length.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from math import exp
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch import Tensor

from speech_tl.captions import FORMATS, Transcript, Word
from speech_tl.data import audio
from speech_tl.device import chosen
from speech_tl.errors import InputError
from speech_tl.models.ctc import MultilingualCTC, load
from speech_tl.models.decoding import BLANK, Span, align, greedy
from speech_tl.models.identification import LanguageCalibration, head_scores
from speech_tl.training.config import command

CORE, CONTEXT = 20.0, 2.0
"""Seconds kept of a window, and heard on either side of them."""
PAUSE = 0.5
"""Seconds without a symbol that end a word, where the writing has no spaces."""
LONGEST_WORD = 60.0
"""Seconds without a space or a pause after which the text is cut all the same."""
LISTEN = 30.0
"""Seconds from the start of a file by which its language is told."""


@dataclass(frozen=True)
class Config:
    files: tyro.conf.Positional[tuple[str, ...]]
    """Audio files of any format, rate and length."""
    checkpoint: Path
    """A run's folder, or a checkpoint folder."""
    language: str = "auto"
    """One of the checkpoint's languages; `auto` tells it from the audio where there are several."""
    format: Literal["text", "json", "srt", "vtt", "textgrid"] = "text"
    """Written to standard output, or to --out."""
    out: Path | None = None
    """A folder for one file of this format for each audio file."""
    device: str = "auto"
    """auto, cpu or cuda."""


def transcribe(model: MultilingualCTC, path: str | Path, *, language: str = "auto") -> Transcript:
    """A file of any length, in bounded memory.

    Raises:
        InputError: the file cannot be read, or the language cannot be told.
    """
    probability = 1.0
    if language == "auto":
        language, probability = identify(model, path)
    space = _space(model, language)
    step = _samples_per_frame(model, language) / model.sample_rate(language)  # seconds
    words: list[Word] = []
    pending, frames, seconds = torch.zeros(0, len(model.units(language))), 0, 0.0
    for piece, seconds in _pieces(model, path, language):
        pending = torch.cat([pending, piece])
        cut = _cut(pending, space, step=step)
        words += _words(model, pending[:cut], language, start=frames * step, step=step)
        pending, frames = pending[cut:], frames + cut
    words += _words(model, pending, language, start=frames * step, step=step)
    return Transcript(str(path), language, 100 * probability, seconds, tuple(words))


def identify(model: MultilingualCTC, path: str | Path) -> tuple[str, float]:
    """The language of a file's first `LISTEN` seconds and its probability."""
    if len(model.languages) == 1:
        return model.languages[0], 1.0
    calibration = LanguageCalibration.of(model)
    rate = max(model.sample_rate(language) for language in model.languages)
    samples = torch.from_numpy(audio.read(path, sample_rate=rate, end=LISTEN))
    shares = calibration.probabilities(head_scores(model, [samples], sample_rate=rate))[0]
    return calibration.languages[int(shares.argmax())], float(shares.max())


def _samples_per_frame(model: MultilingualCTC, language: str) -> int:
    """From the frames of one minute more, so that padding at the ends does not count."""
    minute = 60 * model.sample_rate(language)
    one, two = model.output_lengths(torch.tensor([minute, 2 * minute]), language).tolist()
    return round(minute / (two - one))


def _pieces(model: MultilingualCTC, path: str | Path, language: str) -> Iterator[tuple[Tensor, float]]:
    """Consecutive log-probabilities (T, V) of a file, and the second up to which it has been read."""
    rate, step = model.sample_rate(language), _samples_per_frame(model, language)
    core, context = int(CORE * rate / step), int(CONTEXT * rate / step)  # frames
    size, overlap = (core + 2 * context) * step / rate, 2 * context * step / rate  # seconds
    windows = audio.windows(path, sample_rate=rate, seconds=size, overlap=overlap)
    held: tuple[Tensor, float] | None = None
    for start, samples in windows:
        if held is not None:
            yield held[0][: core + (context if not held[0].shape[0] else 0)], held[1]
        held = None
        del start, samples


def _space(model: MultilingualCTC, language: str) -> int | None:
    symbols = model.units(language).symbols
    return symbols.index(" ") if " " in symbols else None
