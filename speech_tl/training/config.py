"""A frozen dataclass is the command line, the file beside the checkpoint and the fingerprint of a run.

Its fields are the flags, the docstring under each field is the help, and whatever a user gets wrong (a
misspelt flag, a value of the wrong type, a full disk) ends in one line `error: ...` and exit code 2.
"""

import contextlib
import dataclasses
import errno
import hashlib
import io
import itertools
import json
import os
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import tyro

from speech_tl import files
from speech_tl.errors import InputError, unknown_name

_MAY_CHANGE = {"resume", "device", "out"}
C = TypeVar("C")

USER_ERRNOS = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
}
"""What the system answers to a path that a user chose badly."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""No space left on the device, a quota used up, a limit on the size of a file."""


def command(main: Callable[[C], object], config_type: type[C], argv: Sequence[str] | None = None) -> int:
    """Parse, run, return the exit code: 0, 2 (the user's input), 130 (interrupted); other errors are ours."""
    try:
        main(parse(config_type, sys.argv[1:] if argv is None else argv, about=main))
        sys.stdout.flush()
    except InputError as error:
        return _refuse(str(error))
    except KeyboardInterrupt as interrupt:
        again = "; run again with --resume to continue" if "--resume" in _flags(config_type) else ""
        print(str(interrupt) or f"interrupted{again}", file=sys.stderr)
        return 130
    except UnicodeEncodeError as error:
        lost = error.object[error.start : error.end]
        return _refuse(f"the output's encoding, {error.encoding}, has no {lost!r}: set PYTHONIOENCODING=utf-8")
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever read our output has had enough
            _discard_output()
            return 0
        if error.errno in FULL:
            _discard_output()
            place = f" while writing {error.filename}" if error.filename else ""
            return _refuse(
                f"disk full{place} ({os.strerror(error.errno)}): free some space, then run again "
                "(with --resume after training began)"
            )
        if error.errno in USER_ERRNOS:
            return _refuse(f"{error.filename}: {error.strerror}; choose another path or change its permissions")
        raise
    except SystemExit as leaving:  # --help
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def parse(config_type: type[C], argv: Sequence[str], *, about: Callable[..., object] | None = None) -> C:
    """Flags over the values of `--config FILE` over the defaults; the help opens with `about`'s module."""
    argv, file = _take_config(list(argv))
    printed = io.StringIO()
    module = sys.modules[about.__module__] if about else None
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    try:
        with contextlib.redirect_stderr(printed):
            config: C
            config, strangers = tyro.cli(
                config_type,
                args=argv,
                prog=f"python -m {spec.name}" if spec else None,
                description=(module.__doc__ or "") if module else None,
                default=load(config_type, file) if file else tyro.MISSING_NONPROP,
                return_unknown_args=True,
            )
    except SystemExit as leaving:
        if leaving.code:
            raise InputError(_one_line(printed.getvalue())) from None
        raise
    if strangers:
        stranger = next((word for word in strangers if word.startswith("-")), strangers[0]).split("=")[0]
        raise unknown_name("flag" if stranger.startswith("-") else "argument", stranger, _flags(config_type))
    return config


def save(config: Any, path: Path) -> None:
    files.write(path, json.dumps(to_dict(config), indent=2, ensure_ascii=False) + "\n")


def begin(config: Any, run: Path, *, resume: bool, free: Collection[str] = ()) -> bool:
    """Puts the configuration into the folder of a run that begins, and says whether it does; a continued one has it.

    Of a run that was there before no state of training is left, which a later `resume` would take for this one's.

    Args:
        free: fields that may change when a run goes on, besides `resume`, `device` and `out`.

    Raises:
        InputError: another field differs, or what is there of the run is no configuration.
    """
    path = run / "config.json"
    if not (resume and path.exists()):
        for state in run.rglob("state.safetensors"):
            within = [folder for folder in state.parents if folder.is_relative_to(run) and folder != run]
            if not any((folder / "config.json").exists() for folder in within):  # else it is of a run inside this one
                state.unlink(missing_ok=True)
        save(config, path)
        return True
    before, now = _values(path), to_dict(config)
    changed = [
        name for name in before if name in now and name not in _MAY_CHANGE | {*free} and before[name] != now[name]
    ]
    if changed:
        told = "; ".join(f"--{name.replace('_', '-')} {before[name]}, now {now[name]}" for name in changed)
        raise InputError(f"the run in {run} began with {told}: resume it with the same, or start another elsewhere")
    return False


def load(config_type: type[C], path: Path) -> C:
    """A key that is not in the file takes its default; a key that is no field is refused."""
    return from_dict(config_type, _values(path), where=str(path))


def _values(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no configuration file {path}; a run keeps its own as config.json") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not JSON ({error}); expected a JSON object of flag values") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} holds a {type(values).__name__}; expected a JSON object of flag values")
    return values


def to_dict(config: Any) -> dict[str, Any]:
    """JSON values only: a path becomes a string, a tuple a list."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return values


def from_dict(config_type: type[C], values: Mapping[str, Any], *, where: str) -> C:
    kinds = typing.get_type_hints(config_type)
    fields = {field.name: field for field in dataclasses.fields(config_type)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise unknown_name("key", key, fields, where=where)
    for name, field in fields.items():
        if name not in values and field.default is field.default_factory is dataclasses.MISSING:
            raise InputError(f"{where} lacks {name!r}, which has no default; add it")
    return config_type(**{key: _restore(kinds[key], values[key], key, where) for key in values})


def fingerprint(config: Any) -> str:
    """16 hex digits that change when any value does; takes a config or JSON values."""
    values = to_dict(config) if dataclasses.is_dataclass(config) else config
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _restore(kind: Any, value: Any, key: str, where: str) -> Any:
    """The JSON value as the field's type."""
    origin, choices = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        for choice in choices:
            with contextlib.suppress(InputError):
                return _restore(choice, value, key, where)
    elif origin is Literal and value in choices:
        return value
    elif origin is tuple and isinstance(value, list):
        inner = choices[:1] * len(value) if choices[-1] is Ellipsis else choices
        if len(inner) == len(value):
            return tuple(_restore(each, item, key, where) for each, item in zip(inner, value, strict=True))
    elif kind is types.NoneType and value is None:
        return None
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif kind in (int, str, bool) and type(value) is kind:
        return value
    expected = kind.__name__ if isinstance(kind, type) and not choices else str(kind).replace("typing.", "")
    raise InputError(f"{key!r} in {where} is {json.dumps(value)}; expected {expected}")


def _take_config(argv: list[str]) -> tuple[list[str], Path | None]:
    """Takes `--config FILE` (or `--config=FILE`) out of the arguments."""
    for at, word in enumerate(argv):
        if word == "--config":
            if at + 1 == len(argv):
                raise InputError("--config needs a file: a JSON of flag values, such as a run's config.json")
            return argv[:at] + argv[at + 2 :], Path(argv[at + 1])
        if word.startswith("--config="):
            return argv[:at] + argv[at + 1 :], Path(word.removeprefix("--config="))
    return argv, None


def _flags(config_type: type[Any]) -> list[str]:
    """Every flag under the name that it has on the command line."""
    names = ["config", "help"]
    for name, kind in typing.get_type_hints(config_type, include_extras=True).items():
        said = getattr(kind, "__metadata__", ())  # of tyro: a name of its own, or that it is no flag
        if tyro.conf.Positional not in said:
            names.append(next((own for each in said if (own := getattr(each, "name", None))), name))
    return [f"--{name.replace('_', '-')}" for name in names]


def _one_line(panel: str) -> str:
    """What tyro draws in a box, as a sentence: its first paragraph.

    The title is part of the frame where standard output is UTF-8, and a paragraph of its own where it is not.
    """
    lines = [line.strip("│ ") for line in panel.splitlines() if not line.startswith(("╭", "╰"))]
    paragraphs = [
        " ".join(text) for real, text in itertools.groupby(lines, lambda line: bool(line.strip("─-"))) if real
    ]
    message = paragraphs[0 if panel.startswith("╭") else 1 :][:1]
    if not message:
        return "the command line was not understood; see --help"
    return message[0].removeprefix("Error parsing ").removeprefix("Config: ")  # what a configuration says of itself


def _discard_output() -> None:
    """What could not be written would be tried again, and fail again, when Python leaves."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        return
    with contextlib.suppress(OSError):  # no file behind it
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _refuse(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
