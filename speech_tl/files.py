"""Text files that are whole or as they were: a full disk or a killed process leaves no half of one."""

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Written aside as UTF-8, then renamed; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
