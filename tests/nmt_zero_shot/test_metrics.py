"""Scores by hand as fractions, then against sacreBLEU itself; intervals against what they must contain."""

import math

import numpy as np
import pytest
import sacrebleu

from nmt_zero_shot import language_id
from nmt_zero_shot.metrics import (
    difference,
    exact_match,
    length_ratio,
    outputs,
    score,
    signatures,
)

REFERENCES = ["a b c d e", "the dog runs in the snow today", "two men sit on a bench", "x"] * 5
HYPOTHESES = ["a b c d e", "the dog runs in snow", "two men stand on a bench", ""] * 5


def test_bleu_by_hand() -> None:
    # matches of 1- to 4-grams: 4/5, 3/4, 2/3, 1/2; as long as the reference
    assert score(["a b c d x"], ["a b c d e"], "en").bleu == pytest.approx(
        100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    )
    # everything right but short: exp(1 - 5/4)
    assert score(["a b c d"], ["a b c d e"], "en").bleu == pytest.approx(100 * math.exp(1 - 5 / 4))
    statistics = score(["a b c d x"], ["a b c d e"], "en").statistics
    assert statistics.tolist() == [[5, 5, 4, 3, 2, 1, 5, 4, 3, 2]]


@pytest.mark.parametrize(
    ("language", "tokenizer"), [("de", "13a"), ("ja", "char"), ("zh-TW", "char"), ("kor_Hang", "char")]
)
def test_the_scores_are_sacrebleus_and_the_signature_names_the_tokenizer(language: str, tokenizer: str) -> None:
    result = score(HYPOTHESES, REFERENCES, language)
    assert result.bleu == pytest.approx(sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES], tokenize=tokenizer).score)
    assert result.chrf == pytest.approx(sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score)
    named = signatures(language)
    assert f"|tok:{tokenizer}|" in named["bleu"] and "version:" in named["chrf"]


def test_japanese_is_scored_by_character() -> None:
    assert score(["犬が走る"], ["犬が走った"], "ja").statistics.tolist()[0][:6] == [4, 5, 3, 2, 1, 0]
    assert score(["犬が走る"], ["犬が走った"], "de").bleu == 0  # one word, and it is wrong


def test_an_interval_holds_its_score_and_is_the_same_twice() -> None:
    result = score(HYPOTHESES, REFERENCES, "en")
    interval = result.interval()
    assert interval.low < interval.mean == result.bleu < interval.high
    assert interval == result.interval() != result.interval(seed=1)
    perfect = score(REFERENCES, REFERENCES, "en").interval()
    assert [perfect.low, perfect.high] == pytest.approx([100, 100])


def test_a_difference_is_of_the_same_sentences() -> None:
    a, b = score(REFERENCES, REFERENCES, "en"), score(HYPOTHESES, REFERENCES, "en")
    interval = difference([(a, b)])
    assert interval.mean == pytest.approx(a.bleu - b.bleu) and 0 < interval.low < interval.mean < interval.high
    nothing = difference([(b, b)])
    assert (nothing.mean, nothing.low, nothing.high) == (0, 0, 0)  # every draw is of the same sentences
    with pytest.raises(ValueError, match="1 items against 20: expected one of each"):
        difference([(score(["a"], ["a"], "en"), a)])


def test_a_mean_difference_draws_whole_rows() -> None:
    a, b = score(REFERENCES, REFERENCES, "en"), score(HYPOTHESES, REFERENCES, "en")
    opposite = difference([(a, b), (b, a)])
    assert [opposite.mean, opposite.low, opposite.high] == pytest.approx([0, 0, 0], abs=1e-9)
    assert difference([(a, b), (a, b)]).low == pytest.approx(difference([(a, b)]).low)


def test_the_bootstrap_agrees_with_resampling_one_by_one() -> None:
    result = score(HYPOTHESES, REFERENCES, "en")
    generator = np.random.default_rng(5)
    slow = []
    for _ in range(300):
        drawn = generator.integers(len(HYPOTHESES), size=len(HYPOTHESES))
        slow.append(sacrebleu.corpus_bleu([HYPOTHESES[i] for i in drawn], [[REFERENCES[i] for i in drawn]]).score)
    interval = result.interval()
    assert interval.low == pytest.approx(np.quantile(slow, 0.025), abs=3)
    assert interval.high == pytest.approx(np.quantile(slow, 0.975), abs=3)


def test_outputs_in_another_language_copies_and_empty_ones_are_counted_apart() -> None:
    identify = language_id.train({"de": ["ein hund läuft im schnee"], "en": ["a dog runs in the snow"]})
    written = ["ein hund", "the dog runs", "", "a dog", " a  dog ", "12", "the snow"]
    result = outputs(written, ["a dog"] * 7, target="de", identify=identify)
    assert (result.sentences, result.off_target, result.copies, result.empty) == (7, 2, 2, 1)
    assert result.heard_as == "en"
    assert result.rates() == pytest.approx({"off_target": 200 / 7, "copies": 200 / 7, "empty": 100 / 7})


def test_exact_match_and_length() -> None:
    assert exact_match(["a b", "a  b ", "a c", ""], ["a b"] * 4) == 50
    assert exact_match(["e\u0301"], ["\u00e9"]) == 100  # composed or not
    assert length_ratio(["abc", ""], ["ab", "abcd"]) == 0.5


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 items against 1"):
        score(["a", "b"], ["a"], "en")
