"""Words held out of training, counted and looked up honestly."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speech_tl.data.clips import Clips
from speech_tl.data.manifest import Utterance
from speech_tl.data.preparation import Language, prepare
from speech_tl.errors import InputError
from speech_tl.held_out_words import HeldOut, as_sounds, distractors, drawn, never_heard, without
from speech_tl.models.word_search import Heard
from speech_tl.phonology.lexicon import Lexicon, prefix_tree
from speech_tl.phonology.phones import apart
from speech_tl.phonology.spelling import Known, phone_units
from speech_tl.phonology.units import Units
from speech_tl.systems import Settings, untrained
from speech_tl.unseen_words import (
    Answers,
    best_handicap,
    handicapped,
    hardest,
    hear,
    look_up,
    nearest,
    rivals,
    row,
    rows,
)

WORDS = {"yksi": "yksi", "kaksi": "kaksi", "kolme": "kolme", "viisi": "viisi"}


@pytest.fixture(scope="module")
def language(tiny_speech: Path) -> Language:
    """Every speaker says the words in turn."""
    made = prepare([str(tiny_speech)], languages=("fi",), sample_rates={"": 8000})["fi"]
    for part in (made.train, made.valid, made.test):
        part.utterances = tuple(replace(u, text=list(WORDS)[at % 4]) for at, u in enumerate(part.utterances))
    return replace(made, pronunciations=WORDS)


def test_words_are_drawn_by_seed() -> None:
    assert drawn(WORDS, 2, seed=0) == drawn(list(WORDS)[::-1], 2, seed=0)
    assert {drawn(WORDS, 1, seed=seed) for seed in range(20)} == {(word,) for word in WORDS}
    with pytest.raises(InputError, match="3 words to hold out of 4: expected 1 to 2"):
        drawn(WORDS, 3, seed=0)


def test_a_held_out_word_is_in_no_clip_of_training(language: Language) -> None:
    rest = without(language, ["yksi"])
    assert {u.text for u in rest.train.utterances} == {"kaksi", "kolme", "viisi"}
    assert "yksi" not in {u.text for u in rest.valid.utterances}
    assert rest.test.utterances == language.test.utterances
    with pytest.raises(InputError, match="unknown word 'yks' in the recordings of fi; did you mean 'yksi'"):
        without(language, ["yks"])
    with pytest.raises(InputError, match="nothing is left to train on"):
        without(language, list(WORDS))


def test_what_is_left_has_the_units_and_further_words_go_from_training_alone(language: Language) -> None:
    words = HeldOut.of({"fi": language}, {"fi": WORDS}, {"fi": ("yksi",)})
    assert words.spell.units.symbols[1:] == tuple(sorted({*"kaksikolmeviisi"})), "[y] is gone with its word"
    assert (words.known("fi"), len(words.trained())) == ({"kaksi", "kolme", "viisi"}, 3)
    assert words.lexicon(["yksi"], "fi").entries["yksi"] == (words.spell("yksi"),)
    assert words.stands_for == {"fi": {}}, "no phone is in three words"
    fewer = words.further({"fi": ("viisi",)})
    assert (fewer.words, fewer.known("fi")) == ({"fi": ("viisi",)}, {"kaksi", "kolme"})
    assert fewer.spell is words.spell and len(fewer.languages["fi"].test) == len(language.test)
    assert {u.text for u in fewer.sounds()["fi"].train.utterances} == {"kaksi", "kolme"}


def test_words_fit_too_well_in_every_word_list_and_in_no_sentence(language: Language) -> None:
    listed, told = (replace(language, split=replace(language.split, task=task)) for task in ("words", "sentences"))
    words = HeldOut.of(
        {"fi": listed, "sv": listed, "eo": told}, dict.fromkeys(("fi", "sv", "eo"), WORDS), {"fi": ("yksi",)}
    )
    assert words.fitted() == {"kaksi", "kolme", "viisi"}, "what is held out of fi is new, though sv has it"
    lists = {"fi": told, "eo": told}
    of_sentences = HeldOut.of(lists, dict.fromkeys(lists, WORDS), {"fi": ("yksi",)})
    assert of_sentences.fitted() == {"kaksi", "kolme", "viisi"}, (
        "words among which some are held out, whatever is beside"
    )


def test_a_lexicon_of_one_word_has_no_rival() -> None:
    units = Units(("<blank>", "a"))
    with pytest.raises(InputError, match="a lexicon of 1 words: expected another"):
        rivals(["a"], Lexicon({"a": ("a",)}), units)


@pytest.mark.parametrize(
    ("texts", "held", "left"),
    [
        (("kaksi yksi", "kaksi", "yksi"), "yksi", ["kaksi"]),
        (("turn left now", "turn right", "turn left"), "turn left", ["turn right"]),
        (("我去上海", "北京", "上海"), "上海", ["北京"]),
        (("yksin", "kaksi", "yksi"), "yksi", ["yksin", "kaksi"]),
    ],
)
def test_nor_in_a_sentence(language: Language, texts: tuple[str, ...], held: str, left: list[str]) -> None:
    said = [replace(u, text=text) for u, text in zip(language.train.utterances[:3], texts, strict=True)]
    clips = Clips.of(said, [language.train[at] for at in range(3)], 8000)
    rest = without(replace(language, train=clips, valid=clips, test=clips), [held])
    assert [u.text for u in rest.train.utterances] == [u.text for u in rest.valid.utterances] == left


def heard(**scores: float) -> tuple[Heard, ...]:
    return tuple(Heard(word, score) for word, score in sorted(scores.items(), key=lambda item: -item[1]))


ANSWERS = Answers(
    said=("a", "a", "b", "c", "c"),
    heard=(
        heard(a=-1, b=-2),
        heard(b=-1, a=-3, c=-4),
        heard(b=-1, c=-2),
        heard(a=-1, c=-2),
        (),
    ),
    frames=(10, 10, 10, 10, 10),
)


def test_accuracies_by_hand() -> None:
    """c is unseen: among all, a and b are right two times of three and c never; among itself alone it has no choice."""
    only = replace(ANSWERS, heard=(*[heard(c=-1)] * 4, ()))
    lexicon = Lexicon({"a": ("a",), "b": ("b",), "c": ("k",)})
    said = ("b", "c", "c", "c")
    two = Answers(said, (heard(b=-1, c=-2), heard(c=-2, b=-3), heard(b=-1, c=-2), heard(b=-1, c=-2)), (10,) * 4)
    found = row(ANSWERS, only, {"c": two}, ["c"], lexicon)
    assert found["seen_accuracy"] == pytest.approx(200 / 3)
    assert (found["unseen_accuracy"], found["harmonic_mean"]) == (0, 0)
    assert found["unseen_among_unseen"] != found["unseen_among_unseen"], "not a number"
    assert row(ANSWERS, only, {}, ["b", "c"], lexicon)["unseen_among_unseen"] == pytest.approx(100 / 3)
    assert (found["unseen_against_nearest"], found["nearest_against_unseen"]) == (pytest.approx(100 / 3), 100)
    assert (found["lexicon_size"], found["seen_clips"], found["unseen_clips"]) == (3, 3, 2)
    assert ANSWERS.best == ["a", "b", "b", "a", ""]


def test_the_hardest_words_and_what_they_are_taken_for() -> None:
    """c, said [ka], is once taken for a, [ta], and once not found; a once for b, [tam]; b is always right."""
    lexicon = Lexicon({"a": ("ta",), "b": ("tam", "da"), "c": ("ka",)})
    first, second, third = hardest(ANSWERS, lexicon, ["c"])
    assert (first["word"], first["right"], first["taken_for"], first["times"]) == ("c", 0, "a", 1)
    assert first["articulatory_distance"] == pytest.approx(apart("ka", "ta"))
    assert (second["word"], second["right"], second["taken_for"], second["held_out"]) == ("a", 50, "b", False)
    assert second["articulatory_distance"] == pytest.approx(1 / 48), (
        "[da] is nearer than [tam]: the voice, of two phones"
    )
    assert (third["word"], third["right"], third["articulatory_distance"]) == ("b", 100, None)


def test_a_word_and_its_rival_are_a_choice_of_two(language: Language) -> None:
    """Frames that plainly say a third word, so that a beam over all words keeps neither, and b a little more than c."""
    units, lexicon = Units(("<blank>", "a", "b", "c", "d")), Lexicon({"ab": ("ab",), "ac": ("ac",), "dad": ("dad",)})
    said = torch.full((6, 5), -30.0)
    for at, unit in enumerate((4, 0, 1, 0, 4, 0)):
        said[at, unit] = 0.0
    said[:, 2] += 0.001
    clips = Clips.of([replace(language.test.utterances[0], text="ab")], [language.test[0]], 8000)
    spoken = replace(language, train=Clips.of([replace(clips.utterances[0], text="ac")], [clips[0]], 8000))
    words = HeldOut({"fi": spoken}, {"fi": {"ac": "ac"}}, {"fi": ("ab",)}, Known(units))
    tree, edits = rows([said.log_softmax(-1)], clips, lexicon, words, "fi", handicap=0.0)
    assert (tree["unseen_accuracy"], tree["unseen_against_nearest"], edits["search"]) == (0, 100, "edit_distance")
    assert tree["nearest_against_unseen"] != tree["nearest_against_unseen"], "nobody said the rival: not a number"


def test_a_handicap_lets_unseen_words_win() -> None:
    """c is 1 nat behind in clips of ten frames: 0.1 nats a frame and a little do, and the others' answers stay."""
    assert handicapped(ANSWERS, {"a", "b"}, 0.05).best == ANSWERS.best
    lowered = handicapped(ANSWERS, {"a", "b"}, 0.125)
    assert lowered.best == ["a", "b", "c", "c", ""]
    assert lowered.heard[3] == (Heard("c", -2), Heard("a", pytest.approx(-2.25)))
    told = replace(ANSWERS, said=("a", "b", "b", "c", "c"))
    assert best_handicap([(told, {"a", "b"})]) == 0.125
    assert best_handicap([(told, {"a", "b"}), (ANSWERS, {"a", "b"})]) == 0.125, "the other finds 0 everywhere"


def test_the_nearest_word_by_edits() -> None:
    """Written are ab, abb and nothing; a repeat needs a blank between. Of equals one by chance."""
    frames = ([1, 0, 2], [1, 2, 0, 2], [0])
    sounds = [torch.nn.functional.one_hot(torch.tensor(path), 3).float().log() for path in frames]
    said = [Utterance("x.wav", text, "fi", "s") for text in ("ab", "abb", "b")]
    clips = Clips.of(said, [torch.zeros(9)] * 3, 8000)
    lexicon = Lexicon({"aab": ("aab", "b"), "abb": ("abb",), "ab": ("ab",)})
    found = nearest(sounds, clips, lexicon, Units.from_texts(["ab"]))
    assert [set(own) for own in found.heard] == [
        {Heard("ab", 0), Heard("aab", -1), Heard("abb", -1)},
        {Heard("abb", 0), Heard("aab", -1), Heard("ab", -1)},
        {Heard("aab", -1), Heard("ab", -2), Heard("abb", -3)},
    ]
    assert found.best == ["ab", "abb", "aab"]
    assert (found.said, found.frames) == (("ab", "abb", "b"), (3, 4, 1))


def test_who_comes_first_in_the_lexicon_wins_no_ties() -> None:
    """Forty words that are all spelt alike: the best is the same in whatever order, and not always the first."""
    spelt = {f"word{n}": ("ab",) for n in range(40)}
    clips = Clips.of([Utterance("x.wav", "ab", "fi", "s")], [torch.zeros(9)], 8000)
    sounds = [torch.nn.functional.one_hot(torch.tensor([1, 2]), 3).float().log()]
    found = [
        nearest(sounds, clips, Lexicon(dict(own)), Units.from_texts(["ab"])).best
        for own in (spelt.items(), reversed(spelt.items()))
    ]
    assert found[0] == found[1] not in (["word0"], ["word39"])


def test_the_word_that_sounds_most_like_it() -> None:
    lexicon = Lexicon({"kala": ("kala",), "kana": ("kana", "tu"), "kalla": ("kalla",), "tuo": ("tuo",)})
    units = Units.from_texts(["kalantuo"])
    assert rivals(["kala", "kalla", "tuo"], lexicon, units) == {"kala": "kana", "kalla": "kala", "tuo": "kana"}


def test_words_that_tones_alone_tell_apart_are_the_most_alike() -> None:
    """Of pei˨˩ pai˨˩ is one edit away and pei˥ two, both in its tone; ba˥ is as far as ma˨˩ but for the tone."""
    lexicon = Lexicon({"one": ("pei˨˩",), "two": ("pai˨˩",), "three": ("pei˥",)})
    units = phone_units([said for ways in lexicon.entries.values() for said in ways])
    assert rivals(["one"], lexicon, units) == {"one": "three"}
    lexicon = Lexicon({"one": ("pa˨˩",), "two": ("ba˥",), "three": ("ma˨˩",)})
    units = phone_units([said for ways in lexicon.entries.values() for said in ways])
    assert rivals(["one"], lexicon, units) == {"one": "three"}


def test_sounds_take_the_place_of_texts(language: Language) -> None:
    words = {word: said.upper() for word, said in WORDS.items()}
    units = Units.from_texts(words.values())
    heard = as_sounds(language, words, units)
    assert [u.text for u in heard.train.utterances] == [words[u.text] for u in language.train.utterances]
    assert torch.equal(heard.train[1], language.train[1])
    assert (heard.units, heard.test, heard.pronunciations) == (units, language.test, {})


def test_phones_that_no_trained_word_has() -> None:
    """Of kala and tu: k, l and u in no trained word; a and t are; of ka al la tu only tu is heard."""
    found = never_heard(["kala", "tu"], ["tat", "atum"])
    assert found == {"held_out_phones_unseen": 2, "held_out_phone_pairs_unseen": 3}


def test_distractors_are_as_long_as_what_they_distract_from() -> None:
    own = Lexicon({"kala": ("kala",), "tu": ("tu",)})
    dictionary = Lexicon(
        {"kala": ("kalu",), "pala": ("pala",), "same": ("kala",), "si": ("si",), "ananas": ("ananas",), "pal": ("pal",)}
    )
    assert set(distractors(dictionary, own, ["kala"], 2, seed=0).entries) == {"pala", "pal"}
    with pytest.raises(InputError, match="3 distractors asked for, and 2 words of the dictionary"):
        distractors(dictionary, own, ["kala"], 3, seed=0)
    with pytest.raises(InputError, match="0 distractors asked for"):
        distractors(dictionary, own, ["kala"], 0, seed=0)


def test_clips_are_looked_up(language: Language) -> None:
    model = untrained({"fi": language}, Settings(encoder="tiny", device="cpu"), seed=0)
    tree = prefix_tree(Lexicon({word: (said,) for word, said in WORDS.items()}))
    sounds = hear(model, language.test, language="fi")
    answers = look_up(sounds, language.test, tree, handicap=1e9)
    assert answers.said == tuple(u.text for u in language.test.utterances)
    assert answers.frames == tuple(map(len, sounds))
    assert {len(found) for found in answers.heard} == {4}, "every word has a score"
    assert model.training, "as it was"
    plain = untrained({"fi": replace(language, pronunciations={})}, Settings(encoder="tiny", device="cpu"), seed=0)
    with pytest.raises(InputError, match="trained without phones: train one with --phones"):
        hear(plain, language.test, language="fi")
