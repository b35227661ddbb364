"""Labels on one side only: a network trained on a labelled source, for a target of which only examples are known.

Seven ways, between what bounds them: the source alone below and the target's own labels above. All begin with the same
network, trained on the source, and have as many updates. Feature mapping makes the source's examples look like the
target's without training; where that is a matter of course, as of recordings through a line, the ways that go on with
the source's labels do so on these. Which of them to keep is chosen by a rule that sees no label
of the target.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speech_tl.errors import unknown_name
from speech_tl.metrics import Errors, character_errors, utterance_errors
from speech_tl.results import Evaluation, Measure
from speech_tl.shifts import SIDES, Look, PairBatch, PairBatches, Shift, Side
from speech_tl.training.checkpoint import load_state, save_state
from speech_tl.training.loop import Plan, fit
from speech_tl.training.seeding import Streams, seed_everything
from speech_tl.transfer.adversarial import DomainClassifier, domain_loss, fooling_loss, ramp
from speech_tl.transfer.discrepancy import coral, mmd
from speech_tl.transfer.distance import proxy_a_distance
from speech_tl.transfer.reweighting import effective_size, weights
from speech_tl.transfer.selection import (
    agreement,
    entropy,
    evenly,
    mutual_information,
    soft_neighbourhood_density,
)

Method = Literal[
    "source_only",
    "dann",
    "adda",
    "coral",
    "mmd",
    "reweighting",
    "self_training",
    "feature_mapping",
    "target_supervised",
]
METHODS: tuple[Method, ...] = get_args(Method)
Rule = Literal[
    "agreed_information", "agreement", "mutual_information", "soft_neighbourhood_density", "entropy", "source_risk"
]
RULES: tuple[Rule, ...] = get_args(Rule)
BOUNDS: tuple[Method, ...] = ("source_only", "target_supervised")
GO_ON: tuple[Method, ...] = ("dann", "coral", "mmd", "reweighting", "self_training")
"""What goes on with the source's labels, and may do so on what `Shift.mapped` makes of its examples."""
QUICK = 3.0
"""Times the learning rate for the domain classifier: one that lags behind is fooled by features that only turn."""
SLOW = 0.2
"""Times the learning rate for the network where it fights the domain classifier, who must be able to follow."""
SURE = (0.95, 0.8)
"""Self-training believes predictions of at least this probability, at the start and at the end."""
MEASURED = 1000
"""Examples of each side that distances are measured on, evenly spread."""


class Network(nn.Module):
    """A network of the shift, and beside it a classifier that tells the domains apart by its features."""

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        self.body = body
        self.domain = DomainClassifier(width)


@dataclass(frozen=True)
class Adapted:
    """One method's network, and what it reaches."""

    method: Method
    body: nn.Module
    source: Evaluation
    """As it is, also by ADDA, which trains the network for the target alone."""
    risk: Evaluation
    """Of the source as the method compares it with the target: mapped where it is, by ADDA through the network that it
    began with."""
    target: Evaluation
    answers: tuple[str, ...]
    """What it says of the target's validation examples, by which `agreement` chooses."""
    scores: Mapping[Rule, float]
    """Every other rule -> how good it finds this network on unlabelled target examples, the higher the better."""
    looks: Mapping[Side, Look]
    a_distance: float
    """Between the validation examples of both sides."""
    seconds: float
    """CPU-seconds of training behind the common beginning."""
    effective_size: float | None = None
    """Of reweighting: how many source examples of one weight would say as much."""


SCORES: Mapping[Rule, Callable[[Shift, nn.Module, Look], float]] = {
    "mutual_information": lambda shift, body, target: mutual_information(target.chances),
    "soft_neighbourhood_density": lambda shift, body, target: soft_neighbourhood_density(target.chances),
    "entropy": lambda shift, body, target: -entropy(target.chances),
    "source_risk": lambda shift, body, target: -shift.test(body, "source", "valid").cer,
}
"""How good a network is, by what it alone makes of the target's validation examples; the higher the better."""
ERRORS: Mapping[Measure, Callable[[str, str], Errors]] = {"utterance_error": utterance_errors, "cer": character_errors}


def started(
    shift: Shift, *, plan: Plan, folder: Path, seed: int, resume: bool = False, device: str = "auto"
) -> nn.Module:
    """The network that every method begins with, trained on the source's labels."""
    seed_everything(seed)
    body = shift.untrained(seed=seed)
    streams = Streams(seed)

    def terms(model: nn.Module, batch: Any, _progress: float) -> dict[str, Tensor]:
        return {"labels": shift.losses(shift.read(model, batch, varied=shift.source_varied), batch).mean()}

    batches = shift.batches("source", generator=streams.generator("source"))
    fit(body, batches, terms, plan=plan, out=folder, streams=streams, resume=resume, device=device)
    body.train(False)
    return body


def adapt(
    shift: Shift,
    start: nn.Module,
    *,
    method: Method,
    rule: Rule,
    plan: Plan,
    folder: Path,
    seed: int,
    resume: bool = False,
    device: str = "auto",
) -> Adapted:
    """Goes on from `start` by one method and tests on both sides.

    Args:
        rule: keeps the best of the network's validations, by unlabelled target examples, which rules that compare
            methods leave to mutual information; the bounds keep the last.

    Raises:
        InputError: a method or a rule that there is not.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    given = shift
    if method == "feature_mapping" or (shift.mapped_first and method in GO_ON):
        shift = shift.mapped
    seed_everything(seed)
    network = Network(copy.deepcopy(start), shift.width(start))
    streams, file = Streams(seed), folder / "best.safetensors"
    sides: tuple[Side, Side] = ("target" if method == "target_supervised" else "source", "target")
    batches = PairBatches(
        *(shift.batches(side, generator=streams.generator(name)) for side, name in zip(sides, SIDES, strict=True))
    )
    rates = {name: QUICK for name, _ in network.named_parameters() if name.startswith("domain.")}
    if method in ("dann", "adda"):
        rates |= {name: SLOW for name, _ in network.named_parameters() if name.startswith("body.")}
    chosen = method not in BOUNDS
    counted = weights(*map(shift.coarse, SIDES)) if method == "reweighting" else None
    history = fit(
        network,
        batches,
        _terms(shift, method, start, counted),
        plan=plan,
        out=folder,
        streams=streams,
        validate=partial(_validation, given, rule if rule in SCORES else "mutual_information") if chosen else None,
        on_best=(lambda best: save_state(file, best.state_dict())) if chosen else None,
        rates=rates,
        resume=resume,
        device=device,
    )
    if chosen:
        network.load_state_dict(load_state(file))
    network.train(False)
    body = network.body
    compared = start.to(next(body.parameters()).device) if method == "adda" else body
    source, target = (given.test(body, side, "test") for side in SIDES)
    risk = source if shift is given and compared is body else shift.test(compared, "source", "test")
    looks: dict[Side, Look] = {"source": shift.look(compared, "source"), "target": shift.look(body, "target")}
    answers = tuple(result.hypothesis for result in shift.test(body, "target", "valid").results)
    scores = {name: score(given, body, looks["target"]) for name, score in SCORES.items()}
    apart = distance(looks, seed=seed)
    size = None if counted is None else effective_size(counted)
    return Adapted(method, body, source, risk, target, answers, scores, looks, apart, history.train_seconds, size)


def pooled(parts: Sequence[Adapted]) -> Adapted:
    """What one method came to on each part of a target: the network and looks of the first, all tests, mean scores."""
    first = parts[0]
    return replace(
        first,
        source=sum((own.source for own in parts[1:]), first.source),
        risk=sum((own.risk for own in parts[1:]), first.risk),
        target=sum((own.target for own in parts[1:]), first.target),
        answers=tuple(answer for own in parts for answer in own.answers),
        scores={rule: fmean(own.scores[rule] for own in parts) for rule in first.scores},
        a_distance=fmean(own.a_distance for own in parts),
        seconds=sum(own.seconds for own in parts),
        effective_size=first.effective_size and fmean(own.effective_size or 0.0 for own in parts),
    )


def distance(looks: Mapping[Side, Look], *, seed: int) -> float:
    """The proxy A-distance between both sides' features, 0 to 2."""
    source, target = (looks[side] for side in SIDES)
    return proxy_a_distance(
        evenly(source.features, MEASURED).numpy(),
        evenly(target.features, MEASURED).numpy(),
        source_groups=evenly(source.groups, MEASURED),
        target_groups=evenly(target.groups, MEASURED),
        seed=seed,
    )


def chosen_by(rule: Rule, found: Mapping[Method, Adapted], *, measure: Measure) -> Method:
    """The method that a rule prefers, the one with the target's labels left out.

    Args:
        measure: by which answers are compared.

    Raises:
        InputError: a rule that there is not.
    """
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    candidates: dict[Method, Adapted] = {method: own for method, own in found.items() if method != "target_supervised"}
    liked = _liked(rule, candidates, measure)
    return max(liked, key=lambda method: liked[method])


def _liked(rule: Rule, found: Mapping[Method, Adapted], measure: Measure) -> dict[Method, float]:
    """How good a rule finds each method, the higher the better; of equals the first is meant.

    Who is certain of the wrong things is alone with them, and who agrees with most may be one of many that err alike:
    `agreed_information` takes from mutual information (nats) the mean share of errors (0 to 1), were another method's
    answers the truth.
    """
    if rule == "agreed_information":
        agreed = _liked("agreement", found, measure)
        return {method: own.scores["mutual_information"] + agreed[method] / 100 for method, own in found.items()}
    if rule == "agreement":
        answers = [own.answers for own in found.values()]
        apart = [[_difference(own, truth, measure) for truth in answers] for own in answers]
        return dict(zip(found, agreement(apart), strict=True))
    return {method: own.scores[rule] for method, own in found.items()}


def _difference(answers: Sequence[str], truth: Sequence[str], measure: Measure) -> float:
    """Errors (%) of one network's answers, were another's the truth; 100 at most, also of who writes too much."""
    return min(100.0, sum(map(ERRORS[measure], truth, answers), Errors()).rate)


def _validation(shift: Shift, rule: Rule, network: Network) -> float:
    """The lower the better."""
    look = shift.look(network.body, "target")
    return -SCORES[rule](shift, network.body, look)


def _terms(
    shift: Shift, method: Method, start: nn.Module, counted: NDArray[np.float64] | None
) -> Callable[[Network, PairBatch, float], dict[str, Tensor]]:
    """counted: (N,) what each source example counts; alike if none."""
    if method == "adda":
        return partial(_adda, shift, start)
    varied = shift.source_varied
    each_counts = None if counted is None else torch.from_numpy(counted).float()

    def terms(model: Network, given: PairBatch, progress: float) -> dict[str, Tensor]:
        here = shift.read(model.body, given.source, varied=varied)
        each = shift.losses(here, given.source)
        if each_counts is not None:
            each = each * each_counts[shift.rows(given.source).cpu()].to(each.device)
        found = {"labels": each.mean()}
        if method == "self_training":
            found["pseudo_labels"] = ramp(progress) * _pseudo_labels(shift, model.body, given.target, progress)
        elif method in ("dann", "coral", "mmd"):
            there = shift.read(model.body, given.target, varied=varied).features
            if method == "dann":
                sides = torch.tensor([0] * len(here.features) + [1] * len(there), device=there.device)
                both = torch.cat([here.features, there])
                found["domain"] = domain_loss(model.domain, both, sides, strength=ramp(progress))
            else:
                compare = coral if method == "coral" else mmd
                found[method] = ramp(progress) * compare(here.features, there)
        return found

    return terms


def _pseudo_labels(shift: Shift, body: nn.Module, batch: Any, progress: float) -> Tensor:
    """What the network says of an example as it is, and whole, where it is sure, holds for the example varied too.

    Self-training with consistency under augmentation (Sohn et al., "FixMatch", 2020), its bar lowered on the way.
    """
    body.train(False)
    with torch.no_grad():
        said, confidence = shift.believed(shift.read(body, batch, varied=False), batch)
    body.train()
    sure = confidence >= SURE[0] + progress * (SURE[1] - SURE[0])
    return (shift.losses(shift.read(body, batch, varied=True), said) * sure).mean()


def _adda(shift: Shift, start: nn.Module, model: Network, given: PairBatch, _progress: float) -> dict[str, Tensor]:
    """ADDA's second stage (Tzeng et al., 2017): the target's features come to look like what the source's were."""
    start.to(next(model.parameters()).device)
    with torch.no_grad():
        here = shift.read(start, given.source, varied=shift.source_varied).features
    there = shift.read(model.body, given.target, varied=shift.source_varied).features
    sides = torch.tensor([0] * len(here) + [1] * len(there), device=there.device)
    return {
        "domain": domain_loss(model.domain, torch.cat([here, there.detach()]), sides, strength=0.0),
        "fooling": fooling_loss(model.domain, there, as_domain=0),
    }
