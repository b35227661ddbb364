"""Whether sentences that mean the same lie together in encoder space, whatever their language.

Translation between pairs never trained needs an encoder that forgets the source language (Arivazhagan et al., 2019);
how often a sentence finds its own translation among all others measures that without translating (Artetxe & Schwenk,
2019, Massively multilingual sentence embeddings).
"""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from nmt_zero_shot.corpus import Row
from nmt_zero_shot.model import Translator, encode, pooled

CHUNK = 1024
"""Sentences that are held against all others together."""


def precision_at_1(queries: Tensor, keys: Tensor) -> float:
    """How many of the rows (N, D) find their own row of the keys (N, D) nearest by cosine, in percent.

    Where two keys are the same either is right, as neither can be told from the other.
    """
    if len(queries) != len(keys):
        raise ValueError(f"{len(queries)} queries against {len(keys)} keys: expected one of each per sentence")
    queries, keys = normalize(queries, dim=-1), normalize(keys, dim=-1)
    found = 0
    for first in range(0, len(queries), CHUNK):
        similarity = queries[first : first + CHUNK] @ keys.T  # (n, N)
        found += int((similarity.diagonal(first) >= similarity.max(1).values - 1e-6).sum())
    return 100 * found / max(1, len(queries))


def embed(translator: Translator, texts: Sequence[str], language: str, *, tag: str, batch_size: int = 64) -> Tensor:
    """The mean of the encoder's last states for each text, read as if to be translated into `tag`: (N, D)."""
    model, longest = translator.model, translator.model.config.max_position_embeddings
    sources = [torch.tensor(ids[:longest]) for ids in translator.sources(texts, tag, source=language)]
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    found: dict[int, Tensor] = {}
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for at in range(0, len(order), batch_size):
                batch = order[at : at + batch_size]
                ids = pad_sequence([sources[i] for i in batch], batch_first=True, padding_value=translator.subwords.pad)
                lengths = torch.tensor([len(sources[i]) for i in batch])
                mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long().to(model.device)  # (B, S)
                vectors = pooled(encode(model, ids.to(model.device), mask), mask)  # (B, D)
                found |= zip(batch, vectors.float().cpu(), strict=True)
    finally:
        model.train(training)
    return torch.stack([found[i] for i in range(len(sources))])


def retrieval_rows(
    translator: Translator,
    rows: Sequence[Row],
    languages: Sequence[str],
    *,
    test: str = "test",
    tag: str = "en",
    most: int | None = None,
) -> list[dict[str, Any]]:
    """A row for each two languages: P@1 over the (first `most`) rows that have both, all read under one target tag."""
    embedded: dict[str, dict[int, Tensor]] = {}
    for language in languages:
        own = [i for i, row in enumerate(rows) if language in row]
        if own:
            vectors = embed(translator, [rows[i][language] for i in own], language, tag=tag)
            embedded[language] = dict(zip(own, vectors, strict=True))
    found = []
    for source, target in permutations(embedded, 2):
        both = sorted(embedded[source].keys() & embedded[target].keys())[:most]
        if both:
            left, right = (torch.stack([embedded[each][i] for i in both]) for each in (source, target))
            row = {"test": test, "source": source, "target": target, "p_at_1": precision_at_1(left, right)}
            found.append({**row, "sentences": len(both)})
    return found
