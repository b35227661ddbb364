"""Regret over several runs, by hand."""

import json
from pathlib import Path

import pytest

from speech_tl.regrets import Config, main, regrets
from speech_tl.training.config import command


def rules(case: str, **chosen: tuple[float, float | None]) -> list[dict[str, object]]:
    return [{"case": case, "seed": 0, "rule": rule, "regret": regret, "harm": harm}
            for rule, (regret, harm) in chosen.items()]  # fmt: skip


def test_means_and_worst() -> None:
    runs = [rules("noise", entropy=(0.0, -3.0), density=(8.0, 2.0)), rules("band", entropy=(3.0, None))]
    first, second = regrets(runs)
    assert (first["rule"], first["runs"], first["mean_regret"], first["worst_regret"]) == ("entropy", 2, 1.5, 3.0)
    assert (first["best_chosen"], first["harmed"], first["regrets"]) == (1, 0, "noise 0: 0.0; band 0: 3.0")
    assert (second["rule"], second["runs"], second["harmed"]) == ("density", 1, 1)


def test_the_command_reads_what_runs_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"tables": {"rules": rules("noise", entropy=(1.0, -1.0))}}))
    assert command(main, Config, [str(tmp_path)]) == 0
    assert "entropy" in capsys.readouterr().out
    assert command(main, Config, [str(tmp_path / "none")]) == 2
    assert "holds no finished study of domains (FileNotFoundError" in capsys.readouterr().err
