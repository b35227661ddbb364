"""IPA of any habit folded into the sound classes that languages share."""

import gzip
from pathlib import Path

import pytest

from speech_tl.errors import InputError
from speech_tl.phonology.sounds import PHONES, as_ipa, sound_classes


@pytest.mark.parametrize(
    ("ipa", "classes"),
    [
        ("θɹˈiː", "8ri"),  # stress and length go
        ("zˈiəɹoʊ", "zi3rou"),
        ("tʃˈɪkən", "Cik3n"),  # an affricate is one class, tied or not
        ("t͡ʃɪkən", "Cik3n"),
        ("ʧikǝn", "Cik3n"),  # letters of older IPA and of other scripts
        ("ˈatɕʲuː", "aCu"),
        ("ʔ a r b a ʕ a", "7arbaXa"),  # spaces between phones, as in a metadata column
        ("sˤ i f r", "sifr"),  # secondary articulation goes
        ("l̩ˈabas ɡ˥˩ã", "labasga"),  # syllabicity, tone and nasality go
        ("çaç", "xax"),  # a letter of its own, however it is encoded
        ("c\u0327a", "xa"),
        ("t s", "ts"),  # two phones, not an affricate
        ("", ""),
    ],
)
def test_by_hand(ipa: str, classes: str) -> None:
    assert sound_classes(ipa) == classes
    assert PHONES.decode(PHONES.encode(classes)) == classes


def test_forty_classes_and_a_blank() -> None:
    assert len(PHONES) == 41
    assert set("ieE3auo") < set(PHONES.symbols)


def test_what_is_no_ipa_is_named() -> None:
    with pytest.raises(InputError, match=r"'ш' \(U\+0448\) in 'шum' in lexicon.tsv, line 3 is no IPA letter"):
        sound_classes("шum", where="lexicon.tsv, line 3")


@pytest.mark.parametrize("name", ["lit_latn_narrow", "eng_latn_uk_broad", "tha_thai_broad", "ukr_cyrl_narrow"])
def test_real_transcriptions_are_covered(shared_data: Path, name: str) -> None:
    with gzip.open(shared_data / "lexicon" / "wikipron" / f"{name}.tsv.gz", "rt", encoding="utf-8") as lines:
        said = [sound_classes(line.rstrip("\n").split("\t")[1]) for line in lines]
    assert len(said) > 1000
    assert said.count("") <= 2, "the soft sign of Ukrainian is a modifier and nothing else"


def test_a_class_is_written_as_its_first_sound() -> None:
    assert as_ipa(["t", "3", "C", "c", "j", "y"]) == ("t", "ɨ", "t͡ʃ", "t͡s", "d͡ʒ", "j")
    assert [sound_classes(each) for each in as_ipa(PHONES.symbols[1:])] == list(PHONES.symbols[1:])
