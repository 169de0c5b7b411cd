"""Accuracy of a network on labelled images: ``accuracy.py pose|detector ANNOTATIONS.json IMAGES [--json]``.

``pose`` prints PCK@0.2 with given boxes: the share of the twelve limb joints found within a fifth of the
torso's length (left shoulder to right hip, or the other diagonal). People with a torso below 5 px and joints
labelled by a network (``pseudo_joints``) are left out. For calibrated weights it also prints the expected
calibration error of their scores, over all joints.

``detector`` prints the recall of people labelled by hand at IoU 0.5, and the number of boxes per image that match
no labelled person and lie outside ignored regions (``iscrowd``), at the preset's threshold.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from detection_accuracy import measure_detector
from rich.console import Console
from rich.table import Table

from posetrack.errors import PoseTrackError
from posetrack.models.detector import load_detector
from posetrack.models.pose import HeatmapPoseEstimator
from posetrack.models.pose_weights import load_pose_network
from posetrack.models.runtime import Runtime
from posetrack.networks import weight_files
from posetrack.presets import get_preset
from posetrack.training.pose_accuracy import calibration_error, joint_outcomes, measure_pck
from posetrack.training.pose_people import read_people
from posetrack.zoo import ModelStore

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)

Annotations = Annotated[Path, typer.Argument(help="COCO-keypoints JSON file.")]
Images = Annotated[Path, typer.Argument(help="Folder of its images.")]
Weights = Annotated[Path | None, typer.Option(help="Weights to measure. Defaults to the preset's.")]
PresetName = Annotated[str, typer.Option("--preset", help="Preset whose network and settings are measured.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
LeaveOut = Annotated[list[int] | None, typer.Option(help="Id of an annotation to leave out; may be repeated.")]
Device = Annotated[str, typer.Option(help="Where the network runs.")]


@app.command("pose")
def pose(  # noqa: PLR0913 (a command line)
    annotations: Annotations,
    images: Images,
    preset_name: PresetName = "lite",
    weights: Weights = None,
    flip_test: Annotated[
        bool | None, typer.Option(help="Average with the mirrored image. Defaults to the preset's setting.")
    ] = None,
    leave_out: LeaveOut = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Measure PCK@0.2 of a pose network, with given boxes."""
    preset = get_preset(preset_name)
    network, architecture = load_pose_network(weights or weight_files(preset, ModelStore())[preset.pose])
    config = preset.pose_config if flip_test is None else replace(preset.pose_config, flip_test=flip_test)
    estimator = HeatmapPoseEstimator(network, architecture, config, Runtime(device=torch.device(device)))
    people = read_people(annotations, images, estimator.skeleton, leave_out=leave_out or ())
    figures = measure_pck(estimator, people)
    if estimator.calibration is not None:
        scores, right = joint_outcomes(estimator, people)
        figures["calibration error"] = calibration_error(estimator.calibration(scores), right)
    _print(figures, as_json)


@app.command("detector")
def detector(  # noqa: PLR0913 (a command line)
    annotations: Annotations,
    images: Images,
    preset_name: PresetName = "lite",
    weights: Weights = None,
    threshold: Annotated[float | None, typer.Option(help="Score threshold. Defaults to the preset's.")] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Measure a detector's recall of people, and its false boxes per image."""
    preset = get_preset(preset_name)
    config = (
        preset.detector_config if threshold is None else replace(preset.detector_config, score_threshold=threshold)
    )
    file = weights or weight_files(preset, ModelStore())[preset.detector]
    measured = load_detector(file, config, Runtime(device=torch.device(device)))
    _print(measure_detector(annotations, images, measured), as_json)


def _print(figures: dict[str, float], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)


if __name__ == "__main__":
    try:
        app()
    except PoseTrackError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
