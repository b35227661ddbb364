"""CTC decoding against the enumeration of every path, on three to five frames."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from speech_tl.models.decoding import BLANK, align, greedy, of_list
from speech_tl.torchaudio_shim import torchaudio

A, B = 1, 2


def scores(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(shape, generator=generator)).log_softmax(-1)


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != BLANK)


def every_path(log_probs: Tensor) -> dict[tuple[int, ...], float]:
    """All V^T paths of one item and their log-probabilities."""
    frames, units = log_probs.shape
    return {
        path: sum(float(log_probs[t, unit]) for t, unit in enumerate(path))
        for path in itertools.product(range(units), repeat=frames)
    }


def labellings(log_probs: Tensor) -> dict[tuple[int, ...], float]:
    sums: dict[tuple[int, ...], float] = {}
    for path, score in every_path(log_probs).items():
        sums[collapse(path)] = sums.get(collapse(path), 0.0) + math.exp(score)
    return {labels: math.log(value) for labels, value in sums.items()}


def path_scores(path: list[int]) -> Tensor:
    """(1, T, 3): almost all of the probability on one path."""
    return torch.nn.functional.one_hot(torch.tensor([path]), 3).float().mul(9).log_softmax(-1)


def test_greedy_collapses_repeats_before_blanks() -> None:
    for path, expected in (
        ([A, A, B], [A, B]),
        ([A, BLANK, A], [A, A]),
        ([BLANK, BLANK, BLANK], []),
        ([B, BLANK, BLANK], [B]),
    ):
        assert greedy(path_scores(path), torch.tensor([3])) == [expected]


def test_the_texts_of_a_list_have_the_probability_of_all_their_paths() -> None:
    """Of the first item four frames are there, of the second two, in which AA has no room."""
    log_probs, texts = scores((2, 4, 3), seed=1), [(A,), (A, A), (B, A)]
    found = of_list(log_probs, torch.tensor([4, 2]), texts)
    for item, length in enumerate((4, 2)):
        expected = labellings(log_probs[item, :length])
        assert found[item].tolist() == pytest.approx([expected.get(text, -math.inf) for text in texts], abs=1e-5)
    assert found[1, 1] == -math.inf


def test_greedy_of_a_batch_is_greedy_of_each_and_ignores_padding() -> None:
    log_probs, lengths = scores((4, 9, 5)), [9, 4, 0, 7]
    batch = greedy(log_probs, torch.tensor(lengths))
    for b, length in enumerate(lengths):
        assert batch[b] == list(collapse(tuple(log_probs[b, :length].argmax(-1).tolist())))
    padded = torch.nn.functional.pad(log_probs, (0, 0, 0, 6), value=3.0)
    assert greedy(padded, torch.tensor(lengths)) == batch
    assert greedy(log_probs[:0], torch.tensor([], dtype=torch.long)) == []
    assert greedy(log_probs[:, :0], torch.zeros(4, dtype=torch.long)) == [[], [], [], []]


@pytest.mark.parametrize("target", [(A,), (A, B), (A, A), (B, A, A), (A, B, A)])
def test_alignment_against_every_path_of_five_frames(target: tuple[int, ...]) -> None:
    for seed in range(4):
        log_probs = scores((1, 5, 3), seed)
        paths = {p: s for p, s in every_path(log_probs[0]).items() if collapse(p) == target}
        best = max(paths, key=lambda path: paths[path])
        runs, start = [], 0
        for symbol, group in itertools.groupby(best):
            size = len(list(group))
            if symbol != BLANK:
                runs.append((symbol, start, start + size - 1))
            start += size
        spans = align(log_probs, torch.tensor([5]), torch.tensor([target]), torch.tensor([len(target)]))[0]
        assert [(span.symbol, span.first, span.last) for span in spans] == runs
        for span in spans:
            own = log_probs[0, span.first : span.last + 1, span.symbol]
            assert span.score == pytest.approx(float(own.mean()))


def test_what_does_not_fit_gets_no_spans() -> None:
    """Two equal symbols need three frames: T >= S + adjacent repeats."""
    log_probs = scores((3, 3, 3))
    targets = torch.tensor([[A, A], [A, A], [0, 0]])
    spans = align(log_probs, torch.tensor([3, 2, 3]), targets, torch.tensor([2, 2, 0]))
    assert [len(each) for each in spans] == [2, 0, 0]
    assert align(log_probs[:1, :0], torch.tensor([0]), targets[:1], torch.tensor([2])) == [[]]


def test_padding_of_frames_and_of_targets_changes_no_alignment() -> None:
    log_probs = scores((3, 12, 6))
    lengths, sizes = torch.tensor([12, 7, 9]), torch.tensor([4, 2, 3])
    targets = torch.tensor([[1, 2, 2, 5], [3, 3, 0, 0], [4, 1, 2, 0]])
    together = align(log_probs, lengths, targets, sizes)
    wider = align(
        torch.nn.functional.pad(log_probs, (0, 0, 0, 9), value=5.0),
        lengths,
        torch.nn.functional.pad(targets, (0, 3), value=2),
        sizes,
    )
    assert wider == together
    for b in range(3):
        length, size = int(lengths[b]), int(sizes[b])
        one = slice(b, b + 1)
        alone = align(log_probs[one, :length], lengths[one], targets[one, :size], sizes[one])
        assert alone[0] == together[b]


def test_against_torchaudio() -> None:
    log_probs, targets = scores((1, 60, 9), seed=5), torch.randint(1, 9, (1, 20))
    functional = torchaudio.functional
    try:
        path, path_scores = functional.forced_align(log_probs, targets)
    except RuntimeError as error:
        pytest.skip(f"torchaudio's compiled alignment is not available: {error}")
    spans = align(log_probs, torch.tensor([60]), targets, torch.tensor([20]))[0]
    theirs = functional.merge_tokens(path[0], path_scores[0])
    assert [(s.symbol, s.first, s.last + 1) for s in spans] == [(t.token, t.start, t.end) for t in theirs]
