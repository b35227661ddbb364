"""One way into audio of any format, rate and channel count: mono float32 at the rate the model wants.

Decoding is soundfile's (libsndfile: WAV, FLAC, OGG, OPUS, MP3), resampling soxr's; long files are read in
windows, so that an hour takes no more memory than a minute.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_tl.errors import InputError

Samples = NDArray[np.float32]
MOST_FRAMES = 2**40
"""A year of audio: more is what libsndfile says where a header says nothing."""


def read(path: str | Path, *, sample_rate: int, start: float | None = None, end: float | None = None) -> Samples:
    """(N,) mono samples in [-1, 1] of a file, or of its seconds from `start` to `end`."""
    with _opened(path) as file:
        first, last = _span(path, start, end, rate=file.samplerate, frames=file.frames)
        file.seek(first)
        samples = _mono(file.read(last - first, dtype="float32", always_2d=True), path)
        rate = int(file.samplerate)
    if not len(samples):
        raise InputError(f"{path}: no samples")
    return _clipped(_resampled(samples, rate, sample_rate))


def duration(path: str | Path) -> float:
    """Seconds, from the file's header."""
    with _opened(path) as file:
        return float(file.frames / file.samplerate)


def windows(
    path: str | Path, *, sample_rate: int, seconds: float, overlap: float = 0.0
) -> Iterator[tuple[float, Samples]]:
    """(start second, (N,) samples) of overlapping windows over a file of any length, in bounded memory.

    Every window but the last has `seconds`, neighbours share `overlap` seconds; the last ends where the file
    ends.
    """
    if not 0 <= overlap < seconds:
        raise InputError(f"overlap must be at least 0 and below the window's {seconds:g} s, got {overlap:g} s")
    size, hop = round(seconds * sample_rate), round((seconds - overlap) * sample_rate)
    held, position = np.zeros(0, np.float32), 0
    total = 0
    for block in _stream(path, sample_rate=sample_rate, seconds=seconds):
        held = np.concatenate([held, block])
        total += len(block)
        while len(held) > size:
            yield position / sample_rate, held[:size]
            held, position = held[hop:], position + hop
    if not total:
        raise InputError(f"{path}: no samples")
    yield position / sample_rate, held


def _stream(path: str | Path, *, sample_rate: int, seconds: float) -> Iterator[Samples]:
    import soxr

    with _opened(path) as file:
        rate = int(file.samplerate)
        resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32") if rate != sample_rate else None
        size = max(1, round(seconds * rate))
        finished = False
        while not finished:
            block = _mono(file.read(size, dtype="float32", always_2d=True), path)
            finished = len(block) < size
            yield _clipped(resampler.resample_chunk(block, last=finished) if resampler else block)


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """An open `soundfile.SoundFile`; whatever keeps it from opening is one line about the file."""
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}, expected an audio file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: 0 bytes long, expected audio")
    try:
        file = soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: .raw, a headerless format
        raise _unreadable(path, error) from None
    with file:
        if file.frames > MOST_FRAMES:
            raise _unreadable(path, ValueError("its header does not say how long it is"))
        try:
            yield file
        except soundfile.LibsndfileError as error:
            raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return InputError(
        f"{path}: not audio that can be read ({reason}); expected WAV, FLAC, OGG, OPUS or MP3: convert "
        f"others, e.g. with ffmpeg -i IN OUT.wav"
    )


def _span(path: str | Path, start: float | None, end: float | None, *, rate: int, frames: int) -> tuple[int, int]:
    """First and last frame; an end beyond the file is the file's end, a start beyond it is an error."""
    begin = start or 0.0
    if begin < 0:
        raise InputError(f"{path}: negative start {begin:g} s")
    if end is not None and end <= begin:
        raise InputError(f"{path}: end {end:g} s is not after start {begin:g} s")
    first, last = round(begin * rate), frames if end is None else min(frames, round(end * rate))
    if first >= frames and frames:
        raise InputError(f"{path}: start {begin:g} s is beyond the end of the recording ({frames / rate:.3f} s)")
    return first, max(first, last)


def _mono(samples: NDArray[np.float32], path: str | Path) -> Samples:
    """(N, channels) to (N,): the mean of the channels."""
    bad = len(samples) - int(np.isfinite(samples).all(axis=1).sum())
    if bad:
        raise InputError(f"{path}: {bad} of {len(samples)} samples are NaN or infinite")
    return np.asarray(samples.mean(axis=1), np.float32)


def _resampled(samples: Samples, rate: int, sample_rate: int) -> Samples:
    if rate == sample_rate:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, rate, sample_rate), np.float32)


def _clipped(samples: Samples) -> Samples:
    return np.clip(samples, -1.0, 1.0)
