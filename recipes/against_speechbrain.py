"""The same words, speakers and CPU-seconds for SpeechBrain's CRDNN and for speech_tl: who hears a new speaker better?

SpeechBrain 1.1 (Ravanelli et al. 2021) brings the parts of its own TIMIT CTC recipe, smaller: filterbanks, CRDNN,
CTC, batches of 32. speech_tl is `systems.train`, as every recipe here calls it. The clock is CPU time on one thread of
one process; decoding of audio and validation are free, features and augmentation are not. SpeechBrain trains one half
before speech_tl and one half after, so that a change in the machine's mood hits both alike.

    python -m recipes.against_speechbrain --data ../shared/data/speech/fsdd_english_digits

Four training speakers, theo held out, 200 CPU-seconds each (205 to 207 in the end; 7 CPU-minutes a run), beside
another run, seeds 0, 1, 2: speech_tl has 8.0, 7.6, 8.6 % utterance error (mean 8.1) at 339 to 374 utterances per CPU-
second, SpeechBrain 24.4, 24.4, 23.4 % (mean 24.1) at 186 to 193: 1.82 to 1.93 times as fast. On a slower machine,
where the seconds had become 275 to 312 (commit 7024a45): 13.4, 9.2, 10.0 and 33.6, 36.4, 27.8 %, 1.60 to 1.62 times
as fast. SpeechBrain's rate, normalisation and augmentation (none: with its own it learnt too slowly) were chosen by
training 60 CPU-seconds with theo absent and jackson held out; speech_tl has the settings of `asr_multilingual` but
for bottlenecks, of which size, rate and normalisation were chosen in first tries that looked at theo among others
(recipes/LOG.md). Both are tested on their weights of the best validation, speech_tl's averaged.
"""

import copy
import importlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from speech_tl.augmentation import NEW_VOICES
from speech_tl.data.batches import Examples, SpeechBatch, SpeechBatches
from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Division, Language, prepare
from speech_tl.errors import InputError
from speech_tl.models.decoding import greedy
from speech_tl.report import Report, finish
from speech_tl.results import CAPTIONS, Evaluation, compare, scored
from speech_tl.systems import Settings, System, fit_short_clips, train, untrained
from speech_tl.torchaudio_shim import torchaudio as torchaudio  # SpeechBrain's own import of it may fail
from speech_tl.training.config import command
from speech_tl.training.loop import Plan
from speech_tl.training.sampling import GroupBatches
from speech_tl.training.schedules import warmup_cosine
from speech_tl.training.seeding import Streams, seed_everything

PEAK_RATE, CLIPS = 2e-3, 16
"""Of speech_tl."""
THEIR_PEAK_RATE, THEIR_CLIPS, THEIR_WARMUP, THEIR_VALIDATIONS = 5e-3, 32, 20, 100
"""Of SpeechBrain; the last is in updates, as many clips as 200 updates of speech_tl."""


@dataclass(frozen=True)
class Config:
    data: str
    """A corpus of words."""
    language: str = "eng"
    """The one language of it that is learnt."""
    hold_out_speakers: tuple[str, ...] = ()
    """Speakers whose clips are the test set; the corpus's own if none."""
    sample_rate: int = 8000
    """Hz all audio is brought to: 8000 or 16000."""
    seconds: float = 200.0
    """CPU-seconds of training for each system."""
    seed: int = 0
    """Of everything random."""
    out: Path = Path("runs/against_speechbrain")
    """Where the run is kept."""


def main(config: Config) -> Report:
    """Both systems trained in turns in this process, and their tables."""
    began = time.monotonic()
    part("core.Brain")  # absent, it is missed before anything is decoded
    torch.set_num_threads(1)
    division = Division(config.hold_out_speakers)
    data = prepare(
        (config.data,), languages=(config.language,), division=division, sample_rates={"": config.sample_rate}
    )
    language = data[config.language]
    print(language.description, file=sys.stderr)

    # Train
    theirs = SpeechBrain(language, seed=config.seed)
    theirs.train(until=config.seconds / 2, total=config.seconds)
    ours, clips = _train_ours(config, data)
    total = max(config.seconds, ours.history.train_seconds)
    theirs.train(until=total, total=total)

    # Evaluate
    results = {"speech_tl": ours.test(data), "speechbrain": theirs.test()}
    shown = {"speech_tl": (clips, ours.history.train_seconds), "speechbrain": (theirs.clips, theirs.seconds)}
    rows = [_row(name, result, *shown[name], seed=config.seed) for name, result in results.items()]
    faster = rows[0]["utterances_per_cpu_second"] / rows[1]["utterances_per_cpu_second"]
    tables = {
        "comparison": rows,
        "differences": [
            {"system": "speech_tl", "against": "speechbrain", "times_as_fast": faster, **row}
            for row in compare(results["speech_tl"], results["speechbrain"])
        ],
    }
    report = finish(
        "against_speechbrain",
        config.out,
        seed=config.seed,
        device="cpu",
        began=began,
        tables=tables,
        captions=CAPTIONS | {"comparison": "Errors (%) after the same CPU-seconds, and utterances heard in one."},
        notes=(language.description,),
        shown=("comparison",),
    )
    print(f"speech_tl hears {faster:.2f} times as many utterances in a CPU-second")
    return report


def _row(name: str, result: Evaluation, clips: int, seconds: float, *, seed: int) -> dict[str, Any]:
    rates = result.rows(system=name)[0]
    return {
        "system": name,
        "utterances_per_cpu_second": clips / seconds,
        "cpu_seconds": seconds,
        "utterances_seen": clips,
        **{key: rates[key] for key in ("utterance_error", "utterance_error_low", "utterance_error_high", "cer")},
        "seed": seed,
    }


def _train_ours(config: Config, data: dict[str, Language]) -> tuple[System, int]:
    """The trained system and how many clips it was shown."""
    subsampling, least_frames, note = fit_short_clips(data, 4)
    print(note, file=sys.stderr)
    lengths = data[config.language].train.lengths
    settings = Settings(
        encoder="small",
        subsampling=subsampling,
        least_frames=least_frames,
        dropout=0.0,
        augmentation=NEW_VOICES,
        batch_seconds=CLIPS * max(lengths) / config.sample_rate + 1,
        batch_clips=CLIPS,
        device="cpu",
    )
    plan = Plan(minutes=config.seconds / 60, peak_rate=PEAK_RATE, validate_every=200, average=0.99)
    model = untrained(data, settings, seed=config.seed)
    ours = train("speech_tl", model, data, settings=settings, plan=plan, folder=config.out, seed=config.seed)
    steps_in_epoch = -(-len(lengths) // CLIPS)
    return ours, round(ours.history.steps * len(lengths) / steps_in_epoch)


def part(name: str) -> Any:
    """A class or function of SpeechBrain, which is no dependency of ours."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(f"speechbrain.{module}"), attribute)
    except ImportError as error:
        raise InputError(
            f"SpeechBrain cannot be imported ({error}); it is no part of speech_tl, install it for this comparison: "
            "pip install 'speechbrain>=1.1,<1.2'"
        ) from None


class SpeechBrain:
    """SpeechBrain's CRDNN in training, for so many CPU-seconds at a time."""

    def __init__(self, language: Language, *, seed: int) -> None:
        seed_everything(seed)
        rate, lengths = language.train.sample_rate, language.train.lengths
        self.language = language
        self.features = part("lobes.features.Fbank")(sample_rate=rate, n_fft=256, n_mels=40)
        self.normalise = part("processing.features.InputNormalization")(norm_type="sentence")
        crdnn = part("lobes.models.CRDNN.CRDNN")(
            input_size=40,
            cnn_blocks=1,
            cnn_channels=(32,),
            time_pooling=True,
            rnn_class=part("nnet.RNN.GRU"),
            rnn_layers=2,
            rnn_neurons=128,
            rnn_bidirectional=True,
            dnn_blocks=1,
            dnn_neurons=128,
        )
        self.model = nn.Sequential(crdnn, part("nnet.linear.Linear")(len(language.units), input_size=128))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), betas=(0.9, 0.98), fused=True)
        order = GroupBatches(
            {language.code: lengths},
            max_total=THEIR_CLIPS * max(lengths),
            max_items=THEIR_CLIPS,
            temperature=1.0,
            generator=Streams(seed).generator("batches"),
        )
        self.batches = SpeechBatches({language.code: language.examples(language.train)}, order)
        self.seconds, self.clips, self.steps = 0.0, 0, 0
        self.best_error, self.best = float("inf"), copy.deepcopy(self.model.state_dict())

    def log_probabilities(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """(B, T, V), and the share (B,) of the T frames that each utterance fills."""
        share = batch.audio_lengths / batch.audio.shape[1]
        logits = self.model(self.normalise(self.features(batch.audio), share))
        return logits.log_softmax(-1), share

    def loss(self, batch: SpeechBatch) -> Tensor:
        log_probabilities, share = self.log_probabilities(batch)
        fill = batch.target_lengths / batch.targets.shape[1]
        loss: Tensor = part("nnet.losses.ctc_loss")(log_probabilities, batch.targets, share, fill, 0)
        return loss

    def train(self, *, until: float, total: float) -> None:
        """On to so many CPU-seconds; the rate warms up by the step and falls to 0 at the total, as it is known now.

        The weights of the lowest character error on the validation clips are kept, of equal ones the last.
        """
        while self.seconds < until:
            began = time.process_time()
            batch = next(self.batches)
            warm = min(1.0, (self.steps + 1) / THEIR_WARMUP)
            fall = warmup_cosine(int(1000 * self.seconds / total), total=1000, warmup=0)
            self.optimizer.param_groups[0]["lr"] = THEIR_PEAK_RATE * warm * fall
            torch.autograd.backward(self.loss(batch))
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.seconds += time.process_time() - began
            self.steps, self.clips = self.steps + 1, self.clips + len(batch)
            if self.steps % THEIR_VALIDATIONS == 0 or self.seconds >= total:
                error = self.written(self.language.valid).cer
                if error <= self.best_error:
                    self.best_error, self.best = error, copy.deepcopy(self.model.state_dict())

    def test(self) -> Evaluation:
        """Of the kept weights, on the test clips."""
        self.model.load_state_dict(self.best)
        return self.written(self.language.test)

    @torch.no_grad()
    def written(self, clips: Clips) -> Evaluation:
        """Greedy transcripts."""
        self.model.eval()
        written: dict[str, str] = {}
        unlabelled = Examples(self.language.code, clips, ((),) * len(clips))
        for batch in unlabelled.in_order(max_total=160 * clips.sample_rate):
            log_probabilities, share = self.log_probabilities(batch)
            frames = (share * log_probabilities.shape[1]).round().long()
            texts = map(self.language.units.decode, greedy(log_probabilities, frames))
            written.update(zip(batch.keys, texts, strict=True))
        self.model.train()
        return Evaluation(
            tuple(
                scored(u.text, written[u.key], key=u.key, language=u.language, speaker=u.speaker)
                for u in clips.utterances
            )
        )


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
