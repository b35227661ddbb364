"""From the folders a user names to what a recipe trains on: read, normalise, split, decode, by language.

Every choice made on the way (how texts were normalised, how speakers were divided, what was left out) stays with the
result, so that a run can store it and a report can say it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TypeVar

from speech_tl.data import split_files
from speech_tl.data.batches import Examples
from speech_tl.data.clips import Clips
from speech_tl.data.corpora import split_arguments
from speech_tl.data.manifest import Utterance, check_languages, check_names, read
from speech_tl.data.pronunciations import pronunciations
from speech_tl.data.splits import Split, apart, is_word_list, joined, split, subset, untested
from speech_tl.data.text import Normaliser, normaliser
from speech_tl.errors import InputError, unknown_name
from speech_tl.phonology.sounds import PHONES
from speech_tl.phonology.units import Units

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Language:
    """One language's recordings, ready to train on and to test on; texts are normalised."""

    code: str
    split: Split
    units: Units
    normaliser: Normaliser
    train: Clips
    valid: Clips
    test: Clips
    pronunciations: Mapping[str, str]
    """Text -> sound classes, for every text; empty where nobody said how the language is pronounced."""

    @property
    def description(self) -> str:
        """One line for the log and the report."""
        sizes = ", ".join(
            f"{name} {len(clips)} clips {60 * clips.hours:.1f} min"
            for name, clips in (("train", self.train), ("valid", self.valid), ("test", self.test))
        )
        rate = self.train.sample_rate
        return f"{self.code} ({self.split.task}): {sizes} at {rate} Hz; {self.split.note}"

    def examples(self, part: Clips, units: Units | None = None) -> Examples:
        """A part with its targets in this language's units, or in a wider set, and its pronunciations."""
        encode, texts = (units or self.units).encode, [utterance.text for utterance in part.utterances]
        said = [PHONES.encode(self.pronunciations[text]) for text in texts] if self.pronunciations else []
        return Examples(self.code, part, tuple(encode(text) for text in texts), tuple(said))

    def without(self, others: Iterable["Language"]) -> "Language":
        """Trained and chosen on nobody whom others test as a stranger, and on no sentence that they test."""
        free = untested(other.split for other in others)
        train, valid = (
            part.take([at for at, utterance in enumerate(part.utterances) if free(utterance)])
            for part in (self.train, self.valid)
        )
        lost = len(self.train) + len(self.valid) - len(train) - len(valid)
        if not lost:
            return self
        note = f"{self.split.note}; {lost} clips dropped, of speakers (or namesakes) or texts tested in another corpus"
        own = self.split
        own = replace(own, train=tuple(filter(free, own.train)), valid=tuple(filter(free, own.valid)), note=note)
        return replace(self, split=own, train=train, valid=valid)


@dataclass(frozen=True)
class Division:
    """What the user said about speakers; where nothing was said a known corpus has its row, others the general rule."""

    hold_out_speakers: tuple[str, ...] = ()
    train_speakers: Mapping[str, int] | None = None
    """Language -> how many; `""` for every language."""
    test_speakers: Mapping[str, int] | None = None
    split_file: Path | None = None
    known_speakers: bool = False
    train_only: tuple[str, ...] = ()
    """Sources that are trained on as a whole."""


def prepare(
    sources: Sequence[str],
    *,
    languages: Sequence[str] = (),
    division: Division | None = None,
    sample_rates: Mapping[str, int] | None = None,
    train_minutes: Mapping[str, float] | None = None,
    phones: Mapping[str, str] | None = None,
    untested: bool = False,
    seed: int = 0,
) -> dict[str, Language]:
    """Language code -> its recordings.

    Args:
        sources: corpora as `manifest.read` takes them, `division.train_only` besides; a language found in several is
            split in each and joined.
        languages: only these; all where empty.
        sample_rates: language -> Hz its audio is brought to, `""` for every language; 16000 where absent.
        train_minutes: language -> at most so much training speech, drawn by seed.
        phones: language -> where its pronunciations come from (`pronunciations`).
        untested: whether a language may have no other corpora than `division.train_only`, and so nothing to test.

    Raises:
        InputError: a source cannot be read, a language or speaker is not in it, or nothing is left of one.
    """
    division = division or Division()
    found: dict[str, list[tuple[str, tuple[Utterance, ...]]]] = {}
    for source in (*sources, *division.train_only):
        utterances = read(source)
        for code in sorted({utterance.language for utterance in utterances}):
            own = tuple(utterance for utterance in utterances if utterance.language == code)
            found.setdefault(code, []).append((source, own))
    check_languages(u for parts in found.values() for _, part in parts for u in part)
    for code in languages:
        if code not in found:
            raise unknown_name("language", code, found, where=", ".join(sources))
    for flag, numbers in (
        ("--train-speakers", division.train_speakers),
        ("--test-speakers", division.test_speakers),
        ("--train-minutes", train_minutes),
        ("--sample-rate", sample_rates),
        ("--phones", phones),
    ):
        for code in numbers or ():
            if code and code not in found:
                raise unknown_name("language", code, found, where=flag)
    speakers = {u.speaker for code in languages or found for _, part in found[code] for u in part}
    for speaker in division.hold_out_speakers:
        if speaker not in speakers:
            raise unknown_name("speaker", speaker, speakers, where=", ".join(sources))
    check_names(u for parts in found.values() for _, part in parts for u in part)
    says = {code: normaliser(code) for code in languages or found}
    wholes = {code: divided(found[code], division, normalise=say, seed=seed) for code, say in says.items()}
    if division.split_file is None and not division.known_speakers:
        wholes = apart(wholes)
    return {
        code: _language(
            code,
            whole,
            says[code],
            only_trained_on=untested and all(source in division.train_only for source, _ in found[code]),
            sample_rate=_of(sample_rates, code) or 16000,
            train_minutes=_of(train_minutes, code),
            phones=(phones or {}).get(code),
            seed=seed,
        )
        for code, whole in wholes.items()
    }


def by_language(values: Sequence[str], kind: type[T], *, flag: str) -> dict[str, T]:
    """`("4",)` -> {"": 4} for every language; `("lit=4", "eng=2")` -> one number each."""
    numbers: dict[str, T] = {}
    for value in values:
        code, _, number = value.rpartition("=")
        if code in numbers:
            raise InputError(f"{flag} says of {code or 'every language'} both {numbers[code]} and {number}: give one")
        try:
            numbers[code] = kind(number)
        except ValueError:
            raise InputError(f"{flag} got {value!r}; expected a number, or LANGUAGE=NUMBER such as lit=4") from None
        if not 0 < numbers[code] < inf:
            raise InputError(f"{flag} got {value!r}; expected a number above 0")
    return numbers


def divided(
    parts: Sequence[tuple[str, Sequence[Utterance]]], division: Division, *, normalise: Normaliser, seed: int = 0
) -> Split:
    """One language, its texts normalised, divided as the user said or as is known of each corpus.

    Args:
        parts: (source, utterances) of every corpus that has the language.
    """
    spoken = [
        (source, [replace(u, text=normalise(u.text), extra=(*u.extra, ("text", u.text))) for u in utterances])
        for source, utterances in parts
    ]
    if division.split_file is not None:  # says where each recording belongs, whichever corpus it is from
        named = {key for part in split_files.read(division.split_file, parts[0][1][0].language) for key in part}
        more = [u for source, own in spoken if source in division.train_only for u in own if u.key not in named]
        whole = [u for source, own in spoken for u in own if source not in division.train_only or u.key in named]
        found = _one_corpus(parts[0][0], whole, division, normalise=normalise, seed=seed)
        return joined([found, _only_trained_on(more, [found])]) if more else found
    tested = [own for own in spoken if own[0] not in division.train_only]
    splits = [_one_corpus(*own, division, normalise=normalise, seed=seed) for own in tested]
    more = [utterance for source, own in spoken if source in division.train_only for utterance in own]
    return joined([*splits, *([_only_trained_on(more, splits)] if more else [])])


def _one_corpus(
    source: str, utterances: Sequence[Utterance], division: Division, *, normalise: Normaliser, seed: int
) -> Split:
    code, present = utterances[0].language, {utterance.speaker for utterance in utterances}
    arguments = split_arguments(
        source,
        hold_out_speakers=[speaker for speaker in division.hold_out_speakers if speaker in present],
        train_speakers=_of(division.train_speakers, code),
        test_speakers=_of(division.test_speakers, code),
        split_file=division.split_file,
        known_speakers=division.known_speakers,
    )
    return split(utterances, seed=seed, normalise=normalise, **arguments)


def _only_trained_on(utterances: Sequence[Utterance], others: Sequence[Split]) -> Split:
    """All of it, but for sentences that the others validate or test on.

    Raises:
        InputError: a speaker whom the others test.
    """
    tested = {u.speaker for split in others for u in split.test}
    if known := sorted({u.speaker for u in utterances} & tested - {""}):
        raise InputError(
            f"--train-only: {', '.join(known[:3])} would be trained on and tested; leave those recordings out"
        )
    heldback = {u.text for split in others for u in (*split.valid, *split.test) if split.task == "sentences"}
    kept = tuple(u for u in utterances if u.text not in heldback)
    note = f"{len(kept)} utterances more that are only trained on"
    if dropped := len(utterances) - len(kept):
        note += f", {dropped} dropped whose text occurs in test or validation"
    told = "words" if is_word_list([u.text for u in kept]) else "sentences"
    kind, task = (others[0].kind, others[0].task) if others else ("only trained on", told)
    return Split(train=kept, valid=(), test=(), kind=kind, note=note, task=task)


def _language(
    code: str,
    whole: Split,
    say: Normaliser,
    *,
    only_trained_on: bool,
    sample_rate: int,
    train_minutes: float | None,
    phones: str | None,
    seed: int,
) -> Language:
    if train_minutes is not None:
        note = f"{whole.note}; at most {train_minutes:g} minutes of training speech"
        whole = replace(whole, train=subset(whole.train, minutes=train_minutes, seed=seed), note=note)
    for name in ("train",) if only_trained_on else ("train", "valid", "test"):
        if not getattr(whole, name):
            raise InputError(f"{code} has no utterances to {name} on after the split ({whole.note})")
    units = Units.from_texts(utterance.text for utterance in (*whole.train, *whole.valid))
    train, valid, test = (Clips(part, sample_rate) for part in (whole.train, whole.valid, whole.test))
    said = pronunciations((*whole.train, *whole.valid), phones, normalise=say) if phones else {}
    return Language(code, whole, units, say, train, valid, test, said)


def _of(numbers: Mapping[str, T] | None, code: str) -> T | None:
    return (numbers or {}).get(code, (numbers or {}).get(""))
