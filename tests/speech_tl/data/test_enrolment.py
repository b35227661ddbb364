"""Seconds of a speaker are learned from, and never tested on."""

import pytest

from speech_tl.data.enrolment import first_seconds, sessions, unread
from speech_tl.data.manifest import Utterance
from speech_tl.data.splits import digest
from speech_tl.errors import InputError


def utterance(speaker: str, text: str, at: int, seconds: float = 1.0) -> Utterance:
    return Utterance(f"{speaker}{at}.wav", text, "fi", speaker, seconds=seconds, name=f"{speaker}/{text}/{at}")


def test_a_session_divides_a_speaker_by_seconds() -> None:
    own = [utterance(speaker, text, at) for speaker in "ab" for text in ("yksi", "kaksi", "kolme") for at in range(4)]
    first, second = sessions(own, seconds=5.5)
    assert [(each.speaker, len(each.enrolment), len(each.test)) for each in (first, second)] == [
        ("a", 5, 7),
        ("b", 5, 7),
    ]
    assert not set(first.enrolment) & set(first.test)
    less = sessions(own, seconds=3)[0]
    assert less.enrolment == first.enrolment[:3], "a larger amount only adds"
    assert first_seconds(first.enrolment, 3) == less.enrolment
    assert first_seconds(first.enrolment, 0.5) == first.enrolment[:1], "one clip at least"


def test_unheard_texts_are_tested_on() -> None:
    own = [utterance("a", text, at) for text in ("yksi", "kaksi", "kolme", "viisi") for at in range(5)]
    (session,) = sessions(own, seconds=4, unheard_texts=True)
    enrolled, tested = ({each.text for each in part} for part in (session.enrolment, session.test))
    assert len(tested) == 2 and not enrolled & tested
    assert len(session.test) == 10


def test_sentences_that_are_enrolled_or_were_learned_are_not_tested() -> None:
    """Two sentences are read twice: one is enrolled, of the other both clips are tested."""
    own = [utterance("a", text, at) for at, text in enumerate(("yksi", "kaksi", "kolme", "viisi", "yksi", "kaksi"))]
    (session,) = sessions(own, seconds=1)
    (said,) = {each.text for each in session.enrolment}
    rest = sorted(each.text for each in session.test if each.text != said)
    assert sorted(each.text for each in unread(session).test) == rest
    without = unread(session, {digest(rest[0])})
    assert sorted(each.text for each in without.test) == [text for text in rest if text != rest[0]]
    assert without.enrolment == session.enrolment


def test_what_nobody_transcribed_is_learned_from_first() -> None:
    own = [utterance("a", text, at) for at, text in enumerate(("yksi", "kaksi", "", "kolme", ""))]
    (session,) = sessions(own, seconds=2)
    assert [each.text for each in session.enrolment] == ["", ""]
    assert sorted(each.text for each in session.test) == ["kaksi", "kolme", "yksi"]


def test_what_nobody_transcribed_is_no_text_of_a_half() -> None:
    own = [utterance("a", text, at) for at, text in enumerate(("yksi", "kaksi", "", "kolme", "", "viisi"))]
    (session,) = sessions(own, seconds=9, unheard_texts=True)
    assert [each.text for each in session.enrolment][:2] == ["", ""]
    assert len(session.enrolment) == 4 and len(session.test) == 2 and all(each.text for each in session.test)


def test_recordings_of_nobody() -> None:
    with pytest.raises(InputError, match="do not say who speaks: add a column speaker_id"):
        sessions([utterance("", "yksi", 0)], seconds=3)
