"""An encoder that hears 165 ms and no more."""

from pathlib import Path

import pytest
import torch

from speech_tl.models import ctc
from speech_tl.models.encoder import from_scratch, from_size
from speech_tl.models.narrow import NarrowEncoder
from speech_tl.phonology.units import Units


@pytest.fixture(scope="module")
def encoder() -> NarrowEncoder:
    torch.manual_seed(0)
    body = from_scratch(from_size("narrow", subsampling=2, dropout=0.0))
    assert isinstance(body, NarrowEncoder)
    return body.eval()


def test_a_frame_hears_fifteen(encoder: NarrowEncoder) -> None:
    """± 2 by the first convolution, ± 1 by the one that halves, ± 2 by either block, whose steps are of two: ± 7."""
    features = torch.zeros(1, 60, 80).requires_grad_()
    state = encoder(features).last_hidden_state
    assert state.shape == (1, 30, 128)
    (gradient,) = torch.autograd.grad(state[0, 15].sum(), features)
    heard = gradient[0].abs().sum(-1).nonzero().flatten().tolist()
    assert heard == list(range(30 - 7, 30 + 8))


def test_padding_changes_nothing(encoder: NarrowEncoder) -> None:
    features = torch.randn(1, 41, 80)
    longer = torch.nn.functional.pad(features, (0, 0, 0, 20), value=3.0)
    there = (torch.arange(61) < 41).long()[None]
    alone = encoder(features, attention_mask=torch.ones(1, 41, dtype=torch.long)).hidden_states
    padded = encoder(longer, attention_mask=there).hidden_states
    for own, other in zip(alone, padded, strict=True):
        torch.testing.assert_close(own, other[:, :21])
        assert not other[:, 21:].any()


@pytest.mark.parametrize(("subsampling", "frames"), [(2, 21), (4, 11), (8, 6)])
def test_frames_by_hand(subsampling: int, frames: int) -> None:
    """41 frames: 21, 11, 6 after one, two and three halvings, the odd one rounded up."""
    body = from_scratch(from_size("narrow", subsampling=subsampling))
    assert body(torch.zeros(1, 41, 80)).last_hidden_state.shape[1] == frames


def test_a_recogniser_on_it_comes_back_from_its_folder(tmp_path: Path) -> None:
    model = ctc.build(
        "narrow", {"phones": Units.from_texts(["ab"])}, head_of={"aa": "phones"}, subsampling=2, label_prior=0.3
    )
    audio, samples = torch.randn(2, 8000), torch.tensor([8000, 5000])
    targets, lengths = torch.tensor([[1, 2], [2, 1]]), torch.tensor([2, 2])
    model.losses(audio, samples, "aa", targets=targets, target_lengths=lengths)["ctc"].backward()
    ctc.save(model, tmp_path)
    again = ctc.load(tmp_path)
    assert torch.equal(again.head("aa").prior, model.head("aa").prior), "the prior is kept"
    model.eval()
    said, frames = model.log_probabilities(audio, samples, "aa")
    assert torch.equal(again.log_probabilities(audio, samples, "aa")[0], said)
    assert frames.tolist() == [25, 16]
    torch.testing.assert_close(again.sounds(audio, samples, "aa")[0], said)
