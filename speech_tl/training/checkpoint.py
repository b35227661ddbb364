"""State on disk that survives a crash at any moment and explains itself.

One safetensors file holds a nested dict of tensors and JSON values (nothing is ever pickled or unpickled); it
is written aside, flushed to the disk and only then renamed, so that a reader finds the old state or the new
one.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from speech_tl.errors import InputError

FORMAT = "speech_tl state"
VERSION = 3
TENSOR = "<tensor>"


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a nested dict: string keys; every leaf a tensor or a JSON value."""
    tensors: dict[str, torch.Tensor] = {}
    skeleton = _take_out(state, "", tensors)
    metadata = {"format": FORMAT, "version": str(VERSION), "state": json.dumps(skeleton)}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    try:
        with aside.open("wb") as file:
            file.write(safetensors.torch.save(_unshared(tensors), metadata=metadata))
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    _flush(path.parent)


def load_state(path: Path) -> dict[str, Any]:
    """The nested dict that was saved, its tensors on the CPU."""
    if not path.is_file():
        raise InputError(f"no saved state at {path}; start without --resume, or give the folder of a run")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(f"{path} holds other tensors than a saved training state ({FORMAT!r})")
            if metadata["version"] != str(VERSION):
                raise InputError(
                    f"{path} has state version {metadata['version']}, this speech_tl reads version "
                    f"{VERSION}; continue it with the release that wrote it, or start a new run"
                )
            state: dict[str, Any] = _put_back(json.loads(metadata["state"]), file)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} is not a whole safetensors file ({error}); pickled checkpoints are never loaded; "
            "start the run again without --resume"
        ) from None
    return state


@contextlib.contextmanager
def replace_folder(folder: Path, *, along: Collection[str] = ()) -> Iterator[Path]:
    """Yields an empty sibling to write into; on success it becomes `folder`, on an error `folder` stays.

    The swap is two renames. If the process dies between them, the next `replace_folder` or `settle` finishes
    it.

    Args:
        along: files of the run that the folder belongs to, which are copied into it: a run that starts over changes
            them at once, and what it wrote before only with what replaces it.
    """
    _tidy(folder)
    new, old = _siblings(folder)
    new.mkdir(parents=True)
    try:
        yield new
        for name in along:
            file = _above(folder.parent, name) or folder / name  # which is all there is where a folder was copied
            if file.is_file():
                shutil.copyfile(file, new / name)
        for file in new.rglob("*"):
            _flush(file)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        _tidy(folder)
    _flush(folder.parent)


def beside(checkpoint: Path, name: str) -> Path | None:
    """A file of the run that a checkpoint belongs to: of RUN, RUN/systems/NAME, or the checkpoint in either.

    What went along with the checkpoint comes first.
    """
    own = checkpoint / "checkpoint" / name
    return own if own.is_file() else _above(checkpoint, name)


def settle(folder: Path) -> None:
    """Finish or undo what a `replace_folder` left that was killed between its renames: call it before reading."""
    new, old = _siblings(folder)
    if old.exists() and not folder.exists():
        (new if new.exists() else old).rename(folder)


def _above(folder: Path, name: str) -> Path | None:
    folder = folder.resolve()
    places = (place / name for place in (folder, *list(folder.parents)[:3]))
    return next((place for place in places if place.is_file()), None)


def _tidy(folder: Path) -> None:
    """Only who writes may: of what stands beside the folder, a reader cannot know whether somebody is writing it."""
    settle(folder)
    for leftover in _siblings(folder):
        if leftover.exists():
            shutil.rmtree(leftover)


def _siblings(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


def _flush(path: Path) -> None:
    """fsync of a file or a folder: a rename is on the disk only once its folder is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_out(value: Any, place: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The value with its tensors moved to `tensors`, under the path of its keys, and a mark in its place."""
    if isinstance(value, torch.Tensor):
        if place in tensors:
            raise ValueError(f"two tensors would be stored as {place!r}: a key may not imitate a path")
        tensors[place] = value.detach().cpu().contiguous()
        return {TENSOR: place}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"the keys at {place or 'the top'!r} must be strings, since JSON has no others")
        return {key: _take_out(item, f"{place}/{key}", tensors) for key, item in value.items()}
    return value


def _put_back(value: Any, tensors: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if TENSOR in value:
        return tensors.get_tensor(value[TENSOR])
    return {key: _put_back(item, tensors) for key, item in value.items()}


def _unshared(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tied weights get a copy each: safetensors refuses tensors that share memory."""
    seen: set[int] = set()
    for name, tensor in tensors.items():
        address = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if address in seen else tensor
        seen.add(address)
    return tensors
