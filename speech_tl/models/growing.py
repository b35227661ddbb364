"""A model grows: a language gets a head of its own, a head gets symbols it lacked; what was there says what it said.

Fresh output layers over kept lower ones are what multilingual transfer comes down to (Huang et al., 2013). A head that
is not touched cannot forget, and a head that grows keeps its old rows.
"""

import copy
from typing import Any

import torch

from speech_tl.errors import InputError, unknown_name
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.ctc_config import PHONE_HEAD, MultilingualCTCConfig, vocabulary_digest
from speech_tl.phonology.units import Units


def add_language(
    model: MultilingualCTC,
    language: str,
    units: Units,
    *,
    sample_rate: int | None = None,
    normaliser: dict[str, Any] | None = None,
) -> None:
    """Gives `model` a fresh head for a new language; all others stay as they are.

    How languages are told apart was calibrated without the new one, so that calibration goes.

    Args:
        sample_rate: in Hz, one whose input layer the model has; the highest of them if none.
        normaliser: what was done to the language's texts.

    Raises:
        InputError: the language or a head of its name is there already, or no input layer hears that rate.
    """
    config = model.config
    if language in model.languages or language in config.symbols:
        raise InputError(f"the model has a head {language!r} already: {', '.join(model.languages)}")
    rates = sorted(set(config.rate_of.values()))
    rate = sample_rate or rates[-1]
    if rate not in rates:
        raise unknown_name("sampling rate", str(rate), map(str, rates), where="this checkpoint")
    model.heads[language] = model.new_head(len(units), language).to(next(model.parameters()).device)
    config.symbols[language] = list(units.symbols)
    config.head_of[language], config.rate_of[language] = language, rate
    if normaliser:
        config.normalisers[language] = normaliser
    config.digest, config.calibration = vocabulary_digest(config.symbols), {}


def alone(
    model: MultilingualCTC,
    language: str,
    units: Units,
    *,
    sample_rate: int,
    phones: Units | None = None,
    normaliser: dict[str, Any] | None = None,
) -> MultilingualCTC:
    """A model of the same architecture with weights of its own that knows one language: the baseline from scratch.

    Raises:
        InputError: the architecture was pretrained elsewhere, and cannot be had without its weights.
    """
    if not model.config.from_scratch:
        raise InputError(f"a pretrained {model.config.encoder['model_type']} has no counterpart from scratch to train")
    symbols = {language: units.symbols} | ({PHONE_HEAD: phones.symbols} if phones else {})
    config = MultilingualCTCConfig(
        encoder=model.config.encoder,
        symbols=symbols,
        head_of={language: language},
        rate_of={language: sample_rate},
        least_frames=model.config.least_frames,
        adapters=model.config.adapters,
        label_prior=model.config.label_prior,
        normalisers={language: normaliser} if normaliser else {},
    )
    return MultilingualCTC(config)


def beside(
    model: MultilingualCTC, language: str, units: Units, *, sample_rate: int, normaliser: dict[str, Any] | None = None
) -> MultilingualCTC:
    """A new column for one language that reads `model`'s frozen one (Rusu et al., 2016); the latter keeps its own.

    Raises:
        InputError: the language is there already, or the architecture was pretrained elsewhere.
    """
    if language in model.languages:
        raise InputError(f"the model has a head {language!r} already, and needs no column for it: take another method")
    if sample_rate not in model.config.rate_of.values():
        rates = sorted(set(model.config.rate_of.values()))
        raise unknown_name("sampling rate", str(sample_rate), map(str, rates), where="this checkpoint")
    new = alone(model, language, units, sample_rate=sample_rate, normaliser=normaliser)
    config = copy.deepcopy(new.config)
    config.older, config.lateral = model.config.to_dict(), max(1, model.encoder.body.config.hidden_size // 4)
    grown = MultilingualCTC(config)
    assert grown.older is not None
    grown.older.load_state_dict(model.state_dict())
    return grown


def add_symbols(model: MultilingualCTC, language: str, units: Units) -> tuple[str, ...]:
    """Lets a language's head write the symbols of `units` too; its old rows are kept, and other heads.

    A new symbol begins with small weights and the bias of the rarest old one: nothing that was written changes much
    before it has learned.

    Returns:
        The symbols that were new.

    Raises:
        InputError: the language is an older column's, which stays as it is.
    """
    model.check_own(language)
    head = model.config.head_of[model.known(language)]
    old = model.config.symbols[head]
    new = tuple(symbol for symbol in units.symbols if symbol not in old)
    if not new:
        return ()
    kept = model.head(language)
    weight, bias = kept.weight, kept.bias
    grown = model.new_head(len(old) + len(new), head).to(weight.device)
    grown.adapters = kept.adapters
    with torch.no_grad():
        grown.weight.mul_(0.1)
        grown.weight[: len(old)] = weight
        grown.bias.fill_(float(bias.min()))
        grown.bias[: len(old)] = bias
        if grown.label_prior:
            grown.prior.fill_(float(kept.prior.min()))
            grown.prior[: len(old)] = kept.prior
            grown.prior /= grown.prior.sum()
    model.heads[head] = grown
    model.config.symbols[head] = [*old, *new]
    model.config.digest, model.config.calibration = vocabulary_digest(model.config.symbols), {}
    return new
