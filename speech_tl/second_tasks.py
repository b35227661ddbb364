"""A second task that must not cost the first: from scratch, fine-tuned, as a progressive column, and by PathNet.

All share one architecture (`sequences.ModularNetwork`). From scratch, fine-tuned and as a column its banks have N
modules, all of them active; PathNet's have M, of which a path has N at most, so an example passes through no more.
Updates are equal, the search among them. It runs in one process: of several, each would judge paths by its own losses.
"""

import contextlib
import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from speech_tl.errors import InputError, unknown_name
from speech_tl.forgetting import Learned
from speech_tl.labelled import LabelledBatch, LabelledBatches
from speech_tl.results import Evaluation
from speech_tl.sequences import ModularNetwork, Sequences, evaluated, layer_groups
from speech_tl.training.loop import Plan, fit
from speech_tl.training.run import Terms
from speech_tl.training.seeding import Streams, seed_everything
from speech_tl.transfer import layers, pathnet
from speech_tl.transfer.pathnet import Tournament
from speech_tl.transfer.progressive import attach, without_laterals

Method = Literal["scratch", "full", "progressive", "progressive_without_laterals", "pathnet"]
METHODS: tuple[Method, ...] = get_args(Method)
Task = Literal["first", "second"]
TASKS: tuple[Task, ...] = get_args(Task)

BATCH = 32
"""Examples in a batch."""
AFRESH = 1000
"""Added to the seed for what is fresh in learning the second task: not what the first began with."""


@dataclass(frozen=True)
class Search:
    """How PathNet looks for a path.

    Raises:
        InputError: more modules on a path than there are, or a tournament of fewer than two.
    """

    modules: int = 10
    """M, in every bank."""
    active: int = 3
    """N, of every bank on a path at most; as many as the other methods have."""
    population: int = 8
    """Paths."""
    updates: int = 10
    """Of each path in one tournament."""

    def __post_init__(self) -> None:
        if not 1 <= self.active <= self.modules:
            raise InputError(f"{self.active} active of {self.modules} modules: expected 1 to {self.modules}")
        if self.population < 2 or self.updates < 1:
            raise InputError(
                f"a tournament among {self.population} paths of {self.updates} updates each: expected 2 and 1 at least"
            )

    def tournament(self, banks: int, generator: torch.Generator) -> Tournament:
        """The first one, among paths drawn at random through so many banks."""
        paths = pathnet.drawn(
            self.population, banks=banks, active=self.active, modules=self.modules, generator=generator
        )
        return Tournament(paths, modules=self.modules, updates=self.updates, generator=generator)


@dataclass(frozen=True)
class Fitted:
    """What training took."""

    trained_parameters: int
    """PathNet's are those of all modules that could come onto a path."""
    seconds: float
    """CPU-seconds; wall seconds on a GPU."""
    path: pathnet.Path
    """What is active afterwards: the path that won, or everything."""


@dataclass(frozen=True)
class Pair:
    """Two tasks, one after the other; networks that several methods need are trained once."""

    case: str
    data: Mapping[Task, Mapping[str, Sequences]]
    """`train` and `test` of both."""
    plan: Plan
    """Of either task."""
    search: Search
    folder: Path
    seed: int
    resume: bool = False
    device: str = "auto"

    def learn(self, method: Method) -> Learned:
        """The second task by one method.

        Raises:
            InputError: a method that there is not.
        """
        if method not in METHODS:
            raise unknown_name("method", method, METHODS)
        if method == "scratch":
            return self._scratch()
        if method == "full":
            return self._full()
        return self._pathnet() if method == "pathnet" else self._progressive(method)

    @cached_property
    def column(self) -> tuple[ModularNetwork, Evaluation]:
        """A network that has learned the first task, and its results there."""
        model = self._fresh("first", self.search.active)
        self._fitted("first", model, "first")
        return model, self._tested(model, "first")

    @cached_property
    def beside(self) -> tuple[ModularNetwork, Fitted]:
        """A network that has learned the second task reading `column`, which is byte for byte what it was."""
        model, (column, _) = self._fresh("second", self.search.active), self.column
        columns = layer_groups(model, "second"), layer_groups(column, "first")
        attach(*columns, width=model.width, inner=max(1, model.width // 4))
        held = layers.frozen(column)
        fitted = self._fitted("progressive", model, "second")
        layers.check_frozen(column, held)
        return model, fitted

    def _scratch(self) -> Learned:
        model = self._fresh("second", self.search.active)
        fitted = self._fitted("scratch", model, "second")
        nothing = Evaluation(())
        return self._learned("scratch", fitted, nothing, nothing, self._tested(model, "second"))

    def _full(self) -> Learned:
        column, before = self.column
        model = copy.deepcopy(column)
        self._add_second(model)
        groups = layer_groups(model, "second")
        layers.train_only(model, groups, groups)
        fitted = self._fitted("full", model, "second")
        after, second = (self._tested(model, task) for task in TASKS)
        return self._learned("full", fitted, before, after, second)

    def _progressive(self, method: Method) -> Learned:
        column, before = self.column
        model, fitted = self.beside
        closed = without_laterals(layer_groups(model, "second"))
        with contextlib.nullcontext() if method == "progressive" else closed:
            second = self._tested(model, "second")
        return self._learned(method, fitted, before, self._tested(column, "first"), second)

    def _pathnet(self) -> Learned:
        model = self._fresh("first", self.search.modules)
        first = self._fitted("pathnet_first", model, "first", search=True)
        before = self._tested(model, "first")
        pathnet.keep(model, model.banks, first.path, fresh=self._fresh("second", self.search.modules).banks)
        self._add_second(model)
        fitted = self._fitted("pathnet_second", model, "second", search=True)
        second = self._tested(model, "second")
        pathnet.walk(model.banks, first.path)
        after = self._tested(model, "first")
        return self._learned("pathnet", fitted, before, after, second, (first.path, fitted.path))

    def _learned(
        self,
        method: Method,
        fitted: Fitted,
        before: Evaluation,
        after: Evaluation,
        second: Evaluation,
        paths: tuple[pathnet.Path, ...] = (),
    ) -> Learned:
        count, seconds = fitted.trained_parameters, fitted.seconds
        passed = tuple(frozenset(pathnet.names(path)) for path in paths)
        return Learned(self.case, method, self.seed, before, after, second, count, seconds, passed)

    def _fresh(self, task: Task, modules: int) -> ModularNetwork:
        """An untrained network; the two tasks do not begin with the same weights."""
        seed_everything(self.seed + (AFRESH if task == "second" else 0))
        train = self.data[task]["train"]
        _, frames, features = train.features.shape
        model = ModularNetwork((frames, features), modules=modules)
        model.add_head(task, train.classes)
        return model

    def _add_second(self, model: ModularNetwork) -> None:
        seed_everything(self.seed + AFRESH)
        model.add_head("second", self.data["second"]["train"].classes)

    def _fitted(self, name: str, model: ModularNetwork, task: Task, *, search: bool = False) -> Fitted:
        """`model` trained in what is free of it; that the rest did not move is checked."""
        count = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        held = layers.frozen(model)
        seed_everything(self.seed)
        streams = Streams(self.seed)
        order = streams.generator("batches")
        batches = LabelledBatches(self.data[task]["train"], model.classes[task], batch=BATCH, generator=order)
        tournament = None
        if search:  # each task begins with a population of its own
            paths = streams.generator(f"paths of the {task} task")
            tournament = self.search.tournament(len(model.banks), paths)
        history = fit(
            model,
            _Trials(batches, tournament) if tournament else batches,
            _terms(task, tournament),
            plan=self.plan,
            out=self.folder / name,
            streams=streams,
            resume=self.resume,
            device=self.device,
        )
        layers.check_frozen(model, held)
        if tournament:
            pathnet.walk(model.banks, tournament.winner)
        return Fitted(count, history.train_seconds, pathnet.walked(model.banks))

    def _tested(self, model: ModularNetwork, task: Task) -> Evaluation:
        return evaluated(model, self.data[task]["test"], task)


class _Trials:
    """Batches of a search: how far the tournament is, is part of where they stand."""

    def __init__(self, batches: LabelledBatches, tournament: Tournament) -> None:
        self.batches, self.tournament = batches, tournament

    def __next__(self) -> LabelledBatch:
        return next(self.batches)

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches.state_dict(), "tournament": self.tournament.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.batches.load_state_dict(state["batches"])
        self.tournament.load_state_dict(state["tournament"])


def _terms(task: Task, tournament: Tournament | None) -> Terms:
    def terms(model: ModularNetwork, batch: LabelledBatch, _progress: float) -> dict[str, Tensor]:
        if tournament:
            pathnet.walk(model.banks, tournament.path)
        loss = nn.functional.cross_entropy(model(batch.examples, task).float(), batch.targets)
        if tournament:
            tournament.note(loss.item())
        return {"cross_entropy": loss}

    return terms
