"""A recogniser meets a new voice: seconds of it, many ways to adapt, and what the old voices lose by each.

The lecture retrains the input layers for a new speaker and holds them back; beside that stand a warp, affine features,
LHUC, LoRA, the output layers and everything, each as a curve over the seconds of enrolment. What comes out for every
speaker is a small file that `transcribe --speaker` takes; the checkpoint stays as it is and the audio where it is.

    python -m recipes.asr_new_speaker --checkpoint runs/words --data D/arabic_speech_commands --language arb \\
        --speakers 00000003 --seconds 2 5 10 30 60 --methods unadapted warp lin lhuc input_layers full \\
        --source D/arabic_speech_commands --out runs/speaker

The settings of each method are first guesses from the literature: they are still to be tuned on speakers of their own,
and the curves to be measured.
"""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from speech_tl import speakers
from speech_tl.curves import Cell, pictures, tables
from speech_tl.data.batches import Examples
from speech_tl.data.clips import Clips
from speech_tl.data.manifest import Utterance, read
from speech_tl.data.preparation import Division, divided
from speech_tl.data.text import normaliser
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.evaluate import Evaluation, evaluate, splits_of
from speech_tl.models import changes, ctc, voices
from speech_tl.pseudo_labels import pseudo_labelled
from speech_tl.report import Report, text, write
from speech_tl.speakers import Method
from speech_tl.training import config as configuration
from speech_tl.training.config import command

STRANGE = 80.0
"""Character error (%) of the unadapted model from which enrolment is doubted: a voice alone costs less."""


@dataclass(frozen=True)
class Config:
    checkpoint: Path
    """A run of asr_multilingual, or its checkpoint."""
    data: tuple[str, ...]
    """Recordings of the new voices, with transcripts."""
    language: str = ""
    """Of the recordings; may be left out where they hold one."""
    speakers: tuple[str, ...] = ()
    """Whose voices are learned, each for itself; all that the recordings hold if none."""
    methods: tuple[Method, ...] = ("unadapted", "input_layers_conservative")
    """Ways to adapt."""
    seconds: tuple[float, ...] = (30.0,)
    """Of enrolment; what a speaker has beyond the most of them is tested on."""
    unheard_texts: bool = False
    """Enrol on half of the texts and test on the other half: is it the voice that was learned, or the words?"""
    pseudo_labels: float | None = None
    """Learn from what the checkpoint itself writes, where its confidence is at least so many percent, and not from the
    transcripts, which then serve to test only."""
    source: tuple[str, ...] = ()
    """Recordings of other voices, to see what they lose: the validation clips of the checkpoint's run."""
    seed: int = 0
    """Of everything random."""
    out: Path = Path("runs/asr_new_speaker")
    """Where the run is kept, with a file for each voice in `voices`."""
    resume: bool = False
    """Continue the run in --out."""
    device: str = "auto"
    """auto, cpu or cuda."""
    tiny: bool = False
    """A few updates, to see that everything works."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    if not config.seconds or min(config.seconds) <= 0:
        raise InputError(f"--seconds {' '.join(map(str, config.seconds))}: expected numbers above 0")

    # Model
    model = ctc.load(config.checkpoint, device=chosen(config.device))

    # Data
    language, utterances = _recordings(config.data, config.language, model)
    for speaker in config.speakers:
        if speaker not in (present := {u.speaker for u in utterances}):
            raise unknown_name("speaker", speaker, present, where=" ".join(config.data))
    utterances = [u for u in utterances if u.speaker in config.speakers or not config.speakers]
    found = speakers.sessions(
        _writable(utterances, model, language),
        seconds=max(config.seconds),
        unheard_texts=config.unheard_texts,
        seed=config.seed,
    )
    source = _clips(model, _source(config, model, language))
    known = _heard(model, source)

    # Transfer and train
    if not (config.resume and (config.out / "config.json").exists()):
        configuration.save(config, config.out / "config.json")
    cells: list[Cell] = []
    tests = {session.speaker: _clips(model, session.test) for session in found}
    for session, seconds in product(found, config.seconds):
        enrolled = _examples(model, speakers.first_seconds(session.enrolment, seconds), language)
        labels = "transcripts"
        if config.pseudo_labels is not None:
            enrolled, kept = pseudo_labelled(model, enrolled.clips, language, least=config.pseudo_labels)
            labels = f"pseudo-labels of {config.pseudo_labels:g} % and more, {len(kept)} clips"
        elif seconds == max(config.seconds):
            _doubt(model, enrolled, session.speaker)
        for method in config.methods:
            name = f"{session.speaker}_{method}_{seconds:g}s"
            file = config.out / "voices" / f"{name}.safetensors"
            if config.resume and file.exists():
                adapted, facts = voices.load(model, file), changes.read(file).facts
            else:
                adapted, made = speakers.adapt(
                    model,
                    enrolled,
                    method=method,
                    folder=config.out / "adaptations" / name,
                    steps=4 if config.tiny else speakers.STEPS,
                    seed=config.seed,
                    facts={"speaker": session.speaker, "labels": labels},
                    device=config.device,
                )
                changes.write(file, made)
                facts = made.facts

            # Evaluate
            cells.append(
                Cell(
                    "speaker",
                    session.speaker,
                    method,
                    seconds,
                    config.seed,
                    _heard(adapted, tests[session.speaker]),
                    _others(known, session.speaker),
                    _others(_heard(adapted, source), session.speaker),
                    trained_parameters=facts["trained_parameters"],
                    cpu_seconds=facts["cpu_seconds"],
                )
            )
    measured = tables(cells, base="unadapted")
    report = Report(
        recipe="asr_new_speaker",
        command=shlex.join(["python", "-m", "recipes.asr_new_speaker", *sys.argv[1:]]),
        seed=config.seed,
        device=chosen(config.device),
        seconds=time.monotonic() - began,
        tables=measured,
        sections=pictures(measured["curve"]),
    )
    write(report, config.out)
    print(text(measured["curve"]))
    return report


def _recordings(data: Sequence[str], language: str, model: ctc.MultilingualCTC) -> tuple[str, list[Utterance]]:
    """The language and its utterances, texts normalised as they were for training."""
    utterances = [utterance for source in data for utterance in read(source)]
    present = sorted({utterance.language for utterance in utterances})
    if not language and len(present) > 1:
        raise InputError(f"{' '.join(data)} hold {', '.join(present)}: say which with --language")
    language = model.known(language or present[0])
    if language not in present:
        raise unknown_name("language", language, present, where=" ".join(data))
    say = normaliser(language, model.config.normalisers.get(language))
    return language, [replace(u, text=say(u.text)) for u in utterances if u.language == language]


def _writable(utterances: Sequence[Utterance], model: ctc.MultilingualCTC, language: str) -> list[Utterance]:
    """Without the texts that the language's head cannot write, which are counted and shown."""
    missing = {u.key: model.units(language).missing(u.text) for u in utterances}
    if strange := sorted({symbol for symbols in missing.values() for symbol in symbols}):
        count = sum(map(bool, missing.values()))
        said = f"{count} of {len(utterances)} clips have symbols that the head of {language} cannot write"
        if count == len(utterances):
            raise InputError(f"{said}: {' '.join(map(repr, strange))}; is it the right language?")
        print(f"{said} and are left out: {' '.join(map(repr, strange))}", file=sys.stderr)
    return [u for u in utterances if not missing[u.key]]


def _source(config: Config, model: ctc.MultilingualCTC, language: str) -> tuple[Utterance, ...]:
    """The validation clips of the checkpoint's own run, which it was not trained on."""
    if not config.source:
        return ()
    file = splits_of(config.checkpoint)
    if file is None:
        raise InputError(f"no splits.json beside {config.checkpoint}: without it nobody knows which voices it knows")
    _, utterances = _recordings(config.source, language, model)
    say = normaliser(language, model.config.normalisers.get(language))
    return divided([(config.source[0], utterances)], Division(split_file=file), normalise=say).valid


def _examples(model: ctc.MultilingualCTC, utterances: Sequence[Utterance], language: str) -> Examples:
    encode = model.units(language).encode
    return Examples(language, Clips(utterances, model.sample_rate(language)), tuple(encode(u.text) for u in utterances))


def _doubt(model: ctc.MultilingualCTC, enrolled: Examples, speaker: str) -> None:
    """Says so where the recordings hardly match their transcripts."""
    error = evaluate(model, enrolled.clips.utterances, enrolled.clips).cer
    if error >= STRANGE:
        print(
            f"{speaker}: the model writes almost nothing of these transcripts (character error {error:.0f} %): check "
            f"that they belong to the recordings and that the language is {enrolled.language}",
            file=sys.stderr,
        )


def _others(evaluation: Evaluation, speaker: str) -> Evaluation:
    """Without the speaker who is adapted to."""
    return Evaluation(tuple(result for result in evaluation.results if result.speaker != speaker))


def _clips(model: ctc.MultilingualCTC, utterances: Sequence[Utterance]) -> Clips | None:
    return Clips(utterances, model.sample_rate(utterances[0].language)) if utterances else None


def _heard(model: ctc.MultilingualCTC, clips: Clips | None) -> Evaluation:
    return evaluate(model, clips.utterances, clips) if clips else Evaluation(())


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
