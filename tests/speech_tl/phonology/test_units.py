"""The alphabet of a head: order, round trip, and what happens to a symbol nobody has seen."""

import pytest

from speech_tl.errors import InputError
from speech_tl.phonology.units import BLANK, Units


def test_the_blank_is_first_and_the_rest_is_sorted() -> None:
    units = Units.from_texts(["ba", "a b"])
    assert units.symbols == (BLANK, " ", "a", "b")
    assert len(units) == 4
    assert units.encode("ab a") == (2, 3, 1, 2)
    assert units.decode([0, 2, 3, 0, 3]) == "abb"


@pytest.mark.parametrize("text", ["خلف", "北京 上海", "പായം നിറയും", "ikóndo bhωyi", "an\u0303o"])
def test_any_script_survives_the_round_trip_in_nfc(text: str) -> None:
    import unicodedata

    units = Units.from_texts([text])
    assert units.decode(units.encode(text)) == unicodedata.normalize("NFC", text)


def test_both_spellings_of_a_letter_are_one_symbol() -> None:
    composed, apart = "\u00e9", "e\u0301"
    assert Units.from_texts([composed]) == Units.from_texts([apart])
    assert Units.from_texts([composed]).encode(apart) == (1,)


def test_order_of_texts_does_not_matter_but_symbols_do() -> None:
    assert Units.from_texts(["ab", "c"]).digest == Units.from_texts(["c", "ba"]).digest
    assert Units.from_texts(["ab"]).digest != Units.from_texts(["ac"]).digest
    assert len(Units.from_texts(["ab"]).digest) == 16


def test_a_symbol_never_seen_is_named() -> None:
    units = Units.from_texts(["ab"])
    assert units.missing("axbyx") == ("x", "y")
    with pytest.raises(InputError, match=r"never seen in training: 'x' \(U\+0078 LATIN SMALL LETTER X\)"):
        units.encode("ax")


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        (("a",), "first unit must be"),
        ((BLANK, "a", "a"), "occur twice"),
        ((BLANK, "a", ""), "one code point or several"),
    ],
)
def test_a_stored_list_that_is_no_alphabet_is_refused(symbols: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Units(symbols)
