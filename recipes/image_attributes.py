"""Animals never seen, recognised by what they are like: furry, striped, in the water.

Direct attribute prediction, the lecture's embedding f(x)·g(y) with its margin and with a softmax, word vectors in the
place of attributes, and the convex combination of ConSE, on features somebody extracted or on pixels; among the unseen
classes, and, harder, among all of them. With `--tune`, settings and the handicap of seen classes are chosen on a
quarter of the seen classes, which then count as unseen; the unseen ones choose nothing.

    python -m recipes.image_attributes --data D/awa1_features --tune --seeds 0 1 2 --out runs/animals
    python -m recipes.image_attributes --data D/tiny_imagenet_awa/images.tar.gz \\
        --names D/tiny_imagenet_awa/wnid_to_awa.tsv --attributes D/awa1_features --unseen 4 --draws 20 --epochs 20 \\
        --methods attribute_softmax --out runs/pixels

Measured with the first command, three seeds, mean [range], 4 minutes on one core, class-averaged top-1 on the ten
classes of the standard split (chance 10): direct attribute prediction 37.7 [37.5, 37.7], embedding by softmax 40.7
[40.3, 41.0], by the lecture's margin 36.1 [36.0, 36.3], word vectors 32.5 [31.8, 33.3], ConSE 29.4 [28.6, 30.0].
Among all fifty classes, harmonic mean: 20.1, 27.1, 25.7, 22.8, 19.1. The features are reduced histograms of 2009,
hand-made; nothing here compares with features of a deep network. From pixels, with the second command, 20 draws, 23
minutes beside two other runs: 28.8 % [26.6, 31.0] of the unseen (chance 25, 17 draws above it), 50.7 % of the seen,
harmonic mean among all 10.0; with one and five examples of each unseen class 32.1 and 37.4.
"""

import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from speech_tl import feature_tables, flags, images
from speech_tl.attribute_figures import embedding, predictions
from speech_tl.descriptions import METHODS, Method, pixels, standardised
from speech_tl.device import chosen
from speech_tl.errors import InputError
from speech_tl.report import Report, finish, text
from speech_tl.training import config as configuration
from speech_tl.training.config import command
from speech_tl.training.loop import Plan
from speech_tl.unseen_classes import CAPTIONS, Problem, Tested, balanced, solve


@dataclass(frozen=True, kw_only=True)
class Config(flags.Runs):
    data: Path
    """A folder of feature tables (`speech_tl.feature_tables`), or pictures by class, as a folder or a .tar archive."""
    attributes: Path | None = None
    """What classes are like, for pictures: a .tsv table, or a folder with the tables of Animals with Attributes."""
    names: Path | None = None
    """For pictures, a tab-separated table of folder and class; other folders are left out."""
    size: int = 32
    """Pixels a side that pictures are scaled to; a pretrained encoder sees no more than these: give it its own size."""
    encoder: str = "cnn"
    """For pictures: cnn to train one from pixels, or a folder of a vision checkpoint of transformers, frozen."""
    methods: tuple[Method, ...] = METHODS
    """How classes are recognised."""
    unseen: int | None = None
    """So many classes, drawn anew for each draw, are never trained on; as the tables say if none."""
    draws: int = 1
    """How often unseen classes are drawn, each class about as often as every other."""
    tune: bool = False
    """Choose each method's settings and the handicap of seen classes on a quarter of the seen classes."""
    shots: tuple[int, ...] = (1, 5)
    """Labelled examples of each unseen class that are given for one-shot and few-shot learning."""
    epochs: float = 8.0
    """Passes through the training examples."""
    out: Path = Path("runs/image_attributes")
    """Where the run is kept."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    flags.check_named(seeds=config.seeds, methods=config.methods, draws=range(config.draws))
    if min((config.size, *config.shots)) < 1:
        shots = " ".join(map(str, config.shots))
        raise InputError(f"--size {config.size} --shots {shots}: expected whole numbers above 0")
    if config.draws > 1 and config.unseen is None:
        raise InputError(f"--draws {config.draws}: of how many classes? give their number with --unseen")

    # Data
    problem, unseen = _problem(config)
    draws = [unseen] if config.unseen is None else balanced(problem.classes, config.unseen, config.draws)
    plan = Plan(epochs=None if config.tiny else config.epochs, steps=8 if config.tiny else None, warmup_steps=5)
    configuration.begin(config, config.out, resume=config.resume, free=("methods", "seeds", "draws", "shots"))

    # Model, transfer and train
    found: list[tuple[int, Tested]] = []
    for seed, (draw, classes), method in product(config.seeds, enumerate(draws), config.methods):
        tested = solve(
            problem,
            classes,
            method=method,
            tune=config.tune,
            shots=config.shots,
            plan=plan,
            folder=config.out / "networks" / f"{method}_draw{draw}_seed{seed}",
            seed=seed,
            resume=config.resume,
            device=config.device,
        )
        found.append((draw, tested))
        print(text([{"draw": draw, **tested.row}]), file=sys.stderr, flush=True)

    # Evaluate
    rows = [{"draw": draw, **each.row} for draw, each in found]
    last = {each.recogniser.method: each for _, each in found}
    placing = [each for method, each in last.items() if method in ("attribute_softmax", "attribute_embedding")]
    sections: list[Any] = [embedding(each.recogniser, each.test, each.unseen) for each in placing[-1:]]
    if "dap" in last:
        sections.append(predictions(last["dap"].recogniser, last["dap"].test, last["dap"].unseen))
    return finish(
        "image_attributes",
        config.out,
        seed=config.seeds,
        device=chosen(config.device),
        began=began,
        tables={"attributes": rows, "few_shot": [row for _, each in found for row in each.few_shot]},
        captions=CAPTIONS,
        sections=tuple(sections),
        notes=tuple(f"Draw {at}: never trained on {', '.join(classes)}." for at, classes in enumerate(draws)),
        shown=("attributes",),
    )


def _problem(config: Config) -> tuple[Problem, tuple[str, ...]]:
    """Examples, what their classes are like, and the classes that the tables say are unseen."""
    if (config.data / "labels.npz").is_file():
        of_pictures = ("attributes", "names", "size", "encoder")
        if useless := [f"--{name}" for name in of_pictures if getattr(config, name) != getattr(Config, name)]:
            raise InputError(f"{config.data} is a folder of feature tables: leave out {' '.join(useless)}, of pictures")
        found = feature_tables.read(config.data)
        return Problem(found.table, found.attributes, found.words, standardised), found.unseen
    if config.attributes is None or config.unseen is None:
        raise InputError(f"{config.data} is no folder of feature tables, and pictures need --attributes and --unseen")
    attributes, words = feature_tables.described(config.attributes)
    names = images.read_names(config.names) if config.names else None
    pictures = images.by_class(config.data, names=names, size=config.size)
    if config.encoder == "cnn":
        return Problem(pictures, attributes, words, pixels), ()
    features = images.features(pictures, config.encoder)
    return Problem(feature_tables.FeatureTable(features, pictures.labels), attributes, words, standardised), ()


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
