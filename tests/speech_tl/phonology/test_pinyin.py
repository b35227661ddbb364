"""Pinyin read as Mandarin is said."""

import importlib.util

import pytest

from speech_tl.errors import InputError
from speech_tl.phonology.phones import segments
from speech_tl.phonology.pinyin import ipa


@pytest.mark.parametrize(
    ("pinyin", "said"),
    [
        ("bei3jing1", "pei˨˩˦t͡ɕiŋ˥"),
        ("zhong1 guo2", "ʈ͡ʂʊŋ˥kwo˧˥"),
        ("yu3yan2", "y˨˩˦jɛn˧˥"),
        ("shi2bie2", "ʂɻ̩˧˥pje˧˥"),
        ("Shu4zi4", "ʂu˥˩t͡sɹ̩˥˩"),
        ("xue2", "ɕɥe˧˥"),
        ("lv4se4", "ly˥˩sɤ˥˩"),
        ("er2 a5 o", "aɻ˧˥ao"),
        ("xi1'an1, peng2you hao3", "ɕi˥an˥pʰəŋ˧˥jouxau˨˩˦"),
        ("xi an", "ɕian"),
        ("ng4 m2", "ŋ̩˥˩m̩˧˥"),
        ("wo3 wei4 yong4", "wo˨˩˦wei˥˩jʊŋ˥˩"),
    ],
)
def test_what_is_said(pinyin: str, said: str) -> None:
    assert ipa(pinyin) == said
    assert segments(said, tones=True), "all of it is IPA"


@pytest.mark.parametrize("pinyin", ["bei6", "hello1", "ⴱ", "tsa1", "1"])
def test_what_is_no_pinyin(pinyin: str) -> None:
    with pytest.raises(InputError, match=r"is no syllable of pinyin; expected numbered tones") as caught:
        ipa(pinyin, where="metadata.csv, row 3")
    assert "metadata.csv, row 3" in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("pypinyin") is None, reason="pypinyin is not installed")
@pytest.mark.parametrize(
    ("characters", "pinyin"),
    [("重庆", "chong2qing4"), ("对了", "dui4le"), ("女", "nv3"), ("语言xue2", "yu3yan2xue2"), ("商行", "shang1hang2")],
)
def test_characters_are_read(characters: str, pinyin: str) -> None:
    assert ipa(characters) == ipa(pinyin)


def test_characters_without_what_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_tl.phonology.pinyin.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"'北京': how characters are read, pypinyin knows; pip install"):
        ipa("北京")
