"""A model learns one more language, or more of one: which of its layers move, and what its other languages pay for it.

A new language always gets a head of its own; one that the model knows keeps its head, which learns the symbols that it
lacks. Kept lower layers under a fresh head are the lecture's picture (Huang et al., 2013); with more data upper layers,
then all of them, are worth retraining, after the head has been warmed up alone (Kumar et al., 2022: fine-tuning under a
random head distorts what was learned). A model from scratch stands beside.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from speech_tl.data.batches import SpeechBatch
from speech_tl.data.preparation import Language
from speech_tl.errors import unknown_name
from speech_tl.models.ctc import MultilingualCTC, layer_groups
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.models.growing import add_language, add_symbols, alone, beside
from speech_tl.phonology.sounds import PHONES
from speech_tl.systems import Settings, check_clips, train
from speech_tl.training.loop import Plan
from speech_tl.training.run import Terms
from speech_tl.training.seeding import seed_everything
from speech_tl.transfer import layers
from speech_tl.transfer.conservative import clone, l2_sp, output_kl, weights
from speech_tl.transfer.replay import shares, updates

Method = Literal[
    "scratch",
    "head",
    "output_layers",
    "input_layers",
    "full",
    "discriminative",
    "full_conservative",
    "progressive",
]
METHODS: tuple[Method, ...] = get_args(Method)

WARM_UP = 0.2
"""Share of the updates in which a new head learns alone, before other layers join it."""


@dataclass(frozen=True)
class Way:
    """How one method learns a language."""

    layers: str
    """What is trained beside the new head, as `transfer.layers.select` takes it."""
    decay: float = 1.0
    """From layer to layer downwards, the new head learning fastest."""
    conservative: bool = False


WAYS: Mapping[Method, Way] = {
    "scratch": Way("all"),
    "head": Way("output:1"),
    "output_layers": Way("output:2"),
    "input_layers": Way("input:2"),
    "full": Way("all"),
    "discriminative": Way("all", decay=0.5),
    "full_conservative": Way("all", conservative=True),
    "progressive": Way("all"),
}


@dataclass(frozen=True)
class Learned:
    """A model that knows the language, and what it took."""

    model: MultilingualCTC
    trained_parameters: int
    cpu_seconds: float


def learn(
    model: MultilingualCTC,
    language: Language,
    *,
    method: Method,
    settings: Settings,
    plan: Plan,
    folder: Path,
    seed: int,
    old: Mapping[str, Language] | None = None,
    replay: float = 0.0,
    resume: bool = False,
) -> Learned:
    """A copy of `model` that knows `language` too, or better; the best of its validations. `model` stays as it is.

    Args:
        plan: of the updates on the language, with their number; a new head's warm-up is part of them.
        old: recordings of other languages to go on training with.
        replay: their share of the updates, each as often as the others; these updates come on top of the plan's.

    Raises:
        InputError: a method that there is not, or a progressive column for a language that the model knows.
    """
    if method not in WAYS:
        raise unknown_name("method", method, METHODS)
    seed_everything(seed)  # of what is fresh in the model; training has streams of its own
    code, total = language.code, plan.steps or 1
    fitted = partial(_fitted, seed=seed, resume=resume)
    if method in ("scratch", "progressive"):
        own = _apart(model, language, method)
        check_clips(language, own, speed=settings.augmentation.fastest)
        return fitted(method, own, {code: _heard_by(own, language)}, settings=settings, plan=plan, folder=folder)
    own = _grown(model, language)
    check_clips(language, own, speed=settings.augmentation.fastest)
    warm = total if method == "head" else 0 if code in model.languages else max(1, round(WARM_UP * total))
    warmed = Learned(own, 0, 0.0)
    if warm:
        _freed(own, language, WAYS["head"])
        symbols_alone = replace(settings, intermediate=0.0, phones=0.0)  # other losses teach a frozen encoder nothing
        warmed = fitted(
            "head",
            own,
            {code: language},
            settings=symbols_alone,
            plan=replace(plan, steps=warm, minutes=None, epochs=None),
            folder=folder if method == "head" else folder / "head",
        )
    if method == "head":
        return warmed
    again = old if old and replay else {}
    learned = fitted(
        method,
        warmed.model,
        {code: language, **again},
        settings=replace(settings, shares=shares(code, again, replay) if again else None),
        plan=replace(plan, steps=updates(total - warm, replay if again else 0), minutes=None, epochs=None),
        folder=folder,
        rates=layers.rates(
            warmed.model,
            layer_groups(warmed.model, code),
            _freed(warmed.model, language, WAYS[method], old=again),
        ),
        penalties=_stay(model, warmed.model, but=code) if WAYS[method].conservative else None,
    )
    return replace(learned, cpu_seconds=warmed.cpu_seconds + learned.cpu_seconds)


def moving(model: MultilingualCTC, language: Language, method: Method) -> str:
    """What a method would train, a line for each layer; nothing is trained."""
    if method in ("scratch", "progressive"):
        return layers.described(layer_groups(_apart(model, language, method), language.code))
    own = _grown(model, language)
    return layers.described(layer_groups(own, language.code), _freed(own, language, WAYS[method]))


def _grown(model: MultilingualCTC, language: Language) -> MultilingualCTC:
    """A copy with a head for the language, or with every symbol of it in the one that there is."""
    own = copy.deepcopy(model)
    own.config.calibration = {}  # of how languages were told apart before their layers moved
    own.config.word_confidences = []  # likewise of how sure it was of words
    if language.code in model.languages:
        add_symbols(own, language.code, language.units)
    else:
        rate, said = language.train.sample_rate, language.normaliser.to_dict()
        add_language(own, language.code, language.units, sample_rate=rate, normaliser=said)
    return own


def _apart(model: MultilingualCTC, language: Language, method: Method) -> MultilingualCTC:
    """Fresh layers for the language: alone, or as a column beside the frozen model."""
    code, rate, said = language.code, language.train.sample_rate, language.normaliser.to_dict()
    if method == "scratch":
        phones = PHONES if language.pronunciations else None
        return alone(model, code, language.units, sample_rate=rate, phones=phones, normaliser=said)
    return beside(model, code, language.units, sample_rate=rate, normaliser=said)


def _fitted(
    name: str,
    own: MultilingualCTC,
    data: Mapping[str, Language],
    *,
    settings: Settings,
    plan: Plan,
    folder: Path,
    seed: int,
    resume: bool,
    rates: Mapping[str, float] | None = None,
    penalties: Terms | None = None,
) -> Learned:
    """`own` trained in the layers that are free; that the others did not move is checked."""
    count = sum(weight.numel() for weight in own.parameters() if weight.requires_grad)
    held = layers.frozen(own)
    system = train(
        name,
        own,
        data,
        settings=settings,
        plan=plan,
        folder=folder,
        seed=seed,
        rates=rates,
        penalties=penalties,
        resume=resume,
    )
    layers.check_frozen(own, held)
    return Learned(system.model, count, system.history.train_seconds)


def _freed(own: MultilingualCTC, language: Language, way: Way, *, old: Iterable[str] = ()) -> dict[str, float]:
    """Frees what `way` trains, and the heads that go with it; layers' factors on the learning rate."""
    groups = layer_groups(own, language.code)
    chosen = (*layers.select(groups, way.layers), *layers.select(groups, "output:1"))
    layers.train_only(own, groups, chosen)
    for code in old:  # their heads follow the layers below
        own.check_own(code)
        own.heads[own.config.head_of[code]].requires_grad_(True)
    if PHONE_HEAD in own.heads and language.pronunciations and way.layers == "all":
        own.heads[PHONE_HEAD].requires_grad_(True)
    return layers.discriminative(dict.fromkeys(chosen), decay=way.decay)


def _heard_by(model: MultilingualCTC, language: Language) -> Language:
    """Without pronunciations where the model has no head for them."""
    return language if PHONE_HEAD in model.heads else replace(language, pronunciations={})


def _stay(before: MultilingualCTC, own: MultilingualCTC, *, but: str, say: float = 1.0, pull: float = 1e-3) -> Terms:
    """The other heads go on saying of the new recordings what they said (Li & Hoiem, 2017), and weights stay near.

    Args:
        but: the language that is learned.
    """
    anchor, others = clone(own), [code for code in before.languages if code != but]
    start = {name: value for name, value in weights(own).items() if name in dict(before.named_parameters())}

    def terms(model: MultilingualCTC, batch: SpeechBatch, _progress: float) -> dict[str, Tensor]:
        anchor.to(batch.audio.device)  # type: ignore[arg-type]
        old = [code for code in others if anchor.sample_rate(code) == model.sample_rate(batch.languages[0])]
        far = batch.audio.new_zeros(())
        if old:
            now, frames = model.opinions(batch.audio, batch.audio_lengths, old)
            then, _ = anchor.opinions(batch.audio, batch.audio_lengths, old)
            far = torch.stack([output_kl(now[code], then[code], frames) for code in old]).mean()
        near = {name: value.to(batch.audio.device) for name, value in start.items()}
        return {"output_kl": say * far, "l2_sp": pull * l2_sp(model, near)}

    return terms
