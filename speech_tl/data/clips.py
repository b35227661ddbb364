"""Audio decoded once: all clips of a set in one flat int16 array, kept in a cache file if one is wanted.

Five hours at 16 kHz are 580 MB and are never held twice: they grow in place in memory, or go to the file as
they are decoded and are mapped back from it. A machine that has the file needs neither the audio nor a
decoder.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_tl.data import audio
from speech_tl.data.manifest import Utterance
from speech_tl.errors import InputError

SCALE = 32768


class Clips:
    """`clips[i]` is the audio of `utterances[i]`: (N,) float32 at `sample_rate`."""

    def __init__(self, utterances: Sequence[Utterance], sample_rate: int, *, cache: Path | None = None) -> None:
        self.utterances = tuple(utterances)
        self.sample_rate = sample_rate
        if cache is None:
            memory = _Growing()
            self._offsets = _decode(self.utterances, sample_rate, memory)
            self._samples: NDArray[np.int16] = np.frombuffer(memory.data, np.int16)
        else:
            self._samples, self._offsets = _cached(self.utterances, sample_rate, cache)

    @classmethod
    def of(cls, utterances: Sequence[Utterance], waveforms: Iterable[Tensor], sample_rate: int) -> "Clips":
        """Clips whose audio is at hand: (N,) each, from -1 to 1."""
        made = cls((), sample_rate)
        memory, lengths = _Growing(), [0]
        for waveform in waveforms:
            memory.write(_as_int16(waveform.numpy()))
            lengths.append(len(waveform))
        made.utterances = tuple(utterances)
        if len(lengths) != len(made.utterances) + 1:
            raise ValueError(f"{len(made.utterances)} utterances but {len(lengths) - 1} waveforms")
        made._samples, made._offsets = np.frombuffer(memory.data, np.int16), np.cumsum(lengths)
        return made

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> Tensor:
        first, last = self._offsets[index : index + 2] if index >= 0 else self._offsets[index - 1 :][:2]
        return torch.from_numpy(self._samples[first:last].astype(np.float32) / SCALE)

    def take(self, indices: Sequence[int]) -> "Clips":
        """Only these, in this order."""
        return Clips.of([self.utterances[at] for at in indices], (self[at] for at in indices), self.sample_rate)

    @property
    def lengths(self) -> list[int]:
        """Samples of each clip."""
        return [int(n) for n in np.diff(self._offsets)]

    @property
    def hours(self) -> float:
        return float(self._offsets[-1]) / self.sample_rate / 3600


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Growing:
    """Memory that grows in place: a list of arrays would hold everything twice when it is joined."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes, /) -> int:
        self.data.extend(data)
        return len(data)


def _decode(utterances: Sequence[Utterance], sample_rate: int, sink: _Sink | BinaryIO) -> NDArray[np.int64]:
    """Write every clip's samples, little-endian int16; returns (n + 1,) offsets in samples."""
    offsets = np.zeros(len(utterances) + 1, np.int64)
    for i, utterance in enumerate(_progress(utterances)):
        try:
            clip = audio.read(utterance.audio, sample_rate=sample_rate, start=utterance.start, end=utterance.end)
        except InputError as error:
            raise InputError(f"{utterance.where}: {error}" if utterance.where else str(error)) from None
        sink.write(_as_int16(clip))
        offsets[i + 1] = offsets[i] + len(clip)
    return offsets


def _as_int16(samples: NDArray[np.float32]) -> bytes:
    return np.clip(np.rint(samples * SCALE), -SCALE, SCALE - 1).astype("<i2").tobytes()


def _cached(
    utterances: Sequence[Utterance], sample_rate: int, folder: Path
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """The samples from the cache file, decoded into it first where it is missing, cut short or out of date.

    File: all samples (int16), then n + 1 offsets and n file sizes (int64); named by the utterances' keys and
    the rate.
    """
    names = json.dumps([sample_rate, [u.key for u in utterances]])
    file = folder / f"{hashlib.sha256(names.encode()).hexdigest()[:16]}.clips"
    offsets = _stored_offsets(file, utterances)
    if offsets is None:
        folder.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with aside.open("wb") as sink:
                offsets = _decode(utterances, sample_rate, sink)
                sink.write(offsets.astype("<i8").tobytes())
                sink.write(np.array([_size(u) for u in utterances], "<i8").tobytes())
            os.replace(aside, file)
        finally:
            aside.unlink(missing_ok=True)
    return np.memmap(file, "<i2", mode="r", shape=(int(offsets[-1]),)), offsets


def _stored_offsets(file: Path, utterances: Sequence[Utterance]) -> NDArray[np.int64] | None:
    """Offsets of a whole cache file, or None. Audio files that are absent here are taken on trust."""
    n, size = len(utterances), file.stat().st_size if file.is_file() else 0
    tail = 8 * (2 * n + 1)
    if size <= tail:
        return None
    with file.open("rb") as source:
        source.seek(size - tail)
        numbers = np.frombuffer(source.read(tail), "<i8").astype(np.int64)
    offsets, sizes = numbers[: n + 1], numbers[n + 1 :]
    whole = offsets[0] == 0 and 2 * int(offsets[-1]) + tail == size and bool((np.diff(offsets) > 0).all())
    current = all(_size(u) in (-1, int(s)) for u, s in zip(utterances, sizes, strict=True))
    return offsets if whole and current else None


def _size(utterance: Utterance) -> int:
    """Bytes of the audio file, -1 where this machine does not have it."""
    path = Path(utterance.audio)
    return path.stat().st_size if path.is_file() else -1


def _progress(utterances: Sequence[Utterance]) -> Iterator[Utterance]:
    """The utterances, with a line on standard error every ten seconds of a long job."""
    started = told = time.monotonic()
    for i, utterance in enumerate(utterances):
        now = time.monotonic()
        if i and now - told >= 10:
            told = now
            left = (now - started) / i * (len(utterances) - i)
            print(
                f"decoding audio: {i} of {len(utterances)} clips, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
        yield utterance
