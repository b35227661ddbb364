"""From CTC log-probabilities to symbols: greedy search, the texts of a closed list, and forced alignment of known
symbols.

CTC sums over all frame paths that collapse to a labelling, repeats merged first and blanks removed second
(Graves et al. 2006, Connectionist temporal classification). Unit 0 is the blank. Frames beyond an item's
length are never looked at.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

BLANK = 0


@dataclass(frozen=True)
class Span:
    """Where one symbol was heard."""

    symbol: int
    first: int
    """Frame, counted from 0."""
    last: int
    """Frame, included."""
    score: float
    """Mean log-probability of the symbol over its frames."""


def greedy(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    """The most probable path of each item, collapsed. log_probs: (B, T, V), lengths: (B,)."""
    path = log_probs.argmax(-1)  # (B, T)
    before = torch.nn.functional.pad(path[:, :-1], (1, 0), value=BLANK)
    inside = torch.arange(path.shape[1], device=path.device) < lengths.to(path.device)[:, None]
    kept = (path != BLANK) & (path != before) & inside
    symbols, counts = path[kept].tolist(), kept.sum(1).tolist()
    ends = torch.tensor([0, *counts]).cumsum(0).tolist()
    return [symbols[start:end] for start, end in pairwise(ends)]


def of_list(log_probs: Tensor, lengths: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
    """log p(text) of every item and text of a closed list, all paths summed: (B, texts), -inf where one has no room.

    log_probs: (B, T, V), lengths: (B,).
    """
    targets = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
    sizes, each = torch.tensor([len(text) for text in texts]), len(texts)
    losses = torch.nn.functional.ctc_loss(
        log_probs.float().repeat_interleave(each, 0).transpose(0, 1),
        targets.repeat(len(log_probs), 1).to(log_probs.device),
        lengths.to(log_probs.device).repeat_interleave(each),
        sizes.repeat(len(log_probs)).to(log_probs.device),
        reduction="none",
    )
    return -losses.view(len(log_probs), each)


def align(log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> list[list[Span]]:
    """The most probable path of each item that collapses to its targets: one span per symbol.

    log_probs: (B, T, V), lengths: (B,), targets: (B, S), target_lengths: (B,). An item whose targets do not
    fit into its frames (T < S + adjacent repeats), or that has none, gets no spans.
    """
    frames, sizes = lengths.tolist(), target_lengths.tolist()
    path, possible = _viterbi(log_probs, lengths, targets, target_lengths)
    spans: list[list[Span]] = []
    for b, (length, size) in enumerate(zip(frames, sizes, strict=True)):
        spans.append([])
        if not possible[b]:
            continue
        position = path[b, :length]  # the extended state of every frame
        for s in range(size):
            own = (position == 2 * s + 1).nonzero()
            first, last, symbol = int(own[0]), int(own[-1]), int(targets[b, s])
            score = float(log_probs[b, first : last + 1, symbol].mean())
            spans[-1].append(Span(symbol, first, last, score))
    return spans


def _viterbi(log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> tuple[Tensor, list[bool]]:
    """Best state of every frame, (B, T), and whether any path exists.

    The states of item b are blank, y₁, blank, y₂, …, blank: 2S + 1 of them. A path stays, steps to the next
    state, or skips a blank between two different symbols.
    """
    device, (batch, total, _) = log_probs.device, log_probs.shape
    lengths, sizes = lengths.to(device), target_lengths.to(device)
    states = torch.full((batch, 2 * targets.shape[1] + 1), BLANK, device=device)
    states[:, 1::2] = targets.to(device)
    may_skip = torch.zeros_like(states, dtype=torch.bool)
    may_skip[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    alpha = torch.full(states.shape, -math.inf, device=device)
    alpha[:, :1] = 0.0  # before the first frame, as if a blank had been read
    steps = torch.zeros(total, *states.shape, dtype=torch.uint8, device=device)
    for t in range(total):
        emission = log_probs[:, t].float().gather(1, states)
        one = torch.nn.functional.pad(alpha, (1, 0), value=-math.inf)[:, :-1]
        two = torch.nn.functional.pad(alpha, (2, 0), value=-math.inf)[:, :-2]
        best, steps[t] = torch.stack([alpha, one, two.where(may_skip, -math.inf)]).max(0)
        alpha = torch.where((t < lengths)[:, None], best + emission, alpha)
    final = 2 * sizes[:, None] - torch.tensor([[0, 1]], device=device)  # the last blank or the last symbol
    ends = alpha.gather(1, final.clamp(min=0)).masked_fill(final < 0, -math.inf)
    state = final.gather(1, ends.argmax(1, keepdim=True))  # (B, 1)
    path = torch.zeros(batch, total, dtype=torch.long, device=device)
    for t in reversed(range(total)):
        path[:, t] = state[:, 0]
        state = torch.where((t < lengths)[:, None], state - steps[t].gather(1, state).long(), state)
    return path.cpu(), (ends.max(1).values > -math.inf).tolist()
