"""What a student is taught: soft targets frame by frame, and distances between examples."""

from math import log

import pytest
import torch
from torch import nn

from speech_tl.transfer.distillation import relational, soft_targets


def test_soft_targets_by_hand() -> None:
    """Teacher logits 0, 0 are ½, ½ at every temperature; student logits 0, log 9 are ¼, ¾ at temperature 2."""
    teacher, student = torch.zeros(1, 1, 2), torch.tensor([[[0.0, log(9.0)]]])
    at_two = soft_targets(student, teacher, torch.tensor([1]), temperature=2.0)
    assert at_two.item() == pytest.approx(4 * 0.5 * log(4 / 3))
    assert soft_targets(teacher, teacher, torch.tensor([1])).item() == 0


def test_padding_does_not_teach() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 2, 4, 3)
    lengths = torch.tensor([4, 2])
    longer = [nn.functional.pad(each, (0, 0, 0, 3), value=7.0) for each in (student, teacher)]
    assert soft_targets(*longer, lengths).item() == pytest.approx(soft_targets(student, teacher, lengths).item())


def test_the_teacher_gets_no_gradient() -> None:
    student, teacher = torch.randn(1, 2, 3, requires_grad=True), torch.randn(1, 2, 3, requires_grad=True)
    soft_targets(student, teacher, torch.tensor([2])).backward()  # type: ignore[no-untyped-call]
    assert teacher.grad is None and student.grad is not None


def test_relations_by_hand() -> None:
    """Points 0, 1, 3 on a line have distances 1, 3, 2, over their mean ½, 1½, 1; 0, 1, 2: ¾, 1½, ¾.

    Differences ¼, 0, ¼ and the Huber loss d² / 2: (1/32 + 0 + 1/32) / 3 = 1/48.
    """
    line, even = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[0.0], [1.0], [2.0]])
    assert relational(even, line).item() == pytest.approx(1 / 48)


def test_neither_width_nor_scale_nor_place_matters() -> None:
    torch.manual_seed(0)
    points = torch.randn(5, 3)
    wider = torch.cat([7 * points + 1, torch.zeros(5, 2)], dim=1)
    assert relational(wider, points).item() == pytest.approx(0, abs=1e-10)
