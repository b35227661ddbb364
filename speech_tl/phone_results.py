"""How well phones and words of a language are heard: tables that hold the heads of a recogniser against each other.

Every head is judged on the same clips, so their differences are paired; over several languages a bootstrap draws
languages first and their words second, because words of one tape resemble each other.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf

import torch
from torch import Tensor

from speech_tl import statistics
from speech_tl.data.clips import Clips
from speech_tl.data.transcriptions import Words
from speech_tl.metrics import Errors, confusions, errors
from speech_tl.models.decoding import greedy
from speech_tl.models.phone_heads import HEADS, Head, PhoneRecogniser
from speech_tl.models.word_search import words
from speech_tl.phonology.inventories import Coverage, coverage
from speech_tl.phonology.lexicon import Lexicon, PrefixTree, prefix_tree
from speech_tl.results import Row

CAPTIONS = {
    "phones": "Phone errors (%) of each head in languages that nothing was trained on, with 95 % intervals.",
    "differences": "Points by which one head errs more than another on the same clips, with 95 % intervals.",
    "words": "Words right (%) among each language's own words, beside chance and what their length alone tells.",
    "coverage": "Phones that no training language has, how often they are said, and what stands for each.",
}
"""What the tables of `phone_rows`, `difference_rows`, `word_rows` and `coverage` show."""

BATCH = 16
"""Clips that are heard at once."""
Phones = tuple[str, ...]


@dataclass(frozen=True)
class Heard:
    """What one head made of one word."""

    language: str
    said: Phones
    written: Phones
    word: str
    """As it stands in the lexicon."""
    found: str
    """The best word of the lexicon."""
    lexicon_size: int
    by_length: float
    """The probability of finding it by nothing but how long it takes (`found_by_length`)."""

    @property
    def errors(self) -> Errors:
        return errors(self.said, self.written)


def hear(
    model: PhoneRecogniser, language: Words, clips: Clips, *, heads: Sequence[Head] = HEADS, lexicon: bool = True
) -> dict[Head, list[Heard]]:
    """Every word of a language, by each head.

    Args:
        clips: the audio of `language.utterances`.
        lexicon: whether the words are also looked up, each among all of them; else `found` is empty.
    """
    inventory, said = language.inventory, language.phones
    entries = {" ".join(phones): (" ".join(phones),) for phones in said}
    tree = prefix_tree(Lexicon(entries), units=lambda text: inventory.encode(text.split())) if lexicon else None
    found: dict[Head, list[Heard]] = {head: [] for head in heads}
    lengths = found_by_length(said, clips.lengths)
    for phones, length, (own, opinions) in zip(said, lengths, _opinions(model, language, clips, heads), strict=True):
        reference = inventory.decode(inventory.encode(phones))
        for head, log_probs in opinions.items():
            written = inventory.decode(greedy(log_probs[None], torch.tensor([own]))[0])
            word = _best(log_probs[:own], tree) if tree is not None else ""
            found[head].append(Heard(language.code, reference, written, " ".join(phones), word, len(entries), length))
    return found


def _best(log_probs: Tensor, tree: PrefixTree) -> str:
    ranked = words(log_probs, tree) or words(log_probs, tree, beam=inf)  # if only beginnings are left
    return ranked[0].word if ranked else ""


@torch.inference_mode()
def _opinions(
    model: PhoneRecogniser, language: Words, clips: Clips, heads: Sequence[Head]
) -> Iterator[tuple[int, dict[Head, Tensor]]]:
    """For each clip its frames and head -> log-probabilities (T, 1 + S). The model's mode is restored."""
    device, training = next(model.parameters()).device, model.training
    model.train(False)
    for first in range(0, len(clips), BATCH):
        audio = [clips[index] for index in range(first, min(first + BATCH, len(clips)))]
        samples = torch.tensor([len(clip) for clip in audio], device=device)
        padded = torch.nn.utils.rnn.pad_sequence(audio, batch_first=True).to(device)
        opinions, frames = model.opinions(padded, samples, language.inventory, heads)
        for at, own in enumerate(frames.tolist()):
            yield own, {head: log_probs[at].cpu() for head, log_probs in opinions.items()}
    model.train(training)


def found_by_length(said: Sequence[Phones], samples: Sequence[int]) -> list[float]:
    """For each clip the probability of its word, drawn from those whose number of phones fits its length best.

    That is what a lexicon gives away to one who hears when a word begins and ends, at the language's mean rate.
    """
    rate = sum(map(len, said)) / sum(samples)  # phones per sample
    sizes = Counter(map(len, set(said)))
    fitting = [min(sizes, key=lambda size: abs(size - rate * own)) for own in samples]
    return [(len(phones) == size) / sizes[size] for phones, size in zip(said, fitting, strict=True)]


def phone_rows(heard: Mapping[Head, Sequence[Heard]], known: Sequence[str]) -> list[Row]:
    """The table `phones`: a row per language and head, and for all languages together.

    Args:
        known: phones of the training; `unseen_right` is the percentage of the others that were written.
    """
    rows = []
    for language, head, own in _by_language(heard):
        new = {phone for each in own for phone in each.said} - set(known)
        missed = confusions((each.said, each.written) for each in own)
        spoken = sum(phone in new for each in own for phone in each.said)
        wrong = sum(count for (phone, _), count in missed.items() if phone in new)
        per = statistics.bootstrap(
            [each.language for each in own], [each.errors.count for each in own], [each.errors.length for each in own]
        )
        rows.append(
            {
                "language": language,
                "head": head,
                "per": per.mean,
                "per_low": per.low,
                "per_high": per.high,
                "unseen_phones": len(new),
                "unseen_spoken": spoken,
                "unseen_right": 100 * (spoken - wrong) / spoken if spoken else None,
                "utterances": len(own),
            }
        )
    return rows


def word_rows(heard: Mapping[Head, Sequence[Heard]]) -> list[Row]:
    """The table `words`: accuracy among a language's own words, against chance and against their length alone."""
    rows = []
    for language, head, own in _by_language(heard):
        right = [each.found == each.word for each in own]
        accuracy = statistics.bootstrap([each.language for each in own], right, [1] * len(own))
        rows.append(
            {
                "language": language,
                "head": head,
                "accuracy": accuracy.mean,
                "accuracy_low": accuracy.low,
                "accuracy_high": accuracy.high,
                "chance": 100 * sum(1 / each.lexicon_size for each in own) / len(own),
                "by_length": 100 * sum(each.by_length for each in own) / len(own),
                "utterances": len(own),
            }
        )
    return rows


def difference_rows(heard: Mapping[Head, Sequence[Heard]]) -> list[Row]:
    """Head minus head on the same clips, in points: the errors of phones, and the accuracy among words."""
    rows = []
    for a, b in combinations(heard, 2):
        languages = [each.language for each in heard[a]]
        per = statistics.paired_bootstrap(
            languages,
            [each.errors.count for each in heard[a]],
            [each.errors.count for each in heard[b]],
            [each.errors.length for each in heard[a]],
        )
        right = [[each.found == each.word for each in heard[head]] for head in (a, b)]
        accuracy = statistics.paired_bootstrap(languages, right[0], right[1], [1] * len(languages))
        row: Row = {"head": a, "against": b}
        for name, interval in (("per", per), ("accuracy", accuracy)):
            row |= {f"{name}_difference": interval.mean, f"{name}_difference_low": interval.low}
            row |= {f"{name}_difference_high": interval.high}
        rows.append(row)
    return rows


def constant_error(said: Sequence[Phones], trained: Sequence[Phones]) -> tuple[str, float]:
    """The most frequent phone of the training, and the phone error (%) of writing it alone for every word."""
    (phone, _), *_ = Counter(phone for phones in trained for phone in phones).most_common(1)
    return phone, sum((errors(phones, (phone,)) for phones in said), Errors()).rate


def covered(language: Words, known: Sequence[str]) -> Coverage:
    """What of a language's words a recogniser that was trained on the phones `known` cannot hear as it is."""
    said = {" ".join(phones): phones for phones in language.phones}
    return coverage(tuple(said), said, known)


def coverage_rows(language: str, found: Coverage) -> list[Row]:
    """The table `coverage`: phones that the training lacks, how many times they occur and what stands for each."""
    return [
        {
            "language": language,
            "phone": each.phone,
            "times": count,
            "nearest": each.nearest,
            "distance": each.distance,
        }
        for each, count in found.replaced
    ]


def _by_language(heard: Mapping[Head, Sequence[Heard]]) -> Iterator[tuple[str, Head, list[Heard]]]:
    """(language, head, what was heard), the last language "all"."""
    languages = list(dict.fromkeys(each.language for own in heard.values() for each in own))
    for language in (*languages, "all"):
        for head, own in heard.items():
            yield language, head, [each for each in own if language in (each.language, "all")]
