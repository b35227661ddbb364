"""The layouts parallel text comes in, each read into the same rows; nothing is guessed and nothing is cleaned.

A line, a cell or a translation unit is one text, kept as it was written but for the space around it. Layouts: aligned
text files as Moses has them (Koehn et al., ACL 2007) and as Multi30k, OPUS and NTREX-128 ship them, tables, TMX 1.4,
and data sets of the Hugging Face hub.
"""

import gzip
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from nmt_zero_shot.corpus import Corpus, Row, filled
from speech_tl import hub as hugging_face
from speech_tl.errors import InputError, unknown_name
from speech_tl.files import at_home

LAYOUTS = (
    "a folder of aligned text files (train.en, train.de, dev.en, ... or in pairs train.en-de.en, train.en-de.de), "
    "a .tsv with language codes as its header or named xx-yy.tsv, a .tmx, any of them .gz, or hub:NAME:CONFIG"
)
CODE = r"[a-z]{2,3}(?:[-_](?:[A-Z]{2}|[A-Z][a-z]{3})|_[a-z]{2})?"
NO_LANGUAGE = {
    *("ids", "half", "txt", "log", "csv", "tsv", "tmx", "xml", "md", "zip", "py", "sh", "pdf"),
    *("bak", "old", "tmp", "out", "org", "bpe"),
}
"""What looks like a language code at the end of a file name."""
NTREX = re.compile(r"(newstest2019)-(?:src|ref)\.([\w-]+)\.txt")
SHORT = {
    "ara": "ar", "ben": "bn", "bul": "bg", "cat": "ca", "ces": "cs", "dan": "da", "deu": "de", "ell": "el", "eng": "en",
    "est": "et", "eus": "eu", "fas": "fa", "fin": "fi", "fra": "fr", "heb": "he", "hin": "hi", "hrv": "hr", "hun": "hu",
    "ind": "id", "isl": "is", "ita": "it", "jpn": "ja", "kor": "ko", "lav": "lv", "lit": "lt", "nld": "nl", "pol": "pl",
    "por": "pt", "ron": "ro", "rus": "ru", "slk": "sk", "slv": "sl", "spa": "es", "swa": "sw", "swe": "sv", "tha": "th",
    "tur": "tr", "ukr": "uk", "urd": "ur", "vie": "vi", "zho-CN": "zh", "zho-TW": "zh-TW",
}  # fmt: skip
"""Codes of NTREX-128 as the other corpora write them; what is not here keeps its own."""
XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
NATIVE = {"bpt", "ept", "it", "ph", "ut"}
"""TMX elements that hold formatting codes of the program that wrote them, and no text."""


def read(source: str | Path, *, hub: str | None = "en", languages: Sequence[str] = ()) -> Corpus:
    """The corpus behind a path or `hub:NAME:CONFIG`.

    Args:
        hub: a language that must be there.
        languages: only these and the hub; all where empty.

    Raises:
        InputError: it cannot be read, its files do not fit together, or a language is not in it.
    """
    where, path = str(source), at_home(source)
    asked = [name for name in (hub, *languages) if name is not None]
    parts: dict[str, list[Row]] = defaultdict(list)
    if where.startswith("hub:"):
        found = _hub(where.removeprefix("hub:"), asked)
    elif path.is_dir():
        found = _folder(path)
    elif path.is_file():
        found = iter([(_part(path.name) or "train", _units(path))])
    else:
        raise InputError(f"{where}: no such file or folder; expected {LAYOUTS}")
    for part, rows in found:
        parts[part] += rows
    groups = []
    if (half := path / "train.half").is_file():
        groups = _lines(half)
        _check_counts({half: len(groups), path / "train.*": len(parts["train"])})
    known = {language for rows in parts.values() for row in rows for language in row}
    for name in asked:
        if name not in known:
            raise unknown_name("language", name, known, where=where)
    keep = set(asked) if languages else known
    train = [_kept(row, keep) for row in parts.pop("train", [])]
    used = [i for i, row in enumerate(train) if len(row) > 1]
    held = {part: tuple(filled(_kept(row, keep) for row in parts[part])) for part in sorted(parts)}
    corpus = Corpus(
        train=tuple(train[i] for i in used),
        valid=held.pop("valid", ()),
        tests=held,
        groups=tuple(groups[i] for i in used) if groups else (),
    )
    return replace(corpus, notes=tuple(_notes(where, corpus)))


def _kept(row: Row, languages: Collection[str]) -> Row:
    return {language: text for language, text in row.items() if language in languages}


def _notes(where: str, corpus: Corpus) -> Iterator[str]:
    for name, rows in {"train": corpus.train, "valid": corpus.valid, **corpus.tests}.items():
        languages = sorted({language for row in rows for language in row})
        yield f"{where}, {name}: {len(rows)} rows" + (f" of {', '.join(languages)}" if rows else "")


def _folder(folder: Path) -> Iterator[tuple[str, Iterable[Row]]]:
    """Every set of aligned files, every table and every TMX of a folder, with the part it belongs to."""
    for inner in ("data/task1/raw", "NTREX-128"):  # where Multi30k and NTREX-128 keep theirs
        folder = folder / inner if (folder / inner).is_dir() else folder
    aligned: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    found = 0
    for file in sorted(folder.iterdir()):
        name = file.name.removesuffix(".gz")
        if name.endswith((".tsv", ".tmx")):
            found += 1
            yield _part(name) or "train", _units(file)
        elif match := re.fullmatch(rf"(.+)\.({CODE})", NTREX.sub(_as_moses, name)):
            stem, language = match.groups()
            part = _part(stem) or ("train" if language in _pair(stem) else "")  # Books.de-en.de of OPUS
            if part and language not in NO_LANGUAGE:
                other = aligned[part, stem].setdefault(language, file)
                if other != file:
                    raise InputError(f"{folder}: both {other.name} and {file.name}; remove one of them")
    for (part, stem), files in aligned.items():
        for (_, shorter), same in aligned.items():
            if stem.startswith(f"{shorter}.") and files.keys() == same.keys():
                raise InputError(f"{folder}: {shorter} and {stem} are the same texts; leave one of them")
        if len(files) < 2 and part in ("train", "valid"):
            raise InputError(f"{folder}: {stem} has one language ({', '.join(files)}); expected two or more")
        yield part, _aligned(files)
    if not found and not aligned:
        raise InputError(f"{folder}: no parallel text found; expected {LAYOUTS}")


def _as_moses(name: re.Match[str]) -> str:
    return f"{name[1]}.{SHORT.get(name[2], name[2])}"


def _part(name: str) -> str:
    """`train`, `valid`, the name of a test set, or nothing: told from a file's name up to its first dot."""
    first = name.split(".")[0]
    if re.search(r"(?<![a-z])(news|dev)?test(s|set)?(?![a-z])", first.lower()):
        return first
    if re.match(r"(news)?(dev|val|valid|validation)(?![a-z])", first.lower()):
        return "valid"
    return first if first == "train" else ""


def _pair(name: str) -> tuple[str, ...]:
    """The two languages that a name ends in."""
    match = re.search(rf"(?:^|\.)({CODE})-({CODE})$", name)
    return match.groups() if match else ()


def _aligned(files: Mapping[str, Path]) -> Iterator[Row]:
    texts = [_lines(file) for file in files.values()]
    _check_counts({file: len(own) for file, own in zip(files.values(), texts, strict=True)})
    for row in zip(*texts, strict=True):
        yield {language: text.strip() for language, text in zip(files, row, strict=True)}


def _check_counts(counts: Mapping[Path, int]) -> None:
    if len(set(counts.values())) > 1:
        folder = next(iter(counts)).parent
        found = ", ".join(f"{file.name} has {count}" for file, count in counts.items())
        raise InputError(f"{folder}: lines do not match: {found}; line n of every file must be the same sentence")


def _lines(file: Path) -> list[str]:
    """The lines of a UTF-8 file; only a line feed ends one, for texts hold the other separators that Unicode has."""
    with _opened(file) as stream:
        content = stream.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{file}, line {line}: not UTF-8 (byte {error.object[error.start]:#04x}); convert the file, e.g. with "
            "iconv -t UTF-8"
        ) from None
    if not text.strip():
        raise InputError(f"{file} is empty; expected a sentence a line")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


@contextmanager
def _opened(file: Path) -> Iterator[BufferedIOBase]:
    """The file's bytes, unpacked where its name ends in .gz."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _units(file: Path) -> Iterator[Row]:
    """The rows of one table or TMX."""
    name = file.name.removesuffix(".gz")
    if name.endswith(".tsv"):
        return _table(file, _pair(name.removesuffix(".tsv")))
    if name.endswith(".tmx"):
        return _tmx(file)
    raise InputError(f"{file}: not a layout that is read; expected {LAYOUTS}")


def _table(file: Path, pair: tuple[str, ...]) -> Iterator[Row]:
    """Tabs between cells and no quoting; the languages are the header's, or else the pair of the file's name."""
    cells = [[cell.strip() for cell in line.split("\t")] for line in _lines(file)]
    header = cells[0] if len(set(cells[0])) > 1 and all(re.fullmatch(CODE, cell) for cell in cells[0]) else []
    if len(set(header)) < len(header):
        raise InputError(f"{file}: a language occurs twice in its header ({', '.join(header)})")
    if pair and header and set(header) != set(pair):
        header = []  # a row of short words
    names = header or list(pair)
    if not names:
        raise InputError(
            f"{file}: its first row is {' | '.join(cells[0])[:60]!r}; expected language codes, or a file name that "
            "ends in a pair (xx-yy.tsv)"
        )
    for number, row in enumerate(cells[bool(header) :], start=1 + bool(header)):
        if len(row) != len(names):
            raise InputError(f"{file}, row {number}: {len(row)} cells, expected {len(names)} ({', '.join(names)})")
        yield {name: text for name, text in zip(names, row, strict=True) if name != "id"}


def _tmx(file: Path) -> Iterator[Row]:
    """The rows: of each language the first segment, its region left out (en-US is en).

    Regions that stand beside each other (zh-CN and zh-TW) stay languages of their own, unless some unit names none.
    """
    codes: set[str] = set()
    twice: set[str] = set()
    for unit in _regional(file):
        codes |= unit.keys()
        twice |= {language for language, count in Counter(map(_language, unit)).items() if count > 1}
    kept = twice - codes
    for unit in _regional(file):  # read twice: a large file is never whole in memory
        row: dict[str, str] = {}
        for code, text in unit.items():
            row.setdefault(code if _language(code) in kept else _language(code), text)
        yield row


def _language(code: str) -> str:
    return code.split("-")[0]


def _regional(file: Path) -> Iterator[Row]:
    """One unit at a time: the first segment of each code."""
    number = 0
    try:
        with _opened(file) as stream:
            around: list[ElementTree.Element] = []
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):
                if event == "start":
                    around.append(element)
                elif around.pop().tag == "tu":
                    number += 1
                    yield _unit(element, f"{file}, unit {number}")
                    for parent in around[-1:]:
                        parent.clear()  # what was read is kept nowhere
    except ElementTree.ParseError as error:
        raise InputError(f"{file}: not well-formed XML after unit {number} ({error})") from None
    except InputError:
        raise
    except (LookupError, ValueError) as error:
        raise InputError(f"{file}: its encoding cannot be read ({error}); convert the file to UTF-8") from None
    if not number:
        raise InputError(f"{file}: no translation unit (<tu>) in it; expected TMX 1.4")


def _unit(unit: ElementTree.Element, where: str) -> Row:
    row: dict[str, str] = {}
    for variant in unit.iter("tuv"):
        code = variant.get(XML_LANGUAGE) or variant.get("lang")
        segment = variant.find("seg")
        if not code or segment is None:
            raise InputError(f"{where}: a <tuv> without {'xml:lang' if not code else '<seg>'}")
        language, *region = re.split("[-_]", code)
        row.setdefault("-".join([language.lower(), *map(_cased, region)]), " ".join(_text(segment).split()))
    return row


def _cased(subtag: str) -> str:
    """A script (Hans) or a region (TW) as BCP 47 writes it."""
    return subtag.title() if len(subtag) == 4 else subtag.upper()


def _text(element: ElementTree.Element) -> str:
    """An element's text without the formatting codes inside it."""
    inner = (("" if child.tag in NATIVE else _text(child)) + (child.tail or "") for child in element)
    return (element.text or "") + "".join(inner)


def _hub(spec: str, wanted: Collection[str]) -> Iterator[tuple[str, Iterable[Row]]]:
    """Each split of `NAME:CONFIG[,CONFIG...]`: a hub data set, a local folder of one, or what `save_to_disk` wrote."""
    name, configs = hugging_face.parse(spec, example="Helsinki-NLP/opus-100:de-en")
    for config in configs.split(",") if configs else [None]:
        splits = hugging_face.load(name, config)
        parts = {split: part for split in splits if (part := _part(split))}
        if not parts:
            raise InputError(f"hub:{spec}: its splits are {', '.join(splits)}; expected train, validation or test")
        for split, part in parts.items():
            yield part, _records(splits[split], wanted, f"hub:{spec}, {split}")


def _records(data: Any, wanted: Collection[str], where: str) -> Iterator[Row]:
    """Texts of a `translation` column, or of a column for each language: the wanted ones and those of two letters."""
    texts = [name for name, feature in data.features.items() if str(getattr(feature, "dtype", "")).endswith("string")]
    columns = [name for name in texts if name in wanted or (re.fullmatch("[a-z]{2}", name) and name != "id")]
    if "translation" in data.column_names and "translation" not in texts:
        records = data["translation"]
        if any(isinstance(text, list) for record in records[:1] for text in (record or {}).values()):
            raise InputError(
                f"{where}: `translation` holds lists; expected one text for each language, {{'en': 'a dog'}}"
            )
    elif len(columns) > 1:
        records = data.select_columns(columns)
    else:
        raise InputError(
            f"{where}: expected a column `translation` or columns named by language codes; columns found: "
            f"{', '.join(data.column_names)}"
        )
    for number, record in enumerate(records, start=1):
        for language, text in (record or {}).items():
            if text is not None and not isinstance(text, str):
                raise InputError(f"{where}, row {number}: its {language!r} is {text!r}; expected a text")
        yield {language: (text or "").strip() for language, text in (record or {}).items()}
