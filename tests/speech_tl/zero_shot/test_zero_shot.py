"""Fractions worked by hand: attribute posteriors, the margin, the convex combination, and tables of signatures."""

from fractions import Fraction
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch

from speech_tl.errors import InputError
from speech_tl.zero_shot.attributes import attribute_loss, class_posterior, priors
from speech_tl.zero_shot.compatibility import (
    calibrated,
    class_accuracy,
    conse,
    harmonic_mean,
    margin_loss,
    softmax_loss,
    with_examples,
)
from speech_tl.zero_shot.signatures import Signatures, read


def test_the_class_posterior_is_lamberts() -> None:
    """p(striped|x) = 3/4, p(hooved|x) = 1/5; priors 1/2 and 1/4.

    zebra (1, 1): (3/4)/(1/2) · (1/5)/(1/4) = 6/5; tiger (1, 0): (3/4)/(1/2) · (4/5)/(3/4) = 8/5.
    """
    logits = torch.tensor([[log(3), log(1 / 4)]])
    scores = class_posterior(logits, torch.tensor([[1.0, 1], [1, 0]]), torch.tensor([0.5, 0.25]))
    assert scores.exp().tolist()[0] == pytest.approx([6 / 5, 8 / 5])


def test_a_prior_is_never_certain() -> None:
    """Of two classes none, one and both: 1/4, 1/2 and 3/4, half a class short of certainty."""
    assert priors(torch.tensor([[0.0, 1, 1], [0, 0, 1]])).tolist() == [0.25, 0.5, 0.75]


def test_attribute_loss_by_hand() -> None:
    """log odds 0 and log 3, both true: (log 2 + log 4/3) / 2."""
    loss = attribute_loss(torch.tensor([[0.0, log(3)]]), torch.ones(1, 2))
    assert loss.item() == pytest.approx((log(2) + log(4 / 3)) / 2)


def test_the_margin_of_the_lecture() -> None:
    """k = 1: max(0, 1 - 3 + 1) = 0, max(0, 1 - 0 + 2) = 3, max(0, 1 - 2 + 3/2) = 1/2; the mean 7/6."""
    scores = torch.tensor([[3.0, 1, 0], [2, 0, 1], [-1, 1.5, 2]])
    assert margin_loss(scores, torch.tensor([0, 1, 2])).item() == pytest.approx(7 / 6)
    assert margin_loss(scores, torch.tensor([0, 1, 2]), margin=0.5).item() == pytest.approx(2.5 / 3)


def test_the_softmax_over_seen_classes() -> None:
    assert softmax_loss(torch.tensor([[log(3), 0.0]]), torch.tensor([0])).item() == pytest.approx(log(4 / 3))


def test_a_convex_combination_by_hand() -> None:
    """Of 5/10, 3/10, 2/10 the best two, 5/8 (1, 0) + 3/8 (0, 1): cosine with (1, 0) is 5/√34, with (0, 2) 3/√34."""
    seen = torch.tensor([[1.0, 0], [0, 1], [7, 7]])
    found = conse(torch.tensor([[0.5, 0.3, 0.2]]), seen, torch.tensor([[1.0, 0], [0, 2]]), best=2)
    assert found[0].tolist() == pytest.approx([5 / 34**0.5, 3 / 34**0.5])
    assert conse(torch.tensor([[0.5, 0.3, 0.2]]), seen, seen[:1], best=99).shape == (1, 1)


def test_seen_classes_have_a_handicap() -> None:
    scores = calibrated(torch.tensor([[2.0, 1.5]]), torch.tensor([True, False]), 0.75)
    assert scores.tolist() == [[1.25, 1.5]]


def test_the_harmonic_mean() -> None:
    assert harmonic_mean(60, 30) == pytest.approx(float(Fraction(2 * 60 * 30, 90))) == 40
    assert harmonic_mean(0, 0) == 0


def test_examples_move_a_signature() -> None:
    """(0, 2) counts as one example beside (3, 0) and (0, 1): ((0, 1) + (1, 0) + (0, 1)) / 3."""
    moved = with_examples(torch.tensor([0.0, 2]), torch.tensor([[3.0, 0], [0, 1]]))
    assert moved.tolist() == pytest.approx([1 / 3, 2 / 3])


def test_a_class_counts_once() -> None:
    assert class_accuracy(["a", "a", "a", "b"], ["a", "a", "a", "c"]) == 50


def test_signatures_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "table.tsv").write_text("class\tfurry\tblue\nbear\t3\t0\nwhale\t0\t4\n")
    table = read(tmp_path / "table.tsv")
    assert (table.classes, table.attributes) == (("bear", "whale"), ("furry", "blue"))
    assert table.of(["whale", "bear"]).tolist() == [[0, 4], [3, 0]]
    assert table.binary().values.tolist() == [[1, 0], [0, 1]]
    assert table.unit().values.tolist() == [[1, 0], [0, 1]]
    with pytest.raises(InputError, match="unknown class 'whales' in the table of attributes; did you mean 'whale'"):
        table.of(["whales"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class\tfurry\nbear\t1\t2\n", r"table\.tsv, line 2: 2 values for 'bear'; expected 1"),
        ("class\tfurry\nbear\tvery\n", r"line 2: could not convert string to float: 'very'; expected numbers"),
        ("class\tfurry\nbear\t1\nbear\t0\n", "the class 'bear' has two signatures"),
        ("class\tfurry\nbear\tnan\n", "no finite number"),
        ("class\n", "expected a header with attributes and a row per class"),
        ("", "expected a header"),
    ],
)
def test_tables_that_are_not_as_they_should(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "table.tsv").write_text(text)
    with pytest.raises(InputError, match=said):
        read(tmp_path / "table.tsv")


def test_more_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table of attributes that can be read"):
        read(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="expected 1 classes x 2 attributes"):
        Signatures(("a",), ("b", "c"), np.zeros((1, 1), np.float32))
    with pytest.raises(InputError, match="the class 'a' has no attribute at all"):
        Signatures(("a",), ("b",), np.zeros((1, 1), np.float32)).unit()
