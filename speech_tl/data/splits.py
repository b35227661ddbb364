"""Who is trained on and who is tested: a number about speech is only as honest as this division.

Parts are disjoint in speaker and, for sentence corpora, in normalised text (crowd corpora repeat their
sentences across speakers); whatever cannot be kept apart is said in `kind` and `note` and travels with the
run as JSON.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from speech_tl.data import audio, split_files
from speech_tl.data.manifest import Utterance
from speech_tl.data.text import normaliser
from speech_tl.errors import InputError, unknown_name

COLUMN = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
}
TEST_SHARE = 0.2
WORD_LIST = 200
"""A corpus of at most so many texts, each said three times on average, is a word list."""

WORDS = 3
"""Words of the median text of a word list: sentences that many speakers read are no commands."""
VALID_SHARE = 0.1

Utterances = tuple[Utterance, ...]


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of recordings of one language."""

    train: Utterances
    valid: Utterances
    test: Utterances
    kind: str
    """`unseen speakers`, `single speaker`, `known speakers` or `speakers not given`; of several corpora, theirs."""
    note: str
    """How it was made and what was left out, for the report."""
    task: str
    """`words`: few texts that recur and are shared by the parts; `sentences`: no text in two parts."""


def split(
    utterances: Sequence[Utterance],
    *,
    hold_out_speakers: Sequence[str] = (),
    train_speakers: int | None = None,
    test_speakers: int | None = None,
    split_file: str | Path | None = None,
    known_speakers: bool = False,
    seed: int = 0,
    task: str | None = None,
    normalise: Callable[[str], str] | None = None,
) -> Split:
    """Divide one language's utterances; the same arguments always give the same parts.

    The test set is, in this order: `split_file`, `hold_out_speakers`, the last `test_speakers` sorted
    speakers, the corpus's own `split` column, or a seeded fifth of the speakers. Validation is a tenth
    of what remains, from every training speaker, unless the column names it. `task` None: told from how often
    texts recur.
    """
    language = _one_language(utterances)
    say = normalise or normaliser(language)
    texts = _spoken(utterances, say)
    task = task or ("words" if is_word_list(texts.values()) else "sentences")
    if split_file is not None:
        if hold_out_speakers or train_speakers is not None or test_speakers is not None:
            raise InputError(f"--split-file {split_file} says who trains and who is tested: leave out the other flags")
        parts = _from_file(Path(split_file), language, utterances)
        unnamed = len({u.key for u in utterances}) - sum(map(len, parts))
        left = (f"{unnamed} recordings that it does not name are left out",) if unnamed else ()
        return _labelled(*parts, (f"as in {split_file}", *left), task, texts)
    speakers = sorted({u.speaker for u in utterances})
    divided = {u.split for u in utterances} not in ({""}, {"train"})
    column = divided and not hold_out_speakers and test_speakers is None
    pool, valid, test, notes = (
        _by_column(utterances, known_speakers or len(speakers) == 1, language)
        if column
        else _by_rule(utterances, hold_out_speakers, test_speakers, known_speakers, task, texts, seed)
    )
    if train_speakers is not None:
        pool = _first_speakers(pool, train_speakers, language)
        notes += (f"first {train_speakers} speakers train",)
    if task == "sentences":
        pool, valid, dropped = _without_repeats(pool, valid, test, texts)
        if dropped:
            notes += (f"{dropped} training utterances dropped, their text occurs in test or validation",)
    else:
        notes += (f"word list: {len(set(texts.values()))} texts shared by the parts",)
    if not valid:
        pool, valid = _carve(pool, VALID_SHARE, texts if task == "sentences" else None, seed)
        notes += (f"{len(valid)} training utterances kept for validation",)
    return _labelled(pool, valid, test, notes, task, texts)


def joined(splits: Sequence[Split]) -> Split:
    """One language's corpora, each divided for itself, as one: whom and what one of them tests, none trains on."""
    if len(splits) == 1:
        return splits[0]
    free, sentences = untested(splits), [part for part in splits if part.task == "sentences"]
    test = tuple(u for part in splits for u in part.test)
    valid = tuple(u for part in splits for u in part.valid if free(u))
    held = {u.text for part in sentences for u in part.valid if free(u)}
    train = tuple(u for part in splits for u in part.train if free(u) and u.text not in held)
    notes = list(dict.fromkeys(part.note for part in splits))
    if dropped := sum(len(part.train) + len(part.valid) for part in splits) - len(train) - len(valid):
        notes.append(f"{dropped} dropped, of speakers (or namesakes) or texts tested in another corpus")
    kind = " + ".join(dict.fromkeys(part.kind for part in splits))
    return Split(train, valid, test, kind, "; ".join(notes), "sentences" if sentences else "words")


def apart(splits: Mapping[str, Split]) -> dict[str, Split]:
    """Languages that one encoder hears: who is tested as a stranger in one is trained on in none."""
    found = {}
    for code, own in splits.items():
        strange = {speaker for other, split in splits.items() if other != code for speaker in strangers(split)}
        train, valid = (tuple(u for u in part if u.speaker not in strange) for part in (own.train, own.valid))
        dropped = len(own.train) + len(own.valid) - len(train) - len(valid)
        note = f"{own.note}; {dropped} dropped, of speakers (or namesakes) tested in another language"
        found[code] = replace(own, train=train, valid=valid, note=note) if dropped else own
    return found


def untested(splits: Iterable[Split]) -> Callable[[Utterance], bool]:
    """Tells what may be trained on where these are tested: none of their strangers and none of their sentences."""
    splits = list(splits)
    strange = {speaker for split in splits for speaker in strangers(split)}
    sentences = {u.text for split in splits if split.task == "sentences" for u in split.test}
    return lambda utterance: utterance.speaker not in strange and utterance.text not in sentences


def strangers(split: Split) -> set[str]:
    """Its speakers who are tested and not trained on; those without a name are nobody."""
    return {u.speaker for u in split.test} - {u.speaker for u in (*split.train, *split.valid)} - {""}


def subset(utterances: Sequence[Utterance], *, minutes: float, seed: int = 0) -> Utterances:
    """At most so many minutes, drawn in a seeded order that a larger budget only extends."""
    chosen, left = set(), minutes * 60
    for utterance in sorted(utterances, key=lambda u: draw(u.key, seed)):
        if (seconds := lasting(utterance)) > left:
            break
        chosen.add(utterance.key)
        left -= seconds
    if not chosen:
        raise InputError(f"{minutes:g} minutes hold no utterance of {_one_language(utterances)}; ask for more")
    return tuple(u for u in utterances if u.key in chosen)


def lasting(utterance: Utterance) -> float:
    """Its seconds: as its row says, else of its file, from where it begins."""
    if utterance.seconds is not None:
        return utterance.seconds
    return max(0.0, audio.duration(utterance.audio) - (utterance.start or 0.0))


def save(splits: Mapping[str, Split], path: str | Path, *, beside: Path | None = None) -> None:
    """Write the parts of every language as keys; `split(..., split_file=path)` gives them back.

    Args:
        beside: another run's file, whose languages stay with these; of one that is in both, a recording is in the
            part it is in now.
    """
    languages = {
        language: {part: [u.key for u in getattr(s, part)] for part in split_files.PARTS}
        | {"kind": s.kind, "task": s.task, "note": s.note, "sentences": _learned(s)}
        for language, s in splits.items()
    }
    before = split_files.stored(beside) if beside else {}
    split_files.write(path, {**before, **{code: _joined(before.get(code, {}), own) for code, own in languages.items()}})


def _joined(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    taken = {key for part in split_files.PARTS for key in now[part]}
    kept = {part: [key for key in before.get(part, ()) if key not in taken] for part in split_files.PARTS}
    sentences = sorted({*before.get("sentences", ()), *now["sentences"]})
    return {**now, **{part: [*kept[part], *now[part]] for part in split_files.PARTS}, "sentences": sentences}


def _learned(split: Split) -> list[str]:
    """What is trained and chosen on, where it is sentences, as their digests."""
    return sorted({digest(u.text) for u in (*split.train, *split.valid)}) if split.task == "sentences" else []


def digest(text: str) -> str:
    """What a normalised sentence is called in a split file, which may be shown where the recordings may not."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _from_file(path: Path, language: str, utterances: Sequence[Utterance]) -> tuple[Utterances, Utterances, Utterances]:
    keys = split_files.read(path, language)
    known = {u.key: u for u in utterances}
    named = [key for part in keys for key in part]
    if lost := [key for key in named if key not in known]:
        raise InputError(
            f"{path}: {len(lost)} of {len(named)} recordings of {language} are not in the data: {', '.join(lost[:3])}"
        )
    train, valid, test = (tuple(known[key] for key in part) for part in keys)
    return train, valid, test


_Parts = tuple[Utterances, Utterances, Utterances, tuple[str, ...]]


def _by_column(utterances: Sequence[Utterance], may_share: bool, language: str) -> _Parts:
    """The corpus's own division. A column without a test part has its validation part as the test."""
    parts: dict[str, list[Utterance]] = defaultdict(list)
    for u in utterances:
        if u.split not in COLUMN:
            raise unknown_name("split", u.split, COLUMN, where=u.where or u.key)
        parts[COLUMN[u.split]].append(u)
    notes: tuple[str, ...] = ("the corpus's own split",)
    if not parts["test"]:
        parts["test"], parts["valid"] = parts["valid"], []
        notes = ("the corpus's own split, its validation part as test",)
    trained = {u.speaker for u in (*parts["train"], *parts["valid"])}
    shared = sorted(trained & {u.speaker for u in parts["test"]})
    if shared and not may_share:
        raise InputError(
            f"{language}: the split column shares {len(shared)} speakers between train and test "
            f"({', '.join(shared[:4])}{', ...' if len(shared) > 4 else ''}); correct the column, or pass "
            f"--hold-out-speakers {shared[-1]} for a speaker-disjoint test or --known-speakers to accept it where a "
            "recipe has these flags"
        )
    return tuple(parts["train"]), tuple(parts["valid"]), tuple(parts["test"]), notes


def _by_rule(
    utterances: Sequence[Utterance],
    hold_out_speakers: Sequence[str],
    test_speakers: int | None,
    known_speakers: bool,
    task: str,
    texts: Mapping[str, str],
    seed: int,
) -> _Parts:
    speakers = sorted({u.speaker for u in utterances})
    language = utterances[0].language
    if hold_out_speakers:
        if test_speakers is not None:
            raise InputError("give --hold-out-speakers or --test-speakers, not both: each names the test speakers")
        for name in hold_out_speakers:
            if name not in speakers:
                raise unknown_name("speaker", name, speakers, where=f"--hold-out-speakers ({language})")
        held, how = set(hold_out_speakers), f"held out: {', '.join(sorted(hold_out_speakers))}"
    elif test_speakers is not None:
        if not 1 <= test_speakers < len(speakers):
            raise InputError(
                f"{language}: --test-speakers {test_speakers}, but there are {len(speakers)} speakers; "
                f"expected 1 to {len(speakers) - 1}"
            )
        held, how = set(speakers[-test_speakers:]), f"last {test_speakers} of {len(speakers)} speakers test"
    elif known_speakers or len(speakers) == 1:
        pool, test = _carve(tuple(utterances), TEST_SHARE, texts if task == "sentences" else None, seed)
        return pool, (), test, (f"a seeded {TEST_SHARE:.0%} test (seed {seed})",)
    else:
        number = max(1, round(TEST_SHARE * len(speakers)))
        held = set(sorted(speakers, key=lambda name: draw(name, seed))[:number])
        how = f"{number} of {len(speakers)} speakers drawn for test (seed {seed}): {', '.join(sorted(held))}"
    pool = tuple(u for u in utterances if u.speaker not in held)
    if not pool:
        raise InputError(f"{language}: all {len(speakers)} speakers are held out, none is left to train on")
    return pool, (), tuple(u for u in utterances if u.speaker in held), (how,)


def _first_speakers(pool: Utterances, number: int, language: str) -> Utterances:
    speakers = sorted({u.speaker for u in pool})
    if not 1 <= number <= len(speakers):
        raise InputError(
            f"{language}: --train-speakers {number}, but {len(speakers)} speakers are left to train on; "
            f"expected 1 to {len(speakers)}"
        )
    return tuple(u for u in pool if u.speaker in speakers[:number])


def _without_repeats(
    train: Utterances, valid: Utterances, test: Utterances, texts: Mapping[str, str]
) -> tuple[Utterances, Utterances, int]:
    """Training and validation without the test's texts, training without the validation's."""
    tested = {texts[u.key] for u in test}
    kept_valid = tuple(u for u in valid if texts[u.key] not in tested)
    held = tested | {texts[u.key] for u in kept_valid}
    kept_train = tuple(u for u in train if texts[u.key] not in held)
    return kept_train, kept_valid, len(train) + len(valid) - len(kept_train) - len(kept_valid)


def _carve(pool: Utterances, share: float, texts: Mapping[str, str] | None, seed: int) -> tuple[Utterances, Utterances]:
    """(rest, carved): `share` of the pool from every speaker in turn; with `texts`, all of a text goes
    together.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    by_speaker: dict[str, list[Utterance]] = defaultdict(list)
    for u in pool:
        groups[texts[u.key] if texts else u.key].append(u.key)
        by_speaker[u.speaker].append(u)
    carved: set[str] = set()
    wanted = 0.0
    for _, own in sorted(by_speaker.items()):
        wanted += share * len(own)
        for u in sorted(own, key=lambda u: draw(u.key, seed)):
            group = groups[texts[u.key] if texts else u.key]
            if u.key not in carved and len(carved) + len(group) / 2 <= wanted:
                carved.update(group)
    if not carved and len(groups) > 1:
        smallest = min(groups.values(), key=lambda group: (len(group), draw(group[0], seed)))
        carved.update(smallest)
    return tuple(u for u in pool if u.key not in carved), tuple(u for u in pool if u.key in carved)


def _labelled(
    train: Utterances,
    valid: Utterances,
    test: Utterances,
    notes: tuple[str, ...],
    task: str,
    texts: Mapping[str, str],
) -> Split:
    """The parts under the kind they really are, whichever way they were made."""
    everyone = {u.speaker for part in (train, valid, test) for u in part}
    trained, tested = {u.speaker for u in (*train, *valid)}, {u.speaker for u in test}
    language = next((f"{u.language}: " for u in (*train, *valid, *test)), "")
    for part, name in ((train, "train"), (test, "test")):
        if not part:
            raise InputError(
                f"{language}the {name} part is empty ({'; '.join(notes)}); choose other speakers or splits"
            )
    if "" in everyone:
        kind = "speakers not given"
    elif len(everyone) == 1:
        kind = "single speaker"
    else:
        kind = "known speakers" if trained & tested else "unseen speakers"
    overlap = {texts[u.key] for u in test} & {texts[u.key] for u in train}
    if overlap and task == "sentences":
        notes += (f"{len(overlap)} texts occur in train and test",)
    return Split(train, valid, test, kind, "; ".join((kind, *notes)), task)


def _spoken(utterances: Sequence[Utterance], say: Callable[[str], str]) -> dict[str, str]:
    """Normalised text by key; a text of which nothing is left can be neither trained on nor scored."""
    texts = {u.key: say(u.text) for u in utterances}
    if empty := [u for u in utterances if not texts[u.key]]:
        raise InputError(
            f"{empty[0].where or empty[0].key}: nothing is left of text {empty[0].text!r} when normalised "
            f"({len(empty)} such rows); write what is said in words or leave the row out"
        )
    return texts


def is_word_list(texts: Collection[str]) -> bool:
    """Whether these, one for every utterance, are few that recur, of a word or a few."""
    counts = Counter(texts)
    short = median([len(text.split()) for text in counts] or [0]) <= WORDS
    return short and len(counts) <= WORD_LIST and counts.total() >= 3 * len(counts)


def _one_language(utterances: Sequence[Utterance]) -> str:
    languages = {u.language for u in utterances}
    if len(languages) != 1:
        raise ValueError(f"split one language at a time, got {sorted(languages)}")
    return utterances[0].language


def draw(name: str, seed: int) -> str:
    """A random but machine-independent place in a seeded order."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
