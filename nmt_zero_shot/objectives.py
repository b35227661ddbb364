"""What a translation model is asked to do: named losses for `fit`, each a function of the model and a batch.

Translation alone says nothing about pairs never trained. Encoder states that mean the same should also be the same
(Arivazhagan et al., 2019; contrastive: mRASP2, Pan et al., 2021), a sentence restored from noise teaches the tag its
language (Lample et al., 2018; Gu et al., 2019), and the model's own translations into a pair never trained can be
sources for it (random online back-translation, Zhang et al., 2020).
"""

from collections.abc import Collection, Iterable, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from nmt_zero_shot import search
from nmt_zero_shot.batches import IGNORED, Pair, TextBatch, collate
from nmt_zero_shot.corpus import Bitexts, Direction, sentences
from nmt_zero_shot.model import encode, pooled
from nmt_zero_shot.tags import Codec, prepare_source

ALIGNED = 4
"""One pair in so many is aligned."""
CHUNK = 128
"""Rows of logits made at once: 128 x 8,000 floats stay in a processor's cache."""


class SmoothedCrossEntropy(torch.autograd.Function):
    """Mean over rows of (1 - ε) (-log p(y)) + ε/V Σ_v (-log p(v)), with the output layer inside.

    hidden: (N, D), weight: (V, D), labels: (N,). The gradient is made in the same pass, chunk by chunk, so that the
    (N, V) logits, their softmax and its gradient never exist: a quarter of a step's time on a CPU went into them.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        rows, units = len(hidden), len(weight)
        for_hidden, for_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        total = hidden.new_zeros(())
        for at in range(0, rows, CHUNK):
            states, target = hidden[at : at + CHUNK], labels[at : at + CHUNK, None]
            scores = states @ weight.T
            largest = scores.amax(1, keepdim=True)
            wanted = (1 - smoothing) * scores.gather(1, target) + smoothing / units * scores.sum(1, keepdim=True)
            sums = scores.sub_(largest).exp_().sum(1, keepdim=True)
            total += (sums.log() + largest - wanted).sum()
            gradient = scores.div_(sums).sub_(smoothing / units)
            gradient.scatter_add_(1, target, gradient.new_full(target.shape, smoothing - 1))
            torch.mm(gradient, weight, out=for_hidden[at : at + CHUNK])
            for_weight.addmm_(gradient.T, states)
        ctx.save_for_backward(for_hidden.div_(rows), for_weight.div_(rows))
        return total / rows

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        for_hidden, for_weight = ctx.saved_tensors
        return for_hidden * gradient, for_weight * gradient, None, None


def translation(
    model: PreTrainedModel, batch: TextBatch, *, smoothing: float = 0.1, hidden: Tensor | None = None
) -> Tensor:
    """Label-smoothed cross-entropy in nats per target subword (Szegedy et al., 2016), eos included.

    hidden: (B, S, D), the batch's encoder states where another loss has made them already.
    """
    if hidden is None:
        hidden = encode(model, batch.source, batch.source_mask)
    states = model.get_decoder()(
        input_ids=batch.decoder_input,
        encoder_hidden_states=hidden,
        encoder_attention_mask=batch.source_mask,
        use_cache=False,
    ).last_hidden_state
    counted = batch.labels != IGNORED
    states, labels = states[counted], batch.labels[counted]
    head: nn.Linear = model.get_output_embeddings()
    if states.device.type == "cpu" and torch.is_grad_enabled():
        loss: Tensor = SmoothedCrossEntropy.apply(  # type: ignore[no-untyped-call]
            states, head.weight, labels, smoothing
        )
        return loss
    return nn.functional.cross_entropy(head(states).float(), labels, label_smoothing=smoothing)


def contrast(left: Tensor, right: Tensor, *, temperature: float = 0.1) -> Tensor:
    """InfoNCE both ways: each row's own partner against all the others. left, right: (B, D) -> nats."""
    with torch.autocast(left.device.type, enabled=False):  # cosines of partners are all near 1
        scores = nn.functional.normalize(left.float(), dim=-1) @ nn.functional.normalize(right.float(), dim=-1).T
    scores = scores / temperature
    own = torch.arange(len(left), device=left.device)
    return (nn.functional.cross_entropy(scores, own) + nn.functional.cross_entropy(scores.T, own)) / 2


def alignment(model: PreTrainedModel, batch: TextBatch, *, hidden: Tensor | None = None) -> Tensor:
    """How far apart the two sides of a pair are in encoder space, both read under the target's tag.

    Every `ALIGNED`-th pair of the batch counts: the other side of all of them would make a step a third longer.
    """
    if hidden is None:
        hidden = encode(model, batch.source, batch.source_mask)
    mask = batch.mirror_mask[::ALIGNED]
    mirror = encode(model, batch.mirror[::ALIGNED], mask)
    return contrast(pooled(hidden[::ALIGNED], batch.source_mask[::ALIGNED]), pooled(mirror, mask))


def denoising(bitexts: Bitexts, *, share: float = 1.0, seed: int = 0) -> Bitexts:
    """Further pairs (y, y) of every language with itself; `TextBatches` passes their sources through `noise`.

    share: how many sentences each language gives, beside the sentence pairs that a language has on average; the hub,
    which has most, needs no more of it than the others.
    """
    most = round(share * sum(map(len, bitexts.values())) / len(bitexts))
    random = Random(seed)
    drawn = {y: random.sample(texts, min(most, len(texts))) for y, texts in sentences(bitexts).items()}
    return {(y, y): tuple((text, text) for text in texts) for y, texts in drawn.items() if texts}


def noise(
    ids: Sequence[int],
    generator: torch.Generator,
    *,
    blank: int,
    drop: float = 0.1,
    mask: float = 0.1,
    distance: int = 3,
) -> list[int]:
    """Subwords left out, subwords blanked, and a shuffle that moves none by more than `distance` - 1 places."""
    keys = torch.arange(len(ids)) + distance * torch.rand(len(ids), generator=generator)
    chances = torch.rand(len(ids), generator=generator)
    noised = [
        blank if chance < drop + mask else ids[at]
        for at, chance in zip(keys.argsort().tolist(), chances.tolist(), strict=True)
        if chance >= drop
    ]
    return noised or list(ids[:1])


def back_translated(
    model: PreTrainedModel,
    batch: TextBatch,
    codec: Codec,
    *,
    directions: Collection[Direction],
    generator: torch.Generator,
) -> TextBatch | None:
    """The batch's targets with sources of the model's own making, in one random language z: z -> y never trained.

    directions: the pairs that may be asked for, (z, y). None where no row's target is paired with that z. Every rank
    of several draws the same z, whatever its rows are.
    """
    languages = sorted({z for z, _ in directions})
    z = languages[int(torch.randint(len(languages), (1,), generator=generator))]
    rows = [at for at, (_, y) in enumerate(batch.directions) if (z, y) in directions]
    if not rows:
        return None
    pairs = []
    for at in rows:
        counted = batch.labels[at] != IGNORED
        pairs.append((batch.directions[at][1], batch.labels[at][counted][:-1].tolist()))
    asked = [prepare_source(codec.subwords, ids, z, codec.scheme, source=y) for y, ids in pairs]
    made = search.translate(model, asked, start=codec.start(z))
    turned = [Pair((z, y), found.ids, ids) for (y, ids), found in zip(pairs, made, strict=True)]
    return collate(turned, codec).to(batch.source.device)


@torch.no_grad()
def mean_loss(model: PreTrainedModel, batches: Iterable[TextBatch]) -> float:
    """Nats per target subword over all batches, without smoothing: what a checkpoint is chosen by."""
    total, count = 0.0, 0
    for batch in batches:
        total += float(translation(model, batch, smoothing=0.0)) * batch.tokens
        count += batch.tokens
    return total / count
