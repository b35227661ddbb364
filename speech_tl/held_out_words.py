"""Words held out of all training, and the sounds that the words which are left are spelled in.

A held-out word's audio is absent from training and validation, also where it is said among others; whether its phones,
and their neighbourhoods, were ever heard is counted. Every language is spelled in the phones of all, those that the
training holds, and what it lacks with the nearest of them.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language
from speech_tl.data.splits import draw
from speech_tl.data.text import UNSPACED
from speech_tl.errors import InputError, unknown_name
from speech_tl.phonology.lexicon import Lexicon, PrefixTree, prefix_tree
from speech_tl.phonology.phones import segments
from speech_tl.phonology.spelling import Known, doubted, phone_units, understudies
from speech_tl.phonology.units import Units


@dataclass(frozen=True)
class HeldOut:
    """Languages from which words are held out."""

    languages: Mapping[str, Language]
    """Without those words in training and validation; test clips as they were."""
    said: Mapping[str, Mapping[str, str]]
    """Language -> text -> its phones in IPA, of all texts."""
    words: Mapping[str, tuple[str, ...]]
    """Language -> what is held out of it."""
    spell: Known
    """What spells phones in those of the training."""

    @classmethod
    def of(
        cls,
        languages: Mapping[str, Language],
        said: Mapping[str, Mapping[str, str]],
        words: Mapping[str, tuple[str, ...]],
    ) -> "HeldOut":
        """These words gone, and units for the phones of what is left.

        Raises:
            InputError: a word that nobody says, or nothing is left of a language.
        """
        rest = _without(languages, words)
        trained = [said[code][u.text] for code, each in rest.items() for u in each.train.utterances]
        return cls(rest, said, words, Known(phone_units(trained)))

    def further(self, words: Mapping[str, tuple[str, ...]]) -> "HeldOut":
        """The same with these words gone as well, in the same units.

        Raises:
            InputError: a word that nobody says, or nothing is left of a language.
        """
        return replace(self, languages=_without(self.languages, words), words=words)

    def known(self, code: str) -> frozenset[str]:
        """What a language is trained on."""
        return frozenset(utterance.text for utterance in self.languages[code].train.utterances)

    def fitted(self) -> set[str]:
        """What these languages, and the word lists beside them, are trained on: said alone, it fits too well.

        A word that is held out of one language is not among them, whatever other language has it.
        """
        lists = {code for code, language in self.languages.items() if language.split.task == "words"}
        return set().union(*map(self.known, lists | set(self.words))).difference(*self.words.values())

    def trained(self) -> list[str]:
        """The phones of everything that is trained on, each text once."""
        return [self.said[code][text] for code in self.languages for text in sorted(self.known(code))]

    @cached_property
    def stands_for(self) -> dict[str, dict[str, str]]:
        """Language with held-out words -> phone that few of its words have -> what stands for it (`understudies`)."""
        units = self.spell.units
        return {code: understudies([self.said[code][text] for text in self.known(code)], units) for code in self.words}

    def lexicon(self, words: Collection[str], code: str) -> Lexicon:
        """Each of a language's words as it is spelled in the units of the training."""
        return Lexicon({word: (self.spell(self.said[code][word]),) for word in sorted(words)})

    def trees(self, lexicon: Lexicon, code: str) -> tuple[PrefixTree, PrefixTree | None]:
        """Of a lexicon, and of its pronunciations with what stands for phones that few of the language's words have."""
        units = self.spell.units
        return prefix_tree(lexicon, units=units.encode), doubted(lexicon, self.stands_for[code], units)

    def sounds(self) -> dict[str, Language]:
        """The languages with their sounds in the place of their texts."""
        spelled = {code: {text: self.spell(ipa) for text, ipa in own.items()} for code, own in self.said.items()}
        return {code: as_sounds(each, spelled[code], self.spell.units) for code, each in self.languages.items()}


def drawn(texts: Collection[str], count: int, *, seed: int) -> tuple[str, ...]:
    """So many of the words, by seed, sorted.

    Raises:
        InputError: none, or so many that fewer than two are left to train on.
    """
    present = sorted(set(texts))
    if len(present) < 3:
        raise InputError(f"{len(present)} words that training and test have in common: too few to hold any out")
    if not 1 <= count <= len(present) - 2:
        raise InputError(f"{count} words to hold out of {len(present)}: expected 1 to {len(present) - 2}")
    return tuple(sorted(sorted(present, key=lambda text: draw(text, seed))[:count]))


def without(language: Language, held: Collection[str]) -> Language:
    """The language with these words, and what they are said in, gone from training and validation.

    The test clips are as they were.

    Raises:
        InputError: a word that nobody says, or nothing is left.
    """
    said = {u.text for clips in (language.train, language.valid, language.test) for u in clips.utterances}
    for word in held:
        if word not in said:
            raise unknown_name("word", word, said, where=f"the recordings of {language.code}")
    parts = []
    for clips in (language.train, language.valid):
        kept = [at for at, u in enumerate(clips.utterances) if not any(_says(u.text, word) for word in held)]
        if not kept:
            raise InputError(f"{language.code}: nothing is left to train on without {', '.join(sorted(held)[:5])}")
        parts.append(clips.take(kept))
    return replace(language, train=parts[0], valid=parts[1])


def _without(languages: Mapping[str, Language], words: Mapping[str, Collection[str]]) -> dict[str, Language]:
    return {**languages, **{code: without(languages[code], own) for code, own in words.items()}}


def _says(text: str, word: str) -> bool:
    """Whether the word is in the text; in scripts without spaces, as a part of it."""
    return word in text if re.search(f"[{UNSPACED}]", word) else f" {word} " in f" {text} "


def as_sounds(language: Language, said: Mapping[str, str], units: Units) -> Language:
    """The language with its sounds in the place of its texts, in training and validation.

    Args:
        said: text -> how it is spelled in these units.
    """
    parts = []
    for clips in (language.train, language.valid):
        sounds = [replace(u, text=said[u.text]) for u in clips.utterances]
        parts.append(Clips.of(sounds, (clips[at] for at in range(len(clips))), clips.sample_rate))
    return replace(language, units=units, train=parts[0], valid=parts[1], pronunciations={})


def never_heard(held: Sequence[str], trained: Sequence[str]) -> dict[str, int]:
    """How many phones, and pairs of neighbouring phones, of the held-out words no trained text has; all in IPA."""
    new, old = [segments(said, tones=True) for said in held], [segments(said, tones=True) for said in trained]
    return {
        "held_out_phones_unseen": len({phone for said in new for phone in said} - {p for said in old for p in said}),
        "held_out_phone_pairs_unseen": len(
            {pair for said in new for pair in pairwise(said)} - {pair for said in old for pair in pairwise(said)}
        ),
    }


def distractors(dictionary: Lexicon, own: Lexicon, held: Sequence[str], count: int, *, seed: int) -> Lexicon:
    """Words of a dictionary that could be mistaken for a held-out one: as many phones, give or take one; by seed.

    Words and pronunciations of `own` are not among them.

    Raises:
        InputError: not so many.
    """
    taken = {said for pronunciations in own.entries.values() for said in pronunciations}
    lengths = {len(segments(said)) + more for word in held for said in own.entries[word] for more in (-1, 0, 1)}
    found = {}
    for word, pronunciations in dictionary.entries.items():
        fitting = tuple(said for said in pronunciations if len(segments(said)) in lengths and said not in taken)
        if fitting and word not in own.entries:
            found[word] = fitting
    if not 1 <= count <= len(found):
        raise InputError(f"{count} distractors asked for, and {len(found)} words of the dictionary are of such length")
    chosen = sorted(found, key=lambda word: draw(word, seed))[:count]
    return Lexicon({word: found[word] for word in chosen})
