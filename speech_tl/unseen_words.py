"""Words that no recording of the training holds, recognised by their sounds.

A model of sounds is trained on the other words, the lexicon says which sounds spell a word, and a tree search finds the
word whose pronunciation is most probable. Words of the training fit better than they should, so that among all words
they are handicapped (calibrated stacking, Chao et al. 2016), by what further words held out ask for.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import nan
from time import process_time

import torch
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from torch import Tensor

from speech_tl.data.clips import Clips
from speech_tl.errors import InputError
from speech_tl.held_out_words import HeldOut
from speech_tl.models.ctc import MultilingualCTC
from speech_tl.models.decoding import greedy
from speech_tl.models.lookup import searches
from speech_tl.models.timed_words import without_silence
from speech_tl.models.word_network import Network
from speech_tl.models.word_search import Heard, lowered, near
from speech_tl.phonology.lexicon import Lexicon, PrefixTree, prefix_tree
from speech_tl.phonology.phones import TONES, apart
from speech_tl.phonology.units import Units
from speech_tl.zero_shot.compatibility import harmonic_mean

CAPTIONS = {
    "words": "Words right (%): trained words and held-out ones in the whole lexicon, held-out ones among themselves, "
    "and of each and the word most like it, the only two to choose from, the clips of the one and of the other (their "
    "mean is 50 by chance, whatever the handicap). With a handicap, trained words are lowered by so many nats a frame.",
    "hardest": "Words (held out, or trained on) of which the fewest clips are right (%) in the whole lexicon, with the "
    "handicap, and what they are taken for most often: how often, and how far away in articulation (0 for the same "
    "sounds, 1 for a phone more or less for each).",
    "decoding": "CPU-seconds to make a search ready from the lexicon, and its share of the clips' length.",
}
"""What the tables of `rows`, `hardest` and `decoding` show."""
HARDEST = 12
"""Words that the table shows."""

HANDICAPS = tuple(step / 40 for step in range(25))
"""Nats a frame, from 0 to 0.6."""


@dataclass(frozen=True)
class Answers:
    """What a search made of test clips."""

    said: tuple[str, ...]
    """The words that were said."""
    heard: tuple[tuple[Heard, ...], ...]
    """For each clip, the words of the lexicon that were found, best first."""
    frames: tuple[int, ...]
    """Of each clip."""

    @property
    def best(self) -> list[str]:
        """The best word for each clip, "" where none has room."""
        return [ranked[0].word if ranked else "" for ranked in self.heard]


@torch.inference_mode()
def hear(model: MultilingualCTC, clips: Clips, *, language: str) -> list[Tensor]:
    """log p(sound | frame) (T, P) of every clip between the silence at its ends, as `transcribe` looks words up.

    The model's mode is restored.
    """
    device, training = next(model.parameters()).device, model.training
    model.train(False)
    heard = []
    for index in range(len(clips)):
        audio = clips[index][None].to(device)
        log_probs, frames = model.sounds(audio, torch.tensor([audio.shape[1]], device=device), language)
        heard.append(without_silence(log_probs[0, : int(frames[0])].cpu()))
    model.train(training)
    return heard


def look_up(
    heard: Sequence[Tensor],
    clips: Clips,
    tree: PrefixTree,
    doubted: PrefixTree | None = None,
    *,
    handicap: float = 0.0,
) -> Answers:
    """Every clip as one word of the tree.

    Args:
        doubted: as `word_search.near` takes it.
        handicap: up to which the answers may be `handicapped`: so much further from the best a word is still kept.
    """
    found = (tuple(near(own, tree, doubted=doubted, more=handicap * len(own))) for own in heard)
    return Answers(tuple(u.text for u in clips.utterances), tuple(found), tuple(map(len, heard)))


def nearest(heard: Sequence[Tensor], clips: Clips, lexicon: Lexicon, units: Units) -> Answers:
    """Every clip as the word whose pronunciation is the fewest edits away from the sounds that greedy search writes.

    It takes nothing from the scores but the best sound of each frame: what `look_up` gains over it comes from the rest.
    The answers' scores are edits, negative; of equals one by chance, always the same, is the best.
    """
    words = [(word, _signs(units.encode(said))) for word, ways in lexicon.entries.items() for said in ways]
    written = [_signs(greedy(own[None], torch.tensor([len(own)]))[0]) for own in heard]
    edits = cdist(written, [said for _, said in words], scorer=Levenshtein.distance)
    found = []
    for distances in edits.tolist():
        least: dict[str, int] = {}
        for (word, _), distance in zip(words, distances, strict=True):
            least[word] = min(distance, least.get(word, distance))
        ranked = sorted(least, key=lambda word: (least[word], _lot(word)))
        found.append(tuple(Heard(word, -float(least[word])) for word in ranked))
    return Answers(tuple(u.text for u in clips.utterances), tuple(found), tuple(map(len, heard)))


def rivals(held: Sequence[str], lexicon: Lexicon, units: Units) -> dict[str, str]:
    """Each held-out word -> the other word of the lexicon that the fewest edits tell from it; of equals the first.

    Words that tones alone tell apart are the most alike; tones count where their other sounds are equally far.

    Raises:
        InputError: there is no other.
    """
    if len(lexicon) < 2:
        raise InputError(f"a lexicon of {len(lexicon)} words: expected another beside the held-out ones")
    toneless = str.maketrans("", "", TONES)
    said = {
        word: [(_signs(units.encode(each.translate(toneless))), _signs(units.encode(each))) for each in ways]
        for word, ways in lexicon.entries.items()
    }

    def edits(word: str, other: str) -> tuple[int, ...]:
        return min(tuple(map(Levenshtein.distance, one, two)) for one in said[word] for two in said[other])

    return {word: min((o for o in said if o != word), key=lambda other: edits(word, other)) for word in held}


def _lot(word: str) -> bytes:
    """What decides between equals, and knows nothing of where a word comes from."""
    return hashlib.blake2s(word.encode()).digest()


def _signs(sounds: Iterable[int]) -> str:
    """One character for each sound."""
    return "".join(map(chr, sounds))


def handicapped(answers: Answers, seen: Collection[str], handicap: float) -> Answers:
    """The same, words that were trained on lowered by so many nats for every frame of the clip."""

    each = zip(answers.heard, answers.frames, strict=True)
    return replace(answers, heard=tuple(tuple(lowered(own, seen, handicap * frames)) for own, frames in each))


def best_handicap(tests: Sequence[tuple[Answers, Collection[str]]]) -> float:
    """Nats a frame by which words that were trained on are lowered for the best harmonic mean of seen and unseen.

    Args:
        tests: of each language the answers, and its words that were trained on; the mean over languages counts.
    """

    def means(handicap: float) -> float:
        found = [handicapped(answers, seen, handicap) for answers, seen in tests]
        unseen = [[said not in seen for said in answers.said] for answers, seen in tests]
        return sum(harmonic_mean(*_accuracies(*each)) for each in zip(found, unseen, strict=True))

    return max(HANDICAPS, key=means)


def rows(
    heard: Sequence[Tensor], clips: Clips, lexicon: Lexicon, words: HeldOut, language: str, *, handicap: float
) -> list[dict[str, float | int | str]]:
    """The table `words`: the clips searched by the tree, without the handicap and with it, and by edit distance.

    Args:
        heard: what `hear` found in the clips.
        lexicon: in which the held-out words are, whose clips are also looked up among these words alone.
        handicap: of what was trained on.
    """
    units, held, known = words.spell.units, words.words[language], words.known(language)
    only = lexicon.of(held)

    everything = range(len(clips))

    def by_tree(lexicon: Lexicon, at: Sequence[int] = everything) -> Answers:
        trees = words.trees(lexicon, language)
        return look_up([heard[i] for i in at], clips.take(at), *trees, handicap=handicap)

    def by_edits(lexicon: Lexicon, at: Sequence[int] = everything) -> Answers:
        return nearest([heard[i] for i in at], clips.take(at), lexicon, units)

    spoken = [u.text for u in clips.utterances]
    two = {
        word: (lexicon.of((word, rival)), [at for at, text in enumerate(spoken) if text in (word, rival)])
        for word, rival in rivals(held, lexicon, units).items()
    }
    found: list[dict[str, float | int | str]] = []
    all_, unseen, paired = by_tree(lexicon), by_tree(only), {word: by_tree(*each) for word, each in two.items()}
    for nats in dict.fromkeys((0.0, handicap)):
        lower = partial(handicapped, seen=known, handicap=nats)
        pairs = {word: lower(answers) for word, answers in paired.items()}
        found.append({"search": "tree", "handicap": nats, **row(lower(all_), unseen, pairs, held, lexicon)})
    pairs = {word: by_edits(*each) for word, each in two.items()}
    last = row(by_edits(lexicon), by_edits(only), pairs, held, lexicon)
    return [*found, {"search": "edit_distance", "handicap": 0.0, **last}]


def row(
    among_all: Answers,
    among_unseen: Answers,
    among_two: Mapping[str, Answers],
    held: Collection[str],
    lexicon: Lexicon,
) -> dict[str, float | int]:
    """Of the table `words`: accuracies in percent, over clips.

    Args:
        among_all: looked up in `lexicon`, all of it.
        among_unseen: looked up in the held-out words alone.
        among_two: held-out word -> the clips of it and of its rival, looked up in these two.
    """
    unseen = [said in held for said in among_all.said]
    seen_accuracy, unseen_accuracy = _accuracies(among_all, unseen)
    pairs = [
        (said == word, said == best)
        for word, answers in among_two.items()
        for said, best in zip(answers.said, answers.best, strict=True)
    ]
    return {
        "seen_accuracy": seen_accuracy,
        "unseen_accuracy": unseen_accuracy,
        "unseen_among_unseen": _accuracies(among_unseen, unseen)[1] if len(held) > 1 else nan,  # no choice
        "unseen_against_nearest": _percent(right for own, right in pairs if own),
        "nearest_against_unseen": _percent(right for own, right in pairs if not own),
        "harmonic_mean": harmonic_mean(seen_accuracy, unseen_accuracy),
        "lexicon_size": len(lexicon),
        "seen_clips": len(unseen) - sum(unseen),
        "unseen_clips": sum(unseen),
    }


def hardest(
    answers: Answers, lexicon: Lexicon, held: Collection[str]
) -> list[dict[str, float | int | str | bool | None]]:
    """The table `hardest`: words and what they are taken for; `answers` looked up in `lexicon`."""
    found: dict[str, Counter[str]] = {}
    for said, best in zip(answers.said, answers.best, strict=True):
        found.setdefault(said, Counter())[best] += 1
    rows: list[dict[str, float | int | str | bool | None]] = []
    for said in sorted(found, key=lambda word: found[word][word] / found[word].total())[:HARDEST]:
        wrong = Counter({word: count for word, count in found[said].items() if word != said})
        other, times = next(iter(wrong.most_common(1)), ("", 0))
        pairs = product(lexicon.entries[said], lexicon.entries.get(other, ()))
        rows.append(
            {
                "word": said,
                "said": " ".join(lexicon.entries[said]),
                "held_out": said in held,
                "clips": found[said].total(),
                "right": 100 * found[said][said] / found[said].total(),
                "taken_for": other,
                "times": times,
                "articulatory_distance": min((apart(*pair) for pair in pairs), default=None),
            }
        )
    return rows


def decoding(
    heard: Sequence[Tensor], clips: Clips, lexicon: Lexicon, units: Units
) -> list[dict[str, float | int | str]]:
    """The table `decoding`: CPU seconds it takes to make each search for rows of the words ready, from the lexicon on,
    and to search the clips, as a share of how long these are; without a language model.

    Args:
        heard: what `hear` found in the clips.
    """
    seconds = 3600 * clips.hours
    rows: list[dict[str, float | int | str]] = []
    for name, made in searches().items():
        began = process_time()
        search = made(Network(prefix_tree(lexicon, units=units.encode)))
        built = process_time()
        for log_probs in heard:
            search(log_probs.double().numpy())
        factor = (process_time() - built) / seconds
        entries = sum(map(len, lexicon.entries.values()))
        rows.append({"search": name, "entries": entries, "build_seconds": built - began, "real_time_factor": factor})
    return rows


def _percent(right: Iterable[bool]) -> float:
    """Not a number of none."""
    answers = list(right)
    return 100 * sum(answers) / len(answers) if answers else nan


def _accuracies(answers: Answers, unseen: Sequence[bool]) -> tuple[float, float]:
    """Percent of right answers to the words that were trained on, and to those that were not."""
    right = [said == found for said, found in zip(answers.said, answers.best, strict=True)]
    parts = ([ok for ok, new in zip(right, unseen, strict=True) if new == wanted] for wanted in (False, True))
    seen, new = (100 * sum(part) / max(1, len(part)) for part in parts)
    return seen, new
