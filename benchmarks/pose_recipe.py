"""What each part of a pose network's recipe is worth: ``pose_recipe.py CONFIG STILLS.json IMAGES -o RUNS``.

Trains the configuration again and again, each time with one part changed, on the same share of its photographs
and for the same number of epochs. Prints PCK@0.2 on its validation photographs and on further ones, boxes given,
without flip test. The rows ``seed`` change nothing but the order: differences as small as theirs mean nothing.
Runs that have ended are not repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from posetrack.models.pose import HeatmapPoseEstimator
from posetrack.models.pose_weights import load_pose_network
from posetrack.training.config import read_config
from posetrack.training.loop import Record, train
from posetrack.training.pose import DataSource, PoseTask, PoseTraining
from posetrack.training.pose_accuracy import measure_pck
from posetrack.training.pose_people import read_people
from posetrack.training.schedule import Schedule

EPOCHS = 2


def variants(recipe: PoseTraining, renderings: Path | None) -> Iterator[tuple[str, PoseTraining]]:
    """Name and settings of each run."""
    yield "the recipe", recipe
    for seed in (1, 2):
        yield f"seed {seed}", replace(recipe, seed=seed)
    for name, changes in CHANGES.items():
        yield name, replace(recipe, **changes)
    for name, changes in AUGMENTATIONS.items():
        yield name, replace(recipe, augmentation=replace(recipe.augmentation, **changes))
    pasted = replace(recipe.augmentation, paste=0.3)
    if renderings is not None:
        rendered = DataSource(annotations=renderings / "annotations.json", images=renderings / "images")
        yield "rendered people, too", replace(recipe, train=(*recipe.train, rendered))
    yield "pasted people, lower targets at their joints", replace(recipe, augmentation=pasted, others_height=0.5)


CHANGES: dict[str, dict[str, Any]] = {
    "no teacher at labelled joints": {"teacher_share": 0.0},
    "nobody whom only the teacher labels": {"unlabelled_share": 0.0},
    "no boxes without people": {"nobody_share": 0.0},
    "the 8 hardest joints, last epoch": {"hard_joints": 8, "hard_joints_from_epoch": EPOCHS - 1},
    "coarse to fine targets": {"sigma": 2.5, "later_sigmas": (1.75,)},
    "lower targets at other people's joints": {"others_height": 0.5},
    "integral regression beside the heatmaps": {"integral_weight": 1e-3},
}

AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "no half bodies": {"half_body": 0.0},
    "no bodies cut by the frame": {"cut": 0.0},
    "no hidden heads": {"hide_head": 0.0},
    "no patches": {"occlude": 0.0},
    "no turned people": {"turn_over": 0.0, "rotation_deg": 0.0},
    "no low light, blur, small people": {"grey": 0.0, "darken": 0.0, "shrink": 0.0, "degrade": 0.0},
    "no shifted boxes": {"shift": 0.0},
    "pasted people": {"paste": 0.3},
}


def shortened(source: DataSource, folder: Path, share: int) -> DataSource:
    """Every n-th image of a source, as a file of its own in the folder."""
    content = json.loads(source.annotations.read_text())
    content["images"] = content["images"][::share]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [person for person in content["annotations"] if person["image_id"] in kept]
    path = folder / f"{source.annotations.stem}_{share}.json"
    path.write_text(json.dumps(content))
    return replace(source, annotations=path)


def main(
    config: Annotated[Path, typer.Argument(help="TOML file for `posetrack train pose`.")],
    stills: Annotated[Path, typer.Argument(help="COCO-keypoints JSON file of further photographs.")],
    images: Annotated[Path, typer.Argument(help="Folder of its images.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the runs.")],
    share: Annotated[int, typer.Option(min=1, help="Train on every n-th image.")] = 8,
    renderings: Annotated[
        Path | None, typer.Option(help="Folder that `python -m posetrack.synthetic` wrote, for one more row.")
    ] = None,
) -> None:
    """Train all variants, and print one table."""
    settings = read_config(config, {"pose": PoseTraining, "schedule": Schedule})
    output.mkdir(parents=True, exist_ok=True)
    recipe: PoseTraining = settings["pose"]
    recipe = replace(recipe, train=tuple(shortened(source, output, share) for source in recipe.train))
    schedule = replace(settings["schedule"], epochs=EPOCHS, warmup_iterations=50, validate_every_epochs=EPOCHS)
    print("| | validation | further photographs |\n|---|---|---|")
    for name, training in variants(recipe, renderings):
        folder = output / name.replace(" ", "_").replace("'", "")
        task = PoseTask(training)
        validation = train(task, schedule, folder, _Quiet())[-1][task.score]
        further = accuracy(folder / "last.safetensors", DataSource(annotations=stills, images=images))
        print(f"| {name} | {validation:.3f} | {further:.3f} |", flush=True)


class _Quiet:
    """Watches a training run without a word."""

    def iteration(self, epoch: int, done: int, total: int, loss: float) -> None:
        """Nothing to show."""

    def epoch(self, row: Record) -> None:
        """Nothing to show."""


def accuracy(weights: Path, source: DataSource) -> float:
    """PCK@0.2 of weights, measured as training validates them."""
    estimator = HeatmapPoseEstimator(*load_pose_network(weights))
    return measure_pck(estimator, read_people(source.annotations, source.images, estimator.skeleton))["PCK@0.2"]


if __name__ == "__main__":
    typer.run(main)
