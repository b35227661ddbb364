"""A model from its switches, and a folder that explains itself: read back bit for bit, or refused in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from nmt_zero_shot import model as models
from nmt_zero_shot.model import Translator, build, encode, layer_groups, pooled
from nmt_zero_shot.search import translate
from nmt_zero_shot.subwords import SentencePieces
from speech_tl.errors import InputError


@pytest.fixture(scope="module")
def folder(vocabulary: SentencePieces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    run = tmp_path_factory.mktemp("run")
    model = build("tiny", vocabulary, tags="both", init="unit")
    with torch.no_grad():  # outputs that differ from word to word, without training
        model.lm_head.weight.add_(torch.randn_like(model.lm_head.weight))
    models.save(model, vocabulary, run / "checkpoint")
    return run


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder / "checkpoint", tmp_path / "copy"))


def test_sizes(vocabulary: SentencePieces) -> None:
    model = build("small", vocabulary)
    assert (model.config.encoder_layers, model.config.d_model, model.config.vocab_size) == (3, 128, vocabulary.size)
    inside = 3 * (4 * 128 * 129 + 128 * 513 + 512 * 129 + 5 * 128 - 128)  # attention, feed-forward, two norms
    across = 3 * (8 * 128 * 129 + 128 * 513 + 512 * 129 + 7 * 128 - 128)
    embeddings = vocabulary.size * 128
    assert sum(weight.numel() for weight in model.parameters()) == pytest.approx(inside + across + embeddings, rel=0.01)
    assert model.lm_head.weight is model.model.encoder.embed_tokens.weight


@pytest.mark.parametrize(
    ("init", "embedding", "matrix"),
    [("normal", 0.02, 0.02), ("unit", 64**-0.5, (2 / 128) ** 0.5), ("glorot", None, (2 / 128) ** 0.5)],
)
def test_initialisation(vocabulary: SentencePieces, init: Any, embedding: float | None, matrix: float) -> None:
    torch.manual_seed(0)
    model = build("tiny", vocabulary, init=init)
    wanted = embedding or (2 / (64 + vocabulary.size)) ** 0.5
    assert float(model.model.encoder.embed_tokens.weight.detach()[2:].std()) == pytest.approx(wanted, rel=0.05)
    assert float(model.model.encoder.layers[0].self_attn.q_proj.weight.detach().std()) == pytest.approx(
        matrix, rel=0.05
    )
    assert not model.model.encoder.embed_tokens.weight[1].any()  # padding
    assert not model.model.decoder.layers[1].fc1.bias.any()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"size": "smal"}, "unknown model size 'smal'; did you mean 'small'"),
        ({"norm": "past"}, "unknown norm 'past'; did you mean 'post'"),
        ({"tags": "target"}, "unknown tag scheme 'target'"),
        ({"init": "xavier"}, "unknown initialisation 'xavier'"),
        ({"tags": "decoder", "top_tags": 1}, "scheme 'decoder' has not: use source or both"),
        ({"top_tags": 3}, "top_tags is 3: an encoder of size 'tiny' has 2 layers"),
        ({"dropout": 1.0}, "dropout is 1: expected a share"),
    ],
)
def test_a_wrong_switch_is_named(vocabulary: SentencePieces, arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        build(**{"size": "tiny", "subwords": vocabulary, **arguments})


def test_read_back_bit_for_bit(folder: Path, vocabulary: SentencePieces) -> None:
    translator = models.load(folder)
    again = models.load(folder / "checkpoint")
    assert isinstance(translator, Translator)
    assert (translator.scheme, translator.subwords.digest) == ("both", vocabulary.digest)
    assert translator.model.config.model_type == "m2m_100"
    assert not translator.model.training
    for (name, one), (_, other) in zip(
        translator.model.named_parameters(), again.model.named_parameters(), strict=True
    ):
        assert torch.equal(one, other), name


def test_transformers_alone_reads_the_folder(folder: Path) -> None:
    """AutoTokenizer and generate give what this project's own encoding and search give."""
    translator = models.load(folder)
    texts = ["the small dog hears the sea .", "小さい犬が木を見る。", "  der  große Kater 🙂"]
    tokenizer = AutoTokenizer.from_pretrained(folder / "checkpoint")
    inputs = tokenizer([f"<2de> {text}" for text in texts], padding=True, return_tensors="pt")
    sources = translator.sources(texts, "de")
    assert [row[row != 1].tolist() for row in inputs.input_ids] == sources
    model = AutoModelForSeq2SeqLM.from_pretrained(folder / "checkpoint")
    model.train(False)
    written = model.generate(
        inputs.input_ids,
        attention_mask=inputs.attention_mask,
        max_new_tokens=9,
        decoder_start_token_id=translator.start("de")[0],
    )
    ours = translate(translator.model, sources, start=translator.start("de"), max_length=lambda _: 9)
    stripped = [[index for index in row[1:].tolist() if index not in (1, 2)] for row in written]
    assert stripped == [list(each.ids) for each in ours]
    assert tokenizer.batch_decode(written, skip_special_tokens=True) == [translator.decode(each.ids) for each in ours]


def test_a_variant_keeps_its_kind(vocabulary: SentencePieces, tmp_path: Path) -> None:
    model = build("tiny", vocabulary, norm="post", top_tags=1)
    models.save(model, vocabulary, tmp_path / "run")
    translator = models.load(tmp_path / "run")
    assert translator.model.config.model_type == "zero_shot_nmt"
    assert translator.model.config.features() == ["post-norm", "target tags in the top encoder layers"]
    assert translator.scheme == "source"


def test_an_old_vocabulary_in_a_new_model_is_refused(copy: Path, vocabulary: SentencePieces) -> None:
    vocabulary.with_language("sw", [], at=vocabulary.size).save(copy)
    with pytest.raises(InputError, match="the vocabulary is not the one this model was trained with"):
        models.load(copy)


def test_foreign_and_damaged_folders_are_one_line_each(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json in .*nowhere \(found: no folder\)"):
        models.load(tmp_path / "nowhere")
    config = (copy / "config.json").read_text()
    for content, complaint in (
        ("{", "is not JSON"),
        ("[]", "holds a None model"),
        (json.dumps({"model_type": "t5"}), "holds a 't5' model; expected one of m2m_100, zero_shot_nmt, mbart"),
        (json.dumps({**json.loads(config), "vocab_size": 5}), "the model 5; copy both again"),
    ):
        (copy / "config.json").write_text(content)
        with pytest.raises(InputError, match=complaint):
            models.load(copy)
    (copy / "config.json").write_text(config)
    weights = copy / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"the weights in .* cannot be read"):
        models.load(copy)
    weights.write_bytes(whole)
    tensors = load_file(weights)
    save_file({name: own for name, own in tensors.items() if ".fc1." not in name}, weights, metadata={"format": "pt"})
    with pytest.raises(
        InputError, match=r"lack 8 tensors \(model\.decoder\.layers\.0\.fc1\.bias, .*copy the checkpoint"
    ):
        models.load(copy)
    weights.rename(copy / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin, and pickled weights are never loaded"):
        models.load(copy)


def test_layer_groups_hold_every_weight(folder: Path, vocabulary: SentencePieces) -> None:
    for model in (models.load(folder).model, build("tiny", vocabulary, norm="post")):
        groups = layer_groups(model)
        ends = [] if hasattr(model.config, "norm") else ["encoder.norm"]
        assert [name for name in groups if name.startswith(("emb", "enc"))] == [
            "embeddings",
            "encoder.0",
            "encoder.1",
            *ends,
        ]
        held = {id(weight) for group in groups.values() for weight in group.parameters()}
        assert held == {id(weight) for weight in model.parameters()}
        assert next(iter(groups["head"].parameters())) is model.lm_head.weight


def test_pooled_is_the_mean_of_what_is_there() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [99.0, 99.0]]])
    assert pooled(hidden, torch.tensor([[1, 1, 0]])).tolist() == [[2.0, 4.0]]


def test_encoder_states_do_not_see_padding(folder: Path) -> None:
    model = models.load(folder).model
    source = torch.tensor([[5, 20, 21, 2]])
    wide = torch.nn.functional.pad(source, (0, 3), value=1)
    one = pooled(encode(model, source, source.ne(1).long()), source.ne(1).long())
    other = pooled(encode(model, wide, wide.ne(1).long()), wide.ne(1).long())
    assert torch.allclose(one, other, atol=1e-5)


def test_a_language_is_added_and_nothing_else_changes(vocabulary: SentencePieces, tmp_path: Path) -> None:
    model = build("tiny", vocabulary, init="unit")
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    grown = models.add_language(model, vocabulary, "sw", ["the tree"])
    new = grown.tag("sw")
    for name, weight in model.named_parameters():
        if weight.shape == before[name].shape:
            assert torch.equal(weight, before[name]), name
        else:
            assert torch.equal(weight[:new], before[name]), name
            assert torch.allclose(weight[new], before[name][[4, 5, 6]].mean(0), atol=1e-6), name
    models.save(model, grown, tmp_path / "run")
    translator = models.load(tmp_path / "run")
    assert translator.sources(["the tree"], "sw")[0][0] == new == vocabulary.size
    assert np.array_equal(translator.subwords.pieces_of("sw"), grown.pieces_of("sw"))
