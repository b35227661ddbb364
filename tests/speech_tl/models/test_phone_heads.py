"""Two heads that any inventory can ask: whose weights a phone has, and where its score comes from."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel

from speech_tl.errors import InputError
from speech_tl.models import phone_heads
from speech_tl.models.phone_heads import PhoneHeads, PhoneRecogniser
from speech_tl.phonology.inventories import Inventory
from speech_tl.phonology.phones import signatures
from speech_tl.training.checkpoint import save_state

TRAINED = ("a", "b", "m", "t")


@pytest.fixture
def heads() -> PhoneHeads:
    torch.manual_seed(0)
    return PhoneHeads(8, TRAINED)


@pytest.fixture(scope="module")
def model() -> PhoneRecogniser:
    torch.manual_seed(0)
    return phone_heads.build("tiny", TRAINED, dropout=0.0).eval()


def test_a_row_for_each_phone_and_the_nearest_for_others(heads: PhoneHeads) -> None:
    hidden = torch.randn(2, 3, 8)
    logits = heads.rows(hidden)  # blank a b m t
    known = heads(hidden, Inventory.of("tb"), "phones")
    torch.testing.assert_close(known, logits[..., [0, 2, 4]].log_softmax(-1))
    # d differs from t in 1 of 24 features, its voice: the row of t, and 1/24 lower
    borrowed = heads(hidden, Inventory.of("td"), "phones")
    lowered = torch.stack([logits[..., 0], logits[..., 4] - 1 / 24, logits[..., 4]], -1)
    torch.testing.assert_close(borrowed, lowered.log_softmax(-1))


def test_a_score_out_of_features(heads: PhoneHeads) -> None:
    """b(h)·s(p): a voiced phone stands above its voiceless twin as far as the frame speaks for voice."""
    hidden = torch.randn(1, 5, 8)
    voice = signatures(["d"]).attributes.index("voi")
    scores = heads.features(hidden)[..., 1:]  # presence of each of 24 features, then absence
    said = heads(hidden, Inventory.of("kɡ"), "signatures")  # neither was trained on
    torch.testing.assert_close(said[..., 2] - said[..., 1], scores[..., voice] - scores[..., 24 + voice])


def test_both_is_the_mean_opinion(heads: PhoneHeads) -> None:
    hidden, inventory = torch.randn(1, 4, 8), Inventory.of("bdmu")
    one, other, both = (heads(hidden, inventory, head) for head in phone_heads.HEADS)
    torch.testing.assert_close(both, ((one + other) / 2).log_softmax(-1))
    assert both.exp().sum(-1).flatten().tolist() == pytest.approx([1] * 4)


def test_a_phoneme_scores_as_the_best_of_its_phones(heads: PhoneHeads) -> None:
    hidden = torch.randn(1, 6, 8)
    logits = heads.rows(hidden)
    labial = Inventory((("B", ("b", "m")), ("t", ("t",))))
    wanted = torch.stack([logits[..., 0], logits[..., 2:4].amax(-1), logits[..., 4]], -1)
    torch.testing.assert_close(heads(hidden, labial, "phones"), wanted.log_softmax(-1))


def test_an_inventory_without_signatures(heads: PhoneHeads) -> None:
    with pytest.raises(InputError, match="'R' is no phone whose articulation is known"):
        heads(torch.randn(1, 2, 8), Inventory.of("aR"), "signatures")


def test_each_head_learns_from_its_own_loss(model: PhoneRecogniser) -> None:
    audio, samples = torch.randn(2, 8000), torch.tensor([8000, 8000])
    targets, lengths = torch.tensor([[1, 2], [2, 1]]), torch.tensor([2, 2])
    inventory = Inventory.of("bt")
    with torch.inference_mode():
        model.opinions(audio, samples, inventory)  # worked out here, trained with below
    found = model.losses(audio, samples, inventory, targets=targets, target_lengths=lengths)
    assert list(found) == ["phones", "signatures", "intermediate_phones", "intermediate_signatures"]
    (found["phones"] + found["intermediate_phones"]).backward()
    weight = model.heads.rows.weight.grad
    assert weight is not None and model.heads.features.weight.grad is None
    assert weight.abs().sum(1).gt(0).tolist() == [True, False, True, False, True], "the blank, b and t"
    model.zero_grad()


def test_saved_and_loaded(model: PhoneRecogniser, tmp_path: Path) -> None:
    phone_heads.save(model, tmp_path)
    again = phone_heads.load(tmp_path)
    audio, samples, inventory = torch.randn(1, 8000), torch.tensor([8000]), Inventory.of("bdu")
    with torch.inference_mode():
        one, other = (each.opinions(audio, samples, inventory)[0] for each in (model, again))
    assert all(one[head].equal(other[head]) for head in phone_heads.HEADS)
    with pytest.raises(InputError, match="no saved state at"):
        phone_heads.load(tmp_path / "nowhere")
    save_state(tmp_path / phone_heads.FILE, {"format": 99})
    with pytest.raises(InputError, match="is no recogniser of phones of format 1"):
        phone_heads.load(tmp_path)


def test_any_pretrained_encoder_plugs_in(tmp_path: Path) -> None:
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    AutoModel.from_config(AutoConfig.for_model("wav2vec2-bert", **size)).save_pretrained(tmp_path / "encoder")
    model = phone_heads.build(str(tmp_path / "encoder"), TRAINED).eval()
    phone_heads.save(model, tmp_path)
    audio, samples, inventory = torch.randn(1, 8000), torch.tensor([8000]), Inventory.of("bdu")
    with torch.inference_mode():
        said, again = (each.opinions(audio, samples, inventory) for each in (model, phone_heads.load(tmp_path)))
    assert said[0]["both"].equal(again[0]["both"]) and said[0]["both"].shape == (1, int(said[1]), 4)
