"""A column, a lexicon and espeak-ng's rules give the same kind of answer, or one line that says what is missing."""

import importlib.util
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from speech_tl.data.manifest import Utterance
from speech_tl.data.pronunciations import pronunciations
from speech_tl.data.text import normaliser
from speech_tl.errors import InputError
from speech_tl.phonology.spelling import phones


def said(texts: list[str], source: str, *, ipa: str = "") -> dict[str, str]:
    extra = (("ipa", ipa),) if ipa else ()
    utterances = [Utterance("a.wav", text, "lit", "s", extra=extra) for text in texts]
    return pronunciations(utterances, source, normalise=normaliser("lit"))


@pytest.mark.skipif(importlib.util.find_spec("espeakng_loader") is None, reason="espeakng-loader is not installed")
def test_espeak_pronounces() -> None:
    assert said(["Trys", "į kairę", "trys"], "espeak:lt") == {"trys": "tris", "į kairę": "ikairea"}
    assert said(["three"], "espeak:en-us") == {"three": "8ri"}
    with pytest.raises(InputError, match="espeak-ng failed: no language 'xx'"):
        said(["trys"], "espeak:xx")


def test_a_column_of_ipa() -> None:
    assert said(["Trys"], "ipa", ipa="tʲrʲˈiːs") == {"trys": "tris"}
    with pytest.raises(InputError, match=r"unknown column 'ipo' in --phones, for a\.wav; did you mean 'ipa'"):
        said(["trys"], "ipo", ipa="tris")
    with pytest.raises(InputError, match=r"in 'три' in ipa for 'trys' is no IPA letter"):
        said(["trys"], "ipa", ipa="три")


def test_a_column_of_pinyin() -> None:
    utterance = Utterance("a.wav", "北京", "cmn", "s", extra=(("pinyin", "bei3jing1"),))
    read = partial(pronunciations, normalise=normaliser("cmn"), spell=partial(phones, tones=True))
    assert read([utterance], "pinyin:pinyin") == {"北京": "pei˨˩˦t͡ɕiŋ˥"}
    with pytest.raises(InputError, match=r"unknown column 'pinyi' in --phones, for a\.wav; did you mean 'pinyin'"):
        read([utterance], "pinyin:pinyi")
    wrong = replace(utterance, extra=(("pinyin", "beijing"),))
    with pytest.raises(InputError, match="'beijing' in 'beijing' in pinyin for '北京' is no syllable of pinyin"):
        read([wrong], "pinyin:pinyin")


def test_corpora_of_one_language_have_the_column_or_not() -> None:
    """The second corpus has no pinyin, but its texts are."""
    both = [
        Utterance("a.wav", "ban4", "cmn", "s", extra=(("pinyin", "ban4"),)),
        Utterance("b.wav", "_Bu2", "cmn", "t", name="syllables/b.wav"),
    ]
    read = partial(pronunciations, normalise=normaliser("cmn"), spell=phones)
    with pytest.raises(InputError, match=r"unknown column 'pinyin' in --phones, for syllables/b\.wav"):
        read(both, "pinyin:pinyin")
    assert list(read(both, "pinyin:text").values()) == ["pan", "pu"]


def test_a_text_is_read_as_it_was_written_and_as_it_was_first_said() -> None:
    """u: is ü though the normaliser keeps letters only; of two transcriptions of a text the first counts."""
    written = Utterance("a.wav", "nu3", "cmn", "s", extra=(("text", "nu:3"),))
    assert pronunciations([written], "pinyin:text", normalise=normaliser("cmn"), spell=phones) == {"nu3": "ny"}
    two = [Utterance("a.wav", "ja", "fin", "s", extra=(("ipa", ipa),)) for ipa in ("ja", "jo")]
    assert pronunciations(two, "ipa", normalise=normaliser("fin"), spell=phones) == {"ja": "ja"}


def test_a_text_without_a_sound() -> None:
    silent = [Utterance("a.wav", text, "fin", "s", extra=(("ipa", ipa),)) for text, ipa in (("ja", "ja"), ("ei", ""))]
    with pytest.raises(InputError, match="--phones: ipa has no sound for 'ei' and 0 other texts"):
        pronunciations(silent, "ipa", normalise=normaliser("fin"), spell=phones)


def test_a_lexicon_of_words(tmp_path: Path) -> None:
    file = tmp_path / "words.tsv"
    file.write_text("Trys\ttʲrʲˈiːs\nį\tiː\nkairę\tkairæː\nį\tin\n", encoding="utf-8")
    assert said(["į kairę", "trys"], str(file)) == {"į kairę": "ikairE", "trys": "tris"}
    with pytest.raises(InputError, match="2 words of the data are not in it: du, keturi"):
        said(["keturi du", "trys"], str(file))
    file.write_text("trys tris\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"words.tsv, line 1: 1 columns; expected a word, a tab, its IPA"):
        said(["trys"], str(file))
    file.write_bytes(b"trys\t\xff\n")
    with pytest.raises(InputError, match="not UTF-8"):
        said(["trys"], str(file))
    with pytest.raises(InputError, match="no such file; expected a word, a tab, its IPA"):
        said(["trys"], str(tmp_path / "none.tsv"))
