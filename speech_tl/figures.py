"""The pictures of a recogniser's report: what went wrong, how it learned, and where it heard each symbol."""

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
            "CTC loss per symbol (nats) on augmented clips, the mean since the point before.",
            curves(loss, x="updates", y="loss (nats)"),
        ),
        Figure(
            "Validation error",
            "Character error on clips kept back from training, averaged over languages; its lowest point is kept.",
            curves(error, x="updates", y="character error (%)"),
        ),
    ]


def alignment(model: MultilingualCTC, language: Language, index: int = 0) -> Figure:
    """One test clip: its features, and the frames each symbol of its transcript was heard in."""
    clip, utterance = language.test[index], language.test.utterances[index]
    device = next(model.parameters()).device
    samples = torch.tensor([len(clip)], device=device)
    scores, frames = model.log_probabilities(clip.unsqueeze(0).to(device), samples, language.code)
    units = model.units(language.code)
    targets = torch.tensor([units.encode(utterance.text)], device=device)
    spans = align(scores, frames, targets, torch.tensor([targets.shape[1]], device=device))[0]
    rate = language.test.sample_rate
    image, _ = model.encoder.front_end(rate)(clip.unsqueeze(0).to(device), samples)
    seconds = len(clip) / rate
    step = max(seconds, model.config.least_frames / 100) / int(frames)
    symbols = [(units.symbols[span.symbol], span.first * step, (span.last + 1) * step) for span in spans]
    draw = aligned_image(image[0].cpu().reshape(len(image[0]), -1), symbols, seconds=seconds, label="mel bin")
    caption = (
        f"{utterance.key} ({language.code}): “{utterance.text}”, what the encoder hears and where CTC puts each symbol."
    )
    return Figure("One utterance with its alignment", caption, draw)


def worst_utterances(evaluation: Evaluation) -> Listing:
    """The test clips with the highest character error."""
    rows = worst(evaluation.utterance_rows(), by="cer")
    return Listing("Worst utterances", "Of the shared model, by character error (%).", rows)
