"""Disjoint in speaker and in text, by rule, by column and by file; and what is said when that cannot be."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_tl.data import manifest, split_files, splits
from speech_tl.data.corpora import CORPORA, split_arguments
from speech_tl.data.manifest import Utterance
from speech_tl.data.splits import Split, apart, is_word_list, joined, split
from speech_tl.data.text import normaliser
from speech_tl.errors import InputError

Speaking = Callable[..., list[Utterance]]


def speakers(part: tuple[Utterance, ...]) -> set[str]:
    return {u.speaker for u in part}


def texts(part: tuple[Utterance, ...]) -> set[str]:
    return {normaliser(u.language)(u.text) for u in part}


def check(parts: Split, whole: list[Utterance]) -> None:
    """What holds for every split: parts are disjoint, from the data, and what the kind says."""
    keys = [u.key for part in (parts.train, parts.valid, parts.test) for u in part]
    assert len(keys) == len(set(keys))
    assert set(keys) <= {u.key for u in whole}
    assert parts.train
    assert parts.valid
    assert parts.test
    if parts.kind == "unseen speakers":
        assert not speakers(parts.test) & speakers(parts.train + parts.valid)
    if parts.task == "sentences":
        assert not texts(parts.test) & texts(parts.train + parts.valid)
        assert not texts(parts.train) & texts(parts.valid)
    assert parts.note.startswith(parts.kind)


@pytest.fixture
def words(speaking: Speaking) -> list[Utterance]:
    """5 speakers say 4 words 5 times: a word list of 100 clips."""
    return speaking(*((f"s{i}", w) for i in range(5) for w in ("one", "two", "three", "four") for _ in range(5)))


@pytest.fixture
def sentences(speaking: Speaking) -> list[Utterance]:
    """10 speakers say 20 sentences each; every sentence is said by two of them."""
    return speaking(*((f"s{i}", f"sentence {(20 * i + j) % 100}") for i in range(10) for j in range(20)))


def test_a_word_list_shares_its_texts_and_says_so(words: list[Utterance]) -> None:
    parts = split(words)
    check(parts, words)
    assert (parts.kind, parts.task) == ("unseen speakers", "words")
    assert [len(parts.train), len(parts.valid), len(parts.test)] == [72, 8, 20]
    assert "word list: 4 texts shared by the parts" in parts.note
    assert {name: sum(u.speaker == name for u in parts.valid) for name in speakers(parts.train)} == dict.fromkeys(
        speakers(parts.train), 2
    )


def test_sentences_lose_what_the_test_says(sentences: list[Utterance]) -> None:
    parts = split(sentences, hold_out_speakers=["s0"])
    check(parts, sentences)
    assert len(parts.test) == 20
    assert len(parts.train) + len(parts.valid) == 160  # s5 says what s0 says
    assert "s5" not in speakers(parts.train)
    assert "20 training utterances dropped" in parts.note
    assert 14 <= len(parts.valid) <= 18


def test_spelling_does_not_hide_a_shared_sentence(speaking: Speaking) -> None:
    rows = speaking(("a", "Hello, you!"), ("b", "hello you"), ("b", "other"), ("b", "more"))
    parts = split(rows, hold_out_speakers=["a"])
    assert texts(parts.train + parts.valid) == {"other", "more"}


def test_the_seed_decides_and_nothing_else(sentences: list[Utterance]) -> None:
    backwards = split(list(reversed(sentences)), seed=1)
    assert set(split(sentences, seed=1).test) == set(backwards.test)
    assert split(sentences, seed=1) == split(sentences, seed=1)
    assert len({tuple(sorted(speakers(split(sentences, seed=seed).test))) for seed in range(5)}) > 1


def test_first_train_and_last_test(words: list[Utterance]) -> None:
    parts = split(words, train_speakers=2, test_speakers=1)
    check(parts, words)
    assert speakers(parts.train) == speakers(parts.valid) == {"s0", "s1"}
    assert speakers(parts.test) == {"s4"}
    assert len(parts.valid) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"hold_out_speakers": ["s9"]},
            r"unknown speaker 's9' in --hold-out-speakers \(eng\); known: s0, s1",
        ),
        ({"hold_out_speakers": ["s0"], "test_speakers": 1}, "not both"),
        ({"hold_out_speakers": ["s0", "s1", "s2", "s3", "s4"]}, "all 5 speakers are held out"),
        ({"train_speakers": 5, "test_speakers": 1}, "--train-speakers 5, but 4 speakers are left"),
        ({"train_speakers": 0}, "expected 1 to 4"),
        ({"test_speakers": 5}, "--test-speakers 5, but there are 5 speakers; expected 1 to 4"),
    ],
)
def test_impossible_wishes(words: list[Utterance], arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        split(words, **arguments)  # type: ignore[arg-type]


def column(utterances: list[Utterance], **names: str) -> list[Utterance]:
    return [replace(u, split=names[u.speaker]) for u in utterances]


def test_a_disjoint_column_is_used_as_it_is(words: list[Utterance]) -> None:
    rows = column(words, s0="train", s1="train", s2="val", s3="test", s4="test")
    parts = split(rows)
    check(parts, rows)
    assert [speakers(p) for p in (parts.train, parts.valid, parts.test)] == [
        {"s0", "s1"},
        {"s2"},
        {"s3", "s4"},
    ]
    assert speakers(split(rows, train_speakers=1).train) == {"s0"}
    assert speakers(split(rows, hold_out_speakers=["s0"]).test) == {"s0"}


def test_a_column_without_test_has_its_validation_as_test(words: list[Utterance]) -> None:
    parts = split(column(words, s0="train", s1="train", s2="train", s3="train", s4="dev"))
    check(parts, words)
    assert speakers(parts.test) == {"s4"}
    assert "its validation part as test" in parts.note
    everything = [replace(u, split="train") for u in words]
    assert split(everything).test == tuple(replace(u, split="train") for u in split(words).test)


def test_a_column_that_shares_speakers_needs_a_word(words: list[Utterance]) -> None:
    rows = [replace(u, split="test" if i % 5 == 0 else "train") for i, u in enumerate(words)]
    with pytest.raises(InputError, match=r"shares 5 speakers .*s0, s1, .*--hold-out-speakers s4 .*--known-speakers"):
        split(rows)
    parts = split(rows, known_speakers=True)
    check(parts, rows)
    assert parts.kind == "known speakers"
    assert len(parts.test) == 20


def test_an_unknown_part_is_named(words: list[Utterance]) -> None:
    rows = column(words, s0="train", s1="train", s2="tset", s3="test", s4="test")
    with pytest.raises(InputError, match=r"unknown split 'tset' .*did you mean 'test'"):
        split(rows)


def test_known_speakers_without_a_column(sentences: list[Utterance]) -> None:
    parts = split(sentences, known_speakers=True)
    check(parts, sentences)
    assert parts.kind == "known speakers"
    assert 36 <= len(parts.test) <= 44


def test_a_single_speaker_is_divided_by_text_and_labelled(speaking: Speaking) -> None:
    rows = speaking(*(("s", f"sentence {i % 40}") for i in range(50)))
    parts = split(rows)
    check(parts, rows)
    assert parts.kind == "single speaker"
    assert 8 <= len(parts.test) <= 12
    own = [replace(u, split="test" if i < 10 else "train") for i, u in enumerate(rows)]
    parts = split(own)
    check(parts, own)
    assert [u.key for u in parts.test] == [u.key for u in own[:10]]


def test_speakers_not_given_are_said(speaking: Speaking) -> None:
    assert split(speaking(*(("", f"text {i}") for i in range(20)))).kind == "speakers not given"


def test_a_text_of_punctuation_is_refused(speaking: Speaking) -> None:
    with pytest.raises(InputError, match=r"c/1: nothing is left of text '\?!' when normalised \(1 such rows\)"):
        split(speaking(("a", "x"), ("b", "?!")))


def test_one_language_at_a_time(speaking: Speaking) -> None:
    with pytest.raises(ValueError, match="one language at a time"):
        split(speaking(("a", "x")) + speaking(("a", "x"), language="deu"))


def test_a_stored_split_comes_back(tmp_path: Path, sentences: list[Utterance]) -> None:
    parts = split(sentences, seed=3)
    splits.save({"eng": parts}, tmp_path / "split.json")
    again = split(sentences, split_file=tmp_path / "split.json", seed=9)
    assert (again.train, again.valid, again.test) == (parts.train, parts.valid, parts.test)
    assert (again.kind, again.task) == (parts.kind, parts.task)
    assert json.loads((tmp_path / "split.json").read_text())["languages"]["eng"]["note"] == parts.note
    splits.save({"deu": parts}, tmp_path / "both.json", beside=tmp_path / "split.json")
    assert list(json.loads((tmp_path / "both.json").read_text())["languages"]) == ["eng", "deu"]
    with pytest.raises(InputError, match=r"110 of 160 recordings of eng are not in the data: c/"):
        split(sentences[:50], split_file=tmp_path / "split.json")


def test_what_was_tested_before_and_trains_now_is_training(tmp_path: Path, sentences: list[Utterance]) -> None:
    before = split(sentences, seed=3)
    splits.save({"eng": before}, tmp_path / "before.json")
    now = replace(before, train=before.test, valid=(), test=())
    splits.save({"eng": now}, tmp_path / "now.json", beside=tmp_path / "before.json")
    train, valid, test = split_files.read(tmp_path / "now.json", "eng")
    assert train == [u.key for u in (*before.train, *before.test)]
    assert (valid, test) == ([u.key for u in before.valid], [])
    learned = split_files.stored(tmp_path / "now.json")["eng"]["sentences"]
    assert learned == sorted({splits.digest(u.text) for u in (*before.train, *before.valid, *before.test)})
    splits.save({"eng": replace(before, task="words")}, tmp_path / "words.json")
    assert split_files.stored(tmp_path / "words.json")["eng"]["sentences"] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a split file"),
        ("[]", "not a split file"),
        ('{"format": 1}', "not a split file"),
        ('{"format": 2, "languages": {}}', "of format 2, expected 1"),
        ('{"format": 1, "languages": {"swh": {}}}', "unknown language 'eng' in .*; known: swh"),
        ('{"format": 1, "languages": {"eng": {"train": []}}}', "not a split file .*'valid'"),
        (
            '{"format": 1, "languages": {"eng": {"train": ["c/0"], "valid": ["c/0"], "test": []}}}',
            "1 recordings of eng are named twice: c/0",
        ),
        (
            '{"format": 1, "languages": {"eng": {"train": ["c/0"], "valid": [], "test": []}}}',
            "test part is empty",
        ),
    ],
)
def test_a_file_that_is_no_split(tmp_path: Path, words: list[Utterance], content: str, message: str) -> None:
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(InputError, match=message):
        split(words, split_file=tmp_path / "s.json")
    with pytest.raises(InputError, match="cannot be read"):
        split(words, split_file=tmp_path / "absent.json")


def test_a_larger_budget_extends_a_smaller(words: list[Utterance]) -> None:
    small, large = splits.subset(words, minutes=1.0), splits.subset(words, minutes=5.0)
    assert (len(small), len(large)) == (10, 50)  # 6 s each
    assert set(small) < set(large)
    with pytest.raises(InputError, match=r"0.01 minutes hold no utterance of eng"):
        splits.subset(words, minutes=0.01)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_every_real_corpus_divides_honestly(shared_data: Path, name: str) -> None:
    folder = shared_data / "speech" / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not among the data")
    utterances = manifest.read(folder)
    for language in sorted({u.language for u in utterances}):
        own = [u for u in utterances if u.language == language]
        parts = split(own, **split_arguments(folder))
        if len(own) > 5:
            check(parts, own)
        assert (parts.kind == "single speaker") == (len(speakers(tuple(own))) == 1)


def test_the_figures_of_the_protocol(shared_data: Path) -> None:
    def sizes(name: str) -> tuple[str, int, int]:
        parts = split(manifest.read(shared_data / "speech" / name), **split_arguments(shared_data / "speech" / name))
        return parts.kind, len(parts.train) + len(parts.valid), len(parts.test)

    assert sizes("lithuanian_speech_commands") == ("unseen speakers", 68, 178)
    assert sizes("fsdd_english_digits") == ("unseen speakers", 1998, 500)
    assert sizes("arabic_speech_commands") == ("unseen speakers", 3520, 640)
    with pytest.raises(InputError, match="mdw: the split column shares 3 speakers"):
        split(manifest.read(shared_data / "speech" / "mboshi"))


def said(speaker: str, text: str, at: int, language: str = "eng") -> Utterance:
    return Utterance(
        f"{speaker}{at}.wav", text, language, speaker, seconds=1.0, name=f"{language}/{speaker}/{text}/{at}"
    )


def test_who_and_what_one_corpus_tests_the_other_does_not_train_on() -> None:
    """Of the second corpus anna (tested in the first) and the tested sentence go; eva and her own sentence stay."""
    first = Split((said("ben", "two", 0),), (), (said("anna", "one", 0),), "unseen speakers", "first", "sentences")
    train = (said("anna", "three", 1), said("eva", "one", 2), said("eva", "four", 3))
    second = Split(train, (said("eva", "five", 4),), (said("max", "six", 5),), "unseen speakers", "second", "sentences")
    both = joined([first, second])
    assert [(u.speaker, u.text) for u in both.train] == [("ben", "two"), ("eva", "four")]
    assert [u.text for u in both.valid] == ["five"] and [u.text for u in both.test] == ["one", "six"]
    assert both.note == "first; second; 2 dropped, of speakers (or namesakes) or texts tested in another corpus"
    assert joined([first]) is first


def test_a_word_list_beside_sentences_is_trained_on() -> None:
    """Its validation has the words that it trains on; of the sentences only their own validation's go."""
    words = Split((said("ben", "one", 0), said("eva", "two", 1)), (said("ben", "two", 2),), (said("max", "one", 3),),
                  "unseen speakers", "words", "words")  # fmt: skip
    train = (said("ida", "a sentence", 4), said("ida", "two of them", 5))
    read = Split(train, (said("ida", "three", 6),), (said("ada", "four", 7),), "unseen speakers", "read", "sentences")
    assert [u.text for u in joined([words, read]).train] == ["one", "two", "a sentence", "two of them"]


def test_how_long_the_last_segment_lasts(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "l.wav", np.zeros(16000), 8000)
    row = Utterance(str(tmp_path / "l.wav"), "a", "eng", "s", start=1.5)
    assert splits.lasting(row) == 0.5 and splits.lasting(replace(row, seconds=0.25)) == 0.25


def test_a_corpus_of_one_speaker_keeps_its_own() -> None:
    """Its speaker is tested and known, and that is said; only strangers are kept apart."""
    alone = Split((said("ida", "two", 0),), (), (said("ida", "one", 0),), "single speaker", "alone", "sentences")
    both = joined([alone, replace(alone, train=(said("ida", "seven", 1),), test=(said("ida", "eight", 2),))])
    assert [u.text for u in both.train] == ["two", "seven"]


def test_who_is_tested_in_one_language_is_trained_on_in_none() -> None:
    english = Split((said("ben", "two", 0),), (), (said("anna", "one", 0),), "unseen speakers", "english", "words")
    train = (said("anna", "ein", 0, "deu"), said("eva", "ein", 1, "deu"))
    german = Split(train, (), (said("max", "ein", 2, "deu"),), "unseen speakers", "german", "words")
    found = apart({"eng": english, "deu": german})
    assert found["eng"] is english
    assert [u.speaker for u in found["deu"].train] == ["eva"]
    assert found["deu"].note == "german; 1 dropped, of speakers (or namesakes) tested in another language"


def test_sentences_that_many_read_are_no_word_list() -> None:
    sentences = [f"the boy was there when the sun rose {at}" for at in range(20)] * 5
    assert not is_word_list(sentences)
    assert is_word_list(["up", "down", "turn it off"] * 5)


def test_a_split_file_stands_alone(tmp_path: Path) -> None:
    own = [said(speaker, text, at) for speaker in "ab" for at, text in enumerate(("one", "two") * 3)]
    file = tmp_path / "splits.json"
    splits.save({"eng": split(own, hold_out_speakers=["b"])}, file)
    with pytest.raises(InputError, match="says who trains and who is tested: leave out the other flags"):
        split(own, split_file=file, hold_out_speakers=["a"])
    file.write_text('{"format": 1, "languages": {"eng": {"train": [], "valid": [], "test": []}}}')
    with pytest.raises(InputError, match="the train part is empty"):
        split(own, split_file=file)
