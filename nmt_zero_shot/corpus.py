"""Which sentences may be trained in which pair: a zero-shot score is only as honest as this division.

In a corpus that is parallel in many languages, en-de and en-fr share their English sentences, and a model that saw
both has seen de-fr in all but name. So English sentences are clustered (near duplicates are one), a cluster belongs
to one pair only, and a check of its own refuses what leaks. The join is exact, by prefix filtering (Bayardo, Ma and
Srikant, "Scaling up all pairs similarity search", WWW 2007).
"""

import math
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Literal

from speech_tl.errors import InputError, unknown_name

Row = Mapping[str, str]
"""One meaning: language -> its text, of two languages or many."""
Direction = tuple[str, str]
"""(source, target); on the command line `de-fr`."""
Bitexts = dict[Direction, tuple[tuple[str, str], ...]]
"""Pair -> its sentence pairs, (hub, other) first; both directions are trained from it."""

NEAR = 80
"""Percent of their different words that near duplicates have in common (Jaccard)."""
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


@dataclass(frozen=True)
class Corpus:
    """What a reader gives: rows to train on, to choose on and to test on."""

    train: tuple[Row, ...]
    valid: tuple[Row, ...]
    tests: Mapping[str, tuple[Row, ...]]
    """Name of a test set -> its rows."""
    groups: tuple[str, ...] = ()
    """A label for each training row where the corpus says how to divide it; else nothing."""
    notes: tuple[str, ...] = ()
    """How it was read and what was left out, for the report."""


def between(rows: Sequence[Row], languages: Iterable[str]) -> list[Direction]:
    """Every two of the languages that the rows have: some test sets lack one."""
    present = {language for row in rows for language in row}
    return list(permutations((language for language in languages if language in present), 2))


def divide(
    rows: Sequence[Row],
    *,
    hub: str = "en",
    languages: Sequence[str] = (),
    condition: Literal["disjoint", "multiway"] = "disjoint",
    groups: Sequence[str] = (),
    served: Mapping[Direction, Sequence[str]] | None = None,
    seed: int = 0,
) -> Bitexts:
    """The sentence pairs to train on, hub-x for every other language x; rows keep their order.

    Args:
        languages: the others, in this order; all of the rows, sorted, where empty.
        condition: `disjoint`: a cluster of hub sentences serves one pair only, and the pairs come out evenly sized
            as far as the rows allow; `multiway`: a row serves every pair it has.
        groups: of a disjoint division: a label for each row; the k-th label is the k-th language's. Where near
            duplicates have different labels, only the rows of one are kept.
        served: of a disjoint division: hub sentences that a model to go on from has learned in each pair; a cluster
            with one of them serves that pair, or none.

    Raises:
        InputError: an unknown language or condition, labels that do not fit, a language left without a pair.
    """
    if condition not in ("disjoint", "multiway"):
        raise unknown_name("condition", condition, ("disjoint", "multiway"))
    pairs = [(hub, other) for other in paired(rows, hub, languages)]
    able = _every(rows, pairs)
    if condition == "multiway":
        return _bitexts(rows, able)
    if groups:
        labels = sorted(set(groups))
        if len(groups) != len(rows) or len(labels) != len(pairs):
            raise InputError(
                f"{len(groups)} labels in {len(labels)} groups ({', '.join(labels[:4])}) for {len(rows)} rows and the "
                f"languages {', '.join(other for _, other in pairs)}; expected a label for each row and a group for "
                "each language: name as many languages as there are groups, or take the groups (train.half) away"
            )
        own = dict(zip(pairs, labels, strict=True))
        able = {pair: [row for row in able[pair] if groups[row] == own[pair]] for pair in pairs}
    numbers, taken = _beside([row.get(hub, "") for row in rows], served or {})
    able = {pair: [row for row in own if taken.get(numbers[row], {pair}) == {pair}] for pair, own in able.items()}
    if gone := ["-".join(pair) for pair, own in able.items() if not own]:
        raise InputError(
            f"every row that {', '.join(gone)} could learn from was trained in another pair before: give other data, "
            "or say --condition multiway"
        )
    return _bitexts(rows, _deal(able, numbers, seed=seed))


def paired(rows: Sequence[Row], hub: str, languages: Sequence[str]) -> list[str]:
    """The languages that are paired with the hub: those named, or all of the rows.

    Raises:
        InputError: there are no rows, a language is not in them, or there is none beside the hub.
    """
    if not rows:
        raise InputError("the corpus has no training rows, only sentences to test on; name one that has")
    known = {language for row in rows for language in row}
    for name in (hub, *languages):
        if name not in known:
            raise unknown_name("language", name, known, where="the training rows")
    others = list(dict.fromkeys(name for name in languages or sorted(known) if name != hub))
    if not others:
        raise InputError(f"the training rows have {', '.join(sorted(known))}: no language to pair with the hub {hub!r}")
    return others


def bound(rows: Sequence[Row], trained: Bitexts, *, kind: Literal["fixed_total", "added"], seed: int = 0) -> Bitexts:
    """What a supervised bound trains on: the pairs of `trained`, and the direct ones x-y of its languages as well.

    `fixed_total`: all pairs share the number of sentence pairs that `trained` has; a row serves one of them, or, where
    it served several in `trained`, any. `added`: each direct pair comes on top, as large as the trained ones are on
    average, drawn from every row that has it.

    Raises:
        InputError: no row has some direct pair, or an unknown kind.
    """
    if kind not in ("fixed_total", "added"):
        raise unknown_name("bound", kind, ("fixed_total", "added"))
    hub = next(iter(trained))[0]
    direct = list(combinations([other for _, other in trained], 2))
    total, generator = sum(map(len, trained.values())), random.Random(seed)
    if kind == "added":
        size, able = total // len(trained), _every(rows, direct)
    else:
        size, able = total // (len(trained) + len(direct)), _every(rows, [*trained, *direct])
        if total <= len(rows):
            able = _deal(able, clusters([row.get(hub, "") for row in rows]), seed=seed)
    drawn = {pair: sorted(generator.sample(own, min(size, len(own)))) for pair, own in able.items()}
    return (trained if kind == "added" else {}) | _bitexts(rows, drawn)


def sentences(bitexts: Bitexts) -> dict[str, tuple[str, ...]]:
    """Language -> its sentences in any pair, each once: what subwords and identifiers learn from."""
    found: dict[str, dict[str, None]] = {}
    for pair, texts in bitexts.items():
        for side, language in enumerate(pair):
            found.setdefault(language, {}).update(dict.fromkeys(text[side] for text in texts))
    return {language: tuple(own) for language, own in found.items()}


def hold_out(corpus: Corpus, *, hub: str = "en", sentences: int = 1000, seed: int = 0) -> Corpus:
    """The corpus with a validation and a test part, each drawn from its training rows where the corpus has none.

    Whole clusters are drawn, so nothing like a held-out sentence is trained: `sentences` rows for a part, but at
    most a twentieth of the corpus. Runs of other seeds should hold out the same.
    """
    size = min(sentences, math.ceil(len(corpus.train) / 20))
    missing = [part for part, there in (("valid", corpus.valid), ("test", corpus.tests)) if not there]
    if not missing or not corpus.train:
        return corpus
    members: dict[int, list[int]] = defaultdict(list)
    for row, label in enumerate(clusters([row.get(hub, "") for row in corpus.train])):
        members[label].append(row)
    order = list(members.values())
    random.Random(seed).shuffle(order)
    drawn: dict[str, list[int]] = {}
    for part in missing:
        drawn[part] = []
        while order and len(drawn[part]) < size:
            drawn[part] += order.pop()
    parts = {part: tuple(filled(corpus.train[row] for row in sorted(own))) for part, own in drawn.items()}
    left = sorted(row for own in order for row in own)
    return replace(
        corpus,
        train=tuple(corpus.train[row] for row in left),
        groups=tuple(corpus.groups[row] for row in left) if corpus.groups else (),
        valid=parts.get("valid", corpus.valid),
        tests={"test": parts["test"]} if "test" in parts else corpus.tests,
        notes=(*corpus.notes, *(f"{part}: {len(rows)} rows drawn from training" for part, rows in parts.items())),
    )


def filled(rows: Iterable[Row]) -> Iterator[Row]:
    """Of rows that are scored, the texts that are there."""
    texts = ({language: text for language, text in row.items() if text} for row in rows)
    return (row for row in texts if row)


def new_to(served: Mapping[Direction, Sequence[str]], rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows that a model has not learned, nor nearly, in the first language of any pair.

    Args:
        served: pair -> the sentences of its first language, the hub's but for bounds, that the model learned it from.
    """
    learned: set[int] = set()
    for language in sorted({first for first, _ in served}):
        own = {pair: texts for pair, texts in served.items() if pair[0] == language}
        present = [at for at, row in enumerate(rows) if row.get(language)]
        labels, taken = _beside([rows[at][language] for at in present], own)
        learned |= {at for at, label in zip(present, labels, strict=True) if label in taken}
    return tuple(row for at, row in enumerate(rows) if at not in learned)


def unlearned(
    corpus: Corpus, served: Mapping[Direction, Sequence[str]], *, hub: str = "en", needed: Collection[str] = ()
) -> Corpus:
    """The corpus without validation and test rows whose hub sentence a model to go on from has learned, or nearly.

    Args:
        needed: test sets of which something must be left; all if none.

    Raises:
        InputError: nothing is.
    """
    tests, notes = {}, []
    for name, rows in {"valid": corpus.valid, **corpus.tests}.items():
        tests[name] = new_to(served, rows)
        if rows and not tests[name] and name in {"valid", *(needed or corpus.tests)}:
            raise InputError(f"all {len(rows)} rows of {name} were trained on before: give other data, or leave --init")
        if lost := len(rows) - len(tests[name]):
            notes.append(f"{lost} rows of {name} left out that were nearly trained on before")
        if served and (unknown := sum(not row.get(hub) for row in tests[name])):
            notes.append(f"{unknown} rows of {name} have no {hub}: whether they were trained on before is unknown")
    valid = tests.pop("valid")
    return replace(corpus, valid=valid, tests=tests, notes=(*corpus.notes, *notes))


def untested(corpus: Corpus, *, hub: str = "en") -> Corpus:
    """The corpus without training rows whose hub sentence is, or is nearly, one of validation or of a test set.

    Rows of either side that lack the hub are held against the other side in every language that they have.
    """
    rows = [row for part in (corpus.valid, *corpus.tests.values()) for row in part]
    trained = dict(enumerate(corpus.train))
    lost = _near(rows, trained, hub)
    for language in sorted({each for row in rows for each in row} - {hub}):
        lost |= _near([row for row in rows if not row.get(hub)], trained, language)
        lost |= _near(rows, {at: row for at, row in trained.items() if not row.get(hub)}, language)
    kept = [at for at in range(len(corpus.train)) if at not in lost]
    if len(kept) == len(corpus.train):
        return corpus
    note = f"{len(corpus.train) - len(kept)} training rows left out that are nearly validated or tested"
    return replace(
        corpus,
        train=tuple(corpus.train[at] for at in kept),
        groups=tuple(corpus.groups[at] for at in kept) if corpus.groups else (),
        notes=(*corpus.notes, note),
    )


def _near(held: Iterable[Row], rows: Mapping[int, Row], language: str) -> set[int]:
    """Which of the rows have, or nearly have, a text of `held` in this language."""
    texts = [row[language] for row in held if row.get(language)]
    if not texts:
        return set()
    labels = clusters([*texts, *(row.get(language, "") for row in rows.values())])
    known = set(labels[: len(texts)])
    return {at for at, label in zip(rows, labels[len(texts) :], strict=True) if label in known}


def validation(rows: Sequence[Row], trained: Bitexts) -> Bitexts:
    """The sentence pairs of `rows` for every pair that is trained and that they have.

    Raises:
        InputError: they have none.
    """
    found = {pair: tuple((row[pair[0]], row[pair[1]]) for row in rows if row.keys() >= set(pair)) for pair in trained}
    if not any(found.values()):
        raise InputError(f"no validation row has a pair that is trained ({', '.join('-'.join(p) for p in trained)})")
    return {pair: own for pair, own in found.items() if own}


def clusters(sentences: Sequence[str]) -> list[int]:
    """A number for each sentence; near duplicates share theirs, and so do the near duplicates of those.

    Near duplicates are sentences with |A & B| / |A | B| >= 0.8 for their sets of words (in scripts without spaces,
    of letters), whatever the case, punctuation and order. An empty sentence is like no other.
    """
    words = [_words(sentence) for sentence in sentences]
    first: dict[frozenset[str], int] = {}
    parent = [first.setdefault(own, i) if own else i for i, own in enumerate(words)]
    frequency = Counter(word for own in first for word in own)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    # Sets that reach the threshold share a word among the rarest of each: all but those that could all be missing.
    index: dict[str, list[frozenset[str]]] = defaultdict(list)
    for own in sorted((own for own in first if own), key=lambda own: (len(own), first[own])):
        rarest = sorted(own, key=lambda word: (frequency[word], word))
        least = math.ceil(NEAR * len(own) / 100)
        for word in rarest[: len(own) - least + 1]:
            for other in index[word]:
                if len(other) >= least:
                    shared = len(own & other)
                    if 100 * shared >= NEAR * (len(own) + len(other) - shared):
                        parent[root(first[own])] = root(first[other])
            index[word].append(own)
    return [root(i) for i in range(len(sentences))]


def check_held_out(bitexts: Bitexts, directions: Iterable[Direction]) -> None:
    """Refuse a direction that reaches training although it was to be held out.

    It does where its pair is trained itself, or where a sentence of a third language, or a near duplicate of it, is
    trained with both of its languages. The clusters are made anew: `divide` is not believed.

    Raises:
        InputError: with the direction, the sentence and the two pairs.
    """
    trained = {frozenset(pair): pair for pair, texts in bitexts.items() if texts}
    partners = Counter(language for pair in trained.values() for language in pair)
    labels = {language: _labelled(bitexts, language) for language in sorted(partners) if partners[language] > 1}
    for source, target in directions:
        name = f"{source}-{target}"
        if pair := trained.get(frozenset((source, target))):
            raise InputError(
                f"{name} is held out, but {len(bitexts[pair])} sentence pairs of {'-'.join(pair)} are trained"
            )
        for hub, found in labels.items():
            sides = [found[pair] for other in (source, target) if (pair := trained.get(frozenset((hub, other))))]
            if len(sides) == 2 and (both := sides[0].keys() & sides[1].keys()):
                sentence, other = min((sides[0][label], sides[1][label]) for label in both)
                raise InputError(
                    f"{name} is held out, but {len(both)} {hub} sentences reach it, trained in both pairs: "
                    f"{_short(sentence)} in {hub}-{source}, {_short(other)} in {hub}-{target}; divide the rows with "
                    "condition 'disjoint', or call the run 'multiway'"
                )


def _every(rows: Sequence[Row], pairs: Iterable[Direction]) -> dict[Direction, list[int]]:
    """Pair -> the rows that have both of its texts."""
    able = {pair: [i for i, row in enumerate(rows) if row.get(pair[0]) and row.get(pair[1])] for pair in pairs}
    if empty := [pair for pair, own in able.items() if not own]:
        raise InputError(
            f"no training row has both {' and '.join(empty[0])}; leave the language out, or look at the data and at "
            "what cleaning removed"
        )
    return able


def _deal(able: Mapping[Direction, Sequence[int]], labels: Sequence[int], *, seed: int) -> dict[Direction, list[int]]:
    """Each cluster to one of the pairs it can serve, the smallest so far; what can serve only one goes first."""
    serves: dict[int, dict[Direction, list[int]]] = defaultdict(lambda: defaultdict(list))
    for pair, rows in able.items():
        for row in rows:
            serves[labels[row]][pair].append(row)
    order = list(serves.values())
    random.Random(seed).shuffle(order)
    order.sort(key=lambda cluster: (len(cluster), -max(map(len, cluster.values()))))
    dealt: dict[Direction, list[int]] = {pair: [] for pair in able}
    for cluster in order:
        smallest = min(cluster, key=lambda pair: len(dealt[pair]))
        dealt[smallest] += cluster[smallest]
    return {pair: sorted(rows) for pair, rows in dealt.items()}


def _bitexts(rows: Sequence[Row], dealt: Mapping[Direction, Sequence[int]]) -> Bitexts:
    if empty := [pair for pair, own in dealt.items() if not own]:
        raise InputError(
            f"no sentence pair is left for {'-'.join(empty[0])} after the division of {len(rows)} rows; give more data "
            "or fewer languages"
        )
    return {pair: tuple((rows[i][pair[0]], rows[i][pair[1]]) for i in own) for pair, own in dealt.items()}


def _beside(
    sentences: Sequence[str], served: Mapping[Direction, Sequence[str]]
) -> tuple[list[int], dict[int, set[Direction]]]:
    """The clusters of the sentences, and which pairs each cluster has served."""
    old = [(pair, sentence) for pair, own in served.items() for sentence in own]
    labels = clusters([*sentences, *(sentence for _, sentence in old)])
    taken: dict[int, set[Direction]] = defaultdict(set)
    for label, (pair, _) in zip(labels[len(sentences) :], old, strict=True):
        taken[label].add(pair)
    return labels[: len(sentences)], dict(taken)


def _labelled(bitexts: Bitexts, language: str) -> dict[Direction, dict[int, str]]:
    """Pair of that language -> cluster number -> a sentence of it that the pair trains; numbers hold across pairs."""
    sides = {pair: pair.index(language) for pair in bitexts if language in pair}
    texts = [(pair, texts[side]) for pair, side in sides.items() for texts in bitexts[pair]]
    found: dict[Direction, dict[int, str]] = {pair: {} for pair in sides}
    for label, (pair, text) in zip(clusters([text for _, text in texts]), texts, strict=True):
        found[pair].setdefault(label, text)
    return found


def _words(sentence: str) -> frozenset[str]:
    folded = unicodedata.normalize("NFKC", sentence).casefold()
    return frozenset(_WORD.findall(folded) or folded.split())


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
