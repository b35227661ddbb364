"""From waveforms to what an encoder reads, on the model's device: the only signal processing in the house.

Three front ends, one for each thing transformers' speech encoders were trained on: `LogMel` (Parakeet, and every model
trained here), `StackedFbank` (Wav2Vec2-BERT) and `Waveform` (Wav2Vec2, HuBERT, WavLM). Each takes (B, N) samples and
their lengths and gives features, normalised per utterance over the frames that exist, and their lengths.
"""

from functools import lru_cache

import torch
from torch import Tensor, nn

from speech_tl.torchaudio_shim import torchaudio

WARPS = tuple(round(0.80 + 0.02 * step, 2) for step in range(21))
"""The grid of frequency warps a filterbank is prepared for; 1.0 leaves the spectrum as it is."""


class LogMel(nn.Module):
    """Log-mel energies as NeMo's FastConformer and transformers' Parakeet take them, (B, T, bins), 100 frames a second.

    Those checkpoints normalise every mel bin by itself, which takes the vowel out of a word of one syllable; without
    `per_bin` only the level of the clip is taken out, and the colouring of microphones is left to augmentation.

    A speaker's vocal tract stretches the spectrum, so the filterbank takes a warp per utterance: drawn at random it
    makes voices that were never recorded (VTLP), fitted to a speaker it removes theirs (VTLN).
    """

    def __init__(self, sample_rate: int, bins: int, *, per_bin: bool = True) -> None:
        super().__init__()
        self.sample_rate, self.bins, self.per_bin = sample_rate, bins, per_bin
        self.hop, self.window = sample_rate // 100, sample_rate // 40
        self.size = 1 << (self.window - 1).bit_length()

    def lengths(self, samples: Tensor) -> Tensor:
        """(B,) samples -> (B,) frames; even the shortest clip has one."""
        return torch.div(samples, self.hop, rounding_mode="floor").clamp(min=1)

    def forward(self, audio: Tensor, samples: Tensor, warp: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """audio: (B, N), samples: (B,), warp: (B,) factors or None -> features (B, T, bins), frames (B,)."""
        audio = torch.cat([audio[:, :1], audio[:, 1:] - 0.97 * audio[:, :-1]], 1) * mask(samples, audio.shape[1])
        window = torch.hann_window(self.window, periodic=False, device=audio.device)
        spectrum = torch.stft(audio, self.size, self.hop, self.window, window, pad_mode="constant", return_complex=True)
        banks = filterbanks(self.sample_rate, self.size // 2 + 1, self.bins, str(audio.device))
        spectrum = spectrum.transpose(1, 2)  # (B, T, frequencies)
        power = spectrum.real.square() + spectrum.imag.square()
        if warp is None:
            mel = power @ banks[WARPS.index(1.0)]
        else:
            nearest = ((warp - WARPS[0]) / (WARPS[1] - WARPS[0])).round().long().clamp(0, len(WARPS) - 1)
            mel = torch.bmm(power, banks[nearest])
        frames = self.lengths(samples)
        features = (mel + 2**-24).log()[:, : int(frames.max())]
        return normalise(features, frames, per_bin=self.per_bin), frames


class StackedFbank(nn.Module):
    """Kaldi filterbanks of 80 bins, two frames side by side, as Wav2Vec2-BERT takes them: (B, T, 160), 50 a second."""

    sample_rate = 16000
    hop = 160
    bins = 80

    def lengths(self, samples: Tensor) -> Tensor:
        """(B,) samples -> (B,) stacked frames."""
        frames = torch.div(samples - 400, self.hop, rounding_mode="floor") + 1
        return torch.div(frames + 1, 2, rounding_mode="floor").clamp(min=1)

    def forward(self, audio: Tensor, samples: Tensor, warp: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """audio: (B, N) at 16 kHz, samples: (B,), warp: (B,) factors or None -> features (B, T, 160), frames (B,)."""
        clips = []
        for row, (clip, length) in enumerate(zip(audio, samples.tolist(), strict=True)):
            clip = nn.functional.pad(clip[:length], (0, max(0, 400 - length)))
            clips.append(
                torchaudio.compliance.kaldi.fbank(
                    clip.unsqueeze(0) * 2**15,
                    num_mel_bins=80,
                    sample_frequency=16000,
                    window_type="povey",
                    vtln_warp=1.0 if warp is None else float(warp[row]),
                )
            )
        frames = torch.tensor([len(clip) for clip in clips], device=audio.device)
        features = normalise(nn.utils.rnn.pad_sequence(clips, batch_first=True), frames)
        features = nn.functional.pad(features, (0, 0, 0, features.shape[1] % 2))
        return features.reshape(len(features), -1, 160), self.lengths(samples)


class Waveform(nn.Module):
    """The samples themselves at mean 0 and variance 1, as Wav2Vec2's family takes them: (B, N)."""

    sample_rate = 16000
    hop = 1

    def lengths(self, samples: Tensor) -> Tensor:
        """(B,) samples -> (B,) samples, at least the 400 of one frame."""
        return samples.clamp(min=400)

    def forward(self, audio: Tensor, samples: Tensor, warp: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """audio: (B, N), samples: (B,) -> (B, N), (B,); a waveform cannot be warped.

        Raises:
            ValueError: a warp was asked for.
        """
        if warp is not None:
            raise ValueError("a frequency warp needs a filterbank; this encoder reads the waveform itself")
        lengths = self.lengths(samples)
        audio = nn.functional.pad(audio, (0, max(0, int(lengths.max()) - audio.shape[1])))
        return normalise(audio.unsqueeze(2), samples, least=1e-7).squeeze(2), lengths


@lru_cache(maxsize=8)
def filterbanks(sample_rate: int, frequencies: int, bins: int, device: str = "cpu") -> Tensor:
    """Slaney's triangular mel filters read along a warped frequency axis, (warps, frequencies, bins).

    What is heard at f counts as α·f (a shorter vocal tract, for α > 1) up to about four fifths of the band and goes
    linearly from there to the Nyquist frequency, which stays where it is, so that no filter falls off the spectrum.
    """
    bank = torchaudio.functional.melscale_fbanks(
        frequencies, 0.0, sample_rate / 2, bins, sample_rate, norm="slaney", mel_scale="slaney"
    )
    position = torch.linspace(0, 1, frequencies)
    warped = []
    for alpha in WARPS:
        knee = 0.8 * min(1.0, 1.0 / alpha)
        upper = alpha * knee + (position - knee) * (1 - alpha * knee) / (1 - knee)
        index = torch.where(position < knee, alpha * position, upper) * (frequencies - 1)
        low = index.floor().long().clamp(max=frequencies - 2)
        share = (index - low).unsqueeze(1)
        warped.append(bank[low] * (1 - share) + bank[low + 1] * share)
    return torch.stack(warped).to(device)


def mask(lengths: Tensor, size: int) -> Tensor:
    """(B,) lengths -> (B, size) booleans, true where there is something."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


def normalise(features: Tensor, lengths: Tensor, *, per_bin: bool = True, least: float = 1e-5) -> Tensor:
    """(B, T, F) to mean 0 and variance 1 per utterance over the frames that exist; padding becomes 0.

    Each bin by itself, or, without `per_bin`, all bins together.
    """
    keep = mask(lengths, features.shape[1]).unsqueeze(2)
    over = 1 if per_bin else (1, 2)
    count = lengths.view(-1, 1, 1) * (1 if per_bin else features.shape[2])
    centred = (features - (features * keep).sum(over, keepdim=True) / count) * keep
    variance = centred.square().sum(over, keepdim=True) / (count - 1).clamp(min=1)
    return centred / (variance.sqrt() + least)
