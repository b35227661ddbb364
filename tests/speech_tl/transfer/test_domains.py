"""Reversed gradients, discrepancies, weights and rules of choice, by hand."""

from math import exp, log

import numpy as np
import pytest
import torch
from torch import nn

from speech_tl.transfer.adversarial import DomainClassifier, domain_loss, fooling_loss, ramp, reverse
from speech_tl.transfer.discrepancy import coral, matching, mmd
from speech_tl.transfer.reweighting import effective_size, weights
from speech_tl.transfer.selection import entropy, evenly, mutual_information, soft_neighbourhood_density


def test_the_gradient_comes_back_reversed_exactly() -> None:
    features = torch.tensor([[1.0, -2.0]], requires_grad=True)
    said = reverse(features, 0.5)
    assert said.equal(features)
    (said * torch.tensor([[3.0, 5.0]])).sum().backward()
    assert features.grad is not None
    assert features.grad.tolist() == [[-0.5 * 3, -0.5 * 5]]


def test_the_ramp() -> None:
    """2 / (1 + e^0) - 1 = 0; at a half 2 / (1 + e^-5) - 1."""
    assert ramp(0.0) == 0
    assert ramp(0.5) == pytest.approx(2 / (1 + exp(-5)) - 1)
    assert 0.9999 < ramp(1.0) < 1


def test_the_classifier_learns_and_the_features_unlearn() -> None:
    torch.manual_seed(0)
    classifier = DomainClassifier(2, domains=3, hidden=4)
    features = torch.randn(6, 2, requires_grad=True)
    domains = torch.tensor([0, 0, 0, 1, 1, 2])
    plain = torch.autograd.grad(
        torch.stack([nn.functional.cross_entropy(classifier(features[domains == d]), domains[domains == d])
                     for d in range(3)]).mean(), [features, *classifier.parameters()])  # fmt: skip
    found = torch.autograd.grad(
        domain_loss(classifier, features, domains, strength=0.25), [features, *classifier.parameters()]
    )
    assert found[0].allclose(-0.25 * plain[0])
    assert all(ours.allclose(theirs) for ours, theirs in zip(found[1:], plain[1:], strict=True))


def test_three_domains_are_brought_together() -> None:
    """Clouds around three corners, 40, 80 and 120 points: reversal teaches a linear map to tell them apart less."""
    torch.manual_seed(0)
    domains = torch.arange(3).repeat_interleave(torch.tensor([40, 80, 120]))
    corners = torch.tensor([[0.0, 2.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0], [-2.0, -2.0, 0.0, 0.0]])
    rows = corners[domains] + torch.randn(240, 4)
    body, classifier = nn.Linear(4, 4), DomainClassifier(4, domains=3, hidden=8)

    def step(judge: DomainClassifier, learner: torch.optim.Optimizer, features: torch.Tensor) -> float:
        learner.zero_grad()
        loss = domain_loss(judge, features, domains, strength=1.0)
        loss.backward()
        learner.step()
        return loss.item()

    def told() -> float:
        """By a classifier that is trained anew."""
        judge = DomainClassifier(4, domains=3, hidden=8)
        learner, features = torch.optim.Adam(judge.parameters(), 0.03), body(rows).detach()
        return [step(judge, learner, features) for _ in range(200)][-1]

    before = told()
    both = [{"params": body.parameters(), "lr": 0.003}, {"params": classifier.parameters(), "lr": 0.03}]
    learner = torch.optim.Adam(both)
    for _ in range(600):
        step(classifier, learner, body(rows))
    after = told()
    assert before < 0.6 and after > 0.9, "log 3 = 1.1 where nothing is told"


def test_halves_of_unequal_size_weigh_alike() -> None:
    """The first domain is told with probability 1/2, the second with 3/4: (log 2 + log 4/3) / 2 for 1 and 3 rows."""
    said = nn.Linear(1, 2)
    with torch.no_grad():
        said.weight.copy_(torch.tensor([[0.0], [log(3)]]))
        said.bias.zero_()
    features, domains = torch.tensor([[0.0], [1.0], [1.0], [1.0]]), torch.tensor([0, 1, 1, 1])
    loss = domain_loss(said, features, domains, strength=1.0)
    assert loss.item() == pytest.approx((log(2) + log(4 / 3)) / 2)


def test_coral_by_hand() -> None:
    """Variances 2 and 8 of one column: (2 - 8)² / 4 = 9; a shift changes nothing."""
    source, target = torch.tensor([[0.0], [2.0]]), torch.tensor([[10.0], [14.0]])
    assert coral(source, target).item() == pytest.approx(9)
    assert coral(source, source + 7).item() == 0
    assert coral(source[:1], source).item() == 0, "one row has no covariance"


def test_discrepancies_are_as_exact_in_a_run_of_16_bits() -> None:
    """Variances 2 and 2.02: a difference that 8 bits of mantissa do not hold."""
    source, target = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [2.01]])
    with torch.autocast("cpu", torch.bfloat16):
        losses = [coral(source, target), mmd(source, target)]
    assert [loss.item() for loss in losses] == [coral(source, target).item(), mmd(source, target).item()]
    assert losses[0].item() == pytest.approx((2 - 2.01**2 / 2) ** 2 / 4, rel=1e-3)


def test_mmd_by_hand() -> None:
    """Points 0 and 1 on a line: all squared distances have mean 1/2; one kernel of width 1: 2 - 2 exp(-2)."""
    found = mmd(torch.tensor([[0.0]]), torch.tensor([[1.0]]), bandwidths=(1.0,))
    assert found.item() == pytest.approx(2 - 2 * exp(-2))
    same = torch.randn(5, 3)
    assert mmd(same, same).item() == pytest.approx(0, abs=1e-6)


def test_moments_are_matched() -> None:
    """Mean 1, deviation √2 to mean 12, deviation √8."""
    scale, offset = matching(torch.tensor([[0.0], [2.0]]), torch.tensor([[10.0], [14.0]]))
    assert (scale.tolist(), offset.tolist()) == (pytest.approx([2]), pytest.approx([10]))


def test_the_classifier_learns_nothing_from_being_fooled() -> None:
    classifier, features = DomainClassifier(3), torch.randn(4, 3, requires_grad=True)
    loss = fooling_loss(classifier, features, as_domain=0)
    loss.backward()
    assert features.grad is not None and all(weight.grad is None for weight in classifier.parameters())
    wanted = nn.functional.cross_entropy(classifier(features), torch.zeros(4, dtype=torch.int64))
    assert loss.item() == pytest.approx(wanted.item())


def test_what_looks_like_the_target_weighs_more() -> None:
    random = np.random.default_rng(0)
    source = np.concatenate([random.normal(-2, 1, (200, 1)), random.normal(2, 1, (200, 1))])
    found = weights(source, random.normal(2, 1, (400, 1)))
    assert found.mean() == pytest.approx(1)
    assert found[200:].mean() > 5 * found[:200].mean()


def test_how_many_examples_weights_leave() -> None:
    """(1 + 1 + 2)^2 / (1 + 1 + 4); of one weight all of them."""
    assert effective_size(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)
    assert effective_size(np.ones(5)) == pytest.approx(5)


def test_no_weight_is_above_the_cap() -> None:
    """Six of 300 lie where the target is: alone they would have nearly all of the weight."""
    random = np.random.default_rng(0)
    source = np.concatenate([random.normal(-2, 1, (294, 1)), random.normal(4, 1, (6, 1))])
    found = weights(source, random.normal(4, 1, (300, 1)), most=10)
    assert (found.max(), found.mean()) == (pytest.approx(10), pytest.approx(1))


def test_certainty_by_hand() -> None:
    assert entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]])) == pytest.approx(log(2) / 2)


def test_of_many_minds_and_certain() -> None:
    """Two certain predictions that differ: log 2 - 0; the same one twice: 0 - 0; two of no opinion: log 2 - log 2."""
    assert mutual_information(torch.eye(2)) == pytest.approx(log(2))
    assert mutual_information(torch.tensor([[1.0, 0], [1, 0]])) == pytest.approx(0)
    assert mutual_information(torch.full((2, 2), 0.5)) == pytest.approx(0, abs=1e-6)


def test_density_counts_neighbours() -> None:
    """In two pairs each prediction has one near neighbour, log 1; of four alike each has three, log 3."""
    clusters = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert soft_neighbourhood_density(clusters) == pytest.approx(0, abs=1e-3)
    one = torch.tensor([[1.0, 0]] * 4)
    assert soft_neighbourhood_density(one) == pytest.approx(log(3), abs=1e-3)


def test_rows_that_are_looked_at_lie_evenly() -> None:
    assert evenly(np.arange(7), 3).tolist() == [0, 3, 6]
    assert evenly(np.arange(7), 7).tolist() == list(range(7))
    assert len(evenly(np.arange(0), 3)) == 0
