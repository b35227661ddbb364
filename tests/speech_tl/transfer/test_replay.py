"""Three updates in four on what was learned before: four times as many in all."""

import pytest

from speech_tl.errors import InputError
from speech_tl.transfer import replay


def test_the_new_recordings_keep_their_updates() -> None:
    assert [replay.updates(100, share) for share in (0, 0.5, 0.75)] == [100, 200, 400]
    assert replay.shares("lit", ["arb", "eng"], 0.75) == {"lit": 1 / 4, "arb": 3 / 8, "eng": 3 / 8}


@pytest.mark.parametrize("share", [-0.1, 1, float("nan")])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=r"--replay .*: expected a share of the updates, 0 \(none\) to below 1"):
        replay.check(share)
