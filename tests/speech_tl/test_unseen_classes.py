"""Classes never seen: divided honestly, recognised by their descriptions, and refused where a table is broken."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from speech_tl import feature_tables, unseen_classes
from speech_tl.descriptions import METHODS, Method, Recogniser, Setting, learn, pixels, standardised
from speech_tl.errors import InputError
from speech_tl.feature_tables import FeatureTable
from speech_tl.images import Pictures
from speech_tl.training.loop import Plan
from speech_tl.unseen_classes import Problem, balanced, best_handicap, divide, few_shot, solve
from speech_tl.zero_shot.signatures import Signatures

ANIMALS = tuple(f"animal{at}" for at in range(8))


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Every class is a combination of three attributes, and so are its examples' features, with a little noise."""
    truth = np.array([[at >> bit & 1 for bit in range(3)] for at in range(8)], np.float32)
    random = np.random.default_rng(0)
    labels = tuple(name for name in ANIMALS for _ in range(20))
    features = truth.repeat(20, 0) @ random.normal(size=(3, 6)) + 0.05 * random.normal(size=(160, 6))
    table = FeatureTable(features.astype(np.float32), labels)
    both = np.concatenate([truth, 1 - truth], 1)
    attributes = Signatures(ANIMALS, ("a", "b", "c", "not a", "not b", "not c"), both)
    return Problem(table, attributes, attributes, standardised)


@pytest.mark.parametrize("method", METHODS)
def test_unseen_classes_are_recognised(
    method: Method, problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unseen_classes, "GRID", {method: (Setting(5e-2, best=4),)})
    found = solve(
        problem,
        ANIMALS[5:7],
        method=method,
        tune=False,
        shots=(1,),
        plan=Plan(steps=150, warmup_steps=5),
        folder=tmp_path,
        seed=0,
        device="cpu",
    )
    assert found.recogniser.seen == (*ANIMALS[:5], ANIMALS[7])
    assert set(found.test.labels) == set(ANIMALS[5:7])
    assert found.accuracy.unseen == 100 or (method == "conse" and found.accuracy.unseen >= 50)
    assert len(found.few_shot) == (method not in ("dap", "conse"))
    assert found.row["chance"] == 50


def test_settings_are_chosen_without_the_unseen(problem: Problem, tmp_path: Path) -> None:
    found = solve(
        problem,
        ANIMALS[:2],
        method="dap",
        tune=True,
        shots=(),
        plan=Plan(steps=20, warmup_steps=2),
        folder=tmp_path,
        seed=0,
        device="cpu",
    )
    assert sorted(path.name for path in tmp_path.glob("tune*")) == ["tune0", "tune1", "tune2", "tune3"]
    assert not set(ANIMALS[:2]) & set(found.recogniser.seen)
    assert found.row["validation_top1"] == 100, "one of six seen classes, among itself"


@pytest.mark.parametrize(("passes", "updates"), [(1.0, 20), (3.0, 60)])
def test_a_setting_may_take_longer(passes: float, updates: int, problem: Problem, tmp_path: Path) -> None:
    learn(
        problem.data,
        method="dap",
        setting=Setting(1e-2, passes=passes),
        body=standardised,
        attributes=problem.attributes,
        words=None,
        plan=Plan(steps=20, warmup_steps=2),
        folder=tmp_path,
        seed=0,
        device="cpu",
    )
    assert (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()[-1].startswith(f"step {updates}/{updates} ")


def test_a_division_keeps_a_tenth_of_every_seen_class(problem: Problem) -> None:
    parts = divide(problem.data.labels, ANIMALS[:2], seed=0)
    assert (len(parts.train), len(parts.seen_test), len(parts.unseen)) == (6 * 18, 6 * 2, 40)
    assert sorted((*parts.train, *parts.seen_test, *parts.unseen)) == list(range(160))
    assert parts == divide(problem.data.labels, ANIMALS[:2], seed=0) != divide(problem.data.labels, ANIMALS[:2], seed=1)


def test_of_a_single_example_none_is_kept() -> None:
    parts = divide(["a"] * 10 + ["b"] * 10 + ["c"], ["b"], seed=0)
    assert (len(parts.train), len(parts.seen_test), len(parts.unseen)) == (10, 1, 10) and 20 in parts.train


@pytest.mark.parametrize(
    ("labels", "unseen", "said"),
    [("aab", ["a"], "no example of seen classes"), ("aabb", [], "no example of unseen classes")],
)
def test_what_cannot_be_tested_is_told_before_it_is_trained(
    labels: str, unseen: list[str], said: str, tmp_path: Path
) -> None:
    table = FeatureTable(np.eye(len(labels), dtype=np.float32), tuple(labels))
    attributes = Signatures(("a", "b"), ("furry",), np.ones((2, 1), np.float32))
    with pytest.raises(InputError, match=said):
        solve(
            Problem(table, attributes, None, standardised), unseen, method="dap", tune=False, shots=(),
            plan=Plan(steps=2), folder=tmp_path, seed=0,
        )  # fmt: skip


def test_draws_are_balanced() -> None:
    draws = balanced(ANIMALS, 2, 8)
    assert len(draws) == 8 and all(len(set(draw)) == 2 for draw in draws)
    assert {sum(name in draw for draw in draws) for name in ANIMALS} == {2}
    with pytest.raises(InputError, match="7 unseen of 8 classes: expected 1 to 6"):
        balanced(ANIMALS, 7, 1)


class Said(torch.nn.Module):
    """Says what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return given


def by_hand() -> Recogniser:
    table = Signatures(("cat", "dog", "fox"), ("x", "y", "z"), np.eye(3, dtype=np.float32))
    return Recogniser(Said(), "attribute_softmax", Setting(1e-3), ("cat", "dog"), table, None, 0.0)


def test_seen_and_unseen_by_hand() -> None:
    """Two foxes, one a little more a cat, and a cat and a dog, well told apart.

    Without a handicap one fox of two is right among all: the harmonic mean of 100 and 50 is 66.7. A handicap between
    0.1 and 0.5 gives all of them back.
    """
    foxes = FeatureTable(np.array([[0.2, 0, 1], [0.6, 0, 0.5]], np.float32), ("fox", "fox"))
    known = FeatureTable(np.array([[1, 0.2, 0.5], [0, 1, 0.4]], np.float32), ("cat", "dog"))
    plain = unseen_classes.tested(by_hand(), known, foxes, classes=("fox",), handicap=0.0)
    assert (plain.unseen, plain.seen, plain.generalised_unseen, plain.generalised_seen) == (100, 100, 50, 100)
    assert plain.harmonic_mean == pytest.approx(200 / 3)
    handicap = best_handicap(by_hand(), known, foxes, classes=("fox",))
    assert 0.1 < handicap < 0.5
    assert unseen_classes.tested(by_hand(), known, foxes, classes=("fox",), handicap=handicap).harmonic_mean == 100


def test_one_example_corrects_a_signature() -> None:
    """Foxes lie between z and x, owls on y: the signature of a fox alone is beaten by nobody, one example is enough."""
    table = Signatures(("fox", "owl"), ("x", "y"), np.array([[0, 1], [1, 0.2]], np.float32))
    recogniser = Recogniser(Said(), "attribute_softmax", Setting(1e-3), ("cat",), table, None, 0.0)
    foxes = np.tile(np.array([[0.9, 0.5]], np.float32), (4, 1))
    owls = np.tile(np.array([[1.0, -0.6]], np.float32), (4, 1))
    data = FeatureTable(np.concatenate([foxes, owls]), ("fox",) * 4 + ("owl",) * 4)
    assert recogniser.said(recogniser.placed(data), ("fox", "owl"))[:4] == ["owl"] * 4
    assert few_shot(recogniser, data, classes=("fox", "owl"), shots=1, seed=0) == 100
    with pytest.raises(InputError, match="fox has 4 examples: 4 to learn from leave none to test on"):
        few_shot(recogniser, data, classes=("fox", "owl"), shots=4, seed=0)


def test_pixels_go_through_a_small_network(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = tuple(name for name in ANIMALS[:4] for _ in range(6))
    pictures = Pictures(random.integers(0, 255, (24, 3, 16, 16)).astype(np.uint8), labels)
    attributes = Signatures(ANIMALS[:4], ("a", "b"), np.array([[0, 1], [1, 0], [1, 1], [0.5, 1]], np.float32))
    learned = learn(
        pictures,
        method="attribute_softmax",
        setting=Setting(1e-3),
        body=pixels,
        attributes=attributes,
        words=None,
        plan=Plan(steps=2, warmup_steps=1),
        folder=tmp_path,
        seed=0,
        device="cpu",
    )
    assert learned.scores(learned.placed(pictures), ANIMALS[:3]).shape == (24, 3)
    with pytest.raises(InputError, match="conse goes by word vectors, and there are none"):
        learn(
            pictures, method="conse", setting=Setting(1e-3), body=pixels, attributes=attributes, words=None,
            plan=Plan(steps=2), folder=tmp_path, seed=0,
        )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seen classes and an unseen one, two features, one of them compressed."""
    np.savez(tmp_path / "labels.npz", y=[0, 1, 2, 0], train_classes=["cat", "dog"], test_classes=["fox"])
    np.savez(tmp_path / "shape.npz", q=np.array([[1], [2], [3], [4]], np.int8), scale=np.array([0.5], np.float32))
    np.savez(tmp_path / "colour.npz", values=np.array([[9], [8], [7], [6]], np.float32))
    np.savez(tmp_path / "wordvec.npz", np.eye(3))
    (tmp_path / "attributes.tsv").write_text("class\tfurry\ncat\t1\ndog\t2\nfox\t3\n")
    return tmp_path


def test_a_folder_of_feature_tables(folder: Path) -> None:
    found = feature_tables.read(folder)
    assert found.table.labels == ("cat", "dog", "fox", "cat")
    assert found.table.features.tolist() == [[9, 0.5], [8, 1], [7, 1.5], [6, 2]]
    assert found.unseen == ("fox",)
    assert found.attributes.of(["fox"]).tolist() == [[3]]
    assert found.words is not None and found.words.of(["dog"]).tolist() == [[0, 1, 0]]


def test_labels_are_numbered_as_the_classes_are(folder: Path) -> None:
    """classes.txt has another order than attributes.tsv: 0 is the fox there, and the first word vector."""
    (folder / "classes.txt").write_text("1\tfox\n2\tcat\n3\tdog\n")
    found = feature_tables.read(folder)
    assert found.table.labels == ("fox", "cat", "dog", "fox")
    assert found.attributes.of(["fox", "cat"]).tolist() == [[3], [1]]
    assert found.words is not None and found.words.of(["fox"]).tolist() == [[1, 0, 0]]


def test_a_class_of_neither_half_is_left_out(folder: Path) -> None:
    np.savez(folder / "labels.npz", y=[0, 1, 2, 0], train_classes=["cat"], test_classes=["fox"])
    found = feature_tables.read(folder)
    assert found.table.labels == ("cat", "fox", "cat") and found.table.features[:, 0].tolist() == [9, 7, 6]


def test_the_tables_of_animals_with_attributes(folder: Path) -> None:
    (folder / "attributes.tsv").unlink()
    (folder / "classes.txt").write_text("1\tcat\n2\tdog\n3\tfox\n")
    (folder / "predicates.txt").write_text("1\tfurry\n2\tblue\n")
    (folder / "predicate-matrix-continuous.txt").write_text("1 2\n3 -1\n5 6\n")
    assert feature_tables.read(folder).attributes.of(["dog"]).tolist() == [[3, 0]], "-1 is: nobody was asked"


HALVES = {"train_classes": ["cat", "dog"], "test_classes": ["fox"]}


def save(name: str, **arrays: object) -> Callable[[Path], object]:
    return lambda folder: np.savez(folder / name, **arrays)  # type: ignore[arg-type]


LABELS = {"y": [0, 1, 2, 0], "train_classes": ["cat", "dog"], "test_classes": ["fox"]}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "labels.npz").unlink(), r"no labels\.npz in .*: expected a folder of feature tables"),
        (lambda folder: (folder / "labels.npz").write_text("no"), r"labels\.npz is not a whole \.npz file"),
        (save("labels.npz", y=[0]), r"labels\.npz has no train_classes"),
        (
            save("labels.npz", y=["cat"] * 4, train_classes=["cat", "dog"], test_classes=["fox"]),
            r"y is 4 of <U3: expected",
        ),
        (
            save("labels.npz", y=[[0], [1], [2], [0]], train_classes=["cat", "dog"], test_classes=["fox"]),
            "y is 4 x 1 of",
        ),
        (save("labels.npz", y=[0, 1, 1, 0], train_classes=["cat", "dog"], test_classes=["fox"]), "no example of 'fox'"),
        (save("colour.npz", values=["a", "b", "c", "d"]), r"colour\.npz holds no features .*: expected numbers"),
        (save("shape.npz", q=np.ones((4, 2)), scale=np.ones(3)), r"shape\.npz holds no features .*of one width"),
        (save("labels.npz", **(LABELS | {"y": [0, 1, 2, 3]})), "labels outside of the 3 classes"),
        (save("labels.npz", **(LABELS | {"test_classes": ["dog"]})), "dog are both trained on and unseen"),
        (save("labels.npz", **(LABELS | {"test_classes": ["fix"]})), "unknown class 'fix' .*did you mean 'fox'"),
        (save("shape.npz", q=np.ones((4, 1))), None),
        (save("shape.npz", a=np.ones((4, 1)), b=np.ones((4, 1))), "holds a, b: expected one array, or q and scale"),
        (save("shape.npz", q=np.ones((3, 1))), "is 3 x 1: expected 4 rows, one for each label"),
        (save("shape.npz", q=np.full((4, 1), np.nan)), "no finite numbers"),
        (lambda folder: [(folder / f"{name}.npz").unlink() for name in ("shape", "colour")], "holds no features"),
        (lambda folder: (folder / "attributes.tsv").unlink(), r"no attributes\.tsv in .*, nor classes\.txt"),
        (save("wordvec.npz", a=np.ones((2, 5))), r"wordvec\.npz is no table of numbers with 3 rows"),
        (save("wordvec.npz", a=np.full((3, 5), "red")), r"wordvec\.npz is no table of numbers with 3 rows"),
    ],
)
def test_folders_that_are_not_as_they_should(folder: Path, spoil: Callable[[Path], object], said: str | None) -> None:
    spoil(folder)
    if said is None:
        assert feature_tables.read(folder).table.features.shape == (4, 2)
        return
    with pytest.raises(InputError, match=said):
        feature_tables.read(folder)


def test_real_animals(shared_data: Path) -> None:
    found = feature_tables.read(shared_data / "image" / "awa1_features")
    assert found.table.features.shape == (30_475, 516)
    assert (len(set(found.table.labels)), len(found.unseen), len(found.attributes.attributes)) == (50, 10, 85)
    assert found.words is not None and found.words.values.shape == (50, 1000)
