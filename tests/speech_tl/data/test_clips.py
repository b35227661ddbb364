"""Decoded once, kept once: the same samples from memory, from the cache, and without a decoder."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speech_tl.data.clips import Clips
from speech_tl.data.manifest import Utterance
from speech_tl.errors import InputError


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    """Three parts of one file whose n-th sample is n / 32768."""
    soundfile.write(tmp_path / "ramp.wav", np.arange(100, dtype=np.int16), 10)
    spans = [(0.0, 0.3), (5.0, 5.2), (9.0, None)]
    return [Utterance(str(tmp_path / "ramp.wav"), "x", "eng", "s", a, b, where="m.csv, row 2") for a, b in spans]


def test_samples_are_exact(utterances: list[Utterance]) -> None:
    clips = Clips(utterances, 10)
    assert clips.lengths == [3, 2, 10]
    assert (clips[1] * 32768).tolist() == [50, 51]
    assert (clips[-1] * 32768).tolist() == list(range(90, 100))
    assert clips[0].dtype == torch.float32
    assert clips.hours == 15 / 10 / 3600


def test_a_bad_file_is_named_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("not audio")
    bad = Utterance(str(tmp_path / "bad.wav"), "x", "eng", "s", where="metadata.csv, row 7")
    with pytest.raises(InputError, match=r"metadata\.csv, row 7: .*bad\.wav: not audio"):
        Clips([bad], 16000)


def test_full_scale_does_not_wrap(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", np.array([1.0, -1.0]), 10, subtype="FLOAT")
    clip = Clips([Utterance(str(tmp_path / "loud.wav"), "x", "eng", "s")], 10)[0]
    assert clip.tolist() == [32767 / 32768, -1.0]


def test_long_jobs_say_how_far_they_are(
    utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter(range(0, 100000, 11))
    monkeypatch.setattr("speech_tl.data.clips.time.monotonic", lambda: next(seconds))
    Clips(utterances, 10)
    assert "decoding audio: 1 of 3 clips" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_five_hours_are_not_held_twice(tmp_path: Path, tone: Callable[..., Path]) -> None:
    """30 minutes in a process of its own: memory grows by about the samples (58 MB), not twice that."""
    tone(tmp_path / "m.wav", seconds=60.0)
    program = (
        "import re, sys\n"
        "from speech_tl.data.clips import Clips\n"
        "from speech_tl.data.manifest import Utterance\n"
        "u = [Utterance(sys.argv[1], 'x', 'eng', 's', name=str(i)) for i in range(30)]\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "Clips(u[:1], 16000); a = peak()\n"
        "c = Clips(u, 16000); b = peak()\n"
        "print((b - a) * 1024 / (2 * sum(c.lengths)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m.wav")], capture_output=True, text=True, check=True
    )
    assert 0.8 < float(told.stdout) < 1.5
