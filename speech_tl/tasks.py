"""A task to learn, for spoken words and for pictures alike: a fresh network, its layers, training it and testing it.

What moves layers between networks needs no more than this, so one experiment runs on speech and on images.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from speech_tl import images
from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language, prepare
from speech_tl.data.splits import draw
from speech_tl.errors import InputError, unknown_name
from speech_tl.evaluate import evaluate
from speech_tl.images import Pictures, SmallCNN
from speech_tl.labelled import LabelledBatch, LabelledBatches, over
from speech_tl.models import ctc
from speech_tl.results import Evaluation, classified
from speech_tl.systems import Settings, train, untrained
from speech_tl.training.loop import Plan, fit
from speech_tl.training.seeding import Streams, seed_everything
from speech_tl.transfer.layers import Groups

VALIDATION = 0.1
"""Share of a quarter's training clips that is kept back."""

NEAR = ("words", "voices")
"""Tasks that are other quarters of the same corpus: other words by the same voices, the same words by others."""


@dataclass(frozen=True)
class Trained:
    """A network and the CPU-seconds it took (wall seconds on a GPU)."""

    model: Any
    seconds: float


class Task(Protocol):
    """What is learned, and by what."""

    def fresh(self, *, seed: int) -> nn.Module:
        """An untrained network."""
        ...

    def groups(self, model: Any) -> Groups:
        """The layers that this task passes through, from input to output; the last is its own head."""
        ...

    def train(self, name: str, model: Any, *, plan: Plan, folder: Path, seed: int, resume: bool) -> Trained:
        """Trains those weights that are free to move."""
        ...

    def test(self, model: Any) -> Evaluation:
        """Results on the test set; an error is a wrong word, or a wrong class."""
        ...


@dataclass(frozen=True)
class Words:
    """Recordings of one language."""

    language: Language
    settings: Settings

    def fresh(self, *, seed: int) -> ctc.MultilingualCTC:
        return untrained({self.language.code: self.language}, self.settings, seed=seed)

    def groups(self, model: ctc.MultilingualCTC) -> Groups:
        return ctc.layer_groups(model, self.language.code)

    def train(
        self, name: str, model: ctc.MultilingualCTC, *, plan: Plan, folder: Path, seed: int, resume: bool
    ) -> Trained:
        data = {self.language.code: self.language}
        system = train(name, model, data, settings=self.settings, plan=plan, folder=folder, seed=seed, resume=resume)
        return Trained(system.model, system.history.train_seconds)

    def test(self, model: ctc.MultilingualCTC) -> Evaluation:
        return evaluate(model, self.language.test.utterances, self.language.test)


@dataclass(frozen=True)
class Classes:
    """Pictures of some classes."""

    pictures: Mapping[str, Pictures]
    """`train` and `test`."""
    batch: int = 64
    device: str = "auto"

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return self.pictures["train"].classes

    def fresh(self, *, seed: int) -> SmallCNN:
        seed_everything(seed)
        _, channels, _, size = self.pictures["train"].pixels.shape
        return SmallCNN(self.classes, channels=channels, size=size)

    def groups(self, model: SmallCNN) -> Groups:
        return images.layer_groups(model)

    def train(self, name: str, model: SmallCNN, *, plan: Plan, folder: Path, seed: int, resume: bool) -> Trained:
        seed_everything(seed)
        streams = Streams(seed)
        order = streams.generator("batches")
        history = fit(
            model,
            LabelledBatches(self.pictures["train"], self.classes, batch=self.batch, generator=order),
            _cross_entropy,
            plan=plan,
            out=folder,
            streams=streams,
            resume=resume,
            device=self.device,
        )
        return Trained(model, history.train_seconds)

    def test(self, model: SmallCNN) -> Evaluation:
        test = self.pictures["test"]
        best = over(test, model).argmax(-1).tolist()
        return classified(test.labels, [self.classes[index] for index in best])


def _cross_entropy(model: SmallCNN, batch: LabelledBatch, _progress: float) -> dict[str, Tensor]:
    return {"cross_entropy": nn.functional.cross_entropy(model(batch.examples).float(), batch.targets)}


def halves(names: Collection[str], seed: int) -> tuple[set[str], set[str]]:
    """Two halves drawn by seed.

    Raises:
        InputError: fewer than two names.
    """
    if len(names) < 2:
        raise InputError(f"{', '.join(names) or 'nothing'} cannot be halved: expected several words and speakers")
    order = sorted(names, key=lambda name: draw(name, seed))
    return set(order[: len(order) // 2]), set(order[len(order) // 2 :])


def words_of(data: str, *, language: str = "", sample_rate: int) -> Language:
    """The recordings of a corpus of words in one language, at `sample_rate` Hz.

    Raises:
        InputError: several languages of which none is named, or sentences.
    """
    found = prepare([data], languages=[language] if language else (), sample_rates={"": sample_rate})
    if len(found) > 1:
        raise InputError(f"{data} holds {', '.join(found)}: say which with --language")
    whole = next(iter(found.values()))
    if whole.split.task != "words":
        raise InputError(f"{data} holds sentences: expected words that recur, to divide them")
    return whole


def other_corpora(
    sources: Iterable[str], *, sample_rate: int, flag: str, known: Collection[str], tested: Language
) -> dict[str, Language]:
    """FOLDER_LANGUAGE -> its recordings, of those sources that are folders or names on the hub.

    Args:
        known: what `flag` takes beside them.
        tested: on whose test speakers none of them trains.

    Raises:
        InputError: a source that is neither.
    """
    parts: dict[str, Language] = {}
    for source in sources:
        if source in known:
            continue
        if not ("/" in source or ":" in source or Path(source).is_dir()):
            raise unknown_name("source", source, known, where=f"{flag} (or folders of recordings)")
        found = {f"{Path(source).name}_{code}": own
                 for code, own in prepare([source], sample_rates={"": sample_rate}).items()}  # fmt: skip
        if twice := sorted(parts.keys() & found.keys()):
            raise InputError(f"{flag} has {twice[0]} twice: folders need different names")
        parts |= {name: own.without([tested]) for name, own in found.items()}
    return parts


def picture_halves(
    parts: Mapping[str, Pictures], *, seed: int, most: int | None = None
) -> tuple[dict[str, Pictures], dict[str, Pictures]]:
    """Half of the classes and the other half, drawn by seed; `train` and `test` of each.

    Args:
        most: training pictures of the first half, drawn by seed.

    Raises:
        InputError: of the classes of a half none is tested.
    """
    halved = []
    for classes, count in zip(halves(set(parts["train"].classes), seed), (most, None), strict=True):
        own = {name: part.of(sorted(classes)) for name, part in parts.items()}
        if not len(own["test"]):
            raise InputError(f"no test pictures of {', '.join(sorted(classes)[:5])}: a half of the classes needs some")
        order = sorted(range(len(own["train"])), key=lambda index: draw(str(index), seed))[:count]
        halved.append({**own, "train": own["train"].take(order)})
    return halved[0], halved[1]


def quarter(
    language: Language, *, seed: int, other_words: bool = False, other_voices: bool = False, most: int | None = None
) -> Language:
    """Half of the words by half of the training speakers; tested by the test speakers, who say these words.

    The other quarters share the words, the voices or neither with it, and have as many.

    Args:
        most: training clips, drawn by seed.

    Raises:
        InputError: fewer than two words or speakers, or a quarter without clips.
    """
    pool = (*language.train.utterances, *language.valid.utterances)
    words = halves({u.text for u in pool}, seed)[other_words]
    voices = halves({u.speaker for u in pool}, seed)[other_voices]
    mine = sorted((u for u in pool if u.text in words and u.speaker in voices), key=lambda u: draw(u.key, seed))
    tested = [u for u in language.test.utterances if u.text in words]
    if len(mine) < 2 or not tested:
        raise InputError(f"{len(mine)} training and {len(tested)} test clips in a quarter of {language.code}: too few")
    kept = max(1, round(VALIDATION * len(mine)))
    train, valid, test = (Clips(part, language.train.sample_rate) for part in (mine[kept:][:most], mine[:kept], tested))
    return replace(language, train=train, valid=valid, test=test)
