"""Both branches: torchaudio whose compiled part loads, and one whose compiled part does not."""

import subprocess
import sys

BROKEN = """
import sys, types, importlib.abc, importlib.machinery
class Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name == "torchaudio._extension":
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec): return None
    def exec_module(self, module): {action}
sys.meta_path.insert(0, Broken())
from speech_tl.torchaudio_shim import torchaudio
import transformers
from transformers import M2M100Config, M2M100ForConditionalGeneration, Wav2Vec2ForCTC
extension = sys.modules["torchaudio._extension"]
torchaudio.transforms.MelSpectrogram()
print(type(extension).__name__, getattr(extension, "__spec__", None) is None)
"""


def run(action: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", BROKEN.format(action=action)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_compiled_part_that_cannot_load_is_replaced() -> None:
    assert run('raise OSError("libc10_cuda.so: cannot open shared object file")') == "module True"


def test_a_compiled_part_that_loads_is_left_alone() -> None:
    loaded = (
        "module._IS_TORCHAUDIO_EXT_AVAILABLE = module._IS_ALIGN_AVAILABLE = False; "
        "module.fail_if_no_align = lambda function: function; module._check_cuda_version = lambda: None"
    )
    assert run(loaded) == "module False"
