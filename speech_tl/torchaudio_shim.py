"""torchaudio beside a CPU build of torch.

On Linux x86-64 PyPI's torchaudio is a CUDA build: beside a CPU torch its compiled part does not load, and the
OSError then breaks every transformers model that looks at torchaudio. Everything but that compiled part is plain
torch, so on that error this module puts an empty stand-in where the compiled part would be and imports again. Import
torchaudio from here, and import this before transformers.
"""

import importlib
import sys
from types import ModuleType


def _stand_in() -> ModuleType:
    module = ModuleType("torchaudio._extension")

    def fail_if_no_align(function: object) -> object:
        def refuse(*_: object, **__: object) -> None:
            raise RuntimeError("torchaudio's compiled aligner is absent beside a CPU torch; use decoding.align")

        return refuse

    module._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
    module._IS_ALIGN_AVAILABLE = False  # type: ignore[attr-defined]
    module._check_cuda_version = lambda: None  # type: ignore[attr-defined]
    module.fail_if_no_align = fail_if_no_align  # type: ignore[attr-defined]
    return module


def load() -> ModuleType:
    """torchaudio as installed, or, where its compiled part cannot be loaded, torchaudio without that part."""
    try:
        return importlib.import_module("torchaudio")
    except OSError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules["torchaudio._extension"] = _stand_in()
        return importlib.import_module("torchaudio")


torchaudio = load()
