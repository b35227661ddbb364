"""A split as it is stored with a run: JSON that names recordings, readable by people and by the next run.

`{"format": 1, "languages": {LANGUAGE: {"train": [KEY, ...], "valid": [...], "test": [...]}}}`; of `sentences` that were
learned it has the digests, by which another corpus that has them is told; what else (kind, task, note) is for the
reader.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speech_tl import files
from speech_tl.errors import InputError, unknown_name

FORMAT = 1
PARTS = ("train", "valid", "test")


def write(path: str | Path, languages: Mapping[str, Mapping[str, Any]]) -> None:
    whole = {"format": FORMAT, "languages": languages}
    files.write(Path(path), json.dumps(whole, ensure_ascii=False, indent=1))


def read(path: Path, language: str) -> tuple[list[str], list[str], list[str]]:
    """The keys of a language's three parts, each recording in one part only."""
    found = stored(path)
    if language not in found:
        raise unknown_name("language", language, found, where=str(path))
    try:
        train, valid, test = ([str(key) for key in found[language][part]] for part in PARTS)
    except (KeyError, TypeError) as error:
        raise _no_split(path, error) from None
    if twice := [key for key, count in Counter([*train, *valid, *test]).items() if count > 1]:
        raise InputError(f"{path}: {len(twice)} recordings of {language} are named twice: {', '.join(twice[:3])}")
    return train, valid, test


def stored(path: Path) -> dict[str, Any]:
    """Language -> its parts, as they are in the file."""
    try:
        whole: Any = json.loads(path.read_text(encoding="utf-8"))
        version, found = whole["format"], whole["languages"]
        if version != FORMAT:
            raise InputError(f"{path}: split file of format {version}, expected {FORMAT}; make the split again")
        return {str(language): found[language] for language in found}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise _no_split(path, error) from None


def _no_split(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: not a split file ({type(error).__name__}: {error}); expected "
        '{"format": 1, "languages": {LANGUAGE: {"train": [KEY, ...], "valid": [...], "test": [...]}}}'
    )
