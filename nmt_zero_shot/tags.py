"""Where a language tag goes, in one place: what the encoder reads, and what the decoder starts from.

A tag is the only thing that tells one shared model which language to write (Johnson et al., 2017), and where it
stands decides how well pairs never trained come out (Wu et al., 2021). Neither torch nor transformers is needed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self, get_args

import numpy as np
from numpy.typing import NDArray

from speech_tl.errors import unknown_name

Scheme = Literal["source", "both", "decoder", "m2m", "mbart"]
"""
| scheme  | the encoder reads  | the decoder starts from | used by              |
|---------|--------------------|-------------------------|----------------------|
| source  | <target> text eos  | eos                     | Johnson et al., 2017 |
| both    | <target> text eos  | <target>                |                      |
| decoder | text eos           | <target>                |                      |
| m2m     | <source> text eos  | eos <target>            | M2M-100, NLLB, mBART-50 |
| mbart   | text eos <source>  | <target>                | mBART                |
"""
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)


class Subwords(Protocol):
    """Text <-> ids, and a tag for each language: our own sentencepiece model, or a pretrained model's tokenizer."""

    @property
    def languages(self) -> tuple[str, ...]: ...
    @property
    def size(self) -> int:
        """V, tags and special symbols included."""
        ...

    @property
    def digest(self) -> str: ...
    @property
    def pad(self) -> int: ...
    @property
    def eos(self) -> int: ...
    @property
    def unk(self) -> int:
        """What stands for what there is no piece for."""
        ...

    def encode(self, text: str) -> list[int]:
        """The text alone: no tag, no eos."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Tags and special symbols are left out."""
        ...

    def tag(self, language: str) -> int: ...
    def pieces_of(self, language: str) -> NDArray[np.bool_]:
        """(V,): the ids that the language's training texts are made of, and what every language may write."""
        ...

    def with_language(self, language: str, texts: Sequence[str], *, at: int) -> Self:
        """One more tag, with the id `at`; every old id keeps its meaning."""
        ...

    def having_seen(self, language: str, texts: Sequence[str]) -> Self:
        """The same, the pieces of these texts the language's too."""
        ...

    def save(self, folder: Path) -> None: ...


def check(scheme: str) -> Scheme:
    """The scheme itself; InputError where there is none of that name."""
    for known in SCHEMES:
        if scheme == known:
            return known
    raise unknown_name("tag scheme", scheme, SCHEMES)


def prepare_source(
    subwords: Subwords, ids: Sequence[int], target: str, scheme: Scheme, *, source: str = ""
) -> list[int]:
    """What the encoder reads for a text's ids. `source` is needed by the schemes that name it: m2m and mbart."""
    if scheme == "mbart":
        return [*ids, subwords.eos, subwords.tag(source)]
    if scheme == "decoder":
        return [*ids, subwords.eos]
    return [subwords.tag(source if scheme == "m2m" else target), *ids, subwords.eos]


def decoder_start(subwords: Subwords, target: str, scheme: Scheme) -> list[int]:
    """What the decoder is given before its first word."""
    if scheme == "source":
        return [subwords.eos]
    return [subwords.eos, subwords.tag(target)] if scheme == "m2m" else [subwords.tag(target)]


@dataclass(frozen=True)
class Codec:
    """The text side of a translation model: subwords, and where its tags go."""

    subwords: Subwords
    scheme: Scheme

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it has a tag for; any two of them may be asked for."""
        return self.subwords.languages

    def sources(self, texts: Sequence[str], target: str, *, source: str = "") -> list[list[int]]:
        """What the encoder reads, tags and eos included."""
        encode, codec = self.subwords.encode, self
        return [prepare_source(codec.subwords, encode(t), target, codec.scheme, source=source) for t in texts]

    def start(self, target: str) -> list[int]:
        """What the decoder starts from."""
        return decoder_start(self.subwords, target, self.scheme)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of what the decoder wrote."""
        return self.subwords.decode(ids)
