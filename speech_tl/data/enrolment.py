"""What a speaker's recordings are for: seconds of them to learn the voice from, and the others to test on."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from speech_tl.data.manifest import Utterance
from speech_tl.data.splits import digest, draw, lasting
from speech_tl.errors import InputError


@dataclass(frozen=True)
class Session:
    """One speaker's recordings, divided: what is learned from, and what the result is tested on."""

    speaker: str
    enrolment: tuple[Utterance, ...]
    test: tuple[Utterance, ...]


def sessions(
    utterances: Sequence[Utterance], *, seconds: float, unheard_texts: bool = False, seed: int = 0
) -> list[Session]:
    """A session per speaker: clips in a seeded order up to `seconds` for enrolment, and the others for testing.

    What nobody transcribed is enrolled first, since it cannot be tested.

    Args:
        utterances: texts normalised.
        unheard_texts: enrol on one half of the texts and test on the other: what is gained then is of the voice, not of
            the words.

    Raises:
        InputError: nobody is named.
    """
    speakers: dict[str, list[Utterance]] = {}
    for utterance in sorted(utterances, key=lambda u: (bool(u.text), draw(u.key, seed))):
        speakers.setdefault(utterance.speaker, []).append(utterance)
    if "" in speakers:
        raise InputError("these recordings do not say who speaks: add a column speaker_id to their table")
    found = []
    for speaker, own in sorted(speakers.items()):
        texts = sorted({utterance.text for utterance in own} - {""}, key=lambda each: draw(each, seed))
        heard = {"", *(texts[: (len(texts) + 1) // 2] if unheard_texts else texts)}
        enrolment = first_seconds([each for each in own if each.text in heard], seconds)
        rest = [each for each in own if each not in enrolment and not (unheard_texts and each.text in heard)]
        found.append(Session(speaker, enrolment, tuple(rest)))
    return found


def unread(session: Session, learned: Collection[str] = ()) -> Session:
    """The session without test clips whose text is enrolled or `learned`.

    In running speech, knowing a text would be taken for knowing the voice.

    Args:
        learned: texts by their digests (`splits.digest`).
    """
    known = {digest(each.text) for each in session.enrolment if each.text} | {*learned}
    return replace(session, test=tuple(each for each in session.test if digest(each.text) not in known))


def mark(utterance: Utterance) -> str:
    """8 hexadecimal digits by which a voice file knows again what it was learned from, without names of files."""
    return hashlib.sha256(utterance.key.encode()).hexdigest()[:8]


def first_seconds(utterances: Sequence[Utterance], seconds: float) -> tuple[Utterance, ...]:
    """The first clips that together last at most so long, at least one: a larger amount only adds to a smaller."""
    chosen: list[Utterance] = []
    left = seconds
    for utterance in utterances:
        left -= lasting(utterance)
        if left < 0 and chosen:
            break
        chosen.append(utterance)
    return tuple(chosen)
