"""Files that are whole or as they were: a full disk or a killed process leaves no half of one."""

import os
from pathlib import Path

from speech_tl.errors import InputError


def at_home(path: str | Path) -> Path:
    """With ~ and ~NAME as the folders they stand for.

    Raises:
        InputError: nobody has that name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{path}: no such user's home; write the folder out") from None


def write(path: Path, content: str | bytes) -> None:
    """Written aside, text as UTF-8, then renamed; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
