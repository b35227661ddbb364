"""The comparison in seconds where SpeechBrain is installed; one helpful line where it is not."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recipes import against_speechbrain
from speech_tl.training.config import command

REPOSITORY = Path(__file__).parent.parent.parent


def test_without_speechbrain_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "speechbrain", None)  # importing it fails, installed or not
    assert command(against_speechbrain.main, against_speechbrain.Config, ["--data", "nowhere"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: SpeechBrain cannot be imported")
    assert said.endswith("pip install 'speechbrain>=1.1,<1.2'")
    assert "\n" not in said


@pytest.mark.skipif(
    importlib.util.find_spec("speechbrain") is None,
    reason="SpeechBrain is not installed: pip install 'speechbrain>=1.1,<1.2'",
)
def test_both_systems_learn_for_the_same_seconds(tiny_speech: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(tiny_speech), "--language", "fi", "--seconds", "2", "--out", str(tmp_path)]
    subprocess.run(
        [sys.executable, "-m", "recipes.against_speechbrain", *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    ours, theirs = json.loads((tmp_path / "metrics.json").read_text())["tables"]["comparison"]
    assert (ours["system"], theirs["system"]) == ("speech_tl", "speechbrain")
    for row in (ours, theirs):
        assert row["utterances_per_cpu_second"] * row["cpu_seconds"] == pytest.approx(row["utterances_seen"])
        assert 0 <= row["utterance_error_low"] <= row["utterance_error"] <= row["utterance_error_high"] <= 100
    assert theirs["cpu_seconds"] >= ours["cpu_seconds"]
