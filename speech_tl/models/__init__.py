"""A shared encoder with one CTC head per language.

transformers imports torchaudio when it is installed, so the shim comes before every module of this package; its
progress bars for writing and reading a file of a few megabytes stay off.
"""

from speech_tl import torchaudio_shim as torchaudio_shim

from transformers.utils import logging as _transformers_logging  # isort: skip

_transformers_logging.disable_progress_bar()
