"""Error tables of a model that reads its answer from the audio, then the command on a real small model."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from speech_tl.data import split_files
from speech_tl.data.manifest import Utterance
from speech_tl.evaluate import Config, Evaluation, evaluate, main
from speech_tl.models import ctc
from speech_tl.phonology.units import Units
from speech_tl.training.config import command

FRAME = 100
"""Samples per frame of the model below; sample k of a frame is unit number / 10."""


class Reader(nn.Module):
    """A perfect recogniser of clips that spell their units, sample by sample."""

    languages = ("aa", "bb")

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.batches: list[tuple[int, int]] = []

    def units(self, language: str) -> Units:
        return Units.from_texts({"aa": ["on e"], "bb": ["two"]}[language])

    def sample_rate(self, language: str) -> int:
        return 1000

    def output_lengths(self, lengths: Tensor, language: str) -> Tensor:
        return lengths // FRAME

    def log_probabilities(self, audio: Tensor, lengths: Tensor, language: str) -> tuple[Tensor, Tensor]:
        assert not self.training and not torch.is_grad_enabled()
        self.batches.append((audio.shape[0], audio.shape[1]))
        path = (audio[:, : audio.shape[1] // FRAME * FRAME : FRAME] * 10).round().long()
        scores = nn.functional.one_hot(path, len(self.units(language))).float().mul(9)
        return scores.log_softmax(-1), self.output_lengths(lengths, language)


def spoken(model: Reader, language: str, text: str) -> Tensor:
    """Two frames for each symbol and a blank after each."""
    path = [frame for unit in model.units(language).encode(text) for frame in (unit, unit, 0)]
    return torch.tensor(path).repeat_interleave(FRAME) / 10


def said(key: str, text: str, *, language: str = "aa", speaker: str = "s1") -> Utterance:
    return Utterance(audio=f"{key}.wav", text=text, language=language, speaker=speaker)


def run(model: Reader, cases: list[tuple[Utterance, str]], **options: float) -> Evaluation:
    clips = [spoken(model, utterance.language, heard) for utterance, heard in cases]
    return evaluate(model, [u for u, _ in cases], clips, **options)  # type: ignore[arg-type]


CASES = [
    (said("1", "one"), "one"),
    (said("2", "one", speaker="s2"), "on"),
    (said("3", "no one"), "no one"),
    (said("4", "noon", speaker="s2"), "none"),
    (said("5", "two", language="bb"), "two"),
]


def test_what_was_written_stands_beside_what_was_said() -> None:
    evaluation = run(Reader(), CASES)
    assert [result.hypothesis for result in evaluation.results] == [heard for _, heard in CASES]
    rows = evaluation.rows(system="shared_heads", train_seconds={"aa": 60.0})
    assert [(row["language"], row["utterances"], row["utterance_error"]) for row in rows] == [
        ("aa", 4, 50),
        ("bb", 1, 0),
    ]


def test_infeasible_clips_and_unknown_symbols_are_errors_and_are_counted() -> None:
    model = Reader()
    utterances = [said("short", "noon"), said("empty", "one"), said("ä", "öne"), said("fits", "one")]
    clips = [
        spoken(model, "aa", "n")[: 4 * FRAME],
        torch.zeros(FRAME // 2),
        *[spoken(model, "aa", "one")] * 2,
    ]
    evaluation = evaluate(model, utterances, clips)  # type: ignore[arg-type]
    assert [result.feasible for result in evaluation.results] == [False, False, True, True]  # noon needs 5
    assert [result.utterance.count for result in evaluation.results] == [1, 1, 1, 0]
    assert evaluation.results[1].hypothesis == ""
    row = evaluation.test_set_rows()[0]
    assert row["infeasible"] == 2 and row["unknown_symbols"] == "'ö'×1"


def test_batches_hold_like_lengths_longest_first_and_change_nothing() -> None:
    model = Reader()
    cases = [(said(str(k), "one" if k % 2 else "no one"), "one") for k in range(7)]
    cases.append((said("long", "no one"), "no one no one no one"))
    small = run(model, cases, batch_seconds=2.0)
    assert model.batches[0] == (1, 6000) and max(b * n for b, n in model.batches[1:]) <= 2000
    assert small == run(model, cases)
    assert [result.key for result in small.results] == [utterance.key for utterance, _ in cases]


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_is_restored(mode: bool) -> None:
    model = Reader().train(mode)
    run(model, CASES)
    assert model.training is mode


def test_an_unknown_language_is_named() -> None:
    model = Reader()
    with pytest.raises(ValueError, match=r"unknown language 'cc' in x\.wav.*known: aa, bb"):
        evaluate(model, [said("x", "one", language="cc")], [torch.zeros(300)])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained two-language checkpoint and a corpus of noise."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    model = ctc.build("tiny", {"aa": Units.from_texts(["one"]), "bb": Units.from_texts(["two"])})
    ctc.save(model, folder / "checkpoint")
    noise = np.random.default_rng(0)
    lines = ["file_name,text,language,speaker_id,split"]
    for k in range(6):
        name = f"{k}.wav"
        soundfile.write(folder / name, 0.1 * noise.standard_normal(8000 + 1000 * k), 16000)
        text, language = ("One!", "aa") if k % 2 else ("two", "bb")
        lines.append(f"{name},{text},{language},s{k // 2},{'train' if k < 2 else 'test'}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_the_command_writes_the_tables(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    arguments = [
        "--checkpoint",
        str(run_folder),
        "--data",
        str(run_folder),
        "--out",
        str(out),
        "--device",
        "cpu",
    ]
    assert command(main, Config, arguments) == 0
    tables = json.loads(out.read_text(encoding="utf-8"))["tables"]
    assert [(row["language"], row["utterances"]) for row in tables["error_rates"]] == [("bb", 2), ("aa", 2)]
    assert {row["reference"] for row in tables["utterances"]} == {"one", "two"}  # normalised
    printed = capsys.readouterr()
    assert "nothing is claimed" in printed.out and "utterances" in printed.err
    keys = [f"{run_folder.name}/{k}.wav" for k in (3, 5)]
    own = {"train": ["elsewhere/1.wav"], "valid": [], "test": keys}
    split_files.write(run_folder / "splits.json", {"aa": own})
    assert command(main, Config, [*arguments, "--languages", "aa"]) == 0, "what it learned from may be absent"
    assert {row["key"] for row in json.loads(out.read_text())["tables"]["utterances"]} == {*keys}
    split_files.write(run_folder / "splits.json", {"aa": {**own, "test": [*keys, "elsewhere/2.wav"]}})
    assert command(main, Config, [*arguments, "--languages", "aa"]) == 2
    said = capsys.readouterr().err
    assert "1 of 3 test recordings of aa are not in the data (elsewhere/2.wav): give also the folder" in said
    (run_folder / "splits.json").unlink()
    assert command(main, Config, [*arguments, "--languages", "aa"]) == 0
    assert "divided anew, and it may have been trained on some" in capsys.readouterr().err
    assert command(main, Config, [*arguments, "--split", "all", "--languages", "aa"]) == 0
    tables = json.loads(out.read_text(encoding="utf-8"))["tables"]
    assert [(row["language"], row["utterances"]) for row in tables["error_rates"]] == [("aa", 3)]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--languages", "ab"], "unknown language 'ab'.*known: aa, bb"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--split", "dev"], "dev"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--checkpoint", "nowhere"], "no config.json in nowhere"),
    ],
)
def test_bad_flags_are_one_line(
    arguments: list[str], line: str, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--checkpoint": str(run_folder), "--data": str(run_folder)} | {arguments[0]: arguments[1]}
    assert command(main, Config, [word for pair in given.items() for word in pair]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    with pytest.raises(ValueError, match=line):
        raise ValueError(error)
