"""Telling languages apart: by hand on words, then on real references, and what a stored identifier refuses."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from nmt_zero_shot import language_id
from speech_tl.errors import InputError

TEXTS = {
    "de": ["ein hund läuft über die straße", "die frau liest ein buch", "zwei kinder spielen im schnee"],
    "en": ["a dog runs across the street", "the woman reads a book", "two children play in the snow"],
    "ja": ["犬が道を走る", "女の人が本を読む", "子どもが雪の中で遊ぶ"],
}


def test_words_of_one_language_are_told_from_anothers() -> None:
    identify = language_id.train(TEXTS)
    assert identify.languages == ("de", "en", "ja")
    assert identify(["ein kind liest", "the dog reads", "本を読む", "DER HUND LIEST"]) == ["de", "en", "ja", "de"]
    assert identify(["", "  ", "12 ..."]) == ["", "", ""]
    assert identify([]) == []


def test_the_weights_are_probabilities_and_sizes_do_not_matter() -> None:
    identify = language_id.train({**TEXTS, "de": TEXTS["de"] * 50})
    assert np.exp(identify.weights.astype(np.float64)).sum(1) == pytest.approx([1, 1, 1], abs=1e-3)
    assert identify(["the book"]) == ["en"]  # no language is likelier for having more text


def test_only_evenly_spread_texts_are_used() -> None:
    few = language_id.train({"x": ["aa", "qq", "aa", "qq"], "y": ["bb"]}, most=2)
    assert few(["qqqq"]) == few(["zzzz"])  # the second and the fourth were left out: q was never seen


def test_errors_are_percent_of_a_languages_texts() -> None:
    identify = language_id.train(TEXTS)
    wrong = {"de": ["ein hund", "the woman reads", "ein buch", "die frau"], "en": ["a dog"]}
    assert identify.errors(wrong) == {"de": 25.0, "en": 0.0}
    assert identify.errors({"de": ["2014", "ein hund"]}) == {"de": 0.0}, "numbers are of every language"


def test_stored_and_read_again(tmp_path: Path) -> None:
    identify = language_id.train(TEXTS)
    language_id.save(identify, tmp_path / "run" / language_id.FILE)
    again = language_id.load(tmp_path / "run" / language_id.FILE)
    assert again.languages == identify.languages and (again.weights == identify.weights).all()
    assert [path.name for path in (tmp_path / "run").iterdir()] == [language_id.FILE]


def test_what_is_no_identifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no language identifier .*none; a run"):
        language_id.load(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match=r"text is no language identifier \("):
        language_id.load(tmp_path / "text")
    save_file({"weights": np.zeros(1)}, tmp_path / "other")
    with pytest.raises(InputError, match=r"other holds 'other tensors'; expected 'language_id 1'"):
        language_id.load(tmp_path / "other")


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(InputError, match="de: telling languages apart takes texts in two or more"):
        language_id.train({"de": ["ein hund"]})
    with pytest.raises(InputError, match="language 'ko' has no text"):
        language_id.train({"de": ["ein hund"], "ko": ["", "1"]})


@pytest.mark.parametrize(("corpus", "languages"), [("multi30k", "cs de en fr"), ("pydocs_cjk", "en ja ko zh")])
def test_at_most_one_real_reference_in_a_hundred_is_mistaken(shared_data: Path, corpus: str, languages: str) -> None:
    folder = shared_data / "mt" / corpus
    folder = folder / "data" / "task1" / "raw" if corpus == "multi30k" else folder
    test = "test_2016_flickr.{}.gz" if corpus == "multi30k" else "test.{}"

    def lines(name: str) -> list[str]:
        data = (folder / name).read_bytes()
        return (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()

    identify = language_id.train({name: lines(f"train.{name}.gz") for name in languages.split()}, most=2000)
    errors = identify.errors({name: lines(test.format(name)) for name in languages.split()})
    assert max(errors.values()) <= 1, errors
