"""The tree's scores are CTC's own, and the best word is the one that enumeration finds."""

import math
from itertools import product

import pytest
import torch

from speech_tl.models.word_search import near, words
from speech_tl.phonology.lexicon import Lexicon, prefix_tree
from speech_tl.phonology.sounds import PHONES
from speech_tl.phonology.units import Units

SIGNS = PHONES.symbols[1:4]


def log_probs(frames: int, seed: int, *, sharp: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (sharp * torch.randn(frames, len(PHONES), generator=generator)).log_softmax(-1)


def everything(longest: int) -> Lexicon:
    """Every string of up to so many of three sounds is a word of its own name."""
    said = ("".join(each) for size in range(1, longest + 1) for each in product(SIGNS, repeat=size))
    return Lexicon({each: (each,) for each in said})


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_ctc(seed: int) -> None:
    lexicon, given = everything(3), log_probs(5, seed)
    found = {heard.word: heard.score for heard in words(given, prefix_tree(lexicon), beam=math.inf)}
    for word in lexicon.entries:
        target = torch.tensor([PHONES.encode(word)])
        loss = torch.nn.functional.ctc_loss(
            given[:, None], target, torch.tensor([5]), torch.tensor([target.shape[1]]), reduction="sum"
        )
        assert found.get(word, -math.inf) == pytest.approx(-loss.item(), abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_word_is_the_one_that_enumeration_finds(seed: int) -> None:
    """All 4⁴ paths over the blank and three sounds, collapsed and summed."""
    given = log_probs(4, seed, sharp=2.0)
    units = [0, *(PHONES.encode(sign)[0] for sign in SIGNS)]
    sums: dict[str, float] = {}
    for path in product(units, repeat=4):
        kept = [unit for at, unit in enumerate(path) if unit and (at == 0 or unit != path[at - 1])]
        word = PHONES.decode(kept)
        chance = math.exp(sum(float(given[at, unit]) for at, unit in enumerate(path)))
        sums[word] = sums.get(word, 0.0) + chance
    del sums[""]
    best = max(sums, key=lambda word: sums[word])
    first = words(given, prefix_tree(everything(4)), beam=math.inf)[0]
    assert (first.word, math.exp(first.score)) == (best, pytest.approx(sums[best], rel=1e-4))


def test_a_beam_keeps_the_best() -> None:
    lexicon = everything(4)
    for seed in range(10):
        given = log_probs(12, seed, sharp=3.0)
        exact, pruned = (words(given, prefix_tree(lexicon), beam=beam) for beam in (math.inf, 15.0))
        assert pruned[0].word == exact[0].word
        assert pruned[0].score == pytest.approx(exact[0].score, abs=1e-3)


def test_of_several_pronunciations_the_best_counts() -> None:
    given = log_probs(6, 0)
    one, other = (words(given, prefix_tree(Lexicon({"x": (said,)})))[0].score for said in SIGNS[:2])
    both = words(given, prefix_tree(Lexicon({"x": tuple(SIGNS[:2])})))
    assert [heard.score for heard in both] == [pytest.approx(max(one, other))]


def test_a_clip_without_room_for_a_word() -> None:
    assert words(log_probs(0, 0), prefix_tree(Lexicon({"x": ("ta",)}))) == []


def test_a_doubted_pronunciation_is_worth_less() -> None:
    """One frame for b at nearly 1 and a at e^-6: b, doubted, loses 5 nats and is still ahead of a."""
    units = Units(("<blank>", "a", "b"))
    frame = torch.tensor([[-30.0, -6.0, 0.0]]).log_softmax(-1)
    own = prefix_tree(Lexicon({"one": ("a",), "two": ("ab",)}), units=units.encode)
    doubted = prefix_tree(Lexicon({"one": ("b",)}), units=units.encode)
    plain, best = near(frame, own), near(frame, own, doubted=doubted)
    assert [each.word for each in plain] == [each.word for each in best] == ["one"]
    assert best[0].score == pytest.approx(float(frame[0, 2]) - 5)
    assert plain[0].score == pytest.approx(float(frame[0, 1]))
