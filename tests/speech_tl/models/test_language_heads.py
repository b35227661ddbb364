"""What a head's losses are, against every path written out."""

from itertools import product

import pytest
import torch
from torch import Tensor

from speech_tl.models.language_heads import KEEPS_UP, LanguageHead, ctc_losses, runs_of, unnormalised_ctc_losses

TARGETS, TARGET_LENGTHS, FRAMES = torch.tensor([[1, 2], [1, 0]]), torch.tensor([2, 1]), torch.tensor([4, 3])


def enumerated(scores: Tensor, target: list[int]) -> Tensor:
    """scores: (T, V) -> −log Σ exp(Σ scores) over the paths that write the target, per symbol."""
    fitting = []
    for path in product(range(scores.shape[1]), repeat=len(scores)):
        if [unit for at, unit in enumerate(path) if unit and (at == 0 or path[at - 1] != unit)] == target:
            fitting.append(torch.stack([scores[at, unit] for at, unit in enumerate(path)]).sum())
    return -torch.stack(fitting).logsumexp(0) / len(target)


def test_scores_that_are_no_probabilities_have_the_loss_and_the_gradient_of_all_paths() -> None:
    scores = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    own = unnormalised_ctc_losses(scores, TARGETS, FRAMES, TARGET_LENGTHS)
    expected = torch.stack([enumerated(scores[0], [1, 2]), enumerated(scores[1, :3], [1])])
    torch.testing.assert_close(own, expected)
    gradients = (torch.autograd.grad(loss.sum(), scores)[0] for loss in (own, expected))
    torch.testing.assert_close(*gradients)


def test_a_text_without_room_has_no_loss_and_no_gradient() -> None:
    scores = torch.randn(1, 2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = unnormalised_ctc_losses(scores, torch.tensor([[1, 1]]), torch.tensor([2]), torch.tensor([2]))
    loss.sum().backward()
    assert loss.item() == 0 and scores.grad is not None and not scores.grad.any()


def test_a_head_without_a_prior_is_a_linear_layer_under_ctc() -> None:
    head, hidden = LanguageHead(5, 3), torch.randn(2, 4, 5)
    assert sorted(head.state_dict()) == ["bias", "weight"]
    expected = ctc_losses(torch.nn.functional.linear(hidden, head.weight, head.bias), TARGETS, FRAMES, TARGET_LENGTHS)
    assert torch.equal(head.losses(hidden, TARGETS, FRAMES, TARGET_LENGTHS), expected)


def test_the_prior_keeps_up_with_what_is_said_and_lowers_the_scores() -> None:
    """A head that says 1/2, 1/4, 1/4 in every frame takes the prior 1 % of the way there from thirds."""
    head = LanguageHead(5, 3, label_prior=0.5)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([2.0, 1.0, 1.0]).log())
    torch.testing.assert_close(head.prior, torch.full((3,), 1 / 3))
    head.losses(torch.randn(2, 4, 5), TARGETS, FRAMES, TARGET_LENGTHS)
    expected = torch.tensor([1 / 3, 1 / 3, 1 / 3]).lerp(torch.tensor([1 / 2, 1 / 4, 1 / 4]), KEEPS_UP)
    torch.testing.assert_close(head.prior, expected)
    torch.testing.assert_close(head(torch.zeros(5)), head.bias - 0.5 * expected.log())
    head.eval().losses(torch.randn(2, 4, 5), TARGETS, FRAMES, TARGET_LENGTHS)
    torch.testing.assert_close(head.prior, expected)


@pytest.mark.parametrize("languages", [(), ("a",)])
def test_runs_of_few(languages: tuple[str, ...]) -> None:
    assert runs_of(languages) == [(language, slice(0, 1)) for language in languages]


def test_runs_are_stretches() -> None:
    assert runs_of(("a", "a", "b", "a")) == [("a", slice(0, 2)), ("b", slice(2, 3)), ("a", slice(3, 4))]
