"""Which languages are held out."""

import pytest

from speech_tl.data.transcriptions import Words
from speech_tl.errors import InputError
from speech_tl.phonology.inventories import Inventory
from speech_tl.unseen_languages import held_out

DATA = {code: Words(code, (), Inventory.of("a")) for code in ("aa", "bb", "cc", "dd")}


def test_languages_are_named_or_drawn() -> None:
    assert held_out(DATA, ["dd", "bb", "dd"], seed=0) == ("bb", "dd")
    assert held_out(DATA, ["2"], seed=0) == held_out(dict(reversed(DATA.items())), ["2"], seed=0)
    assert {held_out(DATA, ["1"], seed=seed) for seed in range(30)} == {(code,) for code in DATA}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (["ab"], "unknown language 'ab' in --hold-out; .*known: aa, bb, cc, dd"),
        (["4"], "4 languages to hold out of 4: expected one or more, and two to train on"),
        (["0"], "0 languages to hold out of 4"),
        (["aa", "bb", "cc"], "3 languages to hold out of 4"),
        ([], "0 languages to hold out of 4"),
    ],
)
def test_languages_that_cannot_be_held_out(wanted: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        held_out(DATA, wanted, seed=0)
