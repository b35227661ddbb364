"""From source ids to the most probable target ids: greedy or beam search over any encoder-decoder of transformers.

The search keeps what its last step computed, lets a sentence leave the batch when it is finished, and copies the
source's keys and values only then, not at every step. Beam search follows `generate` (`early_stopping=False`), whose
tokens it gives: hypotheses are ranked by log p / n^α (Wu et al., 2016, Google's neural machine translation system).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nmt_zero_shot.lengths import Length, batches, twice
from speech_tl import torchaudio_shim as torchaudio_shim
from speech_tl.errors import InputError

from transformers import PreTrainedModel  # isort: skip
from transformers.modeling_outputs import BaseModelOutput  # isort: skip


SCORES = 1 << 26
"""Of the next word that are held at a time, hypotheses × vocabulary: 256 MB."""


@dataclass(frozen=True)
class Hypothesis:
    ids: tuple[int, ...]
    """Without the decoder's start and without the end of sentence."""
    score: float
    """log p / n^α in nats, n counting the end of sentence."""


def translate(
    model: PreTrainedModel,
    sources: Sequence[Sequence[int]],
    *,
    start: Sequence[int],
    beam: int = 1,
    length_penalty: float = 1.0,
    max_length: Length = twice,
    allowed: Tensor | None = None,
    batch_tokens: int = 8192,
) -> list[Hypothesis]:
    """The best hypothesis for every source, in the order of the sources; the model's mode is restored.

    Args:
        sources: ids as the encoder reads them, tags and end of sentence included.
        start: what the decoder is given before its first word.
        beam: hypotheses kept at each step; 1 is greedy, whose `score` has no other use.
        length_penalty: α, the larger the longer the translations.
        max_length: of its source's length; a translation that reaches it ends there.
        allowed: (V,) false for ids that are never written; the padding never is.
        batch_tokens: hypotheses × source length of a batch, padding included.

    Raises:
        InputError: a source is longer than the model's positions, or the beam is no beam.
    """
    config = model.config
    positions: int = config.max_position_embeddings
    if not 1 <= beam <= config.vocab_size // 2:
        raise InputError(f"a beam of {beam}: expected 1 (greedy) to {config.vocab_size // 2}, half of the vocabulary")
    for at, source in enumerate(sources):
        if len(source) > positions:
            raise InputError(
                f"source {at} has {len(source)} subwords and the model reads at most {positions}: split it"
            )
    forbidden = torch.zeros(config.vocab_size, device=model.device)
    if allowed is not None:
        forbidden[~allowed.to(model.device)] = -torch.inf
    found: dict[int, Hypothesis] = {}
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            most = SCORES // (beam * config.vocab_size)
            for batch in batches(sources, rows=lambda length: min(most, batch_tokens // (length * beam))):
                limits = [max(1, min(max_length(len(sources[i])), positions - len(start))) for i in batch]
                memory = _Memory(model, [sources[i] for i in batch], forbidden)
                first = memory.continuations(torch.tensor([list(start)] * len(batch), device=model.device))
                search = _greedy if beam == 1 else partial(_beam, beam=beam)
                best = search(memory, first, limits=limits, penalty=length_penalty)
                found |= zip(batch, best, strict=True)
    finally:
        model.train(training)
    return [found[i] for i in range(len(sources))]


class _Memory:
    """What the decoder remembers: keys and values of the source and of what was written, a row per hypothesis."""

    def __init__(self, model: PreTrainedModel, sources: Sequence[Sequence[int]], forbidden: Tensor) -> None:
        """forbidden: (V,) -inf for ids that are never written, else 0."""
        padding = model.config.pad_token_id
        rows = [torch.tensor(source, device=model.device) for source in sources]
        ids = pad_sequence(rows, batch_first=True, padding_value=padding)  # (B, S)
        lengths = torch.tensor([len(source) for source in sources], device=model.device)
        self.mask = (torch.arange(ids.shape[1], device=model.device) < lengths[:, None]).long()
        self.encoded = model.get_encoder()(input_ids=ids, attention_mask=self.mask).last_hidden_state  # (B, S, D)
        self.model, self.forbidden, self.cache = model, forbidden, None

    def continuations(self, ids: Tensor) -> Tensor:
        """ids (R, N) that follow what each row has -> log-probabilities (R, V) of what may come next."""
        output = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self.encoded),
            attention_mask=self.mask,
            decoder_input_ids=ids,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.cache = output.past_key_values
        log_probs: Tensor = (output.logits[:, -1].float() + self.forbidden).log_softmax(-1)
        log_probs[:, self.model.config.pad_token_id] = -torch.inf  # never written, and yet not impossible to the model
        return log_probs

    def select(self, rows: Tensor, *, sources: bool = True) -> None:
        """Row r becomes what row `rows[r]` was; `sources` is false where each keeps the source it had."""
        assert self.cache is not None
        self.cache.self_attention_cache.reorder_cache(rows)
        if sources:
            self.cache.cross_attention_cache.reorder_cache(rows)
            self.encoded, self.mask = self.encoded[rows], self.mask[rows]


def _greedy(memory: _Memory, log_probs: Tensor, *, limits: Sequence[int], penalty: float) -> list[Hypothesis]:
    """The most probable id at every step; `log_probs` (B, V) are those of the first."""
    end = memory.model.config.eos_token_id
    ids: list[list[int]] = [[] for _ in limits]
    sums = torch.zeros(len(limits), device=log_probs.device)
    live, totals = list(range(len(limits))), [0.0] * len(limits)
    while live:
        best, chosen = log_probs.max(-1)
        sums = sums + best
        written, so_far = chosen.tolist(), sums.tolist()
        going = []
        for row, sentence in enumerate(live):
            ids[sentence].append(written[row])
            totals[sentence] = so_far[row]
            if written[row] != end and len(ids[sentence]) < limits[sentence]:
                going.append(row)
        if len(going) < len(live) and going:
            rows = torch.tensor(going, device=log_probs.device)
            memory.select(rows)
            chosen, sums = chosen[rows], sums[rows]
        live = [live[row] for row in going]
        if live:
            log_probs = memory.continuations(chosen[:, None])
    return [_hypothesis(each, total / len(each) ** penalty, end) for each, total in zip(ids, totals, strict=True)]


def _beam(memory: _Memory, log_probs: Tensor, *, limits: Sequence[int], penalty: float, beam: int) -> list[Hypothesis]:
    """The best of the hypotheses that `beam` live ones end in; `log_probs` (B, V) are those of the first step.

    A sentence is finished when none of its live hypotheses, normalised by the length it has now, is better than the
    worst of its `beam` best ended ones, or when it reaches its limit.
    """
    end, device, size = memory.model.config.eos_token_id, log_probs.device, log_probs.shape[-1]
    ended: list[list[tuple[float, list[int]]]] = [[] for _ in limits]
    live = list(range(len(limits)))
    sums = torch.zeros(len(limits), 1, device=device)  # (B, K): K is 1, then `beam`
    ids = torch.zeros(len(limits), 1, 0, dtype=torch.long, device=device)  # (B, K, n)
    for n in range(1, max(limits) + 1):
        log_probs = log_probs.add_(sums.view(-1, 1))  # (B·K, V)
        best, places = log_probs.view(len(live), -1).topk(2 * beam)  # so many that `beam` go on if `beam` of them end
        parents, words = places // size, places % size  # (B, 2·beam)
        last = torch.tensor([limits[sentence] == n for sentence in live], device=device)
        ends = (words == end) | last[:, None]
        for row, rank in (ends[:, :beam] & best[:, :beam].isfinite()).nonzero().tolist():
            told = [*ids[row, parents[row, rank]].tolist(), int(words[row, rank])]
            ended[live[row]] = sorted([*ended[live[row]], (float(best[row, rank]) / n**penalty, told)], reverse=True)
            del ended[live[row]][beam:]
        sums, kept = best.masked_fill(ends, -torch.inf).topk(beam)
        hopes = (sums[:, 0] / n**penalty).tolist()
        worst = [ended[s][-1][0] if len(ended[s]) == beam else -torch.inf for s in live]
        going = [row for row in range(len(live)) if hopes[row] > worst[row] and limits[live[row]] > n]
        if not going:
            break
        rows = torch.tensor(going, device=device)
        sums, parents, words = sums[rows], parents.gather(1, kept)[rows], words.gather(1, kept)[rows]  # (B, beam)
        memory.select((rows[:, None] * ids.shape[1] + parents).view(-1), sources=n == 1 or len(going) < len(live))
        ids = torch.cat([ids[rows[:, None], parents], words[..., None]], dim=-1)
        live = [live[row] for row in going]
        log_probs = memory.continuations(words.view(-1, 1))
    return [_hypothesis(told, score, end) for score, told in (each[0] for each in ended)]


def _hypothesis(ids: Sequence[int], score: float, end: int) -> Hypothesis:
    return Hypothesis(tuple(ids[:-1] if ids[-1] == end else ids), score)
