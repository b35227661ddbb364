"""What a word recogniser without any learning of features reaches: the floor under every network.

MFCC with their first differences, stretched to a fixed number of frames, and a linear ridge classifier over whole
words. It cannot write a word it was not trained on, so it only stands beside word lists.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language
from speech_tl.results import Evaluation, scored
from speech_tl.torchaudio_shim import torchaudio

FRAMES = 24
"""Frames every clip is stretched to."""


def mfcc_ridge(data: Mapping[str, Language]) -> Evaluation:
    """Its results on the test clips of every language whose task is words; empty where there is none."""
    results = []
    for code, language in data.items():
        if language.split.task == "words":
            train = _clips(language.train) + _clips(language.valid)
            texts = [u.text for clips in (language.train, language.valid) for u in clips.utterances]
            model = MfccRidge(train, texts, sample_rate=language.train.sample_rate)
            for utterance, word in zip(language.test.utterances, model(_clips(language.test)), strict=True):
                results.append(
                    scored(utterance.text, word, key=utterance.key, language=code, speaker=utterance.speaker)
                )
    return Evaluation(tuple(results))


def _clips(clips: Clips) -> list[Tensor]:
    return [clips[index] for index in range(len(clips))]


class MfccRidge:
    """Ridge regression onto one-of-n words; the penalty is chosen by leave-one-out on the training clips."""

    def __init__(self, clips: Sequence[Tensor], words: Sequence[str], *, sample_rate: int) -> None:
        from sklearn.linear_model import RidgeClassifierCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._transform = torchaudio.transforms.MFCC(
            sample_rate,
            n_mfcc=20,
            melkwargs={
                "n_fft": 512,
                "win_length": sample_rate // 40,
                "hop_length": sample_rate // 100,
                "n_mels": 40,
            },
        )
        self._model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(0, 5, 11)))
        self._model.fit(self._features(clips), list(words))

    def __call__(self, clips: Sequence[Tensor]) -> list[str]:
        """The word of each clip (N,)."""
        return [str(word) for word in self._model.predict(self._features(clips))]

    def _features(self, clips: Sequence[Tensor]) -> NDArray[np.float32]:
        """n clips -> (n, 2 · 20 · FRAMES)."""
        rows = []
        for clip in clips:
            mfcc = self._transform(clip.unsqueeze(0))
            mfcc = mfcc - mfcc.mean(2, keepdim=True)
            both = torch.cat([mfcc, torchaudio.functional.compute_deltas(mfcc)], 1)  # (1, 40, T)
            rows.append(torch.nn.functional.interpolate(both, size=FRAMES, mode="linear").flatten().numpy())
        return np.stack(rows)
