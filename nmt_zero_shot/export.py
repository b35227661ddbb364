"""A trained model for CTranslate2, which decodes several times as fast on a CPU and needs no torch.

CTranslate2 knows the Transformer with its norm before or after and nothing else, so any other switch is refused by
name rather than translated differently (Klein et al., 2020). The vocabulary it is given is the ids themselves, as
decimal words: every tokenizer then works the same way, and a start of any length is its `target_prefix`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt_zero_shot import subwords
from nmt_zero_shot.lengths import Length, batches, twice
from nmt_zero_shot.tags import Codec, check
from speech_tl import files
from speech_tl.errors import InputError, unknown_name

QUANTIZATIONS = ("int8", "int16", "float32")
SCHEME = "tags.json"


def to_ctranslate2(folder: Path, out: Path, *, quantization: str = "int8") -> None:
    """Convert a run or checkpoint folder; `out` is whole or not there, and holds the vocabulary too.

    Raises:
        InputError: the model has a feature that CTranslate2 has not, or ctranslate2 is not installed.
    """
    from nmt_zero_shot import model as models
    from speech_tl.training.checkpoint import replace_folder

    if quantization not in QUANTIZATIONS:
        raise unknown_name("quantization", quantization, QUANTIZATIONS)
    _ctranslate2()
    translator = models.load(folder)
    spec = _spec(translator.model, where=str(folder))
    words = [str(index) for index in range(translator.model.config.vocab_size)]
    spec.register_source_vocabulary(words)
    spec.register_target_vocabulary(words)
    special = translator.model.config
    spec.config.bos_token = words[special.bos_token_id]
    spec.config.eos_token = words[translator.subwords.eos]
    spec.config.unk_token = words[subwords.UNK]
    spec.config.decoder_start_token = None  # the first word of target_prefix
    spec.validate()
    spec.optimize(quantization=None if quantization == "float32" else quantization)
    with replace_folder(out) as aside:
        spec.save(str(aside))
        translator.subwords.save(aside)
        facts = {"scheme": translator.scheme, "weights": weights(folder)}
        files.write(aside / SCHEME, json.dumps(facts) + "\n")


def weights(folder: Path) -> list[list[str | int]]:
    """By which a run's weights are known again without reading them: name, bytes and time of each file."""
    found = [(path.relative_to(folder), path.stat()) for path in sorted(folder.glob("**/*.safetensors"))]
    return [[str(name), stat.st_size, stat.st_mtime_ns] for name, stat in found]


def made_from(folder: Path) -> list[list[str | int]] | None:
    """The `weights` that a converted folder was made from; None where that is not known."""
    try:
        found: list[list[str | int]] = json.loads((folder / SCHEME).read_text(encoding="utf-8"))["weights"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return found


def load(folder: Path) -> tuple[Any, Codec]:
    """A `ctranslate2.Translator` on one thread and its text side.

    Two threads of OpenMP took three times as long on two busy cores. Nothing here imports torch for a vocabulary of
    our own.
    """
    if not all((folder / name).is_file() for name in (SCHEME, "model.bin")):
        raise InputError(f"no {SCHEME} and model.bin in {folder}: give a folder that was converted by ctranslate2 here")
    try:
        scheme = check(json.loads((folder / SCHEME).read_text(encoding="utf-8"))["scheme"])
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{folder / SCHEME} is not whole ({error}); remove {folder}, it is converted again") from None
    if (folder / subwords.MODEL).is_file():
        codec = Codec(subwords.load(folder), scheme)
    else:
        from nmt_zero_shot import pretrained

        codec = Codec(pretrained.load(folder), scheme)
    try:
        engine = _ctranslate2().Translator(str(folder), device="cpu", inter_threads=1, intra_threads=1)
    except RuntimeError as error:
        raise InputError(f"{folder} is not whole ({error}); remove it, it is converted again") from None
    return engine, codec


def translate(
    engine: Any,
    sources: Sequence[Sequence[int]],
    *,
    start: Sequence[int],
    beam: int = 1,
    length_penalty: float = 1.0,
    max_length: Length = twice,
    allowed: NDArray[np.bool_] | None = None,
    batch_tokens: int = 8192,
) -> list[list[int]]:
    """The best ids for every source, in order, without the start and the end; greedy, those of `search.translate`.

    With a beam CTranslate2 may end a search sooner and then writes another of texts that are about as probable.

    allowed: (V,) false for ids that are never written.
    """
    forbidden = [] if allowed is None else [[str(index)] for index in np.flatnonzero(~allowed).tolist()]
    prefix = [str(index) for index in start]
    given = len(start) - 1  # the first word of the prefix is not repeated, the others are
    found: dict[int, list[int]] = {}
    for batch in batches(sources, rows=lambda length: batch_tokens // (length * beam)):
        limits = [max(1, max_length(len(sources[i]))) for i in batch]
        results = engine.translate_batch(
            [[str(index) for index in sources[i]] for i in batch],
            target_prefix=[prefix] * len(batch),
            beam_size=beam,
            length_penalty=length_penalty,
            max_decoding_length=max(limits) + given,  # it knows one limit for a batch
            suppress_sequences=forbidden,
        )
        for i, limit, result in zip(batch, limits, results, strict=True):
            found[i] = [int(word) for word in result.hypotheses[0][given:]][:limit]
    return [found[i] for i in range(len(sources))]


def _spec(model: Any, *, where: str) -> Any:
    """The weights in CTranslate2's layout, by the loaders it has for M2M-100 and mBART; `model` is used up."""
    from ctranslate2.converters import transformers as loaders

    from nmt_zero_shot.variants import POST_NORM, ZeroShotNMT

    config = model.config
    features: list[str] = config.features() if isinstance(model, ZeroShotNMT) else []
    missing = [feature for feature in features if feature != POST_NORM]
    if missing:
        raise InputError(f"{where} has {' and '.join(missing)}, which CTranslate2 cannot compute: use --engine torch")
    if config.model_type == "mbart":
        for name in ("normalize_before", "normalize_embedding"):  # every mBART does both, and not every file says so
            setattr(config, name, getattr(config, name, True))
        return loaders.MBartLoader().get_model_spec(model)
    config.normalize_before, config.normalize_embedding = POST_NORM not in features, False
    if POST_NORM in features:
        del model.model.encoder.layer_norm, model.model.decoder.layer_norm
    return loaders.BartLoader.get_model_spec(loaders.M2M100Loader(), model)


def _ctranslate2() -> Any:
    try:
        import ctranslate2
    except ImportError:
        raise InputError(
            "ctranslate2 is not installed: pip install 'speech-tl[serve]', or use --engine torch"
        ) from None
    return ctranslate2
