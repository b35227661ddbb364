"""A batch written out for every scheme; then each pair once an epoch, no more than asked for, exactly resumable."""

from collections import Counter
from typing import Any

import pytest
import torch

from nmt_zero_shot.batches import IGNORED, Pair, TextBatch, TextBatches, collate, in_order
from nmt_zero_shot.corpus import Bitexts
from nmt_zero_shot.subwords import SentencePieces
from nmt_zero_shot.tags import Codec, Scheme
from speech_tl.errors import InputError

PAIRS = [Pair(("de", "en"), [20, 21], [30]), Pair(("en", "ja"), [22], [31, 32, 33])]


@pytest.mark.parametrize(
    ("scheme", "source", "mirror", "decoder_input", "labels"),
    [
        (
            "source",
            [[4, 20, 21, 2], [6, 22, 2, 1]],
            [[4, 30, 2, 1, 1], [6, 31, 32, 33, 2]],
            [[2, 30, 1, 1], [2, 31, 32, 33]],
            [[30, 2, -100, -100], [31, 32, 33, 2]],
        ),
        (
            "decoder",
            [[20, 21, 2], [22, 2, 1]],
            [[30, 2, 1, 1], [31, 32, 33, 2]],
            [[4, 30, 1, 1], [6, 31, 32, 33]],
            [[30, 2, -100, -100], [31, 32, 33, 2]],
        ),
        (
            "m2m",
            [[5, 20, 21, 2], [4, 22, 2, 1]],
            [[4, 30, 2, 1, 1], [6, 31, 32, 33, 2]],
            [[2, 4, 30, 1, 1], [2, 6, 31, 32, 33]],
            [[-100, 30, 2, -100, -100], [-100, 31, 32, 33, 2]],
        ),
    ],
)
def test_written_out(
    vocabulary: SentencePieces,
    scheme: Scheme,
    source: list[list[int]],
    mirror: list[list[int]],
    decoder_input: list[list[int]],
    labels: list[list[int]],
) -> None:
    batch = collate(PAIRS, Codec(vocabulary, scheme))
    assert batch.source.tolist() == source
    assert batch.mirror.tolist() == mirror
    assert batch.decoder_input.tolist() == decoder_input
    assert batch.labels.tolist() == labels
    assert torch.equal(batch.source_mask, (batch.source != 1).long())
    assert torch.equal(batch.mirror_mask, (batch.mirror != 1).long())
    assert (len(batch), batch.tokens, batch.directions) == (2, 6, (("de", "en"), ("en", "ja")))


@pytest.fixture
def three(vocabulary: SentencePieces) -> TextBatch:
    return collate([*PAIRS, Pair(("en", "de"), [5], [6])], Codec(vocabulary, "source"))


def test_a_share_weighs_what_its_labels_weigh(three: TextBatch) -> None:
    part, weight = three.share(0, 2)
    assert part.directions == (("de", "en"), ("en", "de"))
    assert part.labels.shape == (2, 4)
    assert weight == 4 * 2 / 8
    assert three.share(1, 2)[1] == 4 * 2 / 8
    nothing, weight = three.share(3, 4)
    assert (len(nothing), weight) == (1, 0.0)
    assert three.to("cpu").directions == three.directions


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_weighted_means_over_ranks_are_the_mean_of_the_whole(three: TextBatch, world: int) -> None:
    def mean(batch: TextBatch) -> float:
        return float(batch.labels[batch.labels != IGNORED].double().mean())

    parts = [three.share(rank, world) for rank in range(world)]
    assert sum(mean(part) * weight for part, weight in parts) / world == pytest.approx(mean(three))


def made(bitexts: Bitexts, vocabulary: SentencePieces, **options: Any) -> TextBatches:
    given = {"tokens": 60, "generator": torch.Generator().manual_seed(3), **options}
    return TextBatches(bitexts, Codec(vocabulary, "source"), **given)


def rows(batch: TextBatch) -> list[tuple[Any, ...]]:
    return [(x, y, *labels) for (x, y), labels in zip(batch.directions, batch.labels.tolist(), strict=True)]


def test_an_epoch_holds_every_pair_once_in_each_direction(bitexts: Bitexts, vocabulary: SentencePieces) -> None:
    batches = made(bitexts, vocabulary)
    epoch = [next(batches) for _ in range(batches.batches_per_epoch)]
    seen = Counter(direction for batch in epoch for direction in batch.directions)
    assert seen == {("en", "de"): 24, ("de", "en"): 24, ("en", "ja"): 24, ("ja", "en"): 24}
    assert all(max(batch.source.numel(), batch.labels.numel()) <= 60 for batch in epoch)
    assert any(len(set(batch.directions)) > 1 for batch in epoch)
    longest = max(max(batch.source.shape[1], batch.labels.shape[1]) for batch in epoch)
    assert max(epoch[0].source.shape[1], epoch[0].labels.shape[1]) == longest
    again = [next(batches) for _ in range(batches.batches_per_epoch)]
    assert [rows(batch) for batch in again] != [rows(batch) for batch in epoch]


def test_little_goes_into_padding(bitexts: Bitexts, vocabulary: SentencePieces) -> None:
    batches = made(bitexts, vocabulary, tokens=200)
    epoch = [next(batches) for _ in range(batches.batches_per_epoch)]
    assert sum(batch.labels.numel() for batch in epoch) < 1.3 * sum(batch.tokens for batch in epoch)


def test_both_directions_of_a_pair_meet(bitexts: Bitexts, vocabulary: SentencePieces) -> None:
    """A long side against a short one: sorted by the target's length they would never be in one batch."""
    batches = made({("en", "ja"): tuple((text * 3, "犬") for text, _ in bitexts["en", "ja"])}, vocabulary, tokens=400)
    epoch = [next(batches) for _ in range(batches.batches_per_epoch)]
    assert all(len(set(batch.directions)) == 2 for batch in epoch if len(batch) > 8)


def test_resumed_in_mid_epoch_and_over_its_end(bitexts: Bitexts, vocabulary: SentencePieces) -> None:
    batches = made(bitexts, vocabulary)
    for _ in range(5):
        next(batches)
    state = batches.state_dict()
    ahead = [rows(next(batches)) for _ in range(batches.batches_per_epoch)]
    resumed = made(bitexts, vocabulary, generator=torch.Generator().manual_seed(99))
    resumed.load_state_dict(state)
    assert [rows(next(iter(resumed))) for _ in ahead] == ahead
    assert resumed.given == batches.given > state["given"] > 0
    with pytest.raises(InputError, match="was training on other sentence pairs"):
        made(bitexts, vocabulary, tokens=61).load_state_dict(state)


def test_small_directions_come_more_often(bitexts: Bitexts, vocabulary: SentencePieces) -> None:
    uneven = {("en", "de"): bitexts["en", "de"], ("en", "ja"): bitexts["en", "ja"][:6]}
    batches = made(uneven, vocabulary, temperature=2)  # 24 · √(6/24) = 12
    epoch = [next(batches) for _ in range(batches.batches_per_epoch)]
    assert Counter(d for batch in epoch for d in batch.directions) == {
        ("en", "de"): 24,
        ("de", "en"): 24,
        ("en", "ja"): 12,
        ("ja", "en"): 12,
    }


def test_only_a_language_with_itself_is_noised(bitexts: Bitexts, vocabulary: SentencePieces) -> None:
    own = {**bitexts, ("de", "de"): (("der Hund", "der Hund"),)}
    batches = made(own, vocabulary, noise=lambda ids: ids[:1])
    for _ in range(batches.batches_per_epoch):
        batch = next(batches)
        for (x, y), mask in zip(batch.directions, batch.source_mask, strict=True):
            assert (mask.sum() == 3) == (x == y)  # tag, one subword, eos


def test_validation_in_order(bitexts: Bitexts, vocabulary: SentencePieces) -> None:
    batches = list(in_order(bitexts, Codec(vocabulary, "source"), tokens=60))
    assert sum(len(batch) for batch in batches) == 96
    lengths = [max(batch.source.shape[1] - 1, batch.labels.shape[1]) for batch in batches]
    assert lengths == sorted(lengths, reverse=True)
    assert all(max(batch.labels.numel(), batch.source.numel()) <= 60 for batch in batches)


def test_refusals(bitexts: Bitexts, vocabulary: SentencePieces) -> None:
    with pytest.raises(InputError, match="every sentence pair is longer than a batch of 5 subwords; raise --tokens"):
        made(bitexts, vocabulary, tokens=5)
    with pytest.raises(InputError, match="no group to draw batches from"):
        made({}, vocabulary)
