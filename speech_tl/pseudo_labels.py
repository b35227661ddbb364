"""A model's own transcripts of clips that nobody wrote down, where it is sure of them.

Self-training needs a bar: what is below it teaches the model its own mistakes. The confidence of a clip is the
geometric mean, over its frames, of the probability of the best unit.
"""

import torch

from speech_tl.data.batches import Examples
from speech_tl.data.clips import Clips
from speech_tl.errors import InputError
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.decoding import greedy


class Unsure(InputError):
    """Not one clip is transcribed with confidence."""


@torch.no_grad()
def pseudo_labelled(model: MultilingualCTC, clips: Clips, language: str, *, least: float) -> Examples:
    """The clips that the model transcribes with a confidence of at least `least` percent, with what it writes.

    Clips in which it hears nothing teach nothing and are left out. The model's mode is restored.

    Raises:
        Unsure: not one clip is above the bar.
        InputError: the bar is no percentage.
    """
    if not 0 <= least <= 100:
        raise InputError(f"a confidence of {least:g}: expected a percentage, such as 90")
    training, device = model.training, next(model.parameters()).device
    model.train(False)
    chosen: list[int] = []
    targets: list[tuple[int, ...]] = []
    best = 0.0
    for index in range(len(clips)):
        audio = clips[index][None].to(device)
        said, frames = model.log_probabilities(audio, torch.tensor([audio.shape[1]], device=device), language)
        symbols = greedy(said, frames)[0]
        sure = 100 * float(said[0, : int(frames[0])].amax(-1).mean().exp()) if int(frames[0]) else 0.0
        best = max(best, sure)
        if symbols and sure >= least:
            chosen.append(index)
            targets.append(tuple(symbols))
    model.train(training)
    if not chosen:
        raise Unsure(
            f"not one of {len(clips)} clips is transcribed with a confidence of {least:g} % (the highest: "
            f"{best:.0f} %): lower the bar, or transcribe some by hand"
        )
    kept = Clips([clips.utterances[index] for index in chosen], clips.sample_rate)
    return Examples(language, kept, tuple(targets))
