"""The offline default: meanings drawn from a small grammar and said in English, German, French, Japanese and Korean.

Zero-shot translation can so be tried on a fresh machine, on sentences whose every translation is known: a meaning is
said in one way in each language and a sentence has one meaning, so an exact match is a fair score. One abstract syntax
with a linearisation for each language is Ranta's idea ("Grammatical Framework", 2011).
"""

import functools
import random

from nmt_zero_shot.corpus import Corpus, Row
from nmt_zero_shot.lexicon import ADJECTIVES, KINDS, NOBODYS, NOUNS, PLACES, TIMES, VERBS, Word
from nmt_zero_shot.realisation import LANGUAGES, PRONOUNS, Meaning, Phrase

DETERMINERS = (*("the",) * 8, *("this",) * 4, *("my",) * 3, *("our", "two", "three", "many") * 2)
"""Each as often as it is drawn."""


def generate(*, sentences: int = 20_000, valid: int = 200, test: int = 300, seed: int = 0) -> Corpus:
    """Rows in all five languages: `sentences` to train on, others to choose and to test on; no meaning comes twice."""
    generator = random.Random(f"grammar {seed}")
    drawn: dict[Meaning, None] = {}
    while len(drawn) < sentences + valid + test:
        drawn[draw(generator)] = None
    rows = [say(meaning) for meaning in drawn]
    return Corpus(
        train=tuple(rows[valid + test :]),
        valid=tuple(rows[:valid]),
        tests={"test": tuple(rows[valid : valid + test])},
        notes=(
            f"sentences made by a grammar of {', '.join(LANGUAGES)}: {sentences} train, {valid} valid, {test} test",
        ),
    )


def say(meaning: Meaning) -> Row:
    """The sentence of every language."""
    return {language: realise(meaning) for language, realise in LANGUAGES.items()}


def draw(generator: random.Random) -> Meaning:
    """One meaning that makes sense and is said alike by everyone."""
    while True:
        meaning = _any(generator)
        if sayable(meaning):
            return meaning


def _any(generator: random.Random) -> Meaning:
    pool = ADJECTIVES if generator.random() < 0.15 else VERBS
    predicate = generator.choice(list(pool.values()))
    kind, *others = predicate.kind.split(" > ")
    phrases = [_phrase(generator, kind, plain=pool is ADJECTIVES), *(_phrase(generator, other) for other in others)]
    time = generator.choice(list(TIMES.values())) if generator.random() < 0.5 else None
    past = generator.random() < 0.5
    return Meaning(
        subject=generator.choice(PRONOUNS) if generator.random() < 0.25 else phrases[0],
        predicate=predicate,
        objects=tuple(phrases[1:]),
        place=generator.choice(list(PLACES.values())) if pool is VERBS and generator.random() < 0.3 else None,
        time=time,
        past={"past": True, "present": False}.get(time.kind, past) if time else past,
        negative=generator.random() < 0.3,
    )


def _phrase(generator: random.Random, kind: str, *, plain: bool = False) -> Phrase:
    noun = generator.choice(_nouns(kind))
    determiner = generator.choice(DETERMINERS)
    described = not plain and generator.random() < 0.35
    return Phrase(determiner, noun, generator.choice(_adjectives(noun.kind)) if described else None)


@functools.cache
def _nouns(kind: str) -> list[Word]:
    return [noun for noun in NOUNS.values() if noun.kind in KINDS[kind]]


@functools.cache
def _adjectives(kind: str) -> list[Word]:
    return [adjective for adjective in ADJECTIVES.values() if kind in KINDS[adjective.kind]]


def sayable(meaning: Meaning) -> bool:
    """Not what a language says in two ways, nor what nobody would say."""
    subject, predicate, time = meaning.subject, meaning.predicate, meaning.time.en[0] if meaning.time else ""
    phrases = [phrase for phrase in (subject, *meaning.objects) if isinstance(phrase, Phrase)]
    of_people = predicate.kind in ("adult", "person")
    wrong = (
        len({phrase.noun for phrase in phrases}) < len(phrases),
        any(phrase.noun.en[0] in NOBODYS and phrase.determiner in ("my", "our") for phrase in phrases),
        # Arrivé or arrivée: in French a man and a woman say it differently.
        subject in ("I", "we") and (meaning.is_quality or "être" in predicate.fr),
        # "Did not see two dogs", "does not sing every day": what is it that is not so?
        meaning.negative and (time == "every day" or any(phrase.plural for phrase in phrases)),
        meaning.is_quality and subject in PRONOUNS and not of_people,
        meaning.is_quality and isinstance(subject, Phrase) and subject.determiner == "many",
        # Kind today, but not red or famous today.
        meaning.is_quality and (time == "every day" or (time and predicate.kind != "person")),
    )
    return not any(wrong)
