"""What a user's own file or flag can get wrong, said in one line.

Library code raises `InputError`; the commands turn it into one line on standard error and exit code 2, so a bad
file never produces a traceback and a bug of ours always does.
"""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """One line: what came, what was expected, where, and what to do next."""


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: str = "") -> InputError:
    """`unknown language 'bm' in manifest.csv; did you mean 'bn'? known: bn, fa, uk`"""
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1)
    place = f" in {where}" if where else ""
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    return InputError(f"unknown {kind} {name!r}{place}{hint} known: {', '.join(choices) or 'none'}")
