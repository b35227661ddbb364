"""The two files a run leaves: exact JSON, and a page that needs no network and that no text can break."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from speech_tl.report import (
    Figure,
    Listing,
    Report,
    aligned_image,
    curves,
    error_bars,
    heat_map,
    page,
    svg,
    text,
    worst,
    write,
)

ROWS = [
    {"system": s, "language": g, "cer": c, "cer_low": c - 2, "cer_high": c + 3, "utterances": 40}
    for s, g, c in (
        ("monolingual", "swh", 20.0),
        ("monolingual", "kin", 31.5),
        ("shared_heads", "swh", 17.25),
    )
]
VOID = {"meta", "br", "img", "link", "input", "hr"}


def report(**changes: object) -> Report:
    bars = error_bars(ROWS, value="cer", low="cer_low", high="cer_high", label="CER (%)")
    words = [("h", 0.1, 0.2), (" ", 0.2, 0.3), ("$x_1", 0.3, 0.45), ("ക", 0.5, 0.6), ("سَ", 0.7, 0.8)]
    lines = curves({"a": [(0, 90), (10, 40)], "b": [(0, 80)]}, x="steps", y="CER")
    labels = ["swh", "kin"]
    heads = heat_map([[90, 10], [25, 75]], rows=labels, columns=labels, row_label="spoken", column_label="heard")
    noise = np.random.default_rng(0).random((60, 20))
    longest = worst([{"text": "a", "cer": 1.0}, {"text": "<b>", "cer": 150.0}], by="cer")
    values: dict[str, object] = {
        "recipe": "recipes.asr_multilingual",
        "command": "python -m recipes.asr_multilingual --tiny",
        "seed": 3,
        "device": "cpu",
        "seconds": 75.4,
        "tables": {"error_rates": ROWS},
        "captions": {"error_rates": "In percent."},
        "notes": ("5 speakers: nothing is claimed about speakers at large.",),
        "sections": (
            Figure("Errors", "Bars are 95 % intervals.", bars),
            Figure("Learning", "Validation.", lines),
            Figure("Alignment", "One clip.", aligned_image(noise, words, seconds=0.9, label="mel bin")),
            Figure("Heads", "Rows add to 100.", heads),
            Listing("Worst", "By CER.", longest),
        ),
    }
    return Report(**{**values, **changes})  # type: ignore[arg-type]


class Checker(HTMLParser):
    """Every tag closed in order; what was opened; the text."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(whole: str) -> Checker:
    checker = Checker()
    checker.feed(whole)
    checker.close()
    assert checker.stack == []
    return checker


def test_metrics_json_is_exactly_the_agreed_shape(tmp_path: Path) -> None:
    write(report(), tmp_path / "new" / "run")
    metrics = json.loads((tmp_path / "new/run/metrics.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["recipe", "command", "seed", "device", "seconds", "tables"]
    assert metrics["seed"] == 3 and metrics["seconds"] == 75.4
    assert metrics["tables"] == {"error_rates": ROWS}
    assert sorted(p.name for p in (tmp_path / "new/run").iterdir()) == ["metrics.json", "report.html"]


def test_numpy_numbers_are_numbers_and_nan_is_null() -> None:
    row = {"cer": np.float32(12.5), "n": np.int64(3), "low": float("nan"), "names": ("a", "b")}
    tables = report(tables={"t": [row]}).metrics()["tables"]
    assert tables == {"t": [{"cer": 12.5, "n": 3, "low": None, "names": ["a", "b"]}]}
    assert isinstance(tables["t"][0]["n"], int)
    json.dumps(tables, allow_nan=False)


def test_the_page_is_whole_and_asks_nothing_of_the_network() -> None:
    whole = page(report())
    checker = parsed(whole)
    assert checker.tags.count("svg") == 4 and checker.tags.count("table") == 3  # one per system and the listing
    assert len(checker.ids) == len(set(checker.ids))
    assert not {"script", "link", "iframe"} & set(checker.tags)
    addresses = re.findall(r'(?:href|src)="([^"]*)"', whole)
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "default-src 'none'" in whole and "width=device-width" in whole and "light-dark(" in whole
    assert "1 min 15 s" in checker.text and "nothing is claimed" in checker.text
    assert "17.2" in checker.text  # one decimal for people, all of them in metrics.json


def test_hostile_text_stays_text() -> None:
    evil = "</td><script>alert(1)</script>&\"'"
    rows = [{evil: evil, "system": evil, "language": evil, "v": 1.0, "l": 0.5, "h": 2.0}]
    bars = error_bars(rows, value="v", low="l", high="h", label=evil)
    hostile = report(
        recipe=evil, command=evil, device=evil, notes=(evil,), tables={evil: rows}, captions={evil: evil},
        sections=(Figure(evil, evil, bars), Listing(evil, evil, rows)),
    )  # fmt: skip
    checker = parsed(page(hostile))
    assert "script" not in checker.tags and "alert(1)" in checker.text


def test_a_drawing_is_the_same_twice_and_takes_the_ink_of_the_page() -> None:
    draw = curves({"a": [(0, 1), (1, 2)]}, x="x", y="y")
    assert svg(draw, salt="s") == svg(draw, salt="s")
    assert "currentColor" in svg(draw) and "#010203" not in svg(draw)


def test_a_curve_has_its_interval_around_it() -> None:
    lines, bands = {"a": [(0, 1), (1, 2)], "b": [(0, 3)]}, {"a": [(0, 0.5, 1.5), (1, 1.5, 2.5)], "b": []}
    with_one, without = (svg(curves(lines, x="x", y="y", bands=each)) for each in (bands, None))
    assert with_one.count("opacity: 0.15") == 1 and "opacity: 0.15" not in without


def test_drawings_take_what_runs_really_have() -> None:
    """Missing intervals, no rows at all, one point, thirty classes."""
    for draw in (
        error_bars([{**ROWS[0], "cer_low": None}], value="cer", low="cer_low", high="cer_high", label="CER"),
        error_bars([], value="cer", low="cer_low", high="cer_high", label="CER"),
        curves({}, x="x", y="y"),
        aligned_image(np.zeros((3, 2)), [], seconds=0.1, label="bin"),
        heat_map(np.zeros((30, 30)), rows=["w"] * 30, columns=["w"] * 30, row_label="r", column_label="c"),
    ):
        assert svg(draw).startswith("<svg")


def test_finished_svg_stands_as_it_is() -> None:
    assert "<svg><circle r='1'/></svg>" in page(
        report(sections=(Figure("Drawn", "By hand.", "<svg><circle r='1'/></svg>"),))
    )


def test_rows_for_a_terminal_stand_in_columns() -> None:
    rows: list[dict[str, object]] = [
        {"language": "swh", "cer": 12.345},
        {"language": "kin", "cer": None, "note": "few"},
    ]
    rows.append({"language": " ", "cer": 100 / 178, "note": ""})
    assert text(rows).splitlines() == [
        "language  cer   note",
        "swh       12.3  –",
        "kin       –     few",
        "␣         0.56  –",
    ]


def test_worst_first() -> None:
    rows = [{"cer": value} for value in (3.0, 9.0, 5.0)]
    assert [row["cer"] for row in worst(rows, by="cer", most=2)] == [9.0, 5.0]


def test_matplotlib_is_imported_only_to_draw() -> None:
    code = "import sys, speech_tl.report; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_browser_shows_the_page(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("no chromium on this machine")
    write(report(), tmp_path)
    picture = tmp_path / "page.png"
    arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--screenshot={picture}",
        "--window-size=390,2600",
    ]
    subprocess.run([browser, *arguments, (tmp_path / "report.html").as_uri()], check=True, timeout=120)
    assert picture.stat().st_size > 20_000
