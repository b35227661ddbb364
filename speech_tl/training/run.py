"""A training run between two steps: what one step does, and everything that has to be saved to continue it.

The whole state (weights, optimizer, averages, position in the data, random generators, history, the number of
steps a budget amounts to) is one file; whoever resumes from it computes what the uninterrupted run would
have.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn

from speech_tl.errors import InputError
from speech_tl.training.checkpoint import save_state
from speech_tl.training.plan import History, Plan, affordable_steps, check_same, steps
from speech_tl.training.progress import Reporter
from speech_tl.training.schedules import warmup_cosine
from speech_tl.training.seeding import Streams, global_state, restore_global_state

CALIBRATION = 0.2
"""The share of a budget in minutes after which it becomes a number of steps; what starts only then is not reckoned
with."""


class Batches(Protocol):
    """Endless; each item has `.to(device)` and `.share(rank, world) -> (item, weight)`.

    weight = local_n * world / global_n, so that the mean over ranks is the mean over items. A rank that is
    left without items returns any one item with weight 0. Every rank draws the same items, so the state of
    one is the state of all.
    """

    def __next__(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


Terms = Callable[[Any, Any, float], Mapping[str, Tensor]]
"""(model, batch, share of the updates done, 0 to 1) -> named losses; a scheduled weight depends on the share."""


class _Terms(nn.Module):
    """The losses as a module, so that with several processes the whole computation is synchronised.

    A term may then use any parameter in any way (a penalty on weights that this batch does not pass through
    too).
    """

    def __init__(self, model: nn.Module, terms: Terms) -> None:
        super().__init__()
        self.model = model
        self.terms = terms

    def forward(self, batch: Any, progress: float) -> dict[str, Tensor]:
        return dict(self.terms(self.model, batch, progress))


class Run:
    """A training run between two steps. Everything that counts or draws is in `state()`."""

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        terms: Terms,
        *,
        plan: Plan,
        out: Path,
        streams: Streams,
        accelerator: Accelerator,
        reporter: Reporter,
        rates: Mapping[str, float],
    ) -> None:
        self.model, self.batches, self.plan, self.out, self.streams = model, batches, plan, out, streams
        self.accelerator, self.reporter = accelerator, reporter
        _training_mode(model)
        self.wrapped = accelerator.prepare(_Terms(model, terms))
        self.trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.optimizer = _optimizer(self.trained, plan, rates)
        self.averages = {name: value.detach().clone() for name, value in self._averaged()} if plan.average else {}
        self.history = History()
        self.total = steps(plan, batches_per_epoch=getattr(batches, "batches_per_epoch", None))
        self.clocked: list[float] = []
        self.window: dict[str, list[float]] = {}
        self.finished = False
        self.just_fixed = False
        self._clock = time.process_time if accelerator.device.type == "cpu" else time.perf_counter
        self._began = self._clock()
        if accelerator.process_index:  # the other ranks draw other dropout masks than the first
            torch.manual_seed(streams.seed_of(f"rank {accelerator.process_index}"))

    @property
    def over(self) -> bool:
        return self.history.steps == self.total or self.history.stopped_early

    @property
    def progress(self) -> float:
        """The share of the updates that are done, of the minutes as long as these are not yet a number of steps."""
        if self.total is None and self.plan.minutes is not None:
            return self.history.train_seconds / (60 * self.plan.minutes)
        return self.history.steps / self.total if self.total else 0.0

    @property
    def due(self) -> bool:
        return self.history.steps % self.plan.validate_every == 0 or self.over

    def train_step(self) -> None:
        """Forward, backward, clip, step; a step that is not finite changes nothing but the history."""
        self._began = self._clock()
        plan, accelerator = self.plan, self.accelerator
        rank, world = accelerator.process_index, accelerator.num_processes
        shares = [next(self.batches).share(rank, world) for _ in range(plan.accumulate)]
        buffers = [buffer.clone() for buffer in self.model.buffers()]
        sums: dict[str, Tensor] = {}
        for at, (batch, weight) in enumerate(shares):
            last = at + 1 == len(shares)
            with contextlib.nullcontext() if last else accelerator.no_sync(self.wrapped):
                losses = self.wrapped(batch.to(accelerator.device), self.progress)
                scaled = {name: loss * (weight / plan.accumulate) for name, loss in losses.items()}
                accelerator.backward(torch.stack(list(scaled.values())).sum())
            for name, loss in scaled.items():
                sums[name] = sums.get(name, 0.0) + loss.detach()
        norm = nn.utils.clip_grad_norm_(self.trained.values(), plan.clip_norm or math.inf)
        *means, norm_value = self._agree([*sums.values(), norm], "mean")
        self.history.steps += 1
        if all(math.isfinite(value) for value in (*means, norm_value)):
            rate = plan.peak_rate * self._multiplier(self.history.steps - 1)
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            self.optimizer.step()
            self._update_averages()
            row = {
                "loss": sum(means),
                **dict(zip(sums, means, strict=True)),
                "rate": rate,
                "norm": norm_value,
            }
            self._note(row)
        else:
            for buffer, kept in zip(self.model.buffers(), buffers, strict=True):
                buffer.copy_(kept)  # a NaN would stay in running statistics for ever
            self._skip([batch for batch, _ in shares], dict(zip(sums, means, strict=True)), norm_value)
        self.optimizer.zero_grad(set_to_none=True)

    def tick(self, asked: bool) -> bool:
        """Count the step's seconds, turn minutes into steps when it is time; True if any rank is to stop."""
        spent, stop = self._agree([self._clock() - self._began, float(asked)], "sum")
        if self.accelerator.device.type != "cpu":
            spent /= self.accelerator.num_processes
        self.history.train_seconds += spent
        self.just_fixed = False
        if self.total is None and self.plan.minutes is not None:
            self.clocked.append(self.history.train_seconds)
            seconds = 60 * self.plan.minutes
            if self.history.train_seconds >= CALIBRATION * seconds:
                self.total = affordable_steps(self.clocked, seconds)
                self.just_fixed = True
                self.reporter.say(
                    f"{self.plan.minutes:g} minutes are {self.total} steps at this pace, fixed from here on"
                )
                if self.plan.warmup_steps > self.total / 2:
                    self.reporter.say(f"more than half of them is warm-up ({self.plan.warmup_steps} steps)")
        self.reporter.advance(self.history.steps, self.total)
        return stop > 0

    def asked(self, asked: bool) -> bool:
        """True if any rank is to stop."""
        return self._agree([float(asked)], "sum")[0] > 0

    def validate(self, validate: Callable[[Any], float], on_best: Callable[[Any], object] | None) -> None:
        with self._evaluating():
            score = float(validate(self.model)) if self.accelerator.is_main_process else math.nan
        score = float(broadcast_object_list([score])[0])
        history = self.history
        row = {"step": float(history.steps), "score": score}
        history.validations.append(row)
        # A tie goes to the later weights: a small validation set is soon without errors, and training still helps.
        better = math.isfinite(score) and (history.best_score is None or score <= history.best_score)
        self.reporter.scalars("validation", row)
        self.reporter.say(f"step {history.steps}  validation {score:.4f}{'  best so far' if better else ''}")
        if better:
            history.best_step, history.best_score = history.steps, score
            if on_best is not None:
                self.export(on_best)
        since = sum(row["step"] > (history.best_step or 0) for row in history.validations)
        if self.plan.patience and since >= self.plan.patience:
            history.stopped_early = True
            self.reporter.say(f"no better validation in {since}: stopping early, the best was step {history.best_step}")

    def export(self, on_best: Callable[[Any], object]) -> None:
        with self._evaluating():
            if self.accelerator.is_main_process:
                on_best(self.model)
        self.accelerator.wait_for_everyone()

    def save(self) -> None:
        random = gather_object([{"global": global_state(), "streams": self.streams.state_dict()}])
        if self.accelerator.is_main_process:
            names = {id(weight): name for name, weight in self.trained.items()}
            moments = {names[id(weight)]: moment for weight, moment in self.optimizer.state.items()}
            state = {
                "plan": asdict(self.plan),
                "model": self.model.state_dict(),
                "optimizer": moments,
                "averages": self.averages,
                "batches": self.batches.state_dict(),
                "random": {str(rank): each for rank, each in enumerate(random)},
                "history": asdict(self.history),
                "window": self.window,
                "clocked": self.clocked,
                "total": self.total,
                "finished": self.finished,
            }
            save_state(self.out / "state.safetensors", state)
        self.accelerator.wait_for_everyone()

    def restore(self, state: Mapping[str, Any]) -> None:
        check_same(self.plan, state["plan"], out=self.out)
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise InputError(
                f"the model is not the one saved in {self.out} ({' '.join(str(error).split())[:200]}); "
                "give the flags of the first start, or another folder"
            ) from None
        order = {id(weight): name for name, weight in self.trained.items()}
        names = [order[id(weight)] for group in self.optimizer.param_groups for weight in group["params"]]
        moments = {at: state["optimizer"][name] for at, name in enumerate(names) if name in state["optimizer"]}
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        for name, value in self.averages.items():
            value.copy_(state["averages"][name])
        rank = str(self.accelerator.process_index)
        if rank in state["random"]:
            restore_global_state(state["random"][rank]["global"])
        self.streams.load_state_dict(state["random"][rank if rank in state["random"] else "0"]["streams"])
        self.batches.load_state_dict(state["batches"])
        self.history = History(**state["history"])
        self.window, self.total, self.finished = state["window"], state["total"], state["finished"]
        self.clocked = state["clocked"]

    def _multiplier(self, step: int) -> float:
        """While the number of steps is still unknown, of as many as the minutes would be at the pace so far."""
        total = self.total or max(step + 1, round(step / self.progress) if self.progress else 0)
        return warmup_cosine(step, total=total, warmup=self.plan.warmup_steps)

    def _agree(self, values: Sequence[Tensor | float], how: str) -> list[float]:
        """The mean or sum over all ranks, the same numbers on each."""
        device = self.accelerator.device
        stacked = torch.stack([torch.as_tensor(value, device=device).double() for value in values])
        agreed: list[float] = self.accelerator.reduce(stacked, how).tolist()
        return agreed

    def _note(self, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            total, count = self.window.get(name, [0.0, 0])
            self.window[name] = [total + value, count + 1]
        if self.history.steps % self.plan.log_every == 0 or self.over:
            means = {name: total / count for name, (total, count) in self.window.items()}
            means |= {"step": float(self.history.steps), "rate": row["rate"]}
            self.history.losses.append(means)
            self.reporter.losses(means, self.total)
            self.window = {}

    def _skip(self, batches: Sequence[Any], means: Mapping[str, float], norm: float) -> None:
        """Keep the batches of a step that was not finite, name it, and give up after several in a row."""
        history, folder = self.history, self.out / "nonfinite"
        history.nonfinite.append(history.steps)
        rank = self.accelerator.process_index
        for at, batch in enumerate(batches):
            save_state(folder / f"step{history.steps}-rank{rank}-{at}.safetensors", _contents(batch))
        values = ", ".join(f"{name} {value:g}" for name, value in {**means, "gradient norm": norm}.items())
        self.reporter.say(f"step {history.steps} skipped, not finite ({values}): its batch is kept in {folder}")
        row = self.plan.max_nonfinite
        if history.nonfinite[-row:] == list(range(history.steps - row + 1, history.steps + 1)):
            self.save()
            raise InputError(
                f"{row} steps in a row were not finite (the last: {values}); their batches are in {folder}: "
                "look for broken items there, or start again with a lower peak rate or a longer warm-up"
            )

    def _averaged(self) -> Iterator[tuple[str, Tensor]]:
        """What an average is kept of: the trained weights, and running statistics, which belong to them."""
        yield from self.trained.items()
        yield from ((name, value) for name, value in self.model.named_buffers() if value.is_floating_point())

    @torch.no_grad()
    def _update_averages(self) -> None:
        """a <- d a + (1 - d) w, d = min(average, (1 + t) / (10 + t)): the start is soon forgotten."""
        if self.averages:
            done = self.history.steps
            decay = min(self.plan.average, (1 + done) / (10 + done))
            values = [value.detach() for _, value in self._averaged()]
            torch._foreach_lerp_(list(self.averages.values()), values, 1 - decay)

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Evaluation mode, averaged weights, no gradients; then all as before, random generators too."""
        modes = {module: module.training for module in self.model.modules()}
        random = global_state()
        self._swap_averages()
        self.model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module, training in modes.items():
                module.training = training
            self._swap_averages()
            restore_global_state(random)

    @torch.no_grad()
    def _swap_averages(self) -> None:
        if self.averages:
            for name, value in self._averaged():
                kept = value.detach().clone()
                value.copy_(self.averages[name])
                self.averages[name].copy_(kept)


def _optimizer(trained: Mapping[str, nn.Parameter], plan: Plan, rates: Mapping[str, float]) -> torch.optim.AdamW:
    """Weights of one learning rate and one decay together; vectors and scalars do not decay."""
    if not trained:
        raise InputError("every weight of the model is frozen: nothing to train")
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, weight in trained.items():
        groups.setdefault((weight.ndim <= 1, rates.get(name, 1.0)), []).append(weight)
    parts = [
        {"params": weights, "weight_decay": 0.0 if small else plan.weight_decay, "factor": factor}
        for (small, factor), weights in sorted(groups.items(), key=lambda item: item[0])
    ]
    return torch.optim.AdamW(parts, lr=plan.peak_rate, betas=(0.9, 0.98), fused=True)


def _training_mode(model: nn.Module) -> None:
    """A module whose weights are all frozen stays in evaluation mode: its statistics do not move either."""
    model.train()
    for module in model.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()


def _contents(batch: Any) -> dict[str, Any]:
    """A batch's fields that can be stored: tensors, texts and numbers, and those of the batches in it."""
    names = [field.name for field in dataclasses.fields(batch)] if dataclasses.is_dataclass(batch) else vars(batch)
    fields = {name: getattr(batch, name) for name in names}
    plain = (Tensor, str, int, float, list, tuple)
    found = {name: value for name, value in fields.items() if isinstance(value, plain)}
    return found | {name: _contents(value) for name, value in fields.items() if dataclasses.is_dataclass(value)}
