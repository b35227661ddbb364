"""Counts by hand, then what a vocabulary promises: the text comes back, an id never changes its meaning."""

import json
import logging
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from nmt_zero_shot import subwords
from nmt_zero_shot.subwords import SentencePieces, balanced, normalise
from speech_tl.errors import InputError


def test_small_languages_are_repeated() -> None:
    assert balanced([100, 1], temperature=1) == [100, 1]
    assert balanced([100, 1], temperature=2) == [100, 10]  # 100 · √(1/100)
    assert balanced([100, 1], temperature=1e9) == [100, 100]


def test_special_symbols_are_where_m2m_100_has_them(vocabulary: SentencePieces) -> None:
    assert [vocabulary.piece(index)[0] for index in range(8)] == [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "<2en>",
        "<2de>",
        "<2ja>",
        "<0x00>",
    ]
    assert [vocabulary.tag(language) for language in vocabulary.languages] == [4, 5, 6]
    assert (vocabulary.pad, vocabulary.eos, vocabulary.first_byte) == (1, 2, 7)


@pytest.mark.parametrize("text", ["the big dog .", "小さい犬が海を見る。", "große", "<2de> the dog", "жук 🙂 \\n", ""])
def test_every_text_comes_back(vocabulary: SentencePieces, text: str) -> None:
    ids = vocabulary.encode(text)
    assert vocabulary.decode([4, *ids, 2]) == text
    assert all(subwords.UNK < index < vocabulary.size for index in ids)
    assert not {4, 5, 6} & set(ids)  # a text that spells a tag does not become one


def test_white_space_and_composition_are_folded(vocabulary: SentencePieces) -> None:
    assert normalise(unicodedata.normalize("NFD", " große\t\u3000Hund ")) == "große Hund"
    assert vocabulary.encode(unicodedata.normalize("NFD", "hört")) == vocabulary.encode(" hört ")


def test_training_is_deterministic() -> None:
    texts = {"a": ["ba ab", "abba ba"] * 5, "b": ["cd dc"]}
    first, second = (subwords.train(texts, size=280, seed=1) for _ in range(2))
    assert first.digest == second.digest


def test_too_little_text_gives_fewer_subwords(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        few = subwords.train({"en": ["a dog", "two dogs"]}, size=4000)
    assert few.size < 300
    assert f"the texts have room for {few.size} subwords, not 4000" in caplog.text


def test_many_characters_fall_back_to_bytes() -> None:
    sentence = "".join(map(chr, range(0x4E00, 0x4E00 + 400)))
    small = subwords.train({"zh": [sentence, sentence[:50] * 4], "en": ["a dog"]}, size=300)
    assert small.size <= 300
    assert small.decode(small.encode(sentence)) == sentence


def test_which_pieces_a_language_may_write(vocabulary: SentencePieces) -> None:
    english, japanese = vocabulary.pieces_of("en"), vocabulary.pieces_of("ja")
    assert english.shape == (vocabulary.size,)
    assert english[vocabulary.encode("the small cat hears the sea .")].all()
    assert not english[vocabulary.encode("犬")[-1]]
    assert english[2] and japanese[7 : 7 + 256].all()
    assert not english[[0, 1, 3, 4, 5, 6]].any()


def test_a_new_language_keeps_every_old_id(vocabulary: SentencePieces) -> None:
    grown = vocabulary.with_language("sw", ["the tree"], at=vocabulary.size + 2)
    assert grown.tag("sw") == vocabulary.size + 2 == grown.size - 1
    assert grown.languages == ("en", "de", "ja", "sw")
    assert grown.encode("der große Hund") == vocabulary.encode("der große Hund")
    assert grown.decode([grown.tag("sw"), *grown.encode("the tree")]) == "the tree"
    assert grown.digest != vocabulary.digest
    assert grown.pieces_of("sw").sum() == 1 + 256 + len(set(grown.encode("the tree")))
    assert np.array_equal(grown.pieces_of("en")[: vocabulary.size], vocabulary.pieces_of("en"))
    with pytest.raises(InputError, match="has a tag for 'de' already"):
        vocabulary.with_language("de", [], at=400)


def test_saved_and_read_again(vocabulary: SentencePieces, tmp_path: Path) -> None:
    vocabulary.save(tmp_path)
    again = subwords.load(tmp_path)
    assert (again.digest, again.tags) == (vocabulary.digest, vocabulary.tags)
    assert all(np.array_equal(again.pieces_of(each), vocabulary.pieces_of(each)) for each in vocabulary.languages)
    subwords.train({"en": ["a b c"]}, size=300).save(tmp_path / "other")
    (tmp_path / subwords.MODEL).write_bytes((tmp_path / "other" / subwords.MODEL).read_bytes())
    with pytest.raises(InputError, match="do not belong together"):
        subwords.load(tmp_path)


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", json.dumps({"format": 1, "tags": {"en": 4}, "seen": {"en": "x"}})]
)
def test_a_damaged_vocabulary_is_one_line(vocabulary: SentencePieces, tmp_path: Path, content: str) -> None:
    vocabulary.save(tmp_path)
    (tmp_path / subwords.SETTINGS).write_text(content)
    with pytest.raises(InputError, match="is not whole"):
        subwords.load(tmp_path)


def test_other_refusals(vocabulary: SentencePieces, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no sentencepiece\.model in"):
        subwords.load(tmp_path)
    vocabulary.save(tmp_path)
    (tmp_path / subwords.SETTINGS).write_text(json.dumps({"format": 9}))
    with pytest.raises(InputError, match="has format 9, this version reads 1"):
        subwords.load(tmp_path)
    with pytest.raises(InputError, match="no text in 'de' to learn subwords from"):
        subwords.train({"en": ["a"], "de": [" "]}, size=300)
    with pytest.raises(InputError, match="a vocabulary of 100 subwords is too small: tags and bytes alone take 261"):
        subwords.train({"en": ["a"]}, size=100)


def test_real_japanese_and_korean_come_back(shared_data: Path) -> None:
    folder = shared_data / "mt" / "bible_cjk"
    texts = {code: (folder / f"dev.{code}").read_text("utf-8").splitlines()[:150] for code in ("en", "ja", "ko")}
    trained = subwords.train(texts, size=1000)
    assert trained.size == 1000
    for code in texts:
        for text in (folder / f"test.{code}").read_text("utf-8").splitlines()[:50]:
            assert trained.decode(trained.encode(text)) == normalise(text)
