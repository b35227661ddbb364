"""The command line and the file say the same, and a mistake is one line and exit code 2."""

import errno
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from speech_tl.errors import InputError
from speech_tl.training.config import begin, command, fingerprint, load, parse, save, to_dict


@dataclass(frozen=True)
class Config:
    """What to train."""

    data: tuple[str, ...] = ()
    """Folders."""
    minutes: float | None = None
    """CPU-minutes."""
    encoder: Literal["tiny", "small"] = "small"
    """Size of the model."""
    out: Path | None = None
    """Folder of the run."""
    tiny: bool = False
    """A run of seconds."""
    batch_items: int = 8
    """Utterances per batch."""


def test_flags() -> None:
    argv = ["--data", "a", "b", "--minutes", "5", "--encoder", "tiny", "--tiny", "--batch-items", "4"]
    assert parse(Config, argv) == Config(("a", "b"), 5.0, "tiny", None, True, 4)
    argv = ["--minutes=2", "--batch_items", "-1", "--out", "runs/x"]
    assert parse(Config, argv) == Config(minutes=2.0, batch_items=-1, out=Path("runs/x"))
    assert parse(Config, []) == Config()


def test_a_file_is_below_the_flags(tmp_path: Path) -> None:
    config = Config(data=("a", "b"), minutes=5, out=tmp_path, tiny=True)
    save(config, tmp_path / "run" / "config.json")
    assert load(Config, tmp_path / "run" / "config.json") == config
    argv = ["--batch-items", "2", "--config", str(tmp_path / "run" / "config.json"), "--no-tiny"]
    assert parse(Config, argv) == replace(config, batch_items=2, tiny=False)
    (tmp_path / "part.json").write_text('{"minutes": 3}')
    assert parse(Config, [f"--config={tmp_path / 'part.json'}"]) == Config(minutes=3.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"minuts": 1}, "unknown key 'minuts' in .*c.json; did you mean 'minutes'"),
        ({"minutes": "long"}, "'minutes' in .*c.json is \"long\"; expected float | None"),
        ({"encoder": "huge"}, "'encoder' in .*c.json is \"huge\"; expected Literal"),
        ({"data": "a"}, "'data' in .*c.json is \"a\"; expected tuple"),
        ({"data": [1]}, "'data' in .*c.json is 1; expected str"),
        ({"tiny": 1}, "'tiny' in .*c.json is 1; expected bool"),
        ({"batch_items": True}, "'batch_items' in .*c.json is true; expected int"),
        ([1], "c.json holds a list; expected a JSON object"),
        (None, "c.json is not JSON"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, content: object, message: str) -> None:
    (tmp_path / "c.json").write_text("{'minutes'" if content is None else json.dumps(content))
    with pytest.raises(InputError, match=message):
        load(Config, tmp_path / "c.json")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_terminal_does_not_matter(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    with pytest.raises(InputError, match=r"^--batch-items: invalid literal .*: 'x'$"):
        parse(Config, ["--batch-items", "x"])


def test_a_required_field(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Required:
        out: Path

    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(InputError, match="lacks 'out', which has no default"):
        load(Required, tmp_path / "c.json")
    with pytest.raises(InputError, match="--out PATH"):
        parse(Required, [])


@dataclass(frozen=True)
class Asked:
    rate: float = 0.1
    device: str = "auto"
    beam: int = 1


def test_a_run_goes_on_as_it_began(tmp_path: Path) -> None:
    """Where it runs and what is asked of it may change, how it is trained may not; a run that starts over may all."""
    assert begin(Asked(), tmp_path, resume=True, free=["beam"]), "nothing was there"
    assert not begin(Asked(device="cpu", beam=5), tmp_path, resume=True, free=["beam"])
    with pytest.raises(InputError, match=r"began with --rate 0\.1, now 0\.2; --beam 1, now 5: resume it with the same"):
        begin(Asked(rate=0.2, beam=5), tmp_path, resume=True)
    assert begin(Asked(rate=0.2), tmp_path, resume=False)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json is not JSON"):
        begin(Asked(), tmp_path, resume=True)


def test_a_run_that_begins_finds_no_state_of_another(tmp_path: Path) -> None:
    """Neither its own nor that of a later stage; a run of its own inside the folder keeps its state."""
    for place in (".", "systems/plain", "voice/adaptations/head"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "state.safetensors").touch()
    (tmp_path / "voice" / "config.json").touch()
    begin(Asked(), tmp_path, resume=False)
    assert [str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob("state.safetensors")] == [
        "voice/adaptations/head"
    ]


def test_fingerprint() -> None:
    assert fingerprint(Config()) == fingerprint(Config()) == fingerprint(to_dict(Config()))
    assert len({fingerprint(Config()), fingerprint(Config(tiny=True)), fingerprint(Config(minutes=1))}) == 3
    assert len(fingerprint(Config())) == 16
    assert int(fingerprint(Config()), 16) >= 0


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--minuts", "3"], "error: unknown flag '--minuts'; did you mean '--minutes'?"),
        (["--minuts=3"], "error: unknown flag '--minuts'; did you mean '--minutes'?"),
        (
            ["--minutes", "x"],
            "error: --minutes: no type matching {None}|FLOAT could be instantiated from ['x'].",
        ),
        (["--minutes"], "error: Missing value for argument '--minutes'. Expected 1 values."),
        (["--batch-items", "2.5"], "error: --batch-items: invalid literal for int() with base 10: '2.5'"),
        (
            ["--encoder", "huge"],
            "error: invalid choice 'huge' for argument '--encoder'. Expected one of ('tiny', ",
        ),
        (["extra"], "error: unknown argument 'extra'"),
        (["--config"], "error: --config needs a file"),
        (["--config", "nowhere.json"], "error: no configuration file nowhere.json"),
    ],
)
def test_a_wrong_command_line(argv: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    def main(config: Config) -> None:
        pytest.fail("must not run")

    assert command(main, Config, argv) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(line)
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (InputError("unknown language 'bm'"), 2, "error: unknown language 'bm'\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (KeyboardInterrupt("stopped after step 4"), 130, "stopped after step 4\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            2,
            "error: disk full while writing runs/x",
        ),
        (OSError(errno.EACCES, "Permission denied", "/locked/x"), 2, "error: /locked/x: Permission denied"),
    ],
)
def test_how_a_command_ends(raised: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    def main(config: Config) -> None:
        raise raised

    assert command(main, Config, []) == code
    assert capsys.readouterr().err.startswith(line)


def test_who_can_go_on_is_told_how(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass(frozen=True)
    class Long(Config):
        resume: bool = False

    def main(config: Long) -> None:
        raise KeyboardInterrupt

    assert command(main, Long, []) == 130
    assert capsys.readouterr().err == "interrupted; run again with --resume to continue\n"


def test_our_own_errors_stay_errors() -> None:
    def main(config: Config) -> None:
        raise FileNotFoundError("a file of ours")

    with pytest.raises(FileNotFoundError, match="a file of ours"):
        command(main, Config, [])


def test_help_shows_the_docstrings(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(lambda config: None, Config, ["--help"]) == 0
    printed = capsys.readouterr().out
    assert "CPU-minutes." in printed
    assert "--batch-items INT" in printed
    assert "exit code 2" in printed  # the module of the command opens the help
