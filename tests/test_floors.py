"""The house's floors, so that the drawing of the code in the README cannot lie.

Every import is read from the source with `ast`, also inside functions, and held against the table below: an
import goes only downward, peers on one floor don't know each other, and nothing goes round in circles.
"""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PACKAGES = ("speech_tl", "nmt_zero_shot", "recipes")

FLOORS = {
    "speech_tl": 0,  # the package itself: a version
    "speech_tl.errors": 0,
    "speech_tl.files": 0,
    "speech_tl.device": 0,
    "speech_tl.hub": 0,
    "speech_tl.torchaudio_shim": 0,
    "speech_tl.training": 1,
    "speech_tl.zero_shot": 1,
    "speech_tl.metrics": 1,
    "speech_tl.statistics": 1,
    "speech_tl.report": 1,
    "speech_tl.acoustics": 1,
    "speech_tl.captions": 1,
    "speech_tl.results": 2,
    "speech_tl.curves": 3,
    "speech_tl.forgetting": 3,
    "speech_tl.transfer": 2,
    "speech_tl.phonology": 2,
    "speech_tl.feature_tables": 2,
    "speech_tl.labelled": 2,
    "speech_tl.images": 3,
    "speech_tl.descriptions": 4,
    "speech_tl.shifts": 3,
    "speech_tl.domains": 4,
    "speech_tl.domain_figures": 4,
    "speech_tl.domain_study": 5,
    "speech_tl.regrets": 3,
    "speech_tl.picture_domains": 4,
    "speech_tl.unseen_classes": 5,
    "speech_tl.attribute_figures": 5,
    "speech_tl.augmentation": 2,
    "speech_tl.data": 3,
    "speech_tl.models": 3,
    "nmt_zero_shot": 3,
    "speech_tl.baselines": 4,
    "speech_tl.figures": 4,
    "speech_tl.newcomers": 4,
    "speech_tl.speakers": 4,
    "speech_tl.pseudo_labels": 4,
    "speech_tl.evaluate": 4,
    "speech_tl.transcribe": 4,
    "speech_tl.sequences": 4,
    "speech_tl.phone_results": 4,
    "speech_tl.systems": 5,
    "speech_tl.second_tasks": 5,
    "speech_tl.flags": 6,
    "speech_tl.languages": 6,
    "speech_tl.pretraining": 6,
    "speech_tl.students": 6,
    "speech_tl.tasks": 6,
    "speech_tl.held_out_words": 4,
    "speech_tl.unseen_words": 6,
    "speech_tl.speech_domains": 6,
    "speech_tl.unseen_languages": 6,
    "speech_tl.recommendation": 7,
    "speech_tl.rejection": 7,
    "recipes": 8,
}
STRANGERS = {("speech_tl.transfer", "speech_tl.training")}
"""Who must not import whom although it lies below."""
NMT_MAY_IMPORT = {
    "speech_tl",
    "speech_tl.errors",
    "speech_tl.files",
    "speech_tl.hub",
    "speech_tl.torchaudio_shim",
    "speech_tl.device",
    "speech_tl.training",
    "speech_tl.transfer",
    "speech_tl.statistics",
    "speech_tl.report",
}
LAZY = {"librosa", "soundfile", "soxr", "datasets"}
"""Imported where they are used: a GPU machine that trains on cached arrays has none of them."""

Imports = Mapping[str, set[str]]
"""Module to the modules of the house it imports."""


def unit(module: str) -> str | None:
    """The table's entry that a module belongs to: the longest that fits."""
    parts = module.split(".")
    names = (".".join(parts[:size]) for size in range(len(parts), 0, -1))
    found = next((name for name in names if name in FLOORS), None)
    return None if found == "speech_tl" != module else found  # a new part needs a floor of its own


def violations(imports: Imports) -> list[str]:
    """Every import that the table refuses, in words."""
    complaints = [f"{module} has no floor in the table" for module in imports if unit(module) is None]
    for module, targets in sorted(imports.items()):
        for target in sorted(targets):
            source, below = unit(module), unit(target)
            if source is None or below is None:
                continue
            if below == "recipes":
                complaints.append(f"{module} imports {target}: nobody imports a recipe")
            elif source != below and FLOORS[source] <= FLOORS[below] > 0:
                kind = "a peer" if FLOORS[source] == FLOORS[below] else "upward"
                complaints.append(f"{module} imports {target}: {kind}")
            elif (source, below) in STRANGERS:
                complaints.append(f"{module} imports {target}: they don't know each other")
            elif source == "nmt_zero_shot" != below and below not in NMT_MAY_IMPORT:
                complaints.append(f"{module} imports {target}: not for nmt_zero_shot")
            elif below == "nmt_zero_shot" and source.startswith("speech_tl"):
                complaints.append(f"{module} imports {target}: speech_tl never imports nmt_zero_shot")
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as circle:
        complaints.append(f"a circle: {' -> '.join(circle.args[1])}")
    return complaints


def imported(tree: ast.AST, module: str, modules: set[str], *, is_package: bool) -> set[str]:
    """The names among `modules` that a file imports; `from package import submodule` means the submodule."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            here = module.split(".") if is_package else module.split(".")[:-1]
            stem = here[: len(here) + 1 - node.level] if node.level else []
            base = ".".join([*stem, *([node.module] if node.module else [])])
            children = {f"{base}.{alias.name}" for alias in node.names}
            found |= children & modules
            if not children <= modules:
                found.add(base)
    return (found & modules) - {module}


def sources() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_the_house() -> None:
    files = dict(sources())
    modules = set(files)
    assert "speech_tl" in modules
    imports = {
        module: imported(ast.parse(path.read_text("utf-8")), module, modules, is_package=path.name == "__init__.py")
        for module, path in files.items()
    }
    assert violations(imports) == []


def test_audio_readers_are_imported_where_they_are_used() -> None:
    eager = [
        f"{module} imports {name} at its top"
        for module, path in sources()
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.split(".")[0] in LAZY
    ]
    assert eager == []


def test_importing_the_package_is_light() -> None:
    heavy = "{'torch', 'torchaudio', 'transformers', 'librosa', 'soundfile', 'datasets', 'numpy'}"
    code = f"import sys, speech_tl; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("module", "target", "complaint"),
    [
        ("speech_tl.training.loop", "speech_tl.models.ctc", "upward"),
        ("speech_tl.errors", "speech_tl.metrics", "upward"),
        ("speech_tl.data.batches", "speech_tl.models.ctc", "a peer"),
        ("speech_tl.evaluate", "speech_tl.transcribe", "a peer"),
        ("speech_tl.transfer.layers", "speech_tl.training.loop", "they don't know each other"),
        ("nmt_zero_shot.model", "speech_tl.phonology.units", "not for nmt_zero_shot"),
        ("speech_tl.speakers", "nmt_zero_shot.model", "speech_tl never imports nmt_zero_shot"),
        ("recipes.asr_new_speaker", "recipes.asr_multilingual", "nobody imports a recipe"),
        ("speech_tl.training.grid", "recipes.asr_multilingual", "nobody imports a recipe"),
    ],
)
def test_a_refused_import_is_named(module: str, target: str, complaint: str) -> None:
    assert violations({module: {target}}) == [f"{module} imports {target}: {complaint}"]


def test_imports_downward_and_within_a_part_are_fine() -> None:
    assert not violations(
        {
            "recipes.asr_multilingual": {"speech_tl.evaluate", "speech_tl.data.audio", "nmt_zero_shot.model"},
            "speech_tl.data.manifest": {
                "speech_tl.data.audio",
                "speech_tl.errors",
                "speech_tl.training.config",
            },
            "nmt_zero_shot.model": {"speech_tl.transfer.layers", "nmt_zero_shot.batches", "speech_tl"},
        }
    )


def test_circles_and_modules_without_a_floor_are_named() -> None:
    circle = violations({"speech_tl.data.a": {"speech_tl.data.b"}, "speech_tl.data.b": {"speech_tl.data.a"}})
    assert len(circle) == 1
    assert circle[0].startswith("a circle: ")
    assert violations({"speech_tl.utils": set()}) == ["speech_tl.utils has no floor in the table"]


def test_every_form_of_import_is_read() -> None:
    modules = {
        "speech_tl",
        "speech_tl.data",
        "speech_tl.data.audio",
        "speech_tl.data.text",
        "speech_tl.errors",
    }
    code = "import speech_tl.errors as e\ndef f():\n    from speech_tl.data import audio\n    import os"
    found = imported(ast.parse(code), "speech_tl.metrics", modules, is_package=False)
    assert found == {"speech_tl.errors", "speech_tl.data.audio"}
    relative = ast.parse("from . import text\nfrom .audio import read\nfrom ..errors import InputError")
    assert imported(relative, "speech_tl.data.splits", modules, is_package=False) == {
        "speech_tl.data.text",
        "speech_tl.data.audio",
        "speech_tl.errors",
    }
    assert imported(ast.parse("from .audio import read"), "speech_tl.data", modules, is_package=True) == {
        "speech_tl.data.audio"
    }
