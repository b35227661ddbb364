"""Words outside the lexicon, which no answer is right for: how sure one has to be of the best word.

The confidence is the one that `transcribe` prints. How sure a model is of right answers its validation clips say, of
words it was trained on; so a share of them that may be lost is turned into a confidence, and what that threshold does
to other words is measured.
"""

from collections.abc import Collection, Sequence
from math import exp, nan

import numpy as np
from sklearn.metrics import roc_auc_score
from torch import Tensor

from speech_tl.data.clips import Clips
from speech_tl.held_out_words import HeldOut
from speech_tl.models.lookup import threshold
from speech_tl.models.word_search import near
from speech_tl.phonology.lexicon import Lexicon
from speech_tl.unseen_words import Answers, handicapped

CAPTIONS = {
    "rejection": "Where words below `least` percent of confidence are not believed, which loses so many of the "
    "validation clips that are answered rightly (%): what it loses of right answers to test clips, of trained and of "
    "held-out words, how many clips are answered all the same when their word is taken out of the lexicon, and how "
    "well confidence tells the ones from the others at any threshold (the area under the curve, 50 by chance).",
}
"""What the table of `rows` shows."""
RATES = (2, 5, 10)
"""Percent of right answers that may be lost, for the table."""


def confidences(answers: Answers, *, handicap: float) -> list[float]:
    """How sure (%) each best word is, as `lookup.one_word` has it; 0 where there is none.

    Args:
        answers: `handicapped`, by so many nats a frame, which words that were not trained on are raised by here.
    """
    pairs = zip(answers.heard, answers.frames, strict=True)
    return [100 * exp(min(0.0, ranked[0].score / frames + handicap)) if ranked else 0.0 for ranked, frames in pairs]


def percentiles(answers: Sequence[Answers], *, handicap: float) -> list[float]:
    """The confidence (%) below which 0, 1, ... 100 % of the right answers are; empty where none is right."""
    right = [
        confidence
        for own in answers
        for confidence, said, best in zip(confidences(own, handicap=handicap), own.said, own.best, strict=True)
        if said == best
    ]
    return [round(float(value), 2) for value in np.percentile(right, range(101))] if right else []


def absent(
    heard: Sequence[Tensor], clips: Clips, lexicon: Lexicon, words: HeldOut, code: str, *, handicap: float
) -> Answers:
    """Each clip looked up in the lexicon without the word that is said, `handicapped`."""
    said = tuple(utterance.text for utterance in clips.utterances)
    trees = {word: words.trees(lexicon.of([o for o in lexicon.entries if o != word]), code) for word in set(said)}
    found = []
    for own, word in zip(heard, said, strict=True):
        tree, doubted = trees[word]
        found.append(tuple(near(own, tree, doubted=doubted, more=handicap * len(own))))
    return handicapped(Answers(said, tuple(found), tuple(map(len, heard))), words.known(code), handicap)


def rows(
    present: Answers, absent: Answers, held: Collection[str], percentiles: Sequence[float], *, handicap: float
) -> list[dict[str, float | int]]:
    """The table `rejection`, a row for each of `RATES`.

    Args:
        present: clips looked up in a lexicon that has their words, `handicapped`.
        absent: the same without them.
        held: words that were never trained on.
    """
    sure, wrong = (confidences(answers, handicap=handicap) for answers in (present, absent))
    each = list(zip(sure, present.said, present.best, strict=True))
    seen, unseen = (
        [confidence for confidence, said, best in each if said == best and (said in held) == new]
        for new in (False, True)
    )
    labels = [1] * len(seen + unseen) + [0] * len(wrong)
    area = 100 * float(roc_auc_score(labels, seen + unseen + wrong)) if len(set(labels)) > 1 else nan
    found: list[dict[str, float | int]] = []
    for rate in RATES:
        least = threshold(percentiles, rate)
        found.append(
            {
                "false_rejections": rate,
                "least": least,
                "seen_rejected": _below(seen, least),
                "unseen_rejected": _below(unseen, least),
                "falsely_accepted": 100 - _below(wrong, least),
                "area": area,
                "clips": len(wrong),
            }
        )
    return found


def _below(confidences: Sequence[float], least: float) -> float:
    """Percent of them."""
    return 100 * sum(each < least for each in confidences) / len(confidences) if confidences else nan
