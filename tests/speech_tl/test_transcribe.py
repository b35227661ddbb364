"""Transcripts of a model that reads its answer from the samples, whatever the windows; then the command."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from speech_tl.captions import Transcript
from speech_tl.models import ctc
from speech_tl.models.ctc_config import PHONE_HEAD
from speech_tl.models.identification import LanguageCalibration
from speech_tl.models.lookup import many_words, one_word
from speech_tl.models.timed_words import looked_up, without_silence
from speech_tl.models.word_network import Network
from speech_tl.phonology.lexicon import Lexicon, prefix_tree
from speech_tl.phonology.sounds import PHONES, as_ipa
from speech_tl.phonology.units import Units
from speech_tl.training.config import command
from speech_tl.transcribe import Config, main, transcribe

RATE, STEP = 1000, 40
"""25 frames a second."""


class Reader(nn.Module):
    """Every frame of 40 samples spells its unit; near the ends of what it is given it writes nonsense."""

    def __init__(self, letters: str = "ab c", edge: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.letters, self.edge, self.languages = letters, edge, ("aa",)

    def units(self, language: str) -> Units:
        return Units.from_texts([self.letters])

    def sample_rate(self, language: str) -> int:
        return RATE

    def output_lengths(self, lengths: Tensor, language: str) -> Tensor:
        return lengths // STEP

    def log_probabilities(self, audio: Tensor, lengths: Tensor, language: str) -> tuple[Tensor, Tensor]:
        path = (audio[:, : audio.shape[1] // STEP * STEP : STEP] * 10).round().long()
        if self.edge and audio.shape[1] > 24 * RATE - 1:
            path[:, : self.edge], path[:, -self.edge :] = 1, 1
        scores = nn.functional.one_hot(path, len(self.units(language))).float().mul(9)
        return scores.log_softmax(-1), self.output_lengths(lengths, language)


def spell(folder: Path, model: Reader, text: str, *, frames: int = 2, name: str = "x.wav") -> Path:
    """A file of `frames` frames for each symbol and as many blanks after it; `_` is 25 frames of silence."""
    path: list[int] = []
    for symbol in text:
        path += [0] * 25 if symbol == "_" else [model.units("aa").encode(symbol)[0]] * frames + [0] * frames
    samples = np.repeat(np.array(path, dtype=np.float32) / 10, STEP)
    soundfile.write(folder / name, samples, RATE, subtype="FLOAT")
    return folder / name


def run(model: Reader, path: Path) -> Transcript:
    return transcribe(model, path)  # type: ignore[arg-type]


def test_words_times_and_confidence_by_hand(tmp_path: Path) -> None:
    """ab␣c: a frames 0-1, b 4-5, space 8-9, c 12-13, of 40 ms each; 16 frames in all."""
    transcript = run(Reader(), spell(tmp_path, Reader(), "ab c"))
    assert transcript.text == "ab c" and transcript.language == "aa"
    assert transcript.seconds == pytest.approx(0.64)
    first, second = transcript.words
    assert (first.start, first.end) == (0.0, 0.24) and (second.start, second.end) == (0.48, 0.56)
    expected = 100 * float(torch.tensor([9.0, 0, 0, 0, 0]).softmax(0)[0])
    assert first.confidence == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("letters", ["ab c", "abc"])
def test_windows_leave_no_trace(letters: str, tmp_path: Path) -> None:
    """Over 70 s with nonsense within 2 s of the edges of every window but those of the file's own ends."""
    sentence = "abc" * 3 + (" " if " " in letters else "_") + "cab"
    gap = " " if " " in letters else "_"
    text = gap.join([sentence] * 60)
    plain, edgy = Reader(letters), Reader(letters, edge=49)
    path = spell(tmp_path, plain, text)
    expected = run(plain, path)
    assert expected.text == text.replace("_", " ")
    with soundfile.SoundFile(path) as file:
        assert expected.seconds == pytest.approx(file.frames / RATE) and expected.seconds > 70
    noisy = run(edgy, path)
    inside = [word for word in expected.words if word.start > 3 and word.end < expected.seconds - 3]
    assert [word for word in noisy.words if word in inside] == inside
    ends = [word.end for word in expected.words]
    assert all(word.start < word.end for word in expected.words) and ends == sorted(ends)


def test_a_stretch_without_a_space_is_cut_after_a_minute(tmp_path: Path) -> None:
    transcript = run(Reader(), spell(tmp_path, Reader(), "ab" * 700))  # 224 s
    assert transcript.text.replace(" ", "") == "ab" * 700
    assert all(word.end - word.start < 90 for word in transcript.words)


def test_silence_and_a_clip_shorter_than_a_frame_have_no_words(tmp_path: Path) -> None:
    assert run(Reader(), spell(tmp_path, Reader(), "___")).words == ()
    soundfile.write(tmp_path / "short.wav", np.zeros(STEP // 2), RATE)
    assert run(Reader(), tmp_path / "short.wav").text == ""


def test_words_between_pauses_are_looked_up() -> None:
    """ta, a pause of 20 frames of 40 ms, and something that is neither ta nor ka, heard as the nearer."""
    signs = {"_": 0, **{sign: PHONES.symbols.index(sign) for sign in "takm"}}
    heard = "_t_aa_" + 20 * "_" + "m_a_"
    log_probs = torch.full((len(heard), len(PHONES)), -9.0)
    for at, sign in enumerate(heard):
        log_probs[at, signs[sign]] = 0.0
    log_probs[-4, signs["k"]] = -2.0  # not k, but rather k than t
    tree = prefix_tree(Lexicon({"ta": ("ta",), "ka": ("ka",)}))
    lookup = one_word(tree)
    first, second = looked_up(lookup, log_probs, least=0.0, start=1.0, step=0.04)
    assert (first.text, first.start, first.end) == ("ta", 1.0, 1.28)
    assert (second.text, second.end) == ("ka", pytest.approx(1.0 + 30 * 0.04))
    assert first.confidence == pytest.approx(100, abs=0.1)
    assert second.confidence == pytest.approx(100 * math.exp(-2 / 6), abs=0.5)  # 2 nats over 6 frames
    assert [word.text for word in looked_up(lookup, log_probs, least=90.0, start=1.0, step=0.04)] == ["ta", "?"]
    fair = one_word(tree, known={"ka"}, handicap=1.2)  # ka was trained on, and is 7 nats ahead in 6 frames
    assert [word.text for word in looked_up(fair, log_probs, least=0.0, start=1.0, step=0.04)] == ["ta", "ta"]
    assert looked_up(lookup, log_probs[:1], least=0.0, start=0.0, step=0.04) == []
    padded = torch.cat([log_probs[:1].expand(7, -1), log_probs, log_probs[:1].expand(9, -1)])
    cut = without_silence(padded)  # _t_aa_, the pause, m_a_: one more silent frame before, and after
    assert torch.equal(cut, padded[6 : 7 + len(heard) + 1])
    assert torch.equal(without_silence(padded[:7]), padded[:7]), "nothing sounds"


def test_a_model_that_knows_nothing_is_not_believed() -> None:
    """Ten frames in which every sound is as likely as any other, but for a hair: one of them is as good as none."""
    log_probs = torch.full((10, len(PHONES)), 0.0)
    log_probs[:, PHONES.symbols.index("a")] = 1e-3
    log_probs = log_probs.log_softmax(-1)
    (word,) = looked_up(one_word(prefix_tree(Lexicon({"a": ("a",)}))), log_probs, least=0.0, start=0.0, step=0.04)
    ways = sum(11 - length for length in range(1, 11))  # a run of a, blanks around it
    assert word.confidence == pytest.approx(100 * ways**0.1 / len(PHONES), rel=0.01)
    (unsure,) = looked_up(one_word(prefix_tree(Lexicon({"a": ("a",)}))), log_probs, least=10.0, start=0.0, step=0.04)
    assert unsure.text == "?"


def test_a_row_of_words_between_two_pauses() -> None:
    """taka, then a pause of 20 frames, then na of which only one word's beginning fits, so that ta is not believed."""
    heard = "_t_aak_a_" + 20 * "_" + "n_a_"
    log_probs = torch.full((len(heard), len(PHONES)), -9.0)
    for at, sign in enumerate(heard):
        log_probs[at, 0 if sign == "_" else PHONES.symbols.index(sign)] = 0.0
    lookup = many_words(Network(prefix_tree(Lexicon({"ta": ("ta",), "ka": ("ka",)}))))
    first, second, third = looked_up(lookup, log_probs, least=40.0, start=1.0, step=0.04)
    assert [(word.text, word.start, word.end) for word in (first, second)] == [("ta", 1.04, 1.2), ("ka", 1.2, 1.32)]
    assert (first.confidence, second.confidence) == (100, 100)
    assert third.text == "?" and third.confidence == pytest.approx(100 * math.exp(-9 / 3))  # t of n, nothing, a


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint of two languages, calibrated by hand, and some recordings, good and bad."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    model = ctc.build("tiny", {"aa": Units.from_texts(["one two"]), "bb": Units.from_texts(["tres"])})
    always_bb = LanguageCalibration(("aa", "bb"), (0.0,) * 6, (1.0,) * 6, ((0.0,) * 6,) * 2, (0.0, 3.0))
    model.config.calibration = always_bb.to_dict()
    ctc.save(model, folder / "checkpoint")
    noise = 0.1 * np.random.default_rng(0).standard_normal((44100 * 2, 2))
    soundfile.write(folder / "stereo.flac", noise, 44100)
    soundfile.write(folder / "short.ogg", noise[:800, 0], 16000)
    (folder / "text.wav").write_text("not audio", encoding="utf-8")
    (folder / "empty.wav").touch()
    noise[5, 0] = np.nan
    soundfile.write(folder / "nan.wav", noise, 44100, subtype="FLOAT")
    return folder


def called(folder: Path, *arguments: str) -> int:
    return command(main, Config, ["--checkpoint", str(folder), "--device", "cpu", *arguments])


def test_bad_files_are_named_and_the_others_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["text.wav", "stereo.flac", "empty.wav", "nan.wav", "missing.wav", "short.ogg"]
    assert called(folder, "--format", "json", *[str(folder / name) for name in names]) == 2
    printed = capsys.readouterr()
    rows = [json.loads(line) for line in printed.out.splitlines()]
    assert [Path(row["file"]).name for row in rows] == ["stereo.flac", "short.ogg"]
    assert {row["language"] for row in rows} == {"bb"} and rows[0]["language_probability"] > 90
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    for name, error in zip(["text.wav", "empty.wav", "nan.wav", "missing.wav"], errors[:4], strict=True):
        assert name in error
    assert errors[4:] == ["error: 4 of 6 files failed"]


def test_one_bad_file_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(folder, str(folder / "missing.wav")) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1 and "missing.wav" in printed.err and printed.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--language", "ab", "stereo.flac"], "unknown language 'ab'"),
        (["--format", "srt", "stereo.flac", "short.ogg"], "give --out FOLDER"),
        (["--format", "doc", "stereo.flac"], "doc"),
        ([], "files"),
        (["--out", "OUT", "stereo.flac", "other/stereo.flac"], "would both be written"),
    ],
)
def test_bad_flags_are_one_line(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(folder / w) if "." in w or w == "OUT" else w for w in arguments]
    assert called(folder, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error


def test_a_checkpoint_without_calibration_asks_for_a_language(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ctc.load(folder)
    model.config.calibration = {}
    ctc.save(model, tmp_path / "bare")
    assert called(tmp_path / "bare", str(folder / "stereo.flac")) == 2
    assert "name one of aa, bb" in capsys.readouterr().err
    assert called(tmp_path / "bare", "--language", "aa", str(folder / "stereo.flac")) == 0


def test_words_of_a_lexicon_and_phrases_of_them_from_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An untrained model of sounds, whose right answers to validation clips, as it says, were 0 to 100 % sure."""
    torch.manual_seed(0)
    model = ctc.build("tiny", {"aa": Units.from_texts(["one two"]), PHONE_HEAD: PHONES}, head_of={"aa": "aa"})
    model.config.word_confidences = [float(at) for at in range(101)]
    ctc.save(model, tmp_path / "checkpoint")
    (tmp_path / "words.tsv").write_text("tea\tta\nkey\tki\n", encoding="utf-8")
    (tmp_path / "phrases.txt").write_text("tea key tea\nkey key\n", encoding="utf-8")
    arguments = ["--lexicon", str(tmp_path / "words.tsv"), str(folder / "stereo.flac")]
    phrases = ["--phrases", str(tmp_path / "phrases.txt"), *arguments]

    def said(*arguments: str) -> str:
        assert called(tmp_path, *arguments) == 0
        return capsys.readouterr().out.strip()

    assert said(*arguments) in ("tea", "key")
    (tmp_path / "inventory.txt").write_text("a\n", encoding="utf-8")
    heard, written = ["--sounds", str(folder / "stereo.flac")], {*as_ipa(PHONES.symbols[1:]), "\u0361", " "}
    assert {*said(*heard)} <= {*"".join(written)} and said(*heard)
    assert {*said("--inventory", str(tmp_path / "inventory.txt"), *heard)} <= {"a", " "}
    assert said("--false-rejections", "0", *arguments) == said(*arguments)
    assert said("--false-rejections", "99", *arguments) == "?" == said("--least", "99", *arguments)
    assert said(*phrases) in ("tea key tea", "key key")
    assert called(tmp_path, "--false-rejections", "5", "--least", "40", *arguments) == 2
    assert "two ways of saying when a word is believed" in capsys.readouterr().err
    assert called(tmp_path, "--false-rejections", "5", "--words", "many", *arguments) == 2
    assert "known of one word between two pauses" in capsys.readouterr().err
    model.config.word_confidences = []
    ctc.save(model, tmp_path / "checkpoint")
    assert called(tmp_path, "--false-rejections", "5", *arguments) == 2
    assert "was not asked how sure it is of right words, as asr_unseen_words asks; or give --least" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("form", ["text", "json", "srt", "vtt", "textgrid"])
def test_every_format_to_a_folder(form: str, folder: Path, tmp_path: Path) -> None:
    files = [str(folder / "stereo.flac"), str(folder / "short.ogg")]
    assert called(folder, "--format", form, "--out", str(tmp_path / "deep/out"), *files) == 0
    written = sorted(path.stem for path in (tmp_path / "deep/out").iterdir())
    assert written == ["short", "stereo"]


MEASURE = """
import resource, sys
from speech_tl.training.config import command
from speech_tl.transcribe import Config, main
code = command(main, Config, sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
raise SystemExit(code)
"""


def test_memory_does_not_grow_with_the_recording(folder: Path, tmp_path: Path) -> None:
    """Peak memory of four minutes against one, in processes of their own, from stereo FLAC at 22.05 kHz."""
    peaks = []
    for minutes in (1, 4):
        path = tmp_path / f"{minutes}.flac"
        noise = 0.1 * np.random.default_rng(0).standard_normal((22050 * 60, 2))
        with soundfile.SoundFile(path, "w", 22050, 2) as file:
            for _ in range(minutes):
                file.write(noise)
        arguments = [str(path), "--checkpoint", str(folder), "--language", "aa", "--device", "cpu"]
        command_line = [sys.executable, "-c", MEASURE, *arguments]
        done = subprocess.run(command_line, capture_output=True, text=True, check=True)
        assert f"{60 * minutes:.1f} s in" in done.stderr
        found = re.search(r"peak (\d+)", done.stderr)
        assert found
        peaks.append(int(found[1]))
    assert peaks[1] < 1500 and peaks[1] - peaks[0] < 100  # MiB
