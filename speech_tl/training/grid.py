"""Studies that can be stopped and continued: every combination of some flags of a recipe, each run once.

    python -m speech_tl.training.grid --recipe recipes.asr_multilingual --out STUDY \\
        --vary seed=1,2,3 --vary minutes=5,20 --plan -- --data FOLDER

A cell is a process of its own, known by the digest of its arguments, its data and the code it runs: what is
finished stands in STUDY/results.jsonl and is never computed again, what was interrupted goes on
with --resume.
"""

import ast
import fcntl
import functools
import hashlib
import importlib.util
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import tyro

from speech_tl.errors import InputError
from speech_tl.training.config import command, fingerprint

PACKAGE = Path(__file__).parents[1]
BY_CONTENT = {"", ".csv", ".tsv", ".jsonl", ".json", ".txt", ".scp", ".py", ".safetensors"}
"""Files whose content is part of a cell's key; recordings and the like count by name and size."""


@dataclass(frozen=True)
class Config:
    recipe: str
    """Module to run, such as recipes.asr_multilingual."""
    out: Path
    """Folder of the study."""
    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """flag=value,value,... (repeat for more flags; true and false switch a flag on and off)."""
    plan: bool = False
    """Print the cells and their cost, and leave."""
    jobs: int = 1
    """Cells at once."""
    threads: int = 1
    """Threads of each cell (OMP_NUM_THREADS)."""
    systems_per_cell: int = 1
    """How many systems a cell trains with its `minutes` each; for the estimate."""


@dataclass(frozen=True)
class Cell:
    key: str
    settings: Mapping[str, str]
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.key, *(f"{flag}={value}" for flag, value in self.settings.items())])


def main(config: Config, arguments: Sequence[str]) -> None:
    if min(config.jobs, config.threads, config.systems_per_cell) < 1:
        raise InputError("jobs, threads and systems-per-cell must be 1 or more")
    study = cells(config.recipe, config.vary, arguments)
    results = config.out / "results.jsonl"
    finished = read_results(results)
    todo = [cell for cell in study if cell.key not in finished]
    print(describe(config, study, finished), flush=True)
    if config.plan or not todo:
        return
    failed = 0
    with _lock(config.out) as lock, _running_cells() as running, ThreadPoolExecutor(config.jobs) as pool:
        futures = {pool.submit(run_cell, config, cell, lock, running): cell for cell in todo}
        try:
            for future in as_completed(futures):
                row = future.result()
                failed += row["exit"] != 0
                if row["exit"] == 0:
                    append_result(results, row)
                said = "finished" if row["exit"] == 0 else f"failed with {row['exit']}: {row['said']}"
                print(f"{futures[future]}  {said}  ({row['cpu_seconds'] / 60:.1f} CPU-minutes)", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            _end(running, lambda: all(future.done() for future in futures))
            raise KeyboardInterrupt(f"stopped; the same command continues the study in {config.out}") from None
    if failed:
        raise InputError(
            f"{failed} of {len(todo)} cells failed, see {config.out / 'cells'}/*.log; the same command tries them again"
        )


def cells(recipe: str, vary: Sequence[str], arguments: Sequence[str]) -> list[Cell]:
    """All combinations, the last flag changing fastest."""
    if any(word.split("=")[0] in ("--out", "--resume") for word in arguments):
        raise InputError("--out and --resume are given to each cell by the grid: leave them out after --")
    flags: dict[str, list[str]] = {}
    for word in vary:
        flag, equals, values = word.partition("=")
        if not (flag and equals and all(values.split(","))):
            raise InputError(f"--vary {word}: expected flag=value,value,... such as seed=1,2,3")
        if flag.strip("-") in flags:
            raise InputError(f"--vary {flag} is given twice: put all its values into one")
        flags[flag.strip("-")] = list(dict.fromkeys(values.split(",")))
    identity = {"recipe": recipe, "code": code_digest(recipe), "data": data_digest(arguments)}
    study = []
    for chosen in itertools.product(*flags.values()):
        settings = dict(zip(flags, chosen, strict=True))
        words = (*arguments, *(word for flag, value in settings.items() for word in _flag(flag, value)))
        varied = data_digest(list(settings.values()))
        key = fingerprint({**identity, "varied": varied, "arguments": list(words)})
        study.append(Cell(key, settings, words))
    return study


def describe(config: Config, study: Sequence[Cell], finished: Mapping[str, Mapping[str, Any]]) -> str:
    """The cells and their CPU-hours, as far as they can be known beforehand."""
    measured = [
        (cell, finished[cell.key]["cpu_seconds"] / 3600)
        for cell in study
        if cell.key in finished and finished[cell.key]["recipe"] == config.recipe
    ]
    lines, hours, unknown = [], 0.0, 0
    for cell in study:
        if cell.key in finished:
            lines.append(f"{cell}  finished")
            continue
        estimate = _estimate(cell, config.systems_per_cell, measured)
        hours += estimate or 0.0
        unknown += estimate is None
        begun = "  begun" if (config.out / "cells" / cell.key).exists() else ""
        lines.append(f"{cell}  {'unknown' if estimate is None else f'{estimate:.2f}'} CPU-hours{begun}")
    done = sum(cell.key in finished for cell in study)
    cost = f"{hours:.2f} CPU-hours" + (f" and {unknown} cells of unknown cost" if unknown else "")
    return "\n".join([*lines, f"{len(study)} cells, {done} finished, {len(study) - done} to run: {cost}"])


def run_cell(config: Config, cell: Cell, lock: IO[str], running: set[subprocess.Popen[bytes]]) -> dict[str, Any]:
    """One process; its row of results, with what it left in metrics.json."""
    folder = config.out / "cells" / cell.key
    resume = ["--resume"] if folder.exists() and _resumes(config.recipe) else []
    words = [sys.executable, "-m", config.recipe, *cell.arguments, "--out", str(folder), *resume]
    environment = {**os.environ, "OMP_NUM_THREADS": str(config.threads)}
    log = folder.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            words,
            env=environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            pass_fds=[lock.fileno()],
        )
        running.add(process)
        _, status, usage = os.wait4(process.pid, 0)  # with the CPU-seconds of this child alone
        process.returncode = os.waitstatus_to_exitcode(status)
        running.discard(process)
    metrics = folder / "metrics.json"
    written = process.returncode == 0 and metrics.exists()
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return {
        "key": cell.key,
        "recipe": config.recipe,
        "settings": dict(cell.settings),
        "arguments": list(cell.arguments),
        "exit": process.returncode,
        "said": lines[-1] if lines else "",
        "seconds": time.monotonic() - began,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "metrics": json.loads(metrics.read_text(encoding="utf-8")) if written else None,
    }


def _resumes(recipe: str) -> bool:
    """Whether it can go on with a run; one that cannot, such as a race against time, begins again."""
    return "resume" in import_module(recipe).Config.__dataclass_fields__


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """Rows by key; a line that a crash cut short is passed over."""
    rows: dict[str, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
            rows[row["key"]] = row
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    return rows


def append_result(path: Path, row: Mapping[str, Any]) -> None:
    """In one write, on a line of its own also after a line that was cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        cut_short = size > 0 and file.read(1) != b"\n"
        file.write((b"\n" if cut_short else b"") + json.dumps(row).encode() + b"\n")
        os.fsync(file.fileno())


def code_digest(recipe: str) -> str:
    """Of the recipe's source, of this package, and of the packages beside it that the recipe names."""
    try:
        spec = importlib.util.find_spec(recipe)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise InputError(f"no module {recipe!r}: give a recipe as in `python -m recipes.asr_multilingual`")
    source = Path(spec.origin)
    imported = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    names = {alias.name for node in imported if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imported if isinstance(node, ast.ImportFrom)}
    beside = {PACKAGE.parent / name.split(".")[0] for name in names if name}
    packages = {PACKAGE, *(folder for folder in beside if folder.is_dir())}
    files = [source, *sorted(file for package in packages for file in package.rglob("*.py"))]
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:16]


def data_digest(words: Sequence[str]) -> dict[str, str]:
    """A digest for each word (or part of one, as in hub:FOLDER:CONFIG) that is a path that exists."""
    parts = [
        part for word in words if not word.startswith("-") or "=" in word for part in (word, *re.split("[=:]", word))
    ]
    return {part: _path_digest(Path(part).resolve()) for part in parts if part and Path(part).exists()}


@functools.cache
def _path_digest(path: Path) -> str:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        if file.is_file() and not file.name.startswith("."):
            total.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
            if file.suffix.lower() in BY_CONTENT:
                with file.open("rb") as opened:
                    total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()[:16]


def _flag(flag: str, value: str) -> list[str]:
    switches = {"true": [f"--{flag}"], "false": [f"--no-{flag}"]}
    return switches.get(value.lower(), [f"--{flag}", value])


def _estimate(cell: Cell, systems: int, measured: Sequence[tuple[Cell, float]]) -> float | None:
    """CPU-hours: of finished cells the median, for each minute that a cell was told to train where they were."""
    minutes = _minutes(cell)
    if measured:
        return (minutes or 1) * statistics.median(hours / (_minutes(each) or 1) for each, hours in measured)
    return minutes * systems / 60 if minutes else None


def _minutes(cell: Cell) -> float | None:
    """What --minutes says."""
    words = [part for word in cell.arguments for part in word.split("=", 1)]
    found = [value for flag, value in itertools.pairwise(words) if flag == "--minutes"]
    return float(found[-1]) if found and re.fullmatch(r"\d+(\.\d*)?", found[-1]) else None


def _end(running: set[subprocess.Popen[bytes]], over: Callable[[], bool]) -> None:
    """Ask every cell once to finish its step and save, also one that starts just now, until all are gone."""
    asked: set[subprocess.Popen[bytes]] = set()
    while not over():
        for process in set(running) - asked:
            process.terminate()
            asked.add(process)
        time.sleep(0.05)


@contextmanager
def _lock(study: Path) -> Iterator[IO[str]]:
    """Held by this process and, inherited, by its cells: those of a killed grid are not started twice."""
    study.mkdir(parents=True, exist_ok=True)
    with (study / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"a grid, or a cell of one, is still at work in {study}: wait or stop it") from None
        yield file


@contextmanager
def _running_cells() -> Iterator[set[subprocess.Popen[bytes]]]:
    """The processes at work; SIGTERM to the grid is taken as ctrl-C."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield set()
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield set()
    finally:
        signal.signal(signal.SIGTERM, before)


def run(argv: Sequence[str]) -> int:
    """The words before `--` are the grid's, those after it every cell's."""
    cut = list(argv).index("--") if "--" in argv else len(argv)

    def with_arguments(config: Config) -> None:
        main(config, argv[cut + 1 :])

    return command(with_arguments, Config, argv[:cut])


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
