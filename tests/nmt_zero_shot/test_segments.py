"""Where a long text is cut, by hand, and that nothing is lost on the way."""

import random

import pytest

from nmt_zero_shot.segments import base, join, split


def words(text: str) -> int:
    return len(text.split())


def test_a_short_text_is_one_segment_and_an_empty_one_is_none() -> None:
    assert split(" a  b. c ", length=words, longest=3) == ["a b. c"]
    assert split(" \n ", length=words, longest=3) == []


def test_the_cut_is_at_the_sentence_end_nearest_the_middle() -> None:
    assert split("a b. c d! e f.", length=words, longest=4) == ["a b. c d!", "e f."]
    assert split("犬が走る。猫が寝る。", length=len, longest=5) == ["犬が走る。", "猫が寝る。"]
    assert split("3.14 is short", length=words, longest=2) == ["3.14 is", "short"]  # no sentence ends there


def test_without_sentences_words_are_kept_whole_and_without_spaces_nothing_is() -> None:
    assert split("one two three four", length=len, longest=9) == ["one two", "three", "four"]
    assert split("abcdefgh", length=len, longest=3) == ["ab", "cd", "ef", "gh"]
    assert split("abc", length=lambda text: 9, longest=3) == ["a", "b", "c"]  # a character is never too long


@pytest.mark.parametrize("size", [1, 7, 60])
def test_nothing_is_lost(size: int) -> None:
    chance = random.Random(size)
    text = " ".join("".join(chance.choices("abc.。", k=chance.randint(1, 9))) for _ in range(300))
    segments = split(text, length=len, longest=size)
    assert max(map(len, segments)) <= size
    assert "".join(segments).replace(" ", "") == text.replace(" ", "")


def test_segments_are_joined_as_the_language_is_written() -> None:
    assert join(["A b.", "", "C."], "de") == "A b. C."
    assert join(["甲。", "乙。"], "zh-TW") == "甲。乙。"
    assert join([], "ja") == ""
    assert [base(code) for code in ("en", "zh-TW", "jpn_Jpan")] == ["en", "zh", "jpn"]
