"""The division that keeps zero-shot pairs unseen, and the check that does not believe it."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from nmt_zero_shot.corpus import (
    Bitexts,
    Corpus,
    Row,
    bound,
    check_held_out,
    clusters,
    divide,
    hold_out,
    unlearned,
    untested,
    validation,
)
from nmt_zero_shot.readers import read
from speech_tl.errors import InputError

MULTIPARALLEL: list[Row] = [
    {"en": f"{word} {word}s", "de": f"{word} de", "fr": f"{word} fr", "cs": f"{word} cs"}
    for word in ("ant", "bee", "cow", "dog", "eel", "fox", "gnu", "hen", "ibex", "jay", "koala", "lynx")
]


def test_near_duplicates_share_four_fifths_of_their_words() -> None:
    first = "a man in red climbs"
    assert clusters([first, "a man in red climbs up"]) == [0, 0]  # 5 of 6 words shared
    assert clusters([first, "a man in red falls"]) == [0, 1]  # 4 of 6
    assert clusters(["a b c d", "a b c d e"]) == [0, 0]  # 4 of 5: the threshold itself
    assert clusters([first, "A MAN, in red: climbs!", "climbs a man in red"]) == [0, 0, 0]


def test_near_duplicates_of_near_duplicates_are_one_cluster() -> None:
    assert len(set(clusters(["a b c d e", "a b c d e f", "a b c d e f g"]))) == 1
    assert len(set(clusters(["a b c d e", "a b c d e f g"]))) == 2  # 5 of 7 alone are not enough


def test_sentences_without_words_are_compared_as_they_are() -> None:
    assert clusters(["...", "...", "!", "", ""]) == [0, 0, 2, 3, 4]


def test_scripts_without_spaces_are_compared_by_letters() -> None:
    assert clusters(["彼は公園で犬を見ました。", "彼は公園で犬を見ました", "彼は公園で猫を見ました"]) == [
        0,
        0,
        0,
    ]  # 10 of 12
    assert clusters(["犬は眠ります", "猫は泳ぎます"]) == [0, 1]


def test_the_clusters_are_those_of_every_pair_compared(shared_data: Path) -> None:
    sentences = [row["en"] for row in read(shared_data / "mt/pydocs_cjk").train[:500]]
    labels = clusters(sentences)
    words = [frozenset("".join(c if c.isalnum() else " " for c in s.casefold()).split()) for s in sentences]
    close = {(i, j) for i, j in combinations(range(len(sentences)), 2)
             if words[i] and 5 * len(words[i] & words[j]) >= 4 * len(words[i] | words[j])}  # fmt: skip
    assert len(close) > 5
    assert all(labels[i] == labels[j] for i, j in close)
    joined = Counter(labels)
    assert sum(size - 1 for size in joined.values()) <= len(close)  # every join has a pair


def test_a_sentence_belongs_to_one_pair_and_the_pairs_are_even() -> None:
    bitexts = divide(MULTIPARALLEL)
    assert list(bitexts) == [("en", "cs"), ("en", "de"), ("en", "fr")]
    assert [len(texts) for texts in bitexts.values()] == [4, 4, 4]
    assert sorted(hub for texts in bitexts.values() for hub, _ in texts) == sorted(row["en"] for row in MULTIPARALLEL)
    assert divide(MULTIPARALLEL) == bitexts
    assert divide(MULTIPARALLEL, seed=1) != bitexts
    assert [len(texts) for texts in divide(MULTIPARALLEL, languages=("fr", "de")).values()] == [6, 6]
    check_held_out(bitexts, [("de", "fr"), ("cs", "de"), ("fr", "cs")])


def test_near_duplicates_go_to_the_same_pair() -> None:
    words = ["one", "two", "three", "four", "five"]
    rows = [{"en": " ".join([*words, *extra]), "de": "x", "fr": "y"} for extra in ([], ["six"], ["six", "seven"])]
    rows += [{"en": f"other {i} thing", "de": "x", "fr": "y"} for i in range(5)]
    sides = [{hub for hub, _ in texts} for texts in divide(rows).values()]
    alike = {row["en"] for row in rows[:3]}
    assert [len(side) for side in sides] in ([4, 4], [3, 5], [5, 3])
    assert any(alike <= side for side in sides)


def test_multiway_shares_the_english_and_the_check_says_so() -> None:
    bitexts = divide(MULTIPARALLEL, condition="multiway")
    assert [len(texts) for texts in bitexts.values()] == [12, 12, 12]
    message = (
        "de-fr is held out, but 12 en sentences reach it, trained in both pairs: 'ant ants' in en-de, 'ant ants' in "
        "en-fr; divide"
    )
    with pytest.raises(InputError, match=message):
        check_held_out(bitexts, [("de", "fr")])


def test_a_near_duplicate_is_a_leak_too() -> None:
    bitexts: Bitexts = {
        ("en", "de"): (("A dog swims in the water.", "a"), ("Other words here", "b")),
        ("en", "fr"): (("The dog swims in the water", "c"),),
    }
    with pytest.raises(InputError, match=r"1 en sentences .* 'A dog swims in the water\.' in en-fr|'The dog swims"):
        check_held_out(bitexts, [("fr", "de")])
    check_held_out({("en", "de"): (("a b", "x"),), ("en", "fr"): (("c d", "x"),)}, [("de", "fr")])


def test_a_pair_that_is_trained_itself_is_refused() -> None:
    with pytest.raises(InputError, match="fr-de is held out, but 1 sentence pairs of de-fr are trained"):
        check_held_out({("en", "de"): (("a", "b"),), ("de", "fr"): (("c", "d"),)}, [("fr", "de")])


def test_groups_say_which_rows_are_whose() -> None:
    groups = "abababababab"
    bitexts = divide(MULTIPARALLEL, languages=("fr", "de"), groups=groups)
    assert bitexts["en", "fr"] == tuple((row["en"], row["fr"]) for row in MULTIPARALLEL[::2])
    assert bitexts["en", "de"] == tuple((row["en"], row["de"]) for row in MULTIPARALLEL[1::2])


def test_near_duplicates_in_two_groups_serve_one() -> None:
    rows = [{"en": text, "ja": "x", "ko": "y"} for text in ("Amen", "Amen!", "first words", "other things")]
    bitexts = divide(rows, groups="abab")
    assert sum(map(len, bitexts.values())) == 3
    check_held_out(bitexts, [("ja", "ko")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"languages": ("df",)}, r"unknown language 'df' in the training rows; known: cs, de, en, fr"),
        ({"hub": "sw"}, "unknown language 'sw'"),
        ({"languages": ("en",)}, "no language to pair with the hub 'en'"),
        ({"condition": "disjunct"}, "unknown condition 'disjunct'; did you mean 'disjoint'"),
        ({"groups": "ab" * 6}, r"12 labels in 2 groups \(a, b\) for 12 rows and the languages cs, de, fr"),
        ({"groups": "abc", "languages": ("de", "fr", "cs")}, "3 labels in 3 groups .* for 12 rows"),
    ],
)
def test_a_division_that_cannot_be_made_is_explained(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        divide(MULTIPARALLEL, **options)  # type: ignore[arg-type]


def test_a_language_without_sentences_is_named() -> None:
    with pytest.raises(InputError, match="no training row has both en and ja; leave the language out"):
        divide([*MULTIPARALLEL, {"en": "", "ja": "x"}, {"en": "y", "ja": ""}])
    with pytest.raises(InputError, match="no sentence pair is left for en-fr after the division of 1 rows"):
        divide(MULTIPARALLEL[:1], languages=("de", "fr"))
    with pytest.raises(InputError, match="no training rows"):
        divide([])


def test_pairs_that_come_in_files_of_their_own_lose_what_they_share() -> None:
    rows = [{"en": f"{i} a b c", "de": "x"} for i in range(3)] + [{"en": f"{i} c b a", "fr": "y"} for i in range(4)]
    bitexts = divide(rows)
    assert sorted(map(len, bitexts.values())) in ([1, 3], [2, 2], [3, 3])
    check_held_out(bitexts, [("de", "fr")])


def test_the_fixed_total_bound_has_as_many_sentence_pairs_and_the_direct_ones_too() -> None:
    trained = divide(MULTIPARALLEL)
    bitexts = bound(MULTIPARALLEL, trained, kind="fixed_total")
    assert {pair: len(texts) for pair, texts in bitexts.items()} == dict.fromkeys(
        [("en", "cs"), ("en", "de"), ("en", "fr"), ("cs", "de"), ("cs", "fr"), ("de", "fr")], 12 // 6
    )
    assert bitexts["de", "fr"][0][0].split()[0] == bitexts["de", "fr"][0][1].split()[0]
    multiway = divide(MULTIPARALLEL, condition="multiway")
    assert {len(texts) for texts in bound(MULTIPARALLEL, multiway, kind="fixed_total").values()} == {36 // 6}


def test_the_added_bound_keeps_what_was_trained() -> None:
    trained = divide(MULTIPARALLEL)
    bitexts = bound(MULTIPARALLEL, trained, kind="added")
    assert bitexts.items() >= trained.items()
    assert {len(texts) for texts in bitexts.values()} == {4}
    assert set(bitexts) - set(trained) == {("cs", "de"), ("cs", "fr"), ("de", "fr")}


def test_a_bound_needs_direct_data() -> None:
    rows = [{"en": "a b", "de": "x"}, {"en": "c d", "fr": "y"}]
    for kind in ("fixed_total", "added"):
        with pytest.raises(InputError, match="no training row has both de and fr"):
            bound(rows, divide(rows), kind=kind)
    with pytest.raises(InputError, match="unknown bound 'full'; known: added, fixed_total"):
        bound(rows, divide(rows), kind="full")  # type: ignore[arg-type]


def test_a_corpus_without_a_test_set_gives_some_of_its_own() -> None:
    alike = [{"en": text, "de": "x"} for text in ("the same words", "The same words!", "words the same")]
    rows = [*alike, *({"en": f"sentence number {i}", "de": "y"} for i in range(97))]
    corpus = Corpus(tuple(rows), (), {}, groups=tuple(map(str, range(100))))
    held = hold_out(corpus, seed=3)
    assert (len(held.valid) in (5, 6, 7), len(held.tests["test"]) in (5, 6, 7)) == (True, True)
    parts = [held.train, held.valid, held.tests["test"]]
    assert sum(map(len, parts)) == 100
    assert sum(any(row in part for row in alike) for part in parts) == 1
    assert [rows[int(label)] for label in held.groups] == list(held.train)
    assert held.notes[-1].endswith("rows drawn from training")
    assert hold_out(held) is held


def test_a_text_that_is_not_there_is_no_reference() -> None:
    rows = [{"en": f"sentence number {i}", "de": "x" if i % 2 else ""} for i in range(100)]
    held = hold_out(Corpus(tuple(rows), (), {}))
    assert all(all(row.values()) for row in (*held.valid, *held.tests["test"]))
    assert {len(row) for row in (*held.valid, *held.tests["test"])} == {1, 2}


def test_what_served_a_pair_before_serves_no_other() -> None:
    """Four of twelve sentences, one with a comma more, were German before: French and Czech share the others."""
    before = {("en", "de"): ("ant ants", "bee, bees", "cow cows", "dog dogs")}
    found = divide(MULTIPARALLEL, served=before)
    german = {text for text, _ in found["en", "de"]}
    others = {text for pair in (("en", "fr"), ("en", "cs")) for text, _ in found[pair]}
    assert {"ant ants", "bee bees", "cow cows", "dog dogs"} <= german
    assert len(german) + len(others) == 12 and not german & others
    with pytest.raises(InputError, match="every row that en-fr could learn from was trained in another pair before"):
        divide(MULTIPARALLEL[:4], languages=("de", "fr"), served=before)


def test_what_was_trained_before_is_not_tested() -> None:
    tests = {"test": ({"en": "One, two!", "de": "y"}, {"en": "p q r s t", "de": "z"})}
    corpus = Corpus((), (), tests)
    left = unlearned(corpus, {("en", "fr"): ("one two", "three")})
    assert left.tests == {"test": ({"en": "p q r s t", "de": "z"},)}
    assert left.notes == ("1 rows of test left out that were nearly trained on before",)
    with pytest.raises(InputError, match="all 2 rows of test were trained on before: give other data"):
        unlearned(corpus, {("en", "fr"): ("one two", "p q r s t")})


def test_multi30k_in_thirds(shared_data: Path) -> None:
    corpus = read(shared_data / "mt/multi30k")
    bitexts = divide(corpus.train)
    assert sum(map(len, bitexts.values())) == 29000
    assert {len(texts) for texts in bitexts.values()} <= {9666, 9667}
    check_held_out(bitexts, [("de", "fr"), ("cs", "de"), ("cs", "fr")])


def test_the_halves_of_pydocs_share_no_english(shared_data: Path) -> None:
    corpus = read(shared_data / "mt/pydocs_cjk", languages=("ja", "ko"))
    bitexts = divide(corpus.train, languages=("ja", "ko"), groups=corpus.groups)
    assert sum(map(len, bitexts.values())) > 17000
    check_held_out(bitexts, [("ja", "ko"), ("ko", "ja")])


def test_what_is_tested_is_not_trained() -> None:
    """The second row is the first test sentence but for a comma, the third the validation sentence's near duplicate.

    The second test row has no English: the fourth has its German.
    """
    rows = [{"en": "a b c d e f", "de": "w"}, {"en": "One, two!", "de": "y"}, {"en": "p q r s t", "de": "z"}]
    rows.append({"en": "g h", "de": "x"})
    corpus = Corpus(
        train=tuple(rows),
        valid=({"en": "p q r s t u", "de": "z"},),
        tests={"t": ({"en": "one two", "de": "y"}, {"de": "x"})},
        groups=("0", "1", "1", "2"),
    )
    left = untested(corpus)
    assert (left.train, left.groups) == ((rows[0],), ("0",))
    assert left.notes == ("3 training rows left out that are nearly validated or tested",)
    assert untested(left) is left
    hubless = ({"de": "y", "fr": "m"}, {"de": "v", "fr": "n"}, {"de": "w", "fr": "o"})  # of which bounds are made
    corpus = Corpus(train=hubless, valid=(), tests={"t": ({"en": "one two", "de": "y"}, {"en": "k", "fr": "n"})})
    assert untested(corpus).train == hubless[2:]


def test_validation_has_the_trained_pairs_that_it_can() -> None:
    trained: Bitexts = {("en", "de"): (("a", "A"),), ("en", "fr"): (("b", "B"),)}
    rows = [{"en": "c", "de": "C"}, {"de": "D", "fr": "D"}]
    assert validation(rows, trained) == {("en", "de"): (("c", "C"),)}
    with pytest.raises(InputError, match=r"no validation row has a pair that is trained \(en-de, en-fr\)"):
        validation(rows[1:], trained)
