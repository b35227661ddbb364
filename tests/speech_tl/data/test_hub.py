"""`datasets` on small local datasets, in each of the forms it keeps them, without its audio decoder."""

import gc
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speech_tl.data import audio, manifest
from speech_tl.errors import InputError

datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def table(tone: Callable[..., Path], folder: Path, *, count: int = 2, **columns: Any) -> Any:
    """A dataset whose audio column holds encoded bytes, as on the hub."""
    clips = [tone(folder / f"{i}.wav", seconds=0.1 * (i + 1)).read_bytes() for i in range(count)]
    cells = {"audio": [{"bytes": clip, "path": f"{i}.wav"} for i, clip in enumerate(clips)], **columns}
    made = datasets.Dataset.from_dict(cells)
    return made.cast_column("audio", datasets.Audio(decode=False))


def test_a_saved_dataset(tmp_path: Path, tone: Callable[..., Path]) -> None:
    made = table(
        tone,
        tmp_path / "in",
        sentence=["a", "b"],
        speaker_id=["01", "02"],
        language=["nan", "nan"],
        votes=[1, 2],
    )
    made.save_to_disk(tmp_path / "saved")
    first, second = manifest.read(f"hub:{tmp_path / 'saved'}:ignored", cache=tmp_path / "cache")
    assert (first.text, first.speaker, first.language, first.extra) == ("a", "01", "nan", (("votes", "1"),))
    assert second.key == "saved:ignored/train/2"
    assert len(audio.read(second.audio, sample_rate=16000)) == 3200
    assert Path(second.audio).parent == tmp_path / "cache"
    before = Path(second.audio).stat().st_mtime_ns
    manifest.read(f"hub:{tmp_path / 'saved'}", cache=tmp_path / "cache")
    assert Path(second.audio).stat().st_mtime_ns == before


def test_languages_that_are_numbered(tmp_path: Path, tone: Callable[..., Path]) -> None:
    made = table(tone, tmp_path / "in", sentence=["a", "b"], language=[1, 0])
    made = made.cast_column("language", datasets.ClassLabel(names=["fin", "swe"]))
    made.save_to_disk(tmp_path / "saved")
    found = manifest.read(f"hub:{tmp_path / 'saved'}:multilang", cache=tmp_path / "cache")
    assert [u.language for u in found] == ["swe", "fin"]
    made.map(lambda _: {"audio": None}).cast_column("audio", datasets.Audio(decode=False)).save_to_disk(tmp_path / "no")
    with pytest.raises(InputError, match="train row 1: no audio"):
        manifest.read(f"hub:{tmp_path / 'no'}", cache=tmp_path / "cache")


def test_parts_of_a_dataset_become_the_split(
    tmp_path: Path, tone: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    part = {
        name: table(tone, tmp_path / name, text=[f"{name} 1", f"{name} 2"], client_id=["x", "y"])
        for name in ("train.clean", "validation", "test", "other")
    }
    datasets.DatasetDict(part).save_to_disk(tmp_path / "saved")
    with pytest.raises(InputError, match=r"has text 'validation 1', but 'train.clean 1'"):
        manifest.read(f"hub:{tmp_path / 'saved'}:sw", cache=tmp_path / "cache")  # the same audio in two parts
    for i, name in enumerate(part):
        part[name] = table(tone, tmp_path / name, count=i + 1, text=[name] * (i + 1), client_id=["x"] * (i + 1)).select(
            [i]
        )
    datasets.DatasetDict(part).save_to_disk(tmp_path / "again")
    found = manifest.read(f"hub:{tmp_path / 'again'}:sw", cache=tmp_path / "cache")
    assert [(u.split, u.text) for u in found] == [
        ("train", "train.clean"),
        ("validation", "validation"),
        ("test", "test"),
    ]
    assert "parts other left out" in caplog.text


@pytest.mark.parametrize("typed", [True, False])
def test_a_folder_of_parquet_files(
    tmp_path: Path, tone: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, typed: bool
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "home")
    made = table(tone, tmp_path / "in", transcription=["habari", "asante"])
    if not typed:
        made = made.cast_column("audio", {"bytes": datasets.Value("binary"), "path": datasets.Value("string")})
    (tmp_path / "sw").mkdir()
    made.to_parquet(tmp_path / "sw" / "train.parquet")
    first, second = manifest.read(f"hub:{tmp_path / 'sw'}", cache=tmp_path / "cache")
    assert (first.text, first.language, first.speaker, second.key) == ("habari", "sw", "", "sw/train/2")
    assert len(audio.read(first.audio, sample_rate=8000)) == 800


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(importlib.util.find_spec("torchcodec") is not None, reason="torchcodec can open it")
def test_a_folder_of_audio_files_is_better_read_by_us(
    tmp_path: Path, tone: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "home")
    tone(tmp_path / "sw" / "train" / "a.wav")
    (tmp_path / "sw" / "train" / "metadata.csv").write_text("file_name,transcription\na.wav,habari\n")
    with pytest.raises(InputError, match="only with torchcodec; pass the folder itself"):
        manifest.read(f"hub:{tmp_path / 'sw'}")
    gc.collect()  # datasets leaves the file open when it fails


def test_what_cannot_be_loaded_is_one_line(
    tmp_path: Path, tone: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="hub:nobody/nothing: cannot be loaded") as caught:
        manifest.read("hub:nobody/nothing:sw")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="expected hub:NAME or hub:NAME:CONFIG"):
        manifest.read("hub:")
    table(tone, tmp_path / "in", words=["a", "b"]).save_to_disk(tmp_path / "saved")
    with pytest.raises(InputError, match=r"expected an audio column and one of text, .*; columns found: audio, words"):
        manifest.read(f"hub:{tmp_path / 'saved'}", cache=tmp_path)
