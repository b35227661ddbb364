"""How a meaning is said in each of five languages: agreement, case, particles and word order, a function a language.

English marks number, German case, gender and the second place of the verb, French gender and elision; Japanese and
Korean mark neither number nor gender, but topic, object and politeness, with the verb at the end. The rules are those
of school grammars, and each has its sentence in the tests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from nmt_zero_shot.lexicon import ADJECTIVES, Word

DEFINITE = ("the", "this", "my", "our")
PLURAL = ("two", "three", "many")
PRONOUNS = ("I", "we", "he", "she")
_QUALITIES = frozenset(ADJECTIVES.values())


@dataclass(frozen=True)
class Phrase:
    """`this`, `small`, `dog`."""

    determiner: str
    """One of DEFINITE, which are singular, or of PLURAL. Japanese and Korean tell no other number."""
    noun: Word
    adjective: Word | None = None

    @property
    def plural(self) -> bool:
        return self.determiner in PLURAL


@dataclass(frozen=True)
class Meaning:
    """What a sentence says, before any language."""

    subject: Phrase | str
    """A phrase or one of PRONOUNS."""
    predicate: Word
    """A verb, or the adjective that the subject is."""
    objects: tuple[Phrase, ...] = ()
    """The direct object and the recipient, as many as the verb has."""
    place: Word | None = None
    time: Word | None = None
    past: bool = False
    negative: bool = False

    @property
    def is_quality(self) -> bool:
        return self.predicate in _QUALITIES

    @property
    def person(self) -> int:
        """0 I, 1 he, she or one of something, 2 we, 3 several: the order of verb forms here."""
        if isinstance(self.subject, str):
            return {"I": 0, "we": 2}.get(self.subject, 1)
        return 3 if self.subject.plural else 1


def english(meaning: Meaning) -> str:
    """Subject, verb, objects, place, time; `do` carries tense and person before `not`, and be needs none."""
    third, no = meaning.person == 1, ["not"] * meaning.negative
    if meaning.is_quality:
        be = ("was" if third else "were") if meaning.past else ("is" if third else "are")
        verb, preposition = [be, *no, meaning.predicate.en[0]], []
    else:
        base, present, past, *preposition = meaning.predicate.en
        do = "did" if meaning.past else "does" if third else "do"
        verb = [do, "not", base] if no else [past if meaning.past else present if third else base]
    subject = meaning.subject if isinstance(meaning.subject, str) else _english_phrase(meaning.subject)
    words = [subject, *verb]
    for marker, phrase in zip((" ".join(preposition), "to"), meaning.objects, strict=False):
        words += [marker, _english_phrase(phrase)]
    words += [word.en[0] for word in (meaning.place, meaning.time) if word]
    return _sentence(words)


def _english_phrase(phrase: Phrase) -> str:
    adjective = [phrase.adjective.en[0]] if phrase.adjective else []
    return " ".join([phrase.determiner, *adjective, phrase.noun.en[phrase.plural]])


NOMINATIVE, ACCUSATIVE, DATIVE = range(3)
_GERMAN_ENDINGS = {"m": ("er", "en", "em"), "f": ("e", "e", "er"), "n": ("es", "es", "em")}
_GERMAN_ARTICLES = {"m": ("der", "den", "dem"), "f": ("die", "die", "der"), "n": ("das", "das", "dem")}
_GERMAN_DETERMINERS = {"this": "dies", "my": "mein", "our": "unser", "two": "zwei", "three": "drei"}
_GERMAN_PRONOUNS = {"I": "ich", "we": "wir", "he": "er", "she": "sie"}
_GERMAN_AUXILIARIES = {"haben": ("habe", "hat", "haben", "haben"), "sein": ("bin", "ist", "sind", "sind")}


def german(meaning: Meaning) -> str:
    """The finite verb is second whatever comes first, the rest of it last; between them the known objects, `nicht`,
    the place, what is new (counted) and what has a preposition.
    """
    government = "acc"
    if meaning.is_quality:
        singular, several = ("war", "waren") if meaning.past else ("ist", "sind")
        finite, last = several if meaning.person == 3 else singular, meaning.predicate.de[0]
    else:
        whole, third, participle, auxiliary, *other = meaning.predicate.de
        government = other[0] if other else government
        prefix, _, infinitive = whole.rpartition("-")
        present = (infinitive[:-1], third, infinitive, infinitive)[meaning.person]  # ich sehe, wir sehen
        finite = _GERMAN_AUXILIARIES[auxiliary][meaning.person] if meaning.past else present
        last = participle if meaning.past else prefix
    subject = (
        _GERMAN_PRONOUNS[meaning.subject]
        if isinstance(meaning.subject, str)
        else _german_phrase(meaning.subject, NOMINATIVE)
    )
    first = [meaning.time.de[0], finite, subject] if meaning.time else [subject, finite]
    cases = (DATIVE if government == "dat" else ACCUSATIVE, DATIVE)
    known: list[str] = []
    new = [government] if government == "auf" else []
    for phrase, case in reversed(list(zip(meaning.objects, cases, strict=False))):
        (new if phrase.plural or government == "auf" else known).append(_german_phrase(phrase, case))
    place = meaning.place.de[0] if meaning.place else ""
    return _sentence([*first, *known, "nicht" * meaning.negative, place, *new, last])


def _german_phrase(phrase: Phrase, case: int) -> str:
    """Where the determiner has no ending (mein, unser) the adjective shows the strong one, else a weak one."""
    gender, singular, plural = phrase.noun.de
    if phrase.plural:
        determiner = _GERMAN_DETERMINERS.get(phrase.determiner) or ("vielen" if case == DATIVE else "viele")
        ending = "en" if case == DATIVE else "e"
        noun = plural + "n" * (case == DATIVE and not plural.endswith(("n", "s")))
    else:
        noun = plural if gender == "w" and case != NOMINATIVE else singular
        gender = gender.replace("w", "m")
        strong = _GERMAN_ENDINGS[gender][case]
        ending = "e" if case == NOMINATIVE or (case == ACCUSATIVE and gender != "m") else "en"
        if phrase.determiner == "the":
            determiner = _GERMAN_ARTICLES[gender][case]
        elif phrase.determiner != "this" and (gender, case) in {("m", 0), ("n", 0), ("n", 1)}:
            determiner, ending = _GERMAN_DETERMINERS[phrase.determiner], strong
        else:
            determiner = _GERMAN_DETERMINERS[phrase.determiner] + strong
    adjective = [phrase.adjective.de[1] + ending] if phrase.adjective else []
    return " ".join([determiner, *adjective, noun])


_FRENCH_PRONOUNS = {"I": "je", "we": "nous", "he": "il", "she": "elle"}
_FRENCH_AUXILIARIES = {"avoir": ("ai", "a", "avons", "ont"), "être": ("suis", "est", "sommes", "sont")}
_FRENCH_PLURALS = {"two": ["deux"], "three": ["trois"], "many": ["beaucoup", "de"]}
_VOWELS = tuple("aàâeéèêiîoôuûœh")  # every h of the lexicon is mute


def french(meaning: Meaning) -> str:
    """Passé composé for what happened, imparfait for what was; with être the participle agrees with the subject."""
    subject = meaning.subject
    if isinstance(subject, str):
        words, feminine = [_FRENCH_PRONOUNS[subject]], subject == "she"
    else:
        words, feminine = _french_phrase(subject), subject.noun.fr[0] == "f"
    several = meaning.person == 3
    if meaning.is_quality:
        be = (("était", "étaient") if meaning.past else ("est", "sont"))[several]
        verb, last = be, [meaning.predicate.fr[1:][feminine + 2 * several]]
    else:
        *present, participle, auxiliary = meaning.predicate.fr
        verb, last = present[meaning.person], []
        if meaning.past:
            agreement = "e" * feminine + "s" * several if auxiliary == "être" else ""
            verb, last = _FRENCH_AUXILIARIES[auxiliary][meaning.person], [participle + agreement]
    words += ["ne", verb, "pas", *last] if meaning.negative else [verb, *last]
    for marker, phrase in zip(([], ["à"]), meaning.objects, strict=False):
        words += [*marker, *_french_phrase(phrase)]
    words += [meaning.place.fr[0]] if meaning.place else []
    time = f"{meaning.time.fr[0]}, " if meaning.time else ""
    return _sentence([time + _elided(words)])


def _french_phrase(phrase: Phrase) -> list[str]:
    """Before a vowel a feminine `my` is mon, and masculine ce and beau are cet and bel."""
    gender, singular, plural = phrase.noun.fr
    feminine, words = gender == "f", [plural if phrase.plural else singular]
    if phrase.adjective:
        position, *forms = phrase.adjective.fr
        form = forms[feminine + 2 * phrase.plural]
        if position == "before":
            liaison = not feminine and not phrase.plural and words[0].startswith(_VOWELS)
            words = [forms[-1] if liaison and len(forms) == 5 else form, *words]
        else:
            words = [*words, form]
    vowel = words[0].startswith(_VOWELS)
    singulars = {
        "the": "la" if feminine else "le",
        "this": "cette" if feminine else "cet" if vowel else "ce",
        "my": "ma" if feminine and not vowel else "mon",
        "our": "notre",
    }
    return [*_FRENCH_PLURALS.get(phrase.determiner, [singulars.get(phrase.determiner, "")]), *words]


def _elided(words: list[str]) -> str:
    """l', j', n' and d' before a vowel; à and le are au."""
    joined = ""
    for word, following in pairwise([*words, ""]):
        elides = word in ("le", "la", "je", "ne", "de") and following.startswith(_VOWELS)
        joined += word[:-1] + "'" if elides else word + " "
    return joined.strip().replace(" à le ", " au ")


_JAPANESE_DETERMINERS = {"this": "この", "my": "私の", "our": "私たちの", "many": "たくさんの"}
_JAPANESE_PRONOUNS = {"I": "私", "we": "私たち", "he": "彼", "she": "彼女"}
_JAPANESE_NUMERALS = {"two": "二", "three": "三"}


def japanese(meaning: Meaning) -> str:
    """Polite; the known is the topic (は), the counted the subject (が)."""
    subject = meaning.subject
    if isinstance(subject, str):
        topic = _JAPANESE_PRONOUNS[subject] + "は"
    else:
        topic = _japanese_phrase(subject) + ("が" if subject.plural else "は")
    place, objects = "", ""
    if meaning.is_quality:
        stem, ending = meaning.predicate.ja
        if ending == "い":
            positive, negative = ("かったです" if meaning.past else "いです"), "くありません"
        else:
            positive, negative = ("でした" if meaning.past else "です"), "ではありません"
    else:
        stem, *particles = meaning.predicate.ja
        direct, where = (*particles, *("を", "で")[len(particles) :])
        positive, negative = ("ました" if meaning.past else "ます"), "ません"
        place = meaning.place.ja[0] + where if meaning.place else ""
        marked = zip(meaning.objects, (direct, "に"), strict=False)
        objects = "".join([_japanese_phrase(phrase) + particle for phrase, particle in marked][::-1])
    predicate = stem + (negative + "でした" * meaning.past if meaning.negative else positive)
    return (f"{meaning.time.ja[0]}、" if meaning.time else "") + topic + place + objects + predicate + "。"


def _japanese_phrase(phrase: Phrase) -> str:
    noun, counter = phrase.noun.ja
    determiner = _JAPANESE_DETERMINERS.get(phrase.determiner, "")
    if numeral := _JAPANESE_NUMERALS.get(phrase.determiner):
        determiner = f"{numeral}{counter}の"
    return determiner + ("".join(phrase.adjective.ja) if phrase.adjective else "") + noun


_KOREAN_DETERMINERS = {"this": "이", "my": "제", "our": "우리", "many": "많은"}
_KOREAN_PRONOUNS = {"I": "저", "we": "우리", "he": "그", "she": "그녀"}
_KOREAN_NUMERALS = {"two": "두", "three": "세"}
_SYLLABLES, _FINALS, _FINAL_L, _FINAL_P = 0xAC00, 28, 8, 17
"""A Hangul syllable's number is 28 x (initial and vowel) + its final consonant, 0 where it has none (Unicode 3.12)."""


def korean(meaning: Meaning) -> str:
    """Formal polite; the known is the topic (은, 는), the counted the subject (이, 가)."""
    subject = meaning.subject
    if isinstance(subject, str):
        words = [_with(_KOREAN_PRONOUNS[subject], "은는")]
    else:
        words = [_with(_korean_phrase(subject), "이가" if subject.plural else "은는")]
    if meaning.is_quality:
        stem, _, past = meaning.predicate.ko
    else:
        stem, past, *particles = meaning.predicate.ko
        direct, where = (*particles, *("을를", "에서")[len(particles) :])
        words += [meaning.place.ko[0] + where] if meaning.place else []
        marked = zip(meaning.objects, (direct, "에게"), strict=False)
        words += [_with(_korean_phrase(phrase), particle) for phrase, particle in marked][::-1]
    if meaning.negative:
        predicate = stem + ("지 않았습니다" if meaning.past else "지 않습니다")
    else:
        predicate = past + "습니다" if meaning.past else _formal(stem)
    return _sentence([*([meaning.time.ko[0]] if meaning.time else []), *words, predicate])


def _korean_phrase(phrase: Phrase) -> str:
    noun, counter = phrase.noun.ko
    words = [_KOREAN_DETERMINERS.get(phrase.determiner, ""), phrase.adjective.ko[1] if phrase.adjective else "", noun]
    if numeral := _KOREAN_NUMERALS.get(phrase.determiner):
        words += [numeral, counter]
    return " ".join(filter(None, words))


def _with(word: str, particle: str) -> str:
    """Of 은는, 이가 and 을를 the first follows a final consonant, the second a vowel; other particles never change."""
    if particle not in ("은는", "이가", "을를"):
        return word + particle
    return word + particle[_final(word) == 0]


def _formal(stem: str) -> str:
    """-ㅂ니다 after a vowel or ㄹ, which it replaces; -습니다 after other consonants."""
    final = _final(stem)
    if final in (0, _FINAL_L):
        return stem[:-1] + chr(ord(stem[-1]) - final + _FINAL_P) + "니다"
    return stem + "습니다"


def _final(word: str) -> int:
    return (ord(word[-1]) - _SYLLABLES) % _FINALS


def _sentence(words: list[str]) -> str:
    joined = " ".join(filter(None, words))
    return joined[0].upper() + joined[1:] + "."


LANGUAGES: Mapping[str, Callable[[Meaning], str]] = {
    "en": english,
    "de": german,
    "fr": french,
    "ja": japanese,
    "ko": korean,
}
