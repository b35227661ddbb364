"""Which layers to move: the lecture's four scenarios, from how much there is of the target and how far away it is.

How far is measured, not felt: the proxy A-distance between what the model makes of recordings it knows and of the
target's (`transfer.distance`), 0 where they cannot be told apart, 2 where always. The borders below come from the
curves measured so far (README, recipes/LOG.md) and, for languages, from Huang et al. (2013); they move as curves are
added.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from speech_tl import languages, speakers
from speech_tl.data.clips import Clips
from speech_tl.errors import InputError
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.transfer.distance import proxy_a_distance

FAR = 1.5
"""Proxy A-distance from which a target is dissimilar."""
HEARD = 10.0
"""Seconds of a voice below which nothing is retrained: at 5 s `theo` gained a point, four Arabic speakers lost one."""
COVERED = 0.25
"""Share of a list's words below which replay does not help: 4 of ten gained, 2 of 40 lost, 5 of 40 did neither."""
MUCH_OF_A_VOICE = 20.0
"""Seconds."""
MUCH_OF_A_LANGUAGE = 120.0
"""Seconds."""
MANY_SENTENCES = 600.0
"""Seconds of sentences from which all layers do better than a new head: between 5 and 20 minutes of Mboshi."""
GONE = "gone in the words that were enrolled with and none in others, or a twentieth to a sixth in running speech"
MOST = 400
"""Clips of a side that the distance is measured on, evenly spread."""


@dataclass(frozen=True)
class Advice:
    """One of the four scenarios, and what to do in it."""

    scenario: str
    method: str
    why: str
    expect: str
    distance: float | None
    """None where no recordings that the model knows were at hand: then the target counts as near."""

    def __str__(self) -> str:
        measured = "not measured" if self.distance is None else f"{self.distance:.1f} of 2"
        return f"{self.scenario} (distance {measured}): {self.method}, since {self.why}; {self.expect}"


def for_voice(seconds: float, distance: float | None, *, replay: bool = False, covered: float = 1.0) -> Advice:
    """Of the methods of `speakers`.

    Args:
        replay: whether the old voices' clips are learned from beside the new one's.
        covered: share of a closed list's texts that the voice enrols with; 1 in running speech.
    """
    far, much = distance is not None and distance >= FAR, seconds >= MUCH_OF_A_VOICE
    method: speakers.Method
    if replay and covered < COVERED:
        method, why = "unadapted", "a voice that enrols with so few of the words is mistaken for them"
        expect = "nothing changes; warp is a harmless try"
    elif replay:
        method, why = "input_layers", "a voice enters at the input, and replay keeps what the others need"
        expect = "a quarter of the errors in known words gone with 2 seconds, three quarters with 30, a twentieth to a "
        expect += "sixth in running speech, while other voices lose next to nothing"
    elif seconds < HEARD:
        method, why = "unadapted", "so few seconds teach the words in them as much as the voice"
        expect = "nothing changes; warp is a harmless try"
    elif much and far:
        method, why = "input_layers", "a voice this far away needs input layers that are free to follow it"
        expect = f"up to half of the errors {GONE}, while other voices lose two to four points"
    else:
        method, why = "input_layers_conservative", "a voice enters at the input, and what is held back forgets little"
        expect = f"a tenth to half of the errors {GONE}, while other voices lose half a point to two and a half"
    return Advice(_scenario(much, far), method, why, expect, distance)


def for_language(seconds: float, distance: float | None, *, known: bool = False, words: bool = True) -> Advice:
    """Of the methods of `languages`; more of a `known` one has a head already, and `words` recur, unlike sentences."""
    far, much = distance is not None and distance >= FAR, seconds >= MUCH_OF_A_LANGUAGE
    method: languages.Method = "full"
    if known:
        why = "all layers halved the errors of a known language where its head and bottlenecks gained nothing"
    elif not words and seconds < MANY_SENTENCES:
        method, why = "head", "a new head had fewer errors with 2 and with 5 minutes of sentences"
    elif much:
        why = "there is enough to retrain all layers after the new head has been warmed up"
    else:
        why = "a new head alone, or one on upper layers, had more errors with 14 seconds of a language and with 61"
    lost = "the old languages lose most of what they knew without --replay, little with it, nothing by the method head"
    expect = "the old languages stay as they are to the bit" if method == "head" else lost
    return Advice(_scenario(much, far), method, why, expect, distance)


def _scenario(much: bool, far: bool) -> str:
    return f"{'much' if much else 'little'} data, {'dissimilar' if far else 'similar'}"


def distance(model: MultilingualCTC, known: Clips, target: Clips) -> float | None:
    """Between recordings that the model knows and the target's, by its last states averaged over time.

    Where all are of one language that it knows, they are heard as that language is, else by the shared layers alone.
    Clips of a speaker stay together where there are several speakers; of one speaker each clip stands for itself.

    Returns:
        None where a side has fewer than two clips.
    """
    spoken = {utterance.language for clips in (known, target) for utterance in clips.utterances}
    language = next(iter(spoken)) if len(spoken) == 1 and spoken <= set(model.languages) else None
    sides = [_pooled(model, clips, language) for clips in (known, target)]
    groups = [_groups(clips) for clips in (known, target)]
    try:
        return proxy_a_distance(*sides, source_groups=groups[0], target_groups=groups[1])
    except InputError:  # too few to tell
        return None


def _chosen(clips: Clips) -> list[int]:
    spread = np.linspace(0, len(clips) - 1, min(MOST, len(clips)))
    return [round(float(at)) for at in spread]


def _groups(clips: Clips) -> NDArray[np.str_]:
    speakers = [clips.utterances[index].speaker for index in _chosen(clips)]
    return np.array(speakers if len(set(speakers)) > 1 else [str(index) for index in range(len(speakers))])


@torch.inference_mode()
def _pooled(model: MultilingualCTC, clips: Clips, language: str | None) -> NDArray[np.float32]:
    """(n, D)."""
    model.train(False)
    device, rows = next(model.parameters()).device, []
    for index in _chosen(clips):
        audio = clips[index][None].to(device)
        samples = torch.tensor([audio.shape[1]], device=device)
        hidden, _ = (
            model.hidden(audio, samples, language) if language else model.encoder(audio, samples, clips.sample_rate)
        )
        rows.append(hidden[-1][0].mean(0).cpu().numpy())
    return np.stack(rows)
