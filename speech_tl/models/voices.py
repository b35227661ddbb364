"""A model that knows a voice: the adapters it carries, and the file of changes it comes from."""

import copy
import re
from pathlib import Path

from torch import nn

from speech_tl.errors import InputError
from speech_tl.models import changes as changing
from speech_tl.models.ctc import MultilingualCTC, layer_groups
from speech_tl.models.encoder import SpeechEncoder
from speech_tl.transfer import adapters

LORA_RANK = 8


def load(model: MultilingualCTC, path: Path) -> MultilingualCTC:
    """A copy of `model` with the voice of a file that an adaptation wrote.

    Raises:
        InputError: the file is not an adaptation, or belongs to another checkpoint.
    """
    changes = changing.read(path)
    if changes.base != changing.digest(model):
        raise InputError(
            f"{path} was adapted from another checkpoint ({changes.base}, this is {changing.digest(model)}): "
            "give that one, or adapt this one"
        )
    own, base = copy.deepcopy(model), model.state_dict()
    put_in(own, changes.facts["language"], changes.facts["adapter"])
    own.column(changes.facts["language"]).encoder.warp = changes.facts["warp"]
    changing.apply(own, base, changes)
    own.train(False)
    return own


def enrolled(path: Path) -> frozenset[str]:
    """The marks (`data.enrolment.mark`) of the recordings that a voice was learned from."""
    return frozenset(changing.read(path).facts.get("enrolled", ()))


def put_in(model: MultilingualCTC, language: str, adapter: str) -> None:
    """The adapter's fresh weights, all that is trained from now on; without an adapter nothing changes."""
    if adapter == "none":
        return
    groups, encoder = layer_groups(model, language), model.column(language).encoder
    model.requires_grad_(False)
    if adapter == "lora":
        _lora(model, encoder)
        return
    if adapter.startswith("lin"):
        first, bins = next(iter(groups.values())), encoder.bins(model.sample_rate(language))
        adapters.before(first, adapters.LIN(bins, diagonal=adapter == "lin_diagonal"))
    else:
        width, below = encoder.body.config.hidden_size, encoder.family.inputs[:-1]
        for name, group in groups.items():
            if name not in below and not name.startswith("head."):
                adapters.after(group, adapters.LHUC(width))


def _lora(model: MultilingualCTC, encoder: SpeechEncoder) -> None:
    """Low-rank updates of the attention and feed-forward matrices of the lower half (Hu et al., 2021), through peft."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise InputError("peft is not installed: pip install 'speech-tl[lora]', or use another method") from None
    blocks = [group for name, group in encoder.groups() if name.startswith("encoder.")]
    lower = {id(module) for block in blocks[: (len(blocks) + 1) // 2] for module in block.modules()}
    names = [name for name, m in model.named_modules() if isinstance(m, nn.Linear) and id(m) in lower]
    these = "|".join(
        map(re.escape, names)
    )  # of a list peft takes every module whose name ends so, another column's too
    config = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules=these, lora_dropout=0.0)
    inject_adapter_in_model(config, model)
