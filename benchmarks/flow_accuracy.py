"""Accuracy and cost of flow estimators at joints: ``flow_accuracy.py [VIDEO] [--frames 100]``.

Without a video, compares with the exact motion of visible joints in rendered scenes, 1280x720. A video has no
truth: compares with DIS "medium" at full size, at the joints that the preset ``lite`` finds, to show what a lower
resolution changes. CPU time is that of all threads (OpenCV uses one) for an estimate and a look-up of all joints.
``--network raft_small --device cuda`` adds flow networks whose weights are here, or are downloaded; while the GPU
works, torch's waiting thread counts as CPU time.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from posetrack.errors import PoseTrackError
from posetrack.flow import DisConfig, DisFlow, FarnebackConfig, FarnebackFlow, LucasKanadeConfig, LucasKanadeFlow
from posetrack.models.devices import resolve_device
from posetrack.models.runtime import Runtime
from posetrack.networks import Networks
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import get_preset
from posetrack.stages import FlowEstimator
from posetrack.synthetic import SCENES, displacements, promenade, render
from posetrack.types import FloatArray, Image
from posetrack.video import ReadOptions, open_source
from posetrack.zoo import ModelStore

SIZE = (1280, 720)
MIN_JOINT_SCORE = 0.3

ESTIMATORS: dict[str, FlowEstimator] = {
    "DIS medium, full size": DisFlow(DisConfig(preset="medium", max_side_px=4096)),
    "DIS medium, 640 px": DisFlow(DisConfig(preset="medium", max_side_px=640)),
    "DIS fast, 960 px": DisFlow(DisConfig(preset="fast", max_side_px=960)),
    "DIS fast, 640 px (dis)": DisFlow(DisConfig()),
    "DIS fast, 480 px": DisFlow(DisConfig(max_side_px=480)),
    "DIS fast, 320 px": DisFlow(DisConfig(max_side_px=320)),
    "DIS ultrafast, 640 px": DisFlow(DisConfig(preset="ultrafast")),
    "Lucas-Kanade, full size": LucasKanadeFlow(LucasKanadeConfig(max_side_px=4096)),
    "Lucas-Kanade, 640 px (lk)": LucasKanadeFlow(LucasKanadeConfig()),
    "Farnebäck, 480 px (farneback)": FarnebackFlow(FarnebackConfig()),
}

Step = tuple[Image, Image, FloatArray, FloatArray | None]
"""Two frames, joints [M, 2] in the first, and their motion [M, 2] (None if unknown)."""


def rendered(frames: int) -> Iterator[Step]:
    """Joints visible in both frames, and their exact motion."""
    scenes = [promenade(8, size=SIZE), SCENES["demo"](0, SIZE), SCENES["camera_shake"](0, SIZE)]
    for scene in scenes:
        before = None
        for frame, truth in render(scene):
            if frame.index > frames // len(scenes):
                break
            if before is not None:
                image, earlier = before
                motion, known = displacements(earlier, truth)
                known &= earlier.visible & (earlier.poses.keypoint_scores > 0)
                if known.any():
                    yield image, frame.image, earlier.poses.keypoints[known], motion[known]
            before = frame.image, truth


def filmed(video: Path, frames: int) -> Iterator[Step]:
    """Joints found by the preset."""
    before = None
    with open_source(video, ReadOptions(max_frames=frames + 1)) as source:
        for frame, poses in PoseTracker(device="cpu").track(source):
            if before is not None and len(before[1]):
                yield before[0], frame.image, before[1], None
            before = frame.image, poses.keypoints[poses.keypoint_scores >= MIN_JOINT_SCORE]


def networks(names: list[str], device: str) -> dict[str, FlowEstimator]:
    """Flow networks by their names in the table of weights."""
    runtime = Runtime(device=resolve_device(device))
    return {name: Networks(replace(get_preset("lite"), flow=name), runtime, ModelStore()).flow for name in names}


def measure(steps: Iterator[Step], estimators: Mapping[str, FlowEstimator]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of errors in pixels, share of joints followed, and milliseconds."""
    errors: defaultdict[str, list[FloatArray]] = defaultdict(list)
    followed: defaultdict[str, list[float]] = defaultdict(list)
    cpu_ms: defaultdict[str, list[float]] = defaultdict(list)
    for previous, current, joints, truth in steps:
        for name, estimator in estimators.items():
            start = time.process_time()
            motion, known = estimator.estimate(previous, current).at(joints)
            cpu_ms[name].append(1000 * (time.process_time() - start))
            truth = motion if truth is None else truth  # without a truth, the first estimator is the reference
            errors[name].append(np.linalg.norm(motion - truth, axis=1)[known])
            followed[name].append(float(known.mean()))
    return {
        name: {
            "median_px": float(np.median(np.concatenate(each))),
            "p95_px": float(np.percentile(np.concatenate(each), 95)),
            "followed": float(np.mean(followed[name])),
            "cpu_ms": float(np.median(cpu_ms[name])),
        }
        for name, each in errors.items()
    }


def main(
    video: Annotated[Path | None, typer.Argument(help="Video file. Defaults to rendered scenes.")] = None,
    frames: Annotated[int, typer.Option(help="Number of frame pairs.")] = 100,
    network: Annotated[list[str] | None, typer.Option(help="A flow network too, such as raft_small.")] = None,
    device: Annotated[str, typer.Option(help="Device of the flow networks.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure, and print one table."""
    cv2.setNumThreads(1)
    estimators = ESTIMATORS | networks(network or [], device)
    figures = measure(rendered(frames) if video is None else filmed(video, frames), estimators)
    if as_json:
        print(json.dumps(figures))
        return
    against = "exact motion, rendered scenes" if video is None else f"{next(iter(ESTIMATORS))}, {video.name}"
    table = Table("flow", "median px", "p95 px", "followed", "processor ms", title=f"Joints against {against}")
    for name, row in figures.items():
        followed = f"{100 * row['followed']:.0f} %"
        table.add_row(name, f"{row['median_px']:.2f}", f"{row['p95_px']:.2f}", followed, f"{row['cpu_ms']:.1f}")
    Console().print(table)


if __name__ == "__main__":
    try:
        typer.run(main)
    except PoseTrackError as error:
        sys.exit(f"flow_accuracy.py: {error}")
