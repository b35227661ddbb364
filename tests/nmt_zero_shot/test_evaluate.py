"""Tables of translators whose answers are known, then both commands on a real, untrained model of five languages."""

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt_zero_shot import language_id, lineage, subwords
from nmt_zero_shot.evaluate import Config, evaluate, main
from nmt_zero_shot.grammar import generate
from nmt_zero_shot.model import Translator, build, load, save
from nmt_zero_shot.results import Evaluation
from nmt_zero_shot.retrieval import embed, precision_at_1, retrieval_rows
from nmt_zero_shot.systems import Remembered, in_torch
from nmt_zero_shot.systems import load as load_system
from nmt_zero_shot.tags import Scheme
from nmt_zero_shot.translate import Config as TranslateConfig
from nmt_zero_shot.translate import lines
from nmt_zero_shot.translate import main as translate
from speech_tl.errors import InputError
from speech_tl.training.config import command

ROWS = [
    {"en": "the dog runs in the snow", "de": "der hund läuft im schnee", "fr": "le chien court dans la neige"},
    {"en": "a woman reads an old book", "de": "eine frau liest ein altes buch", "fr": "une femme lit un vieux livre"},
    {"en": "two men sit on a bench", "de": "zwei männer sitzen auf einer bank", "fr": "deux hommes sont sur un banc"},
]
TEXTS = {language: [row[language] for row in ROWS] for language in ("en", "de", "fr")}


class Dictionary:
    """Knows every sentence, but writes `wrong` instead of de -> fr; counts what it is asked."""

    def __init__(self, **wrong: str) -> None:
        self.wrong = wrong
        self.asked: list[tuple[str, str, int]] = []

    def __call__(self, texts: Sequence[str], *, source: str, target: str) -> list[str]:
        self.asked.append((source, target, len(texts)))
        found = {row[source]: row[target] for row in ROWS}
        return [self.wrong.get(f"{source}_{target}", found.get(text, "?")) for text in texts]


def told(evaluation: Evaluation, table: str) -> list[dict[str, Any]]:
    return evaluation.tables()[table]


def test_direct_pivot_and_copy_stand_in_one_table() -> None:
    identify = language_id.train(TEXTS)
    evaluation = evaluate(Dictionary(de_fr="the dog"), ROWS, [("de", "fr"), ("de", "en")], identify=identify)
    rows = {(row["source"], row["target"], row["system"]): row for row in told(evaluation, "pairs")}
    assert list(rows) == [
        ("de", "fr", "direct"),
        ("de", "fr", "pivot"),
        ("de", "fr", "copy"),
        ("de", "en", "direct"),
        ("de", "en", "copy"),
    ]
    direct, pivot, copy = (rows["de", "fr", system] for system in ("direct", "pivot", "copy"))
    assert (direct["kind"], direct["bleu"], direct["off_target"], direct["sentences"]) == ("zero_shot", 0, 100, 3)
    assert pivot["bleu"] == pivot["bleu_low"] == pytest.approx(100) and pivot["exact"] == 100
    assert (pivot["off_target"], copy["off_target"], copy["copies"]) == (0, 0, 100)
    assert rows["de", "en", "direct"]["kind"] == "supervised"
    gap = told(evaluation, "differences")
    assert [(row["source"], row["target"], row["difference"], row["apart"]) for row in gap] == [
        ("de", "fr", pytest.approx(-100), True)
    ]
    assert told(evaluation, "bleu") == [{"test": "test", "source": "de", "en": pytest.approx(100), "fr": 0}]


def test_the_summary_is_the_mean_of_a_kind_and_its_difference_to_the_pivot() -> None:
    directions = [("de", "fr"), ("fr", "de"), ("en", "de")]
    evaluation = evaluate(Dictionary(de_fr="un chien"), ROWS, directions)
    rows = {(row["kind"], row["system"]): row for row in told(evaluation, "summary")}
    direct = rows["zero_shot", "direct"]
    assert direct["directions"] == 2 and direct["bleu"] == pytest.approx(50, abs=1)
    assert direct["off_target"] is None
    [gap] = told(evaluation, "mean_differences")
    assert (gap["kind"], gap["system"], gap["against"], gap["directions"]) == ("zero_shot", "direct", "pivot", 2)
    assert gap["difference"] == pytest.approx(direct["bleu"] - 100)
    assert gap["low"] <= gap["difference"] <= gap["high"]


def test_direct_is_held_against_every_other_system_but_the_copy() -> None:
    direct = evaluate(Dictionary(de_fr="un chien"), ROWS, [("de", "fr"), ("de", "en")])
    plain = evaluate(Dictionary(), ROWS, [("de", "fr"), ("de", "en")], name="plain", pivot="plain_pivot")
    both = direct + plain
    assert {row["system"] for row in told(both, "pairs")} == {"direct", "pivot", "copy", "plain", "plain_pivot"}
    gaps = {(row["against"], row["kind"]): row["difference"] for row in told(both, "mean_differences")}
    assert gaps == {
        ("pivot", "zero_shot"): pytest.approx(-100),
        ("plain", "zero_shot"): pytest.approx(-100),
        ("plain", "supervised"): pytest.approx(0),
        ("plain_pivot", "zero_shot"): pytest.approx(-100),
    }


def test_a_way_is_gone_once_and_results_add_up() -> None:
    dictionary = Dictionary()
    remembered = Remembered(dictionary)
    a = evaluate(remembered, ROWS, [("de", "en"), ("de", "fr")])
    b = evaluate(remembered, ROWS, [("fr", "de")], name="bound_added", pivot="")
    assert dictionary.asked == [("de", "en", 3), ("de", "fr", 3), ("en", "fr", 3), ("fr", "de", 3)]
    assert [row["system"] for row in told(a + b, "pairs")][-1] == "bound_added"


def test_without_references_the_language_the_length_and_the_way_back_are_told() -> None:
    rows = [{"de": row["de"]} for row in ROWS]
    evaluation = evaluate(Dictionary(), rows, [("de", "fr")], identify=language_id.train(TEXTS))
    assert set(evaluation.tables()) == {"no_references"}
    direct, pivot = told(evaluation, "no_references")
    assert direct["round_trip_chrf"] == pytest.approx(100) and direct["off_target"] == 0
    lengths = [sum(len(row[language]) for row in ROWS) for language in ("fr", "de")]
    assert direct["length_ratio"] == pytest.approx(lengths[0] / lengths[1])
    assert pivot["system"] == "pivot"
    with pytest.raises(InputError, match="test set 'news' has no text in 'ja'; it has de"):
        evaluate(Dictionary(), rows, [("ja", "de")], test="news")


def test_rows_without_the_target_are_left_out_where_others_have_it() -> None:
    evaluation = evaluate(Dictionary(), [*ROWS, {"de": "ohne"}], [("de", "fr")], pivot="")
    assert told(evaluation, "pairs")[0]["sentences"] == 3


# The commands, on a model that has learned nothing.


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    corpus = generate(sentences=300, valid=5, test=12)
    texts = {language: [row[language] for row in corpus.train] for language in corpus.train[0]}
    pieces = subwords.train(texts, size=600)
    torch.manual_seed(0)
    save(build("tiny", pieces), pieces, folder / "checkpoint")
    language_id.save(language_id.train(texts), folder / language_id.FILE)
    (folder / "data").mkdir()
    for language in ("de", "en", "fr", "ja"):
        written = "".join(f"{row[language]}\n" for row in corpus.tests["test"])
        (folder / "data" / f"test.{language}").write_text(written)
    return folder


def test_the_matrix_of_a_real_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run / "out.json"
    report = main(Config(run, (str(run / "data"),), languages=("de", "ja"), beam=1, out=out))
    tables = json.loads(out.read_text())["tables"]
    assert {(row["source"], row["target"]) for row in tables["pairs"]} == {
        (a, b) for a in ("de", "en", "ja") for b in ("de", "en", "ja") if a != b
    }
    assert [row["system"] for row in tables["pairs"] if (row["source"], row["target"]) == ("de", "ja")] == [
        "direct",
        "pivot",
        "copy",
    ]
    assert {row["language"]: row["error"] for row in tables["identifier"]} == {"de": 0, "en": 0, "ja": 0}
    assert len(tables["retrieval"]) == 6 and all(row["sentences"] == 12 for row in tables["retrieval"])
    assert "tok:char" in next(row["bleu"] for row in tables["signatures"] if row["target"] == "ja")
    sentences = {(row["source"], row["target"]): row for row in tables["sentences"]}
    assert len(tables["sentences"]) == 6 * 12 and {"text", "reference", "direct", "pivot"} <= set(sentences["ja", "de"])
    assert list(report.tables)[:2] == ["bleu", "pairs"] and "\nbleu\n" in capsys.readouterr().out


def test_the_hub_is_the_runs_own(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "german")
    (tmp_path / "german" / "config.json").write_text('{"hub_language": "de"}')
    report = main(Config(tmp_path / "german" / "checkpoint", (str(run / "data"),), pairs="de-fr,en-fr", beam=1))
    kinds = {(row["source"], row["kind"]) for row in report.tables["pairs"] if row["system"] == "direct"}
    assert kinds == {("de", "supervised"), ("en", "zero_shot")}


def test_a_language_that_the_test_set_has_not(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = main(Config(run, (str(run / "data"),), pairs="ja-ko,fr-de", beam=1))
    assert [(row["target"], row["system"]) for row in report.tables["no_references"]] == [
        ("ko", "direct"),
        ("ko", "pivot"),
    ]
    assert {row["target"] for row in report.tables["pairs"]} == {"de"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--pairs", "de-xx"], r"unknown language 'xx' in this vocabulary.*known: de, en, fr, ja, ko"),
        (["--pairs", "ko-de"], r"unknown language 'ko' in "),
        (["--pairs", "de"], r"'de' is no direction; expected SOURCE-TARGET such as de-fr"),
        (["--pairs", "de-de"], r"'de-de' is no direction"),
        (["--tests", "tset"], r"unknown test set 'tset' in .*did you mean 'test'"),
        (["--beam", "0"], r"--beam 0: expected 1 \(greedy\) or more"),
        (["--hub-language", "it"], r"unknown language 'it'"),
        (["--out", "."], r"--out \. is a folder; give a file to write"),
        (["--checkpoint", "nowhere"], r"no config\.json in nowhere"),
        (["--pears", "de-en"], r"unknown flag '--pears'; did you mean '--pairs'"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    given = ["--checkpoint", str(run), "--data", str(run / "data"), *flags]
    assert command(main, Config, given) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and re.search(message, told[0]), told


def test_data_without_a_test_set_are_refused_unless_all_is_meant(run: Path, tmp_path: Path) -> None:
    (tmp_path / "en-de.tsv").write_text("".join(f"{row['en']}\t{row['de']}\n" for row in ROWS))
    with pytest.raises(InputError, match="has no test set; --split all tests on every row"):
        main(Config(run, (str(tmp_path / "en-de.tsv"),), beam=1))
    report = main(Config(run, (str(tmp_path / "en-de.tsv"),), beam=1, split="all"))
    assert [row["test"] for row in report.tables["bleu"]] == ["all", "all"]


def test_what_the_checkpoint_learned_from_is_left_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three rows one was trained, but for its case, and then all of them."""
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "en-de.tsv").write_text("".join(f"{row['en']}\t{row['de']}\n" for row in ROWS))
    given = Config(tmp_path / "run", (str(tmp_path / "en-de.tsv"),), beam=1, split="all")
    lineage.save({("en", "fr"): (ROWS[0]["en"].upper(),)}, tmp_path / "run")
    report = main(given)
    assert {row["sentences"] for row in report.tables["pairs"]} == {len(ROWS) - 1}
    assert f"all: the checkpoint learned from 1 of {len(ROWS)} rows, or from what is" in capsys.readouterr().err
    (tmp_path / "run" / "checkpoint").rename(tmp_path / "run" / ".checkpoint.old")  # killed while it was replaced
    lineage.save({("en", "fr"): tuple(row["en"] for row in ROWS)}, tmp_path / "run")
    with pytest.raises(InputError, match=f"learned from {len(ROWS)} of {len(ROWS)} rows.*give other data"):
        main(given)


def test_what_a_bound_learned_is_known_in_the_first_language_of_its_pair(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row taught German to French and one English to French: both are left out, and all three directions of the
    pairs are supervised, either way round. Asked twice, a direction is counted once."""
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "data.tsv").write_text(
        "en\tde\tfr\tid\n" + "".join(f"{row['en']}\t{row['de']}\t{row['fr']}\t{at}\n" for at, row in enumerate(ROWS))
    )
    lineage.save({("en", "fr"): (ROWS[0]["en"],), ("de", "fr"): (ROWS[1]["de"],)}, tmp_path / "run")
    data = (str(tmp_path / "run" / "data.tsv"),)
    report = main(Config(tmp_path / "run", data, pairs="fr-de,en-fr,de-en,fr-de", beam=1, split="all"))
    assert "learned from 2 of 3 rows" in capsys.readouterr().err
    rows = [(row["source"], row["target"], row["kind"]) for row in report.tables["pairs"] if row["system"] == "direct"]
    assert sorted(rows) == [("de", "en", "zero_shot"), ("en", "fr", "supervised"), ("fr", "de", "supervised")]


def test_rows_of_which_nobody_knows_are_told(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "de-fr.tsv").write_text("".join(f"{row['de']}\t{row['fr']}\n" for row in ROWS))
    given = Config(tmp_path / "run", (str(tmp_path / "de-fr.tsv"),), pairs="de-fr", beam=1, split="all")
    main(given)
    assert f"no {lineage.FILE} beside " in capsys.readouterr().err
    lineage.save({("en", "fr"): (ROWS[0]["en"],)}, tmp_path / "run")
    main(given)
    assert "all: whether 3 rows were learned is unknown, they lack en" in capsys.readouterr().err


def test_cells_that_are_empty_are_no_references(run: Path, tmp_path: Path) -> None:
    """Of three rows one has no French; two corpora of one name stay two test sets, and the second needs no English."""
    rows = [{**row, "fr": "" if at == 0 else row["fr"]} for at, row in enumerate(ROWS)]
    for place, languages in (("a", ("en", "de", "fr")), ("b", ("de", "fr"))):
        (tmp_path / place).mkdir()
        lines = ["\t".join(languages), *("\t".join(row[each] for each in languages) for row in rows)]
        (tmp_path / place / "x.tsv").write_text("\n".join(lines) + "\n")
    data = tuple(str(tmp_path / place / "x.tsv") for place in "ab")
    report = main(Config(run, data, pairs="en-fr,de-fr", beam=1, split="all"))
    direct = [row for row in report.tables["pairs"] if row["system"] == "direct"]
    assert [(row["test"], row["source"], row["sentences"]) for row in direct] == [
        (f"{data[0]}/all", "en", 2),
        (f"{data[0]}/all", "de", 2),
        (f"{data[1]}/all", "de", 2),
    ]


def test_an_engine_of_the_cpu_is_not_asked_of_a_gpu(run: Path) -> None:
    with pytest.raises(InputError, match="--engine ctranslate2_float32 runs on the CPU here, not on cuda"):
        load_system(run, engine="ctranslate2_float32", device="cuda")


def test_translating_texts_a_file_and_a_pipe_in_order(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = (run / "data" / "test.ja").read_text().splitlines()
    texts = [*texts[:5], "", *texts[5:], " ".join(["wort"] * 5000)]
    (tmp_path / "texts").write_text("\n".join(texts))
    direct = in_torch(load(run), beam=1)(texts, source="ja", target="ko")
    assert direct[5] == "" and len(set(direct)) > 1
    given = TranslateConfig((), run, "ja", "ko", file=tmp_path / "texts", beam=1, device="cpu")
    translate(given)
    assert capsys.readouterr().out.splitlines() == direct
    translate(TranslateConfig(tuple(texts[:2]), run, "ja", "ko", beam=1, device="cpu"))
    assert capsys.readouterr().out.splitlines() == direct[:2]
    words = [sys.executable, "-m", "nmt_zero_shot.translate", "--checkpoint", str(run), "--from", "ja", "--to", "ko"]
    done = subprocess.run([*words, "--beam", "1"], input="\n".join(texts), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == direct


def test_translating_by_way_of_a_third_language(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system = in_torch(load(run), beam=2)
    text = (run / "data" / "test.de").read_text().splitlines()[0]
    translate(TranslateConfig((text,), run, "de", "fr", through="en", beam=2, device="cpu"))
    middle = system([text], source="de", target="en")
    assert capsys.readouterr().out.splitlines() == system(middle, source="en", target="fr")


def test_what_cannot_be_translated_is_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin").write_bytes(b"eins\nzw\xf6lf\n")
    given = ["--checkpoint", str(run), "--from", "de", "--to", "en", "--device", "cpu", "--beam", "1"]
    wrong = {
        r"unknown language 'xx' in this vocabulary": [*given[:3], "xx", *given[4:]],
        r"--file nowhere: no such file": [*given, "--file", "nowhere"],
        r"both texts and --file": [*given, "--file", str(tmp_path / "latin"), "ein text"],
        r"latin, line 2: not UTF-8 \(byte 0xf6\); convert it": [*given, "--file", str(tmp_path / "latin")],
    }
    for message, argv in wrong.items():
        assert command(translate, TranslateConfig, argv) == 2
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 1 and re.search(message, told[0]), told


def test_lines_come_as_they_are_there() -> None:
    texts = [f"line {k} " + "ü" * k for k in range(300)]
    data = io.BytesIO("\n".join(texts).encode("utf-8-sig"))
    blocks = list(lines(data.read, where="x"))
    assert [line for block in blocks for line in block] == texts
    assert sum(map(len, blocks[0])) < sum(map(len, blocks[1])) < sum(map(len, blocks[2])), "they grow"
    slow = iter([b"a\nb", b"c\n", b"", b"never"])
    assert list(lines(lambda size: next(slow), where="x")) == [["a"], ["bc"]]
    assert list(lines(io.BytesIO(b"").read, where="x")) == []


def test_only_subwords_of_the_target_language_are_written(run: Path) -> None:
    translator = load(run)
    kept = in_torch(translator, beam=1, restricted=True)(["the dog"], source="en", target="ja")
    allowed = translator.subwords.pieces_of("ja")
    assert all(allowed[i] for i in translator.subwords.encode(kept[0]))


# Encoder space.


def test_precision_at_1_by_hand_and_for_equal_sentences() -> None:
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert precision_at_1(keys * 7, keys) == 100  # a vector's length means nothing
    assert precision_at_1(torch.tensor([[1.0, 0.1], [1.0, 0.0], [1.0, 1.1]]), keys) == pytest.approx(200 / 3)
    assert precision_at_1(keys[[0, 0, 1]], keys[[0, 0, 1]]) == 100
    with pytest.raises(ValueError, match="2 queries against 3 keys"):
        precision_at_1(keys[:2], keys)


def test_sentences_are_read_under_one_tag_and_neither_batch_nor_order_matters(run: Path) -> None:
    translator = load(run)
    texts = ["the dog", "a woman reads an old book and the dog runs", "snow"]
    vectors = embed(translator, texts, "en", tag="ko")
    assert vectors.shape == (3, translator.model.config.d_model)
    alone = torch.cat([embed(translator, [text], "en", tag="ko") for text in texts])
    torch.testing.assert_close(vectors, alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(vectors, embed(translator, texts, "en", tag="de"))
    rows = retrieval_rows(translator, [{"en": text, "de": text} for text in texts], ["en", "de", "fr"], tag="ko")
    assert [(row["source"], row["target"], row["p_at_1"], row["sentences"]) for row in rows] == [
        ("en", "de", 100, 3),
        ("de", "en", 100, 3),
    ]


@pytest.mark.parametrize("scheme", ["source", "both", "decoder"])
def test_every_tag_scheme_translates(run: Path, scheme: Scheme) -> None:
    pieces = load(run).subwords
    torch.manual_seed(0)
    translator = Translator(pieces, scheme, build("tiny", pieces, tags=scheme))
    texts = ["the dog", "", "a book"]
    written = in_torch(translator, beam=2)(texts, source="en", target="de")
    assert len(written) == 3 and written[1] == ""
