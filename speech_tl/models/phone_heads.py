"""Phones of any language, heard through one encoder: each by weights of its own, by its articulation, or by both.

Two CTC heads stand side by side on the encoder. The first has a row of weights for every phone of the training, and a
phone it never heard borrows the row of the nearest. The second scores articulatory features, and a phone's score is
b(h)·s(p), h the frame and s(p) its signature (`speech_tl.zero_shot`), so that a phone absent from training has a score
too (Glocker, Herygers & Georges, "Allophant: cross-lingual phoneme recognition with articulatory attributes",
Interspeech 2023). Which phones are in question, and which of them are one phoneme, the caller says with an inventory,
in training and later.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from speech_tl.augmentation import Augmentation
from speech_tl.errors import InputError
from speech_tl.models.encoder import SIZES, SpeechEncoder, from_config, from_scratch, from_size, pretrained
from speech_tl.models.language_heads import ctc_loss
from speech_tl.phonology.inventories import Inventory
from speech_tl.phonology.phones import nearest, signatures
from speech_tl.training.checkpoint import load_state, save_state

Head = Literal["phones", "signatures", "both"]
HEADS: tuple[Head, ...] = ("phones", "signatures", "both")
FILE = "phones.safetensors"
FORMAT = 1
"""Of what `save` writes."""


@dataclass(frozen=True)
class Columns:
    """What an inventory is to the heads."""

    rows: Tensor
    """(P,) the row of each phone, its own or the nearest's."""
    distances: Tensor
    """(P,) how far that one is, 0 to 1."""
    signatures: Tensor
    """(P, A)."""
    phones_of: Tensor
    """(S, most) the phones of each phoneme, the first again where it has fewer."""


class PhoneHeads(nn.Module):
    """Frames -> log-probabilities over the phonemes of any inventory, the blank first."""

    def __init__(self, width: int, phones: Sequence[str]) -> None:
        super().__init__()
        self.phones = tuple(phones)
        self.rows = nn.Linear(width, 1 + len(self.phones))
        self.features = nn.Linear(width, 1 + _present_or_absent(self.phones).shape[1])
        self._columns: dict[Inventory, Columns] = {}  # what is worked out once

    def columns(self, inventory: Inventory) -> Columns:
        """What the heads need to know of an inventory.

        Raises:
            InputError: one of its phones has no articulation.
        """
        if inventory not in self._columns:
            with torch.inference_mode(False):  # they will be trained with, whoever asked first
                self._columns[inventory] = _columns(inventory, self.phones)
        return self._columns[inventory]

    def forward(self, hidden: Tensor, inventory: Inventory, head: Head) -> Tensor:
        """hidden: (B, T, D) -> log p(phoneme | frame) (B, T, 1 + S) in float32.

        A phoneme scores as the best of its phones. A borrowed row is lowered by the distance (nats), so that a phone
        comes before those that borrow from it. `both` is the mean of the two log-probabilities, made to sum to 1.
        """
        if head == "both":
            opinions = [self(hidden, inventory, each) for each in ("phones", "signatures")]
            return torch.stack(opinions).mean(0).log_softmax(-1)
        columns = self.columns(inventory)
        if head == "phones":
            scores = self.rows(hidden)  # (B, T, 1 + all phones)
            own = scores[..., 1:][..., columns.rows.to(hidden.device)]
            blank, phones = scores[..., :1], own - columns.distances.to(hidden)
        else:
            scores = self.features(hidden).float()  # (B, T, 1 + A)
            with torch.autocast(hidden.device.type, enabled=False):  # a sum over all features
                blank, phones = scores[..., :1], scores[..., 1:] @ columns.signatures.to(scores).T
        phonemes = phones[..., columns.phones_of.to(hidden.device)].amax(-1)  # (B, T, S)
        return torch.cat([blank, phonemes], -1).float().log_softmax(-1)


def _columns(inventory: Inventory, known: Sequence[str]) -> Columns:
    phones = inventory.phones
    stand_ins = nearest(phones, known)
    most = max(len(spoken) for _, spoken in inventory.allophones)
    padded = [(*spoken, *spoken[:1] * (most - len(spoken))) for _, spoken in inventory.allophones]
    return Columns(
        rows=torch.tensor([known.index(each.nearest) for each in stand_ins]),
        distances=torch.tensor([each.distance for each in stand_ins]),
        signatures=_present_or_absent(phones),
        phones_of=torch.tensor([[phones.index(phone) for phone in spoken] for spoken in padded]),
    )


def _present_or_absent(phones: Sequence[str]) -> Tensor:
    """(P, 2F): for each feature whether the phone has it, and whether it lacks it; neither where it means nothing."""
    values = torch.from_numpy(signatures(phones).values)
    return torch.cat([values > 0, values < 0], 1).float()


class PhoneRecogniser(nn.Module):
    """An encoder with both heads, on its last block, and on the middle one while it is trained.

    Args:
        body: a transformers encoder.
        scratch: whether it is one of our own sizes.
        phones: of the training.
        rate: Hz of the audio.
    """

    def __init__(self, body: Any, *, scratch: bool, phones: Sequence[str], rate: int) -> None:
        super().__init__()
        self.scratch, self.rate = scratch, rate
        self.encoder = SpeechEncoder(body, rates=(rate,), per_bin=not scratch)
        self.heads = PhoneHeads(body.config.hidden_size, phones)

    def output_lengths(self, samples: Tensor) -> Tensor:
        """(B,) samples -> (B,) frames that the heads score."""
        return self.encoder.frames(samples, self.rate)

    def opinions(
        self, audio: Tensor, samples: Tensor, inventory: Inventory, heads: Sequence[Head] = HEADS
    ) -> tuple[dict[Head, Tensor], Tensor]:
        """audio: (B, N), samples: (B,) -> head -> log p(phoneme | frame) (B, T, 1 + S), and frames (B,)."""
        hidden, frames = self.encoder(audio, samples, self.rate)
        return {head: self.heads(hidden[-1], inventory, head) for head in heads}, frames

    def losses(
        self,
        audio: Tensor,
        samples: Tensor,
        inventory: Inventory,
        *,
        targets: Tensor,
        target_lengths: Tensor,
        heads: Sequence[Head] = ("phones", "signatures"),
        augmentation: Augmentation | None = None,
    ) -> dict[str, Tensor]:
        """audio: (B, N), samples: (B,), targets: (B, S), their lengths: (B,) -> named scalars.

        For each of the heads −log p(targets) per phoneme (nats), the mean over utterances, on the last block and, as
        `intermediate_...`, on the middle one (Lee & Watanabe 2021).
        """
        hidden, frames = self.encoder(audio, samples, self.rate, augmentation=augmentation)
        depths = {"": hidden[-1], "intermediate_": hidden[len(hidden) // 2]}
        return {
            f"{prefix}{head}": ctc_loss(self.heads(depth, inventory, head), targets, frames, target_lengths)
            for prefix, depth in depths.items()
            for head in heads
        }


def build(
    encoder: str, phones: Sequence[str], *, subsampling: int = 4, dropout: float = 0.1, rate: int = 16000
) -> PhoneRecogniser:
    """A recogniser of these phones, from an encoder size, checkpoint folder or hub id.

    Raises:
        InputError: the encoder cannot be had, or a phone has no articulation.
    """
    scratch = encoder in SIZES
    config = from_size(encoder, subsampling=subsampling, dropout=dropout) if scratch else {}
    body = from_scratch(config) if scratch else pretrained(encoder)
    return PhoneRecogniser(body, scratch=scratch, phones=phones, rate=rate)


def save(model: PhoneRecogniser, folder: Path) -> None:
    """One safetensors file with the weights and everything that `load` needs."""
    body = json.loads(model.encoder.body.config.to_json_string(use_diff=False))
    facts = {"format": FORMAT, "encoder": body, "scratch": model.scratch, "rate": model.rate}
    save_state(folder / FILE, {**facts, "phones": list(model.heads.phones), "weights": model.state_dict()})


def load(folder: Path, *, device: str = "cpu") -> PhoneRecogniser:
    """A trained recogniser, in evaluation mode.

    Raises:
        InputError: there is none, or it is of another format.
    """
    state = load_state(folder / FILE)
    if state.get("format") != FORMAT:
        raise InputError(f"{folder / FILE} is no recogniser of phones of format {FORMAT}; train it again")
    scratch, config = state["scratch"], state["encoder"]
    body = from_scratch(config) if scratch else from_config(config)
    model = PhoneRecogniser(body, scratch=scratch, phones=state["phones"], rate=state["rate"])
    model.load_state_dict(state["weights"])
    return model.to(device).train(False)
