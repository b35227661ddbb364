"""Each loss against a formula or a library, by hand where it is small enough; then training, killed and continued."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nmt_zero_shot import objectives
from nmt_zero_shot.batches import IGNORED, Pair, TextBatch, TextBatches, collate, in_order
from nmt_zero_shot.corpus import Bitexts
from nmt_zero_shot.model import build, encode, pooled
from nmt_zero_shot.objectives import (
    SmoothedCrossEntropy,
    alignment,
    back_translated,
    contrast,
    mean_loss,
    noise,
)
from nmt_zero_shot.subwords import SentencePieces
from nmt_zero_shot.tags import Codec
from nmt_zero_shot.variants import ZeroShotNMT
from speech_tl.training.loop import Plan, fit
from speech_tl.training.seeding import Streams, seed_everything


@pytest.fixture
def model(vocabulary: SentencePieces) -> ZeroShotNMT:
    torch.manual_seed(0)
    return build("tiny", vocabulary, dropout=0.0, attention_dropout=0.0, init="unit")


@pytest.fixture
def codec(vocabulary: SentencePieces) -> Codec:
    return Codec(vocabulary, "source")


@pytest.fixture
def batch(codec: Codec, bitexts: Bitexts) -> TextBatch:
    return next(in_order(bitexts, codec, tokens=400))


def test_smoothed_cross_entropy_by_hand() -> None:
    """Two units at scores 0 and log 3: p = 1/4 and 3/4."""
    hidden, weight = torch.tensor([[1.0]]), torch.tensor([[0.0], [math.log(3)]])
    loss = SmoothedCrossEntropy.apply(hidden, weight, torch.tensor([1]), 0.5)
    assert float(loss) == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_smoothed_cross_entropy_is_torchs(smoothing: float) -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(300, 8, requires_grad=True), torch.randn(40, 8, requires_grad=True)
    labels = torch.randint(40, (300,))
    ours = SmoothedCrossEntropy.apply(hidden, weight, labels, smoothing)
    theirs = functional.cross_entropy(hidden @ weight.T, labels, label_smoothing=smoothing)
    assert torch.allclose(ours, theirs, atol=1e-6)
    for one, other in zip(
        torch.autograd.grad(3 * ours, [hidden, weight]), torch.autograd.grad(3 * theirs, [hidden, weight]), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("scheme", ["source", "m2m"])
def test_translation_is_transformers_own_loss(model: ZeroShotNMT, vocabulary: SentencePieces, scheme: Any) -> None:
    batch = collate(
        [Pair(("de", "en"), [270, 271], [280]), Pair(("en", "ja"), [272], [281, 282])], Codec(vocabulary, scheme)
    )
    scores = model(
        input_ids=batch.source, attention_mask=batch.source_mask, decoder_input_ids=batch.decoder_input
    ).logits
    wanted = functional.cross_entropy(scores.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED)
    with torch.no_grad():
        quiet = objectives.translation(model, batch, smoothing=0.0)
    assert torch.allclose(objectives.translation(model, batch, smoothing=0.0), wanted, atol=1e-5)
    assert torch.allclose(quiet, wanted, atol=1e-5)
    hidden = encode(model, batch.source, batch.source_mask)
    assert torch.equal(objectives.translation(model, batch, hidden=hidden), objectives.translation(model, batch))


def test_two_ranks_push_as_one(model: ZeroShotNMT, batch: TextBatch) -> None:
    def gradient(loss: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(loss, [model.model.shared.weight])
        return found

    parts = [batch.share(rank, 2) for rank in range(2)]
    shared = sum(gradient(objectives.translation(model, part)) * weight / 2 for part, weight in parts)
    assert torch.allclose(torch.as_tensor(shared), gradient(objectives.translation(model, batch)), atol=1e-5)


def test_contrast_by_hand() -> None:
    left = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert float(contrast(left, left, temperature=1.0)) == pytest.approx(math.log(math.e + 1) - 1)  # -log e/(e + 1)
    assert float(contrast(left, left.flip(0), temperature=1.0)) == pytest.approx(math.log(math.e + 1))
    near = torch.tensor([[1.0, 0.0], [1.0, 0.05]])  # a cosine that is 1 in 16 bits
    apart = (1 - 1 / math.sqrt(1.0025)) / 0.01
    with torch.autocast("cpu", torch.bfloat16):
        assert float(contrast(near, near, temperature=0.01)) == pytest.approx(math.log(1 + math.exp(-apart)), rel=1e-4)


def test_alignment_compares_both_sides_under_one_tag(model: ZeroShotNMT, codec: Codec) -> None:
    """Of five pairs the first and the fifth count, each of which has the other as what it must not be near."""
    texts = [([280 + at, 281], [283, 284 + at]) for at in range(5)]
    batch = collate([Pair(("de", "en"), *pair) for pair in texts], codec)
    left = pooled(encode(model, batch.source, batch.source_mask), batch.source_mask)[::4]
    right = pooled(encode(model, batch.mirror, batch.mirror_mask), batch.mirror_mask)[::4]
    assert float(alignment(model, batch).detach()) == pytest.approx(float(contrast(left, right).detach()), abs=1e-5)
    assert batch.mirror[0, 0] == batch.source[0, 0] == 4


def test_denoising_pairs_as_many_sentences_of_each_language_with_themselves(bitexts: Bitexts) -> None:
    own = objectives.denoising(bitexts)
    assert {pair: len(texts) for pair, texts in own.items()} == {("de", "de"): 24, ("en", "en"): 24, ("ja", "ja"): 24}
    assert all(left == right for left, right in own["ja", "ja"])
    assert set(own["ja", "ja"]) == {(ja, ja) for _, ja in bitexts["en", "ja"]}
    quarter = objectives.denoising(bitexts, share=0.25)
    assert {len(texts) for texts in quarter.values()} == {6}
    assert objectives.denoising(bitexts, share=0) == {}


def test_noise_drops_blanks_and_moves_a_little() -> None:
    ids = list(range(100, 10100))
    generator = torch.Generator().manual_seed(0)
    noised = noise(ids, generator, blank=3)
    assert len(noised) == pytest.approx(9000, rel=0.02)
    assert noised.count(3) == pytest.approx(1000, rel=0.1)
    moved = noise(ids, generator, blank=3, drop=0, mask=0)
    assert sorted(moved) == ids
    assert 0 < max(abs(at - (index - 100)) for at, index in enumerate(moved)) <= 2
    assert noise(ids, generator, blank=3, drop=0, mask=0, distance=1) == ids
    assert noise([7], torch.Generator().manual_seed(0), blank=3, drop=1.0) == [7]  # never nothing
    assert noise([], generator, blank=3) == []


def test_back_translation_makes_sources_in_a_language_never_paired(
    model: ZeroShotNMT, codec: Codec, batch: TextBatch
) -> None:
    directions = [("ja", "de")]
    model.train(True)
    made = back_translated(model, batch, codec, directions=directions, generator=torch.Generator().manual_seed(0))
    assert model.training
    assert made is not None
    (direction,) = set(made.directions)
    assert direction == ("ja", "de")
    asked = [at for at, (_, y) in enumerate(batch.directions) if y == direction[1]]
    assert [row[row != IGNORED].tolist() for row in made.labels] == [
        row[row != IGNORED].tolist() for row in batch.labels[asked]
    ]
    assert set(made.source[:, 0].tolist()) == {codec.subwords.tag(direction[1])}
    english = batch.rows([at for at, (_, y) in enumerate(batch.directions) if y == "en"])
    assert back_translated(model, english, codec, directions=directions, generator=torch.Generator()) is None


def test_a_trained_model_scores_what_it_was_trained_on(
    model: ZeroShotNMT, codec: Codec, bitexts: Bitexts, tmp_path: Path
) -> None:
    uniform = math.log(codec.subwords.size)
    before = mean_loss(model, in_order(bitexts, codec, tokens=400))
    assert before > 0.5 * uniform
    streams = Streams(0)
    batches = TextBatches(bitexts, codec, tokens=400, generator=streams.generator("batches"))
    fit(
        model,
        batches,
        lambda model, batch, _: {"translation": objectives.translation(model, batch)},
        plan=Plan(steps=60, peak_rate=5e-3, warmup_steps=10, validate_every=60),
        out=tmp_path,
        streams=streams,
        device="cpu",
    )
    model.train(False)
    assert mean_loss(model, in_order(bitexts, codec, tokens=400)) < 0.25 * before


def trained(
    out: Path, vocabulary: SentencePieces, bitexts: Bitexts, *, stop_at: int = 0, resume: bool = False
) -> Tensor:
    """All losses together, with dropout: 8 steps, left at `stop_at`; the weights of the last."""
    seed_everything(1)
    streams = Streams(1)
    codec = Codec(vocabulary, "source")
    model = build("tiny", vocabulary)
    batches = TextBatches(
        {**bitexts, **objectives.denoising(bitexts)},
        codec,
        tokens=100,
        generator=streams.generator("batches"),
        noise=lambda ids: noise(ids, streams.generator("noise"), blank=3),
    )
    steps = 0

    def terms(model: Any, batch: TextBatch, progress: float) -> dict[str, Tensor]:
        nonlocal steps
        steps += 1
        if stop_at and steps > stop_at:
            raise KeyboardInterrupt
        hidden = encode(model, batch.source, batch.source_mask)
        return {
            "translation": objectives.translation(model, batch, hidden=hidden),
            "alignment": 0.1 * alignment(model, batch, hidden=hidden),
        }

    plan = Plan(steps=8, validate_every=4, warmup_steps=2)
    fit(model, batches, terms, plan=plan, out=out, streams=streams, resume=resume, device="cpu")
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def test_interrupted_and_continued_gives_the_same_weights(
    vocabulary: SentencePieces, bitexts: Bitexts, tmp_path: Path
) -> None:
    whole = trained(tmp_path / "whole", vocabulary, bitexts)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", vocabulary, bitexts, stop_at=6)
    assert torch.equal(trained(tmp_path / "parts", vocabulary, bitexts, resume=True), whole)
