"""One translation system, from sentence pairs to a checkpoint: what the model, its bounds and its rivals repeat.

The zero-shot model, the bounds that saw the direct pairs, and the plain model whose pivot is the stronger rival differ
in their pairs and their `Settings`, never in how they are trained.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from math import inf
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from nmt_zero_shot import model as models
from nmt_zero_shot.batches import TextBatch, TextBatches, in_order
from nmt_zero_shot.corpus import Bitexts, sentences
from nmt_zero_shot.model import Initialisation, Translator
from nmt_zero_shot.objectives import alignment, back_translated, denoising, mean_loss, noise, translation
from nmt_zero_shot.subwords import SentencePieces
from nmt_zero_shot.tags import Scheme
from nmt_zero_shot.variants import Norm
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.training.loop import History, Plan, fit
from speech_tl.training.seeding import Streams, seed_everything

ALIGNED_FROM = 0.5
"""The share of the updates after which encoder states are aligned: an encoder that learns to tell sentences apart
before it has learned to translate them learns slowly ever after (recipes/LOG.md)."""
VALIDATED = 200
"""Sentence pairs of each direction that a checkpoint is chosen by."""


@dataclass(frozen=True)
class Settings:
    """The model and what it is asked to do while it learns; the defaults are what paid (recipes/LOG.md)."""

    size: str = "small"
    """tiny, small or base."""
    tags: Scheme = "decoder"
    """Where the target's tag goes: source, both or decoder, or as m2m and mbart have it. An encoder that reads it
    learns when to copy."""
    norm: Norm = "pre"
    """Layer norm before (pre) or after (post) each sublayer."""
    middle_residual: bool = True
    """Whether self-attention of the middle encoder layer adds to its input."""
    top_tags: int = 0
    """So many top encoder layers are given the target language."""
    initialisation: Initialisation = "unit"
    """How weights are drawn: glorot, normal or unit."""
    dropout: float = 0.0
    """After every sublayer: none for a few passes over the data, 0.1 or more for many."""
    attention_dropout: float = 0.0
    """Of attention weights, likewise."""
    smoothing: float = 0.1
    """Of labels."""
    align: float = 0.0
    """Weight of the alignment of pooled encoder states, from half of the updates on."""
    denoise: float = 0.3
    """So many sentences of each language, as a share of a pair's, are also restored from noise under its own tag."""
    tokens: int = 1000
    """Padded subwords a side in a batch."""
    temperature: float = 1.0
    """Directions are drawn in proportion to size^(1/temperature)."""
    device: str = "auto"
    """auto, cpu or cuda."""

    def __post_init__(self) -> None:
        if not 0 <= self.denoise <= 1:
            raise InputError(
                f"denoise is {self.denoise:g}: expected a share from 0 (none) to 1 (as many sentences as pairs)"
            )
        if not 0 <= self.align < inf:
            raise InputError(f"--align {self.align:g}: expected the weight of a loss, 0 (none) or more, such as 0.3")
        if not 0 <= self.smoothing < 1:
            raise InputError(f"smoothing is {self.smoothing:g}: expected a share from 0 (none) to below 1, such as 0.1")

    def plain(self) -> Self:
        """The usual model of the same size, without what is there for pairs never trained."""
        return replace(self, tags="source", norm="pre", middle_residual=True, top_tags=0, align=0.0, denoise=0.0)


@dataclass(frozen=True)
class Trained:
    """The model of the best validation, and how it came about."""

    name: str
    translator: Translator
    history: History
    subwords_per_second: float
    """Target subwords learned from in a second of training, ends included."""


def untrained(pieces: SentencePieces, settings: Settings, *, seed: int) -> Translator:
    """The model with random weights.

    Raises:
        InputError: a setting that there is not, or not together with another.
    """
    seed_everything(seed)
    net = models.build(
        settings.size,
        pieces,
        norm=settings.norm,
        middle_residual=settings.middle_residual,
        tags=settings.tags,
        top_tags=settings.top_tags,
        dropout=settings.dropout,
        attention_dropout=settings.attention_dropout,
        init=settings.initialisation,
    )
    return Translator(pieces, settings.tags, net)


def continued(
    checkpoint: Path, texts: Mapping[str, Sequence[str]], *, added: Collection[str] = (), seed: int
) -> Translator:
    """A model that was trained before, here or elsewhere, with a tag and a row for each language that is added.

    Args:
        checkpoint: a run, or a folder of M2M-100, NLLB or mBART.
        texts: language -> its sentences.
        added: languages that the model lacks.

    Raises:
        InputError: there is no model, or a language is none or several of its languages, or the same as another.
    """
    seed_everything(seed)
    found = models.load(checkpoint)
    found.model.float()  # some are published in 16 bits, too few to learn in
    for side in (found.model.get_encoder(), found.model.get_decoder()):
        side.layerdrop = 0.0  # every layer is to learn from the few pairs that there are
    subwords, tags = found.subwords, dict[int, str]()
    for language, own in texts.items():
        if language not in added:
            tag = subwords.tag(language)
            if tag in tags:
                raise InputError(f"{tags[tag]!r} and {language!r} are one language of {checkpoint}: train on one")
            tags[tag] = language
            subwords = subwords.having_seen(language, own)
    for language in added:
        if language not in texts:
            raise unknown_name("language", language, texts, where="the training texts, to add")
        subwords = models.add_language(found.model, subwords, language, texts[language])
    return replace(found, subwords=subwords)


def train(
    name: str,
    start: Translator,
    pairs: Bitexts,
    valid: Bitexts,
    *,
    settings: Settings,
    plan: Plan,
    folder: Path,
    seed: int,
    back_translate: float = 0.0,
    resume: bool = False,
) -> Trained:
    """Trains both directions of every pair and keeps the model with the lowest loss on `valid`.

    Args:
        start: `untrained` or `continued`; its model is changed.
        back_translate: the share of updates that also learn a pair never trained, from the model's own translations.

    Raises:
        InputError: a saved run of other data.
    """
    print(f"training {name} on {', '.join('-'.join(pair) for pair in pairs)} in {folder}", file=sys.stderr, flush=True)
    seed_everything(seed)
    streams = Streams(seed)
    batches = TextBatches(
        pairs | denoising(pairs, share=settings.denoise, seed=seed),
        start,
        tokens=settings.tokens,
        temperature=settings.temperature,
        generator=streams.generator("batches"),
        noise=partial(noise, generator=streams.generator("noise"), blank=start.subwords.unk),
    )
    unseen = set(permutations(sentences(pairs), 2)) - {direction for a, b in pairs for direction in ((a, b), (b, a))}
    turn = streams.generator("back-translation")
    held = list(in_order({pair: own[:VALIDATED] for pair, own in valid.items()}, start, tokens=2 * settings.tokens))

    def terms(net: Any, batch: TextBatch, progress: float) -> dict[str, Tensor]:
        hidden = models.encode(net, batch.source, batch.source_mask)
        losses = {"translation": translation(net, batch, smoothing=settings.smoothing, hidden=hidden)}
        if settings.align and progress >= ALIGNED_FROM:
            losses["alignment"] = settings.align * alignment(net, batch, hidden=hidden)
        if torch.rand((), generator=turn) < back_translate:
            turned = back_translated(net, batch, start, directions=unseen, generator=turn)
            losses["back_translation"] = (
                translation(net, turned, smoothing=settings.smoothing) if turned else hidden.new_zeros(())
            )
        return losses

    history = fit(
        start.model,
        batches,
        terms,
        plan=plan,
        out=folder,
        streams=streams,
        validate=lambda net: mean_loss(net, (batch.to(net.device) for batch in held)),
        on_best=lambda best: models.save(best, start.subwords, folder / "checkpoint"),
        resume=resume,
        device=settings.device,
    )
    best = models.load(folder, device=chosen(settings.device))
    return Trained(name, best, history, batches.given / history.train_seconds)
