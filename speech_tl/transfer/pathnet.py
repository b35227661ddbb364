"""Paths through a network of many small modules: evolution finds which of them a task needs, and those are then kept.

PathNet (Fernando et al., 2017): a layer is a bank of M modules, a path names at most N of them in each of L layers, and
a layer says the sum of what its modules on the path say. Of a population of paths two are drawn and trained for a few
updates each; the worse is overwritten by a mutated copy of the better. For a second task the modules of the winning
path are frozen, all others start afresh, and paths are searched again, which may pass through the frozen modules.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from speech_tl.transfer import layers

REACH = 2
"""A mutation moves by at most so many modules; the first is the last one's neighbour."""

Banks = Iterable[Any]
"""The `Bank`s of a network, from input to output."""
Path = Sequence[Sequence[int]]
"""For each bank numbers of modules; one that is named twice is there once."""


class Bank(nn.Module):
    """A layer of M modules, of which those on the path are summed.

    Args:
        module: makes one of them.
        count: M.
    """

    def __init__(self, module: Callable[[], nn.Module], count: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(module() for _ in range(count))
        self.active = tuple(range(count))
        """Numbers of the modules on the path; at first all."""

    def forward(self, hidden: Tensor) -> Tensor:
        """What one module takes -> what one module gives."""
        return torch.stack([self.members[at](hidden) for at in self.active]).sum(0)


def walk(banks: Banks, path: Path) -> None:
    """Opens these modules and closes all others."""
    for bank, numbers in zip(banks, path, strict=True):
        bank.active = tuple(sorted(set(numbers)))


def walked(banks: Banks) -> Path:
    """What is open now."""
    return tuple(bank.active for bank in banks)


def groups(banks: Banks) -> dict[str, nn.Module]:
    """Every module by its name, such as `bank.0.module.7`."""
    members = ((at, number, module) for at, bank in enumerate(banks) for number, module in enumerate(bank.members))
    return {_name(at, number): module for at, number, module in members}


def names(path: Path) -> tuple[str, ...]:
    """The modules on a path by their names, each once."""
    return tuple(_name(at, number) for at, numbers in enumerate(path) for number in sorted(set(numbers)))


def keep(model: nn.Module, banks: Banks, path: Path, *, fresh: Banks) -> None:
    """Freezes all of `model` but the modules off the path, which are given the weights of a fresh network's.

    What the first task has beside its path, such as its head, is frozen with it.
    """
    own, kept = groups(banks), names(path)
    others = [name for name in own if name not in kept]
    layers.copy(groups(fresh), own, others)
    layers.train_only(model, own, others)


def drawn(population: int, *, banks: int, active: int, modules: int, generator: torch.Generator) -> Tensor:
    """(population, L, N) numbers of modules."""
    return torch.randint(modules, (population, banks, active), generator=generator)


def mutated(path: Tensor, *, modules: int, generator: torch.Generator) -> Tensor:
    """A copy (L, N) of which each number, with probability 1 / (L N), is moved by −2 to 2, modulo M."""
    moves = torch.rand(path.shape, generator=generator) < 1 / path.numel()
    steps = torch.randint(-REACH, REACH + 1, path.shape, generator=generator)
    return (path + moves * steps) % modules


class Tournament:
    """Which path is trained now, and which is worth keeping: binary tournaments without end.

    Two paths take their updates in turn, so that neither has the later weights of the modules they share, and the mean
    of their training losses decides. Where it stands is its state; its generator belongs to the training run.

    Args:
        population: two paths or more (P, L, N), changed in place.
        modules: M.
        updates: of each path in one tournament, one at least.
    """

    def __init__(self, population: Tensor, *, modules: int, updates: int, generator: torch.Generator) -> None:
        self.population, self.modules, self.updates, self.generator = population, modules, updates, generator
        self.pair: list[int] = []
        self._begin()
        self.best = self.pair[0]
        """Place in the population of the path that won last."""

    @property
    def path(self) -> Path:
        """What the next update trains."""
        return self._of(self.pair[self.done % 2])

    @property
    def winner(self) -> Path:
        """What won the last tournament; one at random before the first is over."""
        return self._of(self.best)

    def note(self, loss: float) -> None:
        """The training loss of one update of `path`; the last one of a tournament decides it."""
        self.losses[self.done % 2] += loss if math.isfinite(loss) else math.inf
        self.done += 1
        if self.done == 2 * self.updates:
            won = int(self.losses[1] < self.losses[0])
            self.best, lost = self.pair[won], self.pair[1 - won]
            self.population[lost] = mutated(self.population[self.best], modules=self.modules, generator=self.generator)
            self._begin()

    def state_dict(self) -> dict[str, Any]:
        state = {"pair": self.pair, "losses": self.losses, "done": self.done, "best": self.best}
        return {"population": self.population, **state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.population.copy_(state["population"])
        self.pair, self.losses = list(state["pair"]), list(state["losses"])
        self.done, self.best = state["done"], state["best"]

    def _of(self, place: int) -> Path:
        numbers: list[list[int]] = self.population[place].tolist()
        return numbers

    def _begin(self) -> None:
        self.pair = torch.randperm(len(self.population), generator=self.generator)[:2].tolist()
        self.losses, self.done = [0.0, 0.0], 0


def _name(bank: int, number: int) -> str:
    return f"bank.{bank}.module.{number}"
