"""The shared encoder with its heads: what is shared, what is not, and what a checkpoint says about itself."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCTC, pipeline

from speech_tl.augmentation import Augmentation
from speech_tl.errors import InputError
from speech_tl.models import ctc
from speech_tl.phonology.units import Units

VOCABULARIES = {"swh": Units.from_texts(["jambo bwana"]), "spa": Units.from_texts(["señal"])}


def losses(
    model: ctc.MultilingualCTC,
    audio: torch.Tensor,
    targets: list[list[int]],
    augmentation: Augmentation | None = None,
) -> dict[str, torch.Tensor]:
    return model.losses(
        audio,
        torch.full((len(audio),), audio.shape[1]),
        "swh",
        targets=torch.tensor(targets),
        target_lengths=torch.tensor([len(target) for target in targets]),
        augmentation=augmentation,
    )


@pytest.fixture
def model() -> ctc.MultilingualCTC:
    torch.manual_seed(0)
    return ctc.build("tiny", VOCABULARIES, rate_of={"swh": 16000, "spa": 8000}, least_frames=48).eval()


def test_layer_groups_name_every_parameter_once(model: ctc.MultilingualCTC) -> None:
    groups = ctc.layer_groups(model)
    assert list(groups) == ["subsampling", "encoder.0", "encoder.1", "head.swh", "head.spa"]
    named = [id(parameter) for group in groups.values() for parameter in group.parameters()]
    assert sorted(named) == sorted(id(parameter) for parameter in model.parameters())


def test_languages_share_the_middle_and_nothing_else(model: ctc.MultilingualCTC) -> None:
    losses(model, torch.randn(1, 8000), [[1, 2]])["ctc"].backward()
    touched = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert any(name.startswith("encoder.body.layers.0") for name in touched)
    assert any(name.startswith("encoder.body.subsampling.80") for name in touched)
    assert not any(name.startswith(("heads.spa", "encoder.body.subsampling.64")) for name in touched)


def test_frames_by_hand(model: ctc.MultilingualCTC) -> None:
    # 16,000 samples at 16 kHz are 100 frames of 10 ms, 50 and 25 after two halvings; 0.1 s is filled to 48, 24, 12.
    assert model.output_lengths(torch.tensor([16000, 1600]), "swh").tolist() == [25, 12]
    assert model.output_lengths(torch.tensor([8000, 800]), "spa").tolist() == [25, 12]


def test_longer_padding_changes_nothing(model: ctc.MultilingualCTC) -> None:
    audio, samples = torch.randn(1, 9000), torch.tensor([9000])
    short, frames = model.log_probabilities(audio, samples, "swh")
    padded = torch.cat([audio, torch.randn(1, 7000)], 1)  # noise behind the end must not be heard
    long, _ = model.log_probabilities(padded, samples, "swh")
    assert (short[0, : frames[0]] - long[0, : frames[0]]).abs().max() < 1e-5


def test_loss_of_two_equal_utterances_is_the_loss_of_one(model: ctc.MultilingualCTC) -> None:
    audio = torch.randn(1, 8000)
    one = losses(model, audio, [[1, 2, 1]])
    two = losses(model, audio.repeat(2, 1), [[1, 2, 1], [1, 2, 1]])
    for name in ("ctc", "intermediate_ctc"):
        assert torch.isclose(one[name], two[name], rtol=1e-5)


def test_loss_against_every_path() -> None:
    # One symbol "a" in T = 2 frames: the paths aa, a-, -a; of a head that always gives p(-) = 1/4, p(a) = 3/4 they sum
    # to 9/16 + 3/16 + 3/16 = 15/16.
    model = ctc.build("tiny", {"swh": Units.from_texts(["a"])}).eval()
    with torch.no_grad():
        model.heads["swh"].weight.zero_()
        model.heads["swh"].bias.copy_(torch.tensor([1.0, 3.0]).log())
    loss = losses(model, torch.randn(1, 1280), [[1]])["ctc"]  # 80 ms are 8 frames, 2 after subsampling
    assert torch.isclose(loss, -torch.tensor(15 / 16).log())


def test_phones_are_heard_by_a_head_of_their_own(model: ctc.MultilingualCTC) -> None:
    phones = Units.from_texts(["abc"])
    model = ctc.build("tiny", VOCABULARIES | {"phones": phones}, head_of={"swh": "swh", "spa": "spa"}).eval()
    assert model.languages == ("swh", "spa")
    audio, targets = torch.randn(2, 8000), torch.tensor([[1, 2], [2, 1]])
    given = {"targets": targets, "target_lengths": torch.tensor([2, 2])}
    known = given | {"phones": torch.tensor([[1], [3]]), "phone_lengths": torch.tensor([1, 1])}
    samples = torch.tensor([8000, 8000])
    heard = model.losses(audio, samples, "swh", **known)
    assert list(heard) == ["ctc", "phone_ctc", "intermediate_ctc"]
    heard["intermediate_ctc"].backward()
    touched = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert "heads.phones.weight" in touched
    assert not any(name.startswith(("heads.swh", "encoder.body.layers.1")) for name in touched), "nothing above"
    model.zero_grad()
    model.losses(audio, samples, "swh", **given)["intermediate_ctc"].backward()
    assert model.heads["phones"].weight.grad is None, "without pronunciations it is the language's own head"
    assert model.heads["swh"].weight.grad is not None


def test_one_pass_gives_every_heads_opinion(model: ctc.MultilingualCTC) -> None:
    model.train(False)
    audio, samples = torch.randn(2, 8000), torch.tensor([8000, 6000])
    languages = [code for code in model.languages if model.sample_rate(code) == 16000]
    said, frames = model.opinions(audio, samples, languages)
    assert list(said) == languages
    for code in languages:
        alone, own = model.log_probabilities(audio, samples, code)
        assert said[code].equal(alone) and frames.equal(own)


def test_a_language_owns_a_part_of_every_block() -> None:
    torch.manual_seed(0)
    phones = {"phones": Units.from_texts(["abc"])}
    own = {language: language for language in VOCABULARIES}
    plain = ctc.build("tiny", VOCABULARIES, dropout=0.0).eval()
    model = ctc.build("tiny", VOCABULARIES | phones, head_of=own, dropout=0.0, adapters=8).eval()
    assert [len(head.adapters) for head in model.heads.values()] == [2, 2, 0], "two blocks; the phones' owns none"
    model.load_state_dict(plain.state_dict(), strict=False)
    audio, samples = torch.randn(2, 8000), torch.tensor([8000, 6000])
    fresh = model.log_probabilities(audio, samples, "swh")[0]
    assert fresh.equal(plain.log_probabilities(audio, samples, "swh")[0]), "a fresh bottleneck says nothing"
    before = model.hidden(audio, samples, "spa")[0]
    torch.nn.init.normal_(model.head("swh").adapters[1].up.weight)
    hidden = model.hidden(audio, samples, "swh")[0]
    assert [a.equal(b) for a, b in zip(hidden, before, strict=True)] == [True, True, False], "only above the last block"
    for kept, now in zip(before, model.hidden(audio, samples, "spa")[0], strict=True):
        assert kept.equal(now)
    said, _ = model.opinions(audio, samples, ("swh", "spa"))
    for code in said:
        assert said[code].equal(model.log_probabilities(audio, samples, code)[0])


def test_a_batch_of_two_languages_is_each_by_itself() -> None:
    """Two utterances of one language and one of another: each loss is the mean over all three."""
    torch.manual_seed(0)
    phones = {"phones": Units.from_texts(["abc"])}
    own = {language: language for language in VOCABULARIES}
    model = ctc.build("tiny", VOCABULARIES | phones, head_of=own, dropout=0.0, adapters=8).eval()
    for code in VOCABULARIES:
        torch.nn.init.normal_(model.head(code).adapters[0].up.weight)
    audio, samples = torch.randn(3, 8000), torch.tensor([8000, 6000, 7000])
    given = {
        "targets": torch.tensor([[1, 2], [3, 0], [2, 3]]),
        "target_lengths": torch.tensor([2, 1, 2]),
        "phones": torch.tensor([[1], [3], [2]]),
        "phone_lengths": torch.tensor([1, 1, 1]),
    }
    together = model.losses(audio, samples, ("spa", "spa", "swh"), **given)
    parts = [
        model.losses(audio[rows], samples[rows], code, **{name: value[rows] for name, value in given.items()})
        for code, rows in (("spa", slice(2)), ("swh", slice(2, 3)))
    ]
    for name, loss in together.items():
        assert torch.isclose(loss, (2 * parts[0][name] + parts[1][name]) / 3, rtol=1e-5), name
    together["ctc"].backward()
    for code in VOCABULARIES:
        assert model.head(code).adapters[0].up.weight.grad.abs().sum() > 0


def test_the_middle_block_may_be_left_out(model: ctc.MultilingualCTC) -> None:
    audio, samples = torch.randn(2, 16000), torch.tensor([16000, 16000])
    targets = {"targets": torch.tensor([[1, 2], [2, 1]]), "target_lengths": torch.tensor([2, 2])}
    whole = model.losses(audio, samples, "swh", **targets)
    part = model.losses(audio, samples, "swh", intermediate=False, **targets)
    assert (list(whole), list(part)) == (["ctc", "intermediate_ctc"], ["ctc"])
    assert torch.equal(part["ctc"], whole["ctc"])


def test_more_symbols_than_frames_is_not_infinite(model: ctc.MultilingualCTC) -> None:
    # 13 equal symbols need 25 frames; 0.1 s has 12.
    assert losses(model, torch.randn(1, 1600), [[1] * 13])["ctc"] == 0.0


def test_augmentation_changes_what_is_trained_on(model: ctc.MultilingualCTC) -> None:
    audio = torch.randn(2, 16000)
    plain = losses(model, audio, [[1], [2]])["ctc"]
    varied = losses(model, audio, [[1], [2]], augmentation=Augmentation(speeds=(0.9,), warp=0.1, tempo=0.1))["ctc"]
    same = losses(model, audio, [[1], [2]], augmentation=Augmentation())["ctc"]
    assert not torch.isclose(plain, varied)
    assert torch.isclose(plain, same)


def test_a_checkpoint_comes_back_bit_equal(model: ctc.MultilingualCTC, tmp_path: Path) -> None:
    model.config.calibration = {"swh": 1.5}
    ctc.save(model, tmp_path)
    for again in (ctc.load(tmp_path), AutoModelForCTC.from_pretrained(tmp_path)):
        assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
        assert again.units("spa") == VOCABULARIES["spa"]
        assert again.sample_rate("spa") == 8000
        assert again.config.calibration == {"swh": 1.5}
    assert not list(tmp_path.glob("*.bin"))


def test_pipeline_reads_what_training_saves(model: ctc.MultilingualCTC, tmp_path: Path) -> None:
    with torch.no_grad():  # a head that always writes "b": the pipeline must collapse the frames into one
        model.heads["swh"].weight.zero_()
        model.heads["swh"].bias.zero_()
        model.heads["swh"].bias[VOCABULARIES["swh"].encode("b")[0]] = 9.0
    ctc.save(model, tmp_path)
    recognise = pipeline("automatic-speech-recognition", model=str(tmp_path))
    assert recognise({"raw": torch.randn(16000).numpy(), "sampling_rate": 16000}) == {"text": "b"}


def test_union_head_serves_both_languages() -> None:
    union = {"union": Units.from_texts(["jambo", "señal"])}
    model = ctc.build("tiny", union, head_of={"swh": "union", "spa": "union"})
    assert model.languages == ("swh", "spa")
    assert model.units("swh") == model.units("spa")
    assert list(ctc.layer_groups(model))[-1] == "head.union"


def test_unknown_language_is_named(model: ctc.MultilingualCTC) -> None:
    with pytest.raises(InputError, match="unknown language 'swa' in this checkpoint; did you mean 'swh'"):
        model(torch.randn(1, 8000), language="swa")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "no model.safetensors"),
        ("truncated", "cannot be read"),
        ("pickle", "cannot be read"),
        ("format", "checkpoint format 99, this version reads 1"),
        ("vocabulary", "the vocabulary is not the one"),
        ("foreign", "holds a 'bert' model"),
        ("json", "is not JSON"),
    ],
)
def test_damaged_checkpoints_say_so(model: ctc.MultilingualCTC, tmp_path: Path, damage: str, message: str) -> None:
    ctc.save(model, tmp_path)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    settings = json.loads(config.read_text())
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "pickle":
        torch.save(model.state_dict(), weights)
    elif damage == "json":
        config.write_text("{")
    else:
        if damage == "vocabulary":
            settings["symbols"]["swh"][1] = "z"
        settings |= {"format": {"format_version": 99}, "foreign": {"model_type": "bert"}}.get(damage, {})
        config.write_text(json.dumps(settings))
    with pytest.raises(InputError, match=message) as raised:
        ctc.load(tmp_path)
    assert "\n" not in str(raised.value)
