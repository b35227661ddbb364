"""An encoder whose frames hear their neighbours and no further, for sounds that must be known in words never heard.

A network that hears a whole clip of a few dozen words comes to know the words, and says one of them whatever it hears
(recipes/LOG.md). Convolutions over 165 ms cannot: to them a new word is sounds that they know, in new company. Such
short contexts are as old as the hybrid networks of Bourlard & Morgan (1994).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from speech_tl.acoustics import mask


class NarrowConfig(PreTrainedConfig):
    """As a FastConformer's is called, where it has the same."""

    model_type = "speech_tl_narrow"

    def __init__(
        self,
        *,
        hidden_size: int = 128,
        num_hidden_layers: int = 2,
        num_mel_bins: int = 80,
        subsampling_factor: int = 2,
        dropout: float = 0.0,
        **rest: Any,
    ) -> None:
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_mel_bins = num_mel_bins
        self.subsampling_factor = subsampling_factor
        self.dropout = dropout
        super().__init__(**rest)


class Convolution(nn.Module):
    """A convolution in time, normalised over its channels; what lies behind a clip's end stays zero."""

    def __init__(self, inputs: int, width: int, *, kernel: int, stride: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, width, kernel, stride=stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames: (B, T, F), lengths: (B,) of what comes out -> (B, T', D)."""
        hidden = self.convolution(frames.transpose(1, 2)).transpose(1, 2)
        active: Tensor = self.dropout(torch.relu(self.norm(hidden)))
        return active * mask(lengths, active.shape[1])[..., None]


class Subsampling(nn.Module):
    """Five frames of features, and a convolution of stride two for each halving."""

    def __init__(self, config: NarrowConfig) -> None:
        super().__init__()
        width, dropout = config.hidden_size, config.dropout
        halvings = int(math.log2(config.subsampling_factor))
        self.first = Convolution(config.num_mel_bins, width, kernel=5, dropout=dropout)
        self.halving = nn.ModuleList(
            Convolution(width, width, kernel=3, stride=2, dropout=dropout) for _ in range(halvings)
        )

    def forward(self, features: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """features: (B, T, bins), attention_mask: (B, T) -> (B, T', D)."""
        lengths = _lengths(features, attention_mask)
        hidden: Tensor = self.first(features * mask(lengths, features.shape[1])[..., None], lengths)
        for layer in self.halving:
            lengths = _halved(lengths)
            hidden = layer(hidden, lengths)
        return hidden


class Block(nn.Module):
    """A convolution over three frames, added to what it heard."""

    def __init__(self, config: NarrowConfig) -> None:
        super().__init__()
        self.convolution = Convolution(config.hidden_size, config.hidden_size, kernel=3, dropout=config.dropout)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, D), (B,) -> (B, T, D)."""
        added: Tensor = self.convolution(hidden, lengths)
        return hidden + added


class NarrowEncoder(PreTrainedModel):
    """Log-mel features -> hidden frames, as transformers' encoders give them."""

    config_class = NarrowConfig
    config: NarrowConfig
    main_input_name = "input_features"

    def __init__(self, config: NarrowConfig) -> None:
        super().__init__(config)
        self.subsampling: nn.Module = Subsampling(config)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.post_init()  # type: ignore[no-untyped-call]

    def init_weights(self) -> None:
        """Nothing: torch's own initial weights are good for convolutions."""

    def forward(self, input_features: Tensor, attention_mask: Tensor | None = None, **_: Any) -> BaseModelOutput:
        """input_features: (B, T, bins), attention_mask: (B, T) -> last state (B, T', D), and that of every depth."""
        lengths = self._get_subsampling_output_length(_lengths(input_features, attention_mask))
        states = [self.subsampling(input_features, attention_mask)]
        for layer in self.layers:
            states.append(layer(states[-1], lengths))
        return BaseModelOutput(last_hidden_state=states[-1], hidden_states=tuple(states))

    def _get_subsampling_output_length(self, lengths: Tensor) -> Tensor:
        for _ in range(int(math.log2(self.config.subsampling_factor))):
            lengths = _halved(lengths)
        return lengths


def _lengths(features: Tensor, attention_mask: Tensor | None) -> Tensor:
    if attention_mask is None:
        return torch.full((len(features),), features.shape[1], device=features.device)
    return attention_mask.sum(1)


def _halved(lengths: Tensor) -> Tensor:
    return torch.div(lengths + 1, 2, rounding_mode="floor")


AutoConfig.register(NarrowConfig.model_type, NarrowConfig)
AutoModel.register(NarrowConfig, NarrowEncoder)
