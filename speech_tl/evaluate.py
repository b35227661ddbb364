"""How many errors a checkpoint makes, by language and by speaker, and what the test set can tell.

`python -m speech_tl.evaluate --checkpoint RUN --data FOLDER` prints the tables; recipes call `evaluate`. A
clip with fewer frames than its text needs (T < S + adjacent repeats) cannot come out right: it counts as an
error like any other, and is counted besides. Everything is in percent.
"""

import json
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from speech_tl import files
from speech_tl.data import split_files
from speech_tl.data.batches import frames_needed
from speech_tl.data.clips import Clips
from speech_tl.data.enrolment import mark
from speech_tl.data.manifest import Utterance, check_names, read
from speech_tl.data.preparation import Division, divided
from speech_tl.data.text import Normaliser, normaliser
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.metrics import tidy
from speech_tl.models import voices
from speech_tl.models.ctc import SPLITS, MultilingualCTC, load
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.models.decoding import greedy
from speech_tl.report import Report, text
from speech_tl.results import Evaluation, Result, compare, grouped, scored
from speech_tl.training.checkpoint import beside
from speech_tl.training.config import command

__all__ = ["Config", "Evaluation", "Result", "compare", "division_of", "evaluate", "main", "splits_of"]


LONGEST = 120.0
"""Seconds of a clip that is heard whole; attention takes memory that grows with their square."""


class Waveforms(Protocol):
    """What `Clips` gives: the samples (N,) of utterance i at the rate of its language's head."""

    def __getitem__(self, index: int, /) -> Tensor: ...


def evaluate(
    model: MultilingualCTC, utterances: Sequence[Utterance], clips: Waveforms, *, batch_seconds: float = 160.0
) -> Evaluation:
    """Greedy transcripts of `utterances`, whose texts are normalised already, against those texts.

    `clips[i]` is the audio of `utterances[i]` at `model.sample_rate` of its language. Clips of like length
    share a batch of at most `batch_seconds` with its padding, the longest first. The model's mode is
    restored.

    Raises:
        InputError: a language that the model does not know, or a clip of more than `LONGEST` seconds.
    """
    samples = [len(clips[i]) for i in range(len(utterances))]
    results: dict[int, Result] = {}
    training = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            for language, indices in grouped(range(len(utterances)), lambda i: utterances[i].language).items():
                if language not in model.languages:
                    raise unknown_name("language", language, model.languages, where=utterances[indices[0]].key)
                rate = model.sample_rate(language)
                for i in indices:
                    check_heard_whole(utterances[i], samples[i] / rate)
                limit = int(batch_seconds * rate)
                for batch in _batches(indices, samples, limit=limit):
                    texts, frames = _transcribe(model, [clips[i] for i in batch], language)
                    for i, written, length in zip(batch, texts, frames, strict=True):
                        results[i] = _result(model, utterances[i], written, frames=length)
    finally:
        model.train(training)
    return Evaluation(tuple(results[i] for i in range(len(utterances))))


def check_heard_whole(utterance: Utterance, seconds: float) -> None:
    """Refuses a clip that is too long to be heard at once."""
    if seconds > LONGEST:
        raise InputError(
            f"{utterance.where or 'clip'}: {utterance.key} lasts {seconds:.0f} s, and a clip is tested whole, up to "
            f"{LONGEST:g} s: cut it, or give its sentences' start and end (transcribe hears recordings of any length)"
        )


def _transcribe(model: MultilingualCTC, audio: Sequence[Tensor], language: str) -> tuple[list[str], list[int]]:
    """The text and the number of frames of every clip of one batch."""
    device, units = next(model.parameters()).device, model.units(language)
    lengths = torch.tensor([len(clip) for clip in audio], device=device)
    frames = model.output_lengths(lengths, language).clamp(min=0)
    if not int(frames.max()):
        return [""] * len(audio), frames.tolist()
    padded = torch.nn.utils.rnn.pad_sequence(list(audio), batch_first=True).to(device)  # (B, N)
    log_probs, frames = model.log_probabilities(padded, lengths, language)
    return [units.decode(symbols) for symbols in greedy(log_probs, frames)], frames.tolist()


def _result(model: MultilingualCTC, utterance: Utterance, hypothesis: str, *, frames: int) -> Result:
    reference = tidy(utterance.text)
    return scored(
        reference,
        hypothesis,
        key=utterance.key,
        language=utterance.language,
        speaker=utterance.speaker,
        feasible=frames >= frames_needed([ord(symbol) for symbol in reference]),
        unknown=model.units(utterance.language).missing(reference),
    )


def _batches(indices: Sequence[int], samples: Sequence[int], *, limit: int) -> Iterator[list[int]]:
    """Longest first, so that memory peaks at once; at most `limit` samples with padding."""
    ordered = sorted(indices, key=lambda i: -samples[i])
    while ordered:
        size = max(1, limit // max(1, samples[ordered[0]]))
        yield ordered[:size]
        ordered = ordered[size:]


@dataclass(frozen=True)
class Config:
    checkpoint: Path
    """A run's folder, or a checkpoint folder."""
    data: tuple[str, ...]
    """Corpora: folders or hub:NAME:CONFIG, space separated."""
    speaker: Path | None = None
    """A voice that asr_new_speaker learned from this checkpoint."""
    languages: tuple[str, ...] = ()
    """Only these; all that the data hold where empty."""
    split: Literal["test", "all"] = "test"
    """`test`: as stored with the run, else the corpus's own, else held-out speakers; `all`: every clip. What the voice
    of --speaker was learned from is always left out."""
    out: Path | None = None
    """Also write the tables, and every utterance, to this JSON file."""
    device: str = "auto"
    """auto, cpu or cuda."""


def main(config: Config) -> Report:
    started = time.monotonic()
    if not config.data:
        raise InputError("--data names no corpus; give a folder or hub:NAME:CONFIG")
    if config.out and config.out.is_dir():
        raise InputError(f"--out {config.out} is a folder; give a file to write, such as {config.out}/test.json")
    model = load(config.checkpoint, device=chosen(config.device))
    enrolled: frozenset[str] = frozenset()
    if config.speaker:
        model, enrolled = voices.load(model, config.speaker), voices.enrolled(config.speaker)
    heard = heard_by(config.checkpoint, model.languages) if config.split == "all" else frozenset()
    evaluation = Evaluation(())
    asked = _chosen(config, model)
    if enrolled and not any(mark(utterance) in enrolled for own in asked.values() for utterance in own):
        print(
            "the voice was learned from none of these recordings, by the names of their files and folder: if a name "
            "has changed since, it is tested on what it was learned from",
            file=sys.stderr,
        )
    for language, utterances in asked.items():
        if learned_from := sum(mark(utterance) in enrolled for utterance in utterances):
            print(f"{language}: {learned_from} utterances left out, the voice was learned from them", file=sys.stderr)
            utterances = [utterance for utterance in utterances if mark(utterance) not in enrolled]
        if config.split == "all" and (known := sum(u.key in heard for u in utterances)):
            print(f"{language}: the checkpoint was trained or chosen on {known} of these", file=sys.stderr)
        print(f"{language}: {len(utterances)} utterances", file=sys.stderr)
        clips = Clips(utterances, model.sample_rate(language))
        evaluation += evaluate(model, utterances, clips)
    system = config.checkpoint.name
    tables = {
        "error_rates": evaluation.rows(system=system),
        "speakers": evaluation.speaker_rows(system=system),
        "test_sets": evaluation.test_set_rows(),
        "confusions": evaluation.confusion_rows(),
        "utterances": evaluation.utterance_rows(),
    }
    line = shlex.join(["python", "-m", "speech_tl.evaluate", *sys.argv[1:]])
    seconds = time.monotonic() - started
    report = Report("speech_tl.evaluate", line, 0, chosen(config.device), seconds, tables)
    for name, rows in tables.items():
        if name != "utterances":
            print(f"\n{name.replace('_', ' ')}\n{text(rows)}")
    if config.out:
        written = json.dumps(report.metrics(), indent=1, ensure_ascii=False, allow_nan=False)
        files.write(config.out, written + "\n")
    return report


def _chosen(config: Config, model: MultilingualCTC) -> dict[str, list[Utterance]]:
    """Language -> what to test on, with texts normalised as they were for training."""
    corpora: dict[str, list[tuple[str, list[Utterance]]]] = {}
    for source in config.data:
        for language, utterances in grouped(read(source), lambda u: u.language).items():
            corpora.setdefault(language, []).append((source, utterances))
    check_names(u for parts in corpora.values() for _, part in parts for u in part)
    for language in config.languages:
        if language not in corpora:
            raise unknown_name("language", language, corpora, where=" ".join(config.data))
    chosen: dict[str, list[Utterance]] = {}
    for language in config.languages or corpora:
        check_spells(model, language, where=config.checkpoint)
        normalise = normaliser(language, model.config.normalisers.get(model.known(language)))
        if config.split == "all":
            everything = [u for _, utterances in corpora[language] for u in utterances]
            chosen[language] = [replace(u, text=normalise(u.text)) for u in everything]
            continue
        try:
            chosen[language] = _tested(corpora[language], splits_of(config.checkpoint), normalise)
        except InputError as error:
            raise InputError(f"{error}; --split all tests on every clip") from None
    return chosen


def check_spells(model: MultilingualCTC, language: str, *, where: Path) -> None:
    """Refuses a checkpoint that knows the language by its sounds alone.

    Args:
        where: the checkpoint.
    """
    if language in model.languages and model.column(language).config.head_of[language] == PHONE_HEAD:
        raise InputError(
            f"{where} writes the sounds of {language} and not its spelling: look words up with transcribe --lexicon"
        )


def _tested(
    parts: Sequence[tuple[str, Sequence[Utterance]]], stored: Path | None, normalise: Normaliser
) -> list[Utterance]:
    """The test clips of one language, of the run's own division where that is stored; what else it names may be absent.

    Args:
        parts: (source, utterances) of every corpus that has the language.
    """
    if stored is None:
        print(
            "no splits.json beside the checkpoint: the recordings are divided anew, and it may have been trained on "
            "some of those that are tested",
            file=sys.stderr,
        )
        return list(divided(parts, Division(), normalise=normalise).test)
    present = {u.key: u for _, utterances in parts for u in utterances}
    language = next(iter(present.values())).language
    *_, keys = split_files.read(stored, language)
    if lost := [key for key in keys if key not in present]:
        raise InputError(
            f"{stored}: {len(lost)} of {len(keys)} test recordings of {language} are not in the data "
            f"({', '.join(lost[:3])}): give also the folder that holds them"
        )
    return [replace(present[key], text=normalise(present[key].text)) for key in keys]


def splits_of(checkpoint: Path) -> Path | None:
    """What a checkpoint was trained and tested on: of RUN, RUN/systems/NAME, or the checkpoint in either."""
    return beside(checkpoint, SPLITS)


def heard_by(checkpoint: Path, languages: Iterable[str]) -> frozenset[str]:
    """Keys of the recordings in these languages that a checkpoint was trained or chosen on.

    Where there is no splits.json beside it, nobody knows, and that is said.
    """
    file = splits_of(checkpoint)
    if file is None:
        print(f"no splits.json beside {checkpoint}: nobody knows what it learned from", file=sys.stderr)
        return frozenset()
    parts = [split_files.read(file, language) for language in languages if language in split_files.stored(file)]
    return frozenset(key for train, valid, _ in parts for key in (*train, *valid))


def sentences_heard_by(checkpoint: Path, language: str) -> frozenset[str]:
    """Digests (`splits.digest`) of the sentences in a language that a checkpoint was trained or chosen on."""
    file = splits_of(checkpoint)
    return frozenset(split_files.stored(file).get(language, {}).get("sentences", ()) if file else ())


def division_of(checkpoint: Path) -> Division:
    """Who was trained on and who was tested when this checkpoint was made.

    Raises:
        InputError: there is no splits.json beside it.
    """
    file = splits_of(checkpoint)
    if file is None:
        raise InputError(f"no splits.json beside {checkpoint}: without it nobody knows what it was trained on")
    return Division(split_file=file)


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
