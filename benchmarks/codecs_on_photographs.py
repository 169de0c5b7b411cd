"""Accuracy of the heatmap codecs on photographs: ``codecs_on_photographs.py ANNOTATIONS.json IMAGES [--json]``.

Prints PCK@0.2 with given boxes (like ``accuracy.py pose``, with flip test), and the jitter of still people. Jitter
is measured on ten crops of the same photograph: each side of the box moves by 1 % of its longer side (standard
deviation), and pixels get noise of 3 grey levels. It is the root mean square distance from the median position, in
heatmap cells: the median over joints that always score above 0.5, of 40 people (every twelfth).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from posetrack.models.conventions import CONVENTIONS
from posetrack.models.crop import box_transforms, extract_crops, to_source
from posetrack.models.decoding import CODECS
from posetrack.models.heatmap import heatmap_to_input
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network
from posetrack.models.runtime import Runtime
from posetrack.models.simple_baseline import HEATMAP_STRIDE
from posetrack.training.photographs import read_image
from posetrack.training.pose_accuracy import measure_pck
from posetrack.training.pose_people import LabelledPerson, read_people
from posetrack.zoo.store import BUNDLED

_BUNDLED = BUNDLED / "pose_lite.safetensors"
_STEP, _PEOPLE, _CROPS = 12, 40, 10
_BOX_NOISE, _PIXEL_NOISE, _MIN_SCORE = 0.01, 3.0, 0.5


def main(
    annotations: Annotated[Path, typer.Argument(help="COCO-keypoints JSON file.")],
    images: Annotated[Path, typer.Argument(help="Folder of its images.")],
    weights: Annotated[Path, typer.Option(help="Pose network to measure.")] = _BUNDLED,
    device: Annotated[str, typer.Option(help="Where the network runs.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure all codecs with one network, and print one table."""
    network, architecture = load_pose_network(weights)
    figures: dict[str, dict[str, float]] = {}
    for codec in CODECS:
        config = PoseConfig(flip_test=True, codec=codec)
        estimator = HeatmapPoseEstimator(network, architecture, config, Runtime(device=torch.device(device)))
        people = read_people(annotations, images, estimator.skeleton)
        figures[codec] = measure_pck(estimator, people)
    for codec, cells in jitter(estimator, architecture, people[::_STEP][:_PEOPLE]).items():
        figures[codec]["jitter, cells"] = cells
    if as_json:
        print(json.dumps(figures))
        return
    columns = list(next(iter(figures.values())))
    table = Table("codec", *columns)
    for codec, values in figures.items():
        table.add_row(codec, *[f"{values[column]:.4f}" for column in columns])
    Console().print(table)


def jitter(
    estimator: HeatmapPoseEstimator, architecture: PoseArchitecture, people: list[LabelledPerson]
) -> dict[str, float]:
    """Median jitter in cells of still people's joints, for each codec."""
    rng = np.random.default_rng(0)
    size, convention = architecture.size, CONVENTIONS[architecture.convention]
    moved: dict[str, list[np.ndarray]] = {codec: [] for codec in CODECS}
    for person in people:
        image = read_image(person.image).astype(np.float64)
        side = (person.box[2:] - person.box[:2]).max()
        boxes = (person.box + rng.normal(0, _BOX_NOISE, (_CROPS, 4)) * side).astype(np.float32)
        transforms = box_transforms(boxes, size, architecture.padding, convention.grid)
        noisy = [np.clip(image + rng.normal(0, _PIXEL_NOISE, image.shape), 0, 255).astype(np.uint8) for _ in boxes]
        crops = [extract_crops(noisy[i], transforms[i : i + 1], size, convention) for i in range(_CROPS)]
        heatmaps = estimator.heatmaps(np.concatenate(crops))
        for name, codec in CODECS.items():
            cells, scores = codec(heatmaps, architecture.sigma_cells)
            points = to_source(heatmap_to_input(cells, HEATMAP_STRIDE, convention.grid), transforms)
            distances = np.square(points - np.median(points, axis=0)).sum(axis=-1).mean(axis=0) ** 0.5
            sure = scores.min(axis=0) > _MIN_SCORE
            moved[name].append(distances[sure] / (HEATMAP_STRIDE * transforms[0, 0, 0]))
    return {codec: float(np.median(np.concatenate(parts))) for codec, parts in moved.items()}


if __name__ == "__main__":
    typer.run(main)
