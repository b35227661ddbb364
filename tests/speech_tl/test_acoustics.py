"""Front ends against the extractors the checkpoints were trained with, and the laws of padding and warping."""

import numpy as np
import pytest
import torch

from speech_tl.acoustics import WARPS, LogMel, StackedFbank, Waveform, filterbanks, normalise


def test_log_mel_is_what_parakeet_was_trained_on() -> None:
    pytest.importorskip("librosa")
    from transformers import ParakeetFeatureExtractor

    audio = np.random.default_rng(0).standard_normal((2, 16000)).astype(np.float32) * 0.1
    theirs = ParakeetFeatureExtractor()(list(audio), sampling_rate=16000, return_tensors="pt")
    ours, frames = LogMel(16000, 80)(torch.from_numpy(audio), torch.tensor([16000, 16000]))
    assert frames.tolist() == theirs.attention_mask.sum(1).tolist() == [100, 100]
    assert (ours - theirs.input_features[:, :100]).abs().max() < 2e-3


def test_stacked_fbank_is_what_wav2vec2_bert_was_trained_on() -> None:
    from transformers import SeamlessM4TFeatureExtractor

    audio = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    theirs = SeamlessM4TFeatureExtractor()(audio, sampling_rate=16000, return_tensors="pt")
    ours, frames = StackedFbank()(torch.from_numpy(audio)[None], torch.tensor([16000]))
    # 98 frames of 10 ms, two side by side; 16,000 = 400 + 97 * 160 + 80.
    assert ours.shape == theirs.input_features.shape == (1, 49, 160)
    assert int(frames) == 49
    assert (ours - theirs.input_features).abs().mean() < 0.02


def test_normalise_by_hand() -> None:
    # 1, 3 and one frame of padding: mean 2, variance ((-1)² + 1²) / (2 - 1) = 2.
    features = torch.tensor([[[1.0], [3.0], [50.0]]])
    normal = normalise(features, torch.tensor([2]), least=0.0)
    assert torch.allclose(normal.flatten(), torch.tensor([-1 / 2**0.5, 1 / 2**0.5, 0.0]))


def test_normalise_all_bins_together_by_hand() -> None:
    # 1, 3 | 5, 7: mean 4, variance (9 + 1 + 1 + 9) / 3 = 20 / 3; the difference between the bins stays.
    features = torch.tensor([[[1.0, 5.0], [3.0, 7.0], [50.0, 50.0]]])
    normal = normalise(features, torch.tensor([2]), per_bin=False, least=0.0)
    expected = torch.tensor([[-3.0, 1.0], [-1.0, 3.0], [0.0, 0.0]]) / (20 / 3) ** 0.5
    assert torch.allclose(normal[0], expected)


@pytest.mark.parametrize("front", [LogMel(16000, 80), LogMel(8000, 64, per_bin=False), StackedFbank(), Waveform()])
def test_what_lies_behind_the_end_is_not_heard(front: LogMel | StackedFbank | Waveform) -> None:
    samples = torch.tensor([5000])
    audio = torch.randn(1, 5000)
    alone, frames = front(audio, samples)
    padded, again = front(torch.cat([audio, torch.randn(1, 3000)], 1), samples)
    assert frames.equal(again)
    size = int(frames)
    assert (alone[:, :size] - padded[:, :size]).abs().max() < 1e-4


def test_a_warp_moves_a_peak_and_keeps_the_nyquist_frequency() -> None:
    banks = filterbanks(16000, 257, 80)
    assert banks.shape == (len(WARPS), 257, 80)
    assert (banks.sum(1) > 0).all(), "no filter may fall off the spectrum"
    front, samples = LogMel(16000, 80), torch.tensor([16000])
    sweep = torch.sin(2 * torch.pi * torch.cumsum(torch.linspace(200, 7000, 16000), 0) / 16000)[None]

    def peak(factor: float) -> float:
        features, _ = front(sweep, samples, torch.tensor([factor]))
        return float(features[0, 40].argmax())

    # A factor above 1 lifts the formants, as a shorter vocal tract would.
    assert peak(0.8) < peak(1.0) < peak(1.2)


def test_a_waveform_cannot_be_warped() -> None:
    with pytest.raises(ValueError, match="needs a filterbank"):
        Waveform()(torch.randn(1, 800), torch.tensor([800]), torch.tensor([1.1]))
