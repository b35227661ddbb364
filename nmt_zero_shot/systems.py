"""What translates texts: a model's text side with a search behind it, in torch or in CTranslate2.

Both answer `system(texts, source=…, target=…)`, so that commands and recipes don't know which one they have. A pivot
is the same question asked twice (Johnson et al., 2017). Neither torch nor transformers is loaded before it is needed.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from nmt_zero_shot import segments
from nmt_zero_shot.tags import Codec
from speech_tl.device import chosen
from speech_tl.errors import InputError

if TYPE_CHECKING:
    from nmt_zero_shot.model import Translator

Engine = Literal["torch", "ctranslate2", "ctranslate2_float32"]
QUANTIZED: dict[Engine, Literal["int8", "float32"]] = {"ctranslate2": "int8", "ctranslate2_float32": "float32"}
"""What an engine converts a checkpoint to."""
LONGEST = 200
"""Subwords of a text that is translated as a whole."""


class Translate(Protocol):
    """Texts in one language to texts in another, in the same order."""

    def __call__(self, texts: Sequence[str], *, source: str, target: str) -> list[str]: ...


@dataclass(frozen=True)
class System:
    """Texts in, their translations out, in the same order; an empty text stays empty."""

    codec: Codec
    search: Callable[[Sequence[Sequence[int]], str], Sequence[Sequence[int]]]
    """Sources as the encoder reads them, and the target language -> the ids of their translations."""

    def __call__(self, texts: Sequence[str], *, source: str, target: str) -> list[str]:
        """White space is folded; a text of more than `LONGEST` subwords is translated in segments.

        Raises:
            InputError: a language that the model has no tag for.
        """
        subwords = self.codec.subwords
        for language in (source, target):
            subwords.tag(language)

        def length(text: str) -> int:
            return len(subwords.encode(text))

        cut = [segments.split(text, length=length, longest=LONGEST) for text in texts]
        sources = self.codec.sources([each for own in cut for each in own], target, source=source)
        written = (" ".join(self.codec.decode(ids).split()) for ids in self.search(sources, target))
        return [segments.join([next(written) for _ in own], target) for own in cut]


@dataclass(frozen=True)
class Remembered:
    """Translates the same text in the same direction only once: a pivot's first half serves every target."""

    system: Translate
    known: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def __call__(self, texts: Sequence[str], *, source: str, target: str) -> list[str]:
        known = self.known.setdefault((source, target), {})
        new = list(dict.fromkeys(text for text in texts if text not in known))
        if new:
            known.update(zip(new, self.system(new, source=source, target=target), strict=True))
        return [known[text] for text in texts]


def in_torch(translator: "Translator", *, beam: int = 5, restricted: bool = False) -> System:
    """`restricted`: only subwords that the target language's training texts have are written."""
    import torch

    from nmt_zero_shot.search import translate

    def search(sources: Sequence[Sequence[int]], target: str) -> list[Sequence[int]]:
        allowed = torch.from_numpy(translator.subwords.pieces_of(target)) if restricted else None
        found = translate(translator.model, sources, start=translator.start(target), beam=beam, allowed=allowed)
        return [each.ids for each in found]

    return System(translator, search)


def load(
    checkpoint: Path, *, engine: Engine = "torch", beam: int = 5, restricted: bool = False, device: str = "auto"
) -> System:
    """The system of a run's folder or a checkpoint's.

    Raises:
        InputError: the folder holds no such system, or the engine cannot do what is asked.
    """
    if beam < 1:
        raise InputError(f"--beam {beam}: expected 1 (greedy) or more")
    if engine == "torch":
        from nmt_zero_shot import model

        return in_torch(model.load(checkpoint, device=chosen(device)), beam=beam, restricted=restricted)
    if device not in ("auto", "cpu"):
        raise InputError(f"--engine {engine} runs on the CPU here, not on {device}: leave --device out")
    return in_ctranslate2(_exported(checkpoint, engine), beam=beam, restricted=restricted)


def in_ctranslate2(folder: Path, *, beam: int = 5, restricted: bool = False) -> System:
    """A folder that `export.to_ctranslate2` wrote, on the CPU; `restricted` as in torch."""
    from nmt_zero_shot import export

    engine, codec = export.load(folder)

    def search(sources: Sequence[Sequence[int]], target: str) -> list[list[int]]:
        allowed = codec.subwords.pieces_of(target) if restricted else None
        return export.translate(engine, sources, start=codec.start(target), beam=beam, allowed=allowed)

    return System(codec, search)


def _exported(checkpoint: Path, engine: Engine) -> Path:
    """The folder itself if it was converted, else the engine's inside it, made anew where other weights made it."""
    from nmt_zero_shot import export

    if (checkpoint / export.SCHEME).is_file():
        return checkpoint
    made = checkpoint / engine
    if not (made / "model.bin").is_file() or export.made_from(made) != export.weights(checkpoint):
        print(f"converting {checkpoint} to {made} ({QUANTIZED[engine]})", file=sys.stderr)
        export.to_ctranslate2(checkpoint, made, quantization=QUANTIZED[engine])
    return made
