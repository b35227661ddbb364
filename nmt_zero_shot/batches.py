"""From sentence pairs to padded tensors: both directions of every pair, mixed in each batch.

A step that saw one direction only would pull the shared weights its way, so a batch holds sentences of any direction.
They are sorted by their longer side, which both directions of a pair have in common: by the target's length there
would be batches from one language only, and by none half the time would go into padding. Small directions are
repeated, p ~ n^(1/T) (Arivazhagan et al., 2019), and the order is exactly resumable.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from nmt_zero_shot.corpus import Bitexts, Direction
from nmt_zero_shot.subwords import balanced
from nmt_zero_shot.tags import Codec, decoder_start, prepare_source
from speech_tl.errors import InputError
from speech_tl.training import sampling

IGNORED = -100
"""The label that no loss counts, as everywhere in transformers."""

Noise = Callable[[Sequence[int]], Sequence[int]]


@dataclass(frozen=True)
class TextBatch:
    """B sentence pairs, of any directions."""

    source: Tensor
    """(B, S) int64, padded: tags, text, eos, as the tag scheme says."""
    source_mask: Tensor
    """(B, S) int64, 1 where there is a subword."""
    mirror: Tensor
    """(B, R) int64, padded: what the encoder reads for the *target's* text under the same tag."""
    mirror_mask: Tensor
    """(B, R) int64."""
    decoder_input: Tensor
    """(B, T) int64, padded: the decoder's start, then the target's text."""
    labels: Tensor
    """(B, T) int64: the target's text, then eos; `IGNORED` in the padding and under the start's tag."""
    directions: tuple[Direction, ...]

    def __len__(self) -> int:
        return len(self.directions)

    @property
    def tokens(self) -> int:
        """Labels that count."""
        return int((self.labels != IGNORED).sum())

    def to(self, device: torch.device | str) -> "TextBatch":
        moved: dict[str, Any] = {name: tensor.to(device, non_blocking=True) for name, tensor in self._tensors()}
        return replace(self, **moved)

    def share(self, rank: int, world: int) -> "tuple[TextBatch, float]":
        """One process's part and its weight: weighted means per label, averaged over ranks, are the whole's mean.

        A rank without a pair gets one with weight 0, because it must still take part in the exchange of gradients.
        """
        mine = list(range(rank, len(self), world))
        part = self.rows(mine or [0])
        return part, part.tokens * world / self.tokens if mine else 0.0

    def rows(self, chosen: Sequence[int]) -> "TextBatch":
        """These pairs, at the same padding."""
        tensors: dict[str, Any] = {name: tensor[list(chosen)] for name, tensor in self._tensors()}
        return replace(self, **tensors, directions=tuple(self.directions[at] for at in chosen))

    def _tensors(self) -> list[tuple[str, Tensor]]:
        return [(each.name, getattr(self, each.name)) for each in fields(self) if each.name != "directions"]


@dataclass(frozen=True)
class Pair:
    """One sentence pair in one direction, as ids without tags and eos."""

    direction: Direction
    source: Sequence[int]
    target: Sequence[int]


def collate(pairs: Sequence[Pair], codec: Codec) -> TextBatch:
    """Tags and ends added, padded to the longest."""
    subwords, scheme = codec.subwords, codec.scheme
    source, mirror, decoder_input, labels = [], [], [], []
    for pair in pairs:
        x, y = pair.direction
        start = decoder_start(subwords, y, scheme)
        source.append(prepare_source(subwords, pair.source, y, scheme, source=x))
        mirror.append(prepare_source(subwords, pair.target, y, scheme, source=y))
        decoder_input.append([*start, *pair.target])
        labels.append([IGNORED] * (len(start) - 1) + [*pair.target, subwords.eos])
    sources, mirrors = _padded(source, subwords.pad), _padded(mirror, subwords.pad)
    return TextBatch(
        source=sources,
        source_mask=(sources != subwords.pad).long(),
        mirror=mirrors,
        mirror_mask=(mirrors != subwords.pad).long(),
        decoder_input=_padded(decoder_input, subwords.pad),
        labels=_padded(labels, IGNORED),
        directions=tuple(pair.direction for pair in pairs),
    )


def encoded(bitexts: Bitexts, codec: Codec) -> dict[Direction, list[Pair]]:
    """Every direction's pairs as ids; a pair of a language with itself has one direction."""
    pairs: dict[Direction, list[Pair]] = {}
    for (hub, other), texts in bitexts.items():
        left = [codec.subwords.encode(text) for text, _ in texts]
        right = left if hub == other else [codec.subwords.encode(text) for _, text in texts]
        pairs[hub, other] = [Pair((hub, other), a, b) for a, b in zip(left, right, strict=True)]
        if hub != other:
            pairs[other, hub] = [Pair((other, hub), b, a) for a, b in zip(left, right, strict=True)]
    return pairs


def in_order(bitexts: Bitexts, codec: Codec, *, tokens: int) -> Iterator[TextBatch]:
    """Every pair once in each direction, the longest first; a batch has at most `tokens` padded subwords a side."""
    pairs = [pair for each in encoded(bitexts, codec).values() for pair in each]
    lengths = [_length(pair) for pair in pairs]
    for chosen in _cut(sorted(range(len(pairs)), key=lambda at: -lengths[at]), lengths, tokens):
        yield collate([pairs[at] for at in chosen], codec)


class TextBatches:
    """Endless batches over every direction, mixed; each epoch in another order, exactly resumable.

    Args:
        tokens: pairs x the longest side of any of them, at most; the first batch of all holds the longest, so that
            too little memory shows at once.
        temperature: 1 draws the directions as the data are, a large one all alike.
        noise: what is done to the ids of a source whose direction is a language with itself.
    """

    def __init__(
        self,
        bitexts: Bitexts,
        codec: Codec,
        *,
        tokens: int,
        generator: torch.Generator,
        temperature: float = 1.0,
        noise: Noise | None = None,
    ) -> None:
        groups = _short_enough(encoded(bitexts, codec), tokens)
        sizes = {f"{x}-{y}": [_length(pair) for pair in pairs] for (x, y), pairs in groups.items()}
        sampling.check(sizes, max_total=tokens, max_items=1, temperature=temperature)
        self.codec, self.tokens, self.noise, self.generator = codec, tokens, noise, generator
        self.pairs = _repeated(list(groups.values()), temperature=temperature, generator=generator)
        self.lengths = [_length(pair) for pair in self.pairs]
        self.seed, self.epoch, self.position = self._draw_seed(), 0, 0
        self.given = 0
        """Target subwords of all batches so far, ends included."""
        self.plan = self._plan()
        self.batches_per_epoch = len(self.plan)

    def __iter__(self) -> "TextBatches":
        return self

    def __next__(self) -> TextBatch:
        if self.position == len(self.plan):
            self.seed, self.epoch, self.position = self._draw_seed(), self.epoch + 1, 0
            self.plan = self._plan()
        self.position += 1
        batch = collate([self._noised(self.pairs[at]) for at in self.plan[self.position - 1]], self.codec)
        self.given += batch.tokens
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Where the walk through the pairs stands, and over which pairs it goes."""
        return {
            "data": self._digest(),
            "generator": self.generator.get_state(),
            "seed": self.seed,
            "epoch": self.epoch,
            "position": self.position,
            "given": self.given,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from there.

        Raises:
            InputError: the state is of other pairs, subwords or batch sizes.
        """
        if state["data"] != self._digest():
            raise InputError(
                "the saved run was training on other sentence pairs, subwords or batch sizes than these; give the "
                "same, or start another run elsewhere"
            )
        self.generator.set_state(state["generator"])
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]
        self.given = state["given"]
        self.plan = self._plan()

    def _noised(self, pair: Pair) -> Pair:
        if self.noise is None or pair.direction[0] != pair.direction[1]:
            return pair
        return replace(pair, source=self.noise(pair.source))

    def _plan(self) -> list[list[int]]:
        """The present epoch's batches: a function of its seed, which is all that is saved."""
        random = torch.Generator().manual_seed(self.seed)
        tie = torch.rand(len(self.pairs), generator=random, dtype=torch.float64)
        order = torch.argsort(torch.tensor(self.lengths) + tie, descending=True).tolist()
        batches = _cut(order, self.lengths, self.tokens)
        shuffled = torch.randperm(len(batches), generator=random).tolist()
        if self.epoch == 0:  # the first was cut first: it has the longest pair
            shuffled.remove(0)
            shuffled.insert(0, 0)
        return [batches[at] for at in shuffled]

    def _draw_seed(self) -> int:
        return int(torch.randint(2**62, (1,), generator=self.generator))

    def _digest(self) -> str:
        """Of everything a saved position refers to."""
        facts = (
            self.tokens,
            self.codec.scheme,
            self.codec.subwords.digest,
            [(p.direction, p.target) for p in self.pairs],
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _short_enough(groups: dict[Direction, list[Pair]], tokens: int) -> dict[Direction, list[Pair]]:
    """What fits into a batch; how many do not is said."""
    fitting = {direction: [pair for pair in own if _length(pair) <= tokens] for direction, own in groups.items()}
    if not any(fitting.values()) and any(groups.values()):
        raise InputError(f"every sentence pair is longer than a batch of {tokens} subwords; raise --tokens")
    if long := sum(map(len, groups.values())) - sum(map(len, fitting.values())):
        print(f"{long} sentence pairs left out that are longer than {tokens} subwords", file=sys.stderr)
    return fitting


def _length(pair: Pair) -> int:
    """Of the longer side, with its tag and end."""
    return 2 + max(len(pair.source), len(pair.target))


def _repeated(groups: Sequence[Sequence[Pair]], *, temperature: float, generator: torch.Generator) -> list[Pair]:
    """The largest group as it is, smaller ones more than once; what is no whole repetition is drawn at the start."""
    repeated: list[Pair] = []
    for pairs, count in zip(groups, balanced([len(group) for group in groups], temperature=temperature), strict=True):
        whole, rest = divmod(count, len(pairs))
        repeated += [*pairs] * whole
        repeated += [pairs[at] for at in torch.randperm(len(pairs), generator=generator)[:rest].tolist()]
    return repeated


def _cut(order: Sequence[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Batches in that order: pairs x longest <= tokens, or a single pair."""
    batches: list[list[int]] = []
    longest = 0
    for at in order:
        longest = max(longest, lengths[at])
        if batches and (len(batches[-1]) + 1) * longest <= tokens:
            batches[-1].append(at)
        else:
            batches.append([at])
            longest = lengths[at]
    return batches


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows], dtype=torch.int64)
