"""CTranslate2 writes the same subwords as torch, or says which feature it has not."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt_zero_shot import export
from nmt_zero_shot import model as models
from nmt_zero_shot.search import translate
from nmt_zero_shot.subwords import SentencePieces
from nmt_zero_shot.systems import load
from speech_tl.errors import InputError


def saved(folder: Path, vocabulary: SentencePieces, **switches: Any) -> Path:
    """A run's folder; large random weights write something else for every sentence, without training."""
    torch.manual_seed(0)
    model = models.build("tiny", vocabulary, **switches)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.3)
    models.save(model, vocabulary, folder)
    return folder


@pytest.mark.parametrize("switches", [{}, {"norm": "post", "tags": "both"}, {"tags": "m2m"}])
def test_the_same_subwords_on_200_sentences(
    vocabulary: SentencePieces, tmp_path: Path, switches: dict[str, Any]
) -> None:
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    folder = saved(tmp_path / "run", vocabulary, **switches)
    export.to_ctranslate2(folder, tmp_path / "out", quantization="float32")
    engine, codec = export.load(tmp_path / "out")
    translator = models.load(folder)
    assert (codec.scheme, codec.subwords.digest) == (translator.scheme, translator.subwords.digest)
    random = torch.Generator().manual_seed(1)
    first = vocabulary.first_byte + 256
    texts = [
        vocabulary.decode(torch.randint(first, vocabulary.size, (int(n),), generator=random).tolist())
        for n in torch.randint(1, 12, (200,), generator=random)
    ]
    sources, start = translator.sources(texts, "de", source="en"), translator.start("de")
    ours = translate(translator.model, sources, start=start, max_length=lambda _: 12)
    theirs = export.translate(engine, sources, start=start, max_length=lambda _: 12)
    assert len({tuple(each) for each in theirs}) > 20
    assert theirs == [list(each.ids) for each in ours]
    allowed = vocabulary.pieces_of("de")
    ours = translate(translator.model, sources, start=start, max_length=lambda _: 12, allowed=torch.from_numpy(allowed))
    theirs = export.translate(engine, sources, start=start, max_length=lambda _: 12, allowed=allowed)
    assert theirs == [list(each.ids) for each in ours]
    assert all(allowed[index] for each in theirs for index in each)
    for mask in (None, allowed):
        kept = None if mask is None else torch.from_numpy(mask)
        ours = translate(translator.model, sources, start=start, beam=5, max_length=lambda _: 12, allowed=kept)
        theirs = export.translate(engine, sources, start=start, beam=5, max_length=lambda _: 12, allowed=mask)
        same = sum(list(one.ids) == other for one, other in zip(ours, theirs, strict=True))
        assert same >= 190, "a beam may end elsewhere"


def test_other_weights_are_converted_again(vocabulary: SentencePieces, tmp_path: Path) -> None:
    """Also where they are older than what was converted, as a copy with its times may be."""
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    folder = saved(tmp_path / "run", vocabulary)
    load(folder, engine="ctranslate2", beam=1)
    made = folder / "ctranslate2" / "model.bin"
    first = made.read_bytes()
    load(folder, engine="ctranslate2_float32", beam=1)
    assert (folder / "ctranslate2_float32" / "model.bin").stat().st_size > 2 * len(first)
    load(folder, engine="ctranslate2", beam=1)
    assert made.read_bytes() == first
    (weights,) = folder.glob("**/*.safetensors")
    os.utime(weights, (0, 0))
    made.write_bytes(b"of older weights")
    load(folder, engine="ctranslate2", beam=1)
    assert len(made.read_bytes()) == len(first)
    made.write_bytes(first[:-1000])
    with pytest.raises(InputError, match=r"ctranslate2 is not whole .*; remove it, it is converted again"):
        load(folder, engine="ctranslate2", beam=1)


def test_a_converted_model_translates_without_torch(vocabulary: SentencePieces, tmp_path: Path) -> None:
    """Importing it takes longer than everything else together."""
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    export.to_ctranslate2(saved(tmp_path / "run", vocabulary), tmp_path / "out")
    code = (
        "import sys; from nmt_zero_shot.translate import Config, main; from speech_tl.training.config import command;"
        "command(main, Config); print('torch' in sys.modules)"
    )
    words = ["--checkpoint", str(tmp_path / "out"), "--engine", "ctranslate2", "--device", "cpu"]
    made = subprocess.run(
        [sys.executable, "-c", code, *words, "--from", "en", "--to", "de", "the dog runs"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.splitlines()[-1] == "False"


def test_int8_is_smaller(vocabulary: SentencePieces, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    folder = saved(tmp_path / "run", vocabulary)
    sizes = []
    for quantization in ("float32", "int8"):
        export.to_ctranslate2(folder, tmp_path / quantization, quantization=quantization)
        sizes.append((tmp_path / quantization / "model.bin").stat().st_size)
    assert sizes[1] < 0.5 * sizes[0]


def test_a_feature_it_has_not_is_named(
    vocabulary: SentencePieces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="unknown quantization 'int9'; did you mean 'int8'"):
        export.to_ctranslate2(tmp_path, tmp_path / "out", quantization="int9")
    with pytest.raises(InputError, match=r"no tags\.json and model\.bin in .* that was converted"):
        export.load(tmp_path)
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    folder = saved(tmp_path / "run", vocabulary, norm="post", middle_residual=False, top_tags=1)
    message = "a middle residual removed and target tags in the top encoder layers, which CTranslate2 cannot compute"
    with pytest.raises(InputError, match=message):
        export.to_ctranslate2(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(InputError, match="ctranslate2 is not installed"):
        export.to_ctranslate2(folder, tmp_path / "out")
