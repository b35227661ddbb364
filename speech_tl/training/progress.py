"""What a training run tells a person: a bar on a terminal, plain lines elsewhere, curves in TensorBoard.

Every line also goes to `log.txt` in the run's folder. Only the main process of several has one of these.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Reporter:
    """Lines, bar and curves of one run; quiet unless it `speaks`."""

    def __init__(self, out: Path, *, speaks: bool) -> None:
        self.out = out
        self.speaks = speaks
        self._console = Console()
        self._bar: Progress | None = None
        self._curves: Any = None

    def __enter__(self) -> Self:
        if not self.speaks:
            return self
        self.out.mkdir(parents=True, exist_ok=True)
        self._log = (self.out / "log.txt").open("a", encoding="utf-8", buffering=1)
        if self._console.is_terminal:
            columns = (
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
            )
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("training", total=None)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        if self._curves:
            self._curves.close()
        if self.speaks:
            self._log.close()

    def open_curves(self, *, after: int) -> None:
        """TensorBoard's; what a run that was killed had drawn after that step is drawn again."""
        if not self.speaks:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say("tensorboard is not installed: no curves are written")
        else:
            self._curves = SummaryWriter(str(self.out / "tensorboard"), purge_step=after + 1)

    def say(self, line: str) -> None:
        if not self.speaks:
            return
        self._log.write(line + "\n")
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stdout, flush=True)

    def advance(self, step: int, total: int | None) -> None:
        if self._bar:
            self._bar.update(self._task, completed=step, total=total)

    def losses(self, row: Mapping[str, float], total: int | None) -> None:
        """One logged row: `step`, `loss`, the named terms, `rate`, `norm`."""
        terms = {name: value for name, value in row.items() if name not in ("step", "loss", "rate", "norm")}
        parts = " ".join(f"{name} {value:.4g}" for name, value in terms.items()) if len(terms) > 1 else ""
        line = f"step {int(row['step'])}/{total or '?'}  loss {row['loss']:.4f}  {parts}  rate {row['rate']:.2e}"
        line = "  ".join(line.split("    "))
        if self._bar:
            self._bar.update(self._task, description=f"loss {row['loss']:.4f}")
            self._log.write(line + "\n")
        else:
            self.say(line)
        self.scalars("train", row)

    def scalars(self, section: str, row: Mapping[str, float]) -> None:
        if self._curves:
            for name, value in row.items():
                if name != "step":
                    self._curves.add_scalar(f"{section}/{name}", value, int(row["step"]))
