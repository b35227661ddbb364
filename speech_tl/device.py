"""Which device a command computes on: `--device` means the same in training, evaluation and transcription."""

import os

from speech_tl.errors import InputError, unknown_name

DEVICES = ("auto", "cpu", "cuda")


def chosen(name: str) -> str:
    """`cpu`, `cuda` or `cuda:N`; `auto` is a GPU where torch sees one."""
    if name not in DEVICES:
        raise unknown_name("device", name, DEVICES, where="--device")
    if name == "cpu":
        return "cpu"
    import torch  # takes a second, for which who asks for a CPU does not wait

    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise InputError("--device cuda was asked for, but torch sees no GPU: use cpu or auto")
    if not present:
        return "cpu"
    own = os.environ.get("LOCAL_RANK")  # of those that torchrun started each has a GPU of its own
    return f"cuda:{own}" if own else "cuda"


def alone(what: str) -> None:
    """Refuses several processes.

    Args:
        what: runs in one.
    """
    if (count := os.environ.get("WORLD_SIZE", "1")) != "1":
        raise InputError(f"{what} runs in one process, and torchrun started {count}: start it without torchrun")


def leads() -> bool:
    """Whether this is the one process that writes, of those that `torchrun` started together."""
    return os.environ.get("RANK", "0") == "0"
