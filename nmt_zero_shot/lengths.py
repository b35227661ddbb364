"""How long a translation may become, and which sources are translated together: the same for every engine."""

from collections.abc import Callable, Iterator, Sequence

Length = Callable[[int], int]
"""Subwords of a source -> the most subwords, with the end, that its translation may have."""


def twice(length: int) -> int:
    """Longer than any good translation; what a model that never ends a sentence is stopped by."""
    return 2 * length + 10


def batches(sources: Sequence[Sequence[int]], *, rows: Length) -> Iterator[list[int]]:
    """Indices of sources of like length, the longest first, at most `rows(longest)` together."""
    order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
    while order:
        size = max(1, rows(len(sources[order[0]])))
        yield order[:size]
        order = order[size:]
