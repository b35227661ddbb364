"""Plain lines without a terminal, a bar on one, `log.txt` always, silence on other ranks."""

from pathlib import Path

import pytest

from speech_tl.training.progress import Reporter

ROW = {"step": 4.0, "loss": 1.5, "ctc": 1.25, "l2_sp": 0.25, "rate": 1e-3, "norm": 2.0}
LINE = "step 4/9  loss 1.5000  ctc 1.25 l2_sp 0.25  rate 1.00e-03\n"


def report(out: Path, *, speaks: bool) -> None:
    with Reporter(out, speaks=speaks) as reporter:
        reporter.advance(4, 9)
        reporter.losses(ROW, 9)
        reporter.say("step 4 skipped [not markup]")


def test_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(tmp_path, speaks=True)
    assert capsys.readouterr().out == LINE + "step 4 skipped [not markup]\n"
    assert (tmp_path / "log.txt").read_text() == LINE + "step 4 skipped [not markup]\n"


def test_a_bar_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    report(tmp_path, speaks=True)
    printed = capsys.readouterr().out
    assert "4/9" in printed
    assert "step 4 skipped [not markup]" in printed
    assert "ctc" not in printed
    assert (tmp_path / "log.txt").read_text() == LINE + "step 4 skipped [not markup]\n"


def test_other_ranks_are_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(tmp_path / "run", speaks=False)
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "run").exists()
