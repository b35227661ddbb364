"""Audio files of any format and length to text with word times and confidences.

`python -m speech_tl.transcribe --checkpoint RUN [--language sw] FILES…` prints text; other formats and a
folder for them are flags. A long file is heard in windows that overlap, of which only the middle is kept, and
written as it goes along, so memory does not grow with its length.
"""

import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch import Tensor

from speech_tl import files as documents
from speech_tl.captions import FORMATS, Transcript, Word
from speech_tl.data import audio
from speech_tl.data.text import normaliser
from speech_tl.device import chosen
from speech_tl.errors import InputError
from speech_tl.models import timed_words, voices
from speech_tl.models.ctc import MultilingualCTC, load
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.models.decoding import BLANK
from speech_tl.models.heard_sounds import Sounds, sounds_of
from speech_tl.models.identification import LanguageCalibration, head_scores
from speech_tl.models.lookup import Lookup, many_words, one_word, threshold
from speech_tl.models.word_network import Network, language_model
from speech_tl.phonology.inventories import read as read_inventory
from speech_tl.phonology.lexicon import prefix_tree, read
from speech_tl.phonology.spelling import Known, doubted, spelling
from speech_tl.phonology.units import Units
from speech_tl.training.config import command

CORE, CONTEXT = 20.0, 2.0
"""Seconds kept of a window, and heard on either side of them."""
LONGEST_WORD = 60.0
"""Seconds without a space or a pause after which the text is cut all the same."""
LISTEN = 30.0
"""Seconds from the start of a file by which its language is told."""


@dataclass(frozen=True)
class Config:
    files: tyro.conf.Positional[tuple[str, ...]]
    """Audio files of any format, rate and length."""
    checkpoint: Path
    """A run's folder, or a checkpoint folder."""
    language: str = "auto"
    """One of the checkpoint's languages; `auto` tells it from the audio where there are several."""
    speaker: Path | None = None
    """A voice that asr_new_speaker learned from this checkpoint."""
    lexicon: Path | None = None
    """Words and their IPA, tab separated: what is said between two pauses is one of these words, trained on or not."""
    phrases: Path | None = None
    """A text file of phrases of these words, one on each line: what is said between two pauses is one of them."""
    words: Literal["one", "many"] = "one"
    """Between two pauses: one word (or phrase), or any row of them."""
    lm: Path | None = None
    """How probable words are after others, for --words many: an n-gram model over them, an ARPA file."""
    lm_weight: float = 1.0
    """Of its logarithms against the sounds'."""
    word_score: float = 0.0
    """Nats for each of many words; below 0 for fewer and longer ones."""
    handicap: float | None = None
    """Nats a frame by which words that were trained on are lowered, which fit better than others; the checkpoint's own
    if none. The larger the lexicon, the more of them it costs."""
    least: float = 0.0
    """Confidence (%) below which a word of the lexicon is not believed and written as "?"."""
    false_rejections: float | None = None
    """Instead of --least: the share (%) of words of the lexicon that may be lost so, by the checkpoint's validation."""
    sounds: bool = False
    """Write the sounds that are heard, in IPA, and not text: also of a language that the checkpoint does not know,
    heard as --language is. Between two pauses they are one word."""
    inventory: Path | None = None
    """The phonemes that --sounds may write, one on each line and behind it the phones that it is spoken as, if others;
    what is heard counts for the most similar."""
    format: Literal["text", "json", "srt", "vtt", "textgrid"] = "text"
    """Written to standard output, or to --out."""
    out: Path | None = None
    """A folder for one file of this format for each audio file."""
    device: str = "auto"
    """auto, cpu or cuda."""


def transcribe(
    model: MultilingualCTC,
    path: str | Path,
    *,
    language: str = "auto",
    lookup: Lookup | None = None,
    sounds: Sounds | None = None,
    least: float = 0.0,
) -> Transcript:
    """A file of any length, in bounded memory.

    Args:
        lookup: hears words in what is said between two pauses by its sounds; else the language's head writes.
        sounds: writes these sounds, in the place of either.
        least: confidence (%) below which such a word is written as `timed_words.UNKNOWN`.

    Raises:
        InputError: the file cannot be read, or the language cannot be told.
    """
    probability = 1.0
    if language == "auto":
        language, probability = identify(model, path)
    step = _samples_per_frame(model, language) / model.sample_rate(language)  # seconds
    units = sounds.units if sounds else model.units(language)
    space = None if lookup else timed_words.space(units)
    hear: Hear = partial(model.sounds if lookup or sounds else model.log_probabilities, language=language)
    if lookup:
        written = partial(timed_words.looked_up, lookup, least=least, step=step)
    else:
        hear = _folded(hear, sounds) if sounds else hear
        written = partial(timed_words.written, units=units, step=step)
    words: list[Word] = []
    pending, frames, seconds = None, 0, 0.0  # (T, V), how many went before, read so far
    for piece, seconds in _pieces(model, path, language, hear):  # noqa: B007 - the last one counts
        pending = piece if pending is None else torch.cat([pending, piece])
        cut = _cut(pending, space, step=step)
        words += written(pending[:cut], start=frames * step)
        pending, frames = pending[cut:], frames + cut
    if pending is not None:
        words += written(pending, start=frames * step)
    return Transcript(str(path), language, 100 * probability, seconds, tuple(words))


def identify(model: MultilingualCTC, path: str | Path) -> tuple[str, float]:
    """The language of a file's first `LISTEN` seconds and its probability."""
    if len(model.languages) == 1:
        return model.languages[0], 1.0
    calibration = LanguageCalibration.of(model)
    rate = max(model.sample_rate(language) for language in model.languages)
    samples = torch.from_numpy(audio.read(path, sample_rate=rate, end=LISTEN))
    shares = calibration.probabilities(head_scores(model, [samples], sample_rate=rate))[0]
    return calibration.languages[int(shares.argmax())], float(shares.max())


def _samples_per_frame(model: MultilingualCTC, language: str) -> int:
    """From the frames of one minute more, so that padding at the ends does not count."""
    minute = 60 * model.sample_rate(language)
    frames = model.output_lengths(torch.tensor([minute, 2 * minute]), language)
    return round(minute / int(frames[1] - frames[0]))


Hear = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""audio (B, N), samples (B,) -> log-probabilities (B, T, V), frames (B,)."""


def _folded(hear: Hear, sounds: Sounds) -> Hear:
    def folded(audio: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        log_probs, frames = hear(audio, samples)
        return sounds(log_probs), frames

    return folded


def _pieces(model: MultilingualCTC, path: str | Path, language: str, hear: Hear) -> Iterator[tuple[Tensor, float]]:
    """Consecutive log-probabilities (T, V) of a file, and the second up to which it has been read."""
    rate, step = model.sample_rate(language), _samples_per_frame(model, language)
    core, context = int(CORE * rate / step), int(CONTEXT * rate / step)  # frames
    size, overlap = (core + 2 * context) * step / rate, 2 * context * step / rate  # seconds
    held: Tensor | None = None
    kept, read = context + core, 0.0  # the first window has nothing before it
    for start, samples in audio.windows(path, sample_rate=rate, seconds=size, overlap=overlap):
        if held is not None:
            yield held[:kept], read
            kept = core
        log_probs = _log_probabilities(model, torch.from_numpy(samples), language, hear)
        held, read = log_probs[context if start else 0 :], start + len(samples) / rate
    if held is not None:
        yield held, read


def _log_probabilities(model: MultilingualCTC, samples: Tensor, language: str, hear: Hear) -> Tensor:
    """(N,) -> (T, V) on the CPU; (0, 1) for a clip shorter than a frame."""
    device, lengths = next(model.parameters()).device, torch.tensor([len(samples)])
    if int(model.output_lengths(lengths, language)) < 1:
        return torch.zeros(0, 1)
    with torch.inference_mode():
        log_probs, frames = hear(samples[None].to(device), lengths.to(device))
    return log_probs[0, : int(frames[0])].cpu()


def _cut(log_probs: Tensor, space: int | None, *, step: float) -> int:
    """The last frame at which the text can be cut without cutting a word; 0 where there is none."""
    path: list[int] = log_probs.argmax(-1).tolist()
    cut, at = 0, 0
    for unit, run in groupby(path):
        size = len(list(run))
        if unit == space:
            cut = at
        elif space is None and unit == BLANK and size * step >= timed_words.PAUSE:
            cut = at + size
        at += size
    return len(path) if not cut and len(path) * step > LONGEST_WORD else cut


def main(config: Config) -> None:
    files = list(dict.fromkeys(config.files))
    targets = _targets(config, files)
    model = load(config.checkpoint, device=chosen(config.device))
    if config.speaker:
        model = voices.load(model, config.speaker)
    if config.language != "auto":
        model.known(config.language)
    elif len(model.languages) > 1:
        LanguageCalibration.of(model)  # refuse before any file is read
    if config.out:
        config.out.mkdir(parents=True, exist_ok=True)
    least = _least(config, model) if config.lexicon else 0.0
    began = time.process_time()
    sounds = _sounds(config, model)
    if lookup := _lookup(config, model):
        print(f"{config.lexicon}: ready after {time.process_time() - began:.1f} CPU-seconds", file=sys.stderr)
    failures: list[InputError] = []
    for file, target in zip(files, targets, strict=True):
        started = time.monotonic()
        try:
            transcript = transcribe(model, file, language=config.language, lookup=lookup, sounds=sounds, least=least)
        except InputError as error:
            failures.append(error)
            if len(files) > 1:
                print(f"error: {error}", file=sys.stderr)
            continue
        took, seconds = time.monotonic() - started, transcript.seconds
        sure = f"{transcript.language} ({transcript.language_probability:.0f} %)"
        told = f", heard as {sure}" if config.language == "auto" else ""
        speed = f"real-time factor {took / seconds:.3f}"
        print(f"{file}: {seconds:.1f} s in {took:.1f} s ({speed}){told}", file=sys.stderr)
        written = FORMATS[config.format][1](transcript)
        if target:
            documents.write(target, written)
        else:
            named = config.format == "text" and len(files) > 1
            print(f"{file}\t{written}" if named else written, end="", flush=True)
    if failures:
        raise failures[0] if len(files) == 1 else InputError(f"{len(failures)} of {len(files)} files failed")


def _sounds(config: Config, model: MultilingualCTC) -> Sounds | None:
    """Of --sounds."""
    if not config.sounds:
        if config.inventory:
            raise InputError(f"--inventory {config.inventory} is of the sounds that --sounds writes: add it")
        return None
    if config.lexicon or config.phrases:
        raise InputError("--sounds writes what is heard and --lexicon looks it up in words: give one of them")
    if PHONE_HEAD not in model.heads:
        raise InputError(f"--sounds: {config.checkpoint} was trained without phones, which is what it would write")
    inventory = read_inventory(config.inventory) if config.inventory else None
    return sounds_of(Units(tuple(model.config.symbols[PHONE_HEAD])), inventory)


def _lookup(config: Config, model: MultilingualCTC) -> Lookup | None:
    """Of --lexicon or --phrases, where they are given."""
    if config.lexicon is None:
        if config.phrases:
            raise InputError("--phrases are made of words: say with --lexicon how these are pronounced")
        if config.lm or config.words == "many":
            flag = "--lm" if config.lm else "--words many"
            raise InputError(f"{flag} is for the words of a lexicon: say with --lexicon how these are pronounced")
        given = (config.handicap, config.false_rejections, config.least or None, config.word_score or None)
        if any(each is not None for each in given) or config.lm_weight != 1:
            flags = "--handicap, --least, --false-rejections, --word-score and --lm-weight"
            raise InputError(f"{flags} choose among a lexicon's words: add --lexicon")
        return None
    if config.lm and config.words == "one":
        raise InputError("--lm weighs words after others, and between two pauses is one: add --words many")
    if config.handicap is not None and (config.words == "many" or not 0 <= config.handicap < inf):
        raise InputError(f"--handicap {config.handicap:g}: expected 0 or more nats a frame, and --words one")
    if config.word_score and config.words == "one":
        raise InputError(f"--word-score {config.word_score:g} is for each of many words: add --words many")
    if config.lm_weight != 1 and not config.lm:
        raise InputError(f"--lm-weight {config.lm_weight:g}: there is no --lm to weigh")
    if PHONE_HEAD not in model.heads:
        raise InputError(f"--lexicon: {config.checkpoint} was trained without phones, by which words are looked up")
    units = Units(tuple(model.config.symbols[PHONE_HEAD]))
    spell = spelling(units)
    lexicon = read(config.lexicon, spell=spell)
    if isinstance(spell, Known) and spell.told:
        print(f"{config.lexicon}: {spell.told}", file=sys.stderr)
    if config.phrases:
        try:
            lines = unicodedata.normalize("NFC", config.phrases.read_text(encoding="utf-8-sig")).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--phrases {config.phrases} cannot be read ({error})") from None
        lexicon = lexicon.phrases([line.strip() for line in lines if line.strip()], where=str(config.lexicon))
    tree = prefix_tree(lexicon, units=units.encode)
    if config.words == "one":
        first, *more = [
            own for code, own in model.config.understudies.items() if config.language in ("auto", code)
        ] or [{}]
        stands_for = {phone: other for phone, other in first.items() if all(phone in own for own in more)}
        say = [normaliser(language, stored) for language, stored in model.config.normalisers.items()]
        trained = set(model.config.trained_words)
        known = {word for word in lexicon.entries if not trained.isdisjoint({word, *(each(word) for each in say)})}
        return one_word(
            tree,
            doubted=doubted(lexicon, stands_for, units),
            known=known,
            handicap=model.config.handicap if config.handicap is None else config.handicap,
        )
    lm = language_model(config.lm, tree) if config.lm else None
    return many_words(Network(tree, lm, config.lm_weight, config.word_score))


def _least(config: Config, model: MultilingualCTC) -> float:
    """The confidence (%) below which a word is not believed."""
    if not 0 <= config.least <= 100:
        raise InputError(f"--least {config.least:g}: expected a percentage, such as 40")
    if config.false_rejections is None:
        return config.least
    if config.least:
        raise InputError("--least and --false-rejections are two ways of saying when a word is believed: give one")
    if config.words == "many":
        raise InputError("--false-rejections is known of one word between two pauses: give --least with --words many")
    try:
        return threshold(model.config.word_confidences, config.false_rejections)
    except InputError as error:
        raise InputError(f"--false-rejections, {config.checkpoint}: {error}; or give --least") from None


def _targets(config: Config, files: list[str]) -> list[Path | None]:
    """Where each transcript goes; None is standard output."""
    if not files:
        raise InputError("no audio files were named; give one or more")
    if config.out is None:
        if len(files) > 1 and config.format in ("srt", "vtt", "textgrid"):
            raise InputError(f"{len(files)} files do not make one {config.format} document; give --out FOLDER")
        return [None] * len(files)
    suffix = FORMATS[config.format][0]
    targets = [config.out / (Path(file).stem + suffix) for file in files]
    for at, target in enumerate(targets):
        if target in targets[:at]:
            first = files[targets.index(target)]
            raise InputError(f"{first} and {files[at]} would both be written to {target}; rename one of them")
    return list(targets)


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
