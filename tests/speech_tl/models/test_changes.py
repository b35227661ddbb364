"""What adapting changed, as a file: small, whole, and of one model only."""

from pathlib import Path

import pytest
import torch
from torch import nn

from speech_tl.errors import InputError
from speech_tl.models.changes import Changes, apply, between, digest, read, write


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))


def test_only_what_moved_is_kept_and_comes_back(tmp_path: Path) -> None:
    base, adapted = net(), net()
    with torch.no_grad():
        adapted[1].bias += torch.tensor([0.5, 0.25])
    adapted[0].register_buffer("scale", torch.tensor([3.0]))
    changes = between(base, adapted, {"method": "by hand", "seconds": 2.5})
    assert {name: value.tolist() for name, value in changes.tensors.items()} == {
        "1.bias": [0.5, 0.25],
        "0.scale": [3.0],
    }
    write(tmp_path / "voice.safetensors", changes)
    again = read(tmp_path / "voice.safetensors")
    assert (again.base, again.facts) == (digest(base), {"method": "by hand", "seconds": 2.5})
    fresh = net()
    fresh[0].register_buffer("scale", torch.zeros(1))
    apply(fresh, base.state_dict(), again)
    assert all(value.allclose(adapted.state_dict()[name]) for name, value in fresh.state_dict().items())


def test_a_digest_sees_a_weight_and_a_name() -> None:
    one, other = net(), net()
    assert digest(one) == digest(other)
    with torch.no_grad():
        other[1].weight[0, 0] += 1e-3
    assert digest(one) != digest(other)
    assert digest(nn.ModuleDict({"a": nn.ReLU(), "b": net()})) != digest(nn.ModuleDict({"c": net()}))


def test_what_does_not_fit_is_named() -> None:
    model = net()
    for tensors in ({"2.bias": torch.zeros(2)}, {"1.bias": torch.zeros(3)}):
        name = next(iter(tensors))
        with pytest.raises(InputError, match=f"the adaptation's {name} does not fit the model"):
            apply(model, model.state_dict(), Changes("", {}, tensors))


def test_files_that_are_no_adaptation(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(InputError, match="no adaptation at"):
        read(tmp_path / "voice.safetensors")
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04pickled")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        read(tmp_path / "pickle.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="holds other tensors than an adaptation"):
        read(tmp_path / "other.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "later.safetensors", {"format": "speech_tl changes", "version": "2"})
    with pytest.raises(InputError, match="of version 2, this speech_tl reads 1"):
        read(tmp_path / "later.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "bare.safetensors", {"format": "speech_tl changes", "version": "1"})
    with pytest.raises(InputError, match=r"bare\.safetensors does not say its base and facts: adapt again"):
        read(tmp_path / "bare.safetensors")
