"""Every layout of parallel text as its own tools write it, and what is said of a file that is not as it should be."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt_zero_shot.readers import read
from speech_tl.errors import InputError

TMX = """<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4"><header srclang="en" datatype="plaintext"/><body>
<tu><tuv xml:lang="en-GB"><seg>A <bpt i="1">&lt;b&gt;</bpt>red<ept i="1">&lt;/b&gt;</ept>
 <hi>bus</hi></seg></tuv><tuv xml:lang="de"><seg>Ein roter Bus</seg></tuv></tu>
<tu><tuv lang="EN"><seg>Yes</seg></tuv><tuv lang="de-AT"><seg>Ja</seg></tuv><tuv lang="de-DE"><seg>Ja!</seg></tuv></tu>
</body></tmx>
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Files of that content, packed where the name says so; gives their folder."""

    def files(**contents: str | bytes) -> Path:
        for name, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path

    return files


def test_a_folder_of_aligned_files(write: Write) -> None:
    folder = write(**{
        "train.en": "\ufeffa\r\nb \n\nd\n", "train.de.gz": "A\nB\nC\nD", "dev.en": "e\n", "dev.de": "E\n",
        "test_x.en": "f\n", "test_x.de": "F\n", "test_y.en": "g\n", "README.md": "not Moldovan", "train.ids": "1\n",
    })  # fmt: skip
    corpus = read(folder)
    assert corpus.train == tuple({"en": en, "de": de} for en, de in (("a", "A"), ("b", "B"), ("", "C"), ("d", "D")))
    assert corpus.valid == ({"en": "e", "de": "E"},)
    assert corpus.tests == {"test_x": ({"en": "f", "de": "F"},), "test_y": ({"en": "g"},)}
    assert corpus.notes[0] == f"{folder}, train: 4 rows of de, en"


@pytest.mark.parametrize(
    ("stem", "part"),
    [("newsdev2019.en-de", "valid"), ("dev2017", "valid"), ("valid_de-en", "valid"), ("newstest2019", "newstest2019"),
     ("devtest", "devtest"), ("Test", "Test"), ("latest.en-de", "train"), ("protest.en-de", "train"),
     ("device.en-de", "train")],
)  # fmt: skip
def test_the_part_that_a_name_says(write: Write, stem: str, part: str) -> None:
    """A test is not what merely contains the letters, and WMT's development sets are never trained on."""
    rows = read(write(**{f"{stem}.en": "a\n", f"{stem}.de": "A\n", "train.en": "b\n", "train.de": "B\n"}))
    found = {"train": rows.train, "valid": rows.valid, **rows.tests}
    assert {"en": "a", "de": "A"} in found[part]


def test_only_a_line_feed_ends_a_line(write: Write) -> None:
    folder = write(**{"train.en": "one\u2028still one\x0cand\x85so\ntwo\n", "train.de": "eins\nzwei\n"})
    assert [row["en"] for row in read(folder).train] == ["one\u2028still one\x0cand\x85so", "two"]


def test_pairs_in_files_of_their_own(write: Write) -> None:
    folder = write(**{
        "train.en-de.en": "a\n", "train.en-de.de": "A\n", "train.en-fr.en": "b\n", "train.en-fr.fr": "B\n",
        "Books.de-fr.de": "c\n", "Books.de-fr.fr": "C\n", "test.en-de.en": "d\n", "test.en-de.de": "D\n",
        "test.de-fr.de": "e\n", "test.de-fr.fr": "E\n",
    })  # fmt: skip
    corpus = read(folder)
    assert len(corpus.train) == 3
    for row in ({"de": "c", "fr": "C"}, {"en": "a", "de": "A"}, {"en": "b", "fr": "B"}):
        assert row in corpus.train
    assert {"de": "e", "fr": "E"} in corpus.tests["test"] and len(corpus.tests["test"]) == 2
    assert read(folder, languages=("de",)).train == ({"en": "a", "de": "A"},)


def test_groups_stay_beside_their_rows(write: Write) -> None:
    folder = write(**{"train.en": "a\nb\nc\n", "train.de": "A\nB\nC\n", "train.half": "x\ny\nx\n"})
    assert read(folder).groups == ("x", "y", "x")
    (folder / "train.half").write_text("x\n")
    with pytest.raises(InputError, match=r"lines do not match: train\.half has 1, train\.\* has 3"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("any.tsv", "en\tde\nHello\tHallo\n\tnichts\n"),
        ("en-de.tsv", "Hello\tHallo\n\tnichts\n"),
        ("news.en-de.tsv.gz", "Hello\tHallo\r\n\tnichts\r\n"),
    ],
)
def test_a_table(write: Write, name: str, content: str) -> None:
    corpus = read(write(**{name: content}) / name)
    assert corpus.train == ({"en": "Hello", "de": "Hallo"}, {"en": "", "de": "nichts"})


def test_a_folder_of_tables(write: Write) -> None:
    folder = write(**{"train.tsv": "en\tde\tfr\na\tA\tB\n", "dev.en-de.tsv": "b\tC\n", "test.tsv": "de\tfr\nD\tE\n"})
    corpus = read(folder, languages=("fr", "de"))
    assert (corpus.train, corpus.valid) == (({"en": "a", "de": "A", "fr": "B"},), ({"en": "b", "de": "C"},))
    assert corpus.tests == {"test": ({"de": "D", "fr": "E"},)}


@pytest.mark.parametrize("name", ["memory.tmx", "memory.tmx.gz"])
def test_a_translation_memory(write: Write, name: str) -> None:
    corpus = read(write(**{name: TMX}) / name)
    assert corpus.train == ({"en": "A red bus", "de": "Ein roter Bus"}, {"en": "Yes", "de": "Ja"})


def test_regions_beside_each_other_are_languages(write: Write) -> None:
    unit = '<tu><tuv xml:lang="{}"><seg>a</seg></tuv><tuv xml:lang="{}"><seg>b</seg></tuv></tu>'
    whole = "<tmx><body>" + unit.format("en-US", "zh-cn") + unit.format("zh-Hant-tw", "zh-CN") + "</body></tmx>"
    corpus = read(write(**{"memory.tmx": whole}) / "memory.tmx")
    assert corpus.train == ({"en": "a", "zh-CN": "b"}, {"zh-Hant-TW": "a", "zh-CN": "b"})


def test_a_file_named_as_a_test_set_is_no_training_data(write: Write) -> None:
    corpus = read(write(**{"test.de-fr.tsv": "A\tB\n"}) / "test.de-fr.tsv", hub=None)
    assert (corpus.train, corpus.tests) == ((), {"test": ({"de": "A", "fr": "B"},)})


def test_a_large_translation_memory_is_never_whole_in_memory(tmp_path: Path) -> None:
    import tracemalloc
    from xml.etree import ElementTree

    from nmt_zero_shot.readers import _tmx

    unit = '<tu><tuv xml:lang="en"><seg>some words</seg></tuv><tuv xml:lang="de"><seg>einige Worte</seg></tuv></tu>\n'
    (tmp_path / "large.tmx").write_text(f"<tmx><body>\n{unit * 5000}</body></tmx>")
    tracemalloc.start()
    rows = sum(1 for _ in _tmx(tmp_path / "large.tmx"))
    streamed = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    ElementTree.parse(tmp_path / "large.tmx")
    whole = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 5000
    assert streamed < whole / 3


def test_the_hub(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    texts = [{"en": "a", "de": "A"}, {"en": "b", "de": None}]
    pairs = datasets.Dataset.from_dict(
        {"translation": texts, "id": [1, 2]},
        features=datasets.Features(
            {"translation": datasets.Translation(languages=["en", "de"]), "id": datasets.Value("int32")}
        ),
    )
    columns = datasets.Dataset.from_dict({"en": ["c"], "de": ["C"], "id": [1], "url": ["x"]})
    datasets.DatasetDict(train=pairs, validation=columns, unsupervised=columns).save_to_disk(tmp_path / "saved")
    corpus = read(f"hub:{tmp_path / 'saved'}")
    assert corpus.train == ({"en": "a", "de": "A"}, {"en": "b", "de": ""})
    assert corpus.valid == ({"en": "c", "de": "C"},)
    assert corpus.tests == {}
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/train.csv").write_text("en,de\nd,D\n")
    assert read(f"hub:{tmp_path / 'plain'}").train == ({"en": "d", "de": "D"},)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train.en": "a\nb\n", "train.de": "A\n"}, r"lines do not match: train\.de has 1, train\.en has 2; line n of"),
        (
            {"train.en": "a\n\xe9\n".encode("latin-1"), "train.de": "A\nB\n"},
            r"train\.en, line 2: not UTF-8 \(byte 0xe9",
        ),
        ({"train.en": "", "train.de": "A\n"}, r"train\.en is empty; expected a sentence a line"),
        ({"train.en": "\n \n", "train.de": "A\nB\n"}, r"train\.en is empty"),
        ({"train.en": "a\n", "train.en.gz": "a\n", "train.de": "A\n"}, r"both train\.en and train\.en\.gz; remove one"),
        ({"train.en": "a\n"}, r"train has one language \(en\); expected two or more"),
        ({"train.fr": "a\n", "train.de": "A\n"}, "unknown language 'en' in .*; known: de, fr"),
        ({"readme.txt": "nothing"}, "no parallel text found; expected a folder of aligned text files"),
        ({"train.tsv": "en\tde\na\n"}, r"train\.tsv, row 2: 1 cells, expected 2 \(en, de\)"),
        ({"train.tsv": "Hello there\tHallo\n"}, r"its first row is 'Hello there \| Hallo'; expected language codes"),
        ({"train.tsv": "en\tde\ten\na\tb\tc\n"}, r"a language occurs twice in its header \(en, de, en\)"),
        ({"a.tmx": "<tu><tuv/></tu>"}, "unit 1: a <tuv> without xml:lang"),
        ({"a.tmx": "<tmx><body><tu>"}, r"a\.tmx: not well-formed XML after unit 0 \(no element found"),
        ({"a.tmx": "<tmx><body/></tmx>"}, "no translation unit"),
        ({"a.tmx": "<tmx><tu><tuv><seg>a</seg></tuv></tu></tmx>"}, "unit 1: a <tuv> without xml:lang"),
        ({"a.tmx": "<tmx><tu><tuv lang='en'/></tu></tmx>"}, "unit 1: a <tuv> without <seg>"),
    ],
)
def test_a_folder_that_does_not_fit_together(write: Write, files: dict[str, str | bytes], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        read(write(**files))
    assert "\n" not in str(refused.value)


def test_what_is_no_corpus_is_refused(write: Write, tmp_path: Path) -> None:
    folder = write(**{"train.en": "a\n", "train.de": "A\n", "notes.txt": "a"})
    (folder / "train.fr.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match=r"train\.fr\.gz: cannot be read \(Not a gzipped file"):
        read(folder)
    (folder / "train.fr.gz").write_bytes(gzip.compress(b"a" * 1000)[:-8])
    with pytest.raises(InputError, match=r"train\.fr\.gz: cannot be read \(Compressed file ended"):
        read(folder)
    with pytest.raises(InputError, match=r"notes\.txt: not a layout that is read"):
        read(folder / "notes.txt")
    with pytest.raises(InputError, match="no such file or folder; expected a folder"):
        read(tmp_path / "nowhere")
    (folder / "train.fr.gz").unlink()
    with pytest.raises(InputError, match=r"unknown language 'ko' in .*; known: de, en"):
        read(folder, languages=("de", "ko"))


def test_a_data_set_that_is_not_there_or_not_parallel(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    with pytest.raises(InputError, match="expected hub:NAME or hub:NAME:CONFIG"):
        read("hub::de-en")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/train.csv").write_text("sentence,label\na,1\n")
    with pytest.raises(InputError, match=r"expected a column `translation` or .* columns found: sentence, label"):
        read(f"hub:{tmp_path / 'odd'}")
    (tmp_path / "odd/train.csv").write_text("source,translation\na,b\n")
    with pytest.raises(InputError, match=r"expected a column `translation` or .* columns found: source, translation"):
        read(f"hub:{tmp_path / 'odd'}")
    for name, texts, message in (
        ("scores", [{"en": "a", "de": "b", "score": 0.5}], r"train, row 1: its 'score' is 0\.5; expected a text"),
        ("lists", [{"en": ["a"], "de": ["b"]}], "`translation` holds lists; expected one text"),
    ):
        datasets.DatasetDict(train=datasets.Dataset.from_dict({"translation": texts})).save_to_disk(tmp_path / name)
        with pytest.raises(InputError, match=message):
            read(f"hub:{tmp_path / name}")
    holes = datasets.Dataset.from_dict({"translation": [None, {"en": "a", "de": "b"}, None]})
    datasets.DatasetDict(train=holes).save_to_disk(tmp_path / "holes")
    assert [row for row in read(f"hub:{tmp_path / 'holes'}").train if row] == [{"en": "a", "de": "b"}]
    one = datasets.Dataset.from_dict({"en": ["a"], "de": ["b"]})
    datasets.DatasetDict(other=one).save_to_disk(tmp_path / "other")
    with pytest.raises(InputError, match="its splits are other; expected train, validation or test"):
        read(f"hub:{tmp_path / 'other'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="cannot be loaded"):
        read(f"hub:{tmp_path / 'empty'}")


def test_multi30k(shared_data: Path) -> None:
    corpus = read(shared_data / "mt/multi30k")
    assert (len(corpus.train), len(corpus.valid)) == (29000, 1014)
    assert {name: (len(rows), len(rows[0])) for name, rows in corpus.tests.items()} == {
        "test_2016_flickr": (1000, 4), "test_2017_flickr": (1000, 3), "test_2017_mscoco": (461, 3),
    }  # fmt: skip
    assert corpus.train[0]["de"] == "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche."


def test_the_bible_and_the_python_documentation(shared_data: Path) -> None:
    for name, train in (("bible_cjk", 26593), ("pydocs_cjk", 17579)):
        corpus = read(shared_data / "mt" / name, languages=("ja", "ko"))
        assert (len(corpus.train), len(corpus.valid), len(corpus.tests["test"])) == (train, 1000, 1000)
        assert sorted(corpus.train[0]) == ["en", "ja", "ko"]
        assert len(corpus.groups) == train and set(corpus.groups) == {"a", "b"}


def test_ntrex(shared_data: Path) -> None:
    corpus = read(shared_data / "mt/ntrex128")
    assert corpus.train == ()
    assert len(corpus.tests["newstest2019"]) == 1997
    assert sorted(corpus.tests["newstest2019"][0]) == ["cs", "de", "en", "es", "fr", "ja", "ko", "zh", "zh-TW"]
    assert corpus.tests["newstest2019"][0]["en"] == "Welsh AMs worried about 'looking like muppets'"


def test_regions_as_opus_writes_them(write: Write) -> None:
    folder = write(**{"OpenSubtitles.en-pt_br.en": "a\n", "OpenSubtitles.en-pt_br.pt_br": "A\n"})
    assert read(folder).train == ({"en": "a", "pt_br": "A"},)


def test_a_first_row_of_short_words_is_no_header(write: Write) -> None:
    folder = write(**{"en-fr.tsv": "yes\toui\nno\tnon\n", "fr-en.tsv": "en\tfr\nno\tnon\n"})
    assert read(folder / "en-fr.tsv").train[0] == {"en": "yes", "fr": "oui"}
    assert read(folder / "fr-en.tsv").train == ({"en": "no", "fr": "non"},)


def test_the_same_texts_twice(write: Write) -> None:
    texts = {f"{stem}.{language}": "a\n" for stem in ("train", "train.tok") for language in ("en", "de")}
    with pytest.raises(InputError, match=r"train and train\.tok are the same texts; leave one of them"):
        read(write(**texts))


@pytest.mark.parametrize("encoding", ["gbk", "nothing-1"])
def test_a_tmx_in_an_encoding_that_is_not_read(write: Write, encoding: str) -> None:
    with pytest.raises(InputError, match=r"x\.tmx: its encoding cannot be read .*convert the file to UTF-8"):
        read(write(**{"x.tmx": TMX.replace("UTF-8", encoding)}) / "x.tmx")
