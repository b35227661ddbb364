"""Pairs never seen, translated through one shared encoder: every direction from hub-centric data, with its pivot.

The model trains on hub-x pairs only, each hub sentence in one pair (`--condition disjoint`), and is asked for every
direction x-y. Direct translation stands beside the pivot through the hub and a copy of the source.

    python -m recipes.nmt_zero_shot --minutes 5 --out runs/zero_shot

First path through the whole: nothing in this header has been measured yet.
"""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from nmt_zero_shot import cleaning, corpus, grammar, language_id, model, readers, subwords
from nmt_zero_shot.batches import TextBatch, TextBatches, in_order
from nmt_zero_shot.evaluate import evaluate
from nmt_zero_shot.model import Initialisation
from nmt_zero_shot.objectives import alignment, denoising, mean_loss, noise, translation
from nmt_zero_shot.retrieval import retrieval_rows
from nmt_zero_shot.systems import in_torch
from nmt_zero_shot.tags import Codec, Scheme, check
from nmt_zero_shot.variants import Norm
from speech_tl.device import chosen
from speech_tl.report import Report, text, write
from speech_tl.training import config as configuration
from speech_tl.training.config import command
from speech_tl.training.loop import Plan, fit
from speech_tl.training.seeding import Streams, seed_everything


@dataclass(frozen=True)
class Config:
    data: str = ""
    """A corpus: aligned text files, TSV, TMX, Multi30k's folder or hub:NAME:CONFIG; sentences made here if none."""
    languages: tuple[str, ...] = ()
    """Besides the hub; all that the data hold if none."""
    hub_language: str = "en"
    """The language of every training pair."""
    condition: Literal["disjoint", "multiway"] = "disjoint"
    """disjoint: a hub sentence serves one pair; multiway: every pair it has."""
    tests: tuple[str, ...] = ()
    """Only the test sets of these names; all if none."""
    size: str = "small"
    """tiny, small or base."""
    vocabulary: int = 4000
    """Subwords."""
    tags: Scheme = "source"
    """Where the target's tag goes: source, both or decoder."""
    norm: Norm = "pre"
    """Layer norm before (pre) or after (post) each sublayer."""
    middle_residual: bool = True
    """Whether self-attention of the middle encoder layer adds to its input."""
    top_tags: int = 0
    """So many top encoder layers are given the target language."""
    init: Initialisation = "glorot"
    """How weights are drawn: glorot, normal or unit."""
    dropout: float = 0.1
    """After every sublayer."""
    attention_dropout: float = 0.1
    """Of attention weights."""
    smoothing: float = 0.1
    """Of labels."""
    align: float = 0.0
    """Weight of the alignment of pooled encoder states."""
    denoise: bool = False
    """Also restore sentences of every language from noise, under their own tag."""
    minutes: float = 5.0
    """CPU-minutes of training, wall minutes on a GPU."""
    steps: int | None = None
    """Updates, in the place of minutes."""
    tokens: int = 2000
    """Padded subwords a side in a batch."""
    peak_rate: float = 2e-3
    """Learning rate after the warm-up."""
    warmup: int = 200
    """Updates of linear warm-up."""
    validate_every: int = 200
    """Updates between validations, and between saved states."""
    temperature: float = 1.0
    """Directions are drawn in proportion to size^(1/temperature)."""
    beam: int = 5
    """Hypotheses kept in the search; 1 is greedy."""
    test_sentences: int = 1000
    """Of each test set at most so many."""
    seed: int = 0
    """Of everything random."""
    out: Path = Path("runs/nmt_zero_shot")
    """Where the run is kept."""
    resume: bool = False
    """Continue the run in --out."""
    device: str = "auto"
    """auto, cpu or cuda."""
    tiny: bool = False
    """Seconds on generated sentences, to see that everything works."""


def main(config: Config) -> Report:
    began = time.monotonic()
    device = chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    if config.tiny:
        config = replace(config, size="tiny", vocabulary=600, steps=config.steps or 40, validate_every=20, beam=1)
    hub = config.hub_language

    # Data
    found = readers.read(config.data, hub=hub, languages=config.languages) if config.data else grammar.generate()
    found, _ = cleaning.clean(corpus.hold_out(found, hub=hub, seed=config.seed), hub=hub)
    pairs = corpus.divide(
        found.train,
        hub=hub,
        languages=config.languages,
        condition=config.condition,
        groups=found.groups,
        seed=config.seed,
    )
    others = [other for _, other in pairs]
    zero_shot = [(x, y) for x in others for y in others if x != y]
    if config.condition == "disjoint":
        corpus.check_held_out(pairs, zero_shot)
    sizes = (f"{a}-{b}: {len(sentences)} sentence pairs" for (a, b), sentences in pairs.items())
    notes = (*found.notes, *sizes)
    print("\n".join(notes), file=sys.stderr)
    texts = _texts(pairs)
    identify = language_id.train(texts)

    # Model
    pieces = subwords.train(texts, size=config.vocabulary, seed=config.seed)
    codec = Codec(pieces, check(config.tags))
    seed_everything(config.seed)
    net = model.build(
        config.size,
        pieces,
        norm=config.norm,
        middle_residual=config.middle_residual,
        tags=config.tags,
        top_tags=config.top_tags,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        init=config.init,
    )

    # Train
    if not (config.resume and (config.out / "config.json").exists()):
        configuration.save(config, config.out / "config.json")
    language_id.save(identify, config.out / language_id.FILE)
    streams = Streams(config.seed)
    restored = denoising(pairs) if config.denoise else {}
    batches = TextBatches(
        pairs | restored,
        codec,
        tokens=config.tokens,
        temperature=config.temperature,
        generator=streams.generator("batches"),
        noise=partial(noise, generator=streams.generator("noise"), blank=subwords.UNK),
    )
    valid = corpus.divide(found.valid, hub=hub, languages=others, condition="multiway")
    held = list(in_order({pair: own[:200] for pair, own in valid.items()}, codec, tokens=4000))

    def terms(net: Any, batch: TextBatch) -> dict[str, Tensor]:
        hidden = model.encode(net, batch.source, batch.source_mask)
        losses = {"translation": translation(net, batch, smoothing=config.smoothing, hidden=hidden)}
        if config.align:
            losses["alignment"] = config.align * alignment(net, batch, hidden=hidden)
        return losses

    plan = Plan(
        minutes=config.minutes if config.steps is None else None,
        steps=config.steps,
        peak_rate=config.peak_rate,
        warmup_steps=config.warmup,
        validate_every=config.validate_every,
        average=0.99,
    )
    history = fit(
        net,
        batches,
        terms,
        plan=plan,
        out=config.out,
        streams=streams,
        validate=lambda net: mean_loss(net, (batch.to(net.device) for batch in held)),
        on_best=lambda best: model.save(best, pieces, config.out / "checkpoint"),
        resume=config.resume,
        device=config.device,
    )

    # Evaluate
    best = model.load(config.out, device=device)
    system = in_torch(best, beam=config.beam)
    languages = [hub, *others]
    directions = [(x, y) for x in languages for y in languages if x != y]
    evaluation = None
    retrieved: list[dict[str, Any]] = []
    for test, rows in found.tests.items():
        if not config.tests or test in config.tests:
            rows = rows[: config.test_sentences]
            asked = evaluate(system, rows, directions, test=test, hub=hub, identify=identify)
            evaluation = asked if evaluation is None else evaluation + asked
            retrieved += retrieval_rows(best, rows, languages, test=test, tag=hub)
    assert evaluation is not None
    measured = evaluation.tables() | {"retrieval": retrieved}
    measured["training"] = [{"updates": history.steps, "train_seconds": history.train_seconds}]
    report = Report(
        recipe="nmt_zero_shot",
        command=shlex.join(["python", "-m", "recipes.nmt_zero_shot", *sys.argv[1:]]),
        seed=config.seed,
        device=device,
        seconds=time.monotonic() - began,
        tables=measured,
        notes=notes,
    )
    write(report, config.out)
    print(text(measured["bleu"]), text(measured["summary"]), sep="\n\n")
    return report


def _texts(pairs: corpus.Bitexts) -> dict[str, Sequence[str]]:
    """Language -> its training sentences, each once."""
    seen: dict[str, dict[str, None]] = {}
    for (hub, other), sentences in pairs.items():
        seen.setdefault(hub, {}).update(dict.fromkeys(left for left, _ in sentences))
        seen.setdefault(other, {}).update(dict.fromkeys(right for _, right in sentences))
    return {language: list(own) for language, own in seen.items()}


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
