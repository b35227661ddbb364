"""What each language has to itself, and the loss its symbols are trained by."""

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from speech_tl.transfer.adapters import Bottleneck


class LanguageHead(nn.Linear):
    """What a language has to itself: its symbols' scores, and a bottleneck after every block.

    Args:
        width: D, of the encoder's states.
        units: V.
        adapters: how many blocks, and how many channels.
    """

    def __init__(self, width: int, units: int, *, adapters: tuple[int, int] = (0, 0)) -> None:
        super().__init__(width, units)
        blocks, channels = adapters if all(adapters) else (0, 0)
        self.adapters = nn.ModuleList(Bottleneck(width, channels) for _ in range(blocks))


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


def ctc_losses(logits: Tensor, targets: Tensor, frames: Tensor, target_lengths: Tensor) -> Tensor:
    """logits: (B, T, V), targets: (B, S), lengths: (B,) -> −log p(targets) per symbol, (B,); 0 where none fits."""
    log_probabilities = logits.float().log_softmax(-1).transpose(0, 1)  # (T, B, V)
    each = nn.functional.ctc_loss(
        log_probabilities, targets, frames, target_lengths, reduction="none", zero_infinity=True
    )
    return each / target_lengths


def ctc_loss(logits: Tensor, targets: Tensor, frames: Tensor, target_lengths: Tensor) -> Tensor:
    """The mean of `ctc_losses`."""
    return ctc_losses(logits, targets, frames, target_lengths).mean()
