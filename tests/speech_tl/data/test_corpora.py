"""A row is found by the folder's name, and gives way to the command line."""

from pathlib import Path

from speech_tl.data.corpora import CORPORA, Corpus, known, split_arguments


def test_a_row_is_found_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "fsdd_english_digits"
    folder.mkdir()
    (folder / "metadata.csv").touch()
    assert known(folder) == known(str(folder) + "/") == known(folder / "metadata.csv")
    assert known(folder).hold_out_speakers == ("theo",)
    assert known(tmp_path / "mine") == known("hub:a/b:c") == Corpus()


def test_explicit_rules_replace_the_row() -> None:
    row = split_arguments("fsdd_english_digits")
    assert (row["hold_out_speakers"], row["task"]) == (("theo",), "words")
    for given in ({"test_speakers": 1}, {"known_speakers": True}, {"split_file": "s.json"}):
        assert split_arguments("fsdd_english_digits", **given)["hold_out_speakers"] == ()
    fewer = split_arguments("lithuanian_speech_commands", train_speakers=2)
    assert (fewer["train_speakers"], fewer["test_speakers"]) == (2, 10)


def test_rows_name_a_task() -> None:
    assert {row.task for row in CORPORA.values()} == {"words", "sentences"}
