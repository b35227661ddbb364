"""Which language a text is in, told by a small identifier trained on the training side of the corpus itself.

An off-target rate is only as good as what counts it, and a stranger's identifier brings its own errors on short
captions: multinomial naive Bayes over hashed character n-grams (Cavnar & Trenkle, 1994, N-gram-based text
categorization; Lui & Baldwin, 2011) learns in seconds, and its error on the references is printed beside the rate.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from speech_tl.errors import InputError

LONGEST = 4
"""Characters of the longest n-gram."""
FEATURES = 2**16
SMOOTHING = 0.1
"""Added to the count of every n-gram."""
FILE = "language_id.safetensors"
"""In the folder of a run."""
FORMAT = "language_id 1"
CHUNK = 2000
"""Texts whose n-grams are in memory at once."""


@dataclass(frozen=True)
class Identifier:
    """Texts in, their languages out: `identifier(["ein Hund"]) == ["de"]`."""

    languages: tuple[str, ...]
    weights: NDArray[np.float32]
    """(languages, FEATURES) log p(n-gram | language)."""

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """The likeliest language of each text; "" for one without a letter."""
        told: list[str] = []
        for at in range(0, len(texts), CHUNK):
            scores = _count(texts[at : at + CHUNK]) @ self.weights.T  # (n, languages)
            told += [self.languages[best] for best in np.asarray(scores).argmax(1)]
        return [name if any(map(str.isalpha, text)) else "" for text, name in zip(texts, told, strict=True)]

    def errors(self, references: Mapping[str, Sequence[str]]) -> dict[str, float]:
        """Language -> percentage of its texts that are taken for another language's; one without a letter is not."""
        return {
            language: 100 * sum(told not in ("", language) for told in self(texts)) / len(texts)
            for language, texts in references.items()
        }


def train(texts: Mapping[str, Sequence[str]], *, most: int = 10_000) -> Identifier:
    """An identifier of `texts`' languages, each as likely before it is read.

    Args:
        texts: language -> sentences, of which `most` evenly spread ones are used.

    Raises:
        InputError: fewer than two languages, or one without a letter.
    """
    if len(texts) < 2:
        raise InputError(f"{', '.join(texts) or 'no language'}: telling languages apart takes texts in two or more")
    rows = []
    for language, own in texts.items():
        chosen = own[:: -(-len(own) // most)] if own else own
        counts = np.full(FEATURES, SMOOTHING)
        for at in range(0, len(chosen), CHUNK):
            counts += np.asarray(_count(chosen[at : at + CHUNK]).sum(0)).ravel()
        if not any(any(map(str.isalpha, text)) for text in chosen):
            raise InputError(f"language {language!r} has no text to learn it from")
        rows.append(np.log(counts / counts.sum()))
    return Identifier(tuple(texts), np.stack(rows).astype(np.float32))


def save(identifier: Identifier, path: Path) -> None:
    """One safetensors file, which holds no code; written aside, then renamed."""
    names = {"format": FORMAT, "languages": json.dumps(identifier.languages)}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({"weights": identifier.weights}, aside, metadata=names)
    os.replace(aside, path)


def load(path: Path) -> Identifier:
    """What `save` wrote.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    try:
        with safe_open(path, framework="numpy") as stored:
            names, weights = stored.metadata() or {}, stored.get_tensor("weights")
    except FileNotFoundError:
        raise InputError(f"no language identifier {path}; a run of recipes.nmt_zero_shot leaves one") from None
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} is no language identifier ({error}); a run of recipes.nmt_zero_shot leaves one"
        ) from None
    if names.get("format") != FORMAT:
        raise InputError(f"{path} holds {names.get('format', 'other tensors')!r}; expected {FORMAT!r}")
    return Identifier(tuple(json.loads(names["languages"])), weights)


def _count(texts: Sequence[str]) -> Any:
    """(n, FEATURES) how often each n-gram is in each lower-cased text; a sparse matrix."""
    from sklearn.feature_extraction.text import HashingVectorizer

    counter = HashingVectorizer(
        analyzer="char", ngram_range=(1, LONGEST), n_features=FEATURES, alternate_sign=False, norm=None
    )
    return counter.transform(texts)
