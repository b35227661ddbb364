"""The same speech as another place or line brings it: noise, rooms, a telephone; and words joined into strings.

What is random about a clip is drawn from its own key, whatever set it is part of.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from speech_tl.data import audio
from speech_tl.data.clips import Clips
from speech_tl.data.manifest import Utterance
from speech_tl.data.splits import draw
from speech_tl.errors import InputError
from speech_tl.torchaudio_shim import torchaudio

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
LEVELS = (0.0, 15.0)
"""Speech above noise in dB, drawn evenly."""
BAND = (300.0, 3400.0)
"""Hz that a telephone lets through (ITU-T G.712)."""
TAPS = 512
"""Of the filter that makes one set resemble another: 32 ms at 16 kHz."""
GAINS = (1e-3, 1e2)
"""Least and most that it multiplies an amplitude by."""
_WINDOW = torch.hann_window(TAPS)
PAUSE = 0.25
"""Longest silence between joined words, in seconds."""

Change = Callable[[Tensor, int, torch.Generator], Tensor]
"""A waveform (N,), its rate in Hz and a source of chance -> a waveform."""


@dataclass(frozen=True)
class Surroundings:
    """Recordings of noise and impulse responses of rooms, (N,) each at one rate."""

    noises: tuple[Tensor, ...]
    rooms: tuple[Tensor, ...]

    def __call__(self, waveform: Tensor, rate: int, chance: torch.Generator) -> Tensor:
        """In a room, and with noise at `LEVELS` below the speech; at the peak that it had."""
        peak = waveform.abs().max().clamp(min=1e-4)
        if self.rooms:
            waveform = _heard_in(waveform, self.rooms[_below(len(self.rooms), chance)])
        if self.noises:
            level = LEVELS[0] + (LEVELS[1] - LEVELS[0]) * torch.rand((), generator=chance)
            noise = _stretch(self.noises[_below(len(self.noises), chance)], len(waveform), chance)
            if noise.any():  # a file may begin or end in nothing
                waveform = torchaudio.functional.add_noise(waveform, noise, level)
        return waveform * peak / waveform.abs().max().clamp(min=1e-4)


def telephone(waveform: Tensor, rate: int, chance: torch.Generator) -> Tensor:
    """Band-limited, at 8 kHz in eight bits of μ-law (ITU-T G.711), and back at its own rate."""
    narrow = torchaudio.functional.resample(waveform, rate, 8000)
    spectrum = torch.fft.rfft(narrow)
    frequencies = torch.fft.rfftfreq(len(narrow), 1 / 8000)
    spectrum[(frequencies < BAND[0]) | (frequencies > BAND[1])] = 0
    narrow = torch.fft.irfft(spectrum, len(narrow)).clamp(-1, 1)
    heard = torchaudio.functional.mu_law_decoding(torchaudio.functional.mu_law_encoding(narrow, 256), 256)
    found: Tensor = torchaudio.functional.resample(heard, 8000, rate)[: len(waveform)]
    return found


def resembling(clips: Clips, like: Clips) -> Clips:
    """The same utterances as the others' line and place would bring them, told from their sound alone; at their peaks.

    What is heard is taken for h * speech + noise. Speech is what the louder half of a clip's frames has and the
    quietest seventh has not: |h|² is its mean spectrum there over the mean spectrum here, and the filter has linear
    phase. The noise is stationary, drawn for each clip, with the spectrum that the quiet frames of one of the others
    have above its own. Who speaks and what is said average out where there is enough of both.

    Args:
        like: at the same rate.
    """
    ours, theirs = _levels(clips), _levels(like)
    response = _response((theirs.speech / ours.speech).sqrt().clamp(*GAINS))

    def change(waveform: Tensor, _rate: int, chance: torch.Generator) -> Tensor:
        heard = _filtered(waveform, response)
        quiet, loud = _quiet_and_loud(heard)
        floor = theirs.quiet[_below(len(theirs.quiet), chance)] * loud.sum()
        lacking = (floor - quiet).clamp(min=0) / _WINDOW.square().sum()  # a white noise of power 1 has 1 here
        heard = heard + _filtered(torch.randn(len(waveform), generator=chance), _response(lacking.sqrt()))
        return heard * waveform.abs().max() / heard.abs().max().clamp(min=1e-6)

    return disturbed(clips, change, seed=0)


def disturbed(clips: Clips, change: Change, *, seed: int) -> Clips:
    """The same utterances, each changed in its own way."""
    rate = clips.sample_rate
    waveforms = (change(clips[at], rate, _chance(u.key, seed)) for at, u in enumerate(clips.utterances))
    return Clips.of(clips.utterances, waveforms, rate)


def joined(clips: Clips, *, shortest: int, longest: int, seed: int) -> Clips:
    """Strings of `shortest` to `longest` clips of one speaker, with short silences between.

    Each clip is in one string, but for fewer than `shortest` of a speaker that are left over.

    Raises:
        InputError: lengths that make no strings, or no speaker with clips enough.
    """
    if not 1 <= shortest <= longest:
        raise InputError(f"strings of {shortest} to {longest} clips: expected 1 or more, the shorter length first")
    utterances: list[Utterance] = []
    waveforms: list[Tensor] = []
    speakers: dict[str, list[int]] = {}
    for at, utterance in enumerate(clips.utterances):
        speakers.setdefault(utterance.speaker, []).append(at)
    for speaker, own in speakers.items():
        order = sorted(own, key=lambda at: draw(clips.utterances[at].key, seed))
        chance = _chance(speaker, seed)
        while len(order) >= shortest:
            take = min(shortest + _below(longest - shortest + 1, chance), len(order))
            part, order = order[:take], order[take:]
            texts = [clips.utterances[at].text for at in part]
            first = clips.utterances[part[0]]
            key = "+".join(clips.utterances[at].key for at in part)
            utterances.append(replace(first, text=" ".join(texts), name=key, start=None, end=None))
            waveforms.append(torch.cat([piece for at in part for piece in (clips[at], _silence(clips, chance))]))
    if not utterances:
        raise InputError(f"no speaker has {shortest} clips to join")
    return Clips.of(utterances, waveforms, clips.sample_rate)


def surroundings(noises: Path | None, rooms: Path | None, *, rate: int, half: int, seed: int) -> Surroundings:
    """One half of the recordings below two folders, drawn by seed: the other is for the other side of a split.

    Args:
        half: 0 or 1.

    Raises:
        InputError: neither folder, or fewer than two sound files in one.
    """
    if noises is None and rooms is None:
        raise InputError("neither noise nor rooms: give --noise or --rooms, folders of sound files")
    found = []
    for folder in (noises, rooms):
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES) if folder else []
        origins = sorted({_origin(file) for file in files}, key=lambda name: draw(name, seed))
        if folder and len(origins) < 2:
            told = f"{len(files)} sound files" + (" of one recording" if len(files) > 1 else "")
            raise InputError(f"{folder} holds {told}; expected 2 or more, for training and for testing")
        mine = set(origins[half::2])
        found.append(tuple(torch.from_numpy(audio.read(f, sample_rate=rate)) for f in files if _origin(f) in mine))
    return Surroundings(*found)


def _origin(file: Path) -> str:
    """The recording that a file is a piece of: 1-28135 for 1-28135-B, as ESC names them."""
    return re.sub(r"-[A-Z]$", "", file.stem)


@dataclass(frozen=True)
class _Levels:
    """Power by frequency, (TAPS / 2 + 1,), relative to the loudness of a clip's louder half."""

    quiet: Tensor
    """(N, TAPS / 2 + 1) of every clip's quietest frames."""
    speech: Tensor
    """Of what is louder than these, the mean over clips."""


def _levels(clips: Clips) -> _Levels:
    powers = [_quiet_and_loud(clips[at]) for at in range(len(clips))]
    quiet, loud = (torch.stack(each) for each in zip(*powers, strict=True))
    loudness = loud.sum(1, keepdim=True).clamp(min=1e-12)
    quiet, speech = quiet / loudness, ((loud - quiet).clamp(min=0) / loudness).mean(0)
    return _Levels(quiet, speech + 1e-6 * speech.max().clamp(min=1e-6))


def _quiet_and_loud(waveform: Tensor) -> tuple[Tensor, Tensor]:
    """(TAPS / 2 + 1,) twice: the mean |STFT|² of the quietest seventh of all frames and of the louder half."""
    power = torch.stft(waveform, TAPS, window=_WINDOW, pad_mode="constant", return_complex=True).abs().square()
    order = power.sum(0).argsort()
    count = len(order)
    return power[:, order[: max(1, count // 7)]].mean(1), power[:, order[count // 2 :]].mean(1)


def _response(gain: Tensor) -> Tensor:
    """(TAPS / 2 + 1,) amplitudes -> (TAPS,) of linear phase, in Hann's window."""
    found: Tensor = torch.fft.irfft(gain, TAPS).roll(TAPS // 2) * _WINDOW
    return found


def _filtered(waveform: Tensor, response: Tensor) -> Tensor:
    """As long as it was, and not later."""
    whole: Tensor = torchaudio.functional.fftconvolve(waveform, response)
    return whole[TAPS // 2 : TAPS // 2 + len(waveform)]


def _heard_in(waveform: Tensor, response: Tensor) -> Tensor:
    """As long as it was; the direct sound stays where it is."""
    direct = int(response.abs().argmax())
    size = len(waveform) + len(response)
    spectrum = torch.fft.rfft(waveform, size) * torch.fft.rfft(response / response.norm().clamp(min=1e-6), size)
    found: Tensor = torch.fft.irfft(spectrum, size)[direct : direct + len(waveform)]
    return found


def _stretch(noise: Tensor, length: int, chance: torch.Generator) -> Tensor:
    """A stretch of a recording, which begins again where it ends."""
    first = _below(len(noise), chance)
    return noise.roll(-first).repeat(-(-length // len(noise)))[:length]


def _silence(clips: Clips, chance: torch.Generator) -> Tensor:
    return torch.zeros(_below(max(1, round(PAUSE * clips.sample_rate)), chance))


def _below(count: int, chance: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=chance))


def _chance(key: str, seed: int) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {key}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
