"""What a run promises: killed and continued, or on two ranks, it computes the same; it says why it stops."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from speech_tl.errors import InputError
from speech_tl.training.checkpoint import load_state
from speech_tl.training.loop import Plan, fit
from speech_tl.training.plan import affordable_steps
from speech_tl.training.run import Run
from speech_tl.training.seeding import Streams, seed_everything

REPOSITORY = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("tiny_run.py")


def start(out: Path, *flags: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(SCRIPT), "--out", str(out), *flags]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_state(out: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not (out / "state.safetensors").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the run saved nothing: {process.communicate()}")
        time.sleep(0.01)


def rows(history: dict[str, Any]) -> list[float]:
    return [value for row in history["losses"] for value in row.values()]


def train(tiny: ModuleType, out: Path, *, model: nn.Module | None = None, **changes: Any) -> Any:
    """The tiny run in this process, with any argument of `fit` or field of its plan changed."""
    seed_everything(7)
    streams = Streams(7)
    names = {field.name for field in dataclasses.fields(Plan)}
    settings = {name: value for name, value in changes.items() if name in names}
    others = {name: value for name, value in changes.items() if name not in names}
    arguments: dict[str, Any] = {
        "batches": tiny.Batches(streams),
        "terms": tiny.terms,
        "plan": dataclasses.replace(tiny.plan(steps=40), **settings),
        "out": out,
        "streams": streams,
        "validate": None,
        "device": "cpu",
    }
    arguments |= others
    return fit(model or tiny.Tiny(), arguments.pop("batches"), arguments.pop("terms"), **arguments)


@pytest.fixture(scope="module")
def uninterrupted(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    out = tmp_path_factory.mktemp("uninterrupted")
    tiny.run(tiny.Config(out=out), 1, out)
    return json.loads((out / "history.json").read_text()), (out / "best.txt").read_text()


def test_it_learns(uninterrupted: tuple[dict[str, Any], str]) -> None:
    history, _ = uninterrupted
    assert history["steps"] == 40
    assert [row["step"] for row in history["losses"]] == [*range(3, 40, 3), 40]
    assert history["best_score"] < 0.5 * history["validations"][0]["score"]
    assert history["losses"][0]["loss"] == pytest.approx(history["losses"][0]["square"] + history["losses"][0]["decay"])
    assert [row["step"] for row in history["validations"]] == [10, 20, 30, 40]


def test_killed_and_resumed_is_the_same_run(tmp_path: Path, uninterrupted: tuple[dict[str, Any], str]) -> None:
    process = start(tmp_path, "--pause", "0.1")
    out = tmp_path / "accumulate1"
    wait_for_state(out, process)
    time.sleep(0.25)  # some steps beyond the saved one, which are lost and taken again
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (out / "history.json").exists()
    assert 10 <= load_state(out / "state.safetensors")["history"]["steps"] < 40
    output, errors = start(tmp_path, "--resume").communicate(timeout=120)
    assert "resumed after step" in output, errors
    history, best = uninterrupted
    resumed = json.loads((out / "history.json").read_text())
    assert rows(resumed) == pytest.approx(rows(history), abs=1e-6)
    assert resumed["validations"] == history["validations"]
    assert (out / "best.txt").read_text() == best


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_finishes_the_step_and_saves(tiny: ModuleType, tmp_path: Path, number: signal.Signals) -> None:
    count = iter(range(1, 1000))

    def interrupted(model: nn.Module, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        if next(count) == 13:
            os.kill(os.getpid(), number)
        losses: dict[str, torch.Tensor] = tiny.terms(model, batch, progress)
        return losses

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step 13, saved in .* --resume"):
        train(tiny, tmp_path / "stopped", terms=interrupted)
    assert signal.getsignal(number) is before
    resumed = train(tiny, tmp_path / "stopped", resume=True)
    assert resumed.losses == train(tiny, tmp_path / "whole").losses


def test_an_interrupt_of_the_last_validation_is_heard(tiny: ModuleType, tmp_path: Path) -> None:
    """What was trained is saved, and the one who asked is told; the next call has nothing left to do."""

    def interrupted(model: nn.Module) -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    with pytest.raises(KeyboardInterrupt, match="--resume"):
        train(tiny, tmp_path / "stopped", validate=interrupted, steps=4, validate_every=4)
    assert train(tiny, tmp_path / "stopped", resume=True, steps=4, validate_every=4).steps == 4


def test_two_ranks_compute_what_one_does(tiny: ModuleType, tmp_path: Path) -> None:
    """Shares of 3 + 2, 2 + 2 and 1 + 0 items; each batch passes one of the two heads."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    flags = ("--dropout", "0", "--steps", "20", "--accumulate")
    process = start(tmp_path / "two", *flags, "1", "2", launcher=launcher)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    for accumulate in (1, 2):
        config = tiny.Config(out=tmp_path / "one", dropout=0.0, steps=20)
        one = dataclasses.asdict(tiny.run(config, accumulate, tmp_path / f"one{accumulate}"))
        two = json.loads((tmp_path / "two" / f"accumulate{accumulate}" / "history.json").read_text())
        assert rows(two) == pytest.approx(rows(one), abs=1e-4)
        assert two["best_score"] == pytest.approx(one["best_score"], abs=1e-4)


def test_validating_changes_no_loss(tiny: ModuleType, tmp_path: Path) -> None:
    def draws(model: nn.Module) -> float:
        assert not model.training
        return float(torch.rand(()))

    never = train(tiny, tmp_path / "never")
    often = train(tiny, tmp_path / "often", validate=draws, validate_every=1)
    assert often.losses == never.losses
    assert len(often.validations) == 40


def test_a_finished_run_resumes_to_its_history(tiny: ModuleType, tmp_path: Path) -> None:
    first = train(tiny, tmp_path)
    model = tiny.Tiny()
    again = train(tiny, tmp_path, model=model, resume=True)
    assert again == first
    saved = load_state(tmp_path / "state.safetensors")["model"]
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())


def test_the_average_is_validated_and_exported(tiny: ModuleType, tmp_path: Path) -> None:
    """One weight moving from 0 by 1 a step; after step 1 the decay is 2/11, so a = 2/11 * 0 + 9/11 * 1."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    seen: list[float] = []

    def pull(model: nn.Linear, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        return {"pull": -model.weight.sum()}

    train(
        tiny, tmp_path, model=model, terms=pull, steps=1, peak_rate=1.0, warmup_steps=1, weight_decay=0.0,
        validate=lambda model: 0.0, on_best=lambda model: seen.append(model.weight.item()),
    )  # fmt: skip
    assert seen == [pytest.approx(9 / 11)]
    assert model.weight.item() == pytest.approx(1.0)  # what is trained on is not the average


def test_stops_early_and_keeps_the_best(tiny: ModuleType, tmp_path: Path) -> None:
    scores = iter([5.0, 3.0, 3.0, float("nan"), 4.0, 1.0])  # the tie goes to the later weights
    kept: list[int] = []
    history = train(
        tiny,
        tmp_path,
        patience=2,
        validate_every=2,
        validate=lambda model: next(scores),
        on_best=lambda model: kept.append(1),
    )
    assert (history.steps, history.best_step, history.best_score) == (10, 6, 3.0)
    assert history.stopped_early
    assert len(kept) == 3


def test_without_validation_the_last_is_kept(tiny: ModuleType, tmp_path: Path) -> None:
    kept: list[int] = []
    train(tiny, tmp_path, steps=12, on_best=lambda _: kept.append(1))
    assert kept == [1]


def poisoned(tiny: ModuleType, steps: set[int]) -> Callable[..., dict[str, torch.Tensor]]:
    count = iter(range(1, 1000))

    def terms(model: nn.Module, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        factor = float("nan") if next(count) in steps else 1.0
        return {name: value * factor for name, value in tiny.terms(model, batch, progress).items()}

    return terms


def test_a_step_that_is_not_finite_is_skipped_and_kept(tiny: ModuleType, tmp_path: Path) -> None:
    history = train(tiny, tmp_path, terms=poisoned(tiny, {4, 6}), max_nonfinite=2)
    assert history.steps == 40
    assert history.nonfinite == [4, 6]
    kept = load_state(tmp_path / "nonfinite" / "step4-rank0-0.safetensors")
    assert kept["inputs"].shape[1] == 3
    assert len(kept["keys"]) == len(kept["inputs"])
    assert "step 4 skipped, not finite (square nan, decay nan" in (tmp_path / "log.txt").read_text()
    assert all(torch.isfinite(torch.tensor(list(row.values()))).all() for row in history.losses)


def test_running_statistics_survive_a_broken_batch(tiny: ModuleType, tmp_path: Path) -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))
    broken = iter([False, True, False])

    def terms(model: nn.Module, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        inputs = batch.inputs.repeat(2, 1) * (float("inf") if next(broken) else 1.0)
        return {"mean": model(inputs).mean()}

    history = train(tiny, tmp_path, model=model, terms=terms, steps=3)
    assert history.nonfinite == [2]
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_several_in_a_row_stop_the_run(tiny: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 steps in a row were not finite .* lower peak rate"):
        train(tiny, tmp_path, terms=poisoned(tiny, {2, 5, 6, 7}), max_nonfinite=3)
    assert len(list((tmp_path / "nonfinite").iterdir())) == 4


def test_frozen_layers_do_not_move(tiny: ModuleType, tmp_path: Path) -> None:
    """Neither their weights nor their running statistics: byte-identical."""
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    before = {name: value.clone() for name, value in model[0].state_dict().items()}
    train(tiny, tmp_path, model=model, terms=lambda m, b, _: {"mean": m(b.inputs).pow(2).mean()}, steps=5)
    assert all(torch.equal(value, before[name]) for name, value in model[0].state_dict().items())


def test_layers_learn_at_rates_of_their_own(tiny: ModuleType, tmp_path: Path) -> None:
    """Adam's first step is the rate itself: 1 for the bias, a quarter for the weight."""
    model = nn.Linear(1, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)

    def pull(model: nn.Linear, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        return {"pull": -model.weight.sum() - model.bias.sum()}

    train(
        tiny, tmp_path, model=model, terms=pull, steps=1, peak_rate=1.0, warmup_steps=1, weight_decay=0.0,
        rates={"weight": 0.25},
    )  # fmt: skip
    assert (model.weight.item(), model.bias.item()) == (pytest.approx(0.25), pytest.approx(1.0))


@pytest.fixture
def half_second_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100_000))
    monkeypatch.setattr("speech_tl.training.run.time.process_time", lambda: next(ticks) / 2)


@pytest.mark.usefixtures("half_second_steps")
def test_minutes_become_a_fixed_number_of_steps(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock of 0.5 s a step: a fifth of a minute is over after 24 steps, and the minute is 120 steps."""
    fixed: list[int] = []
    save = Run.save

    def noted(run: Run) -> None:
        fixed.append(run.history.steps)
        save(run)

    monkeypatch.setattr(Run, "save", noted)
    history = train(tiny, tmp_path, steps=None, minutes=1.0, validate_every=50)
    assert history.steps == 120
    assert history.train_seconds == pytest.approx(60)
    assert fixed == [24, 50, 100, 120]  # saved at once when it is known
    assert load_state(tmp_path / "state.safetensors")["total"] == 120


@pytest.mark.usefixtures("half_second_steps")
def test_terms_know_the_share_of_minutes_spent(tiny: ModuleType, tmp_path: Path) -> None:
    """What happens after a tenth of the updates happens while the pace is still measured."""
    seen: list[float] = []

    def terms(model: nn.Module, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        seen.append(progress)
        return dict(tiny.terms(model, batch, progress))

    train(tiny, tmp_path, terms=terms, steps=None, minutes=1.0)
    assert seen == pytest.approx([step / 120 for step in range(120)])


def test_slow_first_steps_do_not_shorten_a_run() -> None:
    # three seconds of loading, then a tenth for each step: 4 are done, 6.7 of 10 seconds are left for 67 more
    assert affordable_steps([3.0, 3.1, 3.2, 3.3], 10.0) == 71
    assert affordable_steps([2.0], 10.0) == 5
    assert affordable_steps([11.0], 10.0) == 1


def test_pace_is_that_of_clips_as_they_are_varied() -> None:
    # ten updates of a second with clips as recorded, then four of three: 22 of 112 seconds are gone, 90 left for 30
    clocked = [*map(float, range(1, 11)), 13.0, 16.0, 19.0, 22.0]
    assert affordable_steps(clocked, 112.0) == 44


def test_terms_know_the_share_of_updates_done(tiny: ModuleType, tmp_path: Path) -> None:
    seen: list[float] = []

    def terms(model: nn.Module, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        seen.append(progress)
        return dict(tiny.terms(model, batch, progress))

    train(tiny, tmp_path, terms=terms, steps=4, accumulate=2)
    assert seen == [0.0, 0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]


def test_epochs(tiny: ModuleType, tmp_path: Path) -> None:
    """11 items in batches of at most 5 and 4 in one: 4 batches an epoch, 2 a step."""
    assert train(tiny, tmp_path, steps=None, epochs=1.5, accumulate=2).steps == 3


def test_starting_over_forgets_the_earlier_run(tiny: ModuleType, tmp_path: Path) -> None:
    """Otherwise a later --resume would take the earlier run's state for its own."""
    train(tiny, tmp_path, steps=4)

    def killed(model: nn.Module, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        raise RuntimeError("killed before anything is saved")

    with pytest.raises(RuntimeError, match="killed before"):
        train(tiny, tmp_path, steps=4, terms=killed)
    assert not (tmp_path / "state.safetensors").exists()
    assert train(tiny, tmp_path, steps=4, resume=True).steps == 4
    assert "nothing to resume" in (tmp_path / "log.txt").read_text()


def test_tensorboard_curves(tiny: ModuleType, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tiny, tmp_path, steps=6)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [3, 6]


def test_resume_refuses_another_plan_or_model(tiny: ModuleType, tmp_path: Path) -> None:
    train(tiny, tmp_path, steps=4)
    with pytest.raises(InputError, match=r"another plan \(steps: 4 -> 8\)"):
        train(tiny, tmp_path, steps=8, resume=True)
    with pytest.raises(InputError, match="the model is not the one saved"):
        train(tiny, tmp_path, steps=4, resume=True, model=nn.Linear(3, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes": 1.0}, "exactly one budget of minutes, steps and epochs; given: minutes and steps"),
        ({"steps": None}, "given: none"),
        ({"steps": 0}, "a budget of 0 steps trains nothing"),
        ({"accumulate": 0}, "accumulate is 0: it must be 1 or more"),
        ({"average": 1.0}, "average is 1.0"),
        ({"peak_rate": -1.0}, "peak_rate is -1.0: a learning rate is above 0"),
        ({"clip_norm": -1.0}, "clip_norm is -1.0: it must be 0 or more"),
        ({"steps": None, "epochs": float("inf")}, "a budget of inf epochs never ends"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
    ],
)
def test_plans_that_cannot_be(tiny: ModuleType, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(tiny, tmp_path, **changes)


def test_nothing_to_train(tiny: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every weight of the model is frozen"):
        train(tiny, tmp_path, model=tiny.Tiny().requires_grad_(False))
