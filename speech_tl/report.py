"""What a run leaves for its reader: `metrics.json` for programs and one `report.html` for people.

The page is a single file that asks nothing of the network: tables, and figures drawn by matplotlib as SVG
whose ink is the page's text colour, so it reads in light and in dark and on a phone. Nothing here knows audio
or words: a figure is a function that draws on a matplotlib figure, or a finished SVG.
"""

import html
import io
import json
import math
import re
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from speech_tl import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Row: TypeAlias = Mapping[str, Any]
Draw: TypeAlias = Callable[["Canvas"], None]

INK = "#010203"
"""Drawn in this colour, shown in the page's own text colour."""
COLOURS = ("#3b82f6", "#f97316", "#10b981", "#d946ef", "#eab308", "#64748b", "#ef4444")
"""Readable on white and on near-black, and apart for colour-blind eyes in this order."""


@dataclass(frozen=True)
class Figure:
    title: str
    caption: str
    draw: Draw | str
    """A function that draws, or a finished SVG."""


@dataclass(frozen=True)
class Listing:
    """A table for the page only, such as the worst utterances."""

    title: str
    caption: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Report:
    recipe: str
    command: str
    """The command line that was run."""
    seed: int | Sequence[int]
    """Or several, of a run for each."""
    device: str
    seconds: float
    tables: Mapping[str, Sequence[Row]]
    """Rows of plain values; errors, accuracies and rates in percent."""
    sections: tuple[Figure | Listing, ...] = ()
    """Shown after the tables, in order."""
    captions: Mapping[str, str] = field(default_factory=dict)
    """What a table shows, by its name."""
    notes: tuple[str, ...] = ()
    """Sentences above the tables: how the data were split, what is not claimed."""

    def metrics(self) -> dict[str, Any]:
        """JSON values; what is not a finite number is null."""
        tables = {name: [_plain(row) for row in rows] for name, rows in self.tables.items()}
        head = {"recipe": self.recipe, "command": self.command, "seed": self.seed, "device": self.device}
        return {**head, "seconds": self.seconds, "tables": tables}


def write(report: Report, run: Path) -> None:
    """Leaves `metrics.json` and `report.html` in the folder of a run; each file is whole or as it was."""
    metrics = json.dumps(report.metrics(), indent=1, ensure_ascii=False, allow_nan=False)
    files.write(run / "metrics.json", metrics + "\n")
    files.write(run / "report.html", page(report))


def finish(
    recipe: str,
    run: Path,
    *,
    seed: int | Sequence[int],
    device: str,
    began: float,
    tables: Mapping[str, Sequence[Row]],
    captions: Mapping[str, str],
    shown: Sequence[str],
    sections: tuple[Figure | Listing, ...] = (),
    notes: tuple[str, ...] = (),
) -> Report:
    """The end of a recipe: its report in the folder of the run, and some of its tables on standard output.

    Args:
        recipe: its name, of the module `recipes.NAME` that was called with this process's arguments.
        began: of `time.monotonic`.
        captions: what each table shows, and perhaps others.
        shown: names of tables to print.

    Raises:
        ValueError: a table that no caption explains.
    """
    if bare := tables.keys() - captions.keys():
        raise ValueError(f"no caption says what {', '.join(sorted(bare))} show")
    line = shlex.join(["python", "-m", f"recipes.{recipe}", *sys.argv[1:]])
    report = Report(recipe, line, seed, device, time.monotonic() - began, tables, sections, captions, notes)
    write(report, run)
    print(*(text(tables[name]) for name in shown), sep="\n\n")
    print(f"report: {run / 'report.html'}", file=sys.stderr)
    return report


def page(report: Report) -> str:
    """The whole of `report.html`."""
    e = html.escape
    parts = [f"<h1>{e(report.recipe)}</h1>", f"<pre>{e(report.command)}</pre>"]
    seeds = f"Seed {report.seed}" if isinstance(report.seed, int) else f"Seeds {', '.join(map(str, report.seed))}"
    parts.append(f"<p>{seeds}, {e(report.device)}, {_duration(report.seconds)}.</p>")
    parts += [f"<p>{e(note)}</p>" for note in report.notes]
    for name, rows in report.tables.items():
        parts += [
            f"<h2>{e(name.replace('_', ' ').capitalize())}</h2>",
            f"<p>{e(report.captions.get(name, ''))}</p>",
        ]
        parts += [_table(system, own) for system, own in _by_system(rows).items()]
    for section in report.sections:
        if isinstance(section, Listing):
            parts += [f"<h2>{e(section.title)}</h2>", _table(section.caption, section.rows)]
        else:
            image = section.draw if isinstance(section.draw, str) else svg(section.draw, salt=section.title)
            caption = f"<figcaption>{e(section.caption)}</figcaption>"
            parts.append(f"<h2>{e(section.title)}</h2><figure>{image}{caption}</figure>")
    return _PAGE.format(title=e(report.recipe), body="\n".join(parts))


def svg(draw: Draw, *, salt: str = "") -> str:
    """The drawing as SVG to stand inside a page: its own ids, the page's ink, text as text."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    coloured = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    style: Any = dict.fromkeys(coloured, INK)
    style |= {"svg.fonttype": "none", "svg.hashsalt": salt or "figure", "text.parse_math": False}
    style |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 150}
    style |= {"axes.prop_cycle": f"cycler('color', {list(COLOURS)})", "legend.frameon": False}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the browser has fonts for every script
        canvas = Canvas(figsize=(5.2, 3.2), layout="constrained")
        draw(canvas)
        file = io.StringIO()
        canvas.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", file.getvalue(), flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", text[text.index("<svg") :])  # the same in every figure
    return text.replace(INK, "currentColor")


def error_bars(
    rows: Iterable[Row],
    *,
    value: str,
    low: str,
    high: str,
    label: str,
    group: str = "language",
    series: str = "system",
) -> Draw:
    """A point with its interval for every group and series (by colour); rows without `value` are left out."""
    rows = [row for row in rows if row.get(value) is not None]
    groups, names = (list(dict.fromkeys(str(row[key]) for row in rows)) for key in (group, series))

    def draw(canvas: "Canvas") -> None:
        axes = canvas.subplots()
        for k, name in enumerate(names):
            own = [row for row in rows if str(row[series]) == name]
            at = [groups.index(str(row[group])) + (k - (len(names) - 1) / 2) * 0.7 / len(names) for row in own]
            middle = np.array([row[value] for row in own], dtype=float)
            ends = [[row[value] if row.get(key) is None else row[key] for row in own] for key in (low, high)]
            reach = np.abs(np.array(ends, dtype=float) - middle)  # (2, points)
            axes.errorbar(at, middle, yerr=reach, fmt="o", capsize=3, markersize=4, label=name)
        axes.set_xticks(range(len(groups)), groups)
        axes.set_xlim(-0.6, max(1, len(groups)) - 0.4)
        axes.set_ylim(bottom=0)
        axes.set_ylabel(label)
        _legend(canvas, len(names))

    return draw


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x: str,
    y: str,
    bands: Mapping[str, Sequence[tuple[float, float, float]]] | None = None,
    logarithmic: bool = False,
) -> Draw:
    """One line of (x, y) points per name.

    Args:
        bands: name -> (x, low, high) of the intervals around its line.
        logarithmic: in x, which is marked where there are points.
    """

    def draw(canvas: "Canvas") -> None:
        axes = canvas.subplots()
        for name, points in lines.items():
            (line,) = axes.plot(
                [p[0] for p in points],
                [p[1] for p in points],
                label=name,
                linewidth=1.4,
                marker="." if len(points) == 1 else "",
            )
            if band := (bands or {}).get(name):
                at, low, high = (np.array(column, float) for column in zip(*band, strict=True))
                axes.fill_between(at, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        if logarithmic:
            marks = sorted({at for points in lines.values() for at, _ in points})
            axes.set_xscale("log")
            axes.set_xticks(marks, [f"{mark:.3g}" for mark in marks])
            axes.minorticks_off()
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_ylim(bottom=min(0, *axes.get_ylim()))
        _legend(canvas, len(lines))

    return draw


def aligned_image(image: ArrayLike, symbols: Sequence[tuple[str, float, float]], *, seconds: float, label: str) -> Draw:
    """An image (T, F) over time, such as a spectrogram, above symbols with their first and last second."""
    values = np.asarray(image, dtype=float).T

    def draw(canvas: "Canvas") -> None:
        above, below = canvas.subplots(2, 1, sharex=True, height_ratios=(5, 1))
        extent = (0.0, seconds, 0.0, float(len(values)))
        above.imshow(values, origin="lower", aspect="auto", extent=extent, cmap="magma", interpolation="nearest")
        above.set_ylabel(label)
        for at, (symbol, start, end) in enumerate(symbols):
            below.axvspan(start, end, color=COLOURS[at % 2], alpha=0.35, linewidth=0)
            below.text((start + end) / 2, 0.5, "␣" if symbol == " " else symbol, ha="center", va="center", fontsize=8)
        below.set_ylim(0, 1)
        below.set_yticks([])
        below.set_xlabel("seconds")

    return draw


def heat_map(
    matrix: ArrayLike, *, rows: Sequence[str], columns: Sequence[str], row_label: str, column_label: str
) -> Draw:
    """A matrix of percentages, such as a confusion table, with its numbers."""
    values = np.asarray(matrix, dtype=float)

    def draw(canvas: "Canvas") -> None:
        canvas.set_figheight(max(3.2, 1.2 + 0.26 * len(rows)))
        axes = canvas.subplots()
        axes.imshow(values, cmap="Blues", aspect="auto", vmin=0, vmax=max(100.0, float(np.nanmax(values, initial=0))))
        axes.set_xticks(range(len(columns)), columns, rotation=90 if len(columns) > 8 else 0)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xlabel(column_label)
        axes.set_ylabel(row_label)
        for (i, j), value in np.ndenumerate(values):
            if len(columns) <= 12 and math.isfinite(value):
                colour = "#ffffff" if value > 55 else "#111111"
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=8)

    return draw


def worst(rows: Iterable[Row], *, by: str, most: int = 20) -> list[Row]:
    """The rows with the largest value, largest first."""
    return sorted(rows, key=lambda row: -float(row[by]))[:most]


def _legend(canvas: "Canvas", entries: int) -> None:
    if entries > 1:
        canvas.legend(loc="outside upper center", ncols=min(entries, 3))


def text(rows: Sequence[Row]) -> str:
    """Rows as an aligned table for a terminal."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, *([_shown(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _by_system(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """A table per system where rows name one, else one table without a caption."""
    systems: dict[str, list[Row]] = {}
    for row in rows:
        systems.setdefault(str(row.get("system", "")), []).append(row)
    return systems


def _table(caption: str, rows: Sequence[Row]) -> str:
    e = html.escape
    columns = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f"<th>{e(column.replace('_', ' '))}</th>" for column in columns)
    body = "".join("<tr>" + "".join(_cell(row.get(column)) for column in columns) + "</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{e(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    kind = 'class="n"' if number else 'dir="auto"'
    return f"<td {kind}>{html.escape(_shown(value))}</td>"


def _shown(value: Any) -> str:
    """For people: one decimal (two digits below 1), a dash for nothing, a sign for the space."""
    value = _plain(value)
    if isinstance(value, float):
        return f"{value:.2g}" if 0 < abs(value) < 1 else f"{value:.1f}"
    return "–" if value is None or value == "" else "␣" if value == " " else str(value)


def _plain(value: Any) -> Any:
    """JSON values out of numpy's; a float that is no number becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


_PAGE = """<!doctype html> <html lang="en"><head><meta charset="utf-8"><title>{title}</title> <meta
name="viewport" content="width=device-width, initial-scale=1"> <meta http-equiv="Content-Security-Policy"
content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"> <style> :root {{ color-scheme: light
dark; }} body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 0 auto; padding: 1rem;
  color: light-dark(#1b1f24, #e6e8eb); background: light-dark(#ffffff, #15181c); }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.15rem; margin-top: 2.2rem; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; padding: .6rem; border-radius: .4rem;
  background: light-dark(#f2f4f6, #22272e); font-size: .85rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .85rem; margin-bottom: 1rem; }}
caption {{ text-align: left; padding-bottom: .4rem; opacity: .8; }}
th, td {{ padding: .25rem .6rem; text-align: left; border-bottom: 1px solid light-dark(#dde1e6, #343b44); }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
figure {{ margin: 0; overflow-x: auto; }}
figure svg {{ width: 100%; min-width: 20rem; max-width: 40rem; height: auto; }}
figcaption {{ font-size: .85rem; opacity: .8; }}
</style></head><body>
{body}
</body></html>
"""
