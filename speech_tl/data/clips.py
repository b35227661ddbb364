"""Audio decoded once: all clips of a set in one flat int16 array.

Five hours at 16 kHz are 580 MB and are never held twice: they grow in place.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence

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

    def __init__(self, utterances: Sequence[Utterance], sample_rate: int) -> None:
        self.utterances = tuple(utterances)
        self.sample_rate = sample_rate
        memory = bytearray()
        self._offsets = _decode(self.utterances, sample_rate, memory)
        self._samples: NDArray[np.int16] = np.frombuffer(memory, np.int16)

    @classmethod
    def of(cls, utterances: Sequence[Utterance], waveforms: Iterable[Tensor], sample_rate: int) -> "Clips":
        """Clips whose audio is at hand: (N,) each, from -1 to 1."""
        made = cls((), sample_rate)
        memory, lengths = bytearray(), [0]
        for waveform in waveforms:
            memory.extend(_as_int16(waveform.numpy()))
            lengths.append(len(waveform))
        made.utterances = tuple(utterances)
        if len(lengths) != len(made.utterances) + 1:
            raise ValueError(f"{len(made.utterances)} utterances but {len(lengths) - 1} waveforms")
        made._samples, made._offsets = np.frombuffer(memory, np.int16), np.cumsum(lengths)
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


def _decode(utterances: Sequence[Utterance], sample_rate: int, memory: bytearray) -> NDArray[np.int64]:
    """Every clip's samples behind what is there, little-endian int16; returns (n + 1,) offsets in samples."""
    offsets = np.zeros(len(utterances) + 1, np.int64)
    for i, utterance in enumerate(_progress(utterances)):
        try:
            clip = audio.read(utterance.audio, sample_rate=sample_rate, start=utterance.start, end=utterance.end)
        except InputError as error:
            raise InputError(f"{utterance.where}: {error}" if utterance.where else str(error)) from None
        memory.extend(_as_int16(clip))
        offsets[i + 1] = offsets[i] + len(clip)
    return offsets


def _as_int16(samples: NDArray[np.float32]) -> bytes:
    return np.clip(np.rint(samples * SCALE), -SCALE, SCALE - 1).astype("<i2").tobytes()


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
