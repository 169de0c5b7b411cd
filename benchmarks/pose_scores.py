"""What pose networks' scores mean: ``pose_scores.py VALIDATION.json IMAGES STILLS.json IMAGES -o CURVES.svg``.

Draws the share of right joints against their score, for each preset and both sets of labelled people, and prints

- the expected calibration error on both sets;
- how well the mean score tells the people of the second set from random boxes without people, on photographs of
  the first: the area under the ROC curve, and the shares of both above one half.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from posetrack.models.pose import HeatmapPoseEstimator
from posetrack.models.pose_weights import load_pose_network
from posetrack.networks import weight_files
from posetrack.presets import get_preset
from posetrack.training.pose_accuracy import calibration_error, estimated_joints, joint_outcomes, reliability
from posetrack.training.pose_people import LabelledPerson, read_people
from posetrack.types import BoolArray, FloatArray
from posetrack.zoo import ModelStore

_COLOURS = ("#0072B2", "#D55E00")
_TRIES = 10
"""Random boxes per photograph, of which the first without people is taken."""
_MOST_SHARED = 0.05
"""A box without people may share this much of its area with one of them."""

Outcomes = tuple[FloatArray, BoolArray]
"""Probabilities of joints, float32 [J], and whether each is right."""


def main(  # noqa: PLR0913 (a command line)
    validation: Annotated[
        Path, typer.Argument(help="COCO file of the photographs that the scores were fitted on.")
    ],
    validation_images: Annotated[Path, typer.Argument()],
    stills: Annotated[Path, typer.Argument(help="COCO file of further people.")],
    stills_images: Annotated[Path, typer.Argument()],
    output: Annotated[Path, typer.Option("-o", "--output", help="Picture to write, such as curves.svg.")],
    preset: Annotated[list[str], typer.Option(help="Preset; may be repeated.")] = ["lite", "balanced"],  # noqa: B006
    boxes: Annotated[int, typer.Option(help="Number of random boxes without people.")] = 300,
    leave_out: Annotated[
        list[int] | None, typer.Option(help="Id of an annotation of the further people to leave out.")
    ] = None,
) -> None:
    """Measure and draw."""
    figure = Figure(figsize=(3.6 * len(preset), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(preset), squeeze=False)[0]
    table = Table("preset", "calibration error", "further people", "AUC", "people ≥ 0.5", "boxes ≥ 0.5")
    for axis, name in zip(axes, preset, strict=True):
        estimator = _estimator(name)
        fitted = read_people(validation, validation_images, estimator.skeleton)
        further = read_people(stills, stills_images, estimator.skeleton, leave_out=leave_out or ())
        outcomes = {"validation": _outcomes(estimator, fitted), "further people": _outcomes(estimator, further)}
        _draw(axis, name, outcomes)
        people = _mean_scores(estimator, further)
        nobody = _mean_scores(estimator, _without_people(validation, validation_images, estimator, boxes))
        table.add_row(
            name,
            *(f"{calibration_error(*outcome):.3f}" for outcome in outcomes.values()),
            f"{_auc(people, nobody):.3f}",
            *(f"{np.mean(scores >= 0.5):.1%}" for scores in (people, nobody)),
        )
    figure.savefig(output)
    Console().print(table)


def _estimator(name: str) -> HeatmapPoseEstimator:
    preset = get_preset(name)
    network, architecture = load_pose_network(weight_files(preset, ModelStore())[preset.pose])
    return HeatmapPoseEstimator(network, architecture, preset.pose_config)


def _outcomes(estimator: HeatmapPoseEstimator, people: list[LabelledPerson]) -> Outcomes:
    scores, right = joint_outcomes(estimator, people)
    return _probabilities(estimator, scores), right


def _probabilities(estimator: HeatmapPoseEstimator, scores: FloatArray) -> FloatArray:
    return scores if estimator.calibration is None else estimator.calibration(scores)


def _mean_scores(estimator: HeatmapPoseEstimator, people: list[LabelledPerson]) -> FloatArray:
    """float32 [N], a person's evidence: the mean probability of the joints that PoseTrack has."""
    _, scores = estimated_joints(estimator, people)
    return np.asarray(_probabilities(estimator, scores)[:, estimator.skeleton.in_use].mean(axis=1), np.float32)


def _without_people(
    annotations: Path, images: Path, estimator: HeatmapPoseEstimator, count: int
) -> list[LabelledPerson]:
    """Upright random boxes that hardly overlap anybody, at most one per photograph."""
    content = json.loads(annotations.read_bytes())
    rng = np.random.default_rng(0)
    joints = len(estimator.skeleton)
    found: list[LabelledPerson] = []
    for image in content["images"]:
        known = [a["bbox"] for a in content["annotations"] if a["image_id"] == image["id"]]
        size = np.array([image["width"], image["height"]], np.float64)
        for _ in range(_TRIES):
            height = rng.uniform(0.3, 0.8) * size[1]
            sides = np.array([min(rng.uniform(0.3, 0.7) * height, size[0]), height])
            corner = rng.uniform(0, size - sides)
            box = np.concatenate([corner, corner + sides]).astype(np.float32)
            if len(found) < count and _shared(box, np.array(known, np.float64).reshape(-1, 4)) < _MOST_SHARED:
                empty = np.zeros((joints, 3), np.float32)
                path = images / image["file_name"]
                found.append(
                    LabelledPerson(path, box, empty[:, :2], empty[:, 2], empty[:, 2] > 0, empty, nobody=True)
                )
                break
    return found


def _shared(box: FloatArray, known: FloatArray) -> float:
    """Largest share of the box's area that lies in one of the known boxes, x y width height [N, 4]."""
    low, high = known[:, :2], known[:, :2] + known[:, 2:]
    sides = (np.minimum(high, box[2:]) - np.maximum(low, box[:2])).clip(0)
    return float(sides.prod(axis=1).max(initial=0.0) / (box[2:] - box[:2]).prod())


def _auc(positives: FloatArray, negatives: FloatArray) -> float:
    """Probability that a positive scores above a negative; a tie counts half."""
    above = positives[:, None] > negatives
    return float((above + 0.5 * (positives[:, None] == negatives)).mean())


def _draw(axis, name: str, outcomes: dict[str, Outcomes]) -> None:  # type: ignore[no-untyped-def]
    axis.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
    for (people, outcome), colour, style in zip(outcomes.items(), _COLOURS, ("-o", "--s"), strict=True):
        rows = reliability(*outcome)
        label = f"{people} ({len(outcome[0]):,} joints)"
        axis.plot(
            [row[0] for row in rows], [row[1] for row in rows], style, color=colour, markersize=4, label=label
        )
    axis.set(title=name, xlabel="reported probability", ylabel="share of right joints", xlim=(0, 1), ylim=(0, 1))
    axis.set_aspect("equal")
    axis.legend(loc="upper left", fontsize=7, frameon=False)


if __name__ == "__main__":
    typer.run(main)
