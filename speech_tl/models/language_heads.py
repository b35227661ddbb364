"""What each language has to itself, and the loss its symbols are trained by."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from urllib.parse import unquote

import torch
from torch import Tensor, nn

from speech_tl.acoustics import mask
from speech_tl.transfer.adapters import Bottleneck

KEEPS_UP = 0.01
"""Weight of one batch in the running average of a label prior."""


class LanguageHead(nn.Linear):
    """What a language has to itself: its symbols' scores, and a bottleneck after every block.

    With a label prior, a unit's score is log p(unit | frame) − α log p(unit), p(unit) a running average of what the
    head says in training. Without it the blank takes nearly every frame, a symbol has one, and a word is told by a few
    frames only (Zeyer, Schlüter & Ney, "Why does CTC result in peaky behavior?", 2021).

    Args:
        width: D, of the encoder's states.
        units: V.
        adapters: how many blocks, and how many channels.
        label_prior: α; 0 for none.
    """

    prior: Tensor

    def __init__(self, width: int, units: int, *, adapters: tuple[int, int] = (0, 0), label_prior: float = 0.0) -> None:
        super().__init__(width, units)
        blocks, channels = adapters if all(adapters) else (0, 0)
        self.adapters = nn.ModuleList(Bottleneck(width, channels) for _ in range(blocks))
        self.label_prior = label_prior
        if label_prior:
            self.register_buffer("prior", torch.full((units,), 1 / units))

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, D) -> (…, V) scores, whose softmax is what a reader takes for probabilities."""
        scores = super().forward(hidden)
        return scores - self.label_prior * self.prior.log() if self.label_prior else scores

    def losses(self, hidden: Tensor, targets: Tensor, frames: Tensor, target_lengths: Tensor) -> Tensor:
        """hidden: (B, T, D), targets: (B, S), lengths: (B,) -> as `ctc_losses`; the prior is kept up with."""
        log_probs = super().forward(hidden).float().log_softmax(-1)
        if not self.label_prior:
            return ctc_losses(log_probs, targets, frames, target_lengths)
        if self.training:
            self._observe(log_probs.detach(), frames)
        return unnormalised_ctc_losses(log_probs - self.label_prior * self.prior.log(), targets, frames, target_lengths)

    def _observe(self, log_probs: Tensor, frames: Tensor) -> None:
        seen = (log_probs.exp() * mask(frames, log_probs.shape[1])[..., None]).sum((0, 1))
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(seen)
        self.prior.lerp_(seen / seen.sum(), KEEPS_UP)


class Heads(nn.ModuleDict):
    """Heads by their names, of which torch keeps some for itself: `pop`, `to` and `cpu` are languages too."""

    def __setitem__(self, name: str, head: nn.Module) -> None:
        super().__setitem__(_slot(name), head)

    def __getitem__(self, name: str) -> nn.Module:
        return super().__getitem__(_slot(name))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(_slot(str(name)))

    def __iter__(self) -> Iterator[str]:
        return (unquote(slot.removesuffix("%")) for slot in super().__iter__())


def _slot(name: str) -> str:
    """A head's name as torch takes it: without a dot, and none of a ModuleDict's own names."""
    quoted = name.replace("%", "%25").replace(".", "%2E")
    return f"{quoted}%" if hasattr(nn.ModuleDict(), quoted) else quoted


def runs_of(languages: Sequence[str]) -> list[tuple[str, slice]]:
    """Each stretch of one language, and the rows it has."""
    runs, first = [], 0
    for language, run in groupby(languages):
        last = first + len(list(run))
        runs.append((language, slice(first, last)))
        first = last
    return runs


def each_its_own(hidden: Tensor, *, adapters: Sequence[nn.Module], rows: Sequence[slice]) -> Tensor:
    """(B, T, D) -> (B, T, D), every stretch of rows through its adapter."""
    return torch.cat([adapter(hidden[own]) for adapter, own in zip(adapters, rows, strict=True)])


def ctc_losses(scores: Tensor, targets: Tensor, frames: Tensor, target_lengths: Tensor) -> Tensor:
    """scores: (B, T, V), targets: (B, S), lengths: (B,) -> −log p(targets) per symbol, (B,); 0 where none fits.

    Args:
        scores: of which the softmax over V is p(unit | frame).
    """
    log_probs = scores.float().log_softmax(-1)
    return _ctc(log_probs, targets, frames, target_lengths) / target_lengths


def ctc_loss(scores: Tensor, targets: Tensor, frames: Tensor, target_lengths: Tensor) -> Tensor:
    """The mean of `ctc_losses`."""
    return ctc_losses(scores, targets, frames, target_lengths).mean()


def unnormalised_ctc_losses(scores: Tensor, targets: Tensor, frames: Tensor, target_lengths: Tensor) -> Tensor:
    """As `ctc_losses`, of scores that stay as they are: −log Σ exp(Σ scores) over the paths that write the targets.

    torch's gradient takes for granted that exp(scores) is a softmax, and adds it; here it is taken away again.
    """
    each = _ctc(scores, targets, frames, target_lengths)
    there = mask(frames, scores.shape[1]) & (each != 0)[:, None]
    added = (scores.exp() * there[..., None]).sum((1, 2))
    return (each - added + added.detach()) / target_lengths


def _ctc(log_probs: Tensor, targets: Tensor, frames: Tensor, target_lengths: Tensor) -> Tensor:
    """(B, T, V), (B, S), (B,), (B,) -> (B,)."""
    return nn.functional.ctc_loss(
        log_probs.transpose(0, 1), targets, frames, target_lengths, reduction="none", zero_infinity=True
    )
