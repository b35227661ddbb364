"""Sentences of words by enumeration, and by flashlight's search on hundreds of utterances."""

import math
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from speech_tl.errors import InputError
from speech_tl.models.decoding import align
from speech_tl.models.lexicon_beam import Beam
from speech_tl.models.lookup import aligned
from speech_tl.models.word_network import Network, Sentence, language_model
from speech_tl.phonology.lexicon import Lexicon, prefix_tree
from speech_tl.phonology.sounds import PHONES
from speech_tl.phonology.word_lm import END, WordLM, read

SIGNS = PHONES.symbols[1:5]
Floats = NDArray[np.float64]


def normalised(scores: Floats) -> Floats:
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))


def arpa(folder: Path, words: list[str], rng: np.random.Generator) -> WordLM:
    """A trigram model of random figures over these words."""
    pairs = sorted({*zip(rng.choice(["<s>", *words], 8), rng.choice([END, *words], 8), strict=True)})
    triples = sorted({(*a, b[1]) for a in pairs for b in pairs if a[1] == b[0] and rng.random() < 0.5})
    grams = [[(each,) for each in ("<s>", END, "<unk>", *words)], pairs, triples]
    lines = ["\\data\\", *(f"ngram {size}={len(own)}" for size, own in enumerate(grams, start=1))]
    for size, own in enumerate(grams, start=1):
        lines += ["", f"\\{size}-grams:"]
        for gram in own:
            backoff = f"\t{-rng.uniform(0, 1):.4f}" if size < 3 else ""
            lines.append(f"{-rng.uniform(0.3, 4):.4f}\t{' '.join(gram)}{backoff}")
    (folder / "x.arpa").write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return read(folder / "x.arpa")


def network(folder: Path, seed: int, *, longest: int = 4) -> Network:
    """Up to eight words of four sounds, doubled ones among them, and homophones; every second with a model that does
    not know all of them."""
    rng = np.random.default_rng(seed)
    said = sorted({"".join(rng.choice(SIGNS, rng.integers(1, longest + 1))) for _ in range(rng.integers(2, 9))})
    known = {f"w{each}": (each,) for each in said} | {f"also {each}".replace(" ", ""): (each,) for each in said[:2]}
    lexicon = Lexicon(known | {f"un{each}": (each,) for each in said[:2]})
    lm = arpa(folder, list(known), rng) if seed % 2 else None
    return Network(prefix_tree(lexicon), lm, float(rng.uniform(0, 2)), float(rng.normal()))


def noise(seed: int, frames: int) -> Floats:
    rng = np.random.default_rng(seed)
    return normalised(rng.normal(size=(frames, 6)) * rng.uniform(2, 5))


def sentence(own: Network, seed: int) -> Floats:
    """Up to five words of a network, phones of one or two frames, heard badly."""
    rng = np.random.default_rng(seed)
    path: list[int] = []
    for at in rng.integers(len(own.entries), size=rng.integers(1, 6)):
        for unit in own.tree.said(own.entries[at][0]):
            path += [0] * (path[-1:] == [unit]) + [unit] * rng.integers(1, 3) + [0] * rng.integers(0, 3)
    heard = rng.normal(size=(len(path), 6)) * 1.5
    heard[np.arange(len(path)), path] += 5
    return normalised(heard)


def total(own: Network, log_probs: Floats, words: tuple[tuple[str, tuple[int, ...]], ...]) -> float:
    """The score of a row of words by forced alignment, -inf where there is no room."""
    score, context = own.word_score * len(words), own.lm.begin if own.lm else ()
    for word in [*(word for word, _ in words), END]:
        if own.lm:
            gain, context = own.lm.score(context, word)
            score += own.lm_weight * gain
    units = [unit for _, said in words for unit in said]
    given, sizes = torch.from_numpy(log_probs)[None], torch.tensor([len(units)])
    if not units:
        return score + float(log_probs[:, 0].sum())
    spans = align(given, torch.tensor([len(log_probs)]), torch.tensor([units]), sizes)[0]
    path = np.zeros(len(log_probs), int)
    for span in spans:
        path[span.first : span.last + 1] = span.symbol
    return score + float(log_probs[np.arange(len(path)), path].sum()) if spans else -math.inf


@pytest.mark.parametrize("seed", range(8))
def test_the_best_sentence_is_the_one_that_enumeration_finds(seed: int, tmp_path: Path) -> None:
    """All rows of up to three words in three frames."""
    own, log_probs = network(tmp_path, seed, longest=2), noise(seed, 3)
    said = [(word, own.tree.said(node)) for node, word in own.tree.words]
    rows = [row for size in range(4) for row in product(said, repeat=size) if sum(len(u) for _, u in row) <= 3]
    best = max(total(own, log_probs, row) for row in rows)
    found = Beam(own, beam=math.inf)(log_probs)
    assert found and found.score == pytest.approx(best, abs=1e-4)
    assert total(own, log_probs, found.words) == pytest.approx(best, abs=1e-4)


def test_a_doubled_sound_between_two_words_needs_a_blank() -> None:
    """a a, a - a: the first is one word a, held; the second two."""
    own = Network(prefix_tree(Lexicon({"a": (SIGNS[0],)})))
    sure = normalised(9 * np.eye(6))
    for path, words in (([1, 1], 1), ([1, 0, 1], 2), ([1, 1, 0, 0, 1, 1], 2), ([0, 0], 0)):
        found = Beam(own)(sure[path])
        assert found and [word for word, _ in found.words] == ["a"] * words


def test_a_language_model_decides_between_homophones(tmp_path: Path) -> None:
    """a b is what was counted, and c sounds as b does."""
    text = "\\data\\\nngram 1=5\nngram 2=1\n\n\\1-grams:\n-9\t<s>\t0\n-1\t</s>\n-1\ta\t-1\n-2\tb\n-1\tc\n\n"
    (tmp_path / "x.arpa").write_text(text + "\\2-grams:\n-0.1\ta b\n\n\\end\\\n", encoding="utf-8")
    tree = prefix_tree(Lexicon({"a": (SIGNS[0],), "b": (SIGNS[1],), "c": (SIGNS[1],)}))
    sure = normalised(9 * np.eye(6))
    own = Network(tree, language_model(tmp_path / "x.arpa", tree))
    for path, words in (([1, 2], "ab"), ([2], "c"), ([2, 0, 2], "cc")):
        found = Beam(own)(sure[path])
        assert found and "".join(word for word, _ in found.words) == words
    assert own.ahead.tolist() == pytest.approx([0, -math.log(10), -math.log(10)])
    with pytest.raises(InputError, match=r"x\.arpa has no word of the lexicon, such as d: is it"):
        language_model(tmp_path / "x.arpa", prefix_tree(Lexicon({"d": (SIGNS[0],)})))


def test_without_room_there_is_silence() -> None:
    own = Network(prefix_tree(Lexicon({"ta": ("ta",)})))
    assert Beam(own)(normalised(np.ones((1, len(PHONES))))) == Sentence((), pytest.approx(-math.log(len(PHONES))))
    assert Beam(own)(np.zeros((0, len(PHONES)))) == Sentence((), 0.0)


def test_weights_out_of_range_are_named() -> None:
    tree = prefix_tree(Lexicon({"ta": ("ta",)}))
    with pytest.raises(InputError, match="a language model's weight of -1: expected 0 or more"):
        Network(tree, lm_weight=-1)
    with pytest.raises(InputError, match="a word's score of nan: expected nats"):
        Network(tree, word_score=math.nan)


def test_where_the_words_lie() -> None:
    """- a b b - c of nine nats each: two words; c is heard as d, and the blank before counts to neither."""
    log_probs = torch.full((6, 6), -9.0)
    log_probs[range(6), [0, 1, 2, 2, 0, 4]] = 0.0
    first, second = aligned(log_probs, Sentence((("ab", (1, 2)), ("c", (3,))), 0.0))
    assert (first.first, first.last, first.score) == (1, 3, 0)
    assert (second.first, second.last, second.score) == (5, 5, -9)


flashlight = pytest.mark.skipif(not find_spec("flashlight"), reason="flashlight-text is not installed (extra decode)")


@flashlight
@pytest.mark.parametrize("heard", [lambda own, seed: noise(seed, 1 + seed % 17), sentence], ids=["noise", "sentences"])
def test_both_searches_find_the_same_words(heard: Callable[[Network, int], Floats], tmp_path: Path) -> None:
    """On 200 utterances of 200 lexica; of rows that count as many words, sound alike and differ in where one begins,
    either may be found where no model tells them apart."""
    from speech_tl.models.lexicon_flashlight import Flashlight

    several = ambiguous = 0
    for seed in range(200):
        own = network(tmp_path, seed)
        log_probs = heard(own, seed)
        ours, theirs = Beam(own)(log_probs), Flashlight(own, width=1000)(log_probs)
        assert ours and theirs
        assert ours.score == pytest.approx(theirs.score, rel=1e-5, abs=1e-4)
        if ours.words != theirs.words:
            ambiguous += 1
            assert own.lm is None and len(ours.words) == len(theirs.words)
            assert [u for _, said in ours.words for u in said] == [u for _, said in theirs.words for u in said]
        several += len(ours.words) > 1
    assert several > 100 and ambiguous <= 2


@flashlight
def test_flashlight_without_room() -> None:
    from speech_tl.models.lexicon_flashlight import Flashlight

    own = Network(prefix_tree(Lexicon({"ta": ("ta",)})))
    assert Flashlight(own)(np.zeros((0, len(PHONES)))) == Sentence((), 0.0)
    silence = Flashlight(own)(normalised(np.ones((1, len(PHONES)))))
    assert silence and silence.words == ()
