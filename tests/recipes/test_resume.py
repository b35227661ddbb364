"""The main recipe as real processes: killed and resumed, and on two ranks, it computes the same losses."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speech_tl.training.checkpoint import load_state

RECIPE = ["-m", "recipes.asr_multilingual", "--tiny", "--languages", "sw", "--device", "cpu", "--monolingual", "sw"]
REPOSITORY = Path(__file__).parent.parent.parent


def start(speech: Path, out: Path, *more: str, ranks: int = 0) -> "subprocess.Popen[str]":
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks else []
    command = [sys.executable, *launcher, *RECIPE, "--data", str(speech), "--out", str(out), *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        command, env=environment, text=True, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(process: "subprocess.Popen[str]") -> None:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-3000:]


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in load_state(run / "state.safetensors")["history"]["losses"]]


def test_kill_and_resume_gives_the_uninterrupted_losses(tiny_speech: Path, tmp_path: Path) -> None:
    flags = ("--steps", "120", "--validate-every", "10")
    whole = start(tiny_speech, tmp_path / "whole", *flags)
    cut = start(tiny_speech, tmp_path / "cut", *flags)
    state, deadline = tmp_path / "cut" / "state.safetensors", time.monotonic() + 200
    while not state.exists() and time.monotonic() < deadline and cut.poll() is None:
        time.sleep(0.02)
    cut.send_signal(signal.SIGKILL)
    cut.communicate()
    assert cut.returncode == -signal.SIGKILL
    assert 10 <= load_state(state)["history"]["steps"] < 120, "killed in mid-training"
    finish(start(tiny_speech, tmp_path / "cut", *flags, "--resume"))
    finish(whole)
    assert losses(tmp_path / "cut") == pytest.approx(losses(tmp_path / "whole"), abs=1e-6)


def test_two_ranks_give_the_losses_of_one(tiny_speech: Path, tmp_path: Path) -> None:
    flags = ("--steps", "40", "--no-augment")  # the ranks draw their own augmentation
    one, two = start(tiny_speech, tmp_path / "one", *flags), start(tiny_speech, tmp_path / "two", *flags, ranks=2)
    finish(one)
    finish(two)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-4)
