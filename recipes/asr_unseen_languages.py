"""Languages never heard: their phones by articulation, their words by their own lexicon.

Some languages are held out whole. The others train one encoder with two heads, a row of weights for each phone and a
score from each phone's articulation, which then hear the held-out languages with nothing but their inventories.

    python -m recipes.asr_unseen_languages --data D/ucla_phonetic --rewrite q̠=ɡ --hold-out 12 --encoder tiny \\
        --augment-after 1 --batch-clips 8 --steps 3397 --validate-every 600 --seed 0 --out runs/unseen_languages

Measured so (as --minutes 3.5), from scratch on 0.75 h, seeds 0, 1, 2, each with other twelve languages: phone errors
of 66.2, 66.4, 71.8 % by phones, 68.3, 66.7, 71.7 by signatures and 65.8, 65.7, 70.8 by both, words 49 to 52, 47 to
49, 39 to 40 % right against 3 by chance: no head is apart but, with seed 0, signatures behind both. The small encoder
with augmentation was still near the plateau after 3,000 updates (84.8 to 85.3 %; recipes/LOG.md). `--encoder` takes a
pretrained encoder.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from speech_tl import flags, unseen_languages
from speech_tl.augmentation import AS_RECORDED, NEW_VOICES
from speech_tl.data.transcriptions import corpus
from speech_tl.device import chosen
from speech_tl.errors import InputError
from speech_tl.models.phone_heads import HEADS, Head
from speech_tl.phone_results import (
    CAPTIONS,
    Heard,
    constant_error,
    coverage_rows,
    covered,
    difference_rows,
    hear,
    phone_rows,
    word_rows,
)
from speech_tl.phonology.phones import segments
from speech_tl.report import Report, finish
from speech_tl.systems import Settings
from speech_tl.training import config as configuration
from speech_tl.training.config import command


@dataclass(frozen=True, kw_only=True)
class Config(flags.Training):
    data: str
    """A corpus of many languages whose transcripts are IPA, with LANGUAGE/inventory/allophone.txt where it has them."""
    column: str = "text"
    """Of its table that holds the IPA."""
    tones: bool = False
    """A tone is a phone of its own."""
    rewrite: tuple[str, ...] = ()
    """Phones that the transcripts write otherwise than they mean: WRITTEN=MEANT."""
    hold_out: tuple[str, ...] = ("12",)
    """Languages that are never trained on: their codes, or so many drawn by seed."""
    heads: Literal["phones", "signatures", "both"] = "both"
    """What the encoder is trained with."""
    augment_after: float = 0.1
    """Share of the updates after which words are varied; 0 is from the start, 1 is never."""
    out: Path = Path("runs/asr_unseen_languages")
    """Where the run is kept."""


def main(config: Config) -> Report:
    began = time.monotonic()
    chosen(config.device)
    config.out.mkdir(parents=True, exist_ok=True)  # refused before anything is read
    if not 0 <= config.augment_after <= 1:
        raise InputError(f"--augment-after {config.augment_after:g}: expected a share of updates, 0 to 1 (never)")
    heads: tuple[Head, ...] = ("phones", "signatures") if config.heads == "both" else (config.heads,)

    # Data
    data = corpus(config.data, column=config.column, tones=config.tones, rewrite=_rewritten(config.rewrite))
    held = unseen_languages.held_out(data, config.hold_out, seed=config.seed)
    trained = {code: language for code, language in data.items() if code not in held}
    said = [phones for language in trained.values() for phones in language.phones]
    notes = [f"never trained on: {', '.join(held)}; trained on {len(said)} words of {len(trained)} other languages"]

    # Model and train
    plan = flags.plan(config)
    configuration.begin(config, config.out, resume=config.resume)
    settings = Settings(
        encoder="tiny" if config.tiny else config.encoder,
        subsampling=config.subsampling,
        dropout=config.dropout,
        augmentation=NEW_VOICES if config.augment_after < 1 else AS_RECORDED,
        augment_after=config.augment_after,
        temperature=config.temperature,
        batch_seconds=config.batch_seconds,
        batch_clips=config.batch_clips,
        device=config.device,
    )
    model = unseen_languages.train(
        trained,
        settings=settings,
        plan=plan,
        folder=config.out,
        seed=config.seed,
        heads=heads,
        resume=config.resume,
    )

    # Evaluate
    heard: dict[Head, list[Heard]] = {head: [] for head in (HEADS if len(heads) > 1 else heads)}
    known, coverage = model.heads.phones, []
    for code in held:
        lacking = covered(data[code], known)
        print(f"{code}: {lacking}", file=sys.stderr)
        coverage += coverage_rows(code, lacking)
        for head, own in hear(model, data[code], data[code].clips(model.rate), heads=tuple(heard)).items():
            heard[head] += own
    constant, error = constant_error([each.said for each in heard[heads[0]]], said)
    notes.append(f"writing [{constant}] for every word has a phone error of {error:.1f} %, and writing nothing 100 %")
    return finish(
        "asr_unseen_languages",
        config.out,
        seed=config.seed,
        device=chosen(config.device),
        began=began,
        tables={
            "phones": phone_rows(heard, known),
            "differences": difference_rows(heard),
            "words": word_rows(heard),
            "coverage": coverage,
        },
        captions=CAPTIONS,
        notes=tuple(notes),
        shown=("phones", "words", "differences"),
    )


def _rewritten(values: tuple[str, ...]) -> dict[str, str]:
    """`q̠=ɡ` -> {"q̠": "ɡ"}."""
    pairs = [value.partition("=") for value in values]
    for value, (written, _, meant) in zip(values, pairs, strict=True):
        if not (written and meant):
            raise InputError(f"--rewrite got {value!r}; expected WRITTEN=MEANT, such as q̠=ɡ")
    return {_one_phone(written): _one_phone(meant) for written, _, meant in pairs}


def _one_phone(ipa: str) -> str:
    """As the corpora's own phones are read."""
    phones = segments(ipa, where="--rewrite")
    if len(phones) != 1:
        raise InputError(f"--rewrite names {ipa!r}, {len(phones)} phones: expected one on each side")
    return phones[0]


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
