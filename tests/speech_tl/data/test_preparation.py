"""Several corpora of one language: what is tested is trained on in none of them."""

from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from speech_tl.data import splits
from speech_tl.data.manifest import Utterance
from speech_tl.data.preparation import Division, divided, prepare
from speech_tl.data.text import normaliser
from speech_tl.errors import InputError

Corpus = tuple[str, list[Utterance]]


def corpus(source: str, rows: str) -> Corpus:
    """`speaker:text:part` for each recording."""
    cells = [row.split(":") for row in rows.split()]
    return source, [
        Utterance(f"{source}-{at}.wav", text, "eng", speaker, split=part)
        for at, (speaker, text, part) in enumerate(cells)
    ]


TESTED = corpus("words", "a:Yes:train a:no:train a:yes:valid b:yes:test b:no:test a:no:train a:yes:train")


def test_a_corpus_that_is_only_trained_on() -> None:
    more = corpus("more", "c:one: d:two: d:yes:")
    found = divided([TESTED, more], Division(train_only=("more",)), normalise=normaliser("eng"))
    assert [u.text for u in found.train] == ["yes", "no", "no", "yes", "one", "two", "yes"]
    assert [u.speaker for u in found.test] == ["b", "b"] and len(found.valid) == 1
    assert found.task == "words"
    assert found.note.endswith("3 utterances more that are only trained on")


def test_a_language_of_which_nothing_is_tested(tmp_path: Path) -> None:
    for name, code in (("tested", "aa"), ("more", "bb")):
        (tmp_path / name).mkdir()
        lines = [f"{at}.wav,word {at},{code},{code}{at}" for at in range(6)]
        (tmp_path / name / "metadata.csv").write_text("\n".join(["file_name,text,language,speaker_id", *lines]) + "\n")
        for at in range(6):
            soundfile.write(tmp_path / name / f"{at}.wav", [0.1, -0.1] * 4000, 16000)
    sources, division = [str(tmp_path / "tested")], Division(train_only=(str(tmp_path / "more"),))
    found = prepare(sources, division=division, untested=True)
    assert (len(found["bb"].train), len(found["bb"].valid), len(found["bb"].test)) == (6, 0, 0)
    assert len(found["aa"].test) > 0
    with pytest.raises(InputError, match="bb has no utterances to valid on after the split"):
        prepare(sources, division=division)


def test_sentences_that_are_tested_are_left_out_of_it() -> None:
    tested = corpus("sentences", "a:one:train a:two:valid b:three:test")
    more = corpus("more", "c:Three: c:four: c:two:")
    found = divided([tested, more], Division(train_only=("more",)), normalise=normaliser("eng"))
    assert [u.text for u in found.train] == ["one", "four"]
    assert found.note.endswith(
        "1 utterances more that are only trained on, 2 dropped whose text occurs in test or validation"
    )


def test_more_to_train_on_beside_a_split_file(tmp_path: Path) -> None:
    first = divided([TESTED], Division(), normalise=normaliser("eng"))
    splits.save({"eng": first}, tmp_path / "splits.json")
    more = corpus("more", "x:nine: y:ten:")
    division = Division(split_file=tmp_path / "splits.json", train_only=("more",))
    found = divided([TESTED, more], division, normalise=normaliser("eng"))
    assert [u.text for u in found.train] == [*(u.text for u in first.train), "nine", "ten"]
    assert found.test == first.test
    division = Division(split_file=tmp_path / "splits.json")
    assert (
        "2 recordings that it does not name are left out"
        in divided([TESTED, more], division, normalise=normaliser("eng")).note
    )


def test_nobody_is_trained_on_and_tested() -> None:
    with pytest.raises(InputError, match="--train-only: b would be trained on and tested; leave those recordings out"):
        divided([TESTED, corpus("more", "b:one:")], Division(train_only=("more",)), normalise=normaliser("eng"))


def test_what_another_corpus_tests_is_not_trained_on(tmp_path: Path) -> None:
    """b is a stranger there, whose three clips go; of sentences the tested text goes with them, of words it stays."""
    spoken = {"ours": "a:one a:two b:one b:two b:six c:ten", "theirs": "d:two d:two b:two"}
    for name, rows in spoken.items():
        (tmp_path / name).mkdir()
        lines = ["file_name,text,language,speaker_id"]
        for at, row in enumerate(rows.split()):
            speaker, text = row.split(":")
            lines.append(f"{at}.wav,{text},eng,{speaker}")
            soundfile.write(tmp_path / name / f"{at}.wav", [0.1] * 8000, 8000)
        (tmp_path / name / "metadata.csv").write_text("\n".join(lines))
    ours, theirs = (
        prepare([str(tmp_path / name)], division=Division(hold_out_speakers=(tested,)), sample_rates={"": 8000})["eng"]
        for name, tested in (("ours", "c"), ("theirs", "b"))
    )
    for task, texts in (("words", {"one", "two"}), ("sentences", {"one"})):
        kept = ours.without([replace(theirs, split=replace(theirs.split, task=task))])
        left = [*kept.train.utterances, *kept.valid.utterances]
        assert {u.speaker for u in left} == {"a"} and {u.text for u in left} == texts
        assert {u.key for u in left} == {u.key for u in (*kept.split.train, *kept.split.valid)}
        assert "dropped, of speakers (or namesakes) or texts tested in another corpus" in kept.split.note
    assert theirs.without([ours]) is theirs
