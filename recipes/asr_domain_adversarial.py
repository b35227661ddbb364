"""A recogniser from clean speech for noise, for the telephone, for another corpus: transcripts on one side only.

Half of the transcribed clips are the source; the other half is heard in rooms and noise, or through a telephone, and
its transcripts are seen by the upper bound alone. Or the target is another corpus. Gradient reversal, ADDA, CORAL, MMD,
reweighting, self-training and a mapping of features stand between both bounds, and the rule that decides between them
sees no transcript of the target and is said before the run. Which methods did harm is in the report.

    python -m recipes.asr_domain_adversarial --data D/fsdd_english_digits --shift noise --noise N/esc10 \\
        --rooms N/speechbrain_rirs_noise/RIRs --sample-rate 8000 --out runs/noise
    python -m recipes.asr_domain_adversarial --data D/arabic_speech_commands --shift telephone --out runs/telephone
    python -m recipes.asr_domain_adversarial --data D/fsdd_english_digits --join 4 9 --shift recordings \\
        --target D/accented_english_numbers --sample-rate 8000 --out runs/strings

The second at 16 kHz, with --source-steps 6000 --steps 1000, seeds 0, 1, 2, all nine methods: source only 45.2, 55.6,
44.7 %; the rule chooses self-training, 28.9 [25.5, 32.2], 37.0 and 30.0 [26.4, 33.4], 79, 79, 90 % of the way to the
target's own transcripts, 24.5, 32.0, 28.3. The same commands in noise, 2,000 updates: 52.5, 62.2, 71.1 from the
source alone, chosen are CORAL, 45.9 [42.3, 50.0], 56.9 [53.0, 60.2], and self-training, 65.6 [62.0, 69.2], 58, 40, 47
% of the way to 41.1, 48.9, 59.4; ADDA does harm everywhere. The rule was found on seeds 0 and 1 and declared before
seed 2. The digits of English commands (`--target D/english_speech_commands_mini --folds 5`, 8,000 and 300): 18.2 from
the source alone and by what is chosen, 15.2 from their own transcripts; 99 clips. The third with --folds 5
--source-steps 4000 --steps 300, character error: source only 23.6 [19.7, 28.3], the target's transcripts 10.6,
self-training 19.3, CORAL 19.1, mapping 20.3; chosen is reweighting, 22.8. Before `538bad5`, which trained on the
source as it is recorded: the first with --source-steps 8000 --steps 2000 35.0 [30.6, 39.4] from the source alone,
which is what was chosen, the target's own transcripts 30.2; FSDD through a telephone, 8000 and 1000: 15.2 [12.2,
18.4], chosen is self-training, 13.6, the target's own transcripts 13.8.
"""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from speech_tl import flags, speech_domains
from speech_tl.data import splits
from speech_tl.data.clips import Clips
from speech_tl.data.disturbance import joined, surroundings, telephone
from speech_tl.data.manifest import check_names, read
from speech_tl.data.preparation import Division, Language, prepare
from speech_tl.device import chosen, leads
from speech_tl.domain_study import CAPTIONS, study
from speech_tl.domains import METHODS, Method, Rule
from speech_tl.errors import InputError
from speech_tl.models import ctc
from speech_tl.phonology.units import Units
from speech_tl.report import Report, finish
from speech_tl.speech_domains import SpeechShift
from speech_tl.systems import Settings, fit_short_clips, variation
from speech_tl.training.config import command
from speech_tl.training.loop import Plan


@dataclass(frozen=True, kw_only=True)
class Config(flags.Recordings, flags.Run):
    shift: Literal["noise", "telephone", "recordings"] = "telephone"
    """What the target is: rooms and noise, a telephone, or the recordings of --target."""
    noise: Path | None = None
    """Folder of noises; half of its files are heard in training, half in testing."""
    rooms: Path | None = None
    """Folder of rooms' impulse responses, halved likewise."""
    target: tuple[str, ...] = ()
    """Recordings of the target, of the same language and words; their transcripts test, and tell which clips have words
    that the source lacks, and are learned from by the upper bound alone."""
    folds: int = 1
    """Parts of the target's speakers; each is tested by networks that know the other parts, for a small --target."""
    join: tuple[int, ...] = ()
    """Source clips are joined into strings of so many, SHORTEST LONGEST."""
    methods: tuple[Method, ...] = METHODS
    """Ways from one domain to the other; the bounds are among them."""
    rule: Rule = "agreed_information"
    """What decides between the methods and their checkpoints, without a transcript of the target."""
    encoder: str = "small"
    """Size, folder or hub id, as in asr_multilingual."""
    source_steps: int = 1500
    """Updates on the source's transcripts, before the methods part."""
    steps: int = 600
    """Updates of every method."""
    peak_rate: float = 2e-3
    """Learning rate on the source after the warm-up."""
    method_rate: float = 5e-4
    """The same of the methods, which begin with a trained network."""
    out: Path = Path("runs/asr_domain_adversarial")
    """Where the run is kept; checkpoint/ is the model that the rule chose."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    flags.check_named(methods=config.methods)
    _check(config)

    # Data
    data = flags.prepared(config, seed=config.seed, made_in=config.out / "data", tiny=config.tiny)
    if len(data) != 1:
        raise InputError(f"--data has {', '.join(data)}: expected one language; choose it with --languages")
    source, targets = _sides(config, next(iter(data.values())))
    target = targets[0]
    varied, _ = variation([source.train], after=None)
    subsampling, least_frames, said = fit_short_clips({"": source}, 4, speed=varied.fastest)
    settings = Settings(
        encoder="tiny" if config.tiny else config.encoder,
        subsampling=subsampling,
        least_frames=least_frames,
        augmentation=varied,
        device=config.device,
    )
    folds = (f"{config.folds} folds, of which this is the first; checkpoint/ is of it",) if config.folds > 1 else ()
    notes = (f"Source: {source.description}", "; ".join((f"Target: {target.description}", *folds)), said)
    print("\n".join(notes), file=sys.stderr)

    # Model, transfer and train, evaluate
    first, steps = (8, 8) if config.tiny else (config.source_steps, config.steps)
    start = Plan(steps=first, peak_rate=config.peak_rate, validate_every=first)
    plan = Plan(steps=steps, peak_rate=config.method_rate, validate_every=max(1, steps // 5))
    flags.begin(config, config.out, {source.code: source}, resume=config.resume, free=("methods",))
    if config.shift == "recordings":  # else both sides are of one division
        file = config.out / ctc.SPLITS
        splits.save({target.code: target.split}, file, beside=file)
    found = study(
        [SpeechShift(config.shift, source, each, settings, _said(source, each)) for each in targets],
        config.methods,
        rule=config.rule,
        start=start,
        plan=plan,
        folder=config.out / "networks",
        seed=config.seed,
        resume=config.resume,
        device=config.device,
    )
    if leads():
        ctc.save(found.found[found.selected].body, config.out / "checkpoint")  # type: ignore[arg-type]
    return finish(
        "asr_domain_adversarial",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables=found.tables,
        captions=CAPTIONS,
        sections=found.pictures,
        notes=(*notes, *found.notes),
        shown=("domains", "rules"),
    )


def _check(config: Config) -> None:
    if config.shift == "recordings" and not config.target:
        raise InputError("--shift recordings without --target: give the recordings of the target")
    if config.shift != "recordings" and config.target:
        raise InputError(f"--target {' '.join(config.target)} with --shift {config.shift}: expected --shift recordings")
    if config.folds < 1 or (config.folds > 1 and len(config.target) != 1):
        told = f"--folds {config.folds} of {len(config.target)} corpora"
        raise InputError(f"{told}: expected 1, or more parts of a single --target with --shift recordings")
    if config.shift != "noise" and (config.noise or config.rooms):
        raise InputError(f"--noise and --rooms with --shift {config.shift}: expected --shift noise")
    if config.phones:
        raise InputError(f"--phones {' '.join(config.phones)}: sounds are not learned here; leave it out")
    if config.join and len(config.join) != 2:
        raise InputError(f"--join {' '.join(map(str, config.join))}: expected two numbers, SHORTEST LONGEST")


def _sides(config: Config, language: Language) -> tuple[Language, list[Language]]:
    """The source, and the target, once for each fold; all of the same words and symbols."""
    if config.shift == "recordings":
        targets = [_corpus(config, language, speakers) for speakers in _folds(config, language.code)]
        source = language
    elif config.shift == "telephone":
        source, *targets = speech_domains.changed(language, telephone, telephone, seed=config.seed)
    else:
        rate = language.train.sample_rate
        heard, tested = (
            surroundings(config.noise, config.rooms, rate=rate, half=half, seed=config.seed) for half in (0, 1)
        )
        source, *targets = speech_domains.changed(language, heard, tested, seed=config.seed)
    if config.join:
        shortest, longest = config.join
        train, valid, test = (joined(clips, shortest=shortest, longest=longest, seed=config.seed)
                              for clips in (source.train, source.valid, source.test))  # fmt: skip
        units = Units.from_texts(u.text for u in train.utterances)
        source = replace(source, units=units, train=train, valid=valid, test=test)
        targets = [replace(each, units=units) for each in targets]
    return (source, targets) if config.shift != "recordings" else _apart(source, targets)


def _apart(source: Language, targets: list[Language]) -> tuple[Language, list[Language]]:
    """Two corpora: whom and what one of them tests, the other does not train on."""
    for target in targets:
        check_names(u for side in (source, target) for part in (side.train, side.valid, side.test)
                    for u in part.utterances)  # fmt: skip
    ours, theirs = source.without(targets), [target.without([source]) for target in targets]
    for name, side in (("source", ours), *(("target", each) for each in theirs)):
        if not (len(side.train) and len(side.valid)):
            raise InputError(
                f"nothing is left of the {name} to train or to validate on: the other side tests its speakers or its "
                "sentences; give other recordings"
            )
    return ours, theirs


def _said(source: Language, target: Language) -> tuple[str, ...]:
    """The texts of the source where it is a word list and the target says no others; else none.

    That it says no others is known of a closed list without its transcripts; here they are asked.
    """
    texts = [u.text for u in source.train.utterances]
    theirs = {u.text for clips in (target.train, target.valid, target.test) for u in clips.utterances}
    return tuple(sorted(set(texts))) if splits.is_word_list(texts) and theirs <= set(texts) else ()


def _folds(config: Config, code: str) -> list[tuple[str, ...]]:
    """The target's speakers in parts, drawn by seed; one fold names nobody, so that the corpus says who tests."""
    if config.folds == 1:
        return [()]
    speakers = {u.speaker for folder in config.target for u in read(folder) if u.language == code} - {""}
    if len(speakers) < 2 * config.folds:
        raise InputError(
            f"--folds {config.folds}: {' '.join(config.target)} has {len(speakers)} named speakers of {code}, expected "
            f"{2 * config.folds} at least"
        )
    order = sorted(speakers, key=lambda speaker: splits.draw(speaker, config.seed))
    return [tuple(order[at :: config.folds]) for at in range(config.folds)]


def _corpus(config: Config, language: Language, tested: tuple[str, ...]) -> Language:
    """The recordings of --target, without those of words that the source does not have.

    Args:
        tested: its test speakers; whom the corpus says where none is named.
    """
    code = language.code
    rates = {code: language.train.sample_rate}
    division = Division(hold_out_speakers=tested, known_speakers=config.known_speakers)
    target = prepare(config.target, languages=(code,), division=division, sample_rates=rates, seed=config.seed)[code]
    words = {word for u in language.train.utterances for word in u.text.split()}
    train, valid, test = (_of_words(clips, words) for clips in (target.train, target.valid, target.test))
    if not (len(train) and len(valid) and len(test)):
        raise InputError(
            f"--target {' '.join(config.target)}: {len(train)}, {len(valid)} and {len(test)} clips to train, validate "
            "and test on have no other words than the source: expected some in each"
        )
    return replace(target, units=language.units, train=train, valid=valid, test=test)


def _of_words(clips: Clips, words: set[str]) -> Clips:
    return clips.take([at for at, utterance in enumerate(clips.utterances) if set(utterance.text.split()) <= words])


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
