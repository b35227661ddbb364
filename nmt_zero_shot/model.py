"""A translation model from a size name, and a checkpoint that explains itself.

The checkpoint folder is transformers' own: weights as safetensors, the tag scheme and the vocabulary's digest in its
`config.json`, sentencepiece model and tokenizer beside it. Without a switch of `variants.py` it is an M2M-100 (Fan et
al., 2021), which loads anywhere; pretrained M2M-100, NLLB and mBART folders come in through the same door.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from nmt_zero_shot import lineage, pretrained, tokenizer
from nmt_zero_shot import subwords as vocabulary
from nmt_zero_shot.subwords import SentencePieces
from nmt_zero_shot.tags import Codec, Subwords, check
from nmt_zero_shot.variants import Norm, ZeroShotConfig, ZeroShotNMT
from speech_tl.errors import InputError, unknown_name
from speech_tl.training.checkpoint import replace_folder, settle

transformers_logging.disable_progress_bar()

SIZES: Mapping[str, tuple[int, int, int, int]] = {
    "tiny": (2, 64, 128, 2),
    "small": (3, 128, 512, 4),
    "base": (6, 512, 2048, 8),
}
"""Layers on each side, width, inner width, attention heads."""

Initialisation = Literal["glorot", "normal", "unit"]
KINDS = ("m2m_100", ZeroShotConfig.model_type, "mbart")
"""Architectures that are read."""
MOST_WRITTEN = 256
"""Subwords after which `generate` stops, where it is not told otherwise."""
S = TypeVar("S", bound=Subwords)
INITIALISATIONS: tuple[Initialisation, ...] = ("glorot", "normal", "unit")


@dataclass(frozen=True)
class Translator(Codec):
    """A model with its text side."""

    model: PreTrainedModel


def build(
    size: str,
    subwords: Subwords,
    *,
    norm: Norm = "pre",
    middle_residual: bool = True,
    tags: str = "source",
    top_tags: int = 0,
    dropout: float = 0.1,
    attention_dropout: float = 0.1,
    init: Initialisation = "glorot",
) -> ZeroShotNMT:
    """A model with random weights, from torch's global generator; encoder, decoder and output layer share embeddings.

    Args:
        norm: of each layer's input (`pre`) or of its output, residual included (`post`).
        middle_residual: whether self-attention of the middle encoder layer adds to its input.
        tags: a scheme of `tags.Scheme`.
        top_tags: so many encoder layers, from the top, are given the target language, the others none.
        init: see `initialise`.
    """
    if size not in SIZES:
        raise unknown_name("model size", size, SIZES)
    scheme = check(tags)
    layers, width, inner, heads = SIZES[size]
    if norm not in ("pre", "post"):
        raise unknown_name("norm", norm, ("pre", "post"))
    if top_tags and scheme not in ("source", "both"):
        raise InputError(
            f"top_tags reads the tag at the source's start, which scheme {scheme!r} has not: use source or both"
        )
    if not 0 <= top_tags <= layers:
        raise InputError(f"top_tags is {top_tags}: an encoder of size {size!r} has {layers} layers")
    for name, share in (("dropout", dropout), ("attention_dropout", attention_dropout)):
        if not 0 <= share < 1:
            raise InputError(f"{name} is {share:g}: expected a share of at least 0 and below 1, such as 0.1")
    config = ZeroShotConfig(
        vocab_size=subwords.size,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_ffn_dim=inner,
        decoder_ffn_dim=inner,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        dropout=dropout,
        attention_dropout=attention_dropout,
        activation_dropout=0.0,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        tie_word_embeddings=True,
        norm=norm,
        middle_residual=middle_residual,
        top_tags=top_tags,
        tags=scheme,
        subwords=subwords.digest,
    )
    model = ZeroShotNMT(config)
    model.generation_config.max_new_tokens = MOST_WRITTEN
    initialise(model, init)
    return model


@torch.no_grad()
def initialise(model: PreTrainedModel, how: Initialisation) -> None:
    """Draw every matrix anew.

    `normal`: N(0, 0.02²), as transformers does for wide models. `glorot`: U(±√(6 / (in + out))) for every matrix,
    embeddings too (Glorot and Bengio, 2010; OpenNMT-py), which makes those small beside the positions. `unit`: the
    same, but embeddings N(0, 1/D), so that what enters the first layer (√D times as large) has variance 1.
    """
    if how not in INITIALISATIONS:
        raise unknown_name("initialisation", how, INITIALISATIONS)
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            if how == "glorot":
                nn.init.xavier_uniform_(module.weight)
            else:
                nn.init.normal_(module.weight, std=0.02 if how == "normal" else module.embedding_dim**-0.5)
            if module.padding_idx is not None:
                module.weight[module.padding_idx].zero_()
        elif isinstance(module, nn.Linear) and module is not model.get_output_embeddings():
            if how == "normal":
                nn.init.normal_(module.weight, std=0.02)
            else:
                nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    head = model.get_output_embeddings()
    if head.weight is not model.get_input_embeddings().weight:
        nn.init.normal_(head.weight, std=0.02) if how == "normal" else nn.init.xavier_uniform_(head.weight)


def layer_groups(model: PreTrainedModel) -> dict[str, nn.Module]:
    """Its named layers from input to output: `embeddings`, `encoder.0`, …, `encoder.norm`, `decoder.0`, …, `head`.

    Embeddings of both sides and learned positions are one group, and the head's weight is theirs.
    """
    inner = model.get_submodule("model")
    shared: nn.Module = inner.get_submodule("shared")
    embeddings = nn.ModuleList([shared])
    groups: dict[str, nn.Module] = {"embeddings": embeddings}
    for side in ("encoder", "decoder"):
        for name, child in inner.get_submodule(side).named_children():
            if name == "layers":
                groups.update({f"{side}.{depth}": layer for depth, layer in enumerate(child.children())})
            elif name == "layer_norm":
                groups.update({f"{side}.norm": child} if list(child.parameters()) else {})
            else:
                embeddings.append(child)
    return {**groups, "head": model.get_output_embeddings()}


def encode(model: PreTrainedModel, source: Tensor, mask: Tensor) -> Tensor:
    """source, mask: (B, S) -> the encoder's last states (B, S, D)."""
    encoder: Any = model.get_encoder()
    hidden: Tensor = encoder(input_ids=source, attention_mask=mask).last_hidden_state
    return hidden


def pooled(hidden: Tensor, mask: Tensor) -> Tensor:
    """The mean over a sentence's subwords. hidden: (B, S, D), mask: (B, S) -> (B, D)."""
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def save(model: PreTrainedModel, subwords: Subwords, folder: Path) -> None:
    """A folder that `load` and transformers' Auto classes read; it is whole or not there."""
    written = model.plain() if isinstance(model, ZeroShotNMT) and not model.config.features() else model
    with replace_folder(folder, along=(lineage.FILE,)) as aside:
        try:
            written.save_pretrained(aside)
        except SafetensorError as error:  # hides the errno of a full disk
            raise InputError(f"{folder} cannot be written ({error}); free some space and run again") from None
        subwords.save(aside)
        if isinstance(subwords, SentencePieces):
            tokenizer.fast(subwords).save_pretrained(aside)


def load(folder: Path | str, *, device: str = "cpu") -> Translator:
    """A model in evaluation mode with its text side; `folder` is a run, its `checkpoint`, or a pretrained model's.

    Raises:
        InputError: there is no checkpoint, it is no safetensors, of another architecture, or its parts do not fit.
    """
    folder = Path(folder)
    settle(folder / "checkpoint")
    if (folder / "checkpoint").is_dir():
        folder = folder / "checkpoint"
    settle(folder)
    settings = _settings(folder)
    own = "subwords" in settings
    subwords: Subwords = vocabulary.load(folder) if own else pretrained.load(folder)
    if own and settings["subwords"] != subwords.digest:
        raise InputError(f"{folder}: the vocabulary is not the one this model was trained with; copy both again")
    if settings.get("vocab_size", 0) < subwords.size:
        raise InputError(
            f"{folder}: the vocabulary has {subwords.size} subwords, the model {settings.get('vocab_size')}; "
            "copy both again"
        )
    scheme = check(settings["tags"]) if own else pretrained.scheme(subwords)
    try:
        found = AutoModelForSeq2SeqLM.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
    except Exception as error:  # safetensors and shapes each raise a class of their own
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"the weights in {folder} cannot be read ({reason}); copy the checkpoint again") from error
    model: PreTrainedModel = found[0]
    if missing := sorted(found[1]["missing_keys"]):
        named = ", ".join(missing[:3])
        raise InputError(f"the weights in {folder} lack {len(missing)} tensors ({named}); copy the checkpoint again")
    model.train(False)
    model.to(torch.device(device))  # type: ignore[arg-type]
    return Translator(subwords, scheme, model)


@torch.no_grad()
def add_language(model: PreTrainedModel, subwords: S, language: str, texts: Sequence[str]) -> S:
    """The vocabulary with one more tag; the model gets its row, the mean of all tags, and keeps every old row.

    texts: what the language's own pieces are read from.
    """
    grown = subwords.with_language(language, texts, at=model.config.vocab_size)
    others = torch.tensor([subwords.tag(each) for each in subwords.languages])
    model.resize_token_embeddings(grown.tag(language) + 1, mean_resizing=False)
    for layer in {model.get_input_embeddings(), model.get_output_embeddings()}:
        layer.weight[grown.tag(language)] = layer.weight[others.to(layer.weight.device)].mean(0)
    if hasattr(model.config, "subwords"):
        model.config.subwords = grown.digest
    return grown


def _settings(folder: Path) -> dict[str, Any]:
    """The checkpoint's configuration, once it is clear that it can be read at all."""
    present = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else ["no folder"]
    if "config.json" not in present:
        found = ", ".join(present[:8]) or "nothing"
        raise InputError(f"no config.json in {folder} (found: {found}); give a run, or a folder with a model")
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{folder / 'config.json'} is not JSON ({error}); copy the checkpoint again") from None
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind not in KINDS:
        raise InputError(f"{folder} holds a {kind!r} model; expected one of {', '.join(KINDS)}")
    if not any(name.endswith(".safetensors") for name in present):
        pickled = [name for name in present if name.endswith((".bin", ".pt", ".ckpt"))]
        came = f"{pickled[0]}, and pickled weights are never loaded: convert it" if pickled else "no weights: copy them"
        raise InputError(f"{folder} has {came} (expected model.safetensors)")
    return dict(settings)
