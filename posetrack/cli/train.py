"""``posetrack train pose|detector``: learn a network from COCO-keypoints data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posetrack.cli.output import console

if TYPE_CHECKING:
    from posetrack.training.loop import Record, Schedule, Task

train = typer.Typer(help="Train a network.")

ConfigArgument = Annotated[Path, typer.Argument(help="TOML file; configs/ has those of the bundled networks.")]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for checkpoint, curve and weights; goes on if it has one.")
]


@train.command("pose")
def train_pose(config: ConfigArgument, output: OutputOption) -> None:
    """Train a SimpleBaseline pose network: joints' MSE loss on Gaussian heatmaps."""
    from posetrack.training.config import read_config
    from posetrack.training.loop import Schedule
    from posetrack.training.pose import PoseTask, PoseTraining

    settings = read_config(config, {"pose": PoseTraining, "schedule": Schedule})
    _train(PoseTask(settings["pose"]), settings["schedule"], output)


@train.command("detector")
def train_detector(config: ConfigArgument, output: OutputOption) -> None:
    """Train a Faster R-CNN person detector."""
    from posetrack.training.config import read_config
    from posetrack.training.detector import DetectorTask, DetectorTraining
    from posetrack.training.loop import Schedule

    settings = read_config(config, {"detector": DetectorTraining, "schedule": Schedule})
    _train(DetectorTask(settings["detector"]), settings["schedule"], output)


def _train(task: Task[Any], schedule: Schedule, output: Path) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from posetrack.training import loop

    shown = console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.5f}"),
    )
    with Progress(*columns, console=shown) as bar:
        current = bar.add_task("starting", total=None, loss=float("nan"))

        class Bar:
            """Shows the progress of the present epoch, and prints a line after each."""

            def iteration(self, epoch: int, done: int, total: int, loss: float) -> None:
                name = f"epoch {epoch + 1}/{schedule.epochs}"
                bar.update(current, description=name, completed=done, total=total, loss=loss)

            def epoch(self, row: Record) -> None:
                shown.print("  ".join(f"{name} {value:.5g}" for name, value in row.items()))

        loop.train(task, schedule, output, Bar())
    shown.print(f"averaged weights: {output / 'best.safetensors'}; curve: {output / 'curve.csv'}", soft_wrap=True)
