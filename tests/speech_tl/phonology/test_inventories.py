"""Which phones a language has and tells apart."""

from pathlib import Path

import pytest

from speech_tl.errors import InputError
from speech_tl.phonology.inventories import Inventory, coverage, read

JAPANESE = Inventory((("a", ("a",)), ("h", ("h", "ç", "ɸ")), ("s", ("s", "ɕ")), ("ʃ", ("ʃ", "ɕ"))))


def test_phones_are_written_as_phonemes() -> None:
    assert len(JAPANESE) == 4
    assert JAPANESE.phones == ("a", "h", "ç", "ɸ", "s", "ɕ", "ʃ")
    assert JAPANESE.encode(["ç", "a", "h", "s"]) == (2, 1, 2, 3)
    assert JAPANESE.decode([0, 2, 0, 1]) == ("h", "a")
    with pytest.raises(InputError, match="'ɕ' is no phoneme of the inventory, or of several the phone; known: a h s ʃ"):
        JAPANESE.encode(["ɕ"])
    with pytest.raises(InputError, match="'x' is no phoneme"):
        JAPANESE.encode(["x"])


def test_phones_alone() -> None:
    assert Inventory.of("tata") == Inventory((("a", ("a",)), ("t", ("t",))))
    with pytest.raises(InputError, match="an inventory without a phone"):
        Inventory.of([])
    with pytest.raises(InputError, match="the phoneme 'a' is in the inventory twice"):
        Inventory((("a", ("a",)), ("a", ("ɑ",))))
    with pytest.raises(InputError, match="the phoneme 'a' is spoken as no phone"):
        Inventory((("a", ()),))


def test_phones_that_mean_others() -> None:
    assert JAPANESE.rewritten({"ʃ": "s", "ɸ": "f"}).allophones == (
        ("a", ("a",)),
        ("h", ("h", "ç", "f")),
        ("s", ("s", "ɕ")),
    )


def test_an_inventory_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "allophone.txt"
    file.write_text("a\n\nh h ç ɸ\ntʃ t͡ʃ\n˥\n", encoding="utf-8")
    assert read(file).allophones == (("a", ("a",)), ("h", ("h", "ç", "ɸ")), ("t͡ʃ", ("t͡ʃ",)), ("˥", ("˥",)))


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "is empty: expected a phoneme"), ("a\nta t\n", "line 2: 'ta' is not one phone"), ("1\n", "is no IPA")],
)
def test_files_that_are_no_inventory(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "allophone.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read(tmp_path / "allophone.txt")
    with pytest.raises(InputError, match="no inventory that can be read"):
        read(tmp_path / "nowhere.txt")


def test_what_a_lexicon_and_an_inventory_do_not_hold() -> None:
    found = coverage(["tad", "bad", "tad", "zoo"], {"tad": ("t", "a", "d"), "bad": ("b", "a", "d")}, ["t", "a", "p"])
    assert found.missing == ("zoo",) and found.words == 3
    assert [(each.phone, each.nearest, count) for each, count in found.replaced] == [("d", "t", 2), ("b", "p", 1)]
    assert str(found) == (
        "1 of 3 words have no entry: zoo; 2 phones are outside the inventory: [d]×2 as [t] (0.04), [b]×1 as [p] (0.04)"
    )
    assert str(coverage(["a"], {"a": ("a",)}, ["a"])) == "0 phones are outside the inventory"


def test_the_phonetic_corpus_fits_its_inventories(shared_data: Path) -> None:
    files = sorted((shared_data / "speech" / "ucla_phonetic").glob("*/inventory/allophone.txt"))
    if not files:
        pytest.skip("the UCLA phonetic corpus is not among the shared data")
    assert len([read(file) for file in files]) == 87
