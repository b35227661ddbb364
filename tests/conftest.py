"""Fixtures every test may use: one thread per process, and the real data where they are present."""

from pathlib import Path

import pytest
import torch

import speech_tl.torchaudio_shim  # noqa: F401  before any test imports transformers

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside a checkout; tests that need it are skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data are not beside this checkout (../shared/data)")
    return folder


@pytest.fixture(scope="session")
def tiny_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest offline corpus: four languages, five voices each."""
    pytest.importorskip("espeakng_loader", reason="the offline corpus needs espeakng-loader")
    from speech_tl.data.synthesis import build

    return build(tmp_path_factory.mktemp("speech"), size="tiny")
