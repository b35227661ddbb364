"""Which group (language, direction) the next batch comes from, and which of its items.

Small groups are drawn more often than their size, p ~ n^(1/T) (Devlin et al., 2019; Arivazhagan et al.,
2019), and a batch is bounded by its padded size, so that memory is known before the first step.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from speech_tl.errors import InputError

JITTER = 0.3
"""Lengths are sorted after a random change of up to this share: tight batches, other ones each epoch."""


@dataclass
class Walk:
    """Where one group stands: the seed of its present epoch, and how many of its batches are used up."""

    seed: int
    epoch: int = 0
    position: int = 0


class GroupBatches(Iterator[tuple[str, tuple[int, ...]]]):
    """Endless (group, indices), exactly resumable in mid-epoch.

    lengths: items of each group, in any unit; a batch of n items obeys n * (its longest) <= max_total, n <=
    max_items. Every group walks its own epochs: all its items once, in batches of similar length, in random
    order. The first batch of all holds the longest item and those next to it in length: if memory is too
    small, it fails at once.

    shares: how much of the draws each group has, in the place of what temperature and sizes say.
    """

    def __init__(
        self,
        lengths: Mapping[str, Sequence[int]],
        *,
        max_total: int,
        max_items: int,
        temperature: float,
        generator: torch.Generator,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        check(lengths, max_total=max_total, max_items=max_items, temperature=temperature)
        self.lengths = {group: tuple(int(length) for length in lengths[group]) for group in lengths}
        self.max_total, self.max_items = max_total, max_items
        self.generator = generator
        self.probabilities = (
            torch.tensor([shares[group] for group in self.lengths], dtype=torch.float64)
            if shares
            else temperature_probabilities(list(map(len, self.lengths.values())), temperature=temperature)
        )
        self.longest_group = max(self.lengths, key=lambda group: max(self.lengths[group]))
        self.walks = {group: Walk(seed=self._draw_seed()) for group in self.lengths}
        self.plans = {group: self._plan(group) for group in self.lengths}
        self.batches_per_epoch = sum(len(plan) for plan in self.plans.values())
        """How many batches hold every item once."""

    def __next__(self) -> tuple[str, tuple[int, ...]]:
        group = self._draw_group() if any(self.epochs.values()) else self.longest_group
        walk = self.walks[group]
        if walk.position == len(self.plans[group]):
            self.walks[group] = walk = Walk(seed=self._draw_seed(), epoch=walk.epoch + 1)
            self.plans[group] = self._plan(group)
        walk.position += 1
        return group, self.plans[group][walk.position - 1]

    @property
    def epochs(self) -> dict[str, float]:
        """How often each group has been seen: 1.5 is once and a half."""
        return {group: walk.epoch + walk.position / len(self.plans[group]) for group, walk in self.walks.items()}

    def state_dict(self) -> dict[str, Any]:
        return {
            "data": self._digest(),
            "generator": self.generator.get_state(),
            "walks": {group: asdict(walk) for group, walk in self.walks.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state["data"] != self._digest():
            raise InputError(
                f"the saved run was training on other data ({', '.join(state['walks'])}) or batch sizes than "
                f"the present {', '.join(self.lengths)}; give the same data, or start another run elsewhere"
            )
        self.generator.set_state(state["generator"])
        self.walks = {group: Walk(**state["walks"][group]) for group in self.lengths}
        self.plans = {group: self._plan(group) for group in self.lengths}

    def _draw_group(self) -> str:
        drawn = torch.multinomial(self.probabilities, 1, generator=self.generator)
        return tuple(self.lengths)[int(drawn)]

    def _draw_seed(self) -> int:
        return int(torch.randint(2**62, (1,), generator=self.generator))

    def _plan(self, group: str) -> list[tuple[int, ...]]:
        """The batches of the group's present epoch: a function of its seed, which is all that is saved."""
        walk, lengths = self.walks[group], self.lengths[group]
        random = torch.Generator().manual_seed(walk.seed)
        noise = 1 + JITTER * (2 * torch.rand(len(lengths), generator=random, dtype=torch.float64) - 1)
        order = torch.argsort(torch.tensor(lengths) * noise, descending=True).tolist()
        lead: list[tuple[int, ...]] = []
        if walk.epoch == 0 and group == self.longest_group:
            lead = self._cut(sorted(range(len(lengths)), key=lambda index: -lengths[index]), lengths)[:1]
            order = [index for index in order if index not in set(lead[0])]
        batches = self._cut(order, lengths)
        return lead + [batches[at] for at in torch.randperm(len(batches), generator=random).tolist()]

    def _cut(self, order: Sequence[int], lengths: Sequence[int]) -> list[tuple[int, ...]]:
        batches: list[list[int]] = []
        longest = 0
        for index in order:
            longest = max(longest, lengths[index])
            size = len(batches[-1]) + 1 if batches else 0
            if batches and size <= self.max_items and size * longest <= self.max_total:
                batches[-1].append(index)
            else:
                batches.append([index])
                longest = lengths[index]
        return [tuple(batch) for batch in batches]

    def _digest(self) -> str:
        """Of everything a saved position refers to."""
        return hashlib.sha256(repr((self.lengths, self.max_total, self.max_items)).encode()).hexdigest()[:16]


def temperature_probabilities(sizes: Sequence[int], *, temperature: float) -> torch.Tensor:
    """p_i = n_i^(1/T) / sum_j n_j^(1/T): T = 1 draws as the data are, a large T all groups alike."""
    return torch.softmax(torch.tensor(sizes, dtype=torch.float64).log() / temperature, 0)


def check(lengths: Mapping[str, Sequence[int]], *, max_total: int, max_items: int, temperature: float) -> None:
    if not lengths:
        raise InputError("no group to draw batches from: give the training data of at least one")
    if max_items < 1:
        raise InputError(f"a batch of at most {max_items} items is empty: max_items must be 1 or more")
    if not temperature > 0:
        raise InputError(f"temperature {temperature} must be above 0 (1 = as the data are, 5 = nearly uniform)")
    for group, items in lengths.items():
        if not items:
            raise InputError(f"{group!r} has no training items: drop it, or look at how it was split")
        longest = max(items)
        if longest > max_total:
            raise InputError(
                f"item {list(items).index(longest)} of {group!r} has length {longest}, longer than a "
                f"whole batch ({max_total}): cut it, drop it, or allow larger batches"
            )
