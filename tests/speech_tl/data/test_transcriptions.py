"""Recordings in IPA with the inventories beside them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_tl.data.transcriptions import corpus
from speech_tl.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two words of one language, one of another, with an inventory for the first."""
    rows = ["file_name,text,language,speaker_id,raw"]
    for name, text, language, raw in (("1", "q̠ a", "aa", "gá"), ("2", "p a", "aa", "pà"), ("3", "tʃ o", "bb", "tʃo")):
        soundfile.write(tmp_path / f"{name}.wav", np.full(1600, 0.1), 16000)
        rows.append(f"{name}.wav,{text},{language},{language}1,{raw}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "aa" / "inventory").mkdir(parents=True)
    (tmp_path / "aa" / "inventory" / "allophone.txt").write_text("a\np p\nq̠ q̠ ɡ\n", encoding="utf-8")
    return tmp_path


def test_words_are_phones_with_an_inventory(folder: Path) -> None:
    data = corpus(str(folder), rewrite={"q̠": "ɡ"})
    assert list(data) == ["aa", "bb"]
    assert data["aa"].phones == (("ɡ", "a"), ("p", "a"))
    assert data["aa"].inventory.allophones == (("a", ("a",)), ("p", ("p",)), ("ɡ", ("ɡ",)))
    assert data["bb"].phones == (("t͡ʃ", "o"),) and data["bb"].inventory.phonemes == ("o", "t͡ʃ")
    assert data["aa"].clips(16000).lengths == [1600, 1600]


def test_another_column_and_tones(folder: Path) -> None:
    (folder / "aa" / "inventory" / "allophone.txt").unlink()
    assert corpus(str(folder), column="raw")["aa"].phones == (("ɡ", "a"), ("p", "a"))
    assert corpus(str(folder), column="raw", tones=True)["aa"].inventory.phonemes == ("a", "p", "ɡ", "˦", "˨")
    with pytest.raises(InputError, match="unknown column 'rwa' in --column; did you mean 'raw'"):
        corpus(str(folder), column="rwa")


def test_an_inventory_that_lacks_a_phone(folder: Path) -> None:
    (folder / "aa" / "inventory" / "allophone.txt").write_text("a\np\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"allophone\.txt: 'q̠' is no phoneme of the inventory"):
        corpus(str(folder))


def test_parts_are_drawn_by_seed(folder: Path) -> None:
    words = corpus(str(folder))["aa"]
    rest, drawn = words.parted(0.1, seed=0)
    assert sorted((*rest.utterances, *drawn.utterances), key=words.utterances.index) == list(words.utterances)
    assert len(rest.utterances) == len(drawn.utterances) == 1
    assert {words.parted(0.1, seed=seed)[1].phones for seed in range(20)} == {((one, "a"),) for one in ("q̠", "p")}
    with pytest.raises(InputError, match="bb: one recording cannot be divided"):
        corpus(str(folder))["bb"].parted(0.1, seed=0)
