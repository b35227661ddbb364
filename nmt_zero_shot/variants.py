"""The Transformer that is trained here: M2M-100's, with the switches that decide what pairs never trained do.

Where the norm stands (Mao et al., 2023), whether a middle encoder layer lets each position keep its own word (Liu et
al., 2021) and from which layer on the encoder knows the target language (LCS, Sun et al., 2024) each move zero-shot
translation by more than any loss does. With every switch at its default the weights are M2M-100's, and load as such.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSeq2SeqLM, M2M100Config
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutput

from nmt_zero_shot.subwords import BOS
from speech_tl import torchaudio_shim as torchaudio_shim

from transformers import M2M100ForConditionalGeneration  # isort: skip  the shim comes before any model
from transformers.models.m2m_100.modeling_m2m_100 import M2M100DecoderLayer, M2M100Encoder, M2M100EncoderLayer  # isort: skip

Norm = Literal["pre", "post"]
POST_NORM = "post-norm"
OWN = ("model_type", "architectures", "norm", "middle_residual", "top_tags")
"""What M2M-100's configuration does not have, or not so."""


class ZeroShotConfig(M2M100Config):
    """M2M-100's configuration and the switches."""

    model_type = "zero_shot_nmt"
    norm: str = "pre"
    """`pre`: x + f(norm(x)), `post`: norm(x + f(x))."""
    middle_residual: bool = True
    """False: the self-attention of the middle encoder layer replaces its input instead of adding to it."""
    tags: str = ""
    """The tag scheme it was trained with."""
    subwords: str = ""
    """The digest of its vocabulary."""
    top_tags: int = 0
    """So many encoder layers, from the top, are given the target language; the others read a neutral symbol."""

    def features(self) -> list[str]:
        """What M2M-100 does not have, in words."""
        return [
            name
            for name, on in (
                (POST_NORM, self.norm == "post"),
                ("a middle residual removed", not self.middle_residual),
                ("target tags in the top encoder layers", self.top_tags > 0),
            )
            if on
        ]


class ByteDropout(torch.autograd.Function):
    """Dropout from 8 random bits per value: torch's own takes 5 to 7 times as long on a CPU that is not Intel's.

    The probability is rounded to a 256th.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, p: float) -> Tensor:
        count = values.numel()
        words = torch.randint(-(2**63), 2**63 - 1, ((count + 7) // 8,))
        dropped = min(255, round(p * 256))
        kept = words.view(torch.uint8)[:count].view(values.shape) >= dropped
        scales = kept.to(values.dtype).mul_(256 / (256 - dropped))
        ctx.save_for_backward(scales)
        return values * scales

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (scales,) = ctx.saved_tensors
        return gradient * scales, None


def dropout(values: Tensor, p: float, *, training: bool) -> Tensor:
    if not training or p == 0:
        return values
    if values.device.type == "cpu":
        dropped: Tensor = ByteDropout.apply(values, p)  # type: ignore[no-untyped-call]
        return dropped
    return nn.functional.dropout(values, p)


def sublayer(
    hidden: Tensor,
    norm: nn.Module,
    compute: Callable[[Tensor], Tensor],
    *,
    layer: "EncoderLayer | DecoderLayer",
    residual: bool = True,
) -> Tensor:
    """hidden: (B, S, D) -> (B, S, D): one norm, one computation, one residual, in the layer's order."""
    update = compute(hidden if layer.post else norm(hidden))
    update = dropout(update, layer.dropout, training=layer.training)
    hidden = hidden + update if residual else update
    normed: Tensor = norm(hidden) if layer.post else hidden
    return normed


def feed_forward(layer: "EncoderLayer | DecoderLayer", hidden: Tensor) -> Tensor:
    inner = dropout(layer.activation_fn(layer.fc1(hidden)), layer.activation_dropout, training=layer.training)
    output: Tensor = layer.fc2(inner)
    return output


class EncoderLayer(M2M100EncoderLayer):
    """M2M-100's layer with the norm before or after, and the attention's residual kept or not."""

    def __init__(self, config: ZeroShotConfig, *, residual: bool) -> None:
        super().__init__(config)
        self.post, self.residual = config.norm == "post", residual

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None, **rest: Any) -> Tensor:
        """hidden_states: (B, S, D), attention_mask: (B, 1, S, S) or None -> (B, S, D)."""

        def attend(inner: Tensor) -> Tensor:
            attended: Tensor = self.self_attn(hidden_states=inner, attention_mask=attention_mask, **rest)[0]
            return attended

        hidden = sublayer(hidden_states, self.self_attn_layer_norm, attend, layer=self, residual=self.residual)
        return sublayer(hidden, self.final_layer_norm, lambda inner: feed_forward(self, inner), layer=self)


class DecoderLayer(M2M100DecoderLayer):
    """M2M-100's layer with the norm before or after."""

    def __init__(self, config: ZeroShotConfig, *, layer_idx: int) -> None:
        super().__init__(config, layer_idx=layer_idx)
        self.post = config.norm == "post"

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = True,
        **rest: Any,
    ) -> Tensor:
        """hidden_states: (B, T, D), encoder_hidden_states: (B, S, D) -> (B, T, D)."""

        def attend(inner: Tensor) -> Tensor:
            attended: Tensor = self.self_attn(
                hidden_states=inner, attention_mask=attention_mask, past_key_values=past_key_values, **rest
            )[0]
            return attended

        def cross(inner: Tensor) -> Tensor:
            attended: Tensor = self.encoder_attn(
                hidden_states=inner,
                key_value_states=encoder_hidden_states,
                attention_mask=encoder_attention_mask,
                past_key_values=past_key_values,
                **rest,
            )[0]
            return attended

        hidden = sublayer(hidden_states, self.self_attn_layer_norm, attend, layer=self)
        hidden = sublayer(hidden, self.encoder_attn_layer_norm, cross, layer=self)
        return sublayer(hidden, self.final_layer_norm, lambda inner: feed_forward(self, inner), layer=self)


class TopTagEncoder(M2M100Encoder):
    """The tag at the source's start is read as a neutral symbol; its embedding is added below the top layers only."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **rest: Any,
    ) -> BaseModelOutput:
        """input_ids: (B, S), the target's tag first -> last_hidden_state (B, S, D)."""
        if input_ids is None:
            raise ValueError("an encoder that is told the target language late reads it from input_ids")
        neutral = torch.cat([torch.full_like(input_ids[:, :1], BOS), input_ids[:, 1:]], dim=1)
        embedded = self.embed_tokens(neutral)
        hidden = dropout(embedded + self.embed_positions(neutral, embedded), self.dropout, training=self.training)
        tag = self.embed_tokens(input_ids[:, :1])  # (B, 1, D)
        mask = create_bidirectional_mask(config=self.config, inputs_embeds=embedded, attention_mask=attention_mask)
        for depth, layer in enumerate(self.layers):
            told = depth >= len(self.layers) - self.config.top_tags
            hidden = layer(hidden + tag if told else hidden, mask)
        return BaseModelOutput(last_hidden_state=self.layer_norm(hidden))


class ZeroShotNMT(M2M100ForConditionalGeneration):
    """M2M-100 with the switches of `ZeroShotConfig`."""

    config_class = ZeroShotConfig
    config: ZeroShotConfig

    def __init__(self, config: ZeroShotConfig) -> None:
        super().__init__(config)
        encoder, decoder = self.model.encoder, self.model.decoder
        if config.top_tags:
            self.model.encoder = encoder = TopTagEncoder(config)
        middle = config.encoder_layers // 2
        encoder.layers = nn.ModuleList(
            EncoderLayer(config, residual=config.middle_residual or depth != middle)
            for depth in range(config.encoder_layers)
        )
        decoder.layers = nn.ModuleList(DecoderLayer(config, layer_idx=depth) for depth in range(config.decoder_layers))
        if config.norm == "post":  # the last layer has normed already
            encoder.layer_norm = decoder.layer_norm = nn.Identity()
        self.post_init()  # type: ignore[no-untyped-call]

    def plain(self) -> M2M100ForConditionalGeneration:
        """The same weights as transformers' own M2M-100, to be saved; only where no switch is on."""
        settings = {name: value for name, value in self.config.to_dict().items() if name not in OWN}
        with torch.device("meta"):
            model = M2M100ForConditionalGeneration(M2M100Config(**settings))
        model.load_state_dict(self.state_dict(), assign=True)
        model.generation_config = self.generation_config
        return model


AutoConfig.register(ZeroShotConfig.model_type, ZeroShotConfig)
AutoModelForSeq2SeqLM.register(ZeroShotConfig, ZeroShotNMT)
