"""An encoder learns from recordings that nobody transcribed, before the few that somebody did.

What it learns stands in `transfer.masked_prediction`. Here an untrained model's encoder is trained on it, in place, and
`systems.train` goes on with that model, whose heads are as fresh as they were. No text is read.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import log
from pathlib import Path

import torch
from torch import Tensor, nn

from speech_tl.acoustics import normalise
from speech_tl.data.batches import Examples, SpeechBatch, SpeechBatches, shuffled
from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language
from speech_tl.data.splits import subset
from speech_tl.errors import InputError
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.phonology.units import Units
from speech_tl.systems import Settings
from speech_tl.torchaudio_shim import torchaudio
from speech_tl.training.checkpoint import load_state, save_state
from speech_tl.training.loop import History, Plan, fit
from speech_tl.training.seeding import Streams, seed_everything
from speech_tl.transfer.masked_prediction import RandomQuantizer, fill_with_noise, prediction_loss, spans, usage

SPAN = 0.4
"""Seconds of a masked span."""
CEPSTRA = 13
"""Of a frame, from which codes are made."""


def few_labels(language: Language, *, minutes: float, seed: int) -> Language:
    """The language as if only so many minutes of its training speech, drawn by seed, had been transcribed.

    They are those that `prepare` draws with `train_minutes`; symbols are those of their texts and of validation's.

    Raises:
        InputError: no utterance is as short.
    """
    kept = subset(language.train.utterances, minutes=minutes, seed=seed)
    texts = {utterance.text for utterance in (*kept, *language.valid.utterances)}
    return replace(
        language,
        split=replace(
            language.split, train=kept, note=f"{language.split.note}; at most {minutes:g} minutes transcribed"
        ),
        units=Units.from_texts(texts),
        train=Clips(kept, language.train.sample_rate),
        pronunciations={text: said for text, said in language.pronunciations.items() if text in texts},
    )


class MaskedPrediction(nn.Module):
    """What a model's own encoder is to learn: the quantizer that sets the codes, and a head to find them.

    Codes are made of cepstra, each with mean 0 and variance 1 over the clip, as HuBERT's first ones are (Hsu et al.,
    2021): mel bins rise and fall together, and codes of them say little but how loud it is (recipes/LOG.md).

    Args:
        language: whose input layer the clips go through.
        codebook: how many codes there are (K).
        share: of the frames that are masked.

    Raises:
        InputError: fewer than two codes, a share that masks nothing or everything, or a pretrained encoder.
    """

    cosines: Tensor

    def __init__(self, model: MultilingualCTC, language: str, *, codebook: int, share: float, seed: int) -> None:
        if codebook < 2 or not 0 < share < 1:
            raise InputError(
                f"a codebook of {codebook}, a share of {share:g} masked: expected 2 codes or more, and 0 < share < 1"
            )
        if not model.config.from_scratch:
            family = model.config.encoder["model_type"]
            raise InputError(f"a pretrained {family} has had its start already: take one of the encoder sizes")
        super().__init__()
        self.encoder, self.language, self.rate = model.encoder, language, model.sample_rate(language)
        self.codebook, self.share = codebook, share
        self.stack: int = model.config.encoder["subsampling_factor"]
        bins = self.encoder.bins(self.rate)
        self.register_buffer("cosines", torchaudio.functional.create_dct(CEPSTRA, bins, norm="ortho"))
        self.quantizer = RandomQuantizer(
            CEPSTRA,
            stack=self.stack,
            size=codebook,
            generator=Streams(seed).generator("quantizer"),
        )
        self.head = nn.Linear(self.encoder.body.config.hidden_size, codebook)

    def forward(self, audio: Tensor, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """audio: (B, N), samples: (B,) -> logits (B, T, K), codes (B, T), which frames are masked (B, T)."""
        with torch.autocast(audio.device.type, enabled=False):
            features, lengths = self.encoder.features(audio, samples, self.rate)
            codes = self.quantizer(normalise(features @ self.cosines, lengths))
        width = max(1, round(100 * SPAN / self.stack))
        masked = spans(self.encoder.frames(samples, self.rate), share=self.share, width=width)
        hidden, _ = self.encoder.encode(fill_with_noise(features, masked, stack=self.stack), lengths)
        return self.head(hidden[-1]), codes, masked


@dataclass(frozen=True)
class Pretrained:
    """How well the codes of masked frames are found on clips that were not trained on, by the weights that are kept."""

    history: History
    loss: float
    """Nats per masked frame."""
    accuracy: float
    """Percent of the masked frames."""
    guess: float
    """The loss of guessing by how often each code occurs there: the logarithm of their perplexity."""


def pretrain(
    task: MaskedPrediction,
    train: Clips,
    valid: Clips,
    *,
    settings: Settings,
    plan: Plan,
    folder: Path,
    seed: int,
    resume: bool = False,
) -> Pretrained:
    """Trains the encoder that stands in `task` on clips as recorded; it keeps the weights of the best validation.

    Args:
        valid: the clips that say which weights are best.
    """
    print(f"masked prediction on {60 * train.hours:.1f} minutes in {folder}", file=sys.stderr, flush=True)
    seed_everything(seed)
    streams = Streams(seed)
    longest = int(settings.batch_seconds * train.sample_rate)
    batches = wordless_batches(train, task.language, settings, generator=streams.generator("batches"))
    held = partial(_wordless(valid, task.language).in_order, max_total=longest, max_items=settings.batch_clips)
    best = folder / "best.safetensors"
    history = fit(
        task,
        batches,
        _terms,
        plan=plan,
        out=folder,
        streams=streams,
        validate=lambda task: _found(task, held, seed=seed)[0],
        on_best=lambda task: save_state(best, task.state_dict()),
        resume=resume,
        device=settings.device,
    )
    task.load_state_dict(load_state(best))
    task.train(False)
    return Pretrained(history, *_found(task, held, seed=seed))


def wordless_batches(clips: Clips, language: str, settings: Settings, *, generator: torch.Generator) -> SpeechBatches:
    """The clips in endless batches, without their transcripts.

    Raises:
        InputError: a clip is longer than a whole batch.
    """
    return shuffled(
        {language: _wordless(clips, language)},
        seconds=settings.batch_seconds,
        clips=settings.batch_clips,
        temperature=settings.temperature,
        generator=generator,
    )


def _wordless(clips: Clips, language: str) -> Examples:
    return Examples(language, clips, ((),) * len(clips))


def _terms(task: MaskedPrediction, batch: SpeechBatch, _progress: float) -> dict[str, Tensor]:
    return {"masked_prediction": prediction_loss(*task(batch.audio, batch.audio_lengths))}


@torch.no_grad()
def _found(
    task: MaskedPrediction, batches: Callable[[], Iterator[SpeechBatch]], *, seed: int
) -> tuple[float, float, float]:
    """Loss, accuracy and guess of `Pretrained`, with the same frames masked each time."""
    seed_everything(seed)
    device = next(task.parameters()).device
    losses, rights, codes = [], [], []
    for batch in batches():
        audio = batch.to(device)
        logits, wanted, masked = task(audio.audio, audio.audio_lengths)
        losses.append(prediction_loss(logits, wanted, masked) * masked.sum())
        rights.append((logits.argmax(-1) == wanted)[masked])
        codes.append(wanted[masked])
    total = max(1, sum(map(len, codes)))
    right = float(torch.cat(rights).sum())
    return float(sum(losses)) / total, 100 * right / total, log(usage(torch.cat(codes), size=task.codebook))
