"""Corpora of recordings on the Hugging Face hub, through `datasets`, without its audio decoder.

`datasets` decodes audio only with torchcodec, whose wheels are tied to CUDA; `Audio(decode=False)` hands over
the encoded bytes instead, which are written to a cache file once and then read like any other file.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from speech_tl.data.readers import Row
from speech_tl.errors import InputError
from speech_tl.hub import load, parse

log = logging.getLogger(__name__)

TEXT = ("text", "sentence", "transcription", "transcript", "raw_transcription", "normalized_text")
SPEAKER = ("speaker_id", "client_id", "speaker")
LANGUAGE = ("language", "locale", "lang")
CODE = re.compile(r"[A-Za-z]{2,3}([-_]\w+)*")
"""What a language column has to hold, to be believed against the configuration's name: `sw`, and not `Swahili`."""
SPLITS = ("train", "validation", "valid", "dev", "test")


def rows(spec: str, *, cache: Path | None = None) -> Iterator[Row]:
    """Rows of `NAME:CONFIG`: a hub dataset, a local dataset folder, or what `save_to_disk` wrote."""
    name, config = parse(spec, example="google/fleurs:sw_ke")
    parts = _usable(load(name, config), spec)
    place = f"{Path(name).name}:{config}" if config else Path(name).name
    folder = cache or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "speech_tl" / "hub"
    for split, part in parts.items():
        audio, text = _audio_column(part, spec), _column(part, TEXT)
        if audio is None or text is None:
            found = ", ".join(part.column_names)
            raise InputError(
                f"hub:{spec}: expected an audio column and one of {', '.join(TEXT)}; columns found: {found}"
            )
        speaker, language = _column(part, SPEAKER), _column(part, LANGUAGE)
        names = {name: feature.int2str for name, feature in part.features.items() if hasattr(feature, "int2str")}
        used = {audio, text, speaker, language, "start", "end"}  # times in a longer recording that is not here
        for number, item in enumerate(_undecoded(part, audio), start=1):
            where = f"hub:{spec}, {split} row {number}"
            cells = {k: _cell(v) for k, v in item.items() if k not in used}
            cells["text"] = _cell(item[text])
            if len(parts) > 1:
                cells["split"] = split.split(".")[0]
            said = _cell(names.get(language, str)(item[language])) if language and item[language] is not None else ""
            cells["language"] = said if CODE.fullmatch(said) else config or said or Path(name).name
            if speaker:
                cells["speaker_id"] = _cell(item[speaker])
            if item[audio] is None:
                raise InputError(f"{where}: no audio")
            yield Row(where, _file(item[audio], folder, where), f"{place}/{split}/{number}", cells)


def _usable(parts: Mapping[str, Any], spec: str) -> Mapping[str, Any]:
    """train, validation and test (also `train.clean.100`) where there are any: other parts repeat them."""
    named = {split: part for split, part in parts.items() if split.split(".")[0] in SPLITS}
    if left := set(parts) - set(named) if named else set():
        log.warning("hub:%s: parts %s left out, kept %s", spec, ", ".join(sorted(left)), ", ".join(named))
    return named or parts


def _audio_column(part: Any, spec: str) -> str | None:
    import datasets

    columns = [
        name
        for name, feature in part.features.items()
        if isinstance(feature, datasets.Audio) or (isinstance(feature, dict) and {"bytes", "path"} <= set(feature))
    ]
    if len(columns) > 1:
        raise InputError(f"hub:{spec}: {len(columns)} audio columns ({', '.join(columns)}), expected one")
    return columns[0] if columns else None


def _undecoded(part: Any, audio: str) -> Any:
    import datasets

    return part.cast_column(audio, datasets.Audio(decode=False))


def _column(part: Any, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in part.column_names), None)


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _file(item: Mapping[str, Any], folder: Path, where: str) -> Path:
    """The encoded audio as a file named by its content; written aside, then renamed."""
    content, path = item["bytes"], item["path"]
    if content is None:
        if not path or not Path(path).is_file():
            raise InputError(f"{where}: no audio bytes and no file at {path!r}")
        return Path(path)
    name = hashlib.sha256(content).hexdigest()[:32] + (Path(path).suffix if path else "")
    file = folder / name
    if not file.is_file() or file.stat().st_size != len(content):
        folder.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{name}.{os.getpid()}")
        aside.write_bytes(content)
        os.replace(aside, file)
    return file
