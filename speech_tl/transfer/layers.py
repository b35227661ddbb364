"""Which layers move: copy, freeze, start afresh, and learn at rates of their own, by the names of a model's layers.

A model answers `layer_groups(model)` with its layers from input to output, and everything here speaks in those names:
how far a layer's work carries over falls with its height (Yosinski et al., 2014), and which end has to move depends on
what is new, the voice or the language. Normalisation that keeps running statistics keeps them still in a frozen layer
(`training.fit` holds such a layer in evaluation mode); in a layer that moves they move too.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from torch import Tensor, nn

from speech_tl.errors import InputError, unknown_name

Groups = Mapping[str, nn.Module]
"""Layer name -> module, from input to output."""


def select(groups: Groups, which: str) -> tuple[str, ...]:
    """The layers that `which` names, in their order.

    Args:
        which: `all`, `none`, `input:N` and `output:N` (so many from that end), names, and patterns such as
            `encoder.*`; several with commas between.

    Raises:
        InputError: a name or pattern that no layer has, or more layers than there are.
    """
    names = list(groups)
    chosen: set[str] = set()
    for word in filter(None, map(str.strip, which.split(","))):
        side, colon, count = word.partition(":")
        if word in ("all", "none"):
            chosen.update(names if word == "all" else ())
        elif colon and side in ("input", "output"):
            if not (count.isdigit() and 1 <= int(count) <= len(names)):
                raise InputError(f"layers {word!r}: expected {side}:1 to {side}:{len(names)}")
            chosen.update(names[: int(count)] if side == "input" else names[-int(count) :])
        else:
            found = [name for name in names if fnmatchcase(name, word)]
            if not found:
                raise unknown_name("layer", word, names)
            chosen.update(found)
    return tuple(name for name in names if name in chosen)


def train_only(model: nn.Module, groups: Groups, names: Iterable[str]) -> None:
    """Only the weights of these layers are trained from now on; what is in no layer is frozen too."""
    model.requires_grad_(False)
    for name in names:
        groups[name].requires_grad_(True)


def copy(source: Groups, target: Groups, names: Iterable[str]) -> None:
    """Gives layers of `target` the weights and statistics of `source`'s layers of the same name.

    To start a layer afresh, `source` is a new model of the same configuration.

    Raises:
        InputError: a layer that one of them lacks, or of another shape.
    """
    for name in names:
        if name not in source or name not in target:
            raise unknown_name("layer", name, source if name not in source else target)
        theirs = {key: value.shape for key, value in source[name].state_dict().items()}
        ours = {key: value.shape for key, value in target[name].state_dict().items()}
        if theirs != ours:
            unlike = sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key))
            raise InputError(
                f"layer {name} is not of the same shape in both models: {unlike[0]} is "
                f"{_shape(theirs.get(unlike[0]))} in the source and {_shape(ours.get(unlike[0]))} in the target"
            )
    for name in names:
        target[name].load_state_dict(source[name].state_dict())


def discriminative(names: Iterable[str], *, decay: float = 0.5) -> dict[str, float]:
    """Layer -> factor on the learning rate: 1 for the last, `decay` times that of the layer above for every other.

    Discriminative fine-tuning (Howard & Ruder, 2018), who divide by 2.6 from layer to layer. With the names in reverse,
    the layers at the input learn fastest.
    """
    order = list(names)
    return {name: decay ** (len(order) - 1 - at) for at, name in enumerate(order)}


def rates(model: nn.Module, groups: Groups, factors: Mapping[str, float]) -> dict[str, float]:
    """Layer -> factor, as parameter name -> factor; the form in which `training.fit` takes it."""
    layer_of = {id(weight): name for name, group in groups.items() for weight in group.parameters()}
    named = ((name, layer_of.get(id(weight), "")) for name, weight in model.named_parameters())
    return {name: factors[layer] for name, layer in named if layer in factors}


def frozen(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every weight that is not trained, for `check_frozen` to compare with afterwards."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if not weight.requires_grad}


def check_frozen(model: nn.Module, before: Mapping[str, Tensor]) -> None:
    """Frozen weights are byte for byte what they were.

    Raises:
        RuntimeError: some moved all the same; it names them.
    """
    now = dict(model.named_parameters())
    moved = [name for name, value in before.items() if not value.equal(now[name].detach().to(value.device))]
    if moved:
        raise RuntimeError(f"{len(moved)} frozen tensors have moved: {', '.join(moved[:5])}")


def described(groups: Groups, factors: Mapping[str, float] | None = None) -> str:
    """A line per layer, from input to output: how many of its weights will move, and how fast against the others."""
    lines = []
    for name, group in groups.items():
        weights = list(group.parameters())
        moving = sum(weight.numel() for weight in weights if weight.requires_grad)
        factor = (factors or {}).get(name, 1.0)
        rate = f"  at {factor:g} times the rate" if moving and factor != 1 else ""
        lines.append(f"{name:<16} {moving:>9,} of {sum(weight.numel() for weight in weights):>9,} weights move{rate}")
    return "\n".join(lines)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else " x ".join(map(str, shape)) or "a scalar"
