"""Padding, shares of a batch, and the frames CTC needs, by hand; then the laws they obey."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from speech_tl.data.batches import (
    Examples,
    SpeechBatch,
    SpeechBatches,
    collate,
    feasibility,
    frames_needed,
    joined,
    shuffled,
)
from speech_tl.data.clips import Clips
from speech_tl.data.manifest import Utterance
from speech_tl.errors import InputError


@pytest.fixture
def batch() -> SpeechBatch:
    return collate(
        "eng",
        audio=[torch.ones(3), torch.ones(5), torch.ones(2)],
        targets=[(1, 2), (3,), (4, 4, 4)],
        keys=["a", "b", "c"],
        speakers=["x", "x", "y"],
        phones=[(7,), (7, 8), ()],
    )


def test_padding_is_zero_and_lengths_travel(batch: SpeechBatch) -> None:
    assert batch.audio.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert batch.audio_lengths.tolist() == [3, 5, 2]
    assert batch.targets.tolist() == [[1, 2, 0], [3, 0, 0], [4, 4, 4]]
    assert batch.target_lengths.tolist() == [2, 1, 3]
    assert (batch.phones.tolist(), batch.phone_lengths.tolist()) == ([[7, 0], [7, 8], [0, 0]], [1, 2, 0])
    assert (batch.audio.dtype, batch.targets.dtype, len(batch)) == (torch.float32, torch.int64, 3)
    assert batch.to("cpu").keys == ("a", "b", "c")


def test_an_empty_target_is_a_row_of_blanks() -> None:
    made = collate("eng", audio=[torch.ones(1)], targets=[()], keys=["a"], speakers=["x"])
    assert made.targets.shape == made.phones.shape == (1, 0)
    assert made.targets.dtype == torch.int64


def test_a_share_is_every_nth_utterance_at_the_same_padding(batch: SpeechBatch) -> None:
    part, weight = batch.share(1, 2)
    assert (part.keys, part.speakers) == (("b",), ("x",))
    assert weight == pytest.approx(2 / 3)
    assert part.audio.shape == (1, 5)
    assert part.targets.shape == (1, 3)
    assert part.phones.tolist() == [[7, 8]]
    nothing, weight = batch.share(3, 4)
    assert (nothing.keys, weight) == (("a",), 0.0)
    whole, weight = batch.share(0, 1)
    assert (whole.keys, weight) == (batch.keys, 1.0)


def test_joined_batches_stand_side_by_side_by_language(batch: SpeechBatch) -> None:
    other = collate("arb", audio=[torch.ones(6)], targets=[(9, 9, 9, 9)], keys=["d"], speakers=["z"], phones=[(5,)])
    both = joined([batch, other, batch])
    assert both.languages == ("arb", *("eng",) * 6)
    assert both.keys == ("d", "a", "b", "c", "a", "b", "c")
    assert both.audio.shape == (7, 6)
    assert both.audio_lengths.tolist() == [6, 3, 5, 2, 3, 5, 2]
    assert both.targets[:2].tolist() == [[9, 9, 9, 9], [1, 2, 0, 0]]
    assert both.phones[:2].tolist() == [[5, 0], [7, 0]]
    assert joined([batch]) is batch and batch.language == "eng"
    with pytest.raises(ValueError, match="a batch of arb, eng: expected one language"):
        _ = both.language
    part, weight = both.share(1, 2)
    assert (part.languages, part.keys, weight) == (("eng",) * 3, ("a", "c", "b"), pytest.approx(6 / 7))


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_weighted_means_over_ranks_are_the_mean_of_the_whole(batch: SpeechBatch, world: int) -> None:
    whole = batch.audio.sum(1).mean()
    parts = [batch.share(rank, world) for rank in range(world)]
    assert sum(part.audio.sum(1).mean() * weight for part, weight in parts) / world == pytest.approx(whole)


@pytest.mark.parametrize(("target", "frames"), [((), 0), ((1,), 1), ((1, 1), 3), ((1, 2, 1), 3), ((1, 1, 1, 2, 2), 8)])
def test_frames_needed_by_hand(target: tuple[int, ...], frames: int) -> None:
    assert frames_needed(target) == frames


@pytest.mark.parametrize("target", [(1,), (1, 1), (1, 2, 2), (2, 2, 2)])
def test_frames_needed_is_where_the_loss_becomes_finite(target: tuple[int, ...]) -> None:
    def loss(frames: int) -> Tensor:
        lengths = torch.tensor([frames]), torch.tensor([len(target)])
        log_probs = torch.zeros(frames, 1, 3).log_softmax(-1)
        return torch.nn.functional.ctc_loss(log_probs, torch.tensor([target]), *lengths)

    assert loss(frames_needed(target)).isfinite()
    assert frames_needed(target) == 1 or loss(frames_needed(target) - 1).isinf()


def test_offenders_are_named_and_counted() -> None:
    utterances = [Utterance(f"{i}.wav", "", "eng", "s") for i in range(3)]

    def frames(samples: Tensor) -> Tensor:
        return samples // 100

    def found(speed: float) -> Any:
        return feasibility(
            utterances,
            targets=[(1, 1), (1, 2), (1,)],
            samples=[299, 221, 100],
            output_lengths=frames,
            speed=speed,
        )

    assert (found(1.0).infeasible, found(1.0).frames, found(1.0).needed) == ((0,), (2,), (3,))
    assert str(found(1.0)) == "1 of 3 clips have too few frames for their texts: 0.wav (2 frames, 3 needed)"
    assert found(1.1).infeasible == (0, 2)  # 221 / 1.1 is 200.9: two frames, enough
    assert found(1.2).infeasible == (0, 1, 2)
    assert str(found(0.5)) == "all 3 clips have enough frames for their texts"
    with pytest.raises(InputError, match="speed must be above 0"):
        found(0.0)


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    made = []
    for i, n in enumerate((400, 1600, 800, 900)):
        soundfile.write(tmp_path / f"{i}.wav", np.full(n, i / 8), 16000, subtype="FLOAT")
        made.append(Utterance(str(tmp_path / f"{i}.wav"), "x", "eng", f"s{i}"))
    return Examples("eng", Clips(made, 16000), ((1,), (2,), (3,), (4,)))


def test_examples_in_order_of_length(examples: Examples) -> None:
    batches = list(examples.in_order(max_total=1800))
    assert [b.keys for b in batches] == [("1.wav",), ("3.wav", "2.wav"), ("0.wav",)]
    assert [b.keys for b in examples.in_order(max_total=1)] == [
        ("1.wav",),
        ("3.wav",),
        ("2.wav",),
        ("0.wav",),
    ]
    first = batches[1]
    assert (first.audio_lengths.tolist(), first.targets.tolist(), first.speakers) == (
        [900, 800],
        [[4], [3]],
        ("s3", "s2"),
    )
    with pytest.raises(ValueError, match="4 clips but 3 targets"):
        Examples("eng", examples.clips, examples.targets[:3])
    with pytest.raises(ValueError, match="4 clips but 1 pronunciations"):
        Examples("eng", examples.clips, examples.targets, ((1,),))
    assert not first.phones.numel(), "unknown here"
    spoken = Examples("eng", examples.clips, examples.targets, ((5,), (6, 6), (7,), (8,)))
    assert spoken.batch([1, 3]).phones.tolist() == [[6, 6], [8, 0]]


class Counting:
    """An order that walks through single utterances."""

    batches_per_epoch = 2

    def __init__(self) -> None:
        self.at = 0

    def __next__(self) -> tuple[str, Sequence[int]]:
        self.at += 1
        return "eng", [(self.at - 1) % 4]

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]


def test_batches_follow_their_order_and_resume_with_it(examples: Examples) -> None:
    batches = SpeechBatches({"eng": examples}, Counting())
    assert [next(batches).keys for _ in range(3)] == [("0.wav",), ("1.wav",), ("2.wav",)]
    again = SpeechBatches({"eng": examples}, Counting())
    again.load_state_dict(batches.state_dict())
    assert next(iter(again)).keys == next(batches).keys == ("3.wav",)
    other = SpeechBatches({"eng": replace(examples, targets=((1, 2), *examples.targets[1:]))}, Counting())
    with pytest.raises(InputError, match="begun with other data, recordings or transcripts"):
        other.load_state_dict(batches.state_dict())


def test_seconds_count_whatever_their_rate() -> None:
    """Two seconds at 8 kHz are longer than one and a half at 16 kHz, come first and fill a batch of two seconds."""
    examples = {
        language: Examples(
            language,
            Clips.of([Utterance(f"{language}{at}.wav", "a", language, "s") for at in range(4)], 4 * [clip], rate),
            4 * ((1,),),
        )
        for language, clip, rate in (("eng", torch.zeros(24000), 16000), ("fin", torch.zeros(16000), 8000))
    }

    def first(seconds: float) -> SpeechBatch:
        generator = torch.Generator().manual_seed(0)
        return next(shuffled(examples, seconds=seconds, clips=8, temperature=1, generator=generator))

    assert (first(2.1).language, len(first(2.1)), len(first(4.1))) == ("fin", 1, 2)
    with pytest.raises(InputError, match=r"fin\d\.wav lasts 2\.0 s and a batch holds 1\.9 s"):
        first(1.9)
