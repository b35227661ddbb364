"""What a word recogniser without any training of a network reaches: the floor under every one that is trained.

Features stretched to a fixed number of frames and a linear ridge classifier over whole words: MFCC with their first
differences, or the hidden states of a network that was trained on something else (fixed features, Razavian et al.,
2014). It cannot write a word it was not trained on, so it only stands beside word lists.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.results import Evaluation, scored
from speech_tl.torchaudio_shim import torchaudio

FRAMES = 24
"""Frames every clip is stretched to."""

Features = Callable[[Tensor], Tensor]
"""A clip (N,) -> (D, T)."""


def mfcc_ridge(data: Mapping[str, Language]) -> Evaluation:
    """Its results on the test clips of every language whose task is words; empty where there is none."""
    words = [language for language in data.values() if language.split.task == "words"]
    return sum((_tested(language, _mfcc(language.train.sample_rate))[0] for language in words), Evaluation(()))


def fixed_features(model: MultilingualCTC, language: Language, *, rate: int) -> Evaluation:
    """A ridge over the hidden states of a frozen model, of the depth that leave-one-out on the training clips prefers.

    Args:
        language: whose task is words; the model need not know it.
        rate: in Hz, of the model's input layer that the clips go through.
    """
    depths = [name for name, _ in model.encoder.groups() if name.startswith("encoder.")]
    found = [_tested(language, _hidden(model, depth, rate)) for depth in range(len(depths) + 1)]
    return max(found, key=lambda each: each[1])[0]


def _tested(language: Language, features: Features) -> tuple[Evaluation, float]:
    """Results on the test clips, and the score of leave-one-out on those it was trained on."""
    ridge = WordRidge(_clips(language.train), [u.text for u in language.train.utterances], features)
    said = zip(language.test.utterances, ridge(_clips(language.test)), strict=True)
    results = [scored(u.text, word, key=u.key, language=language.code, speaker=u.speaker) for u, word in said]
    return Evaluation(tuple(results)), ridge.score


def _clips(clips: Clips) -> list[Tensor]:
    return [clips[index] for index in range(len(clips))]


N_FFT = 512
"""Shorter clips are filled up to so many samples."""


def _mfcc(sample_rate: int) -> Features:
    transform = torchaudio.transforms.MFCC(
        sample_rate,
        n_mfcc=20,
        melkwargs={"n_fft": N_FFT, "win_length": sample_rate // 40, "hop_length": sample_rate // 100, "n_mels": 40},
    )

    def features(clip: Tensor) -> Tensor:
        mfcc = transform(torch.nn.functional.pad(clip, (0, max(0, N_FFT - len(clip)))).unsqueeze(0))
        mfcc = mfcc - mfcc.mean(2, keepdim=True)
        both: Tensor = torch.cat([mfcc, torchaudio.functional.compute_deltas(mfcc)], 1)[0]  # (40, T)
        return both

    return features


def _hidden(model: MultilingualCTC, depth: int, rate: int) -> Features:
    """The states that enter block `depth`, or leave the last one."""

    @torch.no_grad()
    def features(clip: Tensor) -> Tensor:
        training, device = model.training, next(model.parameters()).device
        model.train(False)
        states, _ = model.encoder(clip[None].to(device), torch.tensor([len(clip)], device=device), rate)
        model.train(training)
        hidden: Tensor = states[depth][0].T.cpu()
        return hidden

    return features


class WordRidge:
    """Ridge regression onto one-of-n words; the penalty is chosen by leave-one-out on the training clips."""

    def __init__(self, clips: Sequence[Tensor], words: Sequence[str], features: Features) -> None:
        from sklearn.linear_model import RidgeClassifierCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._features = features
        self._ridge = RidgeClassifierCV(alphas=np.logspace(0, 5, 11))
        self._model = make_pipeline(StandardScaler(), self._ridge)
        self._model.fit(self._rows(clips), list(words))

    @property
    def score(self) -> float:
        """Of leave-one-out, larger is better."""
        return float(self._ridge.best_score_)

    def __call__(self, clips: Sequence[Tensor]) -> list[str]:
        """The word of each clip (N,)."""
        return [str(word) for word in self._model.predict(self._rows(clips))]

    def _rows(self, clips: Sequence[Tensor]) -> NDArray[np.float32]:
        """n clips -> (n, D · FRAMES)."""
        stretch = torch.nn.functional.interpolate
        rows = [stretch(self._features(clip)[None], size=FRAMES, mode="linear").flatten() for clip in clips]
        return torch.stack(rows).numpy()
