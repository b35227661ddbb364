"""Normalisation by hand, language by language, and the law: twice is the same as once."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from speech_tl.data.text import RULES, Normaliser, normaliser
from speech_tl.errors import InputError


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("eng", 'The "lower-case" don’t -- ‘hello’ it\'s.', "the lower case don't hello it's"),
        ("eng", "rock\u200b'n'roll\u00ad\ttwo  \n", "rock'n'roll two"),
        ("tur", "IĞDIR, İzmir", "ığdır izmir"),
        ("lit", "Ači\u0307\u0301ū", "ačíū"),
        ("lit", "ĖJO İ", "ėjo i"),
        ("deu", "Straße", "straße"),
        ("ell", "ΟΔΟΣ οδός", "οδοσ οδόσ"),
        ("arb", "خـــلف، مَرْحَبًا؟", "خلف مرحبا"),
        ("fas", "می\u200cخواهم\u200c.", "می\u200cخواهم"),
        ("mal", "അവന്\u200d ക്\u200cഷ.", "അവൻ ക്\u200cഷ"),
        ("heb", "צה״ל ג׳ורג׳", "צה״ל ג׳ורג"),
        ("cat", "col·legi · L'illa", "col·legi l'illa"),
        ("nan", "Tâi-gí!", "tâi-gí"),
        ("cmn", "北京，ＡＢ。", "北京 ab"),
        ("mdw", "Ikóndo ínyááni", "ikóndo ínyááni"),
    ],
)
def test_by_hand(language: str, text: str, expected: str) -> None:
    assert normaliser(language)(text) == expected


def test_harakat_are_an_option() -> None:
    rules = replace(normaliser("arb"), drop="\u0640")
    assert rules("مَرْـحَبًا") == "مَرْحَبًا"


def test_a_region_falls_back_on_its_language() -> None:
    assert normaliser("zh-CN").form == "NFKC"
    assert normaliser("xx_yy") == Normaliser(language="xx_yy")


@pytest.mark.parametrize("language", [*RULES, "eng"])
def test_rules_are_stated_and_survive_json(language: str) -> None:
    rules = normaliser(language)
    assert Normaliser.from_dict(json.loads(json.dumps(rules.to_dict()))) == rules
    assert rules.description.startswith(rules.form)


def test_a_stored_rule_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match=r"unknown rule 'cases'.*did you mean 'case'"):
        Normaliser.from_dict({"cases": "lower"})
    with pytest.raises(InputError, match="unknown case rule 'upper'"):
        Normaliser(case="upper")


def test_twice_is_once_on_every_real_text(shared_data: Path) -> None:
    for file in sorted((shared_data / "speech").glob("*/metadata.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            texts = {(row["language"], row["text"]) for row in csv.DictReader(lines)}
        for language, text in texts:
            once = normaliser(language)(text)
            assert once
            assert normaliser(language)(once) == once
