"""Pinyin read as Mandarin is said."""

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
        ("wo3 wei4 yong4", "wo˨˩˦wei˥˩jʊŋ˥˩"),
    ],
)
def test_what_is_said(pinyin: str, said: str) -> None:
    assert ipa(pinyin) == said
    assert segments(said, tones=True), "all of it is IPA"


@pytest.mark.parametrize("pinyin", ["bei6", "hello1", "北京", "tsa1", "1"])
def test_what_is_no_pinyin(pinyin: str) -> None:
    with pytest.raises(InputError, match=r"is no syllable of pinyin; expected numbered tones") as caught:
        ipa(pinyin, where="metadata.csv, row 3")
    assert "metadata.csv, row 3" in str(caught.value)
