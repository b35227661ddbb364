"""Words that no recording of the training holds, recognised by their sounds.

The head of sound classes hears phones, the lexicon says which words they spell, and a tree search finds the word whose
pronunciation is most probable. A held-out word's audio is absent from training and validation; whether its phones, and
their neighbourhoods, were ever heard is counted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from time import process_time

import torch
from torch import Tensor

from speech_tl.data.clips import Clips
from speech_tl.data.preparation import Language
from speech_tl.data.splits import draw
from speech_tl.errors import InputError, unknown_name
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.lookup import searches
from speech_tl.models.word_network import Network
from speech_tl.models.word_search import BEAM, Heard, words
from speech_tl.phonology.lexicon import Lexicon, PrefixTree, prefix_tree
from speech_tl.zero_shot.compatibility import harmonic_mean


def drawn(texts: Collection[str], count: int, *, seed: int) -> tuple[str, ...]:
    """So many of the words, by seed, sorted.

    Raises:
        InputError: none, or so many that fewer than two are left to train on.
    """
    present = sorted(set(texts))
    if not 1 <= count <= len(present) - 2:
        raise InputError(f"{count} words to hold out of {len(present)}: expected 1 to {len(present) - 2}")
    return tuple(sorted(sorted(present, key=lambda text: draw(text, seed))[:count]))


def without(language: Language, held: Collection[str]) -> Language:
    """The language with these words gone from training and validation; the test clips are as they were.

    Raises:
        InputError: a word that nobody says, or nothing is left.
    """
    said = {u.text for clips in (language.train, language.valid, language.test) for u in clips.utterances}
    for word in held:
        if word not in said:
            raise unknown_name("word", word, said, where=f"the recordings of {language.code}")
    parts = []
    for clips in (language.train, language.valid):
        kept = [u for u in clips.utterances if u.text not in held]
        if not kept:
            raise InputError(f"{language.code}: nothing is left to train on without {', '.join(sorted(held)[:5])}")
        parts.append(Clips(kept, clips.sample_rate))
    return replace(language, train=parts[0], valid=parts[1])


@dataclass(frozen=True)
class Answers:
    """What a search made of test clips."""

    said: tuple[str, ...]
    """The words that were said."""
    heard: tuple[tuple[Heard, ...], ...]
    """For each clip, the words of the lexicon that were found, best first."""

    @property
    def best(self) -> list[str]:
        """The best word for each clip, "" where none has room."""
        return [ranked[0].word if ranked else "" for ranked in self.heard]


@torch.inference_mode()
def hear(model: MultilingualCTC, clips: Clips, *, language: str, middle: bool = False) -> list[Tensor]:
    """log p(sound class | frame) (T, P) of every clip. The model's mode is restored.

    Args:
        middle: from the middle block (`MultilingualCTC.sounds`).
    """
    device, training = next(model.parameters()).device, model.training
    model.train(False)
    heard = []
    for index in range(len(clips)):
        audio = clips[index][None].to(device)
        log_probs, frames = model.sounds(audio, torch.tensor([audio.shape[1]], device=device), language, middle=middle)
        heard.append(log_probs[0, : int(frames[0])].cpu())
    model.train(training)
    return heard


def look_up(heard: Sequence[Tensor], clips: Clips, tree: PrefixTree, *, beam: float = BEAM) -> Answers:
    """Every clip as one word of the tree."""
    found = (words(own, tree, beam=beam) or words(own, tree, beam=inf) for own in heard)  # if only beginnings are left
    return Answers(tuple(u.text for u in clips.utterances), tuple(map(tuple, found)))


def row(among_all: Answers, among_unseen: Answers, held: Collection[str], lexicon: Lexicon) -> dict[str, float | int]:
    """Of the table `words`: accuracies in percent, over clips.

    Args:
        among_all: looked up in `lexicon`, all of it.
        among_unseen: looked up in the held-out words alone.
    """
    unseen = [said in held for said in among_all.said]
    right, only = (
        [said == found for said, found in zip(answers.said, answers.best, strict=True)]
        for answers in (among_all, among_unseen)
    )
    seen_accuracy = _percent([ok for ok, new in zip(right, unseen, strict=True) if not new])
    unseen_accuracy = _percent([ok for ok, new in zip(right, unseen, strict=True) if new])
    return {
        "seen_accuracy": seen_accuracy,
        "unseen_accuracy": unseen_accuracy,
        "unseen_among_unseen": _percent([ok for ok, new in zip(only, unseen, strict=True) if new]),
        "harmonic_mean": harmonic_mean(seen_accuracy, unseen_accuracy),
        "lexicon_size": len(lexicon),
        "seen_clips": len(unseen) - sum(unseen),
        "unseen_clips": sum(unseen),
    }


def decoding(heard: Sequence[Tensor], clips: Clips, lexicon: Lexicon) -> list[dict[str, float | int | str]]:
    """The table `decoding`: CPU seconds it takes to make each search for rows of the words ready, from the lexicon on,
    and to search the clips, as a share of how long these are; without a language model.

    Args:
        heard: what `hear` found in the clips.
    """
    seconds = 3600 * clips.hours
    rows: list[dict[str, float | int | str]] = []
    for name, made in searches().items():
        began = process_time()
        search = made(Network(prefix_tree(lexicon)))
        built = process_time()
        for log_probs in heard:
            search(log_probs.double().numpy())
        factor = (process_time() - built) / seconds
        entries = sum(map(len, lexicon.entries.values()))
        rows.append({"search": name, "entries": entries, "build_seconds": built - began, "real_time_factor": factor})
    return rows


def _percent(right: Sequence[bool]) -> float:
    return 100 * sum(right) / max(1, len(right))


def never_heard(held: Sequence[str], trained: Mapping[str, str], lexicon: Lexicon) -> dict[str, int]:
    """How many phones, and pairs of neighbouring phones, of the held-out words no trained text has.

    Args:
        trained: text -> sound classes, of all languages that were trained on.
    """
    heard = {sign for said in trained.values() for sign in said}
    pairs = {pair for said in trained.values() for pair in pairwise(said)}
    own = [said for word in held for said in lexicon.entries[word]]
    return {
        "held_out_phones_unseen": len({sign for said in own for sign in said} - heard),
        "held_out_phone_pairs_unseen": len({pair for said in own for pair in pairwise(said)} - pairs),
    }


def distractors(dictionary: Lexicon, own: Lexicon, held: Sequence[str], count: int, *, seed: int) -> Lexicon:
    """Words of a dictionary that could be mistaken for a held-out one: as many phones, give or take one; by seed.

    Words and pronunciations of `own` are not among them.

    Raises:
        InputError: not so many.
    """
    taken = {said for pronunciations in own.entries.values() for said in pronunciations}
    lengths = {len(said) + more for word in held for said in own.entries[word] for more in (-1, 0, 1)}
    found = {}
    for word, pronunciations in dictionary.entries.items():
        fitting = tuple(said for said in pronunciations if len(said) in lengths and said not in taken)
        if fitting and word not in own.entries:
            found[word] = fitting
    if len(found) < count:
        raise InputError(f"{count} distractors asked for, and {len(found)} words of the dictionary are of such length")
    chosen = sorted(found, key=lambda word: draw(word, seed))[:count]
    return Lexicon({word: found[word] for word in chosen})
