"""How well a checkpoint translates between every two languages, also those it never saw together.

`python -m nmt_zero_shot.evaluate --checkpoint RUN --data FOLDER` prints, for every direction, the direct translation
beside the pivot through the hub and beside a copy of the source: BLEU and chrF, how much is in the wrong language,
and whether direct and pivot can be told apart (Johnson et al., 2017; Arivazhagan et al., 2019).
"""

import contextlib
import json
import shlex
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nmt_zero_shot import language_id, lineage
from nmt_zero_shot.corpus import Corpus, Direction, Row, between, new_to
from nmt_zero_shot.language_id import Identifier
from nmt_zero_shot.lineage import Served
from nmt_zero_shot.readers import read
from nmt_zero_shot.results import COPY, DIRECT, PIVOT, Evaluation, judged
from nmt_zero_shot.results import Row as TableRow
from nmt_zero_shot.systems import Engine, Remembered, System, Translate, load
from nmt_zero_shot.tags import Codec
from speech_tl import files
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.report import Report, text
from speech_tl.training.checkpoint import beside
from speech_tl.training.config import command


def evaluate(
    translate: Translate,
    rows: Sequence[Row],
    directions: Sequence[Direction],
    *,
    test: str = "test",
    hub: str = "en",
    name: str = DIRECT,
    pivot: str = PIVOT,
    identify: Identifier | None = None,
    most: int | None = None,
    trained: Collection[Direction] | None = None,
) -> Evaluation:
    """The translations of (the first `most`) `rows` in every direction, under the system's `name`.

    Where no row of a direction has a reference, its translations, the pivot's too, are also translated back directly.
    Besides there are the way through the hub, under the name `pivot` (empty: not asked for), and beside the direct
    system a copy of the source.

    Args:
        trained: the pairs of languages that were trained on, either way round; those with the hub if none.

    Raises:
        InputError: no row has a text in a direction's source language.
    """
    remembered = translate if isinstance(translate, Remembered) else Remembered(translate)
    results = []
    for direction in directions:
        source, target = direction
        own = [row for row in rows if source in row and target in row] or [row for row in rows if source in row]
        own = own[:most]
        learned = hub in direction if trained is None else not {direction, direction[::-1]}.isdisjoint(trained)
        if not own:
            known = ", ".join(sorted({language for row in rows for language in row}))
            raise InputError(f"test set {test!r} has no text in {source!r}; it has {known}")
        sources = [row[source] for row in own]
        references = [row[target] for row in own] if target in own[0] else []
        started = time.monotonic()
        found = {name: remembered(sources, source=source, target=target)}
        if pivot and hub not in direction:
            middle = remembered(sources, source=source, target=hub)
            found[pivot] = remembered(middle, source=hub, target=target)
        if name == DIRECT and references:
            found[COPY] = sources
        for each, hypotheses in found.items():
            back = [] if references else remembered(hypotheses, source=target, target=source)
            results.append(
                judged(
                    hypotheses,
                    sources,
                    test=test,
                    direction=direction,
                    learned=learned,
                    system=each,
                    identify=identify,
                    references=references,
                    back=back,
                )
            )
        seconds = time.monotonic() - started
        print(f"{test}, {source}-{target}: {len(own)} sentences in {seconds:.0f} s", file=sys.stderr)
    return Evaluation(tuple(results))


def identifier_rows(identify: Identifier, tests: Mapping[str, Sequence[Row]]) -> list[TableRow]:
    """The identifier's own error on the references, in percent: what an off-target rate cannot be below."""
    found: list[TableRow] = []
    for test, rows in tests.items():
        texts = {name: [row[name] for row in rows if name in row] for name in _languages(rows)}
        known = {name: own for name, own in texts.items() if name in identify.languages}
        told = identify.errors(known)
        found += [{"test": test, "language": name, "error": told[name], "texts": len(known[name])} for name in known]
    return found


@dataclass(frozen=True)
class Config:
    checkpoint: Path
    """A run's folder, or a checkpoint folder."""
    data: tuple[str, ...]
    """Corpora: folders, files or hub:NAME:CONFIG, space separated."""
    pairs: str = "all"
    """Directions such as de-fr,cs-de; `all` for every two languages of the data that the checkpoint knows."""
    languages: tuple[str, ...] = ()
    """Of `all` only these and the hub."""
    split: Literal["test", "all"] = "test"
    """`test`: the data's own test sets; `all`: every row, those of the training part too. What the checkpoint's run
    learned from is left out."""
    tests: tuple[str, ...] = ()
    """Only the test sets of these names."""
    hub_language: str | None = None
    """The language that every training pair had, and that the pivot goes through; the run's own if none, or en."""
    beam: int = 5
    """Hypotheses kept at each step; 1 is greedy, the fastest."""
    restricted: bool = False
    """Write only subwords that the training texts of the target language have."""
    engine: Engine = "torch"
    """ctranslate2 (in int8, or as it was trained: ctranslate2_float32) is several times as fast on a CPU; it converts
    the checkpoint once."""
    out: Path | None = None
    """Also write the tables, and every sentence, to this JSON file."""
    device: str = "auto"
    """auto, cpu or cuda."""


def main(config: Config) -> Report:
    """Every direction that is asked for, translated and scored: tables on the terminal and, with `out`, in a file."""
    started = time.monotonic()
    if not config.data:
        raise InputError("--data names no corpus; give a folder, a file or hub:NAME:CONFIG")
    if config.out and config.out.is_dir():
        raise InputError(f"--out {config.out} is a folder; give a file to write, such as {config.out}/test.json")
    if config.out:
        config.out.parent.mkdir(parents=True, exist_ok=True)  # refused before anything is translated
    system = load(
        config.checkpoint, engine=config.engine, beam=config.beam, restricted=config.restricted, device=config.device
    )
    device = chosen(config.device) if config.engine == "torch" else "cpu"
    hub = config.hub_language or _hub(config.checkpoint)
    needed = hub if config.languages else None
    corpora = {source: read(source, hub=needed, languages=config.languages) for source in config.data}
    served = lineage.load(config.checkpoint)
    tests = _tests(config, corpora)
    directions = _directions(config, tests, system)
    if any(hub not in each for own in directions.values() for each in own):
        system.codec.subwords.tag(hub)  # that the pivot goes through
    tests = _unlearned(tests, served, config.checkpoint, hub=hub)
    identify = _identifier(config, corpora)
    remembered, evaluation = Remembered(system), Evaluation(())
    found: list[TableRow] = []
    for test, rows in tests.items():
        own, present = directions[test], _languages(rows)
        evaluation += evaluate(remembered, rows, own, test=test, hub=hub, identify=identify, trained=served)
        asked = sorted({language for direction in own for language in direction if language in present})
        found += _retrieval(system.codec, rows, asked, test=test, tag=hub)
    errors = identifier_rows(identify, tests) if identify else []
    tables = {**evaluation.tables(), "identifier": errors, "retrieval": found}
    for name, lines in tables.items():
        if lines:
            print(f"\n{name.replace('_', ' ')}\n{text(lines)}")
    tables["sentences"] = evaluation.sentence_rows()
    line = shlex.join(["python", "-m", "nmt_zero_shot.evaluate", *sys.argv[1:]])
    report = Report("nmt_zero_shot.evaluate", line, 0, device, time.monotonic() - started, tables)
    if config.out:
        written = json.dumps(report.metrics(), indent=1, ensure_ascii=False, allow_nan=False)
        files.write(config.out, written + "\n")
    return report


def _hub(checkpoint: Path) -> str:
    """The hub of the run that a checkpoint belongs to; en where nothing says so."""
    identifier = beside(checkpoint, language_id.FILE)
    if identifier is None:
        return "en"
    with contextlib.suppress(OSError, ValueError, LookupError):  # a run's flags lie beside its identifier
        return str(json.loads((identifier.parent / "config.json").read_text(encoding="utf-8"))["hub_language"])
    return "en"


def _tests(config: Config, corpora: Mapping[str, Corpus]) -> dict[str, Sequence[Row]]:
    """Name -> rows; the name says the corpus where there are several."""
    found: dict[str, Sequence[Row]] = {}
    names: set[str] = set()
    for source, corpus in corpora.items():
        own: Mapping[str, Sequence[Row]] = corpus.tests
        if config.split == "all":
            whole = [*corpus.train, *corpus.valid, *(row for rows in corpus.tests.values() for row in rows)]
            own = {"all": [{language: text for language, text in row.items() if text} for row in whole]}
        if not own:
            raise InputError(f"{source} has no test set; --split all tests on every row, those of training too")
        names |= set(own)
        alike = [Path(each).name == Path(source).name for each in corpora]
        prefix = f"{source if sum(alike) > 1 else Path(source).name}/" if len(corpora) > 1 else ""
        found |= {prefix + name: rows for name, rows in own.items() if not config.tests or name in config.tests}
    for name in config.tests:
        if name not in names:
            raise unknown_name("test set", name, names, where=" ".join(config.data))
    return found


def _unlearned(
    tests: Mapping[str, Sequence[Row]], served: Served | None, checkpoint: Path, *, hub: str
) -> dict[str, Sequence[Row]]:
    """The test sets without rows that the checkpoint learned from, as far as its run says.

    Raises:
        InputError: nothing is left of one.
    """
    if served is None:
        print(
            f"no {lineage.FILE} beside {checkpoint}: which rows it learned from is unknown, and directions with {hub} "
            "are taken for trained, the others for never trained",
            file=sys.stderr,
        )
    found: dict[str, Sequence[Row]] = {}
    for name, rows in tests.items():
        found[name] = new_to(served or {}, rows)
        firsts = {first for first, _ in served or ()}
        if unknown := sum(firsts.isdisjoint(row) for row in rows) if firsts else 0:
            print(f"{name}: whether {unknown} rows were learned is unknown, they lack {hub}", file=sys.stderr)
        if lost := len(rows) - len(found[name]):
            said = f"{name}: the checkpoint learned from {lost} of {len(rows)} rows, or from what is nearly the same"
            if not found[name]:
                raise InputError(f"{said}: give other data")
            print(f"{said}; they are left out", file=sys.stderr)
    return found


def _directions(config: Config, tests: Mapping[str, Sequence[Row]], system: System) -> dict[str, list[Direction]]:
    """What each test set is asked for: of `all` where it has both languages, of those named where it has the source."""
    there = {language for rows in tests.values() for language in _languages(rows)}
    if config.pairs == "all":
        known = sorted(language for language in there if _known(system, language))
        if left := sorted(there - set(known)):
            print(f"the checkpoint does not know {', '.join(left)}: left out", file=sys.stderr)
        if len(known) < 2:
            raise InputError(
                f"of {', '.join(sorted(there))} in the test sets the checkpoint knows {', '.join(known) or 'none'}; "
                "name directions such as --pairs de-fr, also into languages that the test sets have not"
            )
        return {test: between(rows, known) for test, rows in tests.items()}
    names = there | set(system.codec.languages)
    asked = []
    for pair in config.pairs.split(","):
        source, target = direction(pair, names)
        if source not in there:
            raise unknown_name("language", source, there, where="the test sets")
        system.codec.subwords.tag(target)
        asked.append((source, target))
    sources = {test: _languages(rows) for test, rows in tests.items()}
    return {test: [each for each in dict.fromkeys(asked) if each[0] in own] for test, own in sources.items()}


def direction(pair: str, languages: Collection[str]) -> Direction:
    """SOURCE-TARGET as written on the command line, where a language's own code may have a hyphen (zh-TW-en).

    Raises:
        InputError: it is no direction.
    """
    halves = [(pair[:at], pair[at + 1 :]) for at, mark in enumerate(pair) if mark == "-"]
    fitting = [half for half in halves if half[0] in languages and half[1] in languages] or halves[:1]
    if not fitting or fitting[0][0] == fitting[0][1]:
        raise InputError(f"{pair!r} is no direction; expected SOURCE-TARGET such as de-fr")
    return fitting[0]


def _retrieval(codec: Codec, rows: Sequence[Row], languages: Sequence[str], *, test: str, tag: str) -> list[TableRow]:
    if type(codec) is Codec:  # CTranslate2 shows no encoder states
        return []
    from nmt_zero_shot.model import Translator
    from nmt_zero_shot.retrieval import retrieval_rows

    assert isinstance(codec, Translator)
    return retrieval_rows(codec, rows, languages, test=test, tag=tag)


def _identifier(config: Config, corpora: Mapping[str, Corpus]) -> Identifier | None:
    """The run's own, else one that is trained on the training part of the data, else none, which is said."""
    if file := beside(config.checkpoint, language_id.FILE):
        return language_id.load(file)
    texts: dict[str, list[str]] = {}
    for corpus in corpora.values():
        for row in corpus.train:
            for language, each in row.items():
                texts.setdefault(language, []).append(each)
    if len(texts) < 2:
        print(f"no {language_id.FILE} in the run and no training texts: no off-target rate", file=sys.stderr)
        return None
    if config.split == "all":
        print("the identifier learns from texts that are tested: its own error is too small", file=sys.stderr)
    return language_id.train(texts)


def _known(system: System, language: str) -> bool:
    try:
        system.codec.subwords.tag(language)
    except InputError:
        return False
    return True


def _languages(rows: Sequence[Row]) -> list[str]:
    return sorted({language for row in rows for language in row})


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
