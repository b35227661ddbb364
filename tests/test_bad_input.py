"""What users get wrong, a row each, through the real commands: one clear line and exit code 2, or handled and counted.

A row is what was spoilt, the command that met it, and what its line must say (what came, where, what to do). Every
command is pointed at a finished run and a corpus, and whatever was there before is there after, byte for byte.
"""

# ruff: noqa: E501  a row of the table is a line

import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import recipes.asr_distillation as distillation
import recipes.asr_domain_adversarial as domain_adversarial
import recipes.asr_multilingual as recipe
import recipes.asr_new_language as new_language
import recipes.asr_new_speaker as new_speaker
import recipes.asr_second_task as second_task
import recipes.asr_self_supervised as self_supervised
import recipes.asr_unseen_languages as unseen_languages
import recipes.asr_unseen_words as unseen_words
import recipes.image_attributes as image_attributes
import recipes.layer_transfer as layer_transfer
from speech_tl import evaluate, transcribe
from speech_tl.data import synthesis
from speech_tl.training import grid
from speech_tl.training.config import command

REPOSITORY = Path(__file__).parent.parent
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
RATE = 16000

COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "recipes.asr_multilingual": lambda words: command(recipe.main, recipe.Config, words),
    "recipes.asr_new_language": lambda words: command(new_language.main, new_language.Config, words),
    "recipes.image_attributes": lambda words: command(image_attributes.main, image_attributes.Config, words),
    "recipes.asr_unseen_languages": lambda words: command(unseen_languages.main, unseen_languages.Config, words),
    "recipes.asr_unseen_words": lambda words: command(unseen_words.main, unseen_words.Config, words),
    "recipes.asr_distillation": lambda words: command(distillation.main, distillation.Config, words),
    "recipes.asr_domain_adversarial": lambda words: command(domain_adversarial.main, domain_adversarial.Config, words),
    "recipes.asr_self_supervised": lambda words: command(self_supervised.main, self_supervised.Config, words),
    "recipes.layer_transfer": lambda words: command(layer_transfer.main, layer_transfer.Config, words),
    "recipes.asr_second_task": lambda words: command(second_task.main, second_task.Config, words),
    "recipes.asr_new_speaker": lambda words: command(new_speaker.main, new_speaker.Config, words),
    "speech_tl.evaluate": lambda words: command(evaluate.main, evaluate.Config, words),
    "speech_tl.transcribe": lambda words: command(transcribe.main, transcribe.Config, words),
    "speech_tl.training.grid": grid.run,
    "speech_tl.data.synthesis": lambda words: command(synthesis.main, synthesis.Config, words),
}
TRAIN = (
    "recipes.asr_multilingual --data corpus --hold-out-speakers aa3 bb3 --encoder tiny --minutes 0.005 "
    "--monolingual aa --device cpu --out run"
)
DIVIDED = TRAIN.replace("--hold-out-speakers aa3 bb3 ", "")
LATE = TRAIN + "/new"
EVALUATE = "speech_tl.evaluate --checkpoint run --data corpus --device cpu"
TRANSCRIBE = "speech_tl.transcribe --checkpoint run --device cpu"
ADAPT = "recipes.asr_new_speaker --checkpoint run --data corpus --language aa --tiny --device cpu --out voice"
LEARN = "recipes.asr_new_language --checkpoint run --data corpus --language cc --tiny --device cpu --out more"
GRID = "speech_tl.training.grid --out study"
SYNTHESIS = "speech_tl.data.synthesis --size tiny"

Spoil = Callable[[Path], object]
"""What is done to a folder that holds `corpus`, `run` and some recordings."""


@dataclass(frozen=True)
class Bad:
    """A row of the table."""

    name: str
    words: str
    """The command, run in the spoilt folder."""
    says: str
    """Regular expression of the line."""
    spoil: Spoil = lambda folder: None
    real: bool = False
    """In a process of its own."""
    late: bool = False
    """Found after the data were read and described on standard error."""


def row(line: str) -> Spoil:
    """One more row of the table."""
    return lambda folder: table(folder, (folder / "corpus/metadata.csv").read_bytes() + f"{line}\n".encode())


def table(folder: Path, content: bytes | str) -> None:
    """Another table."""
    data = content.encode() if isinstance(content, str) else content
    (folder / "corpus/metadata.csv").write_bytes(data)


def new_table(content: bytes | str) -> Spoil:
    return lambda folder: table(folder, content)


def file(name: str, content: bytes | str = b"") -> Spoil:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def sound(name: str, samples: np.ndarray, *, rate: int = RATE, subtype: str = "FLOAT") -> Spoil:
    return lambda folder: soundfile.write(folder / name, samples, rate, subtype=subtype)


def remove(*names: str) -> Spoil:
    def away(folder: Path) -> None:
        for path in (folder / name for name in names):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return away


def only(name: str) -> Spoil:
    """The corpus folder with nothing but this file of Kaldi's."""

    def leave(folder: Path) -> None:
        remove("corpus/metadata.csv")(folder)
        file("corpus/wav.scp", name)(folder)
        file("corpus/text", "u1 one\n")(folder)
        file("corpus/utt2spk", "u1 s1\n")(folder)

    return leave


def edit(name: str, **changes: object) -> Spoil:
    """Other values in a JSON file."""

    def write(folder: Path) -> None:
        values = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(values | changes), encoding="utf-8")

    return write


def cut(name: str, size: int) -> Spoil:
    return lambda folder: os.truncate(folder / name, size)


def pickled(name: str) -> Spoil:
    return lambda folder: torch.save({"weight": torch.zeros(2)}, folder / name)


NOISE = 0.1 * np.random.default_rng(0).standard_normal(8000)
NAN = np.where(np.arange(8000) == 5, np.nan, NOISE)
CHECKPOINT = "run/checkpoint/model.safetensors"

CORPUS = [
    Bad("no such folder", TRAIN.replace("corpus", "nowhere"), "nowhere: no such folder; expected a corpus folder", real=True),
    Bad("a seed below 0", TRAIN + " --seed -1", r"error: --seed -1: expected a whole number of at least 0"),
    Bad("a folder without a table", TRAIN, r"corpus: not a corpus folder; expected one of metadata\.csv", remove("corpus/metadata.csv")),
    Bad("an empty table", TRAIN, r"metadata\.csv is empty; expected a header with file_name, text, language, speaker_id", new_table("")),
    Bad("a header alone", TRAIN, r"metadata\.csv is a header and no rows; expected", new_table("file_name,text,language,speaker_id\n")),
    Bad("a table without a column", TRAIN, r"row 1: no column speaker_id; columns found: file_name, text, language", new_table("file_name,text,language\naa1-0.wav,one,aa\n")),
    Bad("a row with a missing cell", TRAIN, r"metadata\.csv, row 26: 3 cells, but the header has 4 columns", row("aa1-0.wav,one,aa")),
    Bad("a quote that never ends", TRAIN, r"line 26: not readable as a table .*; a quote may never be closed", row('x.wav,"one,aa,aa1\ny.wav,two,aa,aa1')),
    Bad("Latin-1", TRAIN, r"row 2: not UTF-8 \(byte 0xf6.*iconv", new_table("file_name,text,language,speaker_id\naa1-0.wav,zwölf,aa,aa1\n".encode("latin-1"))),
    Bad("UTF-16", TRAIN, r"row 1: not UTF-8.*iconv", new_table("file_name,text\n".encode("utf-16"))),
    Bad("a missing recording", TRAIN, r"corpus: 1 of 25 audio files are missing: .*x\.wav \(row 26\)", row("x.wav,one,aa,aa1")),
    Bad("a recording of 0 bytes", TRAIN, r"1 of 24 audio files are 0 bytes long: .*aa1-2\.wav \(row 4\)", file("corpus/aa1-2.wav")),
    Bad("text named .wav", TRAIN, r"row 4: .*aa1-2\.wav: not audio.*ffmpeg", file("corpus/aa1-2.wav", "not audio"), real=True),
    Bad("NaN samples", TRAIN, r"row 4: .*aa1-2\.wav: 1 of 8000 samples are NaN or infinite", sound("corpus/aa1-2.wav", NAN)),
    Bad("clips too short for their texts", LATE, "aa: .*too few frames.*check the transcripts", lambda folder: lengthen(folder), late=True),
    Bad("a recording without samples", TRAIN, r"row 4: .*aa1-2\.wav: no samples", sound("corpus/aa1-2.wav", NOISE[:0])),
    Bad("end before start", TRAIN, r"row 2: end 0\.1 s is not after start 0\.2 s", new_table("file_name,text,language,speaker_id,start,end\naa1-0.wav,one,aa,aa1,0.2,0.1\n")),
    Bad("start that is no number", TRAIN, r"row 2: start is '1:30', expected seconds", new_table("file_name,text,language,speaker_id,start,end\naa1-0.wav,one,aa,aa1,1:30,\n")),
    Bad("start beyond the end", TRAIN, r"aa1-2\.wav: start 9 s is beyond the end of the recording \(0\.500 s\)", lambda folder: segment(folder, "aa1-2.wav", 9)),
    Bad("../ in a file name", TRAIN, r"row 26: '\.\./secret\.wav' points outside .*corpus; give a path inside", row("../secret.wav,one,aa,aa1")),
    Bad("an absolute file name", TRAIN, r"row 26: '/etc/passwd' points outside", row("/etc/passwd,one,aa,aa1")),
    Bad("an empty text", TRAIN, r"row 26: empty text for aa1-0\.wav", row("aa1-0.wav,,aa,aa1")),
    Bad("a text of punctuation", TRAIN, r"row 3: nothing is left of text.*leave the row out", lambda folder: respell(folder, "?!")),
    Bad("a language that is a path", TRAIN, r"row 26: language is '\.\./cc', expected a code such as sw", row("alone.wav,one,../cc,cc1")),
    Bad("half an hour to test", LATE, r"row \d+: .*aa3-0\.wav lasts 121 s, and a clip is tested whole, up to 120 s: cut it", sound("corpus/aa3-0.wav", np.resize(NOISE, 121 * RATE)), late=True),
    Bad("half an hour to evaluate", EVALUATE + " --split all", r"aa3-0\.wav lasts 121 s, and a clip is tested whole", sound("corpus/aa3-0.wav", np.resize(NOISE, 121 * RATE)), late=True),
    Bad("an empty speaker", TRAIN, r"row 26: empty speaker_id", row("aa1-0.wav,one,aa,")),
    Bad("rows that contradict each other", TRAIN, r"row 26: aa1-1\.wav has text 'three', but 'two' in row 3; keep one", row("aa1-1.wav,three,aa,aa1")),
    Bad("a JSON row cut short", TRAIN + " --data corpus/more.jsonl", r"more\.jsonl, row 1: not a JSON object", file("corpus/more.jsonl", '{"file_name": "aa1')),
    Bad("a misspelt split", TRAIN.replace("--hold-out-speakers aa3 bb3", ""), r"unknown split 'trian' in .*row 2; did you mean 'train'", lambda folder: splits(folder, "trian", "test")),
    Bad("a split that shares speakers", TRAIN.replace("--hold-out-speakers aa3 bb3", ""), r"shares 3 speakers.*--hold-out-speakers aa3.*--known-speakers", lambda folder: splits(folder, "train", "test")),
    Bad("a program in wav.scp", TRAIN, r"wav\.scp, row 1: a pipe.*name the file instead", only("u1 sox x.wav -t wav - |\n")),
    Bad("Kaldi without text", TRAIN, r"corpus/text: missing; a Kaldi data directory has", lambda folder: (only("u1 x.wav\n")(folder), remove("corpus/text")(folder))),
    Bad("a language of one utterance", TRAIN, "cc: the test part is empty.*choose other", row("alone.wav,one,cc,cc1")),
]  # fmt: skip

FLAGS = [
    Bad("a misspelt flag", TRAIN + " --minuts 3", "unknown flag '--minuts'; did you mean '--minutes'", real=True),
    Bad("a misspelt language", TRAIN + " --languages aab bb", "unknown language 'aab' in corpus; did you mean 'aa'. known: aa, bb"),
    Bad("a value of the wrong type", TRAIN + " --minutes ten", "--minutes.*ten"),
    Bad("a number of speakers that is none", TRAIN + " --train-speakers aa=x", r"--train-speakers got 'aa=x'; expected a number, or LANGUAGE=NUMBER"),
    Bad("speakers of a language that is not there", TRAIN + " --train-speakers cc=2", r"unknown language 'cc' in --train-speakers.*known: aa, bb"),
    Bad("minutes of a language that is not there", TRAIN + " --train-minutes cc=2", r"unknown language 'cc' in --train-minutes.*known: aa, bb"),
    Bad("more speakers than there are", TRAIN + " --train-speakers 9", "--train-speakers 9, but 2 speakers are left"),
    Bad("a speaker of a language left out", TRAIN + " --languages aa", "unknown speaker 'bb3' in corpus"),
    Bad("a number given twice", TRAIN + " --train-minutes aa=1 aa=2", "--train-minutes says of aa both 1.0 and 2: give one"),
    Bad("a number that is none", TRAIN + " --train-minutes nan", "--train-minutes got 'nan'; expected a number above 0"),
    Bad("an unknown speaker held out", TRAIN + " --hold-out-speakers aa33", "unknown speaker 'aa33' in corpus; did you mean 'aa3'"),
    Bad("what is tested among what is only trained on", TRAIN + " --train-only ./corpus", r"corpus/aa1-0\.wav is in .* and in .*: give it once"),
    Bad("every speaker held out", TRAIN + " --hold-out-speakers aa1 aa2 aa3 bb3", "aa: all 3 speakers are held out"),
    Bad("no such split file", DIVIDED + " --split-file nowhere.json", r"nowhere\.json: cannot be read"),
    Bad("two ways to divide", TRAIN + " --split-file run/splits.json", r"--split-file run/splits\.json says who trains and who is tested: leave out the other flags"),
    Bad("a split file of other data", DIVIDED + " --split-file run/splits.json", r"splits\.json: 1 of .* recordings of aa are not in the data", lambda folder: drop(folder, "aa1-0.wav")),
    Bad("a budget below any utterance", TRAIN + " --train-minutes aa=0.0001", "0.0001 minutes hold no utterance of aa; ask for more"),
    Bad("pronunciations of no language", TRAIN + " --phones ipa", r"--phones got 'ipa'; expected LANGUAGE=SOURCE, such as lit=espeak:lt or arb=ipa"),
    Bad("pronunciations of a language that is not there", TRAIN + " --phones cc=ipa", r"unknown language 'cc' in --phones.*known: aa, bb"),
    Bad("pronunciations from a column that is not there", TRAIN + " --phones aa=ipa", r"unknown column 'ipa' in --phones"),
    Bad("a lexicon that lacks the words", TRAIN + " --phones aa=words.tsv", r"words.tsv: \d+ words of the data are not in it: ", spoil=file("words.tsv", "none\tnan\n")),
    Bad("a sampling rate without an input layer", LATE + " --sample-rate 44100", "no input layer for a sampling rate of 44100 Hz; expected 16000 or 8000", late=True),
    Bad("augmentation after the end", LATE + " --augment-after 2", "--augment-after 2: expected a share", late=True),
    Bad("an odd subsampling", LATE + " --subsampling 3", "subsampling by 3: expected one of 2, 4, 8", late=True),
    Bad("no time to train", LATE + " --minutes 0", "budget of 0.0 minutes trains nothing", late=True),
    Bad("a batch of nothing", LATE + " --batch-clips 0", "batch.* 0 .*1 or more", late=True),
    Bad("clips longer than a batch", LATE + " --batch-seconds 0.1", r"lasts [\d.]+ s and a batch holds 0.1 s: cut it", late=True),
    Bad("temperature 0", LATE + " --temperature 0", "temperature 0.0 must be above 0", late=True),
    Bad("a dropout above 1", LATE + " --dropout 2", "dropout is 2: expected a share", late=True),
    Bad("a baseline of a language that is not there", TRAIN + " --monolingual cc", "unknown language 'cc' in --monolingual.*known: aa, bb"),
    Bad("a misspelt encoder", LATE + " --encoder smal", "unknown encoder 'smal'.*did you mean 'small'. known: base, narrow, small, tiny", late=True),
    Bad("an encoder folder without weights", LATE + " --encoder bare", "bare.*model.safetensors", file("bare/config.json", '{"model_type": "wav2vec2"}'), late=True),
    Bad("an encoder of another kind", LATE + " --encoder bare", "unknown encoder architecture 'bert' in bare", file("bare/config.json", '{"model_type": "bert"}'), late=True),
    Bad("a device of another kind", TRAIN + " --device gpu", "unknown device 'gpu'.*known: auto, cpu, cuda"),
    Bad("a run folder that is a file", TRAIN + " --out run/metrics.json", r"metrics\.json.*choose another"),
    Bad("a run folder below a file", TRAIN + " --out run/metrics.json/new", r"metrics\.json.*choose another"),
    Bad("a configuration that is not there", TRAIN + " --config nowhere.json", r"no configuration file nowhere\.json"),
    Bad("a configuration with an unknown key", TRAIN + " --config run/config.json", r"unknown key 'minuts' in run/config\.json; did you mean 'minutes'", edit("run/config.json", minuts=3)),
    Bad("a configuration of the wrong type", TRAIN + " --config run/config.json", r"'seed' in run/config\.json is \"one\"; expected int", edit("run/config.json", seed="one")),
    Bad("a configuration that is no JSON", TRAIN + " --config run/log.txt", r"log\.txt is not JSON"),
    Bad("resume with another plan", TRAIN + " --resume --minutes 7", r"the run in run began with --minutes 0\.005, now 7\.0: resume it with the same", late=True),
    Bad("resume with other data", TRAIN + " --resume", "other data.*give the same data", lambda folder: drop(folder, "aa1-0.wav"), late=True),
    Bad("resume with another encoder", TRAIN + " --resume --encoder small", r"the run in run began with --encoder \w+, now small: resume it with the same", late=True),
    Bad("resume from half a file", TRAIN + " --resume", r"state\.safetensors is not a whole safetensors file.*without --resume", cut("run/state.safetensors", 1000), late=True),
    Bad("resume from a pickle", TRAIN + " --resume", r"state\.safetensors is not a whole safetensors file.*pickled checkpoints are never loaded", pickled("run/state.safetensors"), late=True),
    Bad("a grid without a recipe", GRID, "recipe"),
    Bad("a grid of an unknown recipe", GRID + " --recipe recipes.asr_multilangual", "no module 'recipes.asr_multilangual'"),
    Bad("a grid that varies nothing", GRID + " --recipe recipes.asr_multilingual --vary seed", "--vary seed: expected flag=value"),
    Bad("a grid whose cells are given --out", GRID + " --recipe recipes.asr_multilingual -- --out x", "--out and --resume are given to each cell"),
    Bad("a grid in a file", GRID + " --recipe recipes.asr_multilingual --out run/metrics.json", r"metrics\.json.*choose another"),
    Bad("a grid whose cells fail", GRID + " --recipe recipes.asr_multilingual -- --minuts 3", r"1 of 1 cells failed, see study/cells/\*\.log"),
    Bad("speech made into a file", SYNTHESIS + " --out run/metrics.json", r"metrics\.json is a file: the offline corpus needs a folder", real=True),
    Bad("speech made among other files", SYNTHESIS + " --out corpus", r"corpus holds other files.*choose an empty folder"),
    Bad("speech of an unknown size", SYNTHESIS + " --out new --size huge", "invalid choice 'huge' for argument '--size'.*tiny"),
    Bad("speech over speech of another seed", SYNTHESIS + " --out new --seed 3", r"new holds another offline corpus \(size tiny, seed 1; wanted size tiny, seed 3\): choose another", file("new/synthesis.json", '{"format": 1, "size": "tiny", "seed": 1, "plan": "x", "finished": true}')),
    Bad("a damaged stamp", SYNTHESIS + " --out new", r"synthesis\.json is damaged: remove new", file("new/synthesis.json", "{")),
]  # fmt: skip

CHECKPOINTS = [
    Bad("no checkpoint", EVALUATE + " --checkpoint nowhere", r"no config\.json in nowhere \(found: no folder\); give a run"),
    Bad("a folder without a checkpoint", TRANSCRIBE + " --checkpoint corpus noise.wav", r"no config\.json in corpus \(found: .*; give a run"),
    Bad("a checkpoint of another version", TRANSCRIBE + " noise.wav", "checkpoint format 99, this version reads 1; train it again", edit("run/checkpoint/config.json", format_version=99), real=True),
    Bad("a checkpoint of another kind", TRANSCRIBE + " noise.wav", "holds a 'wav2vec2' model, expected 'speech_tl_ctc'", edit("run/checkpoint/config.json", model_type="wav2vec2")),
    Bad("a pickle where safetensors belong", TRANSCRIBE + " noise.wav", r"model\.safetensors cannot be read.*copy the checkpoint again", pickled(CHECKPOINT)),
    Bad("a pickle beside no safetensors", TRANSCRIBE + " noise.wav", r"no model\.safetensors in run/checkpoint \(found: .*pytorch_model\.bin", lambda folder: (remove(CHECKPOINT)(folder), pickled("run/checkpoint/pytorch_model.bin")(folder))),
    Bad("half a checkpoint", TRANSCRIBE + " noise.wav", r"model\.safetensors cannot be read.*copy the checkpoint again", cut(CHECKPOINT, 1000)),
    Bad("a configuration cut short", TRANSCRIBE + " noise.wav", r"config\.json is not JSON.*copy the checkpoint again", cut("run/checkpoint/config.json", 100)),
    Bad("a configuration that is a list", TRANSCRIBE + " noise.wav", r"config\.json.*copy the checkpoint again", file("run/checkpoint/config.json", "[]")),
    Bad("another vocabulary", TRANSCRIBE + " noise.wav", "vocabulary is not the one this model was trained with", edit("run/checkpoint/config.json", symbols={"aa": ["<blank>"], "bb": ["<blank>"]})),
    Bad("an encoder of another width", TRANSCRIBE + " noise.wav", r"model\.safetensors cannot be read.*copy the checkpoint again", lambda folder: widen(folder)),
]  # fmt: skip

USE = [
    Bad("nothing to transcribe", TRANSCRIBE, "(?i)files"),
    Bad("a recording that is not there", TRANSCRIBE + " nowhere.wav", r"nowhere\.wav: no such file, expected an audio file"),
    Bad("a folder for a recording", TRANSCRIBE + " corpus", "corpus: is a folder, expected an audio file"),
    Bad("0 bytes", TRANSCRIBE + " empty.wav", r"empty\.wav: 0 bytes long, expected audio", file("empty.wav")),
    Bad("text for audio", TRANSCRIBE + " text.wav", r"text\.wav: not audio.*ffmpeg", file("text.wav", "not audio")),
    Bad("NaN in a recording", TRANSCRIBE + " nan.wav", r"nan\.wav: 1 of 8000 samples are NaN or infinite", sound("nan.wav", NAN)),
    Bad("an unknown language", TRANSCRIBE + " --language bbb noise.wav", "unknown language 'bbb' in this checkpoint; did you mean 'bb'"),
    Bad("no calibration", TRANSCRIBE + " noise.wav", "not calibrated to tell languages apart; name one of aa, bb", edit("run/checkpoint/config.json", calibration={})),
    Bad("an unknown format", TRANSCRIBE + " --format doc noise.wav", "invalid choice 'doc' for argument '--format'.*textgrid"),
    Bad("transcripts into a file", TRANSCRIBE + " --out run/metrics.json noise.wav", r"metrics\.json.*choose another"),
    Bad("two transcripts of one name", TRANSCRIBE + " --out new noise.wav corpus/noise.wav", "would both be written to new/noise.txt; rename one"),
    Bad("a language without a head", EVALUATE + " --split all", "unknown language 'cc' in this checkpoint.*known: aa, bb", row("alone.wav,one,cc,cc1")),
    Bad("a language that is not in the data", EVALUATE + " --languages abb", "unknown language 'abb' in corpus; did you mean 'bb'. known: aa, bb"),
    Bad("tables into a folder", EVALUATE + " --out run", "--out run is a folder; give a file"),
    Bad("other data than the run's", EVALUATE, r"splits\.json: 1 of .*not in the data.*--split all", lambda folder: drop(folder, "aa3-0.wav")),
]  # fmt: skip


def rows(folder: Path) -> list[list[str]]:
    return [line.split(",") for line in (folder / "corpus/metadata.csv").read_text(encoding="utf-8-sig").split()]


def rewrite(folder: Path, lines: Sequence[Sequence[str]]) -> None:
    table(folder, "\n".join(map(",".join, lines)) + "\n")


def relabel(folder: Path, **codes: str) -> None:
    """Other languages in the table."""
    header, *lines = rows(folder)
    rewrite(folder, [header, *([*line[:2], codes.get(line[2], line[2]), *line[3:]] for line in lines)])


def segment(folder: Path, name: str, start: float) -> None:
    """A start second for one recording."""
    header, *lines = rows(folder)
    rewrite(folder, [[*header, "start"], *([*line, str(start) if line[0] == name else ""] for line in lines)])


def splits(folder: Path, *names: str) -> None:
    """A split column with these names in turn."""
    header, *lines = rows(folder)
    named = [[*line, names[int(line[0][4]) % len(names)]] for line in lines]
    rewrite(folder, [[*header, "split"], *named])


def respell(folder: Path, text: str) -> None:
    header, *lines = rows(folder)
    rewrite(folder, [header, *([line[0], text if line[0] == "aa1-1.wav" else line[1], *line[2:]] for line in lines)])


def lengthen(folder: Path) -> None:
    """A sentence of 360 symbols to every half second."""
    header, *lines = rows(folder)
    rewrite(folder, [header, *([line[0], line[1] * 120, *line[2:]] for line in lines)])


def drop(folder: Path, name: str) -> None:
    rewrite(folder, [line for line in rows(folder) if line[0] != name])


def widen(folder: Path) -> None:
    config = json.loads((folder / "run/checkpoint/config.json").read_text(encoding="utf-8"))
    edit("run/checkpoint/config.json", encoder=config["encoder"] | {"hidden_size": 32})(folder)


SPEAKERS = [
    Bad("a voice that speaks one language", ADAPT + " --speakers aa1 --seconds 1 --carry bb", "--carry bb: nothing of aa1 that is new to the checkpoint; name others", late=True),
    Bad("a voice carried nowhere", ADAPT + " --speakers aa1 --seconds 1 --carry aa", "--carry aa is the language they enrol in: expected another one", late=True),
    Bad("replay of no voices", ADAPT + " --replay 0.5", "--replay goes on with other voices' recordings: name them with --source"),
    Bad("a method that there is not", ADAPT + " --methods lhucc", "lhucc"),
    Bad("no checkpoint for a voice", ADAPT.replace("--checkpoint run", "--checkpoint"), "--checkpoint names none: expected at least one"),
    Bad("no method for a voice", ADAPT + " --methods", "--methods names none: expected at least one"),
    Bad("no recordings of a voice", ADAPT.replace("--data corpus", "--data"), "--data names none: expected at least one"),
    Bad("no recordings of a language", LEARN.replace("--data corpus", "--data"), "--data names none: expected at least one"),
    Bad("transcripts of nothing", ADAPT, "no clip of aa has a transcript of which something is left when normalised", lambda folder: rewrite(folder, [rows(folder)[0], *([line[0], "...", *line[2:]] for line in rows(folder)[1:] if line[2] == "aa")]), late=True),
    Bad("no method for a language", LEARN + " --methods", "--methods names none: expected at least one"),
    Bad("recordings in nobody's home", ADAPT.replace("--data corpus", "--data ~nosuch/corpus"), "~nosuch/corpus: no such user's home; write the folder out"),
    Bad("seconds without end", ADAPT + " --seconds inf", "--seconds inf: expected numbers above 0"),
    Bad("seconds that are no number", ADAPT + " --seconds nan", "--seconds nan: expected numbers above 0"),
    Bad("pseudo-labels of nobody", ADAPT + " --pseudo-labels 99.99", r"nobody is transcribed with a confidence of 99.99 %: lower --pseudo-labels", late=True),
    Bad("sounds of a checkpoint without phones", TRANSCRIBE + " --language aa --sounds noise.wav", "--sounds: run was trained without phones"),
    Bad("sounds and words", TRANSCRIBE + " --sounds --lexicon words.tsv noise.wav", "--sounds writes what is heard and --lexicon looks it up"),
    Bad("an inventory for text", TRANSCRIBE + " --inventory phones.txt noise.wav", "--inventory phones.txt is of the sounds that --sounds writes"),
    Bad("handicap below 0", TRANSCRIBE + " --lexicon words.tsv --handicap -1 noise.wav", "--handicap -1: expected 0 or more nats a frame, and --words one", file("words.tsv", "a\ta\n")),
    Bad("confidence without a lexicon", TRANSCRIBE + " --least 40 noise.wav", "--handicap, --least, --false-rejections, --word-score and --lm-weight choose among a lexicon's words: add --lexicon"),
    Bad("no voice but those of the training", ADAPT, "the checkpoint was trained on every speaker there; name some with --speakers", lambda folder: rewrite(folder, [line for line in rows(folder) if line[3] != "aa3"])),
    Bad("an unknown speaker", ADAPT + " --speakers aa7", r"unknown speaker 'aa7' in corpus; did you mean 'aa\d'\? known: aa1, aa2, aa3"),
    Bad("a language that the checkpoint has not", ADAPT.replace("--language aa", "--language cc"), "unknown language 'cc' in this checkpoint; .*known: aa, bb"),
    Bad("a language that the recordings have not", ADAPT.replace("--language aa", "--language bb"), "unknown language 'bb' in corpus", lambda folder: rewrite(folder, [line for line in rows(folder) if line[2] != "bb"])),
    Bad("recordings of two languages", ADAPT.replace("--language aa ", ""), "corpus hold aa, bb: say which with --language"),
    Bad("no seconds of enrolment", ADAPT + " --seconds 0", "--seconds 0.0: expected numbers above 0"),
    Bad("nobody speaks", ADAPT, r"metadata\.csv, row 2: empty speaker_id", lambda folder: rewrite(folder, [rows(folder)[0], *([*line[:3], ""] for line in rows(folder)[1:])])),
    Bad("texts in another alphabet", ADAPT, r"4 of 4 clips have symbols that the head of aa cannot write: .*; is it the right language\?", lambda folder: rewrite(folder, [rows(folder)[0], *([line[0], "да", *line[2:]] for line in rows(folder)[1:] if line[2] == "aa")]), late=True),
    Bad("a source without its division", ADAPT + " --source corpus", "no splits.json beside run: without it nobody knows", remove("run/splits.json", "run/checkpoint/splits.json")),
    Bad("no checkpoint to adapt", ADAPT.replace("--checkpoint run", "--checkpoint corpus"), "no config.json in corpus"),
    Bad("a voice that is not there", TRANSCRIBE + " --speaker voice.safetensors noise.wav", "no adaptation at voice.safetensors"),
    Bad("a pickle for a voice", TRANSCRIBE + " --speaker voice.safetensors noise.wav", "voice.safetensors is not a whole safetensors file", file("voice.safetensors", b"\x80\x04pickled")),
    Bad("a checkpoint for a voice", TRANSCRIBE + " --speaker run/checkpoint/model.safetensors noise.wav", "holds other tensors than an adaptation"),
]  # fmt: skip
"""Voices: what enrolment and its files can get wrong."""


TEACH = "recipes.asr_distillation --checkpoint run --data corpus --tiny --device cpu --out student"
STUDENTS = [
    Bad("a way to teach that there is not", TEACH + " --methods soft", "soft"),
    Bad("a student of no size", TEACH + " --student tinny", "unknown encoder size 'tinny'; did you mean 'tiny'"),
    Bad("a weight of nothing", TEACH + " --weight 0", "--weight 0 --soft 2: expected numbers above 0"),
    Bad("no teacher", TEACH.replace("--checkpoint run", "--checkpoint corpus"), "no config.json in corpus"),
    Bad("a teacher without its division", TEACH, "no splits.json beside run", remove("run/splits.json", "run/checkpoint/splits.json")),
    Bad("recordings that the teacher does not know", TEACH, "unknown language 'aa' in corpus", lambda folder: relabel(folder, aa="cc")),
]  # fmt: skip
"""Distillation."""

START = (
    "recipes.asr_self_supervised --data corpus --languages aa --labelled-minutes 0.05 --tiny --device cpu --out start"
)
STARTS = [
    Bad("a start in which language", START.replace("--languages aa ", ""), "the recordings hold aa, bb: say which with --languages"),
    Bad("a start without labels", START.replace("0.05", "0"), "--labelled-minutes 0: expected a number above 0"),
    Bad("labels for less than an utterance", START.replace("0.05", "0.0001"), "0.0001 minutes hold no utterance of aa; ask for more"),
    Bad("a start that takes no time", START + " --pretraining-steps 0", "--pretraining-steps 0: expected a number above 0"),
    Bad("a codebook of one", START + " --codebook 1", "a codebook of 1, a share of 0.4 masked: expected 2 codes or more", late=True),
    Bad("everything masked", START + " --masked-share 1", "a share of 1 masked: expected 2 codes or more, and 0 < share < 1", late=True),
    Bad("a control that there is not", START + " --controls scratch_long", "scratch_long"),
]  # fmt: skip
"""Self-supervised starts."""

ANIMALS = "recipes.image_attributes --data pictures --attributes table.tsv --unseen 1 --tiny --device cpu --out animals"
COLOURS = "class\tred\tblue\ncat\t1\t0\ndog\t0\t1\nfox\t1\t1\n"


def animals(table: str = COLOURS, name: str = "table.tsv") -> Spoil:
    """Pictures of a cat, a dog and a fox, and what they are like."""

    def write(folder: Path) -> None:
        for animal in ("cat", "dog", "fox"):
            (folder / "pictures" / animal).mkdir(parents=True)
            for at in range(3):
                Image.new("RGB", (8, 8), (80 * at, 0, 0)).save(folder / "pictures" / animal / f"{at}.png")
        (folder / name).write_text(table, encoding="utf-8")

    return write


DESCRIBED = [
    Bad("animals without a description", ANIMALS.replace("--attributes table.tsv ", ""), "pictures need --attributes and --unseen", animals()),
    Bad("flags of pictures", "recipes.image_attributes --data tables --encoder resnet --size 7 --tiny --device cpu --out animals", "tables is a folder of feature tables: leave out --size --encoder, of pictures", file("tables/labels.npz")),
    Bad("no table of attributes", ANIMALS, r"no attributes\.tsv in table\.tsv, nor classes\.txt of Animals", animals(name="other.tsv")),
    Bad("an attribute row of the wrong length", ANIMALS, r"table\.tsv, line 3: 1 values for 'dog'; expected 2", animals(COLOURS.replace("dog\t0\t1", "dog\t0"))),
    Bad("an attribute that is no number", ANIMALS, r"table\.tsv, line 2: could not convert string to float: 'red'; expected numbers", animals(COLOURS.replace("cat\t1", "cat\tred"))),
    Bad("a class described twice", ANIMALS, "the class 'cat' has two signatures", animals(COLOURS + "cat\t0\t0\n")),
    Bad("a class without attributes", ANIMALS, "unknown class 'fox' in the table of attributes", animals(COLOURS.replace("fox", "fix"))),
    Bad("a class that is like nothing", ANIMALS + " --shots 1", "the class 'fox' has no attribute at all", animals(COLOURS.replace("fox\t1\t1", "fox\t0\t0")), late=True),
    Bad("more unseen classes than there are", ANIMALS.replace("--unseen 1", "--unseen 3"), "3 unseen of 3 classes: expected 1 to 1", animals()),
    Bad("word vectors that nobody has", ANIMALS + " --shots 1 --methods word_vectors", "word_vectors goes by word vectors, and there are none", animals(), late=True),
    Bad("a way to recognise that there is not", ANIMALS + " --methods dop", "dop", animals()),
    Bad("nothing in the place of pictures", ANIMALS.replace("--data pictures", "--data picture.tar"), r"picture\.tar is neither a folder nor a whole \.tar archive", animals()),
    Bad("names of folders that are none", ANIMALS + " --names corpus/metadata.csv", r"metadata\.csv, row 2: 1 columns; expected a folder, a tab, its class", animals()),
    Bad("a vision encoder that there is not", ANIMALS + " --encoder nowhere", "no vision encoder in 'nowhere'", animals()),
    Bad("more shots than examples", ANIMALS + " --methods attribute_softmax --shots 3", r"has 3 examples: 3 to learn from leave none to test on", animals(), late=True),
]  # fmt: skip
"""Classes recognised by what they are like."""

UNSEEN = "recipes.asr_unseen_words --data corpus --hold-out aa=2 --phones aa=words.tsv --tiny --device cpu --out words"


def lexicon(extra: str = "") -> Spoil:
    """How every word of the corpus is said, in a way."""

    def write(folder: Path) -> None:
        own = sorted({word for line in rows(folder)[1:] for word in line[1].split()})
        table = "".join(f"{word}\t{'ta' * (at + 1)}\n" for at, word in enumerate(own)) + extra
        (folder / "words.tsv").write_text(table, encoding="utf-8")

    return write


LOOKED_UP = [
    Bad("no pronunciations", UNSEEN.replace("--phones aa=words.tsv ", ""), "--phones says nothing of aa, which has no column ipa: without pronunciations no unseen word"),
    Bad("words of the training raised", UNSEEN + " --handicap -1", "--handicap -1: expected nats a frame, 0 or more"),
    Bad("a prior below none", UNSEEN + " --label-prior -1", "--label-prior -1: expected a share"),
    Bad("a lexicon in nobody's home", UNSEEN.replace("=words.tsv", "=~nosuch/words.tsv"), "~nosuch/words.tsv: no such user's home; write the folder out"),
    Bad("no lexicon", UNSEEN, r"words\.tsv: no such file; expected a word, a tab, its IPA"),
    Bad("an empty lexicon", UNSEEN, r"words\.tsv is empty", file("words.tsv")),
    Bad("a lexicon with tabs missing", UNSEEN, r"words\.tsv, line \d+: 1 columns; expected a word, a tab, its IPA", lexicon("one wan\n")),
    Bad("ARPABET where IPA was promised", UNSEEN, r"'W AH1 N' is ARPABET, and IPA was expected", lexicon("one\tW AH1 N\n")),
    Bad("a lexicon that lacks a word", UNSEEN, r"words\.tsv: \d+ words of the data are not in it", file("words.tsv", "zzz\tta\n")),
    Bad("letters that are no IPA", UNSEEN, "is no IPA letter; expected IPA", lexicon("one\twДn\n")),
    Bad("a lexicon of bytes", UNSEEN, "not UTF-8 text", file("words.tsv", b"\xff\xfe\x00")),
    Bad("more words held out than there are", UNSEEN.replace("aa=2", "aa=99"), "2 words that training and test have in common: too few to hold any out", lexicon(), late=True),
    Bad("a file of held-out words that is not there", UNSEEN.replace("aa=2", "aa=words.txt"), "neither a number nor a file of words", lexicon()),
    Bad("a held-out word that nobody says", UNSEEN.replace("aa=2", "aa=held.txt"), "unknown word 'zzz' in the test recordings of aa", lambda folder: (lexicon()(folder), (folder / "held.txt").write_text("zzz\n"))),
    Bad("no words held out", UNSEEN.replace("--hold-out aa=2", "--hold-out"), "--hold-out names no words", lexicon()),
    Bad("words held out twice", UNSEEN.replace("aa=2", "aa=2 aa=1"), "--hold-out says of aa both 2 and 1", lexicon()),
    Bad("words of the training lowered without end", UNSEEN + " --handicap inf", "--handicap inf: expected nats a frame"),
    Bad("an empty file of held-out words", UNSEEN.replace("aa=2", "aa=held.txt"), r"--hold-out held\.txt is empty", lambda folder: (lexicon()(folder), (folder / "held.txt").write_text("\n"))),
    Bad("words of which language", UNSEEN.replace("aa=2", "2"), "--hold-out 2: aa bb are there; expected LANGUAGE=2", lexicon()),
    Bad("a lexicon for a checkpoint without phones", TRANSCRIBE + " --language aa --lexicon words.tsv noise.wav", "run was trained without phones, by which words are looked up", lexicon()),
    Bad("phrases without a lexicon", TRANSCRIBE + " --language aa --phrases words.txt noise.wav", "--phrases are made of words: say with --lexicon"),
    Bad("a language model without a lexicon", TRANSCRIBE + " --language aa --lm words.arpa noise.wav", "--lm is for the words of a lexicon: say with --lexicon"),
    Bad("many words of no lexicon", TRANSCRIBE + " --language aa --words many noise.wav", "--words many is for the words of a lexicon: say with --lexicon"),
    Bad("a language model of one word", TRANSCRIBE + " --language aa --lexicon words.tsv --lm words.arpa noise.wav", "--lm weighs words after others, and between two pauses is one: add --words many", lexicon()),
    Bad("weights of no language model", TRANSCRIBE + " --language aa --lexicon words.tsv --words many --lm-weight 2 noise.wav", "--lm-weight 2: there is no --lm to weigh", lexicon()),
    Bad("more lost than all", TRANSCRIBE + " --language aa --lexicon words.tsv --false-rejections 100 noise.wav", "--false-rejections, .*100 % of right answers to be lost: expected 0 or more and below 100", lexicon()),
    Bad("a confidence above a hundred", TRANSCRIBE + " --language aa --lexicon words.tsv --least 140 noise.wav", "--least 140: expected a percentage, such as 40", lexicon()),
    Bad("distractors of a language that is not tested", UNSEEN + " --distractors bb=words.tsv", "unknown language 'bb' in --distractors; known: aa", lexicon()),
    Bad("a language without recordings", UNSEEN.replace("aa=2", "cc=2"), "unknown language 'cc' in --hold-out", lexicon()),
]  # fmt: skip
"""Words that are looked up by their sounds."""

UNHEARD = "recipes.asr_unseen_languages --data corpus --hold-out aa --tiny --device cpu --out unheard"


def inventory(text: str) -> Spoil:
    return file("corpus/aa/inventory/allophone.txt", text)


PHONES = [
    Bad("a language to hold out that there is not", UNHEARD + " --hold-out ab", "unknown language 'ab' in --hold-out; .*known: aa, bb"),
    Bad("all languages held out", UNHEARD + " --hold-out aa bb", "2 languages to hold out of 2: expected one or more, and two to train on"),
    Bad("more languages held out than there are", UNHEARD + " --hold-out 12", "12 languages to hold out of 2"),
    Bad("transcripts that are no IPA", UNHEARD, r"'5' \(U\+0035\) in 'o5' in .*row 3 is no IPA; expected phones", lambda folder: respell(folder, "o5")),
    Bad("letters that nobody articulates", UNHEARD, "corpus, aa: 'ᶑ' is no phone whose articulation is known", lambda folder: respell(folder, "oᶑo")),
    Bad("an empty inventory", UNHEARD, r"allophone\.txt is empty: expected a phoneme and its phones", inventory("")),
    Bad("an inventory that lacks a phone", UNHEARD, r"allophone\.txt: 'n' is no phoneme of the inventory", inventory("o\ne\nt\nw\n")),
    Bad("an inventory of phones without signatures", UNHEARD, r"allophone\.txt: 'ᶑ' is no phone whose articulation is known", inventory("o\ne\nt\nw\nn ᶑ\n")),
    Bad("a column of IPA that there is not", UNHEARD + " --column ipa", "unknown column 'ipa' in --column; .*known: text"),
    Bad("a rewriting that is none", UNHEARD + " --rewrite q", "--rewrite got 'q'; expected WRITTEN=MEANT"),
]  # fmt: skip
"""Languages never heard."""

LAYERS = "recipes.layer_transfer --data corpus --language aa --tiny --device cpu --out layers"
KEPT = [
    Bad("a treatment that there is not", LAYERS + " --treatments AnC", "AnC"),
    Bad("a source that there is not", LAYERS + " --source wrods", "unknown source 'wrods' in --source .*; did you mean 'words'"),
    Bad("more layers than there are", LAYERS + " --kept 9", "9 layers to keep: this network has 3, so expected 1 to 3", late=True),
    Bad("layers of two languages", LAYERS.replace("--language aa ", ""), "corpus holds aa, bb: say which with --language"),
    Bad("one training speaker to divide", LAYERS, "aa1 cannot be halved: expected several words and speakers", lambda folder: rewrite(folder, [line if line[2] != "aa" or line[3] == "aa3" else [*line[:3], "aa1"] for line in rows(folder)])),
    Bad("pictures of spoken words", LAYERS.replace("corpus", "pictures") + " --source words", "unknown source 'words' in --source; known: classes", file("pictures/train/cat/one.png", b"no picture")),
    Bad("a picture that is none", LAYERS.replace("corpus", "pictures") + " --source classes", r"one\.png is not a picture", file("pictures/train/cat/one.png", b"no picture")),
]  # fmt: skip
"""The layer experiment: what cannot be divided, kept or looked at."""

SHIFT = "recipes.asr_domain_adversarial --data corpus --languages aa --tiny --device cpu --out shift"
SHIFTS = [
    Bad("noise without a noise", SHIFT + " --shift noise", "neither noise nor rooms: give --noise or --rooms"),
    Bad("a folder without a sound", SHIFT + " --shift noise --noise .venv", "holds 0 sound files; expected 2 or more"),
    Bad("another corpus that is not named", SHIFT + " --shift recordings", "--shift recordings without --target: give the recordings of the target"),
    Bad("a target that is not asked for", SHIFT + " --target corpus", "--target corpus with --shift telephone: expected --shift recordings"),
    Bad("a target that says other words", SHIFT + " --shift recordings --target other", "0, 0 and 0 clips to train, validate and test on have no other words than the source", lambda folder: (shutil.copytree(folder / "corpus", folder / "other"), rewrite(folder, [rows(folder)[0], *([line[0], "zz", *line[2:]] for line in rows(folder)[1:])]))),
    Bad("folds of a target that is made", SHIFT + " --folds 5", "--folds 5 of 0 corpora: expected 1, or more parts of a single --target with --shift recordings"),
    Bad("noise on a telephone", SHIFT + " --noise corpus", "--noise and --rooms with --shift telephone: expected --shift noise"),
    Bad("more folds than speakers", SHIFT + " --shift recordings --target corpus --folds 99", "--folds 99: corpus has [0-9]+ named speakers of aa, expected 198 at least"),
    Bad("sounds where none are learned", SHIFT + " --phones aa=espeak:sw", "--phones aa=espeak:sw: sounds are not learned here; leave it out"),
    Bad("strings of one number", SHIFT + " --join 3", "--join 3: expected two numbers, SHORTEST LONGEST"),
    Bad("longer strings than there are clips", SHIFT + " --join 90 99", "no speaker has 90 clips to join"),
    Bad("two languages in one shift", SHIFT.replace("--languages aa ", ""), "--data has aa, bb: expected one language; choose it with --languages"),
    Bad("a method of adaptation that there is not", SHIFT + " --methods source_only dan", "dan"),
    Bad("a single clip to validate on", SHIFT, "the source has 1 validation clips: expected 2", late=True),
    Bad("nothing but the upper bound", SHIFT + " --methods target_supervised", "target_supervised alone: expected one that can be chosen", late=True),
]  # fmt: skip
"""A target without transcripts: what cannot be heard, joined or chosen between."""
SECOND = "recipes.asr_second_task --data corpus --language aa --tiny --device cpu --out second"
SECONDS = [
    Bad("a way to a second task that there is not", SECOND + " --methods pathnets", "pathnets"),
    Bad("a first task that there is not", SECOND + " --first wrods", "unknown source 'wrods' in --first .*; did you mean 'words'"),
    Bad("no first task", SECOND + " --first", "--first names none"),
    Bad("no seeds", SECOND + " --seeds", "--seeds names none"),
    Bad("more active modules than there are", SECOND + " --active 9 --modules 3", "9 active of 3 modules: expected 1 to 3"),
    Bad("one path alone", SECOND + " --population 1", "a tournament among 1 paths"),
    Bad("too few updates for a tournament", SECOND.replace("--tiny ", "") + " --steps 5", "--steps 5: a tournament takes 20 updates, two times --trial"),
    Bad("second tasks of two languages", SECOND.replace("--language aa ", ""), "corpus holds aa, bb: say which with --language"),
    Bad("a sampling rate without features", SECOND + " --sample-rate 44100", "no features for a sampling rate of 44100 Hz; expected 16000 or 8000"),
    Bad("words of pictures", SECOND.replace("corpus", "pictures") + " --first words", "unknown source 'words' in --first; known: classes, shuffled", file("pictures/train/cat/one.png", b"no picture")),
]  # fmt: skip
"""A second task: which it is, and how it is learned."""


LANGUAGES = [
    Bad("a method for languages that there is not", LEARN + " --methods heads", "heads"),
    Bad("a column for a language that is known", LEARN.replace("--language cc", "--language aa") + " --methods progressive", "run knows aa, which needs no column: leave out progressive"),
    Bad("what is known of a new language", LEARN + " --methods unadapted", "run does not know cc, unadapted would say nothing", lambda folder: relabel(folder, bb="cc")),
    Bad("a language that nobody speaks here", LEARN, "unknown language 'cc' in corpus; .*known: aa, bb"),
    Bad("two new languages", LEARN.replace("--language cc ", ""), "corpus hold cc, dd: say which with --language", lambda folder: relabel(folder, aa="cc", bb="dd")),
    Bad("a single update", LEARN + " --steps 1", "--steps 1: expected 2 or more, some of which warm up a new head"),
    Bad("minutes and speakers", LEARN + " --train-minutes 1 --train-speakers 2", "--train-minutes and --train-speakers are two ways to say how much"),
    Bad("more speakers than there are", LEARN + " --train-speakers 9", "9", lambda folder: relabel(folder, bb="cc")),
    Bad("nothing but replay", LEARN + " --replay 1 --source x", r"--replay 1: expected a share of the updates, 0 \(none\) to below 1"),
    Bad("replay of nothing", LEARN + " --replay 0.5", "--replay goes on with the other languages' recordings: name them with --source"),
    Bad("phones for a checkpoint without", LEARN + " --phones cc=ipa", "--phones cc=ipa: run was trained without phones"),
    Bad("a source that the checkpoint does not know", LEARN + " --source corpus", "corpus hold no language but the one to learn that the checkpoint knows", lambda folder: relabel(folder, aa="cc", bb="dd")),
    Bad("a source of a run without its division", LEARN + " --source corpus", "no splits.json beside run: without it nobody knows what it was trained on", lambda folder: (relabel(folder, bb="cc"), remove("run/splits.json", "run/checkpoint/splits.json")(folder))[1]),
    Bad("no checkpoint to learn from", LEARN.replace("--checkpoint run", "--checkpoint corpus"), "no config.json in corpus"),
]  # fmt: skip
"""Languages: what adding one can get wrong."""


@dataclass(frozen=True)
class Finished:
    """A corpus full of what is handled, and the run that was trained on it."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """24 clips of two languages and six speakers: BOM, CRLF, a row twice, stereo, silence, 0.05 s, an `ö` in test."""
    folder = tmp_path_factory.mktemp("bad")
    noise = np.random.default_rng(0)
    (folder / "corpus").mkdir()
    lines = ["file_name,text,language,speaker_id"]
    for language, words in (("aa", ("one", "two")), ("bb", ("tres", "dos"))):
        for speaker in (1, 2, 3):
            for k in range(4):
                name = f"{language}{speaker}-{k}.wav"
                clip = 0.1 * noise.standard_normal(6400 + 800 * k)
                soundfile.write(folder / "corpus" / name, clip, RATE)
                lines.append(f"{name},{words[k % 2]},{language},{language}{speaker}")
    lines[-1] = lines[-1].replace("dos", "dös")
    lines.append(lines[1])
    soundfile.write(folder / "corpus/aa1-0.wav", 0.1 * noise.standard_normal((22050, 2)), 44100)
    soundfile.write(folder / "corpus/aa1-1.wav", np.zeros(8000), RATE)
    soundfile.write(folder / "corpus/aa2-0.wav", NOISE[:800], RATE)
    (folder / "corpus/metadata.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")
    soundfile.write(folder / "corpus/alone.wav", NOISE, RATE)
    soundfile.write(folder / "noise.wav", NOISE, RATE)
    done = subprocess.run(real(TRAIN), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("systems", "tensorboard"):
        shutil.rmtree(folder / "run" / name)
    return Finished(folder, done.stderr)


@pytest.fixture
def folder(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to spoil, in which the command runs."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    rewrite(tmp_path, rows(tmp_path)[:-1])  # the duplicate, which is told
    monkeypatch.chdir(tmp_path)
    return tmp_path


def real(words: str) -> list[str]:
    return [sys.executable, "-m", *shlex.split(words)]


def contents(folder: Path) -> dict[str, str]:
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "bad",
    [
        *CORPUS,
        *FLAGS,
        *CHECKPOINTS,
        *USE,
        *SPEAKERS,
        *LANGUAGES,
        *KEPT,
        *SHIFTS,
        *STUDENTS,
        *DESCRIBED,
        *LOOKED_UP,
        *STARTS,
        *SECONDS,
        *PHONES,
    ],
    ids=lambda bad: bad.name.replace(" ", "_"),
)
def test_one_clear_line(bad: Bad, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bad.spoil(folder)
    before = contents(folder)
    if bad.real:
        done = subprocess.run(real(bad.words), env=ENVIRONMENT, capture_output=True, text=True, check=False)
        code, said = done.returncode, done.stderr
    else:
        module, *words = shlex.split(bad.words)
        code, said = COMMANDS[module](words), capfd.readouterr().err
    assert code == 2 and "Traceback" not in said
    *told, line = said.splitlines()
    assert line.startswith("error: ") and re.search(bad.says, line), said
    assert not any(other.startswith("error: ") for other in told) and (bad.late or not told), said
    assert before.items() <= contents(folder).items()


def test_what_training_handles_is_counted(finished: Finished) -> None:
    assert "corpus: 1 duplicate rows dropped, 24 kept" in finished.said  # and BOM and CRLF are read over
    assert "1 of 14 training clips have fewer than 2S+1 frames" in finished.said  # 0.05 s
    tables = json.loads((finished.folder / "run/metrics.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)[
        "tables"
    ]  # NaN would be a constant: silence brings none
    row = next(row for row in tables["test_sets"] if row["language"] == "bb")
    assert row["unknown_symbols"] == "'ö'×1" and row["utterances"] == 4


def test_what_enrolment_handles_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A symbol that one head lacks, silence, and transcripts that are not what was said."""
    said = {"bb1": "sd" * 4, "bb3": "dös"}
    rewrite(folder, [[line[0], said.get(line[3], line[1]), *line[2:]] for line in rows(folder)])
    module, *words = shlex.split(ADAPT.replace("aa", "bb") + " --speakers bb1 bb2 bb3 --seconds 1 --methods head")
    assert COMMANDS[module](words) == 0
    told = capsys.readouterr().err
    assert "4 of 12 clips have symbols that the head of bb cannot write and are left out: 'ö'" in told
    assert "bb1: the model writes almost nothing of these transcripts" in told
    module, *words = shlex.split(ADAPT + " --speakers aa1 --seconds 60 --methods head --resume")
    assert COMMANDS[module](words) == 0
    (row,) = json.loads((folder / "voice/metrics.json").read_text(encoding="utf-8"))["tables"]["curve"]
    assert row["target_error"] is None, "all that there is was enrolled, the silent clip too"


def test_what_evaluation_handles_is_counted(folder: Path) -> None:
    """A text longer than its clip, in a language of which one utterance is left besides."""
    header, *lines = rows(folder)
    kept = [line for line in lines if line[2] == "aa"] + lines[-1:]
    rewrite(
        folder, [header, *([line[0], line[1] * (200 if line[0] == "aa3-0.wav" else 1), *line[2:]] for line in kept)]
    )
    module, *words = shlex.split(EVALUATE + " --split all --out deep/test.json")
    assert COMMANDS[module](words) == 0
    tables = json.loads((folder / "deep/test.json").read_text(encoding="utf-8"))["tables"]
    sets = {row["language"]: row for row in tables["test_sets"]}
    assert [(sets[code]["utterances"], sets[code]["infeasible"]) for code in ("aa", "bb")] == [(12, 1), (1, 0)]


@pytest.mark.parametrize(("seconds", "rate", "channels"), [(0.05, 16000, 1), (0.001, 16000, 1), (30, 44100, 2)])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_any_length_and_rate_is_transcribed(
    seconds: float, rate: int, channels: int, level: float, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = level * np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    soundfile.write(folder / "x.wav", noise, rate)
    module, *words = shlex.split(TRANSCRIBE + " x.wav --format json")
    assert COMMANDS[module](words) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["file"] == "x.wav"
    assert f"x.wav: {seconds:.1f} s in" in printed.err and "heard as" in printed.err


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (TRAIN, 100_000),
        (TRAIN, 100),
        (EVALUATE + " --out run/metrics.json", 1000),
        (TRANSCRIBE + " --format json --out run metrics.wav", 10),
    ],
    ids=["checkpoint", "configuration", "tables", "transcript"],
)
def test_a_full_disk_loses_nothing(words: str, size: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that starts over gives up its state and log; all that was finished is there still, and nothing half."""
    shutil.copy(folder / "noise.wav", folder / "metrics.wav")
    before = {
        path: digest for path, digest in contents(folder).items() if not path.endswith(("log.txt", "state.safetensors"))
    }
    module, *rest = shlex.split(words)
    with small_disk(size):
        assert COMMANDS[module](rest) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert re.search("^error: .*free some space", line), line
    assert before.items() <= contents(folder).items()
    assert not list(folder.rglob(".*"))


def test_a_full_disk_behind_standard_output(folder: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            real(TRANSCRIBE + " noise.wav"),
            env=ENVIRONMENT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2 and re.search(r"\nerror: disk full.*free some space.*\n$", done.stderr), done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
