"""From utterances to padded tensors: batches whose lengths travel with them, and a check for CTC.

A CTC loss is infinite where a text needs more frames than its clip has (T < S + adjacent repeats), so the
check runs on the lengths before training and names the offenders.
"""

import hashlib
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from speech_tl.data.clips import Clips
from speech_tl.data.manifest import Utterance
from speech_tl.errors import InputError
from speech_tl.training.sampling import GroupBatches


@dataclass(frozen=True)
class SpeechBatch:
    """B utterances of one language, or of several, each language's side by side."""

    languages: tuple[str, ...]
    """Of each utterance."""
    audio: Tensor
    """(B, N) float32, zero padded."""
    audio_lengths: Tensor
    """(B,) int64, samples."""
    targets: Tensor
    """(B, S) int64, zero padded (zero is the blank)."""
    target_lengths: Tensor
    """(B,) int64."""
    phones: Tensor
    """(B, P) int64, zero padded; P = 0 where the languages have no pronunciations."""
    phone_lengths: Tensor
    """(B,) int64."""
    keys: tuple[str, ...]
    speakers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def language(self) -> str:
        """The one language that all are in."""
        if len(set(self.languages)) != 1:
            raise ValueError(f"a batch of {', '.join(dict.fromkeys(self.languages))}: expected one language")
        return self.languages[0]

    def to(self, device: torch.device | str) -> "SpeechBatch":
        """The same batch elsewhere."""
        return replace(
            self,
            audio=self.audio.to(device, non_blocking=True),
            audio_lengths=self.audio_lengths.to(device),
            targets=self.targets.to(device),
            target_lengths=self.target_lengths.to(device),
            phones=self.phones.to(device),
            phone_lengths=self.phone_lengths.to(device),
        )

    def share(self, rank: int, world: int) -> "tuple[SpeechBatch, float]":
        """One process's part and its weight: weighted mean losses, averaged over ranks, are the whole's mean.

        The part keeps the whole batch's padding, so that every rank sees the same lengths. A rank without an
        utterance gets one with weight 0, because it must still take part in the exchange of gradients.
        """
        mine = list(range(rank, len(self), world))
        weight = len(mine) * world / len(self)
        mine = mine or [0]
        part = replace(
            self,
            languages=tuple(self.languages[i] for i in mine),
            audio=self.audio[mine],
            audio_lengths=self.audio_lengths[mine],
            targets=self.targets[mine],
            target_lengths=self.target_lengths[mine],
            phones=self.phones[mine],
            phone_lengths=self.phone_lengths[mine],
            keys=tuple(self.keys[i] for i in mine),
            speakers=tuple(self.speakers[i] for i in mine),
        )
        return part, weight


def collate(
    language: str,
    *,
    audio: Sequence[Tensor],
    targets: Sequence[Sequence[int]],
    keys: Sequence[str],
    speakers: Sequence[str],
    phones: Sequence[Sequence[int]] = (),
) -> SpeechBatch:
    """Pad clips (N,), targets and, where they are known, phones to the longest of the batch."""
    phones = phones or ((),) * len(audio)
    if not len(audio) == len(targets) == len(phones) == len(keys) == len(speakers) > 0:
        raise ValueError(f"{len(audio)} clips, {len(targets)} targets, {len(keys)} keys, {len(speakers)} speakers")
    rows = [torch.tensor(target, dtype=torch.int64) for target in targets]
    sounds = [torch.tensor(each, dtype=torch.int64) for each in phones]
    return SpeechBatch(
        languages=(language,) * len(audio),
        audio=torch.nn.utils.rnn.pad_sequence(list(audio), batch_first=True),
        audio_lengths=torch.tensor([len(clip) for clip in audio]),
        targets=torch.nn.utils.rnn.pad_sequence(rows, batch_first=True),
        target_lengths=torch.tensor([len(row) for row in rows]),
        phones=torch.nn.utils.rnn.pad_sequence(sounds, batch_first=True),
        phone_lengths=torch.tensor([len(row) for row in sounds]),
        keys=tuple(keys),
        speakers=tuple(speakers),
    )


def joined(parts: Sequence[SpeechBatch]) -> SpeechBatch:
    """One batch of all, each language's utterances side by side; either all have phones or none."""
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda part: part.language)

    def padded(tensors: Sequence[Tensor]) -> Tensor:
        longest = max(tensor.shape[1] for tensor in tensors)
        return torch.cat([torch.nn.functional.pad(tensor, (0, longest - tensor.shape[1])) for tensor in tensors])

    return SpeechBatch(
        languages=tuple(language for part in parts for language in part.languages),
        audio=padded([part.audio for part in parts]),
        audio_lengths=torch.cat([part.audio_lengths for part in parts]),
        targets=padded([part.targets for part in parts]),
        target_lengths=torch.cat([part.target_lengths for part in parts]),
        phones=padded([part.phones for part in parts]),
        phone_lengths=torch.cat([part.phone_lengths for part in parts]),
        keys=tuple(key for part in parts for key in part.keys),
        speakers=tuple(speaker for part in parts for speaker in part.speakers),
    )


@dataclass(frozen=True)
class Examples:
    """One language's clips with what they should be recognised as."""

    language: str
    clips: Clips
    targets: tuple[tuple[int, ...], ...]
    phones: tuple[tuple[int, ...], ...] = ()
    """How each is pronounced, where that is known."""

    def __post_init__(self) -> None:
        for name, given in (("targets", self.targets), ("pronunciations", self.phones or self.targets)):
            if len(self.clips) != len(given):
                raise ValueError(f"{self.language}: {len(self.clips)} clips but {len(given)} {name}")

    def batch(self, indices: Sequence[int]) -> SpeechBatch:
        """These clips with their targets, padded."""
        chosen = [self.clips.utterances[i] for i in indices]
        return collate(
            self.language,
            audio=[self.clips[i] for i in indices],
            targets=[self.targets[i] for i in indices],
            keys=[u.key for u in chosen],
            speakers=[u.speaker for u in chosen],
            phones=[self.phones[i] for i in indices] if self.phones else (),
        )

    def in_order(self, *, max_total: int, max_items: int = 64) -> Iterator[SpeechBatch]:
        """Every utterance once, the longest first; a batch has at most `max_total` padded samples, or one
        clip.
        """
        lengths = self.clips.lengths
        order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        while order:
            size = max(1, min(max_items, max_total // max(1, lengths[order[0]])))
            yield self.batch(order[:size])
            order = order[size:]


class Order(Protocol):
    """An endless, resumable order of (language, indices): `speech_tl.training.sampling.GroupBatches`."""

    batches_per_epoch: int

    def __next__(self) -> tuple[str, Sequence[int]]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any], /) -> None: ...


class SpeechBatches:
    """The batches of an order, over the examples of every language; all of its state is the order's.

    Args:
        draws: how many of the order's batches, of whichever languages, make one; a step that hears one language only
            pulls the shared weights its way.
    """

    def __init__(self, examples: Mapping[str, Examples], order: Order, *, draws: int = 1) -> None:
        self.examples, self.order, self.draws = examples, order, draws
        self.batches_per_epoch = math.ceil(order.batches_per_epoch / draws)

    def __iter__(self) -> "SpeechBatches":
        return self

    def __next__(self) -> SpeechBatch:
        drawn = [next(self.order) for _ in range(self.draws)]
        return joined([self.examples[language].batch(indices) for language, indices in drawn])

    def state_dict(self) -> dict[str, Any]:
        return {"order": self.order.state_dict(), "targets": self._digest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state["targets"] != self._digest:
            raise InputError(
                "the saved run was begun with other data, recordings or transcripts: give the same data or a new --out"
            )
        self.order.load_state_dict(state["order"])

    @cached_property
    def _digest(self) -> str:
        """Of which recordings there are and what is said in them."""
        seen = hashlib.sha256()
        for language, own in self.examples.items():
            for utterance, target in zip(own.clips.utterances, own.targets, strict=True):
                seen.update(f"{language} {utterance.key} {target}\n".encode())
        return seen.hexdigest()[:16]


def shuffled(
    examples: Mapping[str, Examples],
    *,
    seconds: float,
    clips: int,
    temperature: float,
    generator: torch.Generator,
    draws: int = 1,
    shares: Mapping[str, float] | None = None,
) -> SpeechBatches:
    """Endless batches of clips that are about as long as each other, in a random order.

    Args:
        seconds: of audio in a batch, with the padding within a draw.
        clips: in a batch, at most.
        temperature: languages are drawn in proportion to size^(1/temperature).
        draws: as `SpeechBatches` takes it; a clip may be longer than one draw, but not than a batch.
        shares: language -> how much of the draws it has, in the place of what temperature says.

    Raises:
        InputError: a clip is longer than a whole batch.
    """
    rate = max(own.clips.sample_rate for own in examples.values())
    lengths = {  # as samples of one rate
        language: [round(n * rate / own.clips.sample_rate) for n in own.clips.lengths]
        for language, own in examples.items()
    }
    total = int(seconds * rate)
    for language, own in examples.items():
        longest, key = max(zip(lengths[language], (u.key for u in own.clips.utterances), strict=True), default=(0, ""))
        if longest > total:
            raise InputError(
                f"{key} lasts {longest / rate:.1f} s and a batch holds {seconds:g} s: cut it, leave "
                "it out, or raise --batch-seconds where the recipe has it"
            )
    order = GroupBatches(
        lengths,
        max_total=min(total, max(total // draws, *map(max, lengths.values()))),
        max_items=clips // draws,
        temperature=temperature,
        generator=generator,
        shares=shares,
    )
    return SpeechBatches(examples, order, draws=draws)


@dataclass(frozen=True)
class Feasibility:
    """Which clips have fewer frames than CTC needs for their text."""

    total: int
    infeasible: tuple[int, ...]
    """Indices into the clips that were checked."""
    names: tuple[str, ...]
    frames: tuple[int, ...]
    """T of the offenders."""
    needed: tuple[int, ...]
    """S + adjacent repeats of the offenders."""

    def __str__(self) -> str:
        if not self.infeasible:
            return f"all {self.total} clips have enough frames for their texts"
        worst = [f"{n} ({t} frames, {s} needed)" for n, t, s in zip(self.names, self.frames, self.needed, strict=True)]
        return (
            f"{len(self.infeasible)} of {self.total} clips have too few frames for their texts: "
            f"{', '.join(worst[:3])}{', ...' if len(worst) > 3 else ''}"
        )


def frames_needed(target: Sequence[int]) -> int:
    """S + adjacent repeats: between two equal symbols CTC must write a blank."""
    return len(target) + sum(a == b for a, b in pairwise(target))


def feasibility(
    utterances: Sequence[Utterance],
    *,
    targets: Sequence[Sequence[int]],
    samples: Sequence[int],
    output_lengths: Callable[[Tensor], Tensor],
    speed: float = 1.0,
) -> Feasibility:
    """Check T >= S + adjacent repeats after subsampling, when played `speed` times as fast.

    output_lengths: samples (B,) -> frames (B,) of the model that will be trained.
    """
    if speed <= 0:
        raise InputError(f"speed must be above 0, got {speed}")
    frames = output_lengths((torch.tensor(samples, dtype=torch.float64) / speed).long()).tolist()
    needed = [frames_needed(target) for target in targets]
    bad = [i for i, (t, s) in enumerate(zip(frames, needed, strict=True)) if t < s]
    return Feasibility(
        total=len(utterances),
        infeasible=tuple(bad),
        names=tuple(utterances[i].key for i in bad),
        frames=tuple(int(frames[i]) for i in bad),
        needed=tuple(needed[i] for i in bad),
    )


def name_infeasible(examples: Examples, output_lengths: Callable[[Tensor], Tensor], *, speed: float) -> None:
    """Says which clips have no CTC path when played `speed` times as fast; their loss counts as 0.

    Raises:
        InputError: there are no other clips.
    """
    found = feasibility(
        examples.clips.utterances,
        targets=examples.targets,
        samples=examples.clips.lengths,
        output_lengths=output_lengths,
        speed=speed,
    )
    if len(found.infeasible) == found.total:
        raise InputError(
            f"{examples.language}: {found}; check the transcripts, or use a smaller --subsampling where the recipe has "
            "it"
        )
    if found.infeasible:
        print(f"{examples.language}, at {speed:g} times the speed: {found}", file=sys.stderr)
