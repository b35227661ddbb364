"""Recipes as real processes: killed and resumed, and on two ranks, they compute the same losses."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from speech_tl.training.checkpoint import load_state

RECIPES = {
    "asr_multilingual": ["--languages", "sw", "--monolingual", "sw", "--data"],
    "nmt_zero_shot": ["--languages", "de", "ja", "--denoise", "0.5", "--align", "0.1"],
}
NOT_RANDOM = {  # within an update, where the ranks draw what is their own, or compare the rows they have
    "asr_multilingual": ["--augment-after", "1"],
    "nmt_zero_shot": ["--dropout", "0", "--attention-dropout", "0", "--align", "0"],
}
REPOSITORY = Path(__file__).parent.parent.parent


def start(recipe: str, speech: Path, out: Path, *more: str, ranks: int = 0) -> "subprocess.Popen[str]":
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks else []
    own = [*RECIPES[recipe], str(speech)] if RECIPES[recipe][-1] == "--data" else RECIPES[recipe]
    command = [sys.executable, *launcher, "-m", f"recipes.{recipe}", "--tiny", "--device", "cpu", *own]
    command += ["--out", str(out), *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        command,
        env=environment,
        text=True,
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def history(run: Path) -> dict[str, Any]:
    file = run / "state.safetensors"
    found: dict[str, Any] = load_state(file)["history"] if file.exists() else {"steps": 0, "losses": []}
    return found


def wait_for(process: "subprocess.Popen[str]", run: Path, *, steps: int) -> None:
    """Until the main model has taken so many updates; then the process, which would go on to the rest, is killed."""
    deadline = time.monotonic() + 240
    while history(run)["steps"] < steps and time.monotonic() < deadline:
        assert process.poll() in (None, 0), process.communicate()[1][-3000:]
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert history(run)["steps"] >= steps


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in history(run)["losses"]]


@pytest.mark.parametrize("recipe", RECIPES)
def test_kill_and_resume_gives_the_uninterrupted_losses(recipe: str, tiny_speech: Path, tmp_path: Path) -> None:
    flags = ("--steps", "80", "--validate-every", "10")
    whole = start(recipe, tiny_speech, tmp_path / "whole", *flags)
    cut = start(recipe, tiny_speech, tmp_path / "cut", *flags)
    wait_for(cut, tmp_path / "cut", steps=10)
    assert history(tmp_path / "cut")["steps"] < 80, "killed in mid-training"
    wait_for(start(recipe, tiny_speech, tmp_path / "cut", *flags, "--resume"), tmp_path / "cut", steps=80)
    wait_for(whole, tmp_path / "whole", steps=80)
    assert losses(tmp_path / "cut") == pytest.approx(losses(tmp_path / "whole"), abs=1e-6)


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_ranks_give_the_losses_of_one(recipe: str, tiny_speech: Path, tmp_path: Path) -> None:
    flags = ("--steps", "40", *NOT_RANDOM[recipe])
    one = start(recipe, tiny_speech, tmp_path / "one", *flags)
    two = start(recipe, tiny_speech, tmp_path / "two", *flags, ranks=2)
    wait_for(one, tmp_path / "one", steps=40)
    wait_for(two, tmp_path / "two", steps=40)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-4)
