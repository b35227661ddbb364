"""Streams do not disturb each other, and every generator goes on from where it was saved."""

import random
from pathlib import Path

import numpy as np
import torch

from speech_tl.training.checkpoint import load_state, save_state
from speech_tl.training.seeding import Streams, global_state, restore_global_state, seed_everything


def draw(streams: Streams, name: str) -> list[float]:
    values: list[float] = torch.rand(3, generator=streams.generator(name)).tolist()
    return values


def test_a_stream_is_its_seed_and_name() -> None:
    assert draw(Streams(1), "batches") == draw(Streams(1), "batches")
    assert draw(Streams(1), "batches") != draw(Streams(2), "batches")
    assert draw(Streams(1), "batches") != draw(Streams(1), "augmentation")


def test_drawing_from_one_stream_leaves_the_others() -> None:
    streams = Streams(1)
    draw(streams, "augmentation")
    assert draw(streams, "batches") == draw(Streams(1), "batches")


def test_a_restored_stream_goes_on_also_where_it_is_held() -> None:
    streams = Streams(1)
    draw(streams, "batches")
    state = streams.state_dict()
    expected = draw(streams, "batches")
    other = Streams(5)
    held = other.generator("batches")
    other.load_state_dict(state)
    assert torch.rand(3, generator=held).tolist() == expected
    assert other.seed == 1
    assert draw(other, "new") == draw(Streams(1), "new")


def test_global_generators_survive_a_file(tmp_path: Path) -> None:
    def draws() -> tuple[float, ...]:
        return (random.random(), random.gauss(0, 1), np.random.normal(), float(torch.rand(())))

    seed_everything(3)
    first = draws()  # an odd number of gaussians: python and numpy both keep the second of a pair
    save_state(tmp_path / "random", global_state())
    expected = draws()
    restore_global_state(load_state(tmp_path / "random"))
    assert draws() == expected
    seed_everything(3)
    assert draws() == first
