"""One seed, many named random streams, every one of them saved and restored.

A stream per purpose ("batches", "augmentation") means that drawing more in one place changes nothing in
another; and because each stream's state travels in the checkpoint, a resumed run draws what the uninterrupted
one would have drawn.
"""

import hashlib
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


class Streams:
    """Named `torch.Generator`s on the CPU, each with its own seed made from (seed, name)."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generators: dict[str, torch.Generator] = {}

    def generator(self, name: str) -> torch.Generator:
        """The stream of that name; asked twice, the same object."""
        if name not in self._generators:
            self._generators[name] = torch.Generator().manual_seed(self.seed_of(name))
        return self._generators[name]

    def seed_of(self, name: str) -> int:
        """What a stream of that name starts from; also for generators on another device."""
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1  # 63 bits: positive wherever it is stored

    def state_dict(self) -> dict[str, Any]:
        streams = {name: generator.get_state() for name, generator in self._generators.items()}
        return {"seed": self.seed, "streams": streams}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """In place: a generator that was handed out before goes on from the restored state."""
        self.seed = int(state["seed"])
        for name, bits in state["streams"].items():
            self.generator(name).set_state(bits)


def seed_everything(seed: int) -> None:
    """Python's, numpy's and torch's global generators (initial weights and dropout draw from the last)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def global_state() -> dict[str, Any]:
    """The global generators as tensors and JSON values, ready for `checkpoint.save_state`."""
    version, words, gauss = random.getstate()
    legacy: Any = np.random.get_state(legacy=False)
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # a run on the CPU needs no GPU
    cuda = torch.cuda.get_rng_state_all() if used else []
    return {
        "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
        "numpy": {
            "words": torch.from_numpy(legacy["state"]["key"].astype(np.int64)),
            "position": int(legacy["state"]["pos"]),
            "has_gauss": int(legacy["has_gauss"]),
            "gauss": float(legacy["gauss"]),
        },
        "torch": torch.get_rng_state(),
        "cuda": {str(device): bits for device, bits in enumerate(cuda)},
    }


def restore_global_state(state: Mapping[str, Any]) -> None:
    python, legacy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    words = legacy["words"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", words, legacy["position"], legacy["has_gauss"], legacy["gauss"]))
    torch.set_rng_state(state["torch"])
    for device, bits in state["cuda"].items():
        if torch.cuda.is_available() and int(device) < torch.cuda.device_count():
            torch.cuda.set_rng_state(bits, int(device))
