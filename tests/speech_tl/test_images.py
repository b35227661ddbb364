"""Pictures from files: their pixels and classes as they are, and one clear line for a file that is broken."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from speech_tl import images
from speech_tl.errors import InputError
from speech_tl.images import Pictures, SmallCNN
from speech_tl.labelled import LabelledBatches


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    # names of tests are made of these bytes: without a time, or two processes would name them differently
    return gzip.compress(head + values.astype(np.uint8).tobytes(), mtime=0)


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """Two parts of training pictures, 2 x 3 pixels, and a test picture."""
    pixels = np.arange(18).reshape(3, 2, 3)
    for name, each in (("train-images-0", pixels[:2]), ("train-images-1", pixels[2:]), ("t10k-images", pixels[:1])):
        (tmp_path / f"{name}-idx3-ubyte.gz").write_bytes(idx(each))
    for name, labels in (("train-labels-0", [7, 1]), ("train-labels-1", [7]), ("t10k-labels", [1])):
        (tmp_path / f"{name}-idx1-ubyte.gz").write_bytes(idx(np.array(labels)))
    return tmp_path


def test_mnists_own_files_in_parts(mnist: Path) -> None:
    assert images.holds_pictures(mnist)
    parts = images.read(mnist)
    assert parts["train"].labels == ("7", "1", "7")
    assert parts["train"].pixels[2, 0].tolist() == [[12, 13, 14], [15, 16, 17]]
    assert parts["train"].classes == ("1", "7")
    assert len(parts["test"]) == 1
    assert len(parts["train"].of(["7"])) == 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, label, colour in (("train", "cat", 0), ("train", "dog", 255), ("test", "dog", 255)):
        file = tmp_path / part / label / "one.png"
        file.parent.mkdir(parents=True)
        Image.new("RGB", (4, 4), (colour, 0, 0)).save(file)
    return tmp_path


def test_a_folder_for_each_class(folder: Path) -> None:
    parts = images.read(folder)
    assert parts["train"].labels == ("cat", "dog")
    assert parts["train"].pixels[:, :, 0, 0].tolist() == [[0, 0, 0], [255, 0, 0]]
    assert parts["test"].labels == ("dog",)
    assert images.read(folder, size=2)["test"].pixels.shape == (1, 3, 2, 2)
    assert parts["train"].tensor([1])[0, :, 0, 0].tolist() == [1, -1, -1]


def test_grey_of_sixteen_bits(folder: Path) -> None:
    Image.fromarray(np.array([[0, 25600], [51200, 65535]], np.uint16)).save(folder / "train" / "cat" / "one.png")
    assert images.read(folder, size=2)["train"].pixels[0, 0].tolist() == [[0, 100], [200, 255]]


def _wide(folder: Path) -> None:
    for file in folder.glob("*/*/*.png"):
        Image.new("RGB", (5, 4)).save(file)


def _other_size(folder: Path) -> None:
    Image.new("RGB", (5, 4)).save(folder / "train" / "dog" / "two.png")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "train/cat/one.png").write_text("no picture"), r"one\.png is not a picture"),
        (
            lambda folder: Image.new("L", (15000, 15000)).save(folder / "train/cat/one.png"),
            r"one\.png is not a picture",
        ),
        (_wide, r"one\.png has 4 x 5 pixels, one\.png 4 x 5: expected squares"),
        (_other_size, r"two\.png has 4 x 5 pixels, one\.png 4 x 4: expected squares of one size; --size"),
        (lambda folder: (folder / "test/dog/one.png").unlink(), "holds no test pictures: expected test/CLASS"),
        (lambda folder: (folder / "test/dog").rename(folder / "test/fox"), "fox are tested and never trained"),
        (lambda folder: (folder / "test").rename(folder / "tset"), "unknown part 'tset' .*did you mean 'test'"),
    ],
)
def test_folders_that_are_not_as_they_should(folder: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(folder)
    with pytest.raises(InputError, match=said):
        images.read(folder)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("train-images-0-idx3-ubyte.gz", b"plain", "is not a whole gzip file"),
        ("train-images-0-idx3-ubyte.gz", gzip.compress(b"\0\0\x0d\3", mtime=0), "expected an IDX file of bytes with 3"),
        ("t10k-images-idx3-ubyte.gz", idx(np.zeros((1, 2, 3)))[:20], "is not a whole gzip file"),
        (
            "t10k-images-idx3-ubyte.gz",
            gzip.compress(gzip.decompress(idx(np.zeros((1, 2, 3))))[:-1], mtime=0),
            "has 5 bytes where 1 x 2 x 3 are promised",
        ),
        ("train-labels-1-idx1-ubyte.gz", idx(np.array([1, 2])), "needs a train-labels file with as many labels"),
    ],
)
def test_broken_idx_files(mnist: Path, file: str, content: bytes, said: str) -> None:
    (mnist / file).write_bytes(content)
    with pytest.raises(InputError, match=said):
        images.read(mnist)


def test_layers_are_named_from_input_to_output() -> None:
    model = SmallCNN(["a", "b"], channels=1, size=28)
    groups = images.layer_groups(model)
    assert list(groups) == ["conv.0", "conv.1", "conv.2", "hidden", "head"]
    assert sum(w.numel() for g in groups.values() for w in g.parameters()) == sum(w.numel() for w in model.parameters())
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 2)


def test_a_batch_has_the_classes_of_its_pictures() -> None:
    pictures = Pictures(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), ("b", "a", "b", "a"))
    batches = LabelledBatches(pictures, ["a", "b"], batch=4, generator=torch.Generator().manual_seed(0))
    batch = next(batches)
    values = ((batch.examples.flatten() + 1) * 127.5).round().int().tolist()
    assert sorted(values) == [0, 1, 2, 3]
    assert batch.targets.tolist() == [1 - value % 2 for value in values]
    part, weight = batch.share(1, 2)
    assert (part.targets.tolist(), weight) == (batch.targets[1::2].tolist(), 1.0)
    state = batches.state_dict()
    first = next(batches).examples
    batches.load_state_dict(state)
    assert next(batches).examples.equal(first)
    with pytest.raises(InputError, match="unknown class 'a'"):
        LabelledBatches(pictures, ["b"], batch=4, generator=torch.Generator())


def test_real_digits(shared_data: Path) -> None:
    parts = images.read(shared_data / "image" / "mnist")
    assert {name: len(part) for name, part in parts.items()} == {"train": 40_000, "test": 10_000}
    assert parts["train"].labels[:6] == ("5", "0", "4", "1", "9", "2")


def test_features_of_a_local_vision_checkpoint_equal_transformers_own(tmp_path: Path) -> None:
    """A tiny ViT, its own processor, in a process that has imported nothing else."""
    make = """
import sys, torch
from speech_tl import images
from transformers import ViTConfig, ViTImageProcessor, ViTModel
torch.manual_seed(0)
config = ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=16)
config.patch_size = 8
model = ViTModel(config, add_pooling_layer=False).eval()
model.save_pretrained(sys.argv[1])
ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(sys.argv[1])
import numpy as np
pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), dtype=np.uint8)
found = images.features(images.Pictures(pixels, ("a", "b", "a")), sys.argv[1], batch=2)
with torch.no_grad():  # as the processor says: in [-1, 1], and no scaling where the size is right
    own = model(torch.from_numpy(pixels / 127.5 - 1).float()).last_hidden_state.mean(1).numpy()
assert found.shape == (3, 8) and np.abs(found - own).max() < 1e-5, "its pooler was never trained"
from safetensors.torch import load_file, save_file
from speech_tl.errors import InputError
weights = load_file(sys.argv[1] + "/model.safetensors")
del weights["encoder.layer.0.attention.attention.query.weight"]
save_file(weights, sys.argv[1] + "/model.safetensors", metadata={"format": "pt"})
try:
    images.features(images.Pictures(pixels, ("a", "b", "a")), sys.argv[1])
except InputError as error:
    assert "lacks weights of its encoder, such as " in str(error), error
else:
    raise AssertionError("taken for whole")
"""
    done = subprocess.run([sys.executable, "-c", make, str(tmp_path / "vit")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
