"""IPA spelled letter by letter, and with the letters that a model has."""

import pytest

from speech_tl.errors import InputError
from speech_tl.phonology.letters import Known, letters, spelling
from speech_tl.phonology.sounds import PHONES, sound_classes
from speech_tl.phonology.units import Units


@pytest.mark.parametrize(
    ("ipa", "spelled"),
    [("t a ʕ tˤ iː l", "taʕtˤiːl"), ("ˈd͡ʒɑːtˤ", "dʒɑːtˤ"), ("tʃɪp", "tʃɪp"), ("ma˥", "ma"), ("g", "ɡ")],
)
def test_letters(ipa: str, spelled: str) -> None:
    assert letters(ipa) == spelled


def test_no_ipa() -> None:
    with pytest.raises(InputError, match=r"'Д' \(U\+0414\).* in lexicon.tsv, line 3 is no IPA|is no IPA"):
        letters("1Д", where="lexicon.tsv, line 3")


def test_letters_that_a_model_lacks() -> None:
    """[ɡ] is nearest to [k] of [k a s ː], [z] to [s]; a mark that is not known is left out, one that is stays."""
    spell = Known(Units.from_texts(["kasː"]))
    assert spell("ɡaːz") == "kaːs"
    assert spell("kʰaːs") == "kaːs"
    assert spell.stand_ins == {"ɡ": "k", "z": "s", "ʰ": ""}
    with pytest.raises(InputError, match="nothing can stand for 'a': the model knows no letter of IPA"):
        Known(Units.from_texts(["ː"]))("a")


def test_a_model_says_how_it_is_spelled() -> None:
    assert spelling(PHONES) is sound_classes
    assert spelling(Units.from_texts(["ab"]))("bac") != "bac"
