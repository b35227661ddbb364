"""Recordings of one language from two domains: a clean room and a noisy one, a studio and a telephone, two corpora."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speech_tl.acoustics import LogMel, mask
from speech_tl.data.batches import SpeechBatch, SpeechBatches, shuffled
from speech_tl.data.clips import Clips
from speech_tl.data.disturbance import Change, disturbed, resembling
from speech_tl.data.preparation import Language
from speech_tl.data.splits import draw, is_word_list
from speech_tl.errors import InputError
from speech_tl.evaluate import evaluate
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.decoding import greedy, of_list
from speech_tl.models.encoder import BINS
from speech_tl.models.language_heads import ctc_losses
from speech_tl.results import Evaluation, Measure, telling
from speech_tl.shifts import SIDES, Look, Read, Side
from speech_tl.systems import Settings, check_clips, untrained
from speech_tl.transfer.selection import evenly

FLAT = 4.0
"""What log p of whole texts is divided by: CTC takes its frames for independent and is far too sure of a word. Varied
validation clips of FSDD are told by the network of the source with the least cross entropy at 4: 0.30, 0.77 at 1."""
MOST = 20_000
"""Frames that are looked at, evenly from all."""
SECONDS = 160.0
"""Padded seconds in a batch that is looked at."""


@dataclass(frozen=True)
class SpeechShift:
    """A `shifts.Shift` of recordings: compared by the mean and deviation over time of what the head reads."""

    name: str
    source: Language
    target: Language
    settings: Settings
    texts: tuple[str, ...] = ()
    """All that is said on either side, where that is a closed list: then one of them is believed."""

    source_varied = True
    mapped_first = True

    @property
    def measure(self) -> Measure:
        return telling(words=is_word_list([u.text for u in self.source.train.utterances]))

    def width(self, body: MultilingualCTC) -> int:
        return 2 * int(body.encoder.body.config.hidden_size)

    def untrained(self, *, seed: int) -> MultilingualCTC:
        for side, (part, why) in product(SIDES, (("valid", "measure a distance on"), ("train", "learn from"))):
            if (clips := len(getattr(self._of(side), part))) < 2:
                name = {"valid": "validation", "train": "training"}[part]
                raise InputError(f"the {side} has {clips} {name} clips: expected 2, to {why}")
        for side in SIDES:
            self.batches(side, generator=torch.Generator())  # refuses a clip that is longer than a batch
        model = untrained({self.source.code: self.source}, self.settings, seed=seed)
        check_clips(self.target, model, speed=self.settings.augmentation.fastest)
        return model

    @cached_property
    def mapped(self) -> Self:
        """What all recordings of a side have in common is its microphone, its line, its band, its noise."""
        train, valid, test = (
            resembling(clips, self.target.train) for clips in (self.source.train, self.source.valid, self.source.test)
        )
        return replace(self, source=replace(self.source, train=train, valid=valid, test=test))

    def batches(self, side: Side, *, generator: torch.Generator) -> SpeechBatches:
        code, clips = self.source.code, self._of(side).train
        return shuffled(
            {code: self._of(side).examples(clips, self.source.units)},
            seconds=self.settings.batch_seconds,
            clips=self.settings.batch_clips,
            temperature=1.0,
            generator=generator,
        )

    def rows(self, batch: SpeechBatch) -> Tensor:
        return torch.tensor([self._row[key] for key in batch.keys])

    def read(self, body: MultilingualCTC, batch: SpeechBatch, *, varied: bool) -> Read:
        """Its scores are (2, B, T, V): of the middle block and of the last."""
        hidden, frames = body.hidden(
            batch.audio,
            batch.audio_lengths,
            batch.language,
            augmentation=self.settings.augmentation if varied else None,
        )
        middle, last = hidden[len(hidden) // 2], hidden[-1]
        head = body.head(batch.language)
        return Read(_summary(last, frames), torch.stack([head(middle), head(last)]), frames)

    def losses(self, read: Read, batch: SpeechBatch) -> Tensor:
        weights = (self.settings.intermediate, 1 - self.settings.intermediate)
        each = [
            weight * ctc_losses(scores, batch.targets, read.lengths, batch.target_lengths)
            for weight, scores in zip(weights, read.scores, strict=True)
        ]
        return torch.stack(each).sum(0)

    def believed(self, read: Read, batch: SpeechBatch) -> tuple[SpeechBatch, Tensor]:
        """Of a closed list the likeliest text; the confidence is its share among them.

        Else greedy transcripts; the confidence is the geometric mean over frames of the best unit's
        probability.
        """
        said = read.scores[-1].float().log_softmax(-1)
        if self.texts:
            confidence, best = self._shares(said, read.lengths).max(-1)
            symbols = [torch.tensor(self._list[at]) for at in best.tolist()]
        else:
            there = mask(read.lengths, said.shape[1])
            symbols = [torch.tensor(own or [1]) for own in greedy(said, read.lengths)]
            heard = ((said.argmax(-1) != 0) & there).any(1)
            confidence = ((said.amax(-1) * there).sum(1) / read.lengths.clamp(min=1)).exp() * heard
        targets = nn.utils.rnn.pad_sequence(symbols, batch_first=True).to(said.device)
        lengths = torch.tensor([len(own) for own in symbols], device=said.device)
        return replace(batch, targets=targets, target_lengths=lengths), confidence

    def coarse(self, side: Side) -> NDArray[Any]:
        """Mean and deviation over time of their log-mel energies, whatever the encoder reads."""
        rate = self.source.train.sample_rate
        front = LogMel(rate, BINS[rate], per_bin=False)
        found = {
            key: row
            for batch in self._in_order(side, "train")
            for key, row in zip(batch.keys, _summary(*front(batch.audio, batch.audio_lengths)), strict=True)
        }
        return np.stack([found[u.key].numpy() for u in self._of(side).train.utterances])

    @torch.no_grad()
    def look(self, body: MultilingualCTC, side: Side) -> Look:
        """Decisions are the clips, of a closed list those in which one of its texts has room.

        Without one they are the frames in which something else than the blank is heard, or all where there is none.
        Clips of a speaker stay together where there are several speakers; of one, each clip stands for itself.
        """
        features, chances, groups = [], [], list[str]()
        speaker = {u.key: u.speaker for u in self._of(side).valid.utterances}
        for keys, last, frames in self._heard(body, side, "valid"):
            features.append(_summary(last, frames).cpu())
            said = body.head(self.source.code)(last).float().log_softmax(-1)
            decided = self._shares(said, frames) if self.texts else said[mask(frames, last.shape[1])].exp()
            chances.append(decided.cpu())
            groups += keys if len({*speaker.values()}) == 1 else [speaker[key] for key in keys]
        every = torch.cat(chances)
        sounds = every[every.sum(-1) != 0] if self.texts else every[every.argmax(-1) != 0]
        return Look(torch.cat(features), evenly(sounds if len(sounds) else every, MOST), np.array(groups))

    def test(self, body: MultilingualCTC, side: Side, part: Literal["valid", "test"]) -> Evaluation:
        clips: Clips = getattr(self._of(side), part)
        return evaluate(body, clips.utterances, clips)

    def _shares(self, log_probs: Tensor, frames: Tensor) -> Tensor:
        """(B, T, V), (B,) -> p(text) of the closed list, (B, texts); zeros where none of them has room."""
        found = of_list(log_probs, frames, self._list)
        return (found / FLAT).softmax(-1).masked_fill(found.isneginf().all(-1, keepdim=True), 0.0)

    @cached_property
    def _list(self) -> list[tuple[int, ...]]:
        return [self.source.units.encode(text) for text in self.texts]

    @cached_property
    def _row(self) -> dict[str, int]:
        return {u.key: at for at, u in enumerate(self.source.train.utterances)}

    def _of(self, side: Side) -> Language:
        return self.source if side == "source" else self.target

    def _in_order(self, side: Side, part: Literal["train", "valid"]) -> Iterator[SpeechBatch]:
        clips: Clips = getattr(self._of(side), part)
        examples = self._of(side).examples(clips, self.source.units)
        return examples.in_order(max_total=int(SECONDS * clips.sample_rate))

    @torch.no_grad()
    def _heard(
        self, body: MultilingualCTC, side: Side, part: Literal["train", "valid"]
    ) -> Iterator[tuple[tuple[str, ...], Tensor, Tensor]]:
        """Whose clips, what the head reads (B, T, D), and frames (B,). The model's mode is restored."""
        training, device = body.training, next(body.parameters()).device
        body.train(False)
        for batch in self._in_order(side, part):
            own = batch.to(device)
            hidden, frames = body.hidden(own.audio, own.audio_lengths, own.language)
            yield tuple(own.keys), hidden[-1], frames
        body.train(training)


def changed(language: Language, heard: Change, tested: Change, *, seed: int) -> tuple[Language, Language]:
    """The language divided between two sides: half of its training clips each, drawn by seed.

    Validation and test clips are the same on both; on the target's side everything is changed.

    Args:
        heard: what happens to the target's training and validation clips.
        tested: and to its test clips, in other noises than those.

    Raises:
        InputError: fewer than four clips to train on.
    """
    clips = language.train
    if len(clips) < 4:
        raise InputError(f"{language.code} has {len(clips)} training clips: too few for two domains, expected 4")
    places = [draw(utterance.key, seed) for utterance in clips.utterances]
    order = sorted(range(len(clips)), key=places.__getitem__)
    mine, theirs = (clips.take(sorted(half)) for half in (order[: len(order) // 2], order[len(order) // 2 :]))
    target = replace(
        language,
        train=disturbed(theirs, heard, seed=seed),
        valid=disturbed(language.valid, heard, seed=seed),
        test=disturbed(language.test, tested, seed=seed),
    )
    return replace(language, train=mine), target


def _summary(hidden: Tensor, frames: Tensor) -> Tensor:
    """(B, T, D), frames (B,) -> mean and deviation over time, (B, 2 D)."""
    there = mask(frames, hidden.shape[1])[..., None]
    count = frames[:, None].clamp(min=1)
    mean = (hidden * there).sum(1) / count
    variance = ((hidden - mean[:, None]).square() * there).sum(1) / count
    return torch.cat([mean, (variance + 1e-6).sqrt()], 1)
