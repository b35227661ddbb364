"""A saved state is read back exactly, or refused in one line; a folder is replaced whole or not at all."""

import errno
import json
import math
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from speech_tl.errors import InputError
from speech_tl.training import checkpoint
from speech_tl.training.checkpoint import load_state, replace_folder, save_state, settle


def test_a_nested_state_comes_back(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "model": {"weight": torch.arange(6.0).reshape(2, 3).T, "count": torch.tensor(3)},
        "half": torch.ones(2, dtype=torch.bfloat16),
        "empty": torch.zeros(0, 4),
        "best": math.inf,
        "third": 1 / 3,
        "history": [{"step": 1, "loss": None}],
        "nothing": {},
    }
    save_state(tmp_path / "run" / "state.safetensors", state)
    loaded = load_state(tmp_path / "run" / "state.safetensors")
    assert torch.equal(loaded["model"]["weight"], state["model"]["weight"])
    assert loaded["model"]["count"].dtype == torch.int64
    assert loaded["half"].dtype == torch.bfloat16
    assert loaded["empty"].shape == (0, 4)
    for name in ("best", "third", "history", "nothing"):
        assert loaded[name] == state[name]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["state.safetensors"]


def test_tied_weights_are_stored_twice(tmp_path: Path) -> None:
    model = nn.ModuleDict({"embed": nn.Linear(3, 3), "out": nn.Linear(3, 3)})
    model["out"].weight = model["embed"].weight
    save_state(tmp_path / "state", model.state_dict())
    loaded = load_state(tmp_path / "state")
    assert torch.equal(loaded["out.weight"], loaded["embed.weight"])


def test_keys_are_strings_and_no_paths(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="must be strings"):
        save_state(tmp_path / "state", {"optimizer": {0: torch.ones(1)}})
    with pytest.raises(ValueError, match="may not imitate a path"):
        save_state(tmp_path / "state", {"a": {"b": torch.ones(1)}, "a/b": torch.ones(1)})


def test_a_failed_write_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    save_state(path, {"step": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("speech_tl.training.checkpoint.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_state(path, {"step": 2})
    assert load_state(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    with pytest.raises(InputError, match=r"no saved state at .*state.safetensors; start without --resume"):
        load_state(path)
    path.write_bytes(pickle.dumps({"weight": [1, 2]}))
    with pytest.raises(InputError, match=r"not a whole safetensors file .* pickled checkpoints are never loaded"):
        load_state(path)
    save_state(path, {"weight": torch.arange(1000.0)})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_state(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_state(path)
    safetensors.torch.save_file({"weight": torch.ones(1)}, path)
    with pytest.raises(InputError, match="holds other tensors than a saved training state"):
        load_state(path)
    metadata = {"format": checkpoint.FORMAT, "version": "7", "state": json.dumps({})}
    safetensors.torch.save_file({"weight": torch.ones(1)}, path, metadata=metadata)
    with pytest.raises(InputError, match="state version 7, this speech_tl reads version 3"):
        load_state(path)


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    for content in ("first", "second"):
        with replace_folder(folder) as new:
            (new / content).write_text(content)
        assert [path.name for path in folder.iterdir()] == [content]
    with pytest.raises(UnicodeEncodeError, match="ordinal not in range"), replace_folder(folder) as new:
        (new / "third").write_text("third half ş", encoding="ascii")
    assert [path.name for path in folder.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [folder]


def test_what_a_folder_was_made_with_stays_with_it(tmp_path: Path) -> None:
    """A run that starts over says at once who it trains on; its old checkpoint goes on saying who that was before."""
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    (run / "systems").mkdir(parents=True)
    (run / "splits.json").write_text("first")
    for folder in (run / "checkpoint", run / "systems" / "checkpoint"):
        with replace_folder(folder, along=("splits.json", "nowhere.json")):
            pass
        assert [path.name for path in folder.iterdir()] == ["splits.json"]
    (run / "splits.json").write_text("second")
    shutil.copytree(run / "checkpoint", elsewhere)
    for asked in (run, run / "checkpoint", run / "systems", elsewhere):
        file = checkpoint.beside(asked, "splits.json")
        assert file is not None and file.read_text() == "first"
    with replace_folder(run / "checkpoint", along=("splits.json",)):
        pass
    assert (run / "checkpoint" / "splits.json").read_text() == "second"
    with replace_folder(elsewhere, along=("splits.json",)):
        pass
    assert (elsewhere / "splits.json").read_text() == "first", "no run is left to ask"


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ({"checkpoint": "old", ".checkpoint.new": "half"}, "old"),  # killed while writing
        ({".checkpoint.old": "old", ".checkpoint.new": "whole"}, "whole"),  # killed between the renames
        ({"checkpoint": "whole", ".checkpoint.old": "old"}, "whole"),  # killed before cleaning up
    ],
)
def test_a_killed_replacement_is_settled(tmp_path: Path, left: dict[str, str], expected: str) -> None:
    for name, content in left.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(content)
    settle(tmp_path / "checkpoint")
    assert (tmp_path / "checkpoint" / "weights").read_text() == expected
    if ".checkpoint.new" in left and "checkpoint" in left:
        assert (tmp_path / ".checkpoint.new").exists(), "somebody may be writing it, and this is a reader"
    with replace_folder(tmp_path / "checkpoint") as new:
        (new / "weights").write_text("next")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"], "who writes has tidied up"
