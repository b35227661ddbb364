"""Penalties that are nothing at the start and grow with every step away, against an anchor that stays."""

from math import log

import pytest
import torch
from torch import nn

from speech_tl.transfer.conservative import clone, l2_sp, output_kl, weights


def test_l2_sp_is_half_the_square_of_the_way_gone() -> None:
    """Two weights that moved by 3 and 4: (9 + 16) / 2; the frozen bias is not anchored."""
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    anchor = weights(model)
    assert l2_sp(model, anchor).item() == 0
    with torch.no_grad():
        model.weight += torch.tensor([[3.0, 4.0]])
        model.bias += 100
    penalty = l2_sp(model, anchor)
    assert penalty.item() == pytest.approx(12.5)
    penalty.backward()  # type: ignore[no-untyped-call]
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == [[pytest.approx(3.0), pytest.approx(4.0)]]


def test_the_anchor_does_not_move_with_the_model() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.0))
    anchor, start = clone(model), weights(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    (l2_sp(model, start) + model(torch.ones(1, 1)).sum()).backward()
    optimizer.step()
    assert not model[0].weight.equal(anchor[0].weight)
    assert anchor[0].weight.equal(start["0.weight"])
    assert not anchor.training and model.training
    assert not any(weight.requires_grad for weight in anchor.parameters())


def test_output_kl_by_hand() -> None:
    """One frame: the anchor says ½, ½, the model ¼, ¾: ½ log 2 + ½ log ⅔ = ½ log 4/3."""
    reference = torch.tensor([[[0.5, 0.5]]]).log()
    said = torch.tensor([[[0.25, 0.75]]]).log()
    assert output_kl(said, reference, torch.tensor([1])).item() == pytest.approx(0.5 * log(4 / 3))
    assert output_kl(reference, reference, torch.tensor([1])).item() == 0


def test_output_kl_counts_every_frame_once_and_no_padding() -> None:
    torch.manual_seed(0)
    said, reference = torch.randn(2, 2, 5, 3).log_softmax(-1)
    lengths = torch.tensor([5, 2])
    frames = [output_kl(said[b : b + 1, t : t + 1], reference[b : b + 1, t : t + 1], torch.tensor([1]))
              for b, n in enumerate(lengths.tolist()) for t in range(n)]  # fmt: skip
    assert output_kl(said, reference, lengths).item() == pytest.approx(torch.stack(frames).mean().item())
    longer = [nn.functional.pad(each, (0, 0, 0, 4)) for each in (said, reference)]
    assert output_kl(*longer, lengths).item() == pytest.approx(output_kl(said, reference, lengths).item())
