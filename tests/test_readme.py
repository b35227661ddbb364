"""The README is run: its commands exist with their flags, and each does its job in a small form.

A command stands in a fenced `sh` block. Those on real recordings (`shared/data`) are checked for their
flags only, all others run in the README's order in one temporary folder, recipes with `--tiny`. The map of
the code stands in a `text` block that begins with `speech_tl/`.
"""

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from speech_tl.data.synthesis import build

REPOSITORY = Path(__file__).parent.parent
README = REPOSITORY / "README.md"
PACKAGES = ("speech_tl", "nmt_zero_shot", "recipes")
BUDGETS = {"--minutes", "--steps", "--epochs"}
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "250", "PYTHONPATH": str(REPOSITORY)}


@dataclass(frozen=True)
class Command:
    """`python -m MODULE ARGUMENTS` or `torchrun OPTIONS -m MODULE ARGUMENTS`."""

    words: tuple[str, ...]

    @property
    def start(self) -> int:
        return self.words.index("-m") + 1

    @property
    def module(self) -> str:
        return self.words[self.start]

    @property
    def parts(self) -> list[tuple[str, tuple[str, ...]]]:
        """Modules with the arguments that are theirs; a study's arguments after `--` are its recipe's."""
        arguments = self.words[self.start + 1 :]
        if "--" not in arguments:
            return [(self.module, arguments)]
        own, theirs = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
        return [(self.module, own), (own[own.index("--recipe") + 1], theirs)]

    @property
    def needs_real_data(self) -> bool:
        return any("shared/data" in word for word in self.words)

    def tiny(self) -> list[str]:
        """The same command on this interpreter, without its budgets, on as little data as it knows."""
        launcher = ["-m", "torch.distributed.run"] if self.words[0] == "torchrun" else []
        words = [sys.executable, *launcher, *without_budgets(self.words[1:])]
        if self.module == "speech_tl.data.synthesis":
            return [*words, "--size", "tiny"]
        if self.module == "speech_tl.training.grid":
            return [*words, *([] if "--" in words else ["--"]), "--tiny"]
        return [*words, "--tiny"] if self.module.startswith("recipes.") and "--tiny" not in words else words


def without_budgets(words: Sequence[str]) -> list[str]:
    return [
        word for before, word in zip(["", *words], words, strict=False) if word not in BUDGETS and before not in BUDGETS
    ]


def blocks(markdown: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL)


def lines(markdown: str) -> list[tuple[str, ...]]:
    """Every command line of the `sh` blocks as words, without comments and leading VARIABLE=value."""
    joined = "".join(blocks(markdown, "sh")).replace("\\\n", " ")
    words = (tuple(shlex.split(line, comments=True)) for line in joined.splitlines())
    stripped = (line[next((i for i, word in enumerate(line) if "=" not in word), 0) :] for line in words)
    return [line for line in stripped if line]


def recipe_of(target: str) -> list[tuple[str, ...]]:
    """What `make TARGET` would run of ours."""
    command = ["make", "-n", target]
    plan = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found = (re.search(r"python (-m (?:recipes|speech_tl)\..*)", line) for line in plan.stdout.splitlines())
    return [("python", *shlex.split(match[1])) for match in found if match]


def commands(markdown: str) -> list[Command]:
    found: list[tuple[str, ...]] = []
    for line in lines(markdown):
        found += recipe_of(line[1]) if line[0] == "make" else [line]
    return [Command(line) for line in found if line[0] in ("python", "torchrun") and "-m" in line]


def flags(arguments: Sequence[str]) -> set[str]:
    return {word.split("=")[0] for word in arguments if re.match(r"--?[a-z]", word)}


HELPS = """
import contextlib, io, json, runpy, sys
modules, helps = sys.argv[1:], {}
for module in modules:
    sys.argv, printed = [module, "--help"], io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    helps[module] = printed.getvalue()
print(json.dumps(helps))
"""


@functools.cache
def helps() -> dict[str, str]:
    """What every module of the README's commands prints on --help; one process asks them all."""
    modules = sorted({module for command in COMMANDS for module, _ in command.parts})
    words = [sys.executable, "-c", HELPS, *modules]
    done = subprocess.run(words, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    printed: dict[str, str] = json.loads(done.stdout)
    return printed


def mapped(drawing: str) -> set[str]:
    """The paths that a drawing names: `NAME/` opens a folder, what is indented below lies in it."""
    paths: set[str] = set()
    folders: list[tuple[int, str]] = []
    for line in drawing.splitlines():
        indent = len(line) - len(line.lstrip())
        while folders and folders[-1][0] >= indent:
            folders.pop()
        if opened := re.match(r"\s*([\w/]+)/(?:\s|$)", line):
            folders.append((indent, opened[1]))
        above = "/".join(name for _, name in folders)
        paths |= {f"{above}/{name}" for name in re.findall(r"(?<![\w./])[\w/]+\.py\b", line)}
    return paths


TEXT = README.read_text("utf-8") if README.is_file() else ""
COMMANDS = commands(TEXT)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the README's user stands; two folders of recordings and `talk.wav` are theirs, one language is new."""
    folder = tmp_path_factory.mktemp("readme")
    build(folder / "my_recordings", size="tiny")
    (folder / "my_recordings" / "synthesis.json").unlink()
    shutil.copytree(folder / "my_recordings", folder / "other_recordings")
    header, *rows = (folder / "other_recordings" / "metadata.csv").read_text("utf-8").splitlines()
    place = header.split(",").index("language")
    others = [cells for row in rows if (cells := row.split(","))[place] == "it"]
    kept = [",".join([*cells[:place], "co", *cells[place + 1 :]]) for cells in others]
    (folder / "other_recordings" / "metadata.csv").write_text("\n".join([header, *kept]) + "\n", "utf-8")
    shutil.copy(folder / "my_recordings" / "it-m4" / "000.wav", folder / "talk.wav")
    return folder


def test_the_readme_shows_the_two_commands_and_runs_something() -> None:
    shown = lines(TEXT)
    assert ("make", "demo") in shown
    assert ("make", "test") in shown
    assert COMMANDS


def test_every_line_is_one_this_test_understands() -> None:
    known = {"python", "torchrun", "make", "pip", "git", "cd", "export"}
    assert [shlex.join(line) for line in lines(TEXT) if line[0] not in known] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: shlex.join(command.words))
def test_every_module_and_flag_exists(command: Command) -> None:
    for module, arguments in command.parts:
        known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", helps()[module]))
        assert flags(arguments) <= known, f"not in the help of {module}: {flags(arguments) - known}"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: shlex.join(command.words))
def test_every_command_does_its_job(command: Command, workplace: Path) -> None:
    if command.needs_real_data:
        pytest.skip("on real recordings: only its flags are checked")
    done = subprocess.run(command.tiny(), cwd=workplace, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command.tiny())}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def test_the_map_names_every_file_and_no_other() -> None:
    maps = [block for block in blocks(TEXT, "text") if block.startswith("speech_tl/")]
    assert len(maps) == 1, "README.md needs one ```text block that begins with speech_tl/"
    files = {
        str(path.relative_to(REPOSITORY))
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
        if path.name != "__init__.py"
    }
    named = mapped(maps[0])
    assert sorted(files - named) == [], "missing in the map"
    assert sorted(path for path in named if not (REPOSITORY / path).is_file()) == [], "drawn but not there"


def test_a_command_is_read_and_made_small() -> None:
    markdown = "```sh\nOMP_NUM_THREADS=1 python -m recipes.a \\\n  --minutes 5 --out b  # why\n```\n"
    (command,) = commands(markdown)
    assert command.words == ("python", "-m", "recipes.a", "--minutes", "5", "--out", "b")
    assert command.tiny() == [sys.executable, "-m", "recipes.a", "--out", "b", "--tiny"]
    study = Command(("python", "-m", "speech_tl.training.grid", "--recipe", "recipes.a", "--", "--seed", "1"))
    assert [(module, flags(words)) for module, words in study.parts] == [
        ("speech_tl.training.grid", {"--recipe"}),
        ("recipes.a", {"--seed"}),
    ]
    ranks = Command(("torchrun", "--nproc-per-node", "2", "-m", "recipes.a"))
    assert ranks.parts == [("recipes.a", ())]
    assert shlex.join(ranks.tiny()[1:]) == "-m torch.distributed.run --nproc-per-node 2 -m recipes.a --tiny"


def test_a_map_is_read_by_its_indentation() -> None:
    drawing = """\
speech_tl/
  errors.py  what
  data/      readers
    audio.py  text.py (of each)
  metrics.py
recipes/     a.py · b.py
"""
    assert mapped(drawing) == {
        "speech_tl/errors.py",
        "speech_tl/data/audio.py",
        "speech_tl/data/text.py",
        "speech_tl/metrics.py",
        "recipes/a.py",
        "recipes/b.py",
    }
