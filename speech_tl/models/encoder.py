"""Any transformers speech encoder behind one call: waveforms in, hidden frames and their number out.

Encoders differ in what they read (samples, log-mel, stacked filterbanks), how they shorten time and what they call
their layers; one row of `FAMILIES` says all of it. From scratch the encoder is a FastConformer (Rekesh et al. 2023), or
the narrow one for sounds; every other family comes from a checkpoint.
"""

import copy
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCTC, PreTrainedConfig, PreTrainedModel

from speech_tl.acoustics import LogMel, StackedFbank, Waveform, mask
from speech_tl.augmentation import Augmentation
from speech_tl.errors import InputError, unknown_name
from speech_tl.models.narrow import NarrowConfig
from speech_tl.transfer.adapters import through

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Family:
    """How one transformers architecture is spoken to."""

    reads: Literal["log_mel", "stacked_fbank", "waveform"]
    argument: str
    """The forward argument that takes the features."""
    inputs: tuple[str, ...]
    """Modules before the first block, in order."""
    blocks: str
    """The list of blocks, bottom first."""
    padding_safe: bool = True
    """False where padding a clip changes its result."""


_WAVEFORM = Family("waveform", "input_values", ("feature_extractor", "feature_projection"), "encoder.layers")
_UNSAFE = Family("waveform", "input_values", ("feature_extractor", "feature_projection"), "encoder.layers", False)

FAMILIES: Mapping[str, Family] = {
    "parakeet_encoder": Family("log_mel", "input_features", ("subsampling",), "layers"),
    NarrowConfig.model_type: Family("log_mel", "input_features", ("subsampling",), "layers"),
    "wav2vec2-bert": Family("stacked_fbank", "input_features", ("feature_projection",), "encoder.layers"),
    "wav2vec2": _WAVEFORM,
    "hubert": _WAVEFORM,
    "wavlm": _WAVEFORM,
    "unispeech": _WAVEFORM,
    "unispeech-sat": _WAVEFORM,
    "wav2vec2-conformer": _UNSAFE,
    "data2vec-audio": _UNSAFE,
}


def _fast_conformer(width: int, blocks: int, heads: int, inner: int, channels: int) -> dict[str, Any]:
    return {
        "model_type": "parakeet_encoder",
        "hidden_size": width,
        "num_hidden_layers": blocks,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "subsampling_conv_channels": channels,
        "layerdrop": 0.0,
        "scale_input": False,
    }


SIZES: Mapping[str, Mapping[str, Any]] = {
    "tiny": _fast_conformer(64, 2, 2, 128, 16),
    "small": _fast_conformer(96, 4, 4, 192, 16),
    "base": _fast_conformer(256, 12, 4, 1024, 128),
    "narrow": {"model_type": NarrowConfig.model_type, "hidden_size": 128, "num_hidden_layers": 2},
}
"""The encoders trained from scratch."""

BINS: Mapping[int, int] = {16000: 80, 8000: 64}
"""Mel bins by sampling rate; the width of the features tells an input layer which rate it hears."""

SUBSAMPLINGS = (2, 4, 8)
"""Frames in per frame out that an encoder from scratch can have."""


def from_size(size: str, *, subsampling: int = 4, dropout: float = 0.1) -> dict[str, Any]:
    """The configuration of an encoder to train from scratch: one frame out for `subsampling` frames of 10 ms."""
    if size not in SIZES:
        raise unknown_name("encoder size", size, SIZES)
    if subsampling not in SUBSAMPLINGS:
        raise InputError(f"subsampling by {subsampling}: expected one of {', '.join(map(str, SUBSAMPLINGS))}")
    if not 0 <= dropout < 1:
        raise InputError(f"dropout is {dropout:g}: expected a share of at least 0 and below 1, such as 0.1")
    own = dict(SIZES[size])
    config: PreTrainedConfig = AutoConfig.for_model(
        own.pop("model_type"),
        **own,
        subsampling_factor=subsampling,
        num_mel_bins=BINS[16000],
        dropout=dropout,
        activation_dropout=dropout,
        attention_dropout=dropout,
    )
    return config.to_dict()


def pretrained(name: str) -> PreTrainedModel:
    """The encoder inside a checkpoint folder or hub id; weights come from safetensors only.

    Raises:
        InputError: nothing is there, it holds no safetensors or not all of its weights, or its architecture is not one
            of `FAMILIES`.
    """
    if "/" not in name and not Path(name).is_dir():
        raise unknown_name("encoder", name, SIZES, where="--encoder (sizes, a folder or a hub id OWNER/NAME)")
    try:
        config = AutoConfig.from_pretrained(name)
        if config.model_type not in FAMILIES and config.model_type != "parakeet_ctc":
            raise unknown_name("encoder architecture", config.model_type, FAMILIES, where=name)
        whole = config.model_type == "parakeet_ctc"
        inner = getattr(config, "encoder_config", config)
        inner.layerdrop = 0.0  # of few clips every layer is to learn, in all processes the same
        kind = AutoModelForCTC if whole else AutoModel
        model, loaded = kind.from_pretrained(
            name, config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        of_encoder = (key for key in sorted(loaded["missing_keys"]) if not whole or key.startswith("encoder."))
        if lost := [key for key in of_encoder if not key.endswith("masked_spec_embed")]:  # for masks, which we bring
            raise InputError(f"{name} lacks {len(lost)} weights of its encoder, such as {lost[0]}: copy it again")
    except InputError:
        raise
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"no encoder in {name!r}: expected one of the sizes {', '.join(SIZES)}, or a folder or hub id with "
            f"config.json and model.safetensors ({reason})"
        ) from error
    encoder: PreTrainedModel = model.encoder if whole else model
    return encoder


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of (B, D, T).

    It stands where a FastConformer block has batch normalisation, whose running statistics mix the languages, count
    padding as speech and differ between processes.
    """

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, D, T) -> (B, D, T)."""
        return super().forward(hidden.transpose(1, 2)).transpose(1, 2)


class InputLayers(nn.ModuleDict):
    """Input layers of several sampling rates below one shared middle, chosen by the width of the features."""

    def forward(self, features: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """features: (B, T, bins) -> (B, T', D)."""
        hidden: Tensor = self[str(features.shape[2])](features, attention_mask)
        return hidden


class SpeechEncoder(nn.Module):
    """Waveforms of any of its sampling rates -> hidden frames of one shared space.

    Args:
        body: a transformers encoder of one of the `FAMILIES`.
        rates: sampling rates in Hz; more than one gives a log-mel encoder one input layer for each.
        least_frames: shorter clips are given this many frames (of 10 ms) before subsampling, silence behind them.
        per_bin: whether log-mel features are normalised bin by bin, as pretrained encoders expect.
    """

    def __init__(self, body: Any, *, rates: Sequence[int], least_frames: int = 0, per_bin: bool = True) -> None:
        super().__init__()
        self.body: Any = body
        self.least_frames = least_frames
        self.warp = 1.0
        """Frequency warp of the voice it is adapted to, where a call names none."""
        self.family = FAMILIES[body.config.model_type]
        if not self.family.padding_safe:
            logger.warning("%s: padding a clip changes its result; keep batches to one length", body.config.model_type)
        if self.family.reads == "log_mel":
            if strange := sorted(set(rates) - set(BINS)):
                known = " or ".join(map(str, BINS))
                raise InputError(f"no input layer for a sampling rate of {strange[0]} Hz; expected {known}")
            self.front = nn.ModuleDict({str(rate): LogMel(rate, BINS[rate], per_bin=per_bin) for rate in rates})
            own = body.config.num_mel_bins
            layers: dict[str, nn.Module] = {
                str(BINS[rate]): self._input_layer(BINS[rate]) for rate in rates if BINS[rate] != own
            }
            if own in {BINS[rate] for rate in rates}:
                layers[str(own)] = body.subsampling
            body.subsampling = InputLayers(layers)
        else:
            if tuple(rates) != (16000,):
                raise InputError(f"{body.config.model_type} hears 16000 Hz only, not {', '.join(map(str, rates))}")
            reads = StackedFbank() if self.family.reads == "stacked_fbank" else Waveform()
            self.front = nn.ModuleDict({"16000": reads})

    def _input_layer(self, bins: int) -> nn.Module:
        config: Any = copy.deepcopy(self.body.config)
        config.num_mel_bins = bins
        layer: nn.Module = type(self.body.subsampling)(config)
        return layer

    def front_end(self, rate: int) -> LogMel | StackedFbank | Waveform:
        """What makes features of audio at `rate` Hz."""
        return cast(LogMel | StackedFbank | Waveform, self.front[str(rate)])

    def bins(self, rate: int) -> int:
        """Features per frame of audio at `rate` Hz, where the front end is a filterbank.

        Raises:
            InputError: this encoder reads samples.
        """
        if self.family.reads == "waveform":
            raise InputError(f"{self.body.config.model_type} reads samples: it has no filterbank to adapt or to warp")
        return BINS[rate] if self.family.reads == "log_mel" else 160

    def frames(self, samples: Tensor, rate: int) -> Tensor:
        """(B,) samples at `rate` Hz -> (B,) hidden frames."""
        return self._shorten(self.front_end(rate).lengths(samples).clamp(min=self.least_frames))

    def _shorten(self, lengths: Tensor) -> Tensor:
        if self.family.reads == "log_mel":
            lengths = self.body._get_subsampling_output_length(lengths)
        elif self.family.reads == "waveform":
            lengths = self.body._get_feat_extract_output_lengths(lengths)
        return lengths.long()

    def forward(
        self,
        audio: Tensor,
        samples: Tensor,
        rate: int,
        *,
        augmentation: Augmentation | None = None,
        warp: Tensor | None = None,
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """audio: (B, N) at `rate` Hz, samples: (B,), warp: (B,) -> one (B, T, D) per depth, lengths (B,).

        The first is what enters the first block, the last what leaves the encoder.
        """
        features, lengths = self.features(audio, samples, rate, augmentation=augmentation, warp=warp)
        return self.encode(features, lengths, masked=augmentation is not None and augmentation.time_mask > 0)

    def features(
        self,
        audio: Tensor,
        samples: Tensor,
        rate: int,
        *,
        augmentation: Augmentation | None = None,
        warp: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """audio: (B, N) at `rate` Hz, samples: (B,), warp: (B,) -> what the body reads (B, T, F), lengths (B,)."""
        front = self.front_end(rate)
        if augmentation is None:
            if warp is None and self.warp != 1:
                warp = torch.full((len(audio),), self.warp, device=audio.device)
            features, lengths = front(audio, samples, warp)
        else:
            features, lengths = augmentation(front, audio, samples)
        if features.shape[1] < self.least_frames:
            features = nn.functional.pad(features, (0, 0, 0, self.least_frames - features.shape[1]))
        return features, lengths.clamp(min=self.least_frames)

    def encode(
        self,
        features: Tensor,
        lengths: Tensor,
        *,
        masked: bool = False,
        adapters: Sequence[Callable[[Tensor], Tensor]] = (),
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """features: (B, T, F), lengths: (B,) -> as `forward`; for who changes what the body reads.

        Args:
            masked: whether Wav2Vec2's family, in training, hides stretches of what its convolutions give.
            adapters: what the output of each block passes through, bottom first; nothing if none.
        """
        config = self.body.config
        if hasattr(config, "apply_spec_augment"):
            config.apply_spec_augment = masked
        if masked and self.training and hasattr(config, "apply_spec_augment"):
            # A batch that is shorter than one stretch would be refused.
            least = config.mask_time_length
            if self.family.reads == "waveform":
                least = (least + 1) * config.inputs_to_logits_ratio
            behind = (0, max(0, least - features.shape[1]))
            features = nn.functional.pad(features, behind if features.dim() == 2 else (0, 0, *behind))
        with through(self.blocks if adapters else (), adapters):
            output = self.body(
                **{self.family.argument: features},
                attention_mask=mask(lengths, features.shape[1]).long(),
                output_hidden_states=True,
            )
        return (*output.hidden_states[:-1], output.last_hidden_state), self._shorten(lengths)

    @property
    def blocks(self) -> list[nn.Module]:
        """Bottom first."""
        return list(cast(nn.ModuleList, self.body.get_submodule(self.family.blocks)))

    def groups(self, rate: int | None = None) -> Iterator[tuple[str, nn.Module]]:
        """Its layers by name, from the input up: `subsampling` (or the family's own input modules), `encoder.0`, …

        rate: only the input layer of this sampling rate in Hz; all of them if none.
        """
        for name in self.family.inputs:
            layer = self.body.get_submodule(name)
            yield name, layer if rate is None or not isinstance(layer, InputLayers) else layer[str(BINS[rate])]
        for index, block in enumerate(self.blocks):
            yield f"encoder.{index}", block


def from_config(config: Mapping[str, Any]) -> PreTrainedModel:
    """The architecture that a configuration describes, with transformers' initial weights."""
    settings = dict(config)
    body: PreTrainedModel = AutoModel.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings))
    return body


def from_scratch(config: Mapping[str, Any]) -> PreTrainedModel:
    """One of our sizes; a FastConformer gets `ChannelLayerNorm` and torch's own initial weights.

    transformers draws every weight with deviation 0.02, which leaves the small fan-in of depthwise convolutions almost
    silent; with torch's draw a CTC model leaves its all-blank plateau in half the updates (recipes/LOG.md).
    """
    body: Any = from_config(config)
    if body.config.model_type == NarrowConfig.model_type:
        return cast(PreTrainedModel, body)
    for block in body.layers:
        block.conv.norm = ChannelLayerNorm(body.config.hidden_size)
    for module in body.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            module.reset_parameters()
    return cast(PreTrainedModel, body)
