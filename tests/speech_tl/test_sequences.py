"""Words and pictures as sequences of one size, and the network of modules that reads them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from speech_tl.data.clips import Clips
from speech_tl.data.preparation import prepare
from speech_tl.errors import InputError
from speech_tl.images import Pictures
from speech_tl.sequences import FRAMES, ModularNetwork, Sequences, evaluated, layer_groups, of_pictures, of_words
from speech_tl.transfer.progressive import attach, without_laterals


def numbered(labels: str) -> Sequences:
    """Example i is all i."""
    features = np.arange(len(labels), dtype=np.float32)[:, None, None] * np.ones((1, 8, 2), np.float32)
    return Sequences(features, tuple(labels), tuple("xy" * len(labels))[: len(labels)])


def test_rows_of_a_picture_are_its_frames() -> None:
    pixels = np.array([[[[0, 255], [255, 0]], [[51, 51], [0, 0]]]], np.uint8)  # (1, C, H, W)
    found = of_pictures(Pictures(pixels, ("cat",)))
    assert found.features.shape == (1, 2, 4)
    assert found.features[0].tolist() == [pytest.approx([-1, -0.6, 1, -0.6]), pytest.approx([1, -1, -1, -1])]
    assert found.labels == ("cat",) and found.speakers == ("",)


def test_words_of_any_length_have_one_size(tiny_speech: Path) -> None:
    language = prepare([str(tiny_speech)], languages=("fi",), sample_rates={"": 8000})["fi"]
    found = of_words(language.test)
    assert found.features.shape == (len(language.test), FRAMES, 64)
    assert found.labels == tuple(u.text for u in language.test.utterances)
    assert len(set(found.speakers)) >= 1 and "" not in found.speakers
    assert np.isfinite(found.features).all() and found.features.std() == pytest.approx(1, abs=0.1)
    with pytest.raises(InputError, match="no features for a sampling rate of 11025 Hz; expected 16000 or 8000"):
        of_words(Clips(language.test.utterances[:1], 11025))


def test_shuffled_labels_are_the_same_ones_elsewhere() -> None:
    data = numbered("aabbbbccccc")
    other = data.shuffled(0)
    assert sorted(other.labels) == sorted(data.labels) and other.labels != data.labels
    assert other.features is data.features and other.speakers == data.speakers
    assert data.shuffled(0).labels == other.labels != data.shuffled(1).labels


def test_parts_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="2 examples, 1 labels, 2 speakers"):
        Sequences(np.zeros((2, 3, 4), np.float32), ("a",), ("", ""))


@pytest.mark.parametrize(("frames", "left"), [(32, 4), (33, 5), (8, 1), (5, 1)])
def test_each_bank_halves_the_time(frames: int, left: int) -> None:
    model = ModularNetwork((frames, 3), modules=2, width=6)
    model.add_head("words", ("no", "yes"))
    hidden = torch.zeros(1, frames, 3)
    for bank in model.banks:
        hidden = bank(hidden)
    assert hidden.shape == (1, left, 6)
    assert model(torch.zeros(7, frames, 3), "words").shape == (7, 2)
    # 2 modules of 5 x inputs x 6 + 6 weights in 3 banks, and a head that reads all frames
    assert sum(weight.numel() for weight in model.parameters()) == 2 * (96 + 186 + 186) + left * 6 * 2 + 2


def test_an_error_is_a_wrong_class() -> None:
    data = numbered("abca")
    model = ModularNetwork((8, 2), modules=1)
    model.add_head("letters", data.classes)
    torch.nn.init.zeros_(model.heads["letters"].get_parameter("weight"))
    with torch.no_grad():
        model.heads["letters"].get_parameter("bias").copy_(torch.tensor([1.0, 0.0, 0.0]))
    results = evaluated(model, data, "letters").results
    assert [(r.reference, r.hypothesis, r.speaker) for r in results] == [
        ("a", "a", "x"),
        ("b", "a", "y"),
        ("c", "a", "x"),
        ("a", "a", "y"),
    ]
    assert sum(r.utterance.count for r in results) == 2


def test_a_column_begins_as_if_it_were_alone_and_its_head_reads_too() -> None:
    networks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        networks.append(ModularNetwork((8, 2), modules=2))
        networks[-1].add_head("words", ("no", "yes"))
    old, new = networks
    inputs = torch.randn(3, 8, 2)
    alone = new(inputs, "words")
    groups = layer_groups(new, "words")
    attach(groups, layer_groups(old, "words"), width=new.width, inner=4)
    assert new(inputs, "words").equal(alone)
    torch.nn.init.ones_(groups["head"].get_parameter("lateral.up.weight"))
    assert not new(inputs, "words").equal(alone)
    with without_laterals(groups):
        assert new(inputs, "words").equal(alone)
