"""`fit`: train any model on any batches with a dictionary of named losses; killed, it can be continued.

This file is the order of events (step, validate, keep the best, save, stop); `run.py` is what each does.
"""

import contextlib
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from speech_tl.device import chosen
from speech_tl.training.checkpoint import load_state
from speech_tl.training.plan import History, Plan, check
from speech_tl.training.progress import Reporter
from speech_tl.training.run import Batches, Run, Terms
from speech_tl.training.seeding import Streams

__all__ = ["Batches", "History", "Plan", "Terms", "fit"]


def fit(
    model: nn.Module,
    batches: Batches,
    terms: Terms,
    *,
    plan: Plan,
    out: Path,
    streams: Streams,
    validate: Callable[[Any], float] | None = None,
    on_best: Callable[[Any], object] | None = None,
    rates: Mapping[str, float] | None = None,
    resume: bool = False,
    device: str = "auto",
) -> History:
    """Minimise the sum of `terms(model, batch, progress)`; returns the history, leaves the last weights in `model`.

    `terms` and `validate` get the model itself, so its own methods are at hand: with several processes it is
    the computation of the terms that is synchronised. `validate` (lower is better) and `on_best`, which keeps
    the model that validated best, run on the main process and see the averaged weights. `rates` are parameter
    name -> factor on the learning rate, 1 where absent (`transfer.layers.rates`). `out` receives
    `state.safetensors`, `log.txt`, `tensorboard/` and, after a step that was not finite, its batches under
    `nonfinite/`; without `resume`, what is there of an earlier run is removed.
    """
    check(plan, batches_per_epoch=getattr(batches, "batches_per_epoch", None))
    accelerator = _accelerator(device)
    state_file = out / "state.safetensors"
    if not resume and accelerator.is_main_process:
        _clear(out)
    with Reporter(out, speaks=accelerator.is_main_process) as reporter, _stop_requests() as asked:
        run = Run(
            model,
            batches,
            terms,
            plan=plan,
            out=out,
            streams=streams,
            accelerator=accelerator,
            reporter=reporter,
            rates=rates or {},
        )
        if resume and state_file.exists():
            run.restore(load_state(state_file))
            reporter.say(f"resumed after step {run.history.steps}")
        elif resume:
            reporter.say(f"nothing to resume in {out}: starting from the first step")
        reporter.open_curves(after=run.history.steps)
        while not run.finished:
            run.train_step()
            stop = run.tick(bool(asked))
            if run.due:
                if validate is not None:
                    run.validate(validate, on_best)
                if run.over and run.history.best_step is None and on_best is not None:
                    run.export(on_best)
                run.finished = run.over
            if run.due or run.just_fixed or stop:
                run.save()
            if stop or (run.due and run.asked(bool(asked))):  # also while it validated
                raise KeyboardInterrupt(
                    f"stopped after step {run.history.steps}, saved in {out}; run again with --resume to continue"
                )
    return run.history


def _clear(out: Path) -> None:
    """A run that starts over leaves nothing of the one before: a later --resume would take it for its own."""
    for leftover in ("state.safetensors", "log.txt"):
        (out / leftover).unlink(missing_ok=True)
    for leftover in ("tensorboard", "nonfinite"):
        shutil.rmtree(out / leftover, ignore_errors=True)


def _accelerator(device: str) -> Accelerator:
    cpu = chosen(device) == "cpu"
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # a batch passes one head of several
    return Accelerator(cpu=cpu, mixed_precision="no" if cpu else "bf16", kwargs_handlers=[unused])


@contextlib.contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM are noted, for the step to be finished first; a second ctrl-C leaves at once."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and signal.SIGINT in asked:
            raise KeyboardInterrupt("left at once; run again with --resume to continue from the last saved state")
        asked.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
