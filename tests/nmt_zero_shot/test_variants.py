"""Each switch shown at work on a model of a few weights; with none on, it is transformers' M2M-100 to the last bit."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from nmt_zero_shot.variants import ZeroShotConfig, ZeroShotNMT, dropout

SOURCE = torch.tensor([[4, 9, 10, 11, 2], [5, 9, 12, 2, 1]])
MASK = SOURCE.ne(1).long()
TARGET = torch.tensor([[2, 9, 8], [2, 7, 1]])


def small(**switches: Any) -> ZeroShotNMT:
    torch.manual_seed(1)
    config = ZeroShotConfig(
        vocab_size=30,
        d_model=16,
        encoder_layers=3,
        decoder_layers=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        dropout=0.0,
        attention_dropout=0.0,
        init_std=0.3,
        **switches,
    )
    model = ZeroShotNMT(config)
    model.train(False)
    return model


def logits(model: Any, source: Tensor = SOURCE) -> Tensor:
    scores: Tensor = model(input_ids=source, attention_mask=MASK, decoder_input_ids=TARGET).logits
    return scores


def states(model: Any, source: Tensor = SOURCE, mask: Tensor = MASK) -> Tensor:
    hidden: Tensor = model.get_encoder()(input_ids=source, attention_mask=mask).last_hidden_state
    return hidden


def test_without_a_switch_it_is_m2m_100() -> None:
    model = small(tags="both")
    state = {name: weight.clone() for name, weight in model.state_dict().items()}
    plain = AutoModelForSeq2SeqLM.from_config(model.plain().config)
    plain.load_state_dict(state)
    plain.train(False)
    assert (plain.config.model_type, plain.config.tags, model.config.features()) == ("m2m_100", "both", [])
    assert torch.equal(logits(model), logits(plain))
    for each in (model, plain):
        logits(each).square().sum().backward()
    for (name, ours), (_, theirs) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("switches", [{}, {"norm": "post"}, {"middle_residual": False}, {"top_tags": 1}])
def test_padding_changes_nothing_and_the_cache_neither(switches: dict[str, Any]) -> None:
    model = small(**switches)
    wide = torch.nn.functional.pad(SOURCE, (0, 7), value=1)
    assert torch.allclose(
        states(model, wide, wide.ne(1).long())[:, :5][MASK.bool()], states(model)[MASK.bool()], atol=1e-5
    )
    written = model.generate(SOURCE, attention_mask=MASK, max_new_tokens=5, num_beams=2)
    slow = model.generate(SOURCE, attention_mask=MASK, max_new_tokens=5, num_beams=2, use_cache=False)
    assert torch.equal(written, slow)


def test_post_norm_gives_normed_states_without_a_last_norm() -> None:
    hidden = states(small(norm="post"))[MASK.bool()]
    assert torch.allclose(hidden.mean(-1), torch.zeros(len(hidden)), atol=1e-5)
    assert torch.allclose(hidden.var(-1, unbiased=False), torch.ones(len(hidden)), atol=1e-3)
    assert not any("encoder.layer_norm" in name for name in small(norm="post").state_dict())


def test_without_its_residual_the_middle_layer_knows_only_what_attention_brings() -> None:
    def silenced(**switches: Any) -> Tensor:
        model = small(**switches)
        middle = model.get_encoder().layers[1].self_attn.out_proj
        with torch.no_grad():
            middle.weight.zero_()
        return states(model)[0]

    kept, dropped = silenced(), silenced(middle_residual=False)
    assert not torch.allclose(kept[1], kept[2], atol=1e-2)
    assert torch.allclose(dropped, dropped[:1].expand_as(dropped), atol=1e-5)  # every position the same


def test_the_target_is_known_in_the_top_layers_only() -> None:
    model = small(top_tags=1)
    other = SOURCE.clone()
    other[:, 0] = 6
    seen: dict[int, list[Tensor]] = {}

    def record(depth: int) -> Callable[..., None]:
        return lambda layer, given, output: seen.setdefault(depth, []).append(output)

    for depth, layer in enumerate(model.get_encoder().layers):
        layer.register_forward_hook(record(depth))
    states(model), states(model, other)
    assert [torch.equal(*seen[depth]) for depth in range(3)] == [True, True, False]
    with pytest.raises(ValueError, match="reads it from input_ids"):
        model.get_encoder()(inputs_embeds=torch.zeros(1, 2, 16))


def test_features_are_named() -> None:
    config = ZeroShotConfig(norm="post", middle_residual=False, top_tags=2)
    assert config.features() == [
        "post-norm",
        "a middle residual removed",
        "target tags in the top encoder layers",
    ]


def test_the_auto_classes_know_it(tmp_path: Any) -> None:
    model = small(norm="post", middle_residual=False)
    model.save_pretrained(tmp_path)
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    assert isinstance(again, ZeroShotNMT)
    assert AutoConfig.from_pretrained(tmp_path).model_type == "zero_shot_nmt"
    assert torch.equal(logits(again), logits(model))


def test_dropout_keeps_the_mean_and_its_gradient_follows_its_mask() -> None:
    torch.manual_seed(0)
    values = torch.ones(1000, 33, requires_grad=True)
    dropped = dropout(values, 0.25, training=True)
    kept = dropped != 0
    assert float(kept.float().mean()) == pytest.approx(0.75, abs=0.01)  # 64 of 256 go
    assert dropped[kept].unique().tolist() == pytest.approx([4 / 3])
    dropped.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, dropped.detach())
    assert dropout(values, 0.25, training=False) is values
    assert dropout(values, 0.0, training=True) is values


def test_dropout_is_drawn_from_the_global_generator() -> None:
    torch.manual_seed(5)
    first = dropout(torch.ones(50), 0.1, training=True)
    torch.manual_seed(5)
    assert torch.equal(first, dropout(torch.ones(50), 0.1, training=True))
