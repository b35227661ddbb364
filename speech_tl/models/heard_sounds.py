"""The sounds that a model hears, written in IPA, also of a language that none of its heads writes.

With an inventory every sound counts for the phoneme that has the most similar phone, whose probabilities are summed:
a model hears phones, and the inventory of a language says which phonemes they are (Li et al., "Universal phone
recognition with a multilingual allophone system", ICASSP 2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speech_tl.phonology.inventories import Inventory
from speech_tl.phonology.phones import TONES, nearest
from speech_tl.phonology.sounds import PHONES, as_ipa
from speech_tl.phonology.units import BLANK, Units


@dataclass(frozen=True)
class Sounds:
    """What is written for what is heard."""

    units: Units
    into: tuple[int, ...]
    """For each unit of the model's head for sounds, the unit that it counts for; tones may count as silence."""

    def __call__(self, log_probs: Tensor) -> Tensor:
        """(..., P) log-probabilities of the model's sounds -> (..., len(units)), summed in probability."""
        found = log_probs.new_full((*log_probs.shape[:-1], len(self.units)), -torch.inf)
        for at in range(len(self.units)):
            if own := [unit for unit, to in enumerate(self.into) if to == at]:
                found[..., at] = log_probs[..., own].logsumexp(-1)
        return found


def sounds_of(heard: Units, inventory: Inventory | None = None) -> Sounds:
    """In IPA, all that are heard or only the phonemes of an inventory.

    Args:
        heard: of the model's head for sounds: classes or phones.

    Raises:
        InputError: a phone of the inventory has no articulation, or panphon is not installed.
    """
    symbols = as_ipa(heard.symbols[1:]) if heard == PHONES else heard.symbols[1:]
    if inventory is None:
        return Sounds(Units((BLANK, *symbols)), tuple(range(len(heard))))
    places = {phone: at for at, (_, phones) in enumerate(inventory.allophones, 1) for phone in reversed(phones)}
    return Sounds(Units((BLANK, *inventory.phonemes)), (0, *_places(symbols, places)))


def _places(symbols: Sequence[str], places: dict[str, int]) -> list[int]:
    """For each symbol the place of the phone most like it; of a tone that is not there, the blank's."""
    phones = [phone for phone in places if phone not in TONES]
    said = [symbol for symbol in symbols if symbol not in TONES]
    like = {each.phone: places[each.nearest] for each in nearest(said, phones)}
    return [places.get(symbol, 0) if symbol in TONES else like[symbol] for symbol in symbols]
