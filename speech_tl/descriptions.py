"""Classes recognised by what they are like: five ways from descriptors to classes never seen, for features and pixels.

Every way is one network of examples and a rule that turns what it says into scores of any classes that have a
signature.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from speech_tl.errors import InputError, unknown_name
from speech_tl.images import SmallCNN
from speech_tl.labelled import Labelled, LabelledBatch, LabelledBatches, over
from speech_tl.training.loop import Plan, fit
from speech_tl.training.seeding import Streams, seed_everything
from speech_tl.zero_shot.attributes import attribute_loss, class_posterior, priors
from speech_tl.zero_shot.compatibility import (
    calibrated,
    conse,
    margin_loss,
    softmax_loss,
)
from speech_tl.zero_shot.signatures import Signatures

Method = Literal["dap", "attribute_embedding", "attribute_softmax", "word_vectors", "conse"]
METHODS: tuple[Method, ...] = get_args(Method)
PLACING: tuple[Method, ...] = ("attribute_embedding", "attribute_softmax", "word_vectors")
"""Those that place an example among signatures."""


@dataclass(frozen=True)
class Setting:
    """What is chosen on validation classes."""

    rate: float
    """Peak learning rate."""
    margin: float = 1.0
    """Of attribute_embedding."""
    best: int = 10
    """Classes that conse combines."""
    passes: float = 1.0
    """So many times as many updates as the plan has."""


GRID: Mapping[Method, tuple[Setting, ...]] = {
    "dap": (Setting(1e-2), Setting(3e-3), Setting(3e-2), Setting(1e-2, passes=3)),
    "attribute_embedding": (
        *(Setting(rate, margin=margin) for rate in (1e-3, 3e-3) for margin in (1.0, 5.0)),
        *(Setting(3e-3, margin=margin, passes=3) for margin in (1.0, 5.0)),
    ),
    "attribute_softmax": (*map(Setting, (1e-3, 3e-4, 3e-3)), Setting(1e-3, passes=3), Setting(3e-4, passes=3)),
    "word_vectors": (Setting(1e-3), Setting(3e-4), Setting(1e-3, passes=3)),
    "conse": (
        *(Setting(1e-3, best=best) for best in (10, 3, 1)),
        *map(Setting, (3e-4, 3e-3)),
        *(Setting(1e-3, best=best, passes=3) for best in (10, 3)),
    ),
}

Body = Callable[[Labelled, int], nn.Module]
"""(training examples, width) -> an untrained network (B, …) -> (B, width)."""


class Standardised(nn.Module):
    """Features with mean 0 and deviation 1 over the training examples, then one linear layer."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, data: Labelled, width: int) -> None:
        super().__init__()
        features = data.tensor(range(len(data)))
        self.register_buffer("mean", features.mean(0))
        self.register_buffer("deviation", features.std(0).clamp(min=1e-6))
        self.linear = nn.Linear(features.shape[1], width)

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, width)."""
        found: Tensor = self.linear((features - self.mean) / self.deviation)
        return found


def standardised(data: Labelled, width: int) -> nn.Module:
    """A body for features."""
    return Standardised(data, width)


def pixels(data: Labelled, width: int) -> nn.Module:
    """A body for pictures: a small CNN, its last layer as wide as asked for."""
    _, channels, size, _ = data.tensor([0]).shape
    return SmallCNN([str(at) for at in range(width)], channels=channels, size=size)


@dataclass(frozen=True)
class Recogniser:
    """A trained network with the rule that makes scores of it."""

    model: Any
    method: Method
    setting: Setting
    seen: tuple[str, ...]
    """The classes it was trained on."""
    attributes: Signatures
    words: Signatures | None
    seconds: float
    """CPU-seconds of training."""

    def placed(self, data: Labelled) -> Tensor:
        """What the network says of every example, (N, width)."""
        return over(data, self.model)

    def signatures(self, classes: Sequence[str]) -> Tensor:
        """Those the method goes by: (len(classes), D)."""
        return torch.from_numpy(_table(self.method, self.attributes, self.words).of(classes))

    def scores(self, placed: Tensor, classes: Sequence[str]) -> Tensor:
        """(N, width) -> (N, len(classes)), the larger the better."""
        own = self.signatures(classes)
        if self.method == "dap":
            return class_posterior(placed, own, priors(self.signatures(self.seen)))
        if self.method == "conse":
            return conse(placed.softmax(-1), self.signatures(self.seen), own, best=self.setting.best)
        return placed @ own.T

    def said(self, placed: Tensor, classes: Sequence[str], *, handicap: float = 0.0) -> list[str]:
        """The best of `classes` for every example; those of training lowered by `handicap`."""
        seen = torch.tensor([name in self.seen for name in classes])
        best = calibrated(self.scores(placed, classes), seen, handicap).argmax(1)
        return [classes[index] for index in best.tolist()]


def _table(method: Method, attributes: Signatures, words: Signatures | None) -> Signatures:
    if method in ("word_vectors", "conse"):
        if words is None:
            raise InputError(f"{method} goes by word vectors, and there are none: leave it out, or add wordvec.npz")
        return words.unit()
    return attributes.binary() if method == "dap" else attributes.unit()


def _longer(plan: Plan, setting: Setting) -> Plan:
    """The plan at the setting's rate and length."""
    epochs = plan.epochs and plan.epochs * setting.passes
    return replace(plan, epochs=epochs, steps=plan.steps and round(plan.steps * setting.passes), peak_rate=setting.rate)


def learn(
    data: Labelled,
    *,
    method: Method,
    setting: Setting,
    body: Body,
    attributes: Signatures,
    words: Signatures | None,
    plan: Plan,
    folder: Path,
    seed: int,
    batch: int = 256,
    resume: bool = False,
    device: str = "auto",
) -> Recogniser:
    """Trains the network of one method on the classes of `data`.

    Args:
        plan: its peak rate is replaced by the setting's, and its length multiplied.

    Raises:
        InputError: a method that there is not, a class without a signature, or fewer than two classes.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    seen = tuple(sorted(set(data.labels)))
    if len(seen) < 2:
        raise InputError(f"{', '.join(seen) or 'no class'} to train on: at least two are needed")
    seed_everything(seed)
    own = torch.from_numpy(_table(method, attributes, words).of(seen))
    model = body(data, len(seen) if method == "conse" else own.shape[1])
    streams = Streams(seed)

    def terms(model: nn.Module, given: LabelledBatch, _progress: float) -> dict[str, Tensor]:
        placed, known = model(given.examples), own.to(given.examples.device)
        if method == "dap":
            return {"attributes": attribute_loss(placed, known[given.targets])}
        if method == "conse":
            return {"softmax": softmax_loss(placed, given.targets)}
        with torch.autocast(placed.device.type, enabled=False):  # a margin between scores rounded to 8 bits is noise
            scores = placed.float() @ known.T
        if method == "attribute_embedding":
            return {"margin": margin_loss(scores, given.targets, margin=setting.margin)}
        return {"softmax": softmax_loss(scores, given.targets)}

    history = fit(
        model,
        LabelledBatches(data, seen, batch=batch, generator=streams.generator("batches")),
        terms,
        plan=_longer(plan, setting),
        out=folder,
        streams=streams,
        resume=resume,
        device=device,
    )
    return Recogniser(model, method, setting, seen, attributes, words, history.train_seconds)
