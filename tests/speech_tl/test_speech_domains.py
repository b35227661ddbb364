"""Recordings as a shift of domains: what is compared, what is believed, and whose transcripts nobody sees."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speech_tl.data.clips import Clips
from speech_tl.data.disturbance import telephone
from speech_tl.data.preparation import Language, prepare
from speech_tl.domains import METHODS, adapt, started
from speech_tl.errors import InputError
from speech_tl.speech_domains import FLAT, SpeechShift, changed
from speech_tl.systems import Settings
from speech_tl.training.loop import Plan

SETTINGS = Settings(encoder="tiny", device="cpu")


@pytest.fixture(scope="module")
def language(tiny_speech: Path) -> Language:
    return prepare([str(tiny_speech)], languages=("fi",), sample_rates={"": 8000})["fi"]


@pytest.fixture(scope="module")
def shift(language: Language) -> SpeechShift:
    return SpeechShift("telephone", *changed(language, telephone, telephone, seed=0), SETTINGS)


def test_sentences_are_told_apart_by_characters(language: Language, shift: SpeechShift) -> None:
    clips = language.train.take(range(6))
    words = Clips.of([replace(u, text="e") for u in clips.utterances], map(clips.__getitem__, range(6)), 8000)
    assert shift.measure == "cer"
    assert replace(shift, source=replace(language, train=words)).measure == "utterance_error"


def test_no_training_clip_is_on_both_sides(language: Language, shift: SpeechShift) -> None:
    sides = [{u.key for u in side.train.utterances} for side in (shift.source, shift.target)]
    assert sides[0] | sides[1] == {u.key for u in language.train.utterances} and not sides[0] & sides[1]
    assert shift.target.test.utterances == language.test.utterances
    assert not shift.target.test[0].equal(language.test[0])
    few = replace(language, train=language.train.take([0, 1, 2]))
    with pytest.raises(InputError, match="3 training clips: too few for two domains"):
        changed(few, telephone, telephone, seed=0)


def test_what_is_read_is_padded_by_nobody(shift: SpeechShift) -> None:
    """A clip's features and losses are its own, whatever longer clip is beside it."""
    model = shift.untrained(seed=0).train(False)
    examples = shift.source.examples(shift.source.train, shift.source.units)
    lengths = examples.clips.lengths
    pair = [lengths.index(min(lengths)), lengths.index(max(lengths))]
    alone, beside = examples.batch(pair[:1]), examples.batch(pair)
    with torch.no_grad():
        one, two = (shift.read(model, batch, varied=False) for batch in (alone, beside))
        assert one.features.shape == (1, shift.width(model))
        assert torch.allclose(one.features[0], two.features[0], atol=1e-4)
        assert torch.allclose(shift.losses(one, alone)[0], shift.losses(two, beside)[0], atol=1e-4)
    assert shift.rows(beside).tolist() == pair


def test_beliefs_are_greedy_transcripts_and_silence_is_not_believed(shift: SpeechShift) -> None:
    """Two frames of unit 3, a blank, then unit 2; the other clip is all blank."""
    batch = shift.source.examples(shift.source.train, shift.source.units).batch([0, 1])
    scores = torch.full((2, 2, 4, len(shift.source.units)), -20.0)
    for frame, unit in enumerate((3, 3, 0, 2)):
        scores[:, 0, frame, unit] = scores[:, 1, frame, 0] = 20.0
    read = replace(
        shift.read(shift.untrained(seed=0), batch, varied=False), scores=scores, lengths=torch.tensor([4, 4])
    )
    said, confidence = shift.believed(read, batch)
    assert said.targets[0, :2].tolist() == [3, 2] and said.target_lengths.tolist() == [2, 1]
    assert confidence.tolist() == [pytest.approx(1), 0]


def test_of_a_word_list_no_other_text_is_believed(language: Language) -> None:
    """Three frames: e is at one third in the first, i in the last, blanks have the rest; the third text has no room."""
    words = ["e", "i", "eiei"] * 3
    clips = language.train.take(range(len(words)))
    told = [replace(u, text=text) for u, text in zip(clips.utterances, words, strict=True)]
    own = Clips.of(told, map(clips.__getitem__, range(len(told))), clips.sample_rate)
    shift = SpeechShift("telephone", *changed(replace(language, train=own), telephone, telephone, seed=0), SETTINGS)
    shift = replace(shift, texts=("e", "eiei", "i"))
    chances = torch.full((2, 1, 3, len(language.units)), 1e-9)
    for frame, (letter, chance) in enumerate((("e", 1 / 3), ("", 0), ("i", 1 / 4))):
        chances[..., frame, 0] = 1 - chance
        chances[..., frame, language.units.encode(letter)] = chance
    batch = shift.source.examples(own, language.units).batch([0])
    read = replace(shift.read(shift.untrained(seed=0), batch, varied=False), scores=chances.log())
    said, confidence = shift.believed(replace(read, lengths=torch.tensor([3])), batch)
    assert said.targets.tolist() == [list(language.units.encode("e"))]
    share = (3 / 2) ** (1 / FLAT)  # 1/3 · 3/4 against 2/3 · 1/4
    assert confidence.tolist() == [pytest.approx(share / (1 + share), abs=1e-4)]
    decided = shift.look(shift.untrained(seed=0), "source").chances
    assert decided.shape == (len(shift.source.valid), 3) and torch.allclose(decided.sum(1), torch.ones(len(decided)))


def test_no_method_but_the_upper_bound_sees_the_targets_transcripts(shift: SpeechShift, tmp_path: Path) -> None:
    plan = Plan(steps=3, warmup_steps=1)
    start = started(shift, plan=plan, folder=tmp_path / "start", seed=0, device="cpu")

    def silent(clips: Clips) -> Clips:
        other = shift.source.train.utterances[0].text
        return Clips.of(
            [replace(u, text=other) for u in clips.utterances], map(clips.__getitem__, range(len(clips))), 8000
        )

    target = shift.target
    blind = replace(shift, target=replace(target, train=silent(target.train), valid=silent(target.valid)))
    for method in METHODS:
        ways = {"method": method, "rule": "entropy", "plan": plan, "seed": 0, "device": "cpu"}
        found = [adapt(each, start, folder=tmp_path / str(at), **ways)  # type: ignore[arg-type]
                 for at, each in enumerate((shift, blind))]  # fmt: skip
        same = all(a.equal(b) for a, b in zip(*(each.body.state_dict().values() for each in found), strict=True))
        assert same == (method != "target_supervised")
        assert set(found[0].scores) == set(found[1].scores) and found[0].looks["target"].features.shape[
            1
        ] == shift.width(start)


def test_speakers_stay_together_where_there_are_several(shift: SpeechShift) -> None:
    """Features are the longest clip's first, and the groups beside them are whose they are."""
    clips, body = shift.source.valid, shift.untrained(seed=0)
    order = sorted(range(len(clips)), key=lambda at: -clips.lengths[at])
    named = Clips([replace(u, speaker=f"s{at % 2}") for at, u in enumerate(clips.utterances)], clips.sample_rate)
    one = Clips([replace(u, speaker="s0") for u in clips.utterances], clips.sample_rate)
    several = replace(shift, source=replace(shift.source, valid=named)).look(body, "source")
    alone = replace(shift, source=replace(shift.source, valid=one)).look(body, "source")
    assert several.groups.tolist() == [f"s{at % 2}" for at in order]
    assert alone.groups.tolist() == [clips.utterances[at].key for at in order]
    assert len(several.features) == len(clips)
