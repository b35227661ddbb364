"""Labels on one side only: batches of both domains, what every method adds, and who is chosen without labels."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from speech_tl.domain_study import study, tables, warning
from speech_tl.domains import METHODS, RULES, SCORES, Adapted, Method, _liked, adapt, chosen_by, pooled, started
from speech_tl.errors import InputError
from speech_tl.images import Pictures, vary
from speech_tl.labelled import LabelledBatches
from speech_tl.picture_domains import PictureShift, blended, coloured
from speech_tl.results import classified
from speech_tl.shifts import PairBatches
from speech_tl.training.loop import Plan
from speech_tl.transfer.selection import agreement


def pictures(count: int, *, shade: int, seed: int) -> Pictures:
    """Classes are which half is bright."""
    random = np.random.default_rng(seed)
    labels = tuple(random.choice(["left", "right"], count).tolist())
    pixels = random.integers(0, 40, (count, 3, 8, 8)) + shade
    for at, label in enumerate(labels):
        pixels[at, :, :, 0 if label == "left" else 4 :][:, :, :4] += 100
    return Pictures(pixels.astype(np.uint8), labels)


@pytest.fixture(scope="module")
def case() -> PictureShift:
    source = {name: pictures(80, shade=0, seed=at) for at, name in enumerate(("train", "valid", "test"))}
    target = {name: pictures(60, shade=90, seed=9 + at) for at, name in enumerate(("train", "valid", "test"))}
    return PictureShift("shaded", source, target)


@pytest.fixture(scope="module")
def start(case: PictureShift, tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    plan = Plan(steps=40, warmup_steps=5, log_every=40)
    return started(case, plan=plan, folder=tmp_path_factory.mktemp("start"), seed=0, device="cpu")


def run(
    case: PictureShift, start: nn.Module, folder: Path, method: Method, *, steps: int = 20, resume: bool = False
) -> Adapted:
    plan = Plan(steps=steps, warmup_steps=2, validate_every=4, log_every=1)
    return adapt(
        case, start, method=method, rule="entropy", plan=plan, folder=folder, seed=0, resume=resume, device="cpu"
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_and_is_tested_on_both_sides(
    method: Method, case: PictureShift, start: nn.Module, tmp_path: Path
) -> None:
    found = run(case, start, tmp_path, method)
    assert (len(found.source.results), len(found.target.results)) == (80, 60)
    if method not in ("target_supervised", "adda"):
        assert found.source.cer < 5
    assert 0 <= found.a_distance <= 2
    assert {"agreed_information", "agreement", *found.scores} == set(RULES) and len(found.answers) == 60
    assert (found.effective_size is not None) == (method == "reweighting")
    assert found.effective_size is None or 1 <= found.effective_size <= 80
    first = (tmp_path / "log.txt").read_text().splitlines()[0]
    terms = {"dann": {"domain"}, "adda": {"domain", "fooling"}, "coral": {"coral"}, "mmd": {"mmd"},
             "self_training": {"pseudo_labels"}}.get(method, set())  # fmt: skip
    assert {name for name in ("domain", "fooling", "coral", "mmd", "pseudo_labels") if name in first} == terms
    assert ("labels" in first) == (bool(terms) and method != "adda"), "a single loss is not named"


def test_no_method_but_the_upper_bound_sees_the_targets_labels(
    case: PictureShift, start: nn.Module, tmp_path: Path
) -> None:
    swapped = {"left": "right", "right": "left"}
    wrong = {name: replace(each, labels=tuple(swapped[label] for label in each.labels))
             for name, each in case.target.items()}  # fmt: skip
    blind = PictureShift("wrong labels", case.source, {**wrong, "test": case.target["test"]})
    for method in METHODS:
        one, two = (run(each, start, tmp_path / each.name, method, steps=5) for each in (case, blind))
        assert (one.target == two.target) == (method != "target_supervised")
        assert method == "target_supervised" or one.scores == two.scores


def test_resumed_amid_the_ramp_it_goes_on_as_uninterrupted(
    case: PictureShift, start: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(case, start, tmp_path / "whole", "dann", steps=12)
    draw, drawn = PairBatches.__next__, 0

    def interrupted(self: PairBatches) -> object:
        nonlocal drawn
        drawn += 1
        if drawn == 7:
            raise KeyboardInterrupt
        return draw(self)

    monkeypatch.setattr(PairBatches, "__next__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(case, start, tmp_path / "cut", "dann", steps=12)
    monkeypatch.setattr(PairBatches, "__next__", draw)
    again = run(case, start, tmp_path / "cut", "dann", steps=12, resume=True)
    assert "resumed after step 4" in (tmp_path / "cut" / "log.txt").read_text()
    ours, theirs = whole.body.state_dict(), again.body.state_dict()
    assert all(value.equal(theirs[name]) for name, value in ours.items())


def test_sides_of_unequal_size(case: PictureShift) -> None:
    classes = ("left", "right")

    def side(data: Pictures, batch: int) -> LabelledBatches:
        return LabelledBatches(data, classes, batch=batch, generator=torch.Generator().manual_seed(0))

    pair = next(PairBatches(side(case.source["train"], 8), side(case.target["train"], 5)))
    assert (len(pair), len(pair.target)) == (8, 5)
    assert case.source["train"].tensor(pair.source.rows.tolist()).equal(pair.source.examples), "rows are whose they are"
    parts = [pair.share(rank, 2) for rank in range(2)]
    assert [len(part.target) for part, _ in parts] == [3, 2]
    assert [weight for _, weight in parts] == [1.0, 1.0]


def test_pictures_with_the_colours_of_others() -> None:
    """Mean 50, deviation 50 to mean 110, deviation 10 (0 and 100 to 100 and 120); the other channel lacks any."""
    ours = Pictures(np.array([[[[0, 100]], [[7, 7]]]], np.uint8), ("a",))
    theirs = Pictures(np.array([[[[120, 100]], [[30, 50]]]], np.uint8), ("b",))
    assert coloured(ours, theirs).pixels.tolist() == [[[[100, 120]], [[40, 40]]]]
    assert coloured(ours, theirs).labels == ("a",)


@pytest.mark.parametrize("first", [False, True])
def test_who_hears_the_source_as_the_target_sounds(
    first: bool, case: PictureShift, start: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PictureShift, "mapped_first", first)
    told: list[Method] = []
    mapped = case.mapped
    for method in METHODS:
        asked = property(lambda self, name=method: told.append(name) or mapped)
        monkeypatch.setattr(PictureShift, "mapped", asked)
        run(case, start, tmp_path / method, method, steps=4)
    going_on: list[Method] = ["dann", "coral", "mmd", "reweighting", "self_training"]
    assert told == [*(going_on if first else []), "feature_mapping"]


def test_pictures_are_varied_for_all_where_that_is_asked(
    case: PictureShift, start: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default whoever learns from the target alone sees them varied: self-training, what it believes."""
    told: list[int] = []
    monkeypatch.setattr("speech_tl.picture_domains.vary", lambda pixels: told.append(len(pixels)) or vary(pixels))
    counts = {}
    for asked in (False, True):
        for method in ("source_only", "self_training"):
            told.clear()
            run(replace(case, source_varied=asked), start, tmp_path / f"{method}{asked}", method, steps=4)
            counts[method, asked] = len(told)
    assert counts == {
        ("source_only", False): 0, ("self_training", False): 4, ("source_only", True): 4, ("self_training", True): 8
    }  # fmt: skip


def adapted(method: Method, wrong: int, **scores: float) -> Adapted:
    said = ["b"] * wrong + ["a"] * (10 - wrong)
    right = classified("a" * 10, "a" * 10)
    return Adapted(method, nn.Identity(), right, right, classified("a" * 10, said), tuple(said), scores, {}, 1.0, 0.0)


def test_the_rule_chooses_and_never_the_upper_bound(case: PictureShift) -> None:
    found: dict[Method, Adapted] = {
        "source_only": adapted("source_only", 5, entropy=-0.9),
        "dann": adapted("dann", 3, entropy=-0.2),
        "target_supervised": adapted("target_supervised", 1, entropy=-0.1),
    }
    assert chosen_by("entropy", found, measure="cer") == "dann"
    with pytest.raises(InputError, match="unknown rule 'entrophy'; did you mean 'entropy'"):
        chosen_by("entrophy", found, measure="cer")
    plan = Plan(steps=1)
    for wrong in ({"method": "dan", "rule": "entropy"}, {"method": "dann", "rule": "entrophy"}):
        with pytest.raises(InputError, match="did you mean"):
            adapt(case, nn.Identity(), plan=plan, folder=Path(), seed=0, **wrong)
    with pytest.raises(InputError, match="target_supervised alone"):
        study([case], ["target_supervised"], rule="entropy", start=plan, plan=plan, folder=Path(), seed=0)


def test_who_agrees_with_most_is_chosen() -> None:
    """Wrong in 5, 3, 4 and 9 of ten: 2, 1 and 4 answers apart; 2, 1 and 6; 1, 1 and 5; 4, 6 and 5."""
    found = {method: adapted(method, wrong) for method, wrong in
             (("source_only", 5), ("mmd", 3), ("coral", 4), ("adda", 9), ("target_supervised", 4))}  # fmt: skip
    assert agreement([[0, 2, 1, 4], [2, 0, 1, 6], [1, 1, 0, 5], [4, 6, 5, 0]]) == [-7 / 3, -3, -7 / 3, -5]
    assert chosen_by("agreement", found, measure="utterance_error") == "source_only", "of equals the first"
    found["self_training"] = adapted("self_training", 3)
    assert chosen_by("agreement", found, measure="cer") == "coral"
    assert agreement([[0.0]]) == [0.0]


def test_who_writes_the_most_does_not_agree_the_most() -> None:
    """Of two that are one letter of four apart and one that writes thirty: 25 and 100 % of the other's truth are wrong.

    Against a truth of thirty letters their four, of which none is right, are wrong to 100 %.
    """
    said = {"source_only": "abcd", "mmd": "abce", "dann": "z" * 30}
    found = {m: replace(adapted("source_only", 0), method=m, answers=(text,)) for m, text in said.items()}
    liked = _liked("agreement", found, "cer")
    assert liked == {"source_only": -62.5, "mmd": -62.5, "dann": -100.0}


def test_certainty_counts_as_far_as_others_agree() -> None:
    """Of ten answers 2, 1, 1 and 5 are wrong: from the others differ (1 + 1 + 3) / 30, (1 + 0 + 4) / 30 twice, 11 / 30.

    So reweighting has 0.9 - 0.17, coral 0.95 - 0.17, mmd as much less 0.05, and adda 1.1 - 0.37.
    """
    found = {method: adapted(method, wrong, mutual_information=certain) for method, wrong, certain in
             (("reweighting", 2, 0.9), ("mmd", 1, 0.9), ("coral", 1, 0.95), ("adda", 5, 1.1))}  # fmt: skip
    assert chosen_by("mutual_information", found, measure="cer") == "adda"
    assert chosen_by("agreement", found, measure="cer") == "reweighting", "of equals the first"
    assert chosen_by("agreed_information", found, measure="cer") == "coral"
    found["adda"] = adapted("adda", 5, mutual_information=1.2)
    assert chosen_by("agreed_information", found, measure="cer") == "adda", "0.83 is more than 0.78"


def test_the_bound_is_of_the_source_as_it_is_compared(case: PictureShift, start: nn.Module, tmp_path: Path) -> None:
    """The mapped source where it is mapped; of ADDA the source as the network that it began with has it."""
    mapped, adda = (run(case, start, tmp_path / name, name, steps=5) for name in ("feature_mapping", "adda"))
    assert mapped.risk == case.mapped.test(mapped.body, "source", "test")
    features = mapped.looks["source"].features
    assert features.equal(case.mapped.look(mapped.body, "source").features)
    assert not features.equal(case.look(mapped.body, "source").features)
    assert adda.risk == case.test(start, "source", "test")
    assert adda.looks["source"].features.equal(case.look(start, "source").features)


def test_what_was_closed_and_what_was_regretted() -> None:
    """50 % from the source alone, 10 % with the target's labels: 30 % has closed half, and 60 % is harm."""
    likes = dict.fromkeys(SCORES, 0.0)
    found: dict[Method, Adapted] = {
        "source_only": adapted("source_only", 5, **likes),
        "mmd": adapted("mmd", 3, **likes),
        "dann": adapted("dann", 6, **{**likes, "entropy": 1.0}),
        "target_supervised": adapted("target_supervised", 1, **likes),
    }
    made = tables("case", found, measure="utterance_error", rule="entropy", before=1.5, seed=3)
    closed = {row["method"]: row["gap_closed"] for row in made["domains"]}
    assert closed == {"source_only": 0, "mmd": 50, "dann": -25, "target_supervised": 100, "selected": -25}
    assert made["domains"][-1]["selected_by"] == "entropy: dann"
    assert made["domains"][0]["bound"] == 0 + 100 * 1.0 / 2
    regrets = {row["rule"]: (row["chose"], row["regret"], row["harm"]) for row in made["rules"]}
    assert regrets["entropy"] == ("dann", 30, 10)
    assert regrets["source_risk"] == ("source_only", 20, 0)
    assert regrets["agreement"] == ("source_only", 20, 0), "2 and 1, 2 and 3, 1 and 3 answers apart"
    assert regrets["oracle"] == ("mmd", 0, -20)
    assert (
        warning("case", found, measure="utterance_error") == "case: worse than the source alone (50.0 %): dann (60.0 %)"
    )


def test_folds_are_one_test() -> None:
    """3 of 10 and 1 of 10 wrong are 4 of 20; -0.5 and -0.1 are -0.3; the network is the first's."""
    one, two = (replace(adapted("mmd", wrong, entropy=score), a_distance=distance, seconds=4.0)
                for wrong, score, distance in ((3, -0.5, 1.0), (1, -0.1, 2.0)))  # fmt: skip
    both = pooled([one, two])
    assert sum(result.utterance.count for result in both.target.results) == 4 and len(both.target.results) == 20
    assert both.scores == {"entropy": pytest.approx(-0.3)} and both.answers == one.answers + two.answers
    assert (both.a_distance, both.seconds, both.body) == (1.5, 8.0, one.body)
    assert pooled([one]) == one


def test_varied_pictures_show_the_same() -> None:
    torch.manual_seed(0)
    pixels = torch.linspace(-1, 1, 64).view(1, 1, 8, 8).repeat(6, 3, 1, 1)
    varied = vary(pixels, most=1)
    assert varied.shape == pixels.shape and varied.abs().max() <= 1
    assert not any(one.equal(two) for one, two in pairwise(varied)), "each its own way"
    assert vary(pixels, most=0).shape == pixels.shape


def test_digits_over_photographs() -> None:
    """|200 - 255| = 55 where the digit is, 200 where it is not."""
    digit = Pictures(np.array([[[[255, 0]]]], np.uint8), ("1",))
    photograph = np.full((3, 4, 4), 200, np.uint8)
    made = blended(digit, [photograph], seed=0)
    assert made.pixels.tolist() == [[[[55, 200]]] * 3]
    assert made.labels == ("1",)
