"""What a model that grows keeps, to the byte, and what it gains."""

from pathlib import Path

import pytest
import torch

from speech_tl.errors import InputError
from speech_tl.models import ctc
from speech_tl.models.growing import add_language, add_symbols, beside
from speech_tl.phonology.units import Units
from speech_tl.transfer.progressive import without_laterals

AUDIO, SAMPLES = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0)), torch.tensor([8000, 6000])


@pytest.fixture(params=[0, 4])
def model(request: pytest.FixtureRequest) -> ctc.MultilingualCTC:
    """Without and with layers that each language owns."""
    torch.manual_seed(0)
    vocabularies = {"swh": Units.from_texts(["jambo bwana"]), "spa": Units.from_texts(["señal"])}
    built = ctc.build(
        "tiny", vocabularies, rate_of={"swh": 16000, "spa": 8000}, least_frames=48, adapters=request.param
    ).eval()
    for name, weight in built.heads.named_parameters():
        if "up.weight" in name:
            torch.nn.init.normal_(weight)
    built.config.calibration = {"languages": ["swh", "spa"]}
    return built


def test_a_new_language_changes_no_other(model: ctc.MultilingualCTC, tmp_path: Path) -> None:
    before = {code: model.log_probabilities(AUDIO, SAMPLES, code)[0] for code in ("swh", "spa")}
    add_language(model, "ita", Units.from_texts(["ciao"]), sample_rate=8000, normaliser={"case": "lower"})
    assert model.log_probabilities(AUDIO, SAMPLES, "ita")[0].shape[-1] == 5  # blank, a, c, i, o
    assert model.config.calibration == {}
    ctc.save(model, tmp_path / "grown")
    again = ctc.load(tmp_path / "grown")
    assert sorted(again.languages) == ["ita", "spa", "swh"]
    assert again.config.normalisers["ita"] == {"case": "lower"}
    assert "head.ita" in ctc.layer_groups(again)
    for code, said in before.items():
        assert again.log_probabilities(AUDIO, SAMPLES, code)[0].equal(said)


@pytest.mark.parametrize("code", ["pop", "to", "sr.Latn", "100%"])
def test_languages_of_which_torch_keeps_the_name(code: str, model: ctc.MultilingualCTC, tmp_path: Path) -> None:
    add_language(model, code, Units.from_texts(["ciao"]), sample_rate=8000)
    said = model.log_probabilities(AUDIO, SAMPLES, code)[0]
    assert code in model.heads and list(model.heads) == ["swh", "spa", code]
    ctc.save(model, tmp_path)
    assert ctc.load(tmp_path).log_probabilities(AUDIO, SAMPLES, code)[0].equal(said)


def test_what_cannot_be_added(model: ctc.MultilingualCTC) -> None:
    units = Units.from_texts(["ciao"])
    with pytest.raises(InputError, match="has a head 'spa' already: swh, spa"):
        add_language(model, "spa", units)
    with pytest.raises(
        InputError, match=r"unknown sampling rate '44100' in this checkpoint; did you mean '16000'\? known: 16000, 8000"
    ):
        add_language(model, "ita", units, sample_rate=44100)
    add_language(model, "ita", units)
    assert model.sample_rate("ita") == 16000


def test_a_head_that_grows_keeps_its_rows(model: ctc.MultilingualCTC, tmp_path: Path) -> None:
    old = model.units("spa")
    row = {symbol: model.heads["spa"].weight[at].clone() for at, symbol in enumerate(old.symbols)}
    best = model.log_probabilities(AUDIO, SAMPLES, "spa")[0].argmax(-1)
    other = model.log_probabilities(AUDIO, SAMPLES, "swh")[0]
    assert add_symbols(model, "spa", Units.from_texts(["señal", "uy"])) == ("u", "y")
    assert model.units("spa").symbols == (*old.symbols, "u", "y")
    for at, symbol in enumerate(old.symbols):
        assert model.heads["spa"].weight[at].equal(row[symbol])
    assert model.log_probabilities(AUDIO, SAMPLES, "spa")[0].argmax(-1).equal(best)
    assert model.log_probabilities(AUDIO, SAMPLES, "swh")[0].equal(other)
    ctc.save(model, tmp_path / "grown")
    assert ctc.load(tmp_path / "grown").units("spa").encode("uy") == (6, 7)
    assert add_symbols(model, "spa", Units.from_texts(["ley"])) == ()


def test_a_label_prior_is_kept() -> None:
    """Of two units at 3/4 and 1/4 a third one gets the rarer's 1/4: 3/5, 1/5, 1/5."""
    torch.manual_seed(0)
    model = ctc.build("narrow", {"swh": Units.from_texts(["a"])}, subsampling=2, label_prior=0.3).eval()
    model.heads["swh"].prior.copy_(torch.tensor([0.75, 0.25]))
    said = model.log_probabilities(AUDIO, SAMPLES, "swh")[0]
    grown = beside(model, "ita", Units.from_texts(["ciao"]), sample_rate=16000)
    assert grown.config.label_prior == grown.head("ita").label_prior == 0.3
    assert grown.eval().log_probabilities(AUDIO, SAMPLES, "swh")[0].equal(said)
    add_symbols(model, "swh", Units.from_texts(["ab"]))
    assert model.heads["swh"].prior.tolist() == pytest.approx([0.6, 0.2, 0.2])
    again = model.log_probabilities(AUDIO, SAMPLES, "swh")[0]
    assert torch.allclose(again[..., 0] - again[..., 1], said[..., 0] - said[..., 1], atol=1e-5)


def test_a_column_beside_keeps_the_old_one_to_the_bit(model: ctc.MultilingualCTC, tmp_path: Path) -> None:
    before = {code: model.log_probabilities(AUDIO, SAMPLES, code)[0] for code in ("swh", "spa")}
    grown = beside(model, "ita", Units.from_texts(["ciao"]), sample_rate=8000).train()
    assert sorted(grown.languages) == ["ita", "spa", "swh"]
    assert grown.older is not None and not grown.older.training
    assert ctc.layer_groups(grown, "spa")["encoder.0"] is grown.older.encoder.blocks[0]
    with pytest.raises(InputError, match="'spa' is of an older column, which is frozen"):
        add_symbols(grown, "spa", Units.from_texts(["uy"]))
    with pytest.raises(InputError, match="'spa' is of an older column, which is frozen"):
        grown.losses(
            AUDIO, SAMPLES, "spa", targets=torch.ones(len(AUDIO), 1).long(), target_lengths=SAMPLES.clamp(max=1)
        )
    names = [name for name, weight in grown.named_parameters() if weight.requires_grad]
    assert not any(name.startswith("older.") for name in names)
    assert any("lateral.up" in name for name in names)
    optimizer = torch.optim.AdamW([weight for weight in grown.parameters() if weight.requires_grad], lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        grown.losses(
            AUDIO, SAMPLES, "ita", targets=torch.tensor([[1, 2], [3, 1]]), target_lengths=torch.tensor([2, 2])
        )["ctc"].backward()
        optimizer.step()
    ctc.save(grown, tmp_path / "grown")
    again = ctc.load(tmp_path / "grown")
    for code, said in before.items():
        assert again.log_probabilities(AUDIO, SAMPLES, code)[0].equal(said)
        assert again.units(code) == model.units(code)
        assert again.output_lengths(SAMPLES, code).equal(model.output_lengths(SAMPLES, code))
    for taken in ("swh", "ita"):
        with pytest.raises(InputError, match=f"has a head '{taken}' already: ita, swh, spa"):
            add_language(grown, taken, Units.from_texts(["ciao"]))
    grown.train(False)
    with torch.no_grad():
        ours, theirs = (each.log_probabilities(AUDIO, SAMPLES, "ita")[0] for each in (grown, again))
    assert ours.equal(theirs)


def test_a_new_column_begins_as_one_of_its_own(model: ctc.MultilingualCTC) -> None:
    grown = beside(model, "ita", Units.from_texts(["ciao"]), sample_rate=8000).train(False)
    said = grown.log_probabilities(AUDIO, SAMPLES, "ita")[0]
    with without_laterals(dict(grown.encoder.groups(8000))):
        assert grown.log_probabilities(AUDIO, SAMPLES, "ita")[0].equal(said)
    torch.nn.init.ones_(grown.encoder.body.layers[1].lateral.up.weight)
    assert not grown.log_probabilities(AUDIO, SAMPLES, "ita")[0].equal(said)
    with without_laterals(dict(grown.encoder.groups(8000))):
        assert grown.log_probabilities(AUDIO, SAMPLES, "ita")[0].equal(said)
    with pytest.raises(InputError, match="has a head 'swh' already"):
        beside(model, "swh", Units.from_texts(["ciao"]), sample_rate=8000)
