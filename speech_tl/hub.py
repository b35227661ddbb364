"""Data sets of the Hugging Face hub, through `datasets`: by name, a local folder, or what `save_to_disk` wrote."""

from collections.abc import Mapping
from typing import Any

from speech_tl.errors import InputError
from speech_tl.files import at_home


def parse(spec: str, *, example: str) -> tuple[str, str | None]:
    """`NAME:CONFIG` -> its two parts, `NAME` or an existing folder -> itself and None.

    Raises:
        InputError: there is no name; `example` is shown as one.
    """
    name, colon, config = spec.rpartition(":")
    if not colon or at_home(spec).exists():
        name, config = spec, ""
    if not name:
        raise InputError(f"hub:{spec}: expected hub:NAME or hub:NAME:CONFIG, e.g. hub:{example}")
    return name, config or None


def load(name: str, config: str | None) -> Mapping[str, Any]:
    """The `datasets.Dataset` of each split.

    Raises:
        InputError: `datasets` is not installed, or cannot load it.
    """
    try:
        import datasets
    except ImportError:
        raise InputError(f"hub:{name} needs the package `datasets`: pip install datasets") from None
    path = at_home(name)
    try:
        if (path / "dataset_dict.json").is_file() or (path / "dataset_info.json").is_file():
            loaded = datasets.load_from_disk(str(path))
        else:
            loaded = datasets.load_dataset(str(path) if path.exists() else name, config)
    except (ValueError, OSError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise _not_loaded(name, error) from None
    return loaded if isinstance(loaded, datasets.DatasetDict) else {str(loaded.split or "train"): loaded}


def _not_loaded(name: str, error: Exception) -> InputError:
    reason = " ".join(str(error.__cause__ or error).split())[:300]
    if "torchcodec" in reason:
        return InputError(
            f"hub:{name}: a folder of audio files, which `datasets` opens only with torchcodec; pass "
            f"the folder itself (without hub:), with a metadata.csv of file_name,text,language,speaker_id"
        )
    return InputError(f"hub:{name}: cannot be loaded ({reason})")
