"""Edit errors by hand, as fractions, then against jiwer and against the recursion itself."""

import functools
import random

import jiwer
import pytest

from speech_tl.metrics import Errors, character_errors, confusions, tidy, utterance_errors, word_errors

GOLDEN = [
    # reference, hypothesis, character errors / characters, word errors / words
    ("seven", "seven", (0, 5), (0, 1)),
    ("seven", "sevn", (1, 5), (1, 1)),
    ("one two", "one too", (1, 7), (1, 2)),
    ("one two", "onetwo", (1, 7), (2, 2)),  # the space is a character; two words became one
    ("one two", "", (7, 7), (2, 2)),
    ("no", "no no", (3, 2), (1, 1)),  # 150 % of the characters
    ("", "", (0, 0), (0, 0)),
    ("", "uh", (2, 0), (1, 0)),
    ("mɓoʃi", "mboʃi", (1, 5), (1, 1)),
]


@pytest.mark.parametrize(("reference", "hypothesis", "characters", "words"), GOLDEN)
def test_golden(reference: str, hypothesis: str, characters: tuple[int, int], words: tuple[int, int]) -> None:
    by_character, by_word = character_errors(reference, hypothesis), word_errors(reference, hypothesis)
    assert (by_character.count, by_character.length) == characters
    assert (by_word.count, by_word.length) == words


def test_rates_are_percent_and_sums_are_ratios_of_sums() -> None:
    short, long = character_errors("no", "go"), character_errors("seventeen", "seventeen")
    assert short.rate == 50 and long.rate == 0
    assert (short + long).rate == pytest.approx(100 / 11)  # not (50 + 0) / 2
    assert sum([short, long], Errors()) == Errors(substitutions=1, length=11)


def test_an_empty_reference_is_right_or_wrong() -> None:
    assert character_errors("", "").rate == 0
    assert character_errors("", "uh").rate == 100


def test_kinds_of_error() -> None:
    assert character_errors("cat", "cut") == Errors(substitutions=1, length=3)
    assert character_errors("cat", "ct") == Errors(deletions=1, length=3)
    assert character_errors("cat", "cart") == Errors(insertions=1, length=3)


def test_composed_and_decomposed_letters_are_equal_and_case_is_not() -> None:
    assert character_errors("é", "e\u0301").count == 0
    assert character_errors("Yes", "yes").count == 1
    assert tidy("  a \t b\n") == "a b"


def test_an_utterance_is_wrong_or_right() -> None:
    pairs = [("one", "one"), ("two", " two "), ("six", "sex")]
    assert sum((utterance_errors(*pair) for pair in pairs), Errors()).rate == pytest.approx(100 / 3)


def test_confusions_of_characters_and_of_words() -> None:
    assert confusions([("cat", "cut"), ("bat", "but"), ("at", "t"), ("t", "ta")]) == {
        ("a", "u"): 2,
        ("a", ""): 1,
        ("", "a"): 1,
    }
    assert confusions([(["yes", "no"], ["yes", "go"])]) == {("no", "go"): 1}


def test_against_jiwer_and_against_the_recursion() -> None:
    chance = random.Random(0)
    for _ in range(100):
        reference = "".join(chance.choices("ab ", k=7)).strip() or "a"
        hypothesis = "".join(chance.choices("ab ", k=6)).strip()

        @functools.cache
        def distance(i: int, j: int, r: str = tidy(reference), h: str = tidy(hypothesis)) -> int:
            if not i or not j:
                return i + j
            change = distance(i - 1, j - 1) + (r[i - 1] != h[j - 1])
            return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, change)

        expected = distance(len(tidy(reference)), len(tidy(hypothesis)))
        assert character_errors(reference, hypothesis).count == expected
        theirs = 100 * jiwer.wer(tidy(reference), tidy(hypothesis))
        assert word_errors(reference, hypothesis).rate == pytest.approx(theirs)
