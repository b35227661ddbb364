"""The flags that every speech recipe has, and what they mean to the library.

A recipe's `Config` inherits the records it needs and adds what is its own; library functions below take plain arguments
and never see a flag.
"""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path

from speech_tl.augmentation import AS_RECORDED, MILD, NEW_VOICES
from speech_tl.data import splits, synthesis
from speech_tl.data.preparation import Division, Language, by_language, prepare
from speech_tl.errors import InputError
from speech_tl.models.ctc import SPLITS, MultilingualCTC
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.models.encoder import SIZES
from speech_tl.phonology.sounds import PHONES
from speech_tl.systems import Settings, fit_short_clips, variation
from speech_tl.training import config as configuration
from speech_tl.training.loop import Plan


@dataclass(frozen=True, kw_only=True)
class Session:
    """What every call can be told."""

    resume: bool = False
    """Continue the run in --out."""
    device: str = "auto"
    """auto, cpu or cuda."""
    tiny: bool = False
    """A few updates on little data, to see that everything works."""


@dataclass(frozen=True, kw_only=True)
class Run(Session):
    """One run."""

    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        _check_seeds(self.seed, flag="--seed")


@dataclass(frozen=True, kw_only=True)
class Runs(Session):
    """A run for each of several seeds."""

    seeds: tuple[int, ...] = (0,)
    """Of everything random, the halves and draws too; one run for each."""

    def __post_init__(self) -> None:
        _check_seeds(*self.seeds, flag="--seeds")


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """Which recordings, and how they are divided."""

    data: tuple[str, ...] = ()
    """Corpora: folders with a metadata table, Common Voice, Kaldi, hub:NAME:CONFIG; speech made here if none."""
    train_only: tuple[str, ...] = ()
    """Further corpora, all of which is trained on and nothing tested."""
    languages: tuple[str, ...] = ()
    """ISO 639-3 codes to train on; all that the data hold if none."""
    hold_out_speakers: tuple[str, ...] = ()
    """Speakers whose clips are the test set; of a corpus that has none of them, a fifth of its own are drawn."""
    train_speakers: tuple[str, ...] = ()
    """Train on the first N sorted speakers: N, or LANGUAGE=N."""
    test_speakers: tuple[str, ...] = ()
    """Test on the last N sorted speakers: N, or LANGUAGE=N."""
    split_file: Path | None = None
    """A run's splits.json, to divide the same way."""
    known_speakers: bool = False
    """Allow speakers that are both in training and in test."""
    train_minutes: tuple[str, ...] = ()
    """At most so many minutes of training speech: LANGUAGE=MINUTES."""
    phones: tuple[str, ...] = ()
    """Where pronunciations come from, LANGUAGE=SOURCE: espeak:VOICE, a file of words and IPA, a column of IPA (text,
    say), or pinyin:COLUMN; the encoder then also learns the sounds that all languages share."""
    sample_rate: tuple[str, ...] = ("16000",)
    """Hz audio is brought to, 16000 or 8000, or LANGUAGE=HZ: languages of one rate share their input layers."""


@dataclass(frozen=True, kw_only=True)
class Training(Run):
    """Which model, and how long and how it is trained."""

    encoder: str = "small"
    """tiny, small, base or, for sounds, narrow to train from scratch; or a folder or hub id of a pretrained encoder."""
    subsampling: int = 4
    """Frames of 10 ms per output frame, for an encoder from scratch."""
    minutes: float = 2.0
    """CPU-minutes of training for the main model, wall minutes on a GPU; the others get as many updates."""
    steps: int | None = None
    """Updates of the main model, in the place of minutes."""
    epochs: float | None = None
    """Passes of the main model through the data, in the place of minutes."""
    validate_every: int = 200
    """Updates between validations, and between saved states."""
    peak_rate: float = 2e-3
    """Learning rate after the warm-up."""
    dropout: float = 0.0
    """Of an encoder from scratch; a pretrained one keeps its own."""
    augment_after: float | None = None
    """Share of the updates after which clips are varied in speed and formants and masked, words in tempo, colour, noise
    and edges too: as recorded, a model finds sooner where the symbols are. 0 is from the start, 1 is never; 0.1 for
    words, 0.5 for sentences if none."""
    temperature: float = 2.0
    """Languages are drawn in proportion to size^(1/temperature)."""
    batch_seconds: float = 32.0
    """Seconds of audio in a batch, with the padding within a draw; what joins the draws of several languages to one
    batch pads them to the longest."""
    batch_clips: int = 16
    """Most utterances in a batch."""


def _check_seeds(*seeds: int, flag: str) -> None:
    if wrong := [seed for seed in seeds if not 0 <= seed < 2**32]:
        raise InputError(f"{flag} {wrong[0]}: expected a whole number of at least 0 and below 2^32")


def begin(
    flags: Session, out: Path, divided: Mapping[str, Language], *, resume: bool, free: tuple[str, ...] = ()
) -> bool:
    """As `training.config.begin`, and keeps how the languages are divided, as who goes on from the run has to know."""
    fresh = configuration.begin(flags, out, resume=resume, free=free)
    if fresh or not (out / SPLITS).is_file():  # which a kill between the two leaves unwritten
        splits.save({code: language.split for code, language in divided.items()}, out / SPLITS)
    return fresh


def check_named(**lists: Sized) -> None:
    """Refuses a flag that was left without a value.

    Args:
        lists: flag, with _ for -, -> its values.
    """
    for name, values in lists.items():
        if not len(values):
            raise InputError(f"--{name.replace('_', '-')} names none: expected at least one")


def check_phones(phones: Sequence[str], model: MultilingualCTC, *, where: Path) -> None:
    """Refuses --phones where the checkpoint has no head for the sounds that all languages share."""
    said = f"--phones {' '.join(phones)}: {where} was trained"
    if phones and PHONE_HEAD not in model.heads:
        raise InputError(f"{said} without phones; leave it out")
    if phones and tuple(model.config.symbols[PHONE_HEAD]) != PHONES.symbols:
        raise InputError(f"{said} on sounds of its own, as asr_unseen_words does; leave it out")


def prepared(
    flags: Recordings, *, seed: int, made_in: Path, tiny: bool = False, untested: bool = False
) -> dict[str, Language]:
    """Language code -> its recordings; where no corpus is named, speech is generated in `made_in`.

    Args:
        untested: whether a language may have nothing but corpora that are only trained on.
    """
    size: synthesis.Size = "tiny" if tiny else "default"
    division = Division(
        flags.hold_out_speakers,
        by_language(flags.train_speakers, int, flag="--train-speakers"),
        by_language(flags.test_speakers, int, flag="--test-speakers"),
        flags.split_file,
        flags.known_speakers,
        flags.train_only,
    )
    return prepare(
        flags.data or (str(synthesis.build(made_in / f"speech-{size}", size=size)),),
        languages=flags.languages,
        division=division,
        sample_rates=by_language(flags.sample_rate, int, flag="--sample-rate"),
        train_minutes=by_language(flags.train_minutes, float, flag="--train-minutes"),
        phones=dict(language_and_source(value) for value in flags.phones),
        untested=untested,
        seed=seed,
    )


def language_and_source(value: str) -> tuple[str, str]:
    """`lit=espeak:lt` -> ("lit", "espeak:lt")."""
    language, _, source = value.partition("=")
    if not (language and source):
        raise InputError(f"--phones got {value!r}; expected LANGUAGE=SOURCE, such as lit=espeak:lt or arb=ipa")
    return language, source


def settings(flags: Training, data: dict[str, Language]) -> tuple[Settings, str]:
    """What all systems have in common, and the sentence that says what is done about short clips."""
    augmentation, after = variation((language.train for language in data.values()), after=flags.augment_after)
    if flags.tiny or flags.encoder in SIZES:
        subsampling, least_frames, said = fit_short_clips(data, flags.subsampling, speed=augmentation.fastest)
    else:
        subsampling, least_frames, said = flags.subsampling, 0, "a pretrained encoder hears clips as short as they are"
    how = {AS_RECORDED: "not varied", MILD: "varied mildly, as sentences", NEW_VOICES: "varied as single words"}
    common = Settings(
        encoder="tiny" if flags.tiny else flags.encoder,
        subsampling=subsampling,
        least_frames=least_frames,
        dropout=flags.dropout,
        augmentation=augmentation,
        augment_after=after,
        temperature=flags.temperature,
        batch_seconds=flags.batch_seconds,
        batch_clips=flags.batch_clips,
        device=flags.device,
    )
    return common, f"{said}; clips are {how[augmentation]}, after {after:.0%} of the updates"


def plan(flags: Training) -> Plan:
    """The main model's plan: --steps or --epochs, in the place of --minutes where given."""
    whole = Plan(
        minutes=flags.minutes if flags.steps is None and flags.epochs is None else None,
        steps=flags.steps,
        epochs=flags.epochs,
        peak_rate=flags.peak_rate,
        validate_every=flags.validate_every,
        average=0.99,
    )
    few = replace(whole, minutes=None, epochs=None, steps=flags.steps or 20, validate_every=10)
    return few if flags.tiny else whole
