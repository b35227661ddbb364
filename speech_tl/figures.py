"""The pictures of a recogniser's report: what went wrong, how it learned, and where it heard each symbol."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from speech_tl.data.preparation import Language
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.decoding import align
from speech_tl.report import Figure, Listing, aligned_image, curves, error_bars, worst
from speech_tl.results import Evaluation
from speech_tl.training.loop import History


def errors_by_language(rows: Sequence[Mapping[str, Any]], *, by: str) -> Figure:
    """Every system's error with its 95 % interval; `by` is `cer` or `utterance_error`."""
    label = {"cer": "character error (%)", "utterance_error": "utterance error (%)"}[by]
    draw = error_bars(rows, value=by, low=f"{by}_low", high=f"{by}_high", label=label)
    return Figure("Error by language", f"{label} on the test clips, with 95 % bootstrap intervals.", draw)


def learning_curves(histories: Mapping[str, History]) -> list[Figure]:
    """Training loss and validation error of every system over its updates."""
    loss = {name: [(row["step"], row["loss"]) for row in h.losses] for name, h in histories.items()}
    error = {name: [(row["step"], row["score"]) for row in h.validations] for name, h in histories.items()}
    return [
        Figure(
            "Training loss",
            "CTC loss per symbol (nats) on clips as they are trained on, the mean since the point before.",
            curves(loss, x="updates", y="loss (nats)"),
        ),
        Figure(
            "Validation error",
            "Character error on clips kept back from training, languages weighted by √clips; its lowest point is kept.",
            curves(error, x="updates", y="character error (%)"),
        ),
    ]


@torch.no_grad()
def alignment(model: MultilingualCTC, language: Language) -> list[Figure]:
    """A test clip's mel spectrogram in decibels, and the frames each symbol of its transcript was heard in.

    The clip is the first whose text the head can write. The spectrogram is librosa's; where that is not installed there
    is none.
    """
    units = model.units(language.code)
    writable = [index for index, u in enumerate(language.test.utterances) if not units.missing(u.text)]
    if not writable or importlib.util.find_spec("librosa") is None:
        return []
    import librosa

    clip, utterance = language.test[writable[0]], language.test.utterances[writable[0]]
    device, rate = next(model.parameters()).device, language.test.sample_rate
    samples = torch.tensor([len(clip)], device=device)
    scores, frames = model.log_probabilities(clip.unsqueeze(0).to(device), samples, language.code)
    targets = torch.tensor([units.encode(utterance.text)], device=device)
    spans = align(scores, frames, targets, torch.tensor([targets.shape[1]], device=device))[0]
    step = max(len(clip) / rate, model.config.least_frames / 100) / int(frames)  # seconds
    symbols = [(units.symbols[span.symbol], span.first * step, (span.last + 1) * step) for span in spans]
    mel = librosa.feature.melspectrogram(y=clip.numpy(), sr=rate, n_fft=rate // 40, hop_length=rate // 100, n_mels=40)
    image = librosa.power_to_db(mel, ref=mel.max(), top_db=60).T
    draw = aligned_image(image, symbols, seconds=len(clip) / rate, label="mel bin")
    caption = f"{utterance.key} ({language.code}): “{utterance.text}”, and where CTC puts each symbol."
    return [Figure("One utterance with its alignment", caption, draw)]


def worst_utterances(evaluation: Evaluation) -> Listing:
    """The test clips with the highest character error."""
    rows = worst(evaluation.utterance_rows(), by="cer")
    return Listing("Worst utterances", "Of the shared model, by character error (%).", rows)
