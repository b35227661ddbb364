"""A study runs every cell once, goes on where it was stopped, and knows when a result is out of date."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from speech_tl.errors import InputError
from speech_tl.training.grid import append_result, cells, read_results, run

RECIPE = '''
"""A recipe that counts its starts and, with --slow, waits to be interrupted the first time."""
import json, os, time
from dataclasses import dataclass
from pathlib import Path
from speech_tl.training.config import command

@dataclass(frozen=True)
class Config:
    out: Path
    data: str = ""
    seed: int = 0
    minutes: float = 1.0
    slow: bool = False
    resume: bool = False

def main(config):
    config.out.mkdir(parents=True, exist_ok=True)
    with (config.out.parent / f"starts-{config.out.name}").open("a") as file:
        file.write("resumed\\n" if config.resume else "started\\n")
    (config.out / "pid").write_text(str(os.getpid()))
    if config.slow and not config.resume:
        time.sleep(60)
    row = {"seed": config.seed, "threads": os.environ["OMP_NUM_THREADS"]}
    (config.out / "metrics.json").write_text(json.dumps({"tables": {"seeds": [row]}}))

if __name__ == "__main__":
    raise SystemExit(command(main, Config))
'''
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with one recipe and some data, from which the grid is started."""
    (tmp_path / "counting.py").write_text(RECIPE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "metadata.csv").write_text("file_name,text\na.wav,one\n")
    (tmp_path / "data" / "a.wav").write_bytes(bytes(100))
    monkeypatch.delitem(sys.modules, "counting", raising=False)  # of another place
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{REPOSITORY}")
    return tmp_path


def grid(*flags: str, study: str = "study", after: tuple[str, ...] = (), recipe: str = "counting") -> int:
    """The command in this process, which must not remember the digests of an earlier one."""
    from speech_tl.training import grid as module

    module._path_digest.cache_clear()
    return run(["--recipe", recipe, "--out", study, *flags, "--", *after])


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "study" / "results.jsonl").read_text().splitlines()]


def starts(folder: Path) -> list[str]:
    return sorted(file.read_text() for file in (folder / "study" / "cells").glob("starts-*"))


def test_all_combinations_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--vary", "seed=1,2", "--vary", "minutes=3,6", "--systems-per-cell", "2", "--jobs", "2")
    assert grid(*flags, "--plan") == 0
    planned = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[1] for line in planned[:4]] == [
        "seed=1 minutes=3  0.10 CPU-hours",
        "seed=1 minutes=6  0.20 CPU-hours",
        "seed=2 minutes=3  0.10 CPU-hours",
        "seed=2 minutes=6  0.20 CPU-hours",
    ]
    assert planned[4] == "4 cells, 0 finished, 4 to run: 0.60 CPU-hours"
    assert not (folder / "study").exists()
    assert grid(*flags) == 0
    assert grid(*flags) == 0
    assert "4 cells, 4 finished, 0 to run: 0.00 CPU-hours" in capsys.readouterr().out
    assert starts(folder) == ["started\n"] * 4
    assert sorted(tuple(row["settings"].values()) for row in rows(folder)) == [
        ("1", "3"),
        ("1", "6"),
        ("2", "3"),
        ("2", "6"),
    ]
    assert all(row["metrics"]["tables"]["seeds"][0]["threads"] == "1" for row in rows(folder))
    assert all(row["cpu_seconds"] > 0 for row in rows(folder))


def test_finished_cells_say_what_the_others_will_cost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A counting cell of three minutes takes seconds, so one of six takes twice as many and not six minutes."""
    minutes = ("--vary", "minutes=3,6", "--plan")
    assert grid("--vary", "seed=1", "--vary", "minutes=3") == 0
    (spent,) = [row["cpu_seconds"] for row in rows(folder)]
    capsys.readouterr()
    assert grid("--vary", "seed=1", *minutes) == 0
    finished, other, _ = capsys.readouterr().out.splitlines()
    assert finished.endswith("finished") and other.endswith(f"{2 * spent / 3600:.2f} CPU-hours")


def start(*words: str) -> subprocess.Popen[str]:
    """The grid in a process of its own, until its first cell is at work."""
    command = [
        sys.executable,
        "-m",
        "speech_tl.training.grid",
        "--recipe",
        "counting",
        "--out",
        "study",
        *words,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(Path("study").glob("cells/*/pid")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_killed_and_started_again(folder: Path) -> None:
    """The cell of a killed grid lives on and keeps the study locked; when it is gone, it is resumed."""
    process = start("--vary", "seed=1", "--", "--slow")
    process.kill()
    process.communicate()
    assert grid("--vary", "seed=1", after=("--slow",)) == 2
    os.kill(int(next(folder.glob("study/cells/*/pid")).read_text()), signal.SIGKILL)
    time.sleep(0.5)
    assert grid("--vary", "seed=1", after=("--slow",)) == 0
    assert starts(folder) == ["started\nresumed\n"]
    assert len(rows(folder)) == 1


def test_an_interrupt_stops_the_cells(folder: Path) -> None:
    process = start("--vary", "seed=1,2", "--", "--slow")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "stopped; the same command continues the study in study\n"
    assert starts(folder) == ["started\n"]  # the second was never begun
    assert not (folder / "study" / "results.jsonl").exists()


def test_a_failing_cell_is_named_and_tried_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grid("--vary", "seed=1,x") == 2
    printed = capsys.readouterr()
    assert "seed=x  failed with 2: error: --seed: invalid literal for int()" in printed.out
    assert "error: 1 of 2 cells failed" in printed.err
    assert [row["settings"] for row in rows(folder)] == [{"seed": "1"}]
    grid("--vary", "seed=1,x", "--plan")
    assert "2 cells, 1 finished, 1 to run" in capsys.readouterr().out


def test_what_cannot_go_on_begins_again(folder: Path) -> None:
    recipe = RECIPE.replace("    resume: bool = False\n", "").replace("config.resume", "False")
    (folder / "racing.py").write_text(recipe)
    assert grid("--vary", "seed=1", recipe="racing") == 0
    (folder / "study" / "results.jsonl").unlink()
    assert grid("--vary", "seed=1", recipe="racing") == 0
    assert starts(folder) == ["started\nstarted\n"]


def test_a_line_cut_short_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for key in ("a", "b"):
        append_result(path, {"key": key})
    path.write_bytes(path.read_bytes()[:-5])
    assert list(read_results(path)) == ["a"]
    append_result(path, {"key": "c"})
    assert list(read_results(path)) == ["a", "c"]


def keys(folder: Path, *words: str) -> list[str]:
    from speech_tl.training import grid as module

    module._path_digest.cache_clear()
    return [cell.key for cell in cells("counting", ["seed=1,2"], words)]


def test_a_key_knows_arguments_data_and_code(folder: Path) -> None:
    words = ("--data", "data")
    before = keys(folder, *words)
    assert len(set(before)) == 2
    assert keys(folder, *words) == before
    os.utime(folder / "data" / "a.wav", (0, 0))
    assert keys(folder, *words) == before  # a copy of the data is the same data
    assert set(keys(folder, *words, "--minutes", "2")).isdisjoint(before)
    (folder / "data" / "metadata.csv").write_text("file_name,text\na.wav,two\n")
    changed = keys(folder, *words)
    assert set(changed).isdisjoint(before)
    assert keys(folder, "--data", "hub:data:bn") != keys(folder, "--data", "hub:nowhere:bn")
    (folder / "data" / "a.wav").write_bytes(bytes(101))
    assert set(keys(folder, *words)).isdisjoint(changed)
    with_code = keys(folder)
    (folder / "counting.py").write_text(RECIPE + "\n# another version\n")
    assert set(keys(folder)).isdisjoint(with_code)


def test_switches_and_values() -> None:
    on, off = cells("counting", ["slow=true,false"], [])
    assert (on.arguments, off.arguments) == (("--slow",), ("--no-slow",))


@pytest.mark.parametrize(
    ("vary", "arguments", "message"),
    [
        (["seed"], [], "--vary seed: expected flag=value,value"),
        (["seed=1,,2"], [], "--vary seed=1,,2: expected flag=value,value"),
        (["seed=1", "--seed=2"], [], "is given twice"),
        (["seed=1"], ["--out", "x"], "--out and --resume are given to each cell by the grid"),
    ],
)
def test_studies_that_are_refused(vary: list[str], arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cells("counting", vary, arguments)


def test_an_unknown_recipe() -> None:
    with pytest.raises(InputError, match=r"no module 'recipes\.nothing'"):
        cells("recipes.nothing", [], [])
