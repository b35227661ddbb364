"""Backoff by hand, files that are none, and KenLM's figures for the same file."""

import math
from importlib.util import find_spec
from pathlib import Path

import pytest

from speech_tl.errors import InputError
from speech_tl.phonology.word_lm import BEGIN, END, read

ARPA = """
\\data\\
ngram 1=4
ngram 2=3
ngram 3=1

\\1-grams:
-99\t<s>\t-0.3
-1.0\t</s>
-0.5\ta\t-0.2
-0.7\tb\t-0.1

\\2-grams:
-0.1\t<s> a\t-0.4
-0.2\ta b\t-0.6
-0.6\tb </s>

\\3-grams:
-0.05\t<s> a b

\\end\\
"""


def file(folder: Path, text: str = ARPA) -> Path:
    (folder / "x.arpa").write_text(text, encoding="utf-8")
    return folder / "x.arpa"


def test_backoff_by_hand(tmp_path: Path) -> None:
    lm = read(file(tmp_path))
    assert (lm.order, "a" in lm, "c" in lm) == (3, True, False)
    for context, word, log10 in [
        ((BEGIN,), "a", -0.1),
        ((BEGIN, "a"), "b", -0.05),
        ((BEGIN, "a"), "a", -0.4 - 0.2 - 0.5),  # neither <s> a a nor a a
        (("a", "b"), END, -0.6 - 0.6),
        (("b",), "a", -0.1 - 0.5),
        ((), "c", -100.0),
    ]:
        assert lm.score(context, word)[0] == pytest.approx(log10 * math.log(10)), (context, word)


def test_only_what_was_counted_is_remembered(tmp_path: Path) -> None:
    lm = read(file(tmp_path))
    assert lm.begin == (BEGIN,)
    assert lm.score(lm.begin, "a")[1] == (BEGIN, "a")
    assert lm.score((BEGIN, "a"), "b")[1] == ("a", "b")
    assert lm.score(("a",), "a")[1] == ("a",), "a a begins no n-gram"
    assert lm.score(("a",), "c")[1] == ()


def test_an_unknown_word_has_the_share_of_unknown_words(tmp_path: Path) -> None:
    lm = read(file(tmp_path, ARPA.replace("1=4", "1=5").replace("-0.5\ta", "-2.0\t<unk>\n-0.5\ta")))
    assert lm.score(("b",), "c")[0] == pytest.approx((-0.1 - 2.0) * math.log(10))


@pytest.mark.skipif(not find_spec("flashlight"), reason="flashlight-text is not installed (extra decode)")
def test_the_figures_are_those_of_kenlm(tmp_path: Path) -> None:
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    words = ["a", "b", "c"]
    lm, kenlm = read(file(tmp_path)), KenLM(str(file(tmp_path)), Dictionary(words))
    for sentence in ("ab", "aab", "ba", "bb", "acb", "cc", ""):
        context, state = lm.begin, kenlm.start(False)
        for word in sentence:
            score, context = lm.score(context, word)
            state, log10 = kenlm.score(state, words.index(word))
            assert score == pytest.approx(log10 * math.log(10), rel=1e-5)
        assert lm.score(context, END)[0] == pytest.approx(kenlm.finish(state)[1] * math.log(10), rel=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b c\n", r"x\.arpa has no line \\data\\; expected an ARPA file"),
        ("\\data\\\n\n\\1-grams:\n", "does not say how many n-grams there are"),
        (ARPA.replace("ngram 2=3\nngram 3=1\n", ""), "has single words only"),
        (ARPA.replace("\\2-grams:", "\\4-grams:"), r"line 13: '\\\\4-grams:' where \\2-grams: is due"),
        (ARPA.replace("-0.2\ta b\t-0.6", "a b"), r"line 15: 'a b' where log10 p, 2 words and perhaps a backoff"),
        (ARPA.replace("-0.7\tb", "0.7\tb"), r"line 11: .* where log10 p, 1 words"),
        (ARPA.split("\\3-grams:")[0], "breaks off: it has 4 1-grams, 3 2-grams, 0 3-grams, of 4, 3, 1 announced"),
        (ARPA.replace("b </s>", "b a").replace("</s>", "b2"), "has no </s>"),
    ],
)
def test_what_is_no_arpa_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(file(tmp_path, text))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; expected an ARPA file"):
        read(tmp_path / "none.arpa")
    (tmp_path / "x.arpa").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read(tmp_path / "x.arpa")
