"""Every supported family, from a tiny checkpoint on disk: one call, right lengths, padding without effect."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCTC

from speech_tl.augmentation import NEW_VOICES
from speech_tl.errors import InputError
from speech_tl.models import ctc, voices
from speech_tl.models.encoder import FAMILIES, from_size, pretrained
from speech_tl.models.growing import beside
from speech_tl.phonology.units import Units
from speech_tl.speakers import check_methods

WIDTH = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CONVOLUTIONS = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "parakeet_encoder": {**WIDTH, "subsampling_conv_channels": 8},
    "speech_tl_narrow": {"hidden_size": 32, "num_hidden_layers": 2},
    "wav2vec2-bert": WIDTH,
    "wav2vec2": {**WIDTH, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "hubert": {**WIDTH, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "wavlm": {**WIDTH, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "unispeech": {**WIDTH, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "unispeech-sat": {**WIDTH, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "wav2vec2-conformer": {**WIDTH, **CONVOLUTIONS},
    "data2vec-audio": {**WIDTH, **CONVOLUTIONS, "num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 5},
}
VOCABULARY = {"swh": Units.from_texts(["jambo"])}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder: Path = tmp_path_factory.mktemp("checkpoint") / request.param
    AutoModel.from_config(AutoConfig.for_model(request.param, **SETTINGS[request.param])).save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")  # WavLM, in torch
def test_each_family_from_a_checkpoint(checkpoint: Path) -> None:
    model = ctc.build(str(checkpoint), VOCABULARY).eval()
    samples = torch.tensor([16000, 9000])
    audio = torch.randn(2, 16000) * (torch.arange(16000) < samples.unsqueeze(1))
    scores, frames = model.log_probabilities(audio, samples, "swh")
    assert frames.tolist() == model.output_lengths(samples, "swh").tolist()
    assert scores.shape == (2, frames[0], len(VOCABULARY["swh"]))
    alone, _ = model.log_probabilities(audio[1:, :9000], samples[1:], "swh")
    difference = (scores[1, : frames[1]] - alone[0, : frames[1]]).abs().max()
    if FAMILIES[checkpoint.name].padding_safe:
        assert difference < 2e-3
    names = list(ctc.layer_groups(model))
    assert names[-3:] == ["encoder.0", "encoder.1", "head.swh"]


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")  # WavLM, in torch
def test_each_family_learns_from_varied_clips_and_takes_a_voice(checkpoint: Path) -> None:
    """The second clip is of 5 frames, fewer than the ten that Wav2Vec2's family hides at a time."""
    model = ctc.build(str(checkpoint), VOCABULARY).train()
    audio, samples = torch.randn(2, 16000), torch.tensor([16000, 2000])
    targets = {"targets": torch.tensor([[1, 2], [3, 1]]), "target_lengths": torch.tensor([2, 2])}
    for clips, lengths in ((audio, samples), (audio[:, :2000], samples.clamp(max=2000))):
        losses = model.losses(clips, lengths, "swh", **targets, augmentation=NEW_VOICES)
        assert losses["ctc"].isfinite()
    hidden, _ = model.hidden(audio, samples, "swh", augmentation=NEW_VOICES)
    assert hidden[-1].shape[1] < 250, "a second and some background, not much more"
    voices.put_in(model, "swh", "lhuc")
    model.losses(audio, samples, "swh", **targets, augmentation=NEW_VOICES)["ctc"].backward()
    learning = [name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()]
    assert len(learning) == 3, "the projection and both blocks"
    assert all(name.endswith("amplitude") for name in learning)


def test_weights_of_a_checkpoint_survive(checkpoint: Path) -> None:
    before = AutoModel.from_pretrained(checkpoint).state_dict()
    after = ctc.build(str(checkpoint), VOCABULARY).encoder.body.state_dict()
    same = [name for name in after if name.replace("subsampling.80.", "subsampling.") in before]
    assert len(same) >= len(before) - 2
    for name in same:
        assert torch.equal(after[name], before[name.replace("subsampling.80.", "subsampling.")]), name


def test_a_recogniser_gives_its_encoder_and_one_without_all_its_weights_is_refused(tmp_path: Path) -> None:
    """What masks are made of may be missing: a recogniser that was trained without them does not have it."""
    settings = AutoConfig.for_model("wav2vec2", **SETTINGS["wav2vec2"], vocab_size=8, mask_time_prob=0.0)
    AutoModelForCTC.from_config(settings).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    weights.pop("wav2vec2.masked_spec_embed", None)
    save_file(weights, file, metadata={"format": "pt"})
    body = pretrained(str(tmp_path))
    name = "encoder.layers.1.feed_forward.intermediate_dense.weight"
    assert body.state_dict()[name].equal(weights[f"wav2vec2.{name}"])
    del weights[f"wav2vec2.{name}"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"lacks 1 weights of its encoder, such as {name}: copy it again"):
        pretrained(str(tmp_path))


def test_ways_to_adapt_that_an_encoder_cannot_take_are_refused_before_training(tmp_path: Path) -> None:
    AutoModel.from_config(AutoConfig.for_model("wav2vec2", **SETTINGS["wav2vec2"])).save_pretrained(tmp_path)
    model = ctc.build(str(tmp_path), VOCABULARY)
    check_methods(model, "swh", ["full", "lhuc", "lora"])
    for method in ("lin", "warp"):
        with pytest.raises(InputError, match=f"--methods {method}: wav2vec2 reads samples: it has no filterbank"):
            check_methods(model, "swh", ["full", method])


def test_lora_leaves_an_older_column_alone() -> None:
    old = ctc.build("tiny", {"fin": Units.from_texts(["yksi"])})
    model = beside(old, "swh", VOCABULARY["swh"], sample_rate=16000)
    voices.put_in(model, "swh", "lora")
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained and all("lora_" in name and not name.startswith("older.") for name in trained)


@pytest.mark.parametrize("family", ["wav2vec2-conformer", "data2vec-audio"])
def test_padding_that_changes_results_is_announced(
    family: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    AutoModel.from_config(AutoConfig.for_model(family, **SETTINGS[family])).save_pretrained(tmp_path)
    ctc.build(str(tmp_path), VOCABULARY)
    assert "padding a clip changes its result" in caplog.text


def test_a_whole_parakeet_recogniser_gives_its_encoder(tmp_path: Path) -> None:
    from transformers import ParakeetCTCConfig, ParakeetForCTC

    encoder = AutoConfig.for_model("parakeet_encoder", **SETTINGS["parakeet_encoder"])
    whole = ParakeetForCTC(ParakeetCTCConfig(encoder_config=encoder.to_dict(), vocab_size=8, pad_token_id=7))
    whole.save_pretrained(tmp_path)
    body = pretrained(str(tmp_path))
    assert torch.equal(body.subsampling.linear.weight, whole.encoder.subsampling.linear.weight)


def test_weights_published_in_16_bits_are_learned_on_in_32(tmp_path: Path) -> None:
    published = AutoModel.from_config(AutoConfig.for_model("wav2vec2", **SETTINGS["wav2vec2"])).to(torch.bfloat16)
    published.save_pretrained(tmp_path)
    body = pretrained(str(tmp_path))
    assert {weight.dtype for weight in body.parameters()} == {torch.float32}
    assert body.encoder.layers[0].feed_forward.intermediate_dense.weight.equal(
        published.encoder.layers[0].feed_forward.intermediate_dense.weight.float()
    )


def test_unknown_names_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown encoder size 'smal'; did you mean 'small'"):
        from_size("smal")
    with pytest.raises(InputError, match=r"no encoder in '.*nowhere'"):
        pretrained(str(tmp_path / "nowhere"))


def test_an_architecture_without_speech_is_refused(tmp_path: Path) -> None:
    AutoConfig.for_model("bert", hidden_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="unknown encoder architecture 'bert'"):
        pretrained(str(tmp_path))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    AutoConfig.for_model("parakeet_encoder", **SETTINGS["parakeet_encoder"]).save_pretrained(tmp_path)
    torch.save({"weight": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"model\.safetensors"):
        pretrained(str(tmp_path))


def test_several_rates_need_a_filterbank(tmp_path: Path) -> None:
    AutoModel.from_config(AutoConfig.for_model("wav2vec2", **SETTINGS["wav2vec2"])).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="wav2vec2 hears 16000 Hz only, not 8000"):
        ctc.build(str(tmp_path), VOCABULARY, rate_of={"swh": 8000})
