"""Labels on one side only: a classifier trained on a labelled source, and on a target of which only examples are known.

Six ways, between what bounds them: the source alone below and the target's own labels above. Which of them to keep is
chosen by a rule that sees no label of the target.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from speech_tl.errors import unknown_name
from speech_tl.images import Pictures, SmallCNN
from speech_tl.labelled import LabelledBatch, LabelledBatches
from speech_tl.results import Evaluation, scored
from speech_tl.training.loop import Plan, fit
from speech_tl.training.seeding import Streams, seed_everything
from speech_tl.transfer.adversarial import DomainClassifier, domain_loss, ramp
from speech_tl.transfer.discrepancy import coral, matched, mmd
from speech_tl.transfer.distance import proxy_a_distance
from speech_tl.transfer.reweighting import weights
from speech_tl.transfer.selection import entropy, mutual_information, soft_neighbourhood_density

Method = Literal[
    "source_only", "dann", "coral", "mmd", "reweighting", "self_training", "feature_mapping", "target_supervised"
]
METHODS: tuple[Method, ...] = get_args(Method)
QUICK = 10.0
"""Times the learning rate for the domain classifier: one that lags behind is fooled by features that only turn."""
SURE = (0.95, 0.8)
"""Self-training believes predictions of at least this probability, at the start and at the end."""


class Network(nn.Module):
    """A classifier, and beside it one that tells the domains apart by its features."""

    def __init__(self, classes: tuple[str, ...], *, channels: int, size: int) -> None:
        super().__init__()
        self.body = SmallCNN(classes, channels=channels, size=size)
        self.domain = DomainClassifier(self.body.head.in_features)


@dataclass(frozen=True)
class PairBatch:
    """Labelled source examples beside target examples whose labels nobody looks at."""

    source: LabelledBatch
    weights: Tensor
    """(B,) of the source examples."""
    target: Tensor
    """(B', …)."""

    def __len__(self) -> int:
        return len(self.source)

    def to(self, device: torch.device | str) -> "PairBatch":
        """The same batch elsewhere."""
        return PairBatch(self.source.to(device), self.weights.to(device), self.target.to(device))

    def share(self, rank: int, world: int) -> "tuple[PairBatch, float]":
        """One process's part of both, and the weight of its source examples."""
        mine = list(range(rank, len(self), world))
        part, weight = self.source.share(rank, world)
        return PairBatch(part, self.weights[mine or [0]], self.target[rank::world]), weight


class PairBatches:
    """Endless pairs; each side walks its own epochs."""

    def __init__(self, source: LabelledBatches, target: LabelledBatches, weights: Tensor) -> None:
        self.source, self.target, self.weights = source, target, weights
        self.batches_per_epoch = source.batches_per_epoch

    def __iter__(self) -> "PairBatches":
        return self

    def __next__(self) -> PairBatch:
        _, indices = next(self.source.order)
        labelled = LabelledBatch(self.source.data.tensor(indices), self.source.targets[list(indices)])
        return PairBatch(labelled, self.weights[list(indices)], next(self.target).examples)

    def state_dict(self) -> dict[str, Any]:
        return {"source": self.source.state_dict(), "target": self.target.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.source.load_state_dict(state["source"])
        self.target.load_state_dict(state["target"])


@dataclass(frozen=True)
class Case:
    """Two domains of the same classes."""

    name: str
    source: Mapping[str, Pictures]
    """`train`, `valid` and `test`."""
    target: Mapping[str, Pictures]
    """The same; the labels of `train` are seen by the upper bound alone, of `valid` by nobody."""


@dataclass(frozen=True)
class Adapted:
    """One method's network, and what it reaches."""

    method: Method
    model: Network
    source: Evaluation
    target: Evaluation
    scores: Mapping[str, float]
    """Rule of choice -> how good it finds this network on unlabelled target examples, the higher the better."""
    a_distance: float
    """Between the features of both domains."""
    seconds: float


RULES = ("mutual_information", "soft_neighbourhood_density", "entropy", "source_risk")


def adapt(
    case: Case,
    *,
    method: Method,
    plan: Plan,
    folder: Path,
    seed: int,
    batch: int = 64,
    resume: bool = False,
    device: str = "auto",
) -> Adapted:
    """Trains by one method and tests on both domains.

    Raises:
        InputError: a method that there is not.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    labelled = case.target["train"] if method == "target_supervised" else case.source["train"]
    classes, unlabelled = labelled.classes, case.target["train"]
    seed_everything(seed)
    _, channels, _, size = labelled.pixels.shape
    model = Network(classes, channels=channels, size=size)
    streams = Streams(seed)
    everything = replace(unlabelled, labels=(classes[0],) * len(unlabelled))  # nobody's labels
    side = partial(LabelledBatches, classes=classes, batch=batch)
    source = side(labelled, generator=streams.generator("source"))
    target = side(everything, generator=streams.generator("target"))
    history = fit(
        model,
        PairBatches(source, target, _weights(labelled, unlabelled, method)),
        _terms(method),
        plan=plan,
        out=folder,
        streams=streams,
        rates={name: QUICK for name, _ in model.named_parameters() if name.startswith("domain.")},
        resume=resume,
        device=device,
    )
    model.train(False)
    mapped = method == "feature_mapping"
    placed = {
        name: _features(model, part["valid"]) for name, part in (("source", case.source), ("target", case.target))
    }
    if mapped:
        placed["target"] = matched(placed["target"], placed["source"])
    chances = _head(model, placed["target"]).softmax(-1)
    known = _tested(model, case.source["valid"], None)
    distance = proxy_a_distance(*(placed[name][:1000].numpy() for name in ("source", "target")), seed=seed)
    return Adapted(
        method,
        model,
        _tested(model, case.source["test"], None),
        _tested(model, case.target["test"], placed["source"] if mapped else None),
        {
            "mutual_information": mutual_information(chances),
            "soft_neighbourhood_density": soft_neighbourhood_density(chances),
            "entropy": -entropy(chances),
            "source_risk": -known.cer,
        },
        distance,
        history.train_seconds,
    )


def _terms(method: Method) -> Any:
    def terms(model: Network, given: PairBatch, progress: float) -> dict[str, Tensor]:
        features = model.body.features(given.source.examples)
        each = nn.functional.cross_entropy(model.body.head(features).float(), given.source.targets, reduction="none")
        found = {"labels": (given.weights * each).mean()}
        if method in ("dann", "coral", "mmd", "self_training"):
            there = model.body.features(given.target)
            if method == "dann":
                both = torch.cat([features, there])
                domains = torch.arange(2, device=both.device).repeat_interleave(
                    torch.tensor([len(features), len(there)], device=both.device)
                )
                found["domain"] = domain_loss(model.domain, both, domains, strength=ramp(progress))
            elif method == "coral":
                found["coral"] = ramp(progress) * coral(features, there)
            elif method == "mmd":
                found["mmd"] = ramp(progress) * mmd(features, there)
            else:
                chances = model.body.head(there).float().log_softmax(-1)
                best, said = chances.detach().exp().max(-1)
                sure = best >= SURE[0] + progress * (SURE[1] - SURE[0])
                own = nn.functional.nll_loss(chances, said, reduction="none")
                found["pseudo_labels"] = ramp(progress) * (own * sure).mean()
        return found

    return terms


def _weights(source: Pictures, target: Pictures, method: Method) -> Tensor:
    """Of the source's examples; all 1 but for reweighting, which looks at coarse pictures of both domains."""
    if method != "reweighting":
        return torch.ones(len(source))
    coarse = [
        nn.functional.adaptive_avg_pool2d(data.tensor(range(len(data))), 7).flatten(1).numpy()
        for data in (source, target)
    ]
    return torch.from_numpy(weights(*coarse)).float()


@torch.no_grad()
def _features(model: Network, data: Pictures, *, batch: int = 500) -> Tensor:
    """(N, D) on the CPU."""
    device = next(model.parameters()).device
    steps = range(0, len(data), batch)
    found = [model.body.features(data.tensor(range(at, min(at + batch, len(data)))).to(device)).cpu() for at in steps]
    return torch.cat(found)


@torch.no_grad()
def _head(model: Network, features: Tensor) -> Tensor:
    logits: Tensor = model.body.head(features.to(model.body.head.weight.device)).float().cpu()
    return logits


def _tested(model: Network, data: Pictures, like: Tensor | None) -> Evaluation:
    """Results; features mapped to the moments of `like` where it is given."""
    features = _features(model, data)
    said = _head(model, features if like is None else matched(features, like)).argmax(-1).tolist()
    words = (model.body.classes[index] for index in said)
    return Evaluation(
        tuple(
            scored(label, word, key=str(at), language="", speaker="")
            for at, (label, word) in enumerate(zip(data.labels, words, strict=True))
        )
    )


def chosen_by(rule: str, found: Mapping[Method, Adapted]) -> Method:
    """The method that a rule prefers, the one with the target's labels left out.

    Raises:
        InputError: a rule that there is not.
    """
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    candidates = {method: own for method, own in found.items() if method != "target_supervised"}
    return max(candidates, key=lambda method: candidates[method].scores[rule])


def blended(digits: Pictures, photographs: list[np.ndarray[Any, np.dtype[np.uint8]]], *, seed: int) -> Pictures:
    """MNIST-M: |patch of a photograph − digit|, another patch for each (Ganin & Lempitsky, 2015).

    Args:
        digits: of one channel or three.
        photographs: (3, H, W) each, at least as large as a digit.
    """
    random = np.random.default_rng(seed)
    _, _, height, width = digits.pixels.shape
    found = np.empty((len(digits), 3, height, width), np.uint8)
    for at, digit in enumerate(digits.pixels):
        photograph = photographs[random.integers(len(photographs))]
        top, left = (
            random.integers(size - side + 1) for size, side in zip(photograph.shape[1:], (height, width), strict=True)
        )
        patch = photograph[:, top : top + height, left : left + width]
        found[at] = np.abs(patch.astype(np.int16) - digit.astype(np.int16))
    return Pictures(found, digits.labels)
