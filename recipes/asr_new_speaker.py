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

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from speech_tl import speakers
from speech_tl.data.batches import Examples
from speech_tl.data.clips import Clips
from speech_tl.data.manifest import Utterance, read
from speech_tl.data.preparation import Division, divided
from speech_tl.data.text import Normaliser, normaliser
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.evaluate import Evaluation, evaluate
from speech_tl.models import changes, ctc
from speech_tl.report import Report, text, write
from speech_tl.results import Row, compare
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
    source: tuple[str, ...] = ()
    """Recordings of voices that the checkpoint knows, to see what they lose: the validation clips of its run."""
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
        if speaker not in (known := {u.speaker for u in utterances}):
            raise unknown_name("speaker", speaker, known, where=" ".join(config.data))
    utterances = [u for u in utterances if u.speaker in config.speakers or not config.speakers]
    found = speakers.sessions(
        _writable(utterances, model, language),
        seconds=max(config.seconds),
        unheard_texts=config.unheard_texts,
        seed=config.seed,
    )
    source = _source(config, model, language)
    known_before = evaluate(model, source.utterances, source) if source else None

    # Transfer and train
    if not (config.resume and (config.out / "config.json").exists()):
        configuration.save(config, config.out / "config.json")
    results: dict[tuple[str, float], Evaluation] = {}
    rows: list[Row] = []
    for session in found:
        tested = Clips(session.test, model.sample_rate(language)) if session.test else None
        _doubt(model, _examples(model, session.enrolment, language), session.speaker)
        for seconds in config.seconds:
            enrolled = _examples(model, speakers.first_seconds(session.enrolment, seconds), language)
            for method in config.methods:
                name = f"{session.speaker}_{method}_{seconds:g}s"
                adapted = speakers.adapt(
                    model,
                    enrolled,
                    method=method,
                    folder=config.out / "adaptations" / name,
                    steps=4 if config.tiny else speakers.STEPS,
                    seed=config.seed,
                    facts={"speaker": session.speaker},
                    device=config.device,
                )
                changes.write(config.out / "voices" / f"{name}.safetensors", adapted.changes)
                after = evaluate(adapted.model, tested.utterances, tested) if tested else Evaluation(())
                known_after = evaluate(adapted.model, source.utterances, source) if source else None
                results[method, seconds] = results.get((method, seconds), Evaluation(())) + after
                rows.append(
                    {
                        "speaker": session.speaker,
                        "method": method,
                        "amount_seconds": seconds,
                        "enrolled_seconds": adapted.changes.facts["seconds"],
                        "target_error": _error(after),
                        "source_error_before": _error(known_before),
                        "source_error_after": _error(known_after),
                        "trained_parameters": adapted.trained,
                        "cpu_seconds": adapted.cpu_seconds,
                    }
                )
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)

    # Evaluate
    return _report(config, results, rows, seconds=time.monotonic() - began)


def _recordings(data: Sequence[str], language: str, model: ctc.MultilingualCTC) -> tuple[str, list[Utterance]]:
    """The language and its utterances, texts normalised as they were for training."""
    utterances = [utterance for source in data for utterance in read(source)]
    present = sorted({utterance.language for utterance in utterances})
    if not language and len(present) > 1:
        raise InputError(f"{' '.join(data)} hold {', '.join(present)}: say which with --language")
    language = model.known(language or present[0])
    if language not in present:
        raise unknown_name("language", language, present, where=" ".join(data))
    say = _normaliser(model, language)
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


def _normaliser(model: ctc.MultilingualCTC, language: str) -> Normaliser:
    rules = model.config.normalisers.get(language)
    return Normaliser.from_dict(rules) if rules else normaliser(language)


def _source(config: Config, model: ctc.MultilingualCTC, language: str) -> Clips | None:
    """The validation clips of the checkpoint's own run: known voices, recordings it was not trained on."""
    if not config.source:
        return None
    file = next((at / "splits.json" for at in (config.checkpoint, config.checkpoint.parent) if at.is_dir()), None)
    if file is None or not file.is_file():
        raise InputError(f"no splits.json beside {config.checkpoint}: without it nobody knows which voices it knows")
    _, utterances = _recordings(config.source, language, model)
    parts = divided([(config.source[0], utterances)], Division(split_file=file), normalise=_normaliser(model, language))
    return Clips(parts.valid, model.sample_rate(language))


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


def _error(evaluation: Evaluation | None) -> float | None:
    """Utterance error for words, in percent."""
    return evaluation.rows(system="")[0]["utterance_error"] if evaluation and evaluation.results else None


def _report(
    config: Config, results: Mapping[tuple[str, float], Evaluation], rows: Sequence[Row], *, seconds: float
) -> Report:
    curve: list[dict[str, Any]] = []
    for (method, amount), evaluation in results.items():
        own = [row for row in rows if (row["method"], row["amount_seconds"]) == (method, amount)]
        error = evaluation.rows(system=method)[0] if evaluation.results else {}
        curve.append(
            {
                "case": "speaker",
                "method": method,
                "amount_seconds": amount,
                "seed": config.seed,
                "target_error": error.get("utterance_error"),
                "target_low": error.get("utterance_error_low"),
                "target_high": error.get("utterance_error_high"),
                **{key: _mean([row[key] for row in own]) for key in ("source_error_before", "source_error_after")},
                "trained_parameters": own[0]["trained_parameters"],
                "cpu_seconds": _mean([row["cpu_seconds"] for row in own]),
            }
        )
    differences = [
        {"method": method, "amount_seconds": amount, **row}
        for (method, amount), evaluation in results.items()
        if method != "unadapted" and evaluation.results and ("unadapted", amount) in results
        for row in compare(evaluation, results["unadapted", amount])
    ]
    report = Report(
        recipe="asr_new_speaker",
        command=shlex.join(["python", "-m", "recipes.asr_new_speaker", *sys.argv[1:]]),
        seed=config.seed,
        device=chosen(config.device),
        seconds=seconds,
        tables={"curve": curve, "differences": differences, "voices": list(rows)},
    )
    write(report, config.out)
    print(text(curve))
    return report


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
