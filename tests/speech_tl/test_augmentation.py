"""Each variation alone, by hand where it can be counted."""

import torch

from speech_tl.acoustics import LogMel, Waveform
from speech_tl.augmentation import (
    Augmentation,
    add_noise,
    change_speed,
    change_tempo,
    move_edges,
    recolour,
    spec_augment,
)


def test_speed_shortens_and_raises_the_pitch() -> None:
    tone = torch.sin(2 * torch.pi * 500 * torch.arange(8000) / 8000)[None]
    faster, samples = change_speed(tone, torch.tensor([8000]), 1.25)
    assert int(samples) == 6400  # 8000 / 1.25
    peak = torch.fft.rfft(faster[0, :6400]).abs().argmax() * 8000 / 6400
    assert abs(float(peak) - 625) < 2  # 500 * 1.25


def test_tempo_by_hand() -> None:
    features = torch.arange(5.0).view(1, 5, 1)
    twice, length = change_tempo(features, torch.tensor([5]), torch.tensor([2.0]))
    assert (twice.flatten().tolist(), int(length)) == ([0.0, 2.0], 2)
    half, length = change_tempo(features, torch.tensor([5]), torch.tensor([0.5]))
    assert int(length) == 10
    assert half.flatten().tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4]


def test_tempo_of_one_changes_nothing_and_padding_stays_empty() -> None:
    features = torch.randn(2, 6, 3)
    features[1, 4:] = 0
    same, lengths = change_tempo(features, torch.tensor([6, 4]), torch.ones(2))
    assert torch.equal(same, features)
    assert lengths.tolist() == [6, 4]


def test_noise_is_at_most_5_db_below_the_speech() -> None:
    torch.manual_seed(0)
    audio = torch.randn(20, 4000)
    noisy = add_noise(audio, torch.full((20,), 4000), 1.0)
    ratio = 10 * torch.log10(audio.square().sum(1) / (noisy - audio).square().sum(1))
    assert ratio.min() > 4.5
    assert ratio.max() < 35.5
    assert torch.equal(add_noise(audio, torch.full((20,), 4000), 0.0), audio)


def test_a_colouring_is_the_same_in_every_frame_and_smooth_over_bins() -> None:
    torch.manual_seed(0)
    tint = recolour(torch.zeros(400, 5, 40), torch.full((400,), 4), 1.0, bins=40)
    assert torch.equal(tint[:, 0], tint[:, 3])
    assert (tint[:, 4] == 0).all(), "padding stays empty"
    # At bin 0 all four cosines are 1: variance 4 + 4/9 + 4/25 + 4/49 = 4.686.
    assert abs(float(tint[:, 0, 0].var()) / 4.686 - 1) < 0.2
    assert tint[:, 0].diff().abs().max() < 0.5 * tint[:, 0].abs().max()


def test_masks_stay_within_their_limits() -> None:
    torch.manual_seed(0)
    ones = torch.ones(50, 40, 20)
    masked = spec_augment(ones, torch.full((50,), 40), bins=20, bands=3, stretch=0.1)
    hidden_bins = (masked.sum(1) == 0).sum(1)
    hidden_frames = (masked.sum(2) == 0).sum(1)
    assert hidden_bins.max() <= 2 * 4  # a band of at most 3 + 1 edges, twice
    assert hidden_frames.max() <= 2 * 5  # at most 10 % of 40 frames + 1 edge, twice
    assert hidden_bins.sum() > 0
    assert hidden_frames.sum() > 0


def test_two_frames_side_by_side_are_coloured_and_masked_alike() -> None:
    torch.manual_seed(0)
    lengths = torch.full((30,), 6)
    tint = recolour(torch.zeros(30, 6, 40), lengths, 1.0, bins=20)
    assert torch.equal(tint[..., :20], tint[..., 20:])
    masked = spec_augment(torch.ones(30, 6, 40), lengths, bins=20, bands=5, stretch=0.0)
    assert torch.equal(masked[..., :20], masked[..., 20:])
    assert not masked.all()


def test_a_waveform_is_given_no_spectrum() -> None:
    """At the one speed that there is, without noise and moved edges, nothing happens to it."""
    audio, samples = torch.randn(2, 4000), torch.tensor([4000, 3000])
    plain, _ = Waveform()(audio, samples)
    varied, lengths = Augmentation(warp=0.1, tempo=0.2, colour=1, frequency_mask=9, time_mask=0.5)(
        Waveform(), audio, samples
    )
    assert torch.equal(plain, varied)
    assert lengths.equal(samples)


def test_widths_of_zero_change_nothing() -> None:
    front, audio, samples = LogMel(8000, 64), torch.randn(2, 4000), torch.tensor([4000, 3000])
    plain, lengths = front(audio, samples)
    varied, again = Augmentation()(front, audio, samples)
    assert torch.equal(plain, varied)
    assert lengths.equal(again)


def test_edges_move_and_speech_stays() -> None:
    torch.manual_seed(0)
    hop, quiet = 80, 1e-3
    clip = quiet * torch.randn(100 * hop)
    clip[30 * hop : 60 * hop] = torch.sin(torch.arange(30.0 * hop))  # 0.3 s of speech at 0.3 s
    audio, samples = torch.zeros(200, 120 * hop), torch.full((200,), 100 * hop)
    audio[:, : 100 * hop] = clip
    moved, lengths = move_edges(audio, samples, hop=hop, longest=20)
    starts = (moved.abs() > 0.5).int().argmax(1) / hop
    assert starts.min() >= 4  # the margin
    assert starts.min() < 8
    assert 48 < starts.max() <= 50.1  # 30 + 20
    assert abs(float((starts.sub(30).abs() < 0.1).float().mean()) - 0.25) < 0.1
    assert (moved.square().sum(1) / clip.square().sum()).sub(1).abs().max() < 0.01, "no speech lost, none made"
    ends = lengths / hop - starts - 30
    assert 4 <= ends.min() < 9
    assert 55 < ends.max() <= 60.1
    longer = lengths.argmax()
    assert 0.3 * quiet < float(moved[longer, : 10 * hop].square().mean().sqrt()) < 3 * quiet, "background, not zeros"
    assert not moved[lengths.argmin(), int(lengths.min()) :].any()


def test_a_clip_without_background_only_grows() -> None:
    torch.manual_seed(0)
    tone = torch.sin(torch.arange(400.0)).repeat(50, 1)
    _, lengths = move_edges(tone, torch.full((50,), 400), hop=80, longest=20)
    assert lengths.min() == 400
    assert 1600 < lengths.max() <= 400 + 2 * 1600


def test_silence_and_the_shortest_clips_are_not_cut() -> None:
    torch.manual_seed(0)
    audio = torch.zeros(60, 4000)
    audio[:30, :300] = torch.randn(300)
    _, lengths = move_edges(audio, torch.tensor([300] * 30 + [4000] * 30), hop=80, longest=10)
    assert lengths[:30].min() >= 80
    assert lengths[30:].min() == 4000
