"""How fast a trained model translates on one thread of a CPU, and what the speed costs in BLEU.

The same sentences through the search of this house, transformers' own `generate`, and CTranslate2 in float and int8,
greedy and with a beam, in turns; then the CPU time of a whole process from the command to its first sentence.

    OMP_NUM_THREADS=1 python -m recipes.nmt_decoding_speed --checkpoint runs/zero_shot --data D/multi30k --pair de-fr

Multi30k's model of 4,500 updates (seed 1), 200 sentences, greedy / beam 5: 320 / 111 sentences per CPU-second in this
search, 112 / 53 in generate, 932 / 289 in CTranslate2, 1,243 / 378 with int8; BLEU 16.6 / 20.4, 16.6 / 20.4, 16.6 /
20.6, 17.3 / 20.3. First sentence after 2.8 CPU-seconds, on a slower machine 8.0, most of them for importing torch and
transformers, 0.26 with CTranslate2.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

import torch
from torch.nn.utils.rnn import pad_sequence

from nmt_zero_shot import export, readers
from nmt_zero_shot.evaluate import direction
from nmt_zero_shot.lengths import batches, twice
from nmt_zero_shot.metrics import score
from nmt_zero_shot.model import Translator, load
from nmt_zero_shot.systems import System, in_ctranslate2, in_torch
from speech_tl.errors import InputError
from speech_tl.report import Report, finish
from speech_tl.training.config import command

TOGETHER = 8192
"""Subwords of the sources in a batch of `generate`, times the beam: as many as the other engines take."""


@dataclass(frozen=True)
class Config:
    checkpoint: Path
    """A run's folder, or a checkpoint folder."""
    data: str
    """A corpus with a test set: aligned text files, TSV, TMX, Multi30k's folder or hub:NAME:CONFIG."""
    pair: str = "de-fr"
    """The direction to translate, SOURCE-TARGET."""
    beams: tuple[int, ...] = (1, 5)
    """Hypotheses kept in the search; 1 is greedy."""
    sentences: int = 200
    """Of the first test set at most so many."""
    rounds: int = 3
    """Times each engine translates them; the median counts."""
    out: Path = Path("runs/nmt_decoding_speed")
    """Where the tables are kept."""


def main(config: Config) -> Report:
    began = time.monotonic()
    torch.set_num_threads(1)
    if min(config.sentences, config.rounds, *config.beams, len(config.beams)) < 1:
        raise InputError("--sentences, --rounds and every one of --beams: expected 1 or more")

    # Data
    found = readers.read(config.data, hub=None)
    source, target = direction(config.pair, {name for rows in found.tests.values() for row in rows for name in row})
    if not found.tests:
        raise InputError(f"{config.data} has no test set: expected a file named test beside train")
    sets = ([row for row in rows if source in row and target in row] for rows in found.tests.values())
    rows = next(filter(None, sets), [])
    if not rows:
        raise InputError(f"{config.data} has no test sentence in both {source} and {target}; give another --pair")
    rows = rows[: config.sentences]
    texts, references = [row[source] for row in rows], [row[target] for row in rows]

    # Model
    translator = load(config.checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        made = {kind: Path(folder) / kind for kind in ("float32", "int8")}
        for kind, path in made.items():
            export.to_ctranslate2(config.checkpoint, path, quantization=kind)
        systems: dict[tuple[str, int], System] = {}
        for beam in config.beams:
            systems["search", beam] = in_torch(translator, beam=beam)
            systems["generate", beam] = _in_generate(translator, beam=beam)
            systems |= {(f"ctranslate2 {kind}", beam): in_ctranslate2(at, beam=beam) for kind, at in made.items()}

        # Measure
        seconds: dict[tuple[str, int], list[float]] = {key: [] for key in systems}
        written: dict[tuple[str, int], list[str]] = {}
        for turn, (key, system) in product(range(config.rounds), systems.items()):
            print(f"round {turn + 1} of {config.rounds}: {key[0]}, beam {key[1]}", file=sys.stderr)
            start = time.process_time()
            written[key] = system(texts, source=source, target=target)
            seconds[key].append(time.process_time() - start)
        first = _first_sentence(config.checkpoint, made["int8"], texts[0], source=source, target=target)
    tables = {"decoding": _rows(seconds, written, references, target), "first_sentence": first}
    return finish(
        "nmt_decoding_speed",
        config.out,
        seed=0,
        device="cpu",
        began=began,
        tables=tables,
        captions={
            "decoding": "Sentences in a CPU-second, the median of the rounds, and BLEU.",
            "first_sentence": "CPU-seconds of a process from the command to its first sentence.",
        },
        shown=("decoding", "first_sentence"),
    )


def _in_generate(translator: Translator, *, beam: int) -> System:
    """The same model behind transformers' own search, in batches of sentences of like length."""

    def search(sources: Sequence[Sequence[int]], target: str) -> list[list[int]]:
        model, end, start = translator.model, translator.subwords.eos, translator.start(target)
        found: dict[int, list[int]] = {}
        for batch in batches(sources, rows=lambda length: TOGETHER // (length * beam)):
            rows = [torch.tensor(sources[at]) for at in batch]
            ids = pad_sequence(rows, batch_first=True, padding_value=translator.subwords.pad)
            made = model.generate(  # type: ignore[operator]
                input_ids=ids,
                attention_mask=(ids != translator.subwords.pad).long(),
                decoder_input_ids=torch.tensor([start] * len(batch)),
                decoder_start_token_id=start[0],  # it would be put before another one
                num_beams=beam,
                do_sample=False,
                max_new_tokens=twice(ids.shape[1]),
            )
            for at, row in zip(batch, made[:, len(start) :].tolist(), strict=True):
                ended = row[: row.index(end)] if end in row else row
                found[at] = ended[: twice(len(sources[at]))]  # the search's own limit, where a text never ends
        return [found[at] for at in range(len(sources))]

    return System(translator, search)


def _rows(
    seconds: Mapping[tuple[str, int], Sequence[float]],
    written: Mapping[tuple[str, int], Sequence[str]],
    references: Sequence[str],
    target: str,
) -> list[dict[str, object]]:
    """A row for each engine and beam: sentences per CPU-second, times those of `generate`, BLEU, and the same texts."""
    rows: list[dict[str, object]] = []
    for (engine, beam), spent in seconds.items():
        texts, ours = written[engine, beam], written["search", beam]
        rows.append(
            {
                "engine": engine,
                "beam": beam,
                "sentences_per_cpu_second": len(references) / median(spent),
                "slowest": len(references) / max(spent),
                "fastest": len(references) / min(spent),
                "times_generate": median(seconds["generate", beam]) / median(spent),
                "bleu": score(texts, references, target).bleu,
                "as_search": 100 * sum(a == b for a, b in zip(texts, ours, strict=True)) / len(texts),
            }
        )
    return rows


def _first_sentence(
    checkpoint: Path, exported: Path, sentence: str, *, source: str, target: str
) -> list[dict[str, object]]:
    """CPU-seconds, user and system, of a process that translates one sentence; the second of two, its files cached."""
    rows: list[dict[str, object]] = []
    for engine, folder in (("torch", checkpoint), ("ctranslate2", exported)):
        words = [sys.executable, "-m", "nmt_zero_shot.translate", "--checkpoint", str(folder), "--engine", engine]
        words += ["--device", "cpu"]
        for _ in range(2):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [*words, "--from", source, "--to", target, "--", sentence],
                check=True,
                capture_output=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rows.append({"engine": engine, "cpu_seconds": spent})
    return rows


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
