"""What adapting a model changed, as a small file beside the checkpoint: 16-bit differences and what was added.

Only tensors that moved are kept, as differences to the model they belong to, so that half precision costs nothing that
matters; adapters, which that model has not, are kept whole. The file names its model by a digest: on another one the
differences would be noise.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from speech_tl import files
from speech_tl.errors import InputError

FORMAT = "speech_tl changes"
VERSION = 1


@dataclass(frozen=True)
class Changes:
    """A way from one model to another."""

    base: str
    """Digest of the model they belong to."""
    facts: Mapping[str, Any]
    """Whatever the method has to say about itself; JSON values."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """Parameter or buffer name -> float16 difference; a name that the base lacks -> its float16 value."""


def digest(model: nn.Module) -> str:
    """16 hexadecimal digits over the names, shapes and first numbers of all weights."""
    seen = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        seen.update(f"{name} {tuple(value.shape)}".encode())
        seen.update(value.flatten()[:256].float().cpu().numpy().tobytes())
    return seen.hexdigest()[:16]


def between(base: nn.Module, adapted: nn.Module, facts: Mapping[str, Any]) -> Changes:
    """What `adapted` has that `base` has not, in numbers or in tensors."""
    old, moved = base.state_dict(), {}
    for name, value in adapted.state_dict().items():
        value, start = value.cpu(), old.get(_original(name))
        if start is None or not value.equal(start.cpu()):
            moved[name] = (value if start is None else value - start.cpu()).detach().half()
    return Changes(digest(base), facts, moved)


@torch.no_grad()
def apply(model: nn.Module, base: Mapping[str, Tensor], changes: Changes) -> None:
    """Gives `model`, of the base's weights and with the adapters in place, what was changed.

    Args:
        base: the base's tensors by name, from before adapters were put in.

    Raises:
        InputError: the file's tensors are not those of the model.
    """
    present = model.state_dict()
    for name, change in changes.tensors.items():
        if name not in present or present[name].shape != change.shape:
            raise InputError(f"the adaptation's {name} does not fit the model; adapt it again")
        start = base.get(_original(name), torch.zeros_like(present[name]))
        present[name].copy_(start + change.to(start.device, start.dtype))


def _original(name: str) -> str:
    """peft moves a layer that it wraps one step down."""
    return name.replace(".base_layer", "")


def write(path: Path, changes: Changes) -> None:
    """One safetensors file, whole or not there."""
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "base": changes.base,
        "facts": json.dumps(changes.facts, ensure_ascii=False),
    }
    tensors = {name: value.contiguous().clone() for name, value in changes.tensors.items()}
    files.write(path, save(tensors, metadata=metadata))


def read(path: Path) -> Changes:
    """
    Raises:
        InputError: no such file, or one of another kind or version.
    """
    if not path.is_file():
        raise InputError(f"no adaptation at {path}: give the file that asr_new_speaker wrote")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(f"{path} holds other tensors than an adaptation ({FORMAT!r})")
            if metadata.get("version") != str(VERSION):
                raise InputError(
                    f"{path} is an adaptation of version {metadata.get('version')}, this speech_tl reads {VERSION}: "
                    "adapt again"
                )
            if missing := {"base", "facts"} - metadata.keys():
                raise InputError(f"{path} does not say its {' and '.join(sorted(missing))}: adapt again")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({error}): adapt again") from None
    return Changes(metadata["base"], json.loads(metadata["facts"]), tensors)
