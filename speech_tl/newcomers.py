"""Whose voice is new to a checkpoint, and what of their recordings it can learn from and be tested on."""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from speech_tl.data.batches import Examples
from speech_tl.data.clips import Clips
from speech_tl.data.enrolment import Session, sessions, unread
from speech_tl.data.manifest import Utterance
from speech_tl.data.splits import is_word_list
from speech_tl.data.text import Normaliser, normaliser
from speech_tl.errors import InputError, unknown_name
from speech_tl.models.ctc import MultilingualCTC

Utterances = list[Utterance]


def in_language(
    utterances: Sequence[Utterance], language: str, model: MultilingualCTC, *, where: str
) -> tuple[str, Utterances]:
    """The language and its utterances; the only one there is, if none is named.

    Args:
        where: they come from, for whoever is told that something is missing.

    Raises:
        InputError: there are several and none is named, or the model does not know it.
    """
    present = sorted({utterance.language for utterance in utterances})
    if not language and len(present) > 1:
        raise InputError(f"{where} hold {', '.join(present)}: say which with --language")
    language = model.known(language or present[0])
    if language not in present:
        raise unknown_name("language", language, present, where=where)
    return language, [u for u in utterances if u.language == language]


def spoken_by(speakers: Sequence[str], utterances: Sequence[Utterance], *, where: str) -> Utterances:
    """Only of these speakers.

    Raises:
        InputError: one of them says nothing.
    """
    for speaker in speakers:
        if speaker not in (present := {u.speaker for u in utterances}):
            raise unknown_name("speaker", speaker, present, where=where)
    return [u for u in utterances if u.speaker in speakers]


def strangers(
    recordings: Sequence[Utterance], utterances: Sequence[Utterance], heard: Collection[str], *, told: bool
) -> Utterances:
    """Of the speakers on whom a checkpoint was neither trained nor chosen, in whatever language.

    Args:
        recordings: in all languages.
        utterances: in the one that is asked for.
        heard: keys of what the checkpoint was trained or chosen on.
        told: say who is left out.

    Raises:
        InputError: it knows all of them.
    """
    known = {u.speaker for u in recordings if u.key in heard} & {u.speaker for u in utterances}
    found = [u for u in utterances if u.speaker not in known]
    if not found:
        raise InputError("the checkpoint was trained on every speaker there; name some with --speakers")
    if known and told:
        print(f"left out, known to the checkpoint: {', '.join(sorted(known))}; --speakers names them", file=sys.stderr)
    return found


def divided(
    utterances: Sequence[Utterance],
    model: MultilingualCTC,
    language: str,
    *,
    seconds: float,
    unheard_texts: bool,
    transcribed: bool,
    learned: Collection[str],
    seed: int,
) -> list[Session]:
    """What each speaker enrols with and is tested on (`data.enrolment.sessions`), texts normalised.

    Of running speech no text that is enrolled or that the model learned is tested, which is counted and said.

    Args:
        learned: sentences of the model's training and validation, by their digests.
        transcribed: whether transcripts are learned from; where not, clips without one are enrolled too, and tested is
            what has one that the head can write.
    """
    say = normaliser_of(model, language)
    spoken = [replace(u, text=say(u.text)) for u in utterances]
    if transcribed:
        spoken = writable(spoken, model, language)
    found = sessions(spoken, seconds=seconds, unheard_texts=unheard_texts, seed=seed)
    if not is_word_list([u.text for u in spoken if u.text]):
        clips = sum(len(each.test) for each in found)
        found = [unread(each, learned) for each in found]
        if read := clips - sum(len(each.test) for each in found):
            print(
                f"{read} of {clips} test clips are left out: their sentences are enrolled, or known to the checkpoint",
                file=sys.stderr,
            )
    if transcribed:
        return found
    missing = model.units(language).missing
    return [replace(own, test=tuple(u for u in own.test if u.text and not missing(u.text))) for own in found]


def writable(utterances: Sequence[Utterance], model: MultilingualCTC, language: str) -> Utterances:
    """Texts, normalised already, that the language's head cannot write are left out and shown, and empty ones counted.

    Raises:
        InputError: it can write none of them.
    """
    if empty := sum(not u.text for u in utterances):
        print(f"{empty} clips are left out, of whose text nothing is left when normalised", file=sys.stderr)
    utterances = [u for u in utterances if u.text]
    if not utterances:
        raise InputError(f"no clip of {language} has a transcript of which something is left when normalised")
    missing = {u.key: model.units(language).missing(u.text) for u in utterances}
    if strange := sorted({symbol for symbols in missing.values() for symbol in symbols}):
        count = sum(map(bool, missing.values()))
        said = f"{count} of {len(utterances)} clips have symbols that the head of {language} cannot write"
        if count == len(utterances):
            raise InputError(f"{said}: {' '.join(map(repr, strange))}; is it the right language?")
        print(f"{said} and are left out: {' '.join(map(repr, strange))}", file=sys.stderr)
    return [u for u in utterances if not missing[u.key]]


def clips_by(
    speakers: Sequence[str], utterances: Sequence[Utterance], model: MultilingualCTC, language: str, *, where: str
) -> Mapping[str, Clips]:
    """Speaker -> the clips of these that have a transcript which the head can write.

    Raises:
        InputError: of one there is none.
    """
    say = normaliser_of(model, language)
    written = writable([replace(u, text=say(u.text)) for u in utterances if u.text], model, language)
    found = {}
    for speaker in speakers:
        own = [utterance for utterance in written if utterance.speaker == speaker]
        if not own:
            raise InputError(f"{where}: nothing of {speaker} that is new to the checkpoint; name others")
        found[speaker] = Clips(own, model.sample_rate(language))
    return found


def examples(model: MultilingualCTC, utterances: Sequence[Utterance]) -> Examples:
    """Clips with their targets; texts normalised, of one language."""
    language = utterances[0].language
    encode = model.units(language).encode
    clips = Clips(utterances, model.sample_rate(language))
    return Examples(language, clips, tuple(encode(utterance.text) for utterance in utterances))


def normaliser_of(model: MultilingualCTC, language: str) -> Normaliser:
    """What the model's texts of a language were normalised by."""
    return normaliser(language, model.config.normalisers.get(language))
