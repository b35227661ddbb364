"""What users of the translation commands get wrong, a row each: one clear line and exit code 2, or handled and counted."""

# ruff: noqa: E501  a row of the table is a line

import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from nmt_zero_shot import evaluate, translate
from nmt_zero_shot.grammar import generate
from recipes import nmt_zero_shot as recipe
from speech_tl.training.config import command

COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "train": lambda words: command(recipe.main, recipe.Config, words),
    "evaluate": lambda words: command(evaluate.main, evaluate.Config, words),
    "translate": lambda words: command(translate.main, translate.Config, words),
}
TRAIN = "train --data corpus --tiny --steps 2 --test-sentences 2 --device cpu --out run"
EVALUATE = "evaluate --checkpoint run --data corpus --device cpu --beam 1"
TRANSLATE = "translate --checkpoint run --from de --to fr --device cpu --beam 1"
LANGUAGES = ("en", "de", "fr")

Spoil = Callable[[Path], object]
"""What is done to a folder that holds `corpus` and `run`."""


@dataclass(frozen=True)
class Bad:
    """A row of the table."""

    name: str
    words: str
    """The command, run in the spoilt folder."""
    says: str
    """Regular expression of the line."""
    spoil: Spoil = lambda folder: None


def file(name: str, content: str | bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def more(name: str, content: str | bytes) -> Spoil:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + data)


def damage(name: str) -> Spoil:
    """A few bytes in the middle are others."""

    def spoil(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:20] + bytes(255 - byte for byte in data[20:40]) + data[40:])

    return spoil


def away(name: str) -> Spoil:
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def row_for_all(english: str, german: str, french: str) -> Spoil:
    texts = {"en": english, "de": german, "fr": french}
    return lambda folder: [more(f"corpus/train.{language}", f"{text}\n")(folder) for language, text in texts.items()]


def pickled(folder: Path) -> None:
    away("run/checkpoint/model.safetensors")(folder)
    torch.save({}, folder / "run/checkpoint/pytorch_model.bin")


ROWS = [
    Bad("a start with flags of its own", TRAIN.replace("--out run", "--out more") + " --init run --norm post --vocabulary 900", r"--init run brings its own model and vocabulary: leave out --norm, --vocabulary"),
    Bad("a start that would be written over", TRAIN + " --init run", r"--out run would write over --init run: choose another folder"),
    Bad("a language added to nothing", TRAIN + " --add-languages de", r"--add-languages de: to what\? name a checkpoint with --init"),
    Bad("no learning rate", TRAIN + " --peak-rate 0", r"peak_rate"),
    Bad("a start that is none", TRAIN + " --init corpus", r"no config\.json in corpus \(found: .*\); give a run, or a folder with a model"),
    Bad("no such folder", TRAIN.replace("corpus", "nowhere"), "nowhere: no such file or folder; expected"),
    Bad("a folder without texts", TRAIN, "corpus: no parallel text found; expected", lambda folder: [away(f"corpus/train.{each}")(folder) for each in LANGUAGES]),
    Bad("one language", TRAIN, r"corpus: train has one language \(en\); expected two or more", lambda folder: [away(f"corpus/train.{each}")(folder) for each in LANGUAGES[1:]]),
    Bad("line counts that differ", TRAIN, r"lines do not match: .*line n of every file must be the same sentence", more("corpus/train.de", "Ein Satz zu viel.\n")),
    Bad("an empty file", TRAIN, r"train\.fr is empty; expected a sentence a line", file("corpus/train.fr", "")),
    Bad("invalid UTF-8", TRAIN, r"train\.de.*line 401.*UTF-8", lambda folder: [more(f"corpus/train.{each}", b"\xff\xfe\n")(folder) for each in LANGUAGES]),
    Bad("a language without data", TRAIN + " --languages de ja", "unknown language 'ja' in .*corpus"),
    Bad("a hub without data", TRAIN + " --hub-language ja", "unknown language 'ja' in .*corpus"),
    Bad("source and target swapped", TRAIN, "the training texts of 'de' look like 'fr' .*swapped", lambda folder: [shutil.move(folder / "corpus/train.de", folder / "corpus/x"), shutil.move(folder / "corpus/train.fr", folder / "corpus/train.de"), shutil.move(folder / "corpus/x", folder / "corpus/train.fr")]),
    Bad("too small a vocabulary", TRAIN.replace("--tiny", "--size tiny") + " --vocabulary 100", "a vocabulary of 100 subwords is too small"),
    Bad("an unknown size", TRAIN.replace("--tiny", "--size huge"), "unknown model size 'huge'"),
    Bad("an unknown tag scheme", TRAIN + " --tags target", "'target' for argument '--tags'. Expected one of"),
    Bad("tags where the top reads none", TRAIN + " --tags decoder --top-tags 1", "top_tags reads the tag at the source's start"),
    Bad("more noise than sentences", TRAIN + " --denoise 2", "denoise is 2: expected a share from 0"),
    Bad("an unknown test set", TRAIN + " --tests newstest", "unknown test set 'newstest' in corpus"),
    Bad("an unknown rival", TRAIN + " --rivals google", "'google' for argument '--rivals'. Expected one of"),
    Bad("other data on resuming", TRAIN + " --resume", "the saved run was training on other sentence pairs", row_for_all("A new bus.", "Ein neuer Bus.", "Un nouveau bus.")),
    Bad("a weight that is no number", TRAIN + " --align nan", "--align nan: expected the weight of a loss, 0 .none. or more"),
    Bad("a weight that pushes apart", TRAIN + " --align -1", "--align -1: expected the weight of a loss"),
    Bad("a seed beyond all", TRAIN + " --seed 99999999999999999999", "--seed 99999999999999999999: expected a whole number from 0 to 4294967295"),
    Bad("texts in nobody's home", TRAIN.replace("--data corpus", "--data ~nosuch/x"), "no such user's home; write the folder out"),
    Bad("other settings on resuming", TRAIN + " --resume --align 0.3", "the run in run began with --align 0.0, now 0.3: resume it with the same"),
    Bad("a pair never trained of one language", TRAIN + " --languages de --rivals zero_resource", "of which there are none with one language"),
    Bad("no sentences to test", TRAIN.replace("--test-sentences 2", "--test-sentences 0"), "--test-sentences 0 --beam 5: expected 1 or more"),
    Bad("a search of nothing after training", TRAIN.replace("--tiny", "--size tiny") + " --beam 0", "--test-sentences 2 --beam 0: expected 1 or more"),
    Bad("a bound of one language", TRAIN + " --languages de --rivals bound_added", "--rivals bound_added: pairs never trained, of which there are none with one language"),
    Bad("a plain rival of a start", TRAIN.replace("--out run", "--out more") + " --init run --rivals plain", "--rivals plain begins with random weights, which --init takes the place of"),
    Bad("a start written over from within", TRAIN.replace("--out run", "--out run/checkpoint") + " --init run", "--out run/checkpoint would write over --init run"),
    Bad("labels that are nothing but smooth", TRAIN + " --smoothing 1.5", r"smoothing is 1\.5: expected a share from 0"),
    Bad("a start whose list was damaged", TRAIN.replace("--out run", "--out more") + " --init run", r"trained_on\.json\.gz cannot be read .*copy the run again", damage("run/checkpoint/trained_on.json.gz")),
    Bad("a start through another language", TRAIN.replace("--out run", "--out more") + " --init run --hub-language fr", "run was trained on en-de, en-fr.*, not through fr: .*give --hub-language as its run had it"),
    Bad("a start that is not whole", TRAIN.replace("--out run", "--out more") + " --init run", r"trained_on\.json\.gz cannot be read .*copy the run again", file("run/checkpoint/trained_on.json.gz", b"x")),
    Bad("a language without another", TRAIN + " --languages en", "--languages en: the hub alone; name the others"),
    Bad("a checkpoint that is none", EVALUATE.replace("run", "corpus"), "no config.json in corpus"),
    Bad("a pickle for weights", EVALUATE, "pickled weights are never loaded", pickled),
    Bad("another vocabulary", EVALUATE, "the vocabulary in run/checkpoint is not whole .*copy", more("run/checkpoint/sentencepiece.model", b"\x00")),
    Bad("weights cut short", EVALUATE, "the weights in .* cannot be read", lambda folder: file("run/checkpoint/model.safetensors", (folder / "run/checkpoint/model.safetensors").read_bytes()[:5000])(folder)),
    Bad("no direction", EVALUATE + " --split all --pairs defr", "'defr' is no direction; expected SOURCE-TARGET"),
    Bad("a direction into an unknown language", EVALUATE + " --split all --pairs de-sw", "unknown language 'sw' in this vocabulary"),
    Bad("no test set", EVALUATE, "corpus has no test set; --split all tests on every row"),
    Bad("a folder to write to", EVALUATE + " --split all --out run", "--out run is a folder; give a file to write"),
    Bad("an unknown tag", TRANSLATE.replace("de", "xx", 1) + " Hallo", "unknown language 'xx' in this vocabulary"),
    Bad("from a language to itself", TRANSLATE.replace("de", "fr", 1) + " Hallo", "fr to fr: fr to fr is no translation; give another language"),
    Bad("through its own language", TRANSLATE + " --through de Hallo", "de to de to fr: de to de is no translation"),
    Bad("no such file", TRANSLATE + " --file letter.txt", "--file letter.txt: no such file"),
    Bad("a file and a text", TRANSLATE + " --file corpus/train.de Hallo", "both texts and --file"),
    Bad("a pipe that is not UTF-8", TRANSLATE + " --file latin.txt", r"latin\.txt, line 2: not UTF-8 \(byte 0xfc", file("latin.txt", "ja\nf\xfcr\n".encode("latin-1"))),
    Bad("a gzip file cut short", TRANSLATE + " --file x.gz", r"x\.gz is no whole gzip file", file("x.gz", b"\x1f\x8b\x08\x00")),
    Bad("a text that is not UTF-8", TRANSLATE + " f\udcfcr", "is not UTF-8; call this from a terminal"),
    Bad("a flag of another tool", TRANSLATE + " --source de Hallo", "unknown flag '--source'; .*known: .*--from"),
    Bad("a search of nothing", TRANSLATE.replace("--beam 1", "--beam 0") + " Hallo", "--beam 0: expected 1"),
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "corpus").mkdir()
    rows = generate(sentences=400, valid=0, test=0).train
    for language in LANGUAGES:
        text = "".join(f"{row[language]}\n" for row in rows)
        (folder / f"corpus/train.{language}").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert COMMANDS["train"](shlex.split(TRAIN)[1:]) == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(finished, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def contents(folder: Path) -> dict[str, str]:
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("bad", ROWS, ids=lambda bad: bad.name.replace(" ", "_"))
def test_one_clear_line(bad: Bad, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bad.spoil(folder)
    before = contents(folder)
    name, *words = shlex.split(bad.words)
    code = COMMANDS[name](words)
    said = capfd.readouterr().err
    assert code == 2 and "Traceback" not in said, said
    *told, line = said.splitlines()
    assert line.startswith("error: ") and re.search(bad.says, line), said
    assert not any(other.startswith("error: ") for other in told), said
    assert before.items() <= contents(folder).items()


def test_a_line_of_5000_words_is_left_out_and_counted(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    row_for_all("word " * 5000, "Wort " * 5000, "mot " * 5000)(folder)
    name, *words = shlex.split(TRAIN.replace("--out run", "--out long"))
    assert COMMANDS[name](words) == 0
    assert re.search("too long.*1|1.*too long", capfd.readouterr().err)


def test_a_line_of_5000_words_is_translated(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name, *words = shlex.split(TRANSLATE + " --file long.txt")
    (folder / "long.txt").write_text("Hund " * 5000 + "\n\nKatze\n", encoding="utf-8")
    assert COMMANDS[name](words) == 0
    assert len(capfd.readouterr().out.split("\n")) == 4, "three lines for three, the empty one stays empty"
