"""Pronunciations from files of every habit, and the tree in which they share their beginnings."""

import gzip
import time
from pathlib import Path

import numpy as np
import pytest

from speech_tl.errors import InputError
from speech_tl.phonology.lexicon import Lexicon, arpabet_to_ipa, prefix_tree, read
from speech_tl.phonology.sounds import PHONES
from speech_tl.phonology.spelling import phones


def written(tmp_path: Path, text: str, name: str = "words.tsv") -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_a_list_of_words_and_ipa(tmp_path: Path) -> None:
    """WikiPron puts spaces between segments, ipa-dict slashes around transcriptions and commas between them."""
    found = read(written(tmp_path, "tere\tt e r e\nauto\t/ˈɑuto/, /auto/\ntere\tt ɛ r e\n"
                         "kas\tkɑs ~ kos\nkus\tkus, kyːs\n"))  # fmt: skip
    assert found.entries == {
        "tere": ("tere", "tEre"), "auto": ("auto",), "kas": ("kas", "kos"), "kus": ("kus", "kis")
    }  # fmt: skip


def test_cmudict(tmp_path: Path) -> None:
    found = read(written(tmp_path, "adam AE1 D AH0 M\nread R EH1 D # past\nread(2) R IY1 D\n", "cmudict.dict"))
    assert found.entries == {"adam": ("Ed3m",), "read": ("rEd", "rid")}
    assert arpabet_to_ipa(["CH", "IY1", "Z"]) == "tʃ i z"


def test_gzipped_and_normalised(tmp_path: Path) -> None:
    (tmp_path / "words.tsv.gz").write_bytes(gzip.compress(b"Tere\ttere\n"))
    assert read(tmp_path / "words.tsv.gz", normalise=str.lower).entries == {"tere": ("tere",)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: expected a word, a tab, its IPA"),
        ("tere\ttere\tx\n", "line 1: 3 columns; expected a word, a tab, its IPA"),
        ("tere\ttere\nauto auto\n", "line 2: 1 columns"),
        ("adam\tAE1 D AH0 M\n", r"line 1: 'AE1 D AH0 M' is ARPABET, and IPA was expected"),
        ("one\tw ah1 n\n", r"line 1: 'w ah1 n' is ARPABET, and IPA was expected"),
        ("one\t123\n", "line 1: no pronunciation"),
        ("\twʌn\n", "line 1: no word"),
        ("adam AE1 D AH0 M\nbad B QQ1 D\n", r"'QQ1' in .*line 2 is no phone of ARPABET"),
        ("tere\tte%re\n", None),
        ("tere\tteɁre\n", "no IPA letter"),
    ],
)
def test_lexicons_that_are_not_as_they_should(tmp_path: Path, text: str, said: str | None) -> None:
    file = written(tmp_path, text)
    if said is None:
        assert read(file).entries == {"tere": ("tere",)}, "what is no letter is no phone"
        return
    with pytest.raises(InputError, match=said):
        read(file)


def test_a_few_rows_that_cannot_be_spelled_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of ten; two of ten are a tenth too many."""
    file = tmp_path / "words.tsv"
    rows = [f"{'abcdefghij'[at]}\tta\n" for at in range(9)]
    file.write_text("".join([*rows, "да\tда\n"]))
    assert sorted(read(file, spell=phones).entries) == sorted("abcdefghi")
    assert "words.tsv: 1 pronunciations left out, the first: 'д'" in capsys.readouterr().err
    file.write_text("".join([*rows, "a\tta\n", "j\t\n", "a\tka\n"]))
    assert read(file, spell=phones).entries["a"] == ("ta", "ka")
    said = capsys.readouterr().err
    assert "1 pronunciations left out, the first: " in said and "line 11: no pronunciation" in said
    assert "words.tsv: 1 lines say what a line before them says" in said
    file.write_text(";;; CMUdict 0.7\nA  EY1\nA(1)  AH0\n")
    assert read(file, spell=phones).entries == {"A": ("eɪ", "ə")}
    file.write_text("A  EY1\n" * 10 + "bad  W AX N\nnone\n" + "A  EY1\n" * 10)
    assert read(file, spell=phones).entries == {"A": ("eɪ",)}
    assert "2 pronunciations left out, the first: 'AX' in" in capsys.readouterr().err
    file.write_text("".join([*rows[:8], "да\tда\n", "нет\tнет\n"]))
    with pytest.raises(InputError, match=r"'д' \(U\+0434\) in 'да' in .*line 9 is no IPA"):
        read(file, spell=phones)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.tsv")
    (tmp_path / "latin.tsv").write_bytes("tête\ttɛt\n".encode("latin-1", "replace"))
    with pytest.raises(InputError, match="not UTF-8 text"):
        read(tmp_path / "latin.tsv")
    (tmp_path / "words.gz").write_bytes(b"plain")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "words.gz")


def test_lexicons_are_joined_and_cut() -> None:
    one, other = Lexicon({"a": ("a",), "b": ("b",)}), Lexicon({"b": ("b", "p")})
    assert (one + other).entries == {"a": ("a",), "b": ("b", "p")}
    assert one.missing(["c", "a", "c"]) == ["c"]
    assert one.of(["b"]).entries == {"b": ("b",)}
    with pytest.raises(InputError, match="1 words of the data are not in it: c"):
        one.of(["c"])


def test_phrases_are_made_of_words() -> None:
    lexicon = Lexicon({"mene": ("mene",), "koti": ("koti", "koði")})
    assert lexicon.phrases(["mene koti", "koti"]).entries == {"mene koti": ("menekoti",), "koti": ("koti",)}
    with pytest.raises(InputError, match="1 words of the data are not in it: pois"):
        lexicon.phrases(["mene pois"])
    with pytest.raises(InputError, match="a list of phrases without a phrase"):
        lexicon.phrases([])


def test_beginnings_are_shared() -> None:
    """ta, tam, tan, im: start, t, i, ta, im, tam, tan."""
    tree = prefix_tree(Lexicon({"ta": ("ta",), "tam": ("tam",), "tan": ("tan", "im")}))
    assert len(tree) == 7
    ends = {word: [] for _, word in tree.words}
    for node, word in tree.words:
        ends[word].append(node)

    def spelled(node: int) -> str:
        for parent in range(len(tree)):
            first = int(tree.first_child[parent])
            if first <= node < first + int(tree.children[parent]):
                return spelled(parent) + PHONES.symbols[tree.symbol[node]]
        return ""

    assert {word: sorted(map(spelled, nodes)) for word, nodes in ends.items()} == {
        "ta": ["ta"],
        "tam": ["tam"],
        "tan": ["im", "tan"],
    }
    assert tree.children.sum() == len(tree) - 1
    with pytest.raises(InputError, match="the lexicon has no word"):
        prefix_tree(Lexicon({}))


def test_fifty_thousand_words_take_seconds() -> None:
    random = np.random.default_rng(0)
    said = random.choice(list(PHONES.symbols[1:]), (50_000, 7))
    lexicon = Lexicon({f"word{at}": ("".join(row),) for at, row in enumerate(said)})
    began = time.process_time()
    tree = prefix_tree(lexicon)
    assert time.process_time() - began < 5
    assert len(tree.words) == 50_000


def test_comments_and_a_byte_order_mark_are_no_words(tmp_path: Path) -> None:
    file = tmp_path / "cmu.dict"
    file.write_text("\ufeffyes Y EH1 S\n# a comment\nno N OW1 # said twice\n", encoding="utf-8")
    assert list(read(file, spell=phones).entries) == ["yes", "no"]


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"one\twan\n" * 500))
    packed[15:25] = b"\xff" * 10
    (tmp_path / "x.tsv.gz").write_bytes(packed)
    with pytest.raises(InputError, match=r"x\.tsv\.gz cannot be read"):
        read(tmp_path / "x.tsv.gz", spell=phones)
