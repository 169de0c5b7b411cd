"""The training loop of all networks: weight averaging, checkpoints, learning curve, validation.

A ``Task`` says what to learn, a ``Schedule`` for how long and how fast. A run writes to its output folder
``checkpoint.pt`` (to resume from), ``curve.csv`` (one row per epoch), ``last.safetensors`` and
``best.safetensors`` (averaged weights, in the form that the pipeline loads).
"""

from __future__ import annotations

import copy
import csv
import math
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from posetrack.background import ahead
from posetrack.errors import ConfigError, OutputError, WeightsError
from posetrack.files.pending import output_folder
from posetrack.models.checkpoint_reading import DAMAGES
from posetrack.models.devices import has_fast_bf16, resolve_device
from posetrack.training.schedule import Schedule

Batch = TypeVar("Batch")
BatchOut = TypeVar("BatchOut", covariant=True)
Record = dict[str, float]

_BATCHES_AHEAD = 2
"""Batches prepared in a thread while the network learns from an earlier one."""


class Batches(Protocol[BatchOut]):
    """The batches of one epoch; every iteration gives the same ones."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[BatchOut]: ...


class Task(Protocol[Batch]):
    """What to learn: a network, its data, its losses and its validation."""

    network: nn.Module
    score: str
    """The validation figure that picks the best weights (higher is better)."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameter groups for the optimiser; a group's ``rate`` multiplies the schedule's learning rate."""
        ...

    def batches(self, epoch: int) -> Batches[Batch]:
        """The batches of an epoch (from 0), determined by the task's seed and the epoch."""
        ...

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Scalar losses of ``self.network`` on a batch, by name; the loop minimises their sum."""
        ...

    def validate(self, network: nn.Module) -> Record:
        """Validation figures of a network (the one with averaged weights), by name."""
        ...

    def save(self, network: nn.Module, path: Path) -> None:
        """Write the weights in the form that the pipeline loads."""
        ...


class WeightAverage:
    """Exponential moving average of a network's weights and batch-norm statistics.

    The decay grows to its full value over the first iterations, so that the initial weights fade quickly.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, iteration: int) -> None:
        """Move the average towards the network's current weights."""
        decay = min(self.decay, (1 + iteration) / (10 + iteration))
        current = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name].to(average.dtype), 1 - decay)
            else:
                average.copy_(current[name])


@dataclass
class _Run(Generic[Batch]):
    """The state of a training run: everything that a checkpoint holds."""

    task: Task[Batch]
    schedule: Schedule
    output: Path
    optimiser: torch.optim.Optimizer
    average: WeightAverage
    epoch: int = 0
    iteration: int = 0
    rows: list[Record] = field(default_factory=list)

    def save_checkpoint(self) -> None:
        state = {
            "network": self.task.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
            "iteration": self.iteration,
            "rows": self.rows,
        }
        temporary = self.output / "checkpoint.pt.part"
        torch.save(state, temporary)
        os.replace(temporary, self.output / "checkpoint.pt")

    def load_checkpoint(self) -> None:
        path = self.output / "checkpoint.pt"
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location=self.schedule.device, weights_only=True)
            self.task.network.load_state_dict(state["network"])
            self.average.network.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.epoch, self.iteration = int(state["epoch"]), int(state["iteration"])
            self.rows = [dict(row) for row in state["rows"]]
        except DAMAGES as error:
            raise WeightsError(
                f"{path} is damaged or does not belong to this configuration; remove it or use another folder."
            ) from error

    def write_curve(self) -> None:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        temporary = self.output / "curve.csv.part"
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(temporary, self.output / "curve.csv")


class TrainingObserver(Protocol):
    """Receives progress (a progress bar, a log)."""

    def iteration(self, epoch: int, done: int, total: int, loss: float) -> None: ...

    def epoch(self, row: Record) -> None: ...


def train(task: Task[Any], schedule: Schedule, output: Path, observer: TrainingObserver) -> list[Record]:
    """Train a task; resumes from ``output/checkpoint.pt`` if it exists.

    Returns:
        The learning curve, one record per epoch: epoch, learning rate, losses, validation figures, seconds.

    Raises:
        WeightsError: the checkpoint belongs to another network.
        OutputError: the folder cannot be made, or holds other results.
        ConfigError: there is no such device; or the loss diverged (the checkpoint is of the epoch before).
    """
    if schedule.threads:
        torch.set_num_threads(schedule.threads)
    torch.manual_seed(schedule.seed)
    schedule = replace(schedule, device=str(resolve_device(schedule.device)))
    task.network.to(schedule.device)
    optimiser = torch.optim.AdamW(
        [{"rate": 1.0, **group} for group in task.parameter_groups()],
        lr=schedule.learning_rate,
        weight_decay=schedule.weight_decay,
    )
    run = _Run(task, schedule, output, optimiser, WeightAverage(task.network, schedule.weight_average_decay))
    with output_folder(output):
        run.load_checkpoint()
        if not run.rows and any(map(os.path.lexists, (output / "best.safetensors", output / "last.safetensors"))):
            raise OutputError(f"{output} holds weights, but no checkpoint to resume from: choose another folder.")
        while run.epoch < schedule.epochs:
            start = time.perf_counter()
            row = _train_epoch(run, observer)
            run.epoch += 1
            if run.epoch % schedule.validate_every_epochs == 0 or run.epoch == schedule.epochs:
                row |= task.validate(run.average.network)
            row["seconds"] = round(time.perf_counter() - start, 1)
            run.rows.append(row)
            _keep(run)
            observer.epoch(row)
    return run.rows


def _keep(run: _Run[Any]) -> None:
    """Write the weights, the curve and the checkpoint after an epoch."""
    run.task.save(run.average.network, run.output / "last.safetensors")
    scores = [row[run.task.score] for row in run.rows if run.task.score in row]
    if run.task.score in run.rows[-1] and scores[-1] == max(scores):
        run.task.save(run.average.network, run.output / "best.safetensors")
    run.write_curve()
    run.save_checkpoint()


def _autocast(schedule: Schedule) -> AbstractContextManager[Any]:
    device = resolve_device(schedule.device)
    reduced = schedule.precision == "bf16" or (schedule.precision == "auto" and has_fast_bf16(device))
    return torch.autocast(device.type, torch.bfloat16) if reduced else nullcontext()


def _train_epoch(run: _Run[Batch], observer: TrainingObserver) -> Record:
    task, schedule = run.task, run.schedule
    task.network.train()
    batches = task.batches(run.epoch)
    totals: Record = {}
    rate = 0.0
    with closing(ahead(batches, _BATCHES_AHEAD)) as prepared:
        for done, batch in enumerate(prepared, start=1):
            rate = schedule.rate(run.iteration, len(batches))
            losses = _step(run, batch, rate)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + value
            observer.iteration(run.epoch, done, len(batches), sum(losses.values()))
    means = {f"loss_{name}": value / len(batches) for name, value in totals.items()}
    return {"epoch": float(run.epoch + 1), "learning_rate": rate, **means}


def _step(run: _Run[Batch], batch: Batch, rate: float) -> Record:
    """One step of the optimiser; returns the losses."""
    task, schedule = run.task, run.schedule
    for group in run.optimiser.param_groups:
        group["lr"] = rate * group["rate"]
    with _autocast(schedule):
        losses = task.losses(batch)
    total = torch.stack(list(losses.values())).sum()
    if not math.isfinite(total.item()):
        raise ConfigError(
            f"the training has diverged in epoch {run.epoch + 1} (loss {total.item()}): "
            f"give a schedule.learning_rate below {schedule.learning_rate:g}."
        )
    run.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(total)
    nn.utils.clip_grad_norm_(task.network.parameters(), schedule.gradient_norm)
    run.optimiser.step()
    run.average.update(task.network, run.iteration)
    run.iteration += 1
    return {name: value.item() for name, value in losses.items()}
