"""IPA spelled phone by phone, and with the phones that a model has."""

import pytest

from speech_tl.errors import InputError
from speech_tl.phonology.lexicon import Lexicon, PrefixTree
from speech_tl.phonology.sounds import PHONES, sound_classes
from speech_tl.phonology.spelling import Known, doubted, phone_units, phones, spelling, understudies
from speech_tl.phonology.units import Units


@pytest.mark.parametrize(
    ("ipa", "spelled"),
    [("t a ʕ tˤ iː l", "taʕtˤiːl"), ("ˈdʒɑːtˤ", "d͡ʒɑːtˤ"), ("ma˥", "ma"), ("g", "ɡ")],
)
def test_phones(ipa: str, spelled: str) -> None:
    assert phones(ipa) == spelled
    assert phones(spelled) == spelled


def test_no_ipa() -> None:
    with pytest.raises(InputError, match=r"'1' .* in lexicon.tsv, line 3 is no IPA"):
        phones("a1", where="lexicon.tsv, line 3")


def test_a_phone_is_a_unit() -> None:
    units = phone_units(["tˤat", "d͡ʒaː"])
    assert units.symbols[1:] == ("a", "aː", "d͡ʒ", "t", "tˤ")
    assert units.encode("taːtˤad͡ʒ") == (4, 2, 5, 1, 3)
    assert units.decode([4, 2, 5]) == "taːtˤ"


def test_phones_that_a_model_lacks() -> None:
    """[ɡ] is nearest to [k] and [z] to [s]; a phone that is there stays."""
    spell = Known(phone_units(["kasaː"]))
    assert spell("ɡaːzk") == "kaːsk"
    assert spell.told == "2 phones were never heard and are read as the nearest: [ɡ] as [k] (0.04), [z] as [s] (0.04)"
    assert not Known(phone_units(["kasaː"])).told
    with pytest.raises(InputError, match=r"'Д' \(U\+0414\) in 'Дa' in words\.tsv, line 3 is no IPA"):
        spell("Дa", where="words.tsv, line 3")


def told(tree: PrefixTree | None, units: Units) -> set[tuple[str, str]]:
    assert tree
    return {(word, units.decode(tree.said(node))) for node, word in tree.words}


def test_a_phone_of_two_words_may_be_its_nearest_too() -> None:
    """[k], [a] and [t] are in three words, [tˤ] in two and [ɡ] in one."""
    words = ["kata", "taka", "ak", "kat", "tˤak", "atˤ", "atˤ", "ɡa˥"]
    units = phone_units(words)
    stands_for = understudies(words, units)
    assert stands_for == {"tˤ": "t", "ɡ": "k"}
    lexicon = Lexicon({"one": ("tˤaɡ",), "two": ("kat˥",), "three": ("tˤa˥", "ta")})
    assert told(doubted(lexicon, stands_for, units), units) == {("one", "tak"), ("three", "ta˥")}
    assert doubted(lexicon, {}, units) is None
    neighbours = Lexicon({"four": ("atsˤ",)})  # [t] and what stands for [sˤ] are no affricate
    units = phone_units(["t", "s", "sˤ", "a"])
    assert told(doubted(neighbours, {"sˤ": "s"}, units), units) == {("four", "ats")}
    unheard_of = ["ka", "kam", "ᵐbak", "ak"]  # nobody knows how [ᵐb] is articulated: it stands alone
    assert understudies(unheard_of, phone_units(unheard_of)) == {"m": "k"}
    assert understudies(["ka", "ta"], phone_units(["kata"])) == {}, "nothing is well known"


def test_tones_are_sounds_of_their_own() -> None:
    """Nearest to the half-low ˨ is, of ˥ and ˩, the low one; a model without tones is not asked about them."""
    assert phones("ma˨˩˦ ni˥", tones=True) == "ma˨˩˦ni˥"
    units = phone_units(["ma˥˩"])
    assert units.symbols[1:] == ("a", "m", "˥", "˩")
    spell = Known(units)
    assert spell("ma˨˩˦") == "ma˩˩˥"
    assert [(each.phone, each.nearest, each.distance) for each in spell.stand_ins.values()] == [
        ("˨", "˩", 0.25),
        ("˦", "˥", 0.25),
    ]
    assert Known(phone_units(["ma"]))("ma˥˩") == "ma"


def test_a_model_says_how_it_is_spelled() -> None:
    assert spelling(PHONES) is sound_classes
    assert spelling(phone_units(["kasaː"]))("ɡa") == "ka"


def test_spaced_ipa_is_spelled_as_it_was_trained() -> None:
    """What is spaced has its affricates tied in both, so that the word of a lexicon is the word of the training."""
    units = phone_units([phones("k æ t s"), "t", "s"])
    assert Known(units)("k æ t s") == Known(units)(phones("k æ t s")) == "kæt͡s"
