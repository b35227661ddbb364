"""A self-supervised start: say what stood where nothing can be heard, before anybody has written a word down.

BEST-RQ (Chiu et al., "Self-supervised learning with random-projection quantizer for speech recognition", ICML 2022):
frames are projected at random and coded by the nearest vector of a random codebook, neither of which is ever trained;
spans of the input give way to noise, and the encoder learns to say which codes were there.
"""

import torch
from torch import Tensor, nn

NOISE = 0.1
"""Deviation of what stands in the place of masked frames."""


class RandomQuantizer(nn.Module):
    """One code for `stack` neighbouring frames, as many as make one frame out: argmax_k cos(A x, c_k).

    That is the nearest codebook vector where all have length 1. Features should have mean 0 and variance 1 bin by bin:
    what all frames have in common would leave most codes unused.

    Args:
        width: features per frame (F).
        stack: frames that share a code.
        size: of the codebook (K).
        depth: dimensions (P) in which they are compared.
        generator: of the projection A (P, stack · F) and the codebook c (K, P).
    """

    projection: Tensor
    codebook: Tensor

    def __init__(self, width: int, *, stack: int, size: int, depth: int = 16, generator: torch.Generator) -> None:
        super().__init__()
        self.stack = stack
        projection = torch.empty(depth, stack * width)
        nn.init.xavier_uniform_(projection, generator=generator)
        codebook = torch.randn(size, depth, generator=generator)
        self.register_buffer("projection", projection)
        self.register_buffer("codebook", nn.functional.normalize(codebook, dim=1))

    @torch.no_grad()
    def forward(self, features: Tensor) -> Tensor:
        """(B, T, F) -> codes (B, ⌈T / stack⌉) int64."""
        return (stacked(features, self.stack) @ self.projection.T @ self.codebook.T).argmax(-1)


def stacked(features: Tensor, size: int) -> Tensor:
    """(B, T, F) -> (B, ⌈T / size⌉, size · F): neighbours side by side, zeros behind the last."""
    features = nn.functional.pad(features, (0, 0, 0, -features.shape[1] % size))
    return features.reshape(len(features), -1, size * features.shape[2])


def spans(lengths: Tensor, *, share: float, width: int) -> Tensor:
    """(B,) lengths -> which frames are masked (B, T), in spans of `width` that may overlap; padding never is.

    Each frame, and each of the `width` − 1 before the first, begins a span with probability 1 − (1 − share)^(1/width):
    every frame is masked with probability `share`, at the edges as in the middle.
    """
    begins = torch.rand(len(lengths), int(lengths.max()) + width - 1, device=lengths.device)
    begins = (begins < 1 - (1 - share) ** (1 / width)).float()
    masked = nn.functional.max_pool1d(begins.unsqueeze(1), width, stride=1).squeeze(1) > 0
    return masked & (torch.arange(masked.shape[1], device=lengths.device) < lengths.unsqueeze(1))


def fill_with_noise(features: Tensor, masked: Tensor, *, stack: int) -> Tensor:
    """features: (B, T, F), masked: (B, ⌈T / stack⌉) -> (B, T, F), N(0, 0.1²) in the frames of what is masked."""
    frames = masked.repeat_interleave(stack, 1)[:, : features.shape[1]]
    return torch.where(frames.unsqueeze(2), NOISE * torch.randn_like(features), features)


def prediction_loss(logits: Tensor, codes: Tensor, masked: Tensor) -> Tensor:
    """−log p(code), nats per masked frame; 0 where nothing is masked.

    Args:
        logits: (B, T, K).
        codes: (B, T) int64.
        masked: (B, T) booleans; all other frames teach nothing.
    """
    total = nn.functional.cross_entropy(logits[masked].float(), codes[masked], reduction="sum")
    return total / masked.sum().clamp(min=1)


def usage(codes: Tensor, *, size: int) -> float:
    """Perplexity of how often each of `size` codes occurs in codes (N,): 1 if always the same, `size` if all alike.

    Its logarithm is the loss (nats) of who guesses by frequency.
    """
    shares = codes.bincount(minlength=size).double() / max(1, len(codes))
    return float((-(shares * shares.clamp(min=1e-12).log()).sum()).exp())
