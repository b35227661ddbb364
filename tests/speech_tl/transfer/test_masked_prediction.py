"""Codes of random projections, spans of a known share, and a loss that looks at nothing else."""

from math import exp, log

import pytest
import torch

from speech_tl.transfer.masked_prediction import RandomQuantizer, fill_with_noise, prediction_loss, spans, usage


def quantizer(*, seed: int = 0, width: int = 3, stack: int = 2, size: int = 8) -> RandomQuantizer:
    return RandomQuantizer(width, stack=stack, size=size, generator=torch.Generator().manual_seed(seed))


def test_a_codebook_by_hand() -> None:
    """Two frames side by side are a point of the plane; three codes point east, north and south-west."""
    by_hand = quantizer(width=1, size=3)
    by_hand.projection = torch.eye(2)
    by_hand.codebook = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-(0.5**0.5), -(0.5**0.5)]])
    frames = torch.tensor([3.0, 0.0, 1.0, 2.0, -4.0, -1.0, 5.0])  # (3, 0), (1, 2), (-4, -1), and (5, 0) at the end
    assert by_hand(frames.view(1, 7, 1)).tolist() == [[0, 1, 2, 0]]


def test_codes_are_the_seeds_and_the_frames_alone() -> None:
    features = torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(1))
    codes = quantizer()(features)
    assert codes.shape == (2, 20)
    assert codes.equal(quantizer()(features)) and not codes.equal(quantizer(seed=1)(features))
    assert quantizer()(features[:, 10:12]).equal(codes[:, 5:6]), "a code knows no neighbours"
    assert quantizer()(7 * features).equal(codes), "the angle decides"
    assert not list(quantizer().parameters()), "nothing of it is trained"


def test_spans_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share of 0.36 in spans of 2 begins one with probability 0.2, the first of them before the first frame."""
    drawn = torch.tensor([[0.1, 0.9, 0.9, 0.21, 0.19, 0.9], [0.9, 0.9, 0.9, 0.1, 0.1, 0.1]])
    monkeypatch.setattr(torch, "rand", lambda *size, device: drawn)
    masked = spans(torch.tensor([5, 3]), share=0.36, width=2)
    assert masked.int().tolist() == [[1, 0, 0, 1, 1], [0, 0, 1, 0, 0]]


def test_every_frame_is_masked_as_often_as_asked() -> None:
    torch.manual_seed(0)
    lengths = torch.full((4000,), 30)
    lengths[1::2] = 20
    masked = spans(lengths, share=0.4, width=10)
    assert not masked[1::2, 20:].any(), "padding is never masked"
    shares = masked[::2].float().mean(0)
    assert shares.min() > 0.36 and shares.max() < 0.44, "at the edges as in the middle: 5 deviations"
    inner = masked[::2, 10:20]
    alone = inner[:, 5] & ~inner[:, 4] & ~inner[:, 6]
    assert not alone.any(), "spans, not frames"


def test_noise_takes_the_place_of_masked_frames() -> None:
    torch.manual_seed(0)
    features = torch.full((1, 5, 4000), 9.0)
    filled = fill_with_noise(features, torch.tensor([[False, True, True]]), stack=2)
    assert filled[:, :2].equal(features[:, :2])
    assert filled[:, 2:].mean().abs() < 0.01 and filled[:, 2:].std().item() == pytest.approx(0.1, abs=0.005)


def test_the_loss_looks_at_masked_frames_alone() -> None:
    """Four codes at equal odds cost log 4; odds of 3 : 1 : 1 : 1 cost log 2 for the likely one."""
    logits = torch.zeros(1, 3, 4)
    logits[0, 1, 2] = log(3)
    logits[0, 2] = 1e6
    logits.requires_grad_(True)
    codes, masked = torch.tensor([[3, 2, 0]]), torch.tensor([[True, True, False]])
    loss = prediction_loss(logits, codes, masked)
    assert loss.item() == pytest.approx((log(4) + log(2)) / 2)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None and logits.grad[0, :2].any() and not logits.grad[0, 2].any()
    assert prediction_loss(logits, codes, torch.zeros_like(masked)).item() == 0


def test_how_many_codes_are_in_use() -> None:
    assert usage(torch.tensor([5, 5, 5]), size=8) == pytest.approx(1)
    assert usage(torch.arange(8), size=8) == pytest.approx(8)
    entropy = -0.75 * log(0.75) - 0.25 * log(0.25)
    assert usage(torch.tensor([0, 3, 0, 0]), size=8) == pytest.approx(exp(entropy))
