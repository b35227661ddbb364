"""Labels on one side only: batches of both domains, what every method adds, and who is chosen without labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from speech_tl.domains import METHODS, RULES, Adapted, Case, Method, Network, PairBatches, adapt, blended, chosen_by
from speech_tl.errors import InputError
from speech_tl.images import Pictures
from speech_tl.labelled import LabelledBatches
from speech_tl.results import Evaluation, scored
from speech_tl.training.loop import Plan


def pictures(count: int, *, shade: int, seed: int) -> Pictures:
    """Classes are which half is bright."""
    random = np.random.default_rng(seed)
    labels = tuple(random.choice(["left", "right"], count).tolist())
    pixels = random.integers(0, 40, (count, 3, 8, 8)) + shade
    for at, label in enumerate(labels):
        pixels[at, :, :, 0 if label == "left" else 4 :][:, :, :4] += 100
    return Pictures(pixels.astype(np.uint8), labels)


@pytest.fixture(scope="module")
def case() -> Case:
    source = {name: pictures(80, shade=0, seed=at) for at, name in enumerate(("train", "valid", "test"))}
    target = {name: pictures(60, shade=90, seed=9 + at) for at, name in enumerate(("train", "valid", "test"))}
    return Case("shaded", source, target)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_and_is_tested_on_both_sides(method: Method, case: Case, tmp_path: Path) -> None:
    found = adapt(
        case, method=method, plan=Plan(steps=40, warmup_steps=5, log_every=40), folder=tmp_path, seed=0, device="cpu"
    )
    assert (len(found.source.results), len(found.target.results)) == (80, 60)
    if method != "target_supervised":
        assert found.source.cer < 5
    assert 0 <= found.a_distance <= 2
    assert tuple(found.scores) == RULES
    log = (tmp_path / "log.txt").read_text()
    term = {"dann": "domain", "coral": "coral", "mmd": "mmd", "self_training": "pseudo_labels"}.get(method)
    assert all((name in log) == (name == term) for name in ("domain", "coral", "mmd", "pseudo_labels"))


def test_no_method_but_the_upper_bound_sees_the_targets_labels(case: Case, tmp_path: Path) -> None:
    swapped = {"left": "right", "right": "left"}
    wrong = {name: replace(each, labels=tuple(swapped[label] for label in each.labels))
             for name, each in case.target.items()}  # fmt: skip
    blind = Case("wrong labels", case.source, {**wrong, "test": case.target["test"]})
    plan = Plan(steps=5, warmup_steps=1)
    for method in ("self_training", "dann"):
        one, two = (adapt(each, method=method, plan=plan, folder=tmp_path / each.name, seed=0, device="cpu")
                    for each in (case, blind))  # fmt: skip
        assert one.scores == two.scores and one.target == two.target


def test_resumed_amid_the_ramp_it_goes_on_as_uninterrupted(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(steps=12, warmup_steps=2, validate_every=4, log_every=1)

    def run(name: str, *, resume: bool = False) -> Adapted:
        return adapt(case, method="dann", plan=plan, folder=tmp_path / name, seed=0, resume=resume, device="cpu")

    whole = run("whole")
    draw, drawn = PairBatches.__next__, 0

    def interrupted(self: PairBatches) -> object:
        nonlocal drawn
        drawn += 1
        if drawn == 7:
            raise KeyboardInterrupt
        return draw(self)

    monkeypatch.setattr(PairBatches, "__next__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("cut")
    monkeypatch.setattr(PairBatches, "__next__", draw)
    again = run("cut", resume=True)
    ours, theirs = whole.model.state_dict(), again.model.state_dict()
    assert all(value.equal(theirs[name]) for name, value in ours.items())


def test_sides_of_unequal_size(case: Case) -> None:
    classes = ("left", "right")

    def side(data: Pictures, batch: int) -> LabelledBatches:
        return LabelledBatches(data, classes, batch=batch, generator=torch.Generator().manual_seed(0))

    weights = torch.arange(80.0)
    batches = PairBatches(side(case.source["train"], 8), side(case.target["train"], 5), weights)
    pair = next(batches)
    assert (len(pair), len(pair.target)) == (8, 5)
    indices = [
        next(at for at in range(80) if case.source["train"].tensor([at])[0].equal(example))
        for example in pair.source.examples
    ]
    assert pair.weights.tolist() == [float(at) for at in indices], "each example has its own weight"
    parts = [pair.share(rank, 2) for rank in range(2)]
    assert [len(part.target) for part, _ in parts] == [3, 2]
    assert sum(weight * part.weights.mean() for part, weight in parts) / 2 == pytest.approx(pair.weights.mean())


def adapted(method: Method, error: float, **scores: float) -> Adapted:
    results = tuple(scored("a", "b" if at < error else "a", key=str(at), language="", speaker="") for at in range(10))
    model = Network(("a", "b"), channels=1, size=8)
    return Adapted(method, model, Evaluation(()), Evaluation(results), scores, 0.0, 0.0)


def test_the_rule_chooses_and_never_the_upper_bound() -> None:
    found: dict[Method, Adapted] = {
        "source_only": adapted("source_only", 5, entropy=-0.9),
        "dann": adapted("dann", 3, entropy=-0.2),
        "target_supervised": adapted("target_supervised", 1, entropy=-0.1),
    }
    assert chosen_by("entropy", found) == "dann"
    with pytest.raises(InputError, match="unknown rule 'entrophy'; did you mean 'entropy'"):
        chosen_by("entrophy", found)
    with pytest.raises(InputError, match="unknown method 'dan'; did you mean 'dann'"):
        adapt(Case("x", {}, {}), method="dan", plan=Plan(steps=1), folder=Path(), seed=0)  # type: ignore[arg-type]


def test_digits_over_photographs() -> None:
    """|200 - 255| = 55 where the digit is, 200 where it is not."""
    digit = Pictures(np.array([[[[255, 0]]]], np.uint8), ("1",))
    photograph = np.full((3, 4, 4), 200, np.uint8)
    made = blended(digit, [photograph], seed=0)
    assert made.pixels.tolist() == [[[[55, 200]]] * 3]
    assert made.labels == ("1",)
