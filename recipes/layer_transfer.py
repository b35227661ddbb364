"""How far does each layer carry over, and from which end should one keep? The lecture's curve, on speech and pictures.

Task B is half of a corpus's words from half of its training speakers, tested on its own test speakers. Task A differs
in one thing: `words` (the other words, same voices), `voices` (same words, other voices), or a folder of another
language. For every number of layers kept from the input or the output side: kept from A (AnB) or B itself (BnB),
frozen or, with a plus, free to move, beside random frozen ones (RnB) and B as it is (Yosinski et al., 2014). Of
pictures, B is half of the classes and A, `classes`, the other half.

    python -m recipes.layer_transfer --data D/arabic_speech_commands --source words voices D/fsdd_english_digits \\
        --out runs/layers --plan
    python -m recipes.layer_transfer --data D/mnist --source classes --examples 200 --out runs/picture_layers

`--plan` says how many networks that are, and leaves. Arabic words (`--source voices D/fsdd_english_digits --examples
400 --steps 500 --kept 1 3 5`, 13 CPU-minutes a seed; seeds 0, 1, 2, mean [range]): B alone 45.0 % utterance error
[39.4, 53.8]; 1, 3, 5 layers from the input, frozen, of other voices 43.4, 33.5, 32.0, of English 47.8, 76.5, 97.6,
random 52.0, 86.1, 100.0; B's own three from the output 67.1: 22.1 points [11.6, 27.5] of fragile co-adaptation, from
the input 6.1 [2.5, 9.4].
"""

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from speech_tl import flags, images
from speech_tl.augmentation import AS_RECORDED
from speech_tl.curves import CAPTIONS, Network, layer_pictures, layer_tables
from speech_tl.device import chosen
from speech_tl.errors import InputError, unknown_name
from speech_tl.report import Report, finish
from speech_tl.systems import Settings, fit_short_clips
from speech_tl.tasks import NEAR, Classes, Task, Words, other_corpora, picture_halves, quarter, words_of
from speech_tl.training import config as configuration
from speech_tl.training.config import command
from speech_tl.training.loop import Plan
from speech_tl.transfer import layers
from speech_tl.transfer.transferability import SIDES, TREATMENTS, Cut, Side, Treatment, cuts, put_together


@dataclass(frozen=True, kw_only=True)
class Config(flags.Run):
    data: str
    """A corpus of words with several training speakers; or pictures: MNIST's files, or folders by class."""
    source: tuple[str, ...] = ("words", "voices")
    """Tasks A: `words`, `voices`, or corpora of other languages; of pictures `classes`."""
    language: str = ""
    """Of --data, where it holds several."""
    treatments: tuple[Treatment, ...] = TREATMENTS
    """Which networks are put together."""
    sides: tuple[Side, ...] = SIDES
    """Ends that layers are kept from."""
    kept: tuple[int, ...] = ()
    """Numbers of layers to keep; every one if none."""
    examples: int | None = None
    """At most so many training examples of task B, drawn by seed."""
    size: int | None = None
    """Pixels a side that pictures in folders are scaled to; their own if none."""
    encoder: str = "small"
    """tiny, small or base, for speech."""
    sample_rate: int = 8000
    """Hz that all audio is brought to, 16000 or 8000."""
    steps: int = 600
    """Updates of every network."""
    peak_rate: float = 2e-3
    """Learning rate after the warm-up."""
    out: Path = Path("runs/layer_transfer")
    """Where the run is kept, with a folder for each network."""
    plan: bool = False
    """Print the networks and leave."""


def main(config: Config) -> Report | None:
    began = time.monotonic()
    chosen(config.device)
    flags.check_named(source=config.source, treatments=config.treatments, sides=config.sides)
    for flag, number in (("examples", config.examples), ("size", config.size)):
        if number is not None and number < 1:
            raise InputError(f"--{flag} {number}: expected 1 or more")

    # Data
    pictures = images.holds_pictures(config.data)
    b, sources = _pictures(config) if pictures else _speech(config)

    # Model
    names = list(b.groups(b.fresh(seed=config.seed)))[:-1]  # without the task's own head
    networks = list(_networks(config, sources, len(names)))
    steps = 8 if config.tiny else config.steps
    print(
        f"{len(networks) + len(sources) + 1} networks of {steps} updates; layers: {', '.join(names)}", file=sys.stderr
    )
    if config.plan:
        return None
    config.out.mkdir(parents=True, exist_ok=True)
    plan = Plan(steps=steps, peak_rate=config.peak_rate, validate_every=max(1, steps // 4), average=0.99)
    configuration.begin(config, config.out, resume=config.resume, free=("treatments", "sides", "kept", "plan"))

    # Train
    own = _trained(config, b, "B", b.fresh(seed=config.seed), plan)
    others = {
        name: _trained(config, a, f"A_{name}", a.fresh(seed=config.seed + at), plan)[0]
        for at, (name, a) in enumerate(sources.items(), start=1)
    }
    base, kind = b.test(own[0]), "pictures" if pictures else "speech"
    found = [Network(kind, "", None, config.seed, base, *own[1:])]

    # Transfer
    for source, cut in networks:
        model = b.fresh(seed=config.seed + 1000)  # not what B began with
        groups, a = b.groups(model), others.get(source)
        theirs = sources[source].groups(a) if a is not None else {}
        free = put_together(cut, groups, a=theirs, b=b.groups(own[0]), keepable=names)
        layers.train_only(model, groups, free)
        held = layers.frozen(model)
        name = "_".join(filter(None, [cut.treatment.replace("+", "plus"), cut.side, str(cut.kept), source]))
        trained, count, seconds = _trained(config, b, name, model, plan)
        layers.check_frozen(model, held)

        # Evaluate
        found.append(Network(kind, source, cut, config.seed, b.test(trained), count, seconds))
    measured = layer_tables(found)
    return finish(
        "layer_transfer",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables=measured,
        captions=CAPTIONS | {"differences": "Points against B as it is, on the same examples."},
        sections=layer_pictures(measured["layers"]),
        shown=("layers",),
    )


def _networks(config: Config, sources: Mapping[str, Task], depth: int) -> Iterator[tuple[str, Cut]]:
    """(source, cut); what comes from B itself or from nowhere is made once, under the source ""."""
    for cut in cuts(depth, treatments=config.treatments, sides=config.sides, kept=config.kept):
        yield from ((source, cut) for source in (sources if cut.treatment.startswith("A") else [""]))


def _trained(config: Config, task: Task, name: str, model: nn.Module, plan: Plan) -> tuple[Any, int, float]:
    """The trained network, how many of its weights were free, and the seconds it took."""
    count = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    found = task.train(
        name, model, plan=plan, folder=config.out / "networks" / name, seed=config.seed, resume=config.resume
    )
    return found.model, count, found.seconds


def _speech(config: Config) -> tuple[Task, dict[str, Task]]:
    """Task B and the tasks A: quarters of the corpus by words and by training speakers, or other corpora whole."""
    whole = words_of(config.data, language=config.language, sample_rate=config.sample_rate)
    parts = {"": quarter(whole, seed=config.seed, most=config.examples)}
    for near in filter(NEAR.__contains__, config.source):
        parts[near] = quarter(whole, seed=config.seed, other_words=near == "words", other_voices=near == "voices")
    parts |= other_corpora(config.source, sample_rate=config.sample_rate, flag="--source", known=NEAR, tested=whole)
    subsampling, least_frames, said = fit_short_clips(parts, 4)
    print(said, file=sys.stderr)
    settings = Settings(
        encoder="tiny" if config.tiny else config.encoder,
        subsampling=subsampling,
        least_frames=least_frames,
        dropout=0.0,
        augmentation=AS_RECORDED,
        device=config.device,
    )
    tasks: dict[str, Task] = {name: Words(part, settings) for name, part in parts.items()}
    return tasks.pop(""), tasks


def _pictures(config: Config) -> tuple[Task, dict[str, Task]]:
    """Task B and task A: halves of the classes."""
    if set(config.source) - {"classes"}:
        raise unknown_name("source", next(iter(set(config.source) - {"classes"})), ["classes"], where="--source")
    parts = images.read(config.data, size=config.size)
    ours, theirs = picture_halves(parts, seed=config.seed, most=config.examples)
    return Classes(ours, device=config.device), {"classes": Classes(theirs, device=config.device)}


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
