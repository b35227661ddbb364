"""New voices, rooms and losses for training clips, drawn on the model's device.

Few speakers are the usual poverty of a small corpus. Speed changes pitch, formants and tempo at once (Ko et al. 2015);
the frequency warp alone moves the formants (VTLP, Jaitly & Hinton 2013), tempo alone the rhythm, and SpecAugment (Park
et al. 2019) hides bands and stretches. Every draw comes from torch's global generators, which a checkpoint keeps.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speech_tl.acoustics import LogMel, StackedFbank, Waveform, mask
from speech_tl.torchaudio_shim import torchaudio


@dataclass(frozen=True)
class Augmentation:
    """How training clips are varied; every width at 0 changes nothing.

    Warp, tempo, colour and masks are of a spectrum: an encoder that reads the waveform itself is spared them.
    """

    edges: float = 0.0
    """Longest stretch of its own background that a clip gets before or behind it, in seconds; as often one is cut."""
    speeds: tuple[float, ...] = (1.0,)
    """Playback factors, one drawn per batch: pitch, formants and tempo together."""
    warp: float = 0.0
    """Half-width of the frequency warp, drawn per utterance from 1 ± warp."""
    tempo: float = 0.0
    """Half-width of the tempo factor, drawn per utterance from 1 ± tempo."""
    noise: float = 0.0
    """Share of utterances that get white noise at 5 to 35 dB below the speech."""
    colour: float = 0.0
    """Size of a smooth random colouring of the spectrum, as of another microphone, in deviations of the features."""
    frequency_mask: int = 0
    """Widest masked band, in mel bins; two are drawn per utterance."""
    time_mask: float = 0.0
    """Longest masked stretch, as a share of the clip; two are drawn per utterance."""

    @property
    def fastest(self) -> float:
        """How many times as fast as recorded a clip can come out."""
        return max(self.speeds) * (1 + self.tempo)

    def __call__(
        self, front: LogMel | StackedFbank | Waveform, audio: Tensor, samples: Tensor
    ) -> tuple[Tensor, Tensor]:
        """audio: (B, N), samples: (B,) -> varied features (B, T, F) of the front end, lengths (B,)."""
        size = len(audio)
        if self.edges:
            audio, samples = move_edges(audio, samples, hop=front.sample_rate // 100, longest=round(100 * self.edges))
        factor = self.speeds[int(torch.randint(len(self.speeds), ()))]
        audio, samples = change_speed(audio, samples, factor)
        if self.noise:
            audio = add_noise(audio, samples, self.noise)
        if isinstance(front, Waveform):
            features, lengths = front(audio, samples)
            return features, lengths
        warp = around_one(self.warp, size, audio.device) if self.warp else None
        features, lengths = front(audio, samples, warp)
        if self.tempo:
            features, lengths = change_tempo(features, lengths, around_one(self.tempo, size, audio.device))
        if self.colour:
            features = recolour(features, lengths, self.colour, bins=front.bins)
        if self.frequency_mask or self.time_mask:
            features = spec_augment(
                features, lengths, bins=front.bins, bands=self.frequency_mask, stretch=self.time_mask
            )
        return features, lengths


AS_RECORDED = Augmentation()
NEW_VOICES = Augmentation(
    edges=0.3,
    speeds=(0.8, 0.9, 1.0, 1.1, 1.2),
    warp=0.16,
    tempo=0.2,
    noise=0.5,
    colour=0.4,
    frequency_mask=12,
    time_mask=0.15,
)
"""What single words are trained with: those of few speakers are soon known by heart."""
MILD = Augmentation(speeds=(0.9, 1.0, 1.1), warp=0.1, frequency_mask=12, time_mask=0.05)
"""What sentences are trained with: more keeps a model from finding out which sound is which letter."""


def around_one(width: float, size: int, device: torch.device) -> Tensor:
    """(size,) factors drawn evenly from 1 ± width."""
    return 1 + width * (2 * torch.rand(size, device=device) - 1)


def move_edges(audio: Tensor, samples: Tensor, *, hop: int, longest: int) -> tuple[Tensor, Tensor]:
    """Where a clip begins and ends is its recorder's doing: more background before and behind it, or less.

    Each edge of each clip is left alone (a quarter), moved inwards as far as the speech at most (a third), or
    outwards by up to `longest` frames of `hop` samples. The background is the clip's own quietest tenth of a second,
    back and forth; speech is what stands out of it by three tenths of the clip's range in dB, 4 frames of margin kept.

    Args:
        audio: (B, N).
        samples: (B,).
    """
    size, device = len(audio), audio.device
    frames = torch.div(samples, hop, rounding_mode="floor").clamp(min=1)
    level = nn.functional.pad(audio, (0, -audio.shape[1] % hop)).view(size, -1, hop).square().mean(2)
    level = level.clamp(min=1e-10).log10()[:, : int(frames.max())]  # (B, T)
    there = mask(frames, level.shape[1])
    stretch = min(10, level.shape[1])
    levels = nn.functional.avg_pool1d(level.masked_fill(~there, 10.0).unsqueeze(1), stretch, 1).squeeze(1)
    quiet, place = levels.min(1)
    loud = level.masked_fill(~there, -10.0).amax(1)
    least = torch.minimum(0.7 * quiet + 0.3 * loud, loud)  # a clip may be all silence, or all speech
    speech = there & (level >= least.unsqueeze(1))
    index = torch.arange(level.shape[1], device=device)
    before = speech.int().argmax(1)
    behind = frames - 1 - torch.where(speech, index, -1).amax(1)

    def drawn(room: Tensor) -> Tensor:
        kind, share = torch.rand(2, size, device=device)
        inwards, outwards = (kind > 0.25) & (kind < 0.58), kind >= 0.58
        moved: Tensor = share * (outwards * longest - inwards * (room - 4).clamp(min=0))
        return (moved * hop).long()

    front, back = drawn(before), drawn(behind)
    lengths = samples + front + back
    position = torch.arange(int(lengths.max()), device=device) - front.unsqueeze(1)
    turn = torch.arange(position.shape[1], device=device) % (2 * stretch * hop)
    turn = torch.minimum(turn, 2 * stretch * hop - 1 - turn)
    background = (place.unsqueeze(1) * hop + turn).clamp(max=audio.shape[1] - 1)
    inside = (position >= 0) & (position < samples.unsqueeze(1))
    moved = audio.gather(1, torch.where(inside, position, background))
    return moved * mask(lengths, moved.shape[1]), lengths


def change_speed(audio: Tensor, samples: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """Plays (B, N) audio `factor` times as fast; shorter for a factor above 1."""
    if factor == 1.0:
        return audio, samples
    source, target = round(100 * factor), 100
    faster = torchaudio.functional.resample(audio, source, target, lowpass_filter_width=4)
    return faster, torch.div(samples * target, source, rounding_mode="floor").clamp(min=1)


def change_tempo(features: Tensor, lengths: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """Reads each utterance's frames `factor` (B,) times as fast, linearly between frames; pitch stays."""
    reach = (lengths / factor).floor().long().clamp(min=1)
    position = torch.arange(int(reach.max()), device=features.device) * factor.unsqueeze(1)  # (B, T')
    low = torch.minimum(position.floor().long(), (lengths - 1).unsqueeze(1))
    high = torch.minimum(low + 1, (lengths - 1).unsqueeze(1))
    share = (position - low).clamp(0, 1).unsqueeze(2)
    rows = torch.arange(len(features), device=features.device).unsqueeze(1)
    stretched = features[rows, low] * (1 - share) + features[rows, high] * share
    return stretched * mask(reach, stretched.shape[1]).unsqueeze(2), reach


def recolour(features: Tensor, lengths: Tensor, width: float, *, bins: int) -> Tensor:
    """(B, T, F) plus a sum of four cosines over the bins, the slowest (a change of level) the largest.

    Args:
        bins: of one frame, of which F may hold several side by side.
    """
    place = torch.linspace(0, torch.pi, bins, device=features.device)
    waves = torch.stack([torch.cos(k * place) / (k + 0.5) for k in range(4)])  # (4, bins)
    tint = width * torch.randn(len(features), 4, device=features.device) @ waves
    tint = tint.repeat(1, features.shape[2] // bins)
    return features + tint.unsqueeze(1) * mask(lengths, features.shape[1]).unsqueeze(2)


def add_noise(audio: Tensor, samples: Tensor, share: float) -> Tensor:
    """White noise 5 to 35 dB below the speech in about `share` of the utterances."""
    level = 5 + 30 * torch.rand(len(audio), 1, device=audio.device)
    power = audio.square().sum(1, keepdim=True) / samples.unsqueeze(1)
    gain = (power * 10 ** (-level / 10)).sqrt() * (torch.rand(len(audio), 1, device=audio.device) < share)
    return audio + gain * torch.randn_like(audio)


def spec_augment(features: Tensor, lengths: Tensor, *, bins: int, bands: int, stretch: float) -> Tensor:
    """Two masked bands and two masked stretches per utterance, filled with the mean (0 after normalising).

    Args:
        bins: of one frame, of which (B, T, F) features may hold several side by side.
    """
    size, band = features.shape[1], torch.arange(features.shape[2], device=features.device) % bins
    for _ in range(2):
        for axis, limit, extent in (
            (2, torch.full_like(lengths, bands), torch.full_like(lengths, bins)),
            (1, (lengths * stretch).long(), lengths),
        ):
            width = torch.rand(len(lengths), device=features.device) * (limit + 1)
            start = (torch.rand(len(lengths), device=features.device) * (extent - width)).clamp(min=0)
            place = band if axis == 2 else torch.arange(size, device=features.device)
            hidden = (place >= start.unsqueeze(1)) & (place < (start + width).floor().unsqueeze(1))
            features = features.masked_fill(hidden.unsqueeze(1 if axis == 2 else 2), 0.0)
    return features
