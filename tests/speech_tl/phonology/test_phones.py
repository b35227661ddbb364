"""IPA of every habit cut into phones, and what each is made of."""

import sys

import pytest

from speech_tl.errors import InputError
from speech_tl.phonology import phones
from speech_tl.phonology.phones import apart, nearest, segments, signatures


@pytest.mark.parametrize(
    ("ipa", "found"),
    [
        ("ˈaˑdʒʃʲ", "aˑ d͡ʒ ʃʲ"),
        ("t͡ʃʰ ɜ r ä", "t͡ʃʰ ɜ r ä"),
        ("tʃʼa", "t͡ʃʼ a"),
        ("t ʃ", "t ʃ"),  # apart on purpose
        ("t̪s̪", "t̪ s̪"),
        ("k͡pa͜ɪ", "k͡p a͡ɪ"),
        ("ãːg", "ãː ɡ"),
        ("ⁿdaˀa", "ⁿd aˀ a"),
        ("ʧεɝ", "t͡ʃ ɛ ɜ˞"),
        ("ça.ǃa|ʷa", "ç a ǃ a ʷa"),
        ("p ɛ ː̂ t s", "p ɛː t s"),  # a length that stands apart
        ("t\u200dʃa\u200b", "t͡ʃ a"),  # as ipa-dict ties them
    ],
)
def test_phones_of_a_transcript(ipa: str, found: str) -> None:
    assert segments(ipa) == tuple(found.split())
    assert segments(found) == tuple(found.split()), "a second time changes nothing"


def test_tones_are_dropped_or_phones_of_their_own() -> None:
    assert segments("má˥˩n̩̂a²") == ("m", "a", "n̩", "a")
    assert segments("má˥˩n̩̂a²", tones=True) == ("m", "a", "˦", "˥", "˩", "n̩", "˦", "˨", "a", "˨")


@pytest.mark.parametrize(
    ("ipa", "sign"), [("a1", "1"), ("m?", "?"), ("a\uf19d", "U+F19D"), ("ː a", "U+02D0"), ("мир", "м"), ("noR", "R")]
)
def test_what_is_no_ipa(ipa: str, sign: str) -> None:
    with pytest.raises(InputError, match="in row 3 is no IPA") as refused:
        segments(ipa, where="row 3")
    assert sign in str(refused.value)


def test_signatures_by_hand() -> None:
    table = signatures(["p", "b", "m", "a"])
    feature = dict(zip(table.attributes, table.values.T.tolist(), strict=True))
    assert table.values.shape == (4, 24)
    assert feature["voi"] == [-1, 1, 1, 1]
    assert feature["nas"] == [-1, -1, 1, -1]
    assert feature["syl"] == [-1, -1, -1, 1]
    assert feature["lab"] == [1, 1, 1, -1]
    assert feature["hitone"] == [0, 0, 0, 0]


def test_a_diacritic_without_features_changes_nothing() -> None:
    assert signatures(["aˑ"]).values.tolist() == signatures(["a"]).values.tolist()
    assert signatures(["aː"]).values.tolist() != signatures(["a"]).values.tolist()


def test_letters_that_nobody_articulates() -> None:
    with pytest.raises(InputError, match="'R' is no phone whose articulation is known"):
        signatures(["a", "R"])


def test_the_nearest_phone_and_how_far_it_is() -> None:
    b, p, a = nearest(["b", "p", "a"], ["m", "p", "t", "b"])
    assert (b.nearest, b.distance) == ("b", 0)
    assert (p.nearest, p.distance) == ("p", 0)
    assert a.nearest == "m" and a.distance > 0.3
    (voiced,) = nearest(["d"], ["t", "n", "a"])
    assert (voiced.nearest, voiced.distance) == ("t", pytest.approx(1 / 24)), "only the voice differs"
    (retracted,) = nearest(["t̠"], ["n", "t"])
    assert (retracted.nearest, retracted.distance) == ("t", 0), "panphon has no feature for it"
    with pytest.raises(InputError, match="no phone is known"):
        nearest(["a"], [])


def test_pronunciations_that_differ_in_a_feature_are_near() -> None:
    """[t] and [d] differ in the voice, one of 24 features, of two phones; a phone more is one of three."""
    assert apart("ta", "da") == pytest.approx(1 / 48)
    assert apart("ta", "tam") == pytest.approx(1 / 3)
    assert apart("ta", "ta") == 0


def test_without_panphon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "panphon", None)
    phones._feature_table.cache_clear()
    with pytest.raises(InputError, match=r'pip install "speech-tl\[phones\]"'):
        signatures(["a"])
