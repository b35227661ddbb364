"""Probabilities of sounds, summed into the phonemes of an inventory by hand."""

import pytest
import torch

from speech_tl.models.heard_sounds import sounds_of
from speech_tl.phonology.inventories import Inventory
from speech_tl.phonology.sounds import PHONES
from speech_tl.phonology.units import BLANK, Units


def test_every_sound_counts_for_the_phoneme_most_like_it() -> None:
    """[d] is nearer [t] than [a], [tˤ] is a /t/ by the inventory, and the tone, which it has not, is no sound."""
    heard = Units((BLANK, "a", "d", "t", "tˤ", "˥"))
    found = sounds_of(heard, Inventory((("t", ("t", "tˤ")), ("a", ("a",)))))
    assert found.units.symbols == (BLANK, "t", "a") and found.into == (0, 2, 1, 1, 1, 0)
    probabilities = torch.tensor([[1 / 8, 1 / 4, 1 / 8, 1 / 4, 1 / 8, 1 / 8]])
    assert found(probabilities.log()).exp().tolist() == [[pytest.approx(each) for each in (1 / 4, 1 / 2, 1 / 4)]]


def test_a_phoneme_like_nothing_that_is_heard_is_never_written() -> None:
    found = sounds_of(Units((BLANK, "a")), Inventory.of(["a", "t"]))
    assert found(torch.zeros(1, 2)).tolist() == [[0, 0, -torch.inf]]


def test_without_an_inventory_all_is_written_in_ipa() -> None:
    found = sounds_of(PHONES)
    assert len(found.units) == len(PHONES) and {"t", "t͡ʃ", "ɲ", "ʔ"} < {*found.units.symbols}
    log_probs = torch.randn(2, 3, len(PHONES)).log_softmax(-1)
    assert torch.allclose(found(log_probs), log_probs)
    phones = Units((BLANK, "tˤ", "aː"))
    assert sounds_of(phones).units == phones
