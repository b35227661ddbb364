"""A training run of a second, used by the tests in this folder: in their process, killed, and on two ranks.

Two "languages" share a body and have a head each; noise is drawn from a named stream and dropout from the
global one.
"""

import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from speech_tl.training.config import command
from speech_tl.training.loop import History, Plan, fit
from speech_tl.training.sampling import GroupBatches
from speech_tl.training.seeding import Streams, seed_everything


@dataclass(frozen=True)
class Config:
    out: Path
    """Folder of the run."""
    steps: int = 40
    """Optimizer steps."""
    accumulate: tuple[int, ...] = (1,)
    """Batches per step; a run for each."""
    dropout: float = 0.2
    """Of the body."""
    pause: float = 0.0
    """Seconds to wait in each step, so that a test can interrupt it."""
    resume: bool = False
    """Go on from the saved state."""


@dataclass(frozen=True)
class Batch:
    language: str
    inputs: Tensor
    keys: tuple[str, ...]

    def to(self, device: torch.device) -> "Batch":
        return dataclasses.replace(self, inputs=self.inputs.to(device))

    def share(self, rank: int, world: int) -> tuple["Batch", float]:
        mine = self.inputs[rank::world]
        weight = len(mine) * world / len(self.inputs)
        inputs = mine if len(mine) else self.inputs[:1]  # nothing left for this rank: any item, at weight 0
        return dataclasses.replace(self, inputs=inputs), weight


class Batches:
    def __init__(self, streams: Streams) -> None:
        lengths = {
            "bn": [3] * 11,
            "fa": [2] * 4,
        }  # batches of 5, 5 and 1, and of 4: uneven shares on two ranks
        generator = streams.generator("batches")
        self.order = GroupBatches(lengths, max_total=15, max_items=5, temperature=2, generator=generator)
        self.batches_per_epoch = self.order.batches_per_epoch
        self.noise = streams.generator("noise")

    def __next__(self) -> Batch:
        language, items = next(self.order)
        inputs = torch.tensor([[item / 10, 1.0, item**2 / 100] for item in items])
        inputs += 0.1 * torch.randn(inputs.shape, generator=self.noise)
        return Batch(language, inputs, tuple(f"{language}-{item}" for item in items))

    def state_dict(self) -> dict[str, Any]:
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.order.load_state_dict(state)


class Tiny(nn.Module):
    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(dropout))
        self.heads = nn.ModuleDict({"bn": nn.Linear(8, 1), "fa": nn.Linear(8, 1)})

    def forward(self, batch: Batch) -> Tensor:
        output: Tensor = self.heads[batch.language](self.body(batch.inputs))
        return output


def terms(model: Tiny, batch: Batch, progress: float) -> dict[str, Tensor]:
    """The second term touches every weight, also those of the head this batch does not pass through; it fades."""
    targets = batch.inputs.sum(dim=1, keepdim=True)
    weights = torch.stack([weight.pow(2).sum() for weight in model.parameters()])
    return {"square": (model(batch) - targets).pow(2).mean(), "decay": 0.01 * (1 - progress) * weights.sum()}


def plan(*, steps: int, accumulate: int = 1) -> Plan:
    return Plan(
        steps=steps,
        peak_rate=0.01,
        warmup_steps=5,
        accumulate=accumulate,
        validate_every=10,
        average=0.9,
        log_every=3,
    )


def distance(model: Tiny) -> float:
    """A score that is better the longer one trains."""
    with torch.no_grad():
        inputs = torch.tensor([[0.5, 1.0, 0.25]])
        return float((model(Batch("bn", inputs, ("probe",))) - 1.75).abs())


def run(config: Config, accumulate: int, out: Path) -> History:
    seed_everything(7)
    streams = Streams(7)
    model = Tiny(config.dropout)

    def slow_terms(model: Tiny, batch: Batch, progress: float) -> dict[str, Tensor]:
        time.sleep(config.pause)
        return terms(model, batch, progress)

    def keep(model: Tiny) -> None:
        (out / "best.txt").write_text(repr([weight.tolist() for weight in model.parameters()]))

    history = fit(
        model,
        Batches(streams),
        slow_terms,
        plan=plan(steps=config.steps, accumulate=accumulate),
        out=out,
        streams=streams,
        validate=distance,
        on_best=keep,
        resume=config.resume,
        device="cpu",
    )
    (out / "history.json").write_text(json.dumps(dataclasses.asdict(history)))
    return history


def main(config: Config) -> None:
    for accumulate in config.accumulate:
        run(config, accumulate, config.out / f"accumulate{accumulate}")


if __name__ == "__main__":
    raise SystemExit(command(main, Config))
