"""Replay: a share of the updates goes on with what was learned before, so that less of it is forgotten.

The new recordings keep the updates that they would have alone; those of the old ones come on top (rehearsal, Robins,
1995; Rebuffi et al., 2017).
"""

from collections.abc import Collection

from speech_tl.errors import InputError


def check(share: float) -> None:
    """Refuses what is no share."""
    if not 0 <= share < 1:
        raise InputError(f"--replay {share:g}: expected a share of the updates, 0 (none) to below 1, such as 0.5")


def updates(new: int, share: float) -> int:
    """Of all recordings together: n / (1 − share) for n of the new ones."""
    return round(new / (1 - share))


def shares(new: str, old: Collection[str], share: float) -> dict[str, float]:
    """How much of the draws each has: the new recordings 1 − share, the old ones the same of what is left."""
    return {new: 1 - share, **{each: share / len(old) for each in old}}
