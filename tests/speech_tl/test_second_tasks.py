"""Both tasks of a pair by every method, on bumps whose place is their class."""

from pathlib import Path

import numpy as np
import pytest

from speech_tl.errors import InputError
from speech_tl.forgetting import Learned
from speech_tl.results import Evaluation
from speech_tl.second_tasks import Method, Pair, Search
from speech_tl.sequences import Sequences
from speech_tl.training.checkpoint import load_state
from speech_tl.training.loop import Plan
from speech_tl.transfer.pathnet import Tournament

SEARCH = Search(modules=4, active=2, population=4, updates=3)
BANK = 5 * 2 * 32 + 32, 5 * 32 * 32 + 32, 5 * 32 * 32 + 32
"""Weights of a module in each bank: five frames in, 32 channels out."""
HEAD = 32 * 2 + 2
"""One frame is left of eight, and there are two classes."""


def bumps(column: int, count: int, seed: int) -> Sequences:
    """Early or late in one of two features."""
    random = np.random.default_rng(seed)
    features = 0.3 * random.standard_normal((count, 8, 2)).astype(np.float32)
    for at in range(count):
        features[at, 2 + 3 * (at % 2), column] += 2
    return Sequences(features, tuple(("early", "late")[at % 2] for at in range(count)), ("",) * count)


def pair(folder: Path, *, steps: int = 60, resume: bool = False) -> Pair:
    data = {
        task: {"train": bumps(column, 64, column), "test": bumps(column, 40, 10 + column)}
        for column, task in enumerate(("first", "second"))
    }
    plan = Plan(steps=steps, peak_rate=5e-3, warmup_steps=5, validate_every=5)
    return Pair("bumps", data, plan, SEARCH, folder, 0, resume=resume, device="cpu")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> dict[Method, Learned]:
    own = pair(tmp_path_factory.mktemp("networks"))
    methods: list[Method] = ["progressive", "scratch", "full", "progressive_without_laterals", "pathnet"]
    return {method: own.learn(method) for method in methods}


def wrong(evaluation: Evaluation) -> int:
    return sum(result.utterance.count for result in evaluation.results)


def test_everybody_learns_both(learned: dict[Method, Learned]) -> None:
    for method, own in learned.items():
        assert wrong(own.before) == 0, method
        if method != "progressive_without_laterals":
            assert wrong(own.second) == 0, method
    assert learned["scratch"].before.results == learned["scratch"].after.results == ()


def test_the_first_task_is_answered_as_before(learned: dict[Method, Learned]) -> None:
    for method in ("progressive", "progressive_without_laterals", "pathnet"):
        assert len(learned[method].before.results) == 40
        assert learned[method].after == learned[method].before, method


def test_a_column_that_is_read_stays_to_the_byte(tmp_path: Path) -> None:
    own = pair(tmp_path, steps=20)
    column, _ = own.column
    before = {name: value.clone() for name, value in column.state_dict().items()}
    own.learn("progressive")
    model, _ = own.beside
    assert all(value.equal(before[name]) for name, value in column.state_dict().items())
    assert model.banks[1].get_parameter("lateral.up.weight").abs().sum() > 0, "and it was read"


def test_what_is_trained_is_counted(learned: dict[Method, Learned]) -> None:
    laterals = [width * 8 + 8 + 8 * 32 for width in (32, 32, 32)]  # to 8 channels and back, of two banks and the head
    counts = {method: own.trained_parameters for method, own in learned.items()}
    assert counts["scratch"] == counts["full"] == 2 * sum(BANK) + HEAD
    assert counts["progressive"] == counts["progressive_without_laterals"] == counts["scratch"] + sum(laterals)
    first, second = learned["pathnet"].paths
    kept = [sum(f"bank.{at}." in name for name in first) for at in range(3)]
    assert all(1 <= number <= SEARCH.active for number in kept)
    free = sum((SEARCH.modules - number) * size for number, size in zip(kept, BANK, strict=True))
    assert counts["pathnet"] == free + HEAD
    assert 3 <= len(second) <= 3 * SEARCH.active


def test_the_winning_path_is_byte_for_byte_what_it_was(tmp_path: Path) -> None:
    own = pair(tmp_path, steps=20).learn("pathnet")
    first, second = (
        load_state(tmp_path / f"pathnet_{task}" / "state.safetensors")["model"] for task in ("first", "second")
    )
    moved = {name for name, value in first.items() if not value.equal(second[name])}
    places = {name: name.replace("bank.", "banks.").replace("module", "members") + "." for name in own.paths[0]}
    assert not any(name.startswith(tuple(places.values())) or name.startswith("heads.first") for name in moved)
    others = {name for name in first if name.startswith("banks") and not name.startswith(tuple(places.values()))}
    assert others and others <= moved, "afresh"


def test_a_search_that_was_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pair(tmp_path / "whole", steps=20).learn("pathnet")
    note, noted = Tournament.note, [0]

    def stops(tournament: Tournament, loss: float) -> None:
        noted[0] += 1
        if noted[0] == 33:  # update 13 of the second task; updates 5 and 10 were saved, in mid-tournament
            raise KeyboardInterrupt
        note(tournament, loss)

    with monkeypatch.context() as patch:
        patch.setattr(Tournament, "note", stops)
        with pytest.raises(KeyboardInterrupt):
            pair(tmp_path / "cut", steps=20).learn("pathnet")
    cut = pair(tmp_path / "cut", steps=20, resume=True).learn("pathnet")
    assert cut.paths == whole.paths and cut.second == whole.second and cut.before == whole.before
    theirs, ours = (load_state(tmp_path / run / "pathnet_second" / "state.safetensors") for run in ("whole", "cut"))
    assert all(value.equal(ours["model"][name]) for name, value in theirs["model"].items())
    assert theirs["batches"]["tournament"]["population"].equal(ours["batches"]["tournament"]["population"])
    again = pair(tmp_path / "cut", steps=20, resume=True).learn("pathnet")
    assert again == cut, "finished, seconds and all"


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ({"modules": 3, "active": 4}, "4 active of 3 modules: expected 1 to 3"),
        ({"active": 0}, "0 active of 10 modules"),
        ({"population": 1}, "among 1 paths of 10 updates each: expected 2 and 1"),
        ({"updates": 0}, "among 8 paths of 0 updates"),
    ],
)
def test_a_search_that_cannot_be(search: dict[str, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Search(**search)
