"""Which language is spoken, told from how well each head gets on with the audio.

Heads of different vocabularies score on different scales (a head of 11 digits is always surer than one of 60
letters), so their raw scores are never compared: a multinomial logistic regression over the scores of *all*
heads is fitted on validation data (Brümmer & van Leeuwen 2006, On calibration of language recognition scores)
and kept in the checkpoint's configuration as plain JSON.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_tl.errors import InputError
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.decoding import BLANK
from speech_tl.torchaudio_shim import torchaudio

Scores = NDArray[np.float64]

PER_HEAD = 3
"""Mean log-probability of the best unit over all frames, over frames that are no blank, and their share."""


@dataclass(frozen=True)
class LanguageCalibration:
    """softmax(W (x - centre) / scale + b) over the languages, x the scores of every head."""

    languages: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    """(languages, scores)."""
    bias: tuple[float, ...]

    def probabilities(self, scores: Scores) -> Scores:
        """(n, scores) -> (n, languages), each row summing to 1."""
        standard = (np.asarray(scores) - np.array(self.centre)) / np.array(self.scale)
        logits = standard @ np.array(self.weights).T + np.array(self.bias)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        shares: Scores = odds / odds.sum(1, keepdims=True)
        return shares

    def predict(self, scores: Scores) -> list[str]:
        return [self.languages[k] for k in self.probabilities(scores).argmax(1)]

    def to_dict(self) -> dict[str, Any]:
        """JSON values, for `model.config.calibration`."""
        return asdict(self)

    @classmethod
    def of(cls, model: MultilingualCTC) -> "LanguageCalibration":
        """The calibration a checkpoint carries.

        Raises:
            InputError: it carries none, or one for other languages.
        """
        stored, names = model.config.calibration, ", ".join(model.languages)
        if not stored:
            raise InputError(f"this checkpoint was not calibrated to tell languages apart; name one of {names}")
        if tuple(stored["languages"]) != model.languages:
            known = ", ".join(stored["languages"])
            raise InputError(f"this checkpoint was calibrated for {known} but has heads for {names}; name one")
        rows = tuple(tuple(row) for row in stored["weights"])
        vectors = {name: tuple(stored[name]) for name in ("languages", "centre", "scale", "bias")}
        return cls(weights=rows, **vectors)


def head_scores(
    model: MultilingualCTC, clips: Sequence[Tensor], *, sample_rate: int, batch_seconds: float = 160.0
) -> Scores:
    """(n, PER_HEAD · languages) scores of every head on every clip (N,), which are resampled where a head
    asks for it.

    The model's mode is restored.
    """
    training, device = model.training, next(model.parameters()).device
    order = sorted(range(len(clips)), key=lambda i: -len(clips[i]))
    scores = np.zeros((len(clips), len(model.languages), PER_HEAD))
    model.train(False)
    try:
        with torch.inference_mode():
            while order:
                batch = order[: max(1, int(batch_seconds * sample_rate) // max(1, len(clips[order[0]])))]
                order = order[len(batch) :]
                for k, language in enumerate(model.languages):
                    rate = model.sample_rate(language)
                    audio = [_resampled(clips[i], sample_rate, rate) for i in batch]
                    lengths = torch.tensor([len(clip) for clip in audio], device=device)
                    padded = torch.nn.utils.rnn.pad_sequence(audio, batch_first=True).to(device)
                    scores[batch, k] = _scores(*model.log_probabilities(padded, lengths, language))
    finally:
        model.train(training)
    return scores.reshape(len(clips), -1)


def _scores(log_probs: Tensor, lengths: Tensor) -> Scores:
    """log_probs: (B, T, V), lengths: (B,) -> (B, PER_HEAD)."""
    best, unit = log_probs.max(-1)  # (B, T)
    inside = torch.arange(best.shape[1], device=best.device) < lengths.to(best.device)[:, None]
    sounding = inside & (unit != BLANK)
    frames, sounds = inside.sum(1).clamp(min=1), sounding.sum(1)
    everywhere = (best * inside).sum(1) / frames
    where_sounding = torch.where(sounds > 0, (best * sounding).sum(1) / sounds.clamp(min=1), everywhere)
    return torch.stack([everywhere, where_sounding, sounds / frames], 1).double().cpu().numpy()


def _resampled(clip: Tensor, source: int, target: int) -> Tensor:
    if source == target:
        return clip
    resampled: Tensor = torchaudio.functional.resample(clip, source, target)
    return resampled


def calibrate(scores: Scores, spoken: Sequence[str], *, languages: Sequence[str]) -> LanguageCalibration:
    """Fit on validation clips: `scores` from `head_scores`, `spoken[i]` the language of clip i.

    Languages weigh alike however many clips they have, and the L2 penalty is scikit-learn's default (C = 1).
    """
    from sklearn.linear_model import LogisticRegression

    if missing := set(languages) - set(spoken):
        raise InputError(f"no validation clips of {', '.join(sorted(missing))}: each language needs some to calibrate")
    if len(languages) < 2:
        raise InputError(f"nothing to tell apart: the only language is {', '.join(languages) or 'missing'}")
    centre, scale = scores.mean(0), scores.std(0)
    scale[scale < 1e-8] = 1.0
    index = [languages.index(language) for language in spoken]
    fitted = LogisticRegression(class_weight="balanced", max_iter=2000).fit((scores - centre) / scale, index)
    weights, bias = fitted.coef_, fitted.intercept_
    if len(languages) == 2:  # scikit-learn keeps one row, the log odds of the second
        weights, bias = np.concatenate([0 * weights, weights]), np.concatenate([0 * bias, bias])
    return LanguageCalibration(
        tuple(languages),
        tuple(map(float, centre)),
        tuple(map(float, scale)),
        tuple(tuple(map(float, row)) for row in weights),
        tuple(map(float, bias)),
    )


def confusion_rows(spoken: Sequence[str], heard: Sequence[str]) -> list[dict[str, Any]]:
    """A row per spoken language: the percentage of its clips heard as each language."""
    languages = sorted(set(spoken) | set(heard))
    rows: list[dict[str, Any]] = []
    for language in sorted(set(spoken)):
        own = [guess for truth, guess in zip(spoken, heard, strict=True) if truth == language]
        shares = {name: 100 * own.count(name) / len(own) for name in languages}
        rows.append({"spoken": language, "clips": len(own), **shares})
    return rows
