"""A row spoilt in each way there is, each counted once under its reason, and what was not spoilt untouched."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from nmt_zero_shot.cleaning import check_labels, clean, fold
from nmt_zero_shot.corpus import Corpus, Row
from nmt_zero_shot.grammar import generate
from nmt_zero_shot.readers import read
from speech_tl.errors import InputError

GOOD: list[Row] = [
    {"en": f"The {en} of the house is white.", "de": f"Das {de} des Hauses ist weiß."}
    for en, de in (("roof", "Dach"), ("gate", "Tor"), ("glass", "Glas"), ("stairs", "Geländer"))
]


def corpus(*rows: Row, groups: Sequence[str] = ()) -> Corpus:
    return Corpus(tuple(rows), (), {}, groups=tuple(groups))


def test_text_is_folded() -> None:
    assert fold("  a\tb \u00a0c\u3000d ") == "a b c d"
    assert fold("cafe\u0301") == "café"
    assert fold("so\u00adft\ufeff \x00\u200b-\x1b\u200e") == "soft -"
    assert fold("می\u200cخواهم") == "می\u200cخواهم"  # spells the word
    assert fold("one\u2028two") == "one two"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"en": "The sky is on fire.", "de": ""}, "empty"),
        ({"en": "The sky is on fire.", "de": " \u200b... !"}, "empty"),
        ({"en": "--", "de": "Der Himmel brennt."}, "empty"),
        ({"en": "The sky is on fire.", "de": "Wort " * 5000}, "too long"),
        ({"en": "word " * 5000, "de": "Der Himmel brennt."}, "too long"),
        ({"en": "The sky is on fire.", "de": "the sky is on FIRE."}, "copy"),
        ({"en": "The sky is on fire.", "de": "Небо в огне и море тоже."}, "wrong language"),
        ({"en": "空は燃えているし、海も燃えている。", "de": "Der Himmel brennt."}, "wrong language"),
        (
            {"en": "The sky is on fire.", "de": "Es war einmal ein Himmel, der Tag und Nacht brannte, " * 2},
            "length ratio",
        ),
        (GOOD[0], "duplicate"),
        ({"en": "The  roof of the house is white.", "de": "Das\u00a0Dach des Hauses ist weiß."}, "duplicate"),
    ],
)
def test_what_is_wrong_is_left_out_and_counted(row: Row, reason: str) -> None:
    cleaned, counts = clean(corpus(*GOOD, row, groups="aaaab"))
    assert cleaned.train == tuple(GOOD)
    assert cleaned.groups == tuple("aaaa")
    assert counts == {reason: 1}
    assert cleaned.notes == (f"1 of 5 sentence pairs left out in cleaning: 1 {reason}",)


def test_what_is_usual_is_kept() -> None:
    short = {"en": "No.", "de": "Nein, nein!"}  # 11 letters for 3, but both are short
    same = {"en": "The house is not the roof.", "de": GOOD[0]["de"]}  # one side alone may come again
    cleaned, counts = clean(corpus(*GOOD, short, same))
    assert cleaned.train == (*GOOD, short, same)
    assert not counts
    assert cleaned.notes == ("0 of 6 sentence pairs left out in cleaning",)


def test_a_length_is_held_against_what_is_usual_for_the_two_languages() -> None:
    rows = [{"en": "The house is white. " * n, "ja": "家は白いです。" * n} for n in (4, 5, 6, 7)]
    twice = {"en": rows[0]["en"], "ja": "家は白いです。" * 16}  # four times too long, and still no longer than English
    cleaned, counts = clean(corpus(*rows, twice))
    assert len(cleaned.train) == 4
    assert counts == {"length ratio": 1}


def test_a_bad_text_leaves_the_other_languages_of_its_row() -> None:
    rows = [{**row, "fr": f"Le blanc de la maison numéro {i} est beau."} for i, row in enumerate(GOOD)]
    spoilt = {"en": "The sky of the sea", "de": "", "fr": "Le ciel de la mer"}
    hub = {"en": "", "de": "Der Himmel brennt", "fr": "Le ciel brûle"}
    without = {"de": "Die Tür ist zu.", "fr": "La porte est fermée."}  # held against its first language, de
    cleaned, counts = clean(corpus(*rows, spoilt, hub, without))
    assert cleaned.train == (*rows, {"en": "The sky of the sea", "fr": "Le ciel de la mer"}, without)
    assert counts == {"empty": 1 + 2}


def test_swapped_files_are_refused() -> None:
    swapped = [{"en": row["de"], "de": row["en"]} for row in GOOD]
    message = (
        r"the training texts of 'en' look like 'de' \('Das Dach des Hauses ist weiß\.', \.\.\.\); have two files been"
    )
    with pytest.raises(InputError, match=message):
        clean(corpus(*swapped))
    check_labels(GOOD)
    check_labels([{"en": "Kumbuka jina la mama", "sw": "of the and the"}])  # nothing is known of sw; en: no evidence


@pytest.mark.parametrize(("one", "two"), [("eng", "deu"), ("eng_Latn", "deu_Latn"), ("en", "de-AT")])
def test_swapped_files_are_refused_by_longer_codes_too(one: str, two: str) -> None:
    swapped = [{one: row["de"], two: row["en"]} for row in GOOD]
    with pytest.raises(InputError, match=f"the training texts of '{one}' look like 'de'"):
        clean(corpus(*swapped), hub=one)
    right = [{one: row["en"], two: row["de"]} for row in GOOD]
    assert len(clean(corpus(*right), hub=one)[0].train) == len(GOOD)


def test_english_where_traditional_chinese_is_said_to_be_is_left_out() -> None:
    rows = [
        {"en": f"The roof of the house is white {at}.", "zh-TW": f"这所房子的屋顶是白色的 {at}"} for at in range(40)
    ]
    _, counts = clean(corpus(*rows, {"en": "The roof of a house.", "zh-TW": "The roof of the old house"}))
    assert counts["wrong language"] == 1


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(
        InputError, match="no training rows are left; 1 of 1 sentence pairs left out in cleaning: 1 copy"
    ):
        clean(corpus({"en": "Jane Austen", "de": "Jane Austen"}))


@pytest.mark.parametrize("language", ["es", "fr"])
def test_titles_full_of_a_word_that_languages_share_are_believed(language: str) -> None:
    titles = {"es": "Historia de España", "fr": "Gestionnaire de fichiers"}
    check_labels([{language: f"{titles[language]} {at}"} for at in range(20)])


def test_labels_may_be_believed() -> None:
    rows = [
        {"en": f"Das Dach des Hauses ist nicht {at}", "de": f"The roof of the house is not {at}"} for at in range(9)
    ]
    with pytest.raises(InputError, match=r"look like .* \(--believed goes on\)"):
        clean(corpus(*rows))
    assert len(clean(corpus(*rows), believed=True)[0].train) == 9


@pytest.mark.parametrize("name", ["multi30k", "bible_cjk", "pydocs_cjk", "ntrex128"])
def test_every_two_languages_of_the_real_data_would_be_told_apart(shared_data: Path, name: str) -> None:
    whole = read(shared_data / "mt" / name)
    rows = (whole.train or whole.tests["newstest2019"])[:150]
    check_labels(rows)
    for one, other in combinations(sorted(rows[0].keys() - {"zh-TW"}), 2):
        with pytest.raises(InputError, match=f"texts of '{one}|texts of '{other}"):
            check_labels([{one: row[other], other: row[one]} for row in rows])


def test_the_offline_corpus_is_clean() -> None:
    offline = generate(sentences=1000)
    cleaned, counts = clean(offline)
    assert (cleaned.train, counts.total()) == (offline.train, 0)


def test_the_counts_of_pydocs(shared_data: Path) -> None:
    whole = read(shared_data / "mt/pydocs_cjk", languages=("ja", "ko"))
    cleaned, counts = clean(whole)
    pairs = sum(len(row) - 1 for row in cleaned.train)
    assert pairs + counts.total() == 2 * 17579
    assert counts == {"wrong language": 3}  # Japanese headings without kana
