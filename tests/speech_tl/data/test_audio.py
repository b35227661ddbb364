"""Every way in which a file can differ from mono float32 at the model's rate, or be unfit to be read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_tl.data import audio
from speech_tl.errors import InputError


def test_channels_are_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "s.wav", np.array([[0.5, -0.25], [1.0, 0.0]]), 16000, subtype="FLOAT")
    samples = audio.read(tmp_path / "s.wav", sample_rate=16000)
    assert samples.tolist() == [0.125, 0.5]
    assert samples.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "rate"),
    [("a.wav", 8000), ("a.flac", 44100), ("a.ogg", 22050), ("a.opus", 48000), ("a.mp3", 44100)],
)
def test_any_format_and_rate_gives_the_same_tone(
    tmp_path: Path, tone: Callable[..., Path], name: str, rate: int
) -> None:
    if name.endswith("opus"):
        wave = 0.5 * np.sin(2 * np.pi * 220 * np.arange(rate) / rate)
        soundfile.write(tmp_path / name, wave, rate, format="OGG", subtype="OPUS")
    else:
        tone(tmp_path / name, seconds=1.0, rate=rate, channels=2)
    samples = audio.read(tmp_path / name, sample_rate=16000)
    middle = samples[4000:12000]
    assert len(samples) == pytest.approx(16000, abs=1200)  # an MP3 pads to whole frames
    assert audio.duration(tmp_path / name) == pytest.approx(1.0, abs=0.08)
    assert np.abs(np.fft.rfft(middle)).argmax() == 110  # 220 Hz in bins of 2 Hz
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.03)


def test_a_part_is_cut_by_seconds(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "r.wav", np.arange(100) / 100, 10, subtype="FLOAT")
    samples = audio.read(tmp_path / "r.wav", sample_rate=10, start=2.0, end=2.5)
    assert samples == pytest.approx([0.20, 0.21, 0.22, 0.23, 0.24])
    assert len(audio.read(tmp_path / "r.wav", sample_rate=10, start=9.5, end=11.0)) == 5


def test_a_very_short_clip_is_fine(tmp_path: Path, tone: Callable[..., Path]) -> None:
    assert len(audio.read(tone(tmp_path / "s.wav", seconds=0.05), sample_rate=8000)) == 400


def test_samples_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "l.wav", np.array([2.0, -3.0, 0.5]), 16000, subtype="FLOAT")
    assert audio.read(tmp_path / "l.wav", sample_rate=16000).tolist() == [1.0, -1.0, 0.5]


def test_unfit_files_are_one_line_each(tmp_path: Path, tone: Callable[..., Path]) -> None:
    (tmp_path / "zero.wav").touch()
    (tmp_path / "text.wav").write_text("this is not audio")
    (tmp_path / "x.raw").write_bytes(b"\0" * 100)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan, np.inf]), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    tone(tmp_path / "good.wav", seconds=1.0)
    cases: list[tuple[str, dict[str, float], str]] = [
        ("absent.wav", {}, "no such file"),
        ("", {}, "is a folder"),
        ("zero.wav", {}, "0 bytes"),
        ("text.wav", {}, "not audio that can be read.*ffmpeg"),
        ("x.raw", {}, "not audio that can be read"),
        ("nan.wav", {}, "2 of 3 samples are NaN or infinite"),
        ("none.wav", {}, "no samples"),
        ("good.wav", {"start": 0.5, "end": 0.4}, "end 0.4 s is not after start 0.5 s"),
        ("good.wav", {"start": 1.5}, r"start 1.5 s is beyond the end of the recording \(1.000 s\)"),
        ("good.wav", {"start": -1.0}, "negative start"),
    ]
    for name, span, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            audio.read(tmp_path / name, sample_rate=16000, **span)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_windows_overlap_and_cover_the_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "w.wav", np.arange(25) / 100, 10, subtype="FLOAT")
    found = list(audio.windows(tmp_path / "w.wav", sample_rate=10, seconds=1.0, overlap=0.4))
    assert [start for start, _ in found] == pytest.approx([0.0, 0.6, 1.2, 1.8])
    assert [len(samples) for _, samples in found] == [10, 10, 10, 7]
    for start, samples in found:
        assert samples == pytest.approx((np.arange(len(samples)) + round(start * 10)) / 100)


@pytest.mark.parametrize("seconds", [0.7, 1.0, 2.0])
def test_windows_without_overlap_are_the_whole_file_resampled(
    tmp_path: Path, tone: Callable[..., Path], seconds: float
) -> None:
    path = tone(tmp_path / "l.wav", seconds=2.0, rate=44100, channels=2)
    parts = [samples for _, samples in audio.windows(path, sample_rate=16000, seconds=seconds)]
    whole = audio.read(path, sample_rate=16000)
    assert np.concatenate(parts) == pytest.approx(whole, abs=1e-3)
    assert all(len(part) > 0 for part in parts)


def test_windows_of_bad_arguments_and_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="overlap must be"):
        next(audio.windows(tmp_path, sample_rate=10, seconds=1.0, overlap=1.0))
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    with pytest.raises(InputError, match="no samples"):
        next(audio.windows(tmp_path / "none.wav", sample_rate=8000, seconds=1.0))


def test_a_header_that_does_not_say_how_long_the_file_is(tmp_path: Path) -> None:
    """As an encoder leaves it that writes FLAC to a pipe: the 36 bits of STREAMINFO for all samples are 0."""
    soundfile.write(tmp_path / "a.flac", np.zeros(800), 16000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(
        InputError, match=r"a\.flac: not audio that can be read \(its header does not say how long it is"
    ):
        audio.read(tmp_path / "a.flac", sample_rate=16000)
