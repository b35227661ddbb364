"""Text into another language: a sentence, a file or a pipe, a line for a line, in order and as it comes.

`python -m nmt_zero_shot.translate --checkpoint RUN --from ja --to ko` translates standard input; texts or `--file F`
are translated instead where they are given. Any two of the checkpoint's languages will do, also a pair that was never
trained, and `--through en` is the way round by a third one.
"""

import gc
import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import tyro

from nmt_zero_shot.systems import Engine, System, load
from speech_tl.errors import InputError
from speech_tl.training.config import command

FIRST, MOST = 1 << 9, 1 << 15
"""Bytes that are read before the first line is written, and between any two at most."""


@dataclass(frozen=True)
class Config:
    texts: tyro.conf.Positional[tuple[str, ...]]
    """Texts to translate; standard input, a text a line, where there are none."""
    checkpoint: Path
    """A run's folder, or a checkpoint folder."""
    source: Annotated[str, tyro.conf.arg(name="from")]
    """The language of the texts, one of the checkpoint's."""
    target: Annotated[str, tyro.conf.arg(name="to")]
    """The language to translate into, another one."""
    file: Path | None = None
    """A UTF-8 file, a text a line; .gz too."""
    through: str = ""
    """A third language to translate into first."""
    beam: int = 5
    """Hypotheses kept at each step; 1 is greedy, the fastest."""
    restricted: bool = False
    """Write only subwords that the training texts of the target language have."""
    engine: Engine = "torch"
    """ctranslate2 (in int8, or as it was trained: ctranslate2_float32) is several times as fast on a CPU; it converts
    the checkpoint once."""
    device: str = "auto"
    """auto, cpu or cuda."""


def main(config: Config) -> None:
    """A line of translation on standard output for every line of text, in order."""
    if config.texts and config.file:
        raise InputError(f"both texts and --file {config.file} were given; give one of them")
    for text in config.texts:
        if any("\udc80" <= sign <= "\udcff" for sign in text):
            raise InputError(f"the text {text!r} is not UTF-8; call this from a terminal that writes UTF-8")
    if config.file and not config.file.is_file():
        raise InputError(f"--file {config.file}: no such file; give a UTF-8 file, a text a line")
    _way(config)
    with _uncollected():
        system = load(
            config.checkpoint,
            engine=config.engine,
            beam=config.beam,
            restricted=config.restricted,
            device=config.device,
        )
    _translated(system, [], config)  # an unknown language is refused before anything is read
    for block in _blocks(config):
        for line in _translated(system, block, config):
            print(line)
        sys.stdout.flush()


@contextmanager
def _uncollected() -> Iterator[None]:
    """What torch and transformers bring lives to the end: to look for garbage in it is a fifth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _way(config: Config) -> list[str]:
    """Of languages, from the source to the target.

    Raises:
        InputError: a step of it leads nowhere.
    """
    way = [config.source, *([config.through] if config.through else []), config.target]
    for source, target in pairwise(way):
        if source == target:
            raise InputError(f"{' to '.join(way)}: {source} to {target} is no translation; give another language")
    return way


def _translated(system: System, texts: list[str], config: Config) -> list[str]:
    for source, target in pairwise(_way(config)):
        texts = system(texts, source=source, target=target)
    return texts


def _blocks(config: Config) -> Iterator[list[str]]:
    """The texts, as many together as are there already, the first few soon."""
    if config.texts:
        yield list(config.texts)
    elif config.file:
        name = str(config.file)
        try:
            with gzip.open(config.file) if name.endswith(".gz") else config.file.open("rb") as stream:
                yield from lines(stream.read, where=name)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(f"{name} is no whole gzip file ({error}); pack it again, or drop the .gz") from None
    elif sys.stdin is None:  # a process that was started without one
        raise InputError("there is no text, no --file and no standard input: give one of them")
    else:
        yield from lines(lambda size: os.read(sys.stdin.fileno(), size), where="standard input")


def lines(read: Callable[[int], bytes], *, where: str) -> Iterator[list[str]]:
    """Whole lines in blocks that grow from `FIRST` to `MOST` bytes; `read` gives b"" at the end.

    Raises:
        InputError: a line that is not UTF-8, by its number.
    """
    number, rest, size = 0, b"", FIRST
    while True:
        data = read(size)
        *whole, rest = (rest + data).split(b"\n")
        if not data:
            whole = [rest] if rest else []
        block = []
        for line in whole:
            number += 1
            try:
                block.append(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{where}, line {number}: not UTF-8 (byte {line[error.start]:#04x}); convert it, e.g. with "
                    "iconv -t UTF-8"
                ) from None
        if block:
            yield block
        if not data:
            return
        size = min(2 * size, MOST)


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
