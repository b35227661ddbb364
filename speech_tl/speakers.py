"""A recogniser learns a voice from seconds of it, and forgets as little as it must.

What differs between speakers enters at the bottom, so the lecture retrains the input layers for a new speaker; beside
that stand the usual rivals: a frequency warp (one number), an affine layer on the features, LHUC, LoRA, the upper
layers, everything. The conservative ones stay near the old model in what they say (Yu et al., 2013) and in their
weights (Li et al., 2018). What comes out is a small file of changes beside an untouched checkpoint; audio goes nowhere.
"""

import copy
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from speech_tl.acoustics import WARPS
from speech_tl.augmentation import Augmentation
from speech_tl.data.batches import Examples, SpeechBatch, SpeechBatches, name_infeasible, shuffled
from speech_tl.errors import InputError, unknown_name
from speech_tl.models import changes, voices
from speech_tl.models.changes import Changes
from speech_tl.models.ctc import MultilingualCTC, layer_groups
from speech_tl.models.language_heads import ctc_loss
from speech_tl.training.loop import Plan, fit
from speech_tl.training.seeding import Streams, seed_everything
from speech_tl.transfer import layers
from speech_tl.transfer.conservative import clone, l2_sp, output_kl, weights
from speech_tl.transfer.replay import shares, updates

Method = Literal[
    "unadapted",
    "warp",
    "lin",
    "lhuc",
    "lora",
    "input_layers",
    "output_layers",
    "head",
    "full",
    "discriminative",
    "input_layers_conservative",
    "full_conservative",
]
METHODS: tuple[Method, ...] = get_args(Method)
STEPS = 100
SHORT = 10.0
"""Seconds of enrolment below which LIN has one scale per bin instead of a matrix."""
VARIED = Augmentation(speeds=(0.9, 1.0, 1.1), frequency_mask=8, time_mask=0.05)
"""How enrolment clips are varied: the voice stays the speaker's."""


@dataclass(frozen=True)
class Way:
    """How one method adapts."""

    layers: str = "none"
    """What is retrained, as `transfer.layers.select` takes it."""
    adapter: Literal["none", "lin", "lhuc", "lora"] = "none"
    rate: float = 1e-3
    decay: float = 1.0
    """From layer to layer upwards, the input learning fastest."""
    conservative: bool = False


WAYS: Mapping[Method, Way] = {  # rates and ρ chosen on the Arabic validation speakers (recipes/LOG.md)
    "unadapted": Way(),
    "warp": Way(),
    "lin": Way(adapter="lin", rate=2e-3),
    "lhuc": Way(adapter="lhuc", rate=5e-3),
    "lora": Way(adapter="lora", rate=1e-3),
    "input_layers": Way("input:2"),
    "output_layers": Way("output:2", rate=3e-4),
    "head": Way("output:1"),
    "full": Way("all", rate=2e-4),
    "discriminative": Way("all", rate=5e-4, decay=0.5),
    "input_layers_conservative": Way("input:2", conservative=True),
    "full_conservative": Way("all", rate=5e-4, conservative=True),
}


def check_methods(model: MultilingualCTC, language: str, methods: Collection[Method]) -> None:
    """Refuses what the model cannot take before anything is trained.

    Raises:
        InputError: a method that there is not, that asks for another encoder, or for a library that is not installed.
    """
    for method in methods:
        if method not in WAYS:
            raise unknown_name("method", method, METHODS)
        own = copy.deepcopy(model)
        try:
            voices.put_in(own, language, WAYS[method].adapter)
            if method == "warp":
                own.column(language).encoder.bins(own.sample_rate(language))
        except InputError as error:
            raise InputError(f"--methods {method}: {error}") from None


def adapt(
    model: MultilingualCTC,
    enrolment: Examples,
    *,
    method: Method,
    folder: Path,
    old: Examples | None = None,
    replay: float = 0.5,
    steps: int = STEPS,
    seed: int = 0,
    facts: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> tuple[MultilingualCTC, Changes]:
    """A copy of `model` that has learned the voice of `enrolment`, and the way there; `model` itself stays as it is.

    Args:
        enrolment: a speaker's clips with their targets, in one of the model's languages.
        folder: for the state and the log of the training.
        old: other voices' clips, of the same language, to go on training with.
        replay: their share of the updates, which come on top of `steps`.
        steps: updates on the enrolment; fixed, since nobody may choose them on the speaker who is tested.
        facts: goes into the changes, beside the method, the seconds, the number of trained weights and what it took.

    Raises:
        InputError: a method that there is not, or that this model cannot take.
    """
    if method not in WAYS:
        raise unknown_name("method", method, METHODS)
    way, language = WAYS[method], enrolment.language
    seconds = sum(enrolment.clips.lengths) / enrolment.clips.sample_rate
    seed_everything(seed)
    name_infeasible(enrolment, partial(model.output_lengths, language=language), speed=VARIED.fastest)
    own, adapter, factors = _freed(model, language, way, seconds=seconds)
    said = {**(facts or {}), "method": method, "language": language, "seconds": seconds, "warp": 1.0}
    said["adapter"] = adapter
    if method == "warp":
        encoder = own.column(language).encoder
        encoder.bins(enrolment.clips.sample_rate)  # refuses an encoder without a filterbank
        began = time.process_time()
        said["warp"] = encoder.warp = best_warp(own, enrolment)
        said |= {"trained_parameters": 1, "cpu_seconds": time.process_time() - began}
    if method == "unadapted":
        said |= {"trained_parameters": 0, "cpu_seconds": 0.0}
    if method in ("unadapted", "warp"):
        return own, changes.between(model, own, said)
    held = layers.frozen(own)
    said["trained_parameters"] = sum(weight.numel() for weight in own.parameters() if weight.requires_grad)
    streams, total = Streams(seed), updates(steps, replay if old else 0)
    history = fit(
        own,
        _batches(enrolment, old, replay, streams),
        _terms(model, own, rho=rho(seconds)) if way.conservative else _ctc,
        plan=Plan(steps=total, peak_rate=way.rate, warmup_steps=5, weight_decay=0.0, validate_every=total),
        out=folder,
        streams=streams,
        rates=layers.rates(own, layer_groups(own, language), factors),
        device=device,
    )
    layers.check_frozen(own, held)
    own.requires_grad_(True)
    own.train(False)
    said["cpu_seconds"] = history.train_seconds
    return own, changes.between(model, own, said)


def moving(model: MultilingualCTC, language: str, method: Method, *, seconds: float) -> str:
    """What a method would train, a line for each layer; nothing is trained."""
    own, _, factors = _freed(model, language, WAYS[method], seconds=seconds)
    return layers.described(layer_groups(own, language), factors)


def _freed(
    model: MultilingualCTC, language: str, way: Way, *, seconds: float
) -> tuple[MultilingualCTC, str, dict[str, float]]:
    """A copy in which only what the way trains is free, the adapter that it was given, and layers' rate factors."""
    own = copy.deepcopy(model)
    adapter = "lin_diagonal" if way.adapter == "lin" and seconds < SHORT else way.adapter
    voices.put_in(own, language, adapter)
    groups = layer_groups(own, language)
    chosen = layers.select(groups, way.layers)
    if way.adapter == "none":
        layers.train_only(own, groups, chosen)
    return own, adapter, layers.discriminative(reversed(chosen), decay=way.decay)


def rho(seconds: float) -> float:
    """How much the old model's opinion weighs: 0.5 at 5 s of enrolment, 0.1 at 60 s, between them by log seconds."""
    share = torch.tensor(seconds / 5).log() / torch.tensor(60 / 5).log()
    return float(0.5 + (0.1 - 0.5) * share.clamp(0, 1))


@torch.no_grad()
def best_warp(model: MultilingualCTC, enrolment: Examples, *, least: float = 0.88, most: float = 1.12) -> float:
    """The frequency warp under which the enrolment's texts are most probable (VTLN, Lee & Rose, 1996)."""
    model.train(False)
    device = next(model.parameters()).device
    scores: dict[float, float] = {}
    for warp in (each for each in WARPS if least <= each <= most):
        total = 0.0
        for batch in enrolment.in_order(max_total=60 * enrolment.clips.sample_rate):
            batch = batch.to(device)
            factors = torch.full((len(batch),), warp, device=device)
            said, frames = model.log_probabilities(batch.audio, batch.audio_lengths, batch.language, warp=factors)
            total += float(ctc_loss(said, batch.targets, frames, batch.target_lengths)) * len(batch)
        scores[warp] = total
    return min(scores, key=lambda warp: scores[warp])


def _batches(enrolment: Examples, old: Examples | None, replay: float, streams: Streams) -> SpeechBatches:
    """Of the voice, and of the others where there are some."""
    examples = {"enrolment": enrolment, **({"replay": old} if old else {})}
    return shuffled(
        examples,
        seconds=60,
        clips=16,
        temperature=inf,
        generator=streams.generator("batches"),
        shares=shares("enrolment", ["replay"], replay) if old else None,
    )


def _ctc(model: MultilingualCTC, batch: SpeechBatch, _progress: float) -> dict[str, Tensor]:
    losses = model.losses(
        batch.audio,
        batch.audio_lengths,
        batch.language,
        targets=batch.targets,
        target_lengths=batch.target_lengths,
        augmentation=VARIED,
    )
    return {"ctc": losses["ctc"]}


def _terms(before: MultilingualCTC, own: MultilingualCTC, *, rho: float, pull: float = 1e-2) -> Any:
    """(1 − ρ) CTC + ρ KL(before ‖ now) on the clips as they are + `pull` times L2-SP."""
    anchor, start = clone(before), weights(own)

    def terms(model: MultilingualCTC, batch: SpeechBatch, progress: float) -> dict[str, Tensor]:
        now, frames = model.log_probabilities(batch.audio, batch.audio_lengths, batch.language)
        anchor.to(now.device)  # type: ignore[arg-type]
        old, _ = anchor.log_probabilities(batch.audio, batch.audio_lengths, batch.language)
        near = {name: value.to(now.device) for name, value in start.items()}
        return {
            "ctc": (1 - rho) * _ctc(model, batch, progress)["ctc"],
            "output_kl": rho * output_kl(now, old, frames),
            "l2_sp": pull * l2_sp(model, near),
        }

    return terms
