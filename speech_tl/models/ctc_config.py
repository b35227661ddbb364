"""What a checkpoint says about itself: everything its reader needs besides the weights."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedConfig

PHONE_HEAD = "phones"
"""The head whose units, sound classes, all languages share; no language is asked for by it."""
FORMAT = 1
"""Of what `save` writes; a checkpoint of another number is refused by name."""


class MultilingualCTCConfig(PreTrainedConfig):
    """What a checkpoint says about itself.

    Attributes:
        encoder: configuration of the transformers encoder, with its `model_type`.
        from_scratch: whether the encoder is one of our own sizes, which differ from the architecture's original.
        symbols: head -> its units, blank first.
        head_of: language -> head.
        rate_of: language -> sampling rate in Hz of the input layer it goes through.
        least_frames: frames (10 ms) that a shorter clip is filled up to.
        adapters: channels of the bottleneck that each head owns after every block; 0 for none.
        label_prior: α of the heads' scores log p(unit | frame) − α log p(unit); 0 for none.
        trained_words: words learned by their sounds; among others these fit better than they should.
        handicap: nats a frame by which they are lowered where a clip is looked up as one word of a lexicon.
        word_confidences: confidence (%) below which 0, 1, ... 100 % of the validation clips are that a lexicon answers
            rightly; empty where that was not measured.
        understudies: language -> phone in few of its trained words -> the nearest one that is in many.
        digest: of `symbols`; a head and a vocabulary that do not belong together are refused.
        normalisers: language -> what was done to its texts.
        calibration: what `transcribe --language auto` compares heads by, or empty.
        older: configuration of a model whose frozen layers this one reads, and which answers for its own languages.
        lateral: channels between the two columns.
        language: the one assumed where none is named.
    """

    model_type = "speech_tl_ctc"

    def __init__(
        self,
        *,
        encoder: Mapping[str, Any] | None = None,
        from_scratch: bool = True,
        symbols: Mapping[str, Sequence[str]] | None = None,
        head_of: Mapping[str, str] | None = None,
        rate_of: Mapping[str, int] | None = None,
        least_frames: int = 0,
        adapters: int = 0,
        label_prior: float = 0.0,
        trained_words: Sequence[str] = (),
        handicap: float = 0.0,
        word_confidences: Sequence[float] = (),
        understudies: Mapping[str, Mapping[str, str]] | None = None,
        digest: str = "",
        normalisers: Mapping[str, Any] | None = None,
        calibration: Mapping[str, Any] | None = None,
        language: str = "",
        older: Mapping[str, Any] | None = None,
        lateral: int = 0,
        format_version: int = FORMAT,
        **rest: Any,
    ) -> None:
        self.encoder = dict(encoder or {})
        self.from_scratch = from_scratch
        self.symbols = {head: list(units) for head, units in (symbols or {}).items()}
        self.head_of = dict(head_of or {head: head for head in self.symbols})
        self.rate_of = dict(rate_of or dict.fromkeys(self.head_of, 16000))
        self.least_frames = least_frames
        self.adapters = adapters
        self.label_prior = label_prior
        self.trained_words = list(trained_words)
        self.handicap = handicap
        self.word_confidences = list(word_confidences)
        self.understudies = {language: dict(phones) for language, phones in (understudies or {}).items()}
        self.digest = digest or vocabulary_digest(self.symbols)
        self.normalisers = dict(normalisers or {})
        self.calibration = dict(calibration or {})
        self.language = language or next(iter(self.head_of), "")
        self.older = dict(older) if older else None
        self.lateral = lateral
        self.format_version = format_version
        super().__init__(**rest)


def vocabulary_digest(symbols: Mapping[str, Sequence[str]]) -> str:
    """16 hexadecimal digits over all heads and their units."""
    return hashlib.sha256(json.dumps(symbols, default=list, sort_keys=True).encode()).hexdigest()[:16]
