"""Which hub sentences a model was trained on, kept beside it for whoever goes on from it.

A run that continues (`--init`) divides and tests new rows; without this, a sentence that once served German may serve
French, and the pair held out is one that the model has seen in all but name.
"""

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

from nmt_zero_shot.corpus import Bitexts, Direction
from speech_tl import files
from speech_tl.errors import InputError
from speech_tl.training.checkpoint import beside

FILE = "trained_on.json.gz"
Served = Mapping[Direction, tuple[str, ...]]
"""(hub, other) -> the hub sentences that served the pair, each once; of a bound's direct pair, its first language's."""


def served(pairs: Bitexts, *, before: Served | None = None) -> Served:
    """What was trained before, if anything, and now."""
    found = {pair: dict.fromkeys(own) for pair, own in (before or {}).items()}
    for pair, texts in pairs.items():
        found.setdefault(pair, {}).update(dict.fromkeys(text for text, _ in texts))
    return {pair: tuple(own) for pair, own in found.items()}


def check_hub(trained: Served, hub: str, *, where: Path) -> None:
    """Refuses to go on from pairs that did not go through the hub: which sentences they were of is not comparable.

    Raises:
        InputError: with these pairs.
    """
    if others := ["-".join(pair) for pair in trained if pair[0] != hub]:
        raise InputError(
            f"{where} was trained on {', '.join(others)}, not through {hub}: what it knows of {hub}'s sentences is not "
            "said there; give --hub-language as its run had it, or another checkpoint"
        )


def together(pairs: Bitexts, before: Served | None) -> Bitexts:
    """What is trained now, and the hub sentences that were before, their translations forgotten."""
    old = {pair: tuple((text, "") for text in own) for pair, own in (before or {}).items()}
    return {pair: (*pairs.get(pair, ()), *old.get(pair, ())) for pair in {**old, **pairs}}


def save(trained: Served, run: Path) -> None:
    """Beside the run's checkpoint."""
    texts = {"-".join(pair): [*pair, *own] for pair, own in trained.items()}
    content = json.dumps(texts, ensure_ascii=False).encode()
    files.write(run / FILE, gzip.compress(content, mtime=0))


def load(checkpoint: Path) -> Served | None:
    """Of the run that a checkpoint belongs to; None where nobody knows, as of a model from elsewhere.

    Raises:
        InputError: the file is not one that `save` wrote.
    """
    file = beside(checkpoint, FILE)
    if file is None:
        return None
    try:
        texts: dict[str, list[str]] = json.loads(gzip.decompress(file.read_bytes()))
        return {(own[0], own[1]): tuple(own[2:]) for own in texts.values()}
    except (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, zlib.error) as error:
        raise InputError(f"{file} cannot be read ({error}): copy the run again, or take it away") from None
