"""A recogniser meets a new voice: seconds of it, many ways to adapt, and what the old voices lose by each.

The lecture retrains the input layers for a new speaker and holds them back; beside that stand a warp, affine features,
LHUC, LoRA, the output layers and everything, each as a curve over the seconds of enrolment. What comes out for every
speaker is a small file that `transcribe --speaker` takes; the checkpoint stays as it is and the audio where it is.

    python -m recipes.asr_new_speaker --checkpoint runs/words --data D/arabic_speech_commands --language arb \\
        --speakers 00000003 --seconds 2 5 10 30 60 --methods unadapted warp lin lhuc input_layers full \\
        --source D/arabic_speech_commands --out runs/speaker

The settings of each method were chosen once, on the five Arabic validation speakers (recipes/LOG.md). Measured by
leave-one-out on FSDD's five speakers with --replay 0.5 (README has the command and all arms), 1,765 clips pooled,
seed 0: utterance error 18.6 unadapted; with 2, 5, 10, 30, 60 s 13.9, 10.8, 7.7, 4.5 [3.6, 5.6], 2.7 by the input
layers, 15.5, 12.2, 10.1, 6.7, 3.9 held back, 17.9, 13.3, 10.5, 8.3, 6.9 by the output layers; known voices lose 0.7
points at most in the mean (LIN 0.9, LHUC 1.0). Four Arabic test speakers, --replay 0.5, 11.2 unadapted [8.2, 14.2]:
with 2, 5, 30, 60 s 15.0, 12.2, 9.0 [6.0, 11.8], 7.2 by the input layers, 13.2, 11.8, 9.0, 7.8 held back, 12.2, 10.5,
11.5, 8.5 by the output layers. Other seeds are still to be run. Enrolled in 10 s of Mandarin, eight speakers of
dspspeech20 have 43.8 % of their English wrong unadapted, 32.8 by the input layers held back (8 clips better, 1
worse), 45.3 by the output layers. With 30 s of half of FSDD's words, tested on the other half, no method gains: 11.6
unadapted [9.8, 13.4], 12.1 by the input layers, 14.7 by the output layers (--unheard-texts). Running speech, Mboshi's
`martial` from a model of the other two, character error 65.3 unadapted: with 15, 30, 60, 300 s and --replay 0.5 61.3,
60.4, 57.0, 54.2 by the input layers, 62.1, 60.0, 57.8, 55.4 held back, 64.6, 63.5, 62.1, 60.2 by the output layers;
seed 0.
"""

import hashlib
import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import quote

from speech_tl import flags, newcomers, speakers
from speech_tl.curves import CAPTIONS, Cell, advised, pictures, tables
from speech_tl.data.batches import Examples
from speech_tl.data.clips import Clips
from speech_tl.data.enrolment import Session, first_seconds, mark
from speech_tl.data.manifest import Utterance, check_names, read
from speech_tl.data.preparation import divided
from speech_tl.data.splits import is_word_list, lasting
from speech_tl.device import chosen
from speech_tl.errors import InputError
from speech_tl.evaluate import Evaluation, check_spells, division_of, evaluate, heard_by, sentences_heard_by
from speech_tl.models import changes, ctc, voices
from speech_tl.pseudo_labels import Unsure, pseudo_labelled
from speech_tl.recommendation import distance, for_voice
from speech_tl.report import Report, finish
from speech_tl.results import telling
from speech_tl.speakers import Method
from speech_tl.training import config as configuration
from speech_tl.training.config import command
from speech_tl.transfer import replay

STRANGE = 80.0
"""Character error (%) of the unadapted model from which enrolment is doubted: a voice alone costs less."""

ASKED = (
    "data",
    "language",
    "unheard_texts",
    "speakers",
    "methods",
    "seconds",
    "carry",
    "source",
    "replay",
    "pseudo_labels",
    "seed",
)
"""Flags that may change when a run goes on: a voice file is taken as it is only if it was made from the same."""


@dataclass(frozen=True, kw_only=True)
class Config(flags.Run):
    checkpoint: tuple[Path, ...]
    """A run of asr_multilingual, or its checkpoint; or several, to each of which some of the speakers are new: what
    they come to is pooled (leave-one-out)."""
    data: tuple[str, ...]
    """Recordings of the new voices, with transcripts."""
    language: str = ""
    """Of the recordings; may be left out where they hold one."""
    speakers: tuple[str, ...] = ()
    """Whose voices are learned, each for itself; all that the checkpoint was not trained on if none."""
    methods: tuple[Method | Literal["auto"], ...] = ("unadapted", "auto")
    """Ways to adapt; auto goes by how much there is and, with --source, how far the voice is from those it knows."""
    seconds: tuple[float, ...] = (30.0,)
    """Of enrolment; what a speaker has beyond the most of them is tested on."""
    unheard_texts: bool = False
    """Enrol on half of the texts and test on the other half: is it the voice that was learned, or the words?"""
    carry: str = ""
    """Another language of the checkpoint in which the same speakers are tested too: does the voice carry over?"""
    pseudo_labels: float | None = None
    """Learn from what the checkpoint itself writes, where its confidence is at least so many percent, and not from the
    transcripts, which then serve to test only."""
    source: tuple[str, ...] = ()
    """Recordings of other voices, to see what they lose: the validation clips of the checkpoint's run."""
    replay: float = 0.0
    """Share of the updates, on top of those on the new voice, that go on with the training clips of --source (0.5,
    say), so that the others lose less."""
    plan: bool = False
    """Print which weights each method would move, and leave."""
    out: Path = Path("runs/asr_new_speaker")
    """Where the run is kept, with a file for each voice in `voices`."""


def main(config: Config) -> Report | None:
    began = time.monotonic()
    chosen(config.device)
    if not config.plan:
        config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    flags.check_named(methods=config.methods, checkpoint=config.checkpoint, data=config.data)
    if not config.seconds or not all(0 < seconds < inf for seconds in config.seconds):
        raise InputError(f"--seconds {' '.join(map(str, config.seconds))}: expected numbers above 0")
    replay.check(config.replay)
    if config.replay and not config.source:
        raise InputError("--replay goes on with other voices' recordings: name them with --source")

    # Model, data
    recordings = _read(config.data, untranscribed=config.pseudo_labels is not None)
    starts: list[Start] = []
    for checkpoint in config.checkpoint:
        taken = {session.speaker for start in starts for session in start.sessions}
        starts.append(_start(config, checkpoint, recordings, taken))
    if len(starts) > 1:
        _check_named(config, starts)

    if config.plan:
        _print_plan(config, starts)
        return None

    # Transfer and train
    configuration.begin(config, config.out, resume=config.resume, free=ASKED)
    cells: list[Cell] = []
    advice: dict[tuple[str, float], Method] = {}
    for start, seconds in product(starts, config.seconds):
        for session in start.sessions:
            test, enrolled = _clips(start.model, session.test), _enrolled(config, start.model, session, seconds)
            if enrolled is None:
                continue
            advice[session.speaker, seconds] = _advice(config, start, enrolled)
            for method in _methods(config.methods, advice[session.speaker, seconds]):
                name = f"{quote(session.speaker, safe=' ')}_{method}_{seconds:g}s"  # an id may hold a path
                adapted, facts = _adapted(config, start.model, enrolled, start.trained, name, method)

                # Evaluate
                sides = (start.known, _heard(adapted, start.source))
                before, after = (_others(each, session.speaker) for each in sides)
                carried = {"carried": start.carried[session.speaker]} if start.carried else {}
                for case, clips in ({"speaker": test} | carried).items():
                    cells.append(
                        Cell(
                            case,
                            session.speaker,
                            method,
                            seconds,
                            config.seed,
                            _heard(adapted, clips),
                            before,
                            after,
                            trained_parameters=facts["trained_parameters"],
                            cpu_seconds=facts["cpu_seconds"],
                            heard_seconds=3600 * enrolled.clips.hours,
                        )
                    )
    if not cells:
        raise InputError(
            f"nobody is transcribed with a confidence of {config.pseudo_labels:g} %: lower --pseudo-labels, or "
            "transcribe some clips by hand"
        )
    words = is_word_list([u.text for u in recordings if u.text and u.language == starts[0].language])
    measured = tables(cells, base="unadapted", measure=telling(words=words))
    measured["advice"] = advised(measured["targets"], advice)
    sys.stderr.writelines(_worse(measured["differences"], "utterance_error" if words else "cer"))
    return finish(
        "asr_new_speaker",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables=measured,
        captions=CAPTIONS,
        sections=pictures(measured["curve"]),
        shown=("curve",),
    )


def _print_plan(config: Config, starts: Sequence["Start"]) -> None:
    for start, seconds in product(starts, config.seconds):
        print(f"\n{len(start.sessions)} new voices of {start.language}, {seconds:g} s", file=sys.stderr)
        for method in config.methods:
            if method == "auto":
                print("\nauto: by what each enrols with")
            else:
                print(f"\n{method}\n{speakers.moving(start.model, start.language, method, seconds=seconds)}")


@dataclass(frozen=True)
class Start:
    """A checkpoint, and whoever is new to it."""

    model: ctc.MultilingualCTC
    language: str
    sessions: Sequence[Session]
    carried: Mapping[str, Clips]
    """Speaker -> what is tested in the language of --carry; empty where none is named."""
    source: Clips | None
    """What the others lose is seen on."""
    trained: Examples | None
    """Clips of other voices to replay; none without --replay."""
    known: Evaluation
    """Of the others, before."""


def _check_named(config: Config, starts: Sequence[Start]) -> None:
    """Nobody who was asked for is left out."""
    found = {session.speaker for start in starts for session in start.sessions}
    if missing := sorted(set(config.speakers) - found):
        raise InputError(
            f"--speakers {' '.join(missing)}: every checkpoint knows them; leave them out, or give one alone"
        )


def _start(config: Config, checkpoint: Path, recordings: Sequence[Utterance], taken: Collection[str]) -> Start:
    """What the recipe needs of one checkpoint; of speakers whom an earlier one adapts to, nothing."""
    model = ctc.load(checkpoint, device=chosen(config.device))
    data = " ".join(config.data)
    language, utterances = newcomers.in_language(recordings, config.language, model, where=data)
    check_spells(model, language, where=checkpoint)
    speakers.check_methods(model, language, _methods(config.methods, "unadapted"))
    others, trained = _source(config, checkpoint, model, language)
    heard = heard_by(checkpoint, model.languages)
    named = newcomers.spoken_by(config.speakers, utterances, where=data) if config.speakers else utterances
    if config.carry and language == config.carry:
        raise InputError(f"--carry {config.carry} is the language they enrol in: expected another one")
    several = len(config.checkpoint) > 1
    new = named if config.speakers and not several else newcomers.strangers(recordings, named, heard, told=not several)
    new = [u for u in new if u.speaker not in taken]
    if not new:
        raise InputError(f"{checkpoint}: nobody is new to it but those whom a checkpoint before it adapts to")
    found = newcomers.divided(
        new,
        model,
        language,
        seconds=max(config.seconds),
        unheard_texts=config.unheard_texts,
        transcribed=config.pseudo_labels is None,
        learned=sentences_heard_by(checkpoint, language),
        seed=config.seed,
    )
    names = [session.speaker for session in found]
    if learned := sum(u.key in heard for session in found for u in session.test):
        count = sum(len(session.test) for session in found)
        print(f"{checkpoint} learned from {learned} of the {count} test clips: of them it knows more", file=sys.stderr)
    carried: Mapping[str, Clips] = {}
    if config.carry:
        other, spoken = newcomers.in_language(recordings, config.carry, model, where=data)
        unheard = [u for u in spoken if u.key not in heard]
        carried = newcomers.clips_by(names, unheard, model, other, where=f"--carry {config.carry}")
    trained = tuple(u for u in trained if u.speaker not in names)  # or their test clips would be replayed
    if config.replay and not trained:
        raise InputError("--replay: the checkpoint was trained on no other voice than those it is to learn")
    source = _clips(model, others)
    again = newcomers.examples(model, trained) if config.replay else None
    return Start(model, language, found, carried, source, again, known=_heard(model, source))


def _source(
    config: Config, checkpoint: Path, model: ctc.MultilingualCTC, language: str
) -> tuple[tuple[Utterance, ...], tuple[Utterance, ...]]:
    """The validation and the training clips of the checkpoint's own run."""
    if not config.source:
        return (), ()
    division = division_of(checkpoint)
    _, own = newcomers.in_language(_read(config.source), language, model, where=" ".join(config.source))
    found = divided([(config.source[0], own)], division, normalise=newcomers.normaliser_of(model, language))
    return found.valid, found.train


def _clips(model: ctc.MultilingualCTC, utterances: Sequence[Utterance]) -> Clips | None:
    return Clips(utterances, model.sample_rate(utterances[0].language)) if utterances else None


def _read(data: Sequence[str], *, untranscribed: bool = False) -> list[Utterance]:
    found = [utterance for source in data for utterance in read(source, untranscribed=untranscribed)]
    check_names(found)
    return found


def _enrolled(config: Config, model: ctc.MultilingualCTC, session: Session, seconds: float) -> Examples | None:
    """What is learned from: so many seconds with their transcripts, or with what the checkpoint writes.

    None, said aloud, where it is sure of nothing that it writes.
    """
    utterances = first_seconds(session.enrolment, seconds)
    present = sum(map(lasting, utterances))
    if not session.test and seconds == max(config.seconds):
        print(f"{session.speaker}: all {present:.0f} s are enrolled, nothing is left to test on", file=sys.stderr)
    if config.pseudo_labels is not None:
        language = utterances[0].language
        clips = Clips(utterances, model.sample_rate(language))
        try:
            sure = pseudo_labelled(model, clips, language, least=config.pseudo_labels)
        except Unsure as unsure:
            print(f"{session.speaker}, {seconds:g} s: left out, {unsure}", file=sys.stderr)
            return None
        texts = [model.units(sure.language).decode(target) for target in sure.targets]
        told = f"{len(texts)} of {len(utterances)} clips are written with a confidence of {config.pseudo_labels:g} %"
        print(f"{session.speaker}, {seconds:g} s: {told}: {'; '.join(texts)}", file=sys.stderr)
        return sure
    found = newcomers.examples(model, utterances)
    if seconds == max(config.seconds):
        _doubt(model, found.clips, session.speaker)
    return found


def _advice(config: Config, start: Start, enrolled: Examples) -> Method:
    """What auto stands for; said aloud where auto was asked for."""
    seconds = sum(enrolled.clips.lengths) / enrolled.clips.sample_rate
    far = distance(start.model, start.source, enrolled.clips) if start.source else None
    advice = for_voice(seconds, far, replay=config.replay > 0, covered=_covered(start.trained, enrolled))
    if "auto" in config.methods:
        print(f"{enrolled.clips.utterances[0].speaker}, {seconds:.0f} s: {advice}", file=sys.stderr)
    return cast(Method, advice.method)


def _covered(trained: Examples | None, enrolled: Examples) -> float:
    """The share of a closed list's texts that are enrolled; 1 in running speech, and where no list is known."""
    texts = [u.text for u in trained.clips.utterances] if trained else []
    listed = set(trained.targets) if trained and is_word_list(texts) else set()
    return len(listed & set(enrolled.targets)) / len(listed) if listed else 1.0


def _methods(asked: Sequence[Method | Literal["auto"]], advice: Method) -> list[Method]:
    """Those asked for, each once."""
    return list(dict.fromkeys(advice if method == "auto" else method for method in asked))


def _adapted(
    config: Config,
    model: ctc.MultilingualCTC,
    enrolled: Examples,
    trained: Examples | None,
    name: str,
    method: Method,
) -> tuple[ctc.MultilingualCTC, Mapping[str, Any]]:
    """The model that knows the voice, and its facts; a voice file that was made from the same is taken as it is."""
    file = config.out / "voices" / f"{name}.safetensors"
    steps = 4 if config.tiny else speakers.STEPS
    keys = [utterance.key for utterance in enrolled.clips.utterances]
    again = [utterance.key for utterance in trained.clips.utterances] if trained else []
    asked = {
        "speaker": enrolled.clips.utterances[0].speaker,
        "labels": "transcripts" if config.pseudo_labels is None else f"pseudo-labels from {config.pseudo_labels:g} %",
        "clips": len(keys),
        "enrolled": [mark(utterance) for utterance in enrolled.clips.utterances],
        "replayed": len(again),
        "replay": config.replay,
        "digest": hashlib.sha256(json.dumps([keys, enrolled.targets, again]).encode()).hexdigest()[:16],
        "steps": steps,
        "seed": config.seed,
    }
    if config.resume and file.exists() and asked.items() <= (facts := changes.read(file).facts).items():
        return voices.load(model, file), facts
    _, made = speakers.adapt(
        model,
        enrolled,
        method=method,
        folder=config.out / "adaptations" / name,
        old=trained,
        replay=config.replay,
        steps=steps,
        seed=config.seed,
        facts=asked,
        device=config.device,
    )
    changes.write(file, made)
    return voices.load(model, file), made.facts  # as whoever gets the file will have it, in 16 bits


def _doubt(model: ctc.MultilingualCTC, clips: Clips, speaker: str) -> None:
    """Says so where the recordings hardly match their transcripts."""
    error = evaluate(model, clips.utterances, clips).cer
    if error >= STRANGE:
        print(
            f"{speaker}: the model writes almost nothing of these transcripts (character error {error:.0f} %): check "
            f"that they belong to the recordings and that the language is {clips.utterances[0].language}",
            file=sys.stderr,
        )


def _worse(differences: Sequence[Mapping[str, Any]], error: str) -> list[str]:
    """A line for every way to adapt by which new voices were clearly understood worse than before."""
    return [
        f"{row['case']}, {row['method']}, {row['amount_seconds']:g} s: understood worse than unadapted "
        f"({row[f'{error}_difference']:+.1f} points): do these transcripts belong to these recordings? "
        "leave its voice files alone\n"
        for row in differences
        if row["side"] == "target" and row[f"{error}_difference_low"] > 0
    ]


def _others(evaluation: Evaluation, speaker: str) -> Evaluation:
    """Without the speaker who is adapted to."""
    return Evaluation(tuple(result for result in evaluation.results if result.speaker != speaker))


def _heard(model: ctc.MultilingualCTC, clips: Clips | None) -> Evaluation:
    return evaluate(model, clips.utterances, clips) if clips else Evaluation(())


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
