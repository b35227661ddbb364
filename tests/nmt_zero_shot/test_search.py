"""A garden path worked by hand, then the tokens of transformers' own `generate`, and the laws of a search."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    PreTrainedModel,
)

from nmt_zero_shot.search import Hypothesis, translate
from speech_tl.errors import InputError

PAD, END, START = 1, 2, 4
V = 24


@dataclass
class Table(nn.Module):
    """A decoder that looks at its last id only: `rows[id]` are the probabilities of what comes next."""

    rows: dict[int, dict[int, float]]

    def __post_init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(vocab_size=8, pad_token_id=PAD, eos_token_id=END, max_position_embeddings=9)
        self.device, self.steps = torch.device("cpu"), 0
        nothing = SimpleNamespace(reorder_cache=lambda rows: None)
        self.cache = SimpleNamespace(self_attention_cache=nothing, cross_attention_cache=nothing)

    def get_encoder(self) -> Any:
        return lambda input_ids, attention_mask: SimpleNamespace(last_hidden_state=torch.zeros(*input_ids.shape, 1))

    def forward(self, decoder_input_ids: Tensor, **_: Any) -> Any:
        self.steps += 1
        table = torch.tensor([[self.rows.get(i, {END: 1.0}).get(j, 1e-9) for j in range(8)] for i in range(8)])
        return SimpleNamespace(logits=table.log()[decoder_input_ids], past_key_values=self.cache)


A, B, C = 5, 6, 7
GARDEN_PATH = {START: {A: 0.6, B: 0.4}, A: {END: 0.51, C: 0.49}, C: {END: 0.51, C: 0.49}, B: {END: 1.0}}


def found(model: Any, sources: Any = ((START, END),), **options: Any) -> list[Hypothesis]:
    return translate(model, sources, start=[START], **options)


def test_a_beam_finds_what_greedy_walks_past() -> None:
    greedy, beam = found(Table(GARDEN_PATH))[0], found(Table(GARDEN_PATH), beam=2)[0]
    assert greedy.ids == (A,) and greedy.score == pytest.approx(torch.tensor(0.6 * 0.51).log().item() / 2, abs=1e-5)
    assert beam.ids == (B,) and beam.score == pytest.approx(torch.tensor(0.4).log().item() / 2, abs=1e-5)


def test_the_length_penalty_prefers_longer_ones() -> None:
    rows = {START: {A: 0.5, B: 0.5}, A: {END: 1.0}, B: {C: 0.9, A: 0.1}, C: {END: 1.0}}  # 1/2 in two ids, 9/20 in three
    assert found(Table(rows), beam=2, length_penalty=0.0)[0].ids == (A,)
    assert found(Table(rows), beam=2, length_penalty=1.0)[0].ids == (B, C)


@pytest.mark.parametrize("beam", [1, 2])
def test_what_never_ends_is_cut_at_its_own_length(beam: int) -> None:
    sources = [[START, END], [START, A, A, END], [START, A, A, A, A, A, A, A, END]]
    never = Table({START: {A: 1.0}, A: {A: 1.0}})
    lengths = [len(each.ids) for each in found(never, sources, beam=beam, max_length=lambda n: n + 1)]
    assert lengths == [3, 5, 8]  # 8: nine positions, one of which is the start's


def test_ids_that_are_not_allowed_are_never_written() -> None:
    allowed = torch.ones(8, dtype=torch.bool)
    allowed[A] = False
    assert [found(Table(GARDEN_PATH), beam=beam, allowed=allowed)[0].ids for beam in (1, 2)] == [(B,), (B,)]
    padding = {START: {PAD: 0.9, B: 0.1}}
    assert found(Table(padding))[0].ids == (B,)


def random_model(kind: str, *, seed: int = 0) -> PreTrainedModel:
    """Random weights so large that outputs differ and end anywhere; the end is likelier than other ids."""
    torch.manual_seed(seed)
    special = {"pad_token_id": PAD, "bos_token_id": 0, "eos_token_id": END, "forced_eos_token_id": None}
    size = {"d_model": 32, "max_position_embeddings": 64, "decoder_start_token_id": START}
    for side in ("encoder", "decoder"):
        size |= {f"{side}_layers": 2, f"{side}_attention_heads": 4, f"{side}_ffn_dim": 64, f"{side}_layerdrop": 0}
    kinds: dict[str, Any] = {
        "m2m_100": (M2M100Config, M2M100ForConditionalGeneration),
        "mbart": (MBartConfig, MBartForConditionalGeneration),
        "marian": (MarianConfig, MarianMTModel),
    }
    config, model_type = kinds[kind]
    model: PreTrainedModel = model_type(config(vocab_size=V, tie_word_embeddings=False, **special, **size))
    for weights in model.parameters():
        if weights.dim() == 2:
            nn.init.normal_(weights, std=2.5 * weights.shape[1] ** -0.5)
    head: Any = model.get_output_embeddings()
    nn.init.normal_(head.weight, std=0.35)
    head.weight.data[END] *= 3
    model.eval()
    return model


def random_sources(number: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 20, (number,), generator=generator).tolist()
    return [[3, *torch.randint(5, V, (length,), generator=generator).tolist(), END] for length in lengths]


def generated(model: PreTrainedModel, sources: list[list[int]], *, beam: int, penalty: float) -> list[tuple[int, ...]]:
    """What transformers itself writes, source by source padded to one batch."""
    longest = max(map(len, sources))
    ids = torch.tensor([[*source, *[PAD] * (longest - len(source))] for source in sources])
    lengths = torch.tensor([len(source) for source in sources])
    start = torch.full((len(sources), 1), START)
    options = {"num_beams": beam, "do_sample": False, "max_new_tokens": 30, "suppress_tokens": [PAD]}
    if beam > 1:
        options |= {"length_penalty": penalty}
    written: Any = model.generate(  # type: ignore[operator]
        input_ids=ids,
        attention_mask=(torch.arange(longest) < lengths[:, None]).long(),
        decoder_input_ids=start,
        **options,
    )
    rows = [row[1:] for row in written.tolist()]
    return [tuple(row[: row.index(END)] if END in row else [i for i in row if i != PAD]) for row in rows]


@pytest.mark.parametrize("kind", ["m2m_100", "mbart", "marian"])
@pytest.mark.parametrize(("beam", "penalty"), [(1, 1.0), (5, 1.0), (3, 0.6)])
def test_the_tokens_are_those_of_generate(kind: str, beam: int, penalty: float) -> None:
    model, sources = random_model(kind), random_sources(40)
    expected = generated(model, sources, beam=beam, penalty=penalty)
    assert len(set(map(len, expected))) > 3  # sentences that end at different times
    ours = found(model, sources, beam=beam, length_penalty=penalty, max_length=lambda n: 30)
    assert [each.ids for each in ours] == expected


@pytest.mark.parametrize("beam", [1, 4])
def test_neither_the_batch_nor_the_order_changes_a_translation(beam: int) -> None:
    model, sources = random_model("m2m_100"), random_sources(24)
    together = found(model, sources, beam=beam)
    alone = found(model, sources, beam=beam, batch_tokens=1)
    backwards = found(model, sources[::-1], beam=beam, batch_tokens=200)[::-1]
    assert [each.ids for each in together] == [each.ids for each in alone] == [each.ids for each in backwards]
    assert [each.score for each in together] == pytest.approx([each.score for each in alone], abs=1e-4)


@pytest.mark.parametrize("beam", [1, 4])
def test_the_score_is_the_models_own_probability_of_the_words(beam: int) -> None:
    model, sources = random_model("m2m_100"), random_sources(6)
    for source, each in zip(sources, found(model, sources, beam=beam, max_length=lambda n: 20), strict=True):
        words = torch.tensor([*each.ids, END][:20])
        before = torch.cat([torch.tensor([START]), words[:-1]])
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([source]), decoder_input_ids=before[None]).logits[0]
        log_probs = logits.log_softmax(-1).gather(1, words[:, None])
        assert each.score == pytest.approx(log_probs.mean().item(), abs=1e-4)


def test_a_beam_is_seldom_worse_than_greedy() -> None:
    model, sources = random_model("marian"), random_sources(40)
    greedy, beam = found(model, sources), found(model, sources, beam=6)
    assert sum(b.score >= g.score - 1e-5 for g, b in zip(greedy, beam, strict=True)) >= 38


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_is_restored_and_nothing_is_nothing(mode: bool) -> None:
    model = random_model("m2m_100").train(mode)
    assert found(model, []) == []
    assert len(found(model, [[3, END]])) == 1
    assert model.training is mode


def test_what_the_model_cannot_do_is_refused() -> None:
    with pytest.raises(InputError, match="source 1 has 10 subwords and the model reads at most 9: split it"):
        found(Table(GARDEN_PATH), [[START], [START] * 10])
    for beam in (0, 5):
        with pytest.raises(InputError, match=rf"a beam of {beam}: expected 1 \(greedy\) to 4"):
            found(Table(GARDEN_PATH), beam=beam)
