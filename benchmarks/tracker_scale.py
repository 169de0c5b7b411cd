"""Cost of everything but the networks: ``tracker_scale.py [--people 20] [--frames 150] [--json]``.

Processor time of the tracker's stages, drawing and the JSON file in one thread, on made-up people who stand and
shiver in a panning picture; then of linking alone, for more people (at the same density) and longer queues: its
cost should grow no faster than people x queue length.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from posetrack.formats import FORMATS
from posetrack.presets import get_preset
from posetrack.skeletons import POSETRACK
from posetrack.stages import SourceInfo
from posetrack.tracker import (
    FlowLinker,
    LimbColours,
    LinkerConfig,
    MergeConfig,
    SelectionConfig,
    merge,
    people_among,
    propagate,
    select_joints,
)
from posetrack.types import UNLINKED, BoolArray, Boxes, FloatArray, Frame, Poses
from posetrack.video import Annotator

SIZE = (1280, 720)
HEIGHT_PX = 150.0
FPS = 25
WARM_UP_FRAMES = 30
"""Frames until the queue is full and tracks are old."""


@dataclass(frozen=True)
class UniformFlow:
    """A flow in which all points move alike."""

    step: FloatArray

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        return np.full((len(xy), 2), self.step), np.ones(len(xy), np.bool_)


STANDING = {
    "nose": (0.0, -0.42), "head_bottom": (0.0, -0.35), "head_top": (0.0, -0.5), "ear": (0.03, -0.43),
    "shoulder": (0.12, -0.32), "elbow": (0.17, -0.14), "wrist": (0.19, 0.02),
    "hip": (0.07, 0.02), "knee": (0.08, 0.25), "ankle": (0.08, 0.48),
}  # fmt: skip
"""Joints of the left side, relative to the person's middle, in body heights."""


def standing_person() -> FloatArray:
    """Joints in pixels relative to the person's middle, float32 [17, 2]."""
    sides = {"left": 1.0, "right": -1.0}
    rows = []
    for joint in POSETRACK.joints:
        side, _, name = joint.rpartition("_") if joint.split("_")[0] in sides else ("", "", joint)
        x, y = STANDING[name]
        rows.append((sides.get(side, 1.0) * x * HEIGHT_PX, y * HEIGHT_PX))
    return np.array(rows, np.float32)


def crowd(people: int, frames: int) -> Iterator[tuple[Poses, UniformFlow]]:
    """Make upright people, as dense as 20 in a picture, whose joints shiver by a pixel."""
    rng = np.random.default_rng(0)
    ground = np.sqrt(max(people, 20) / 20) * (np.array(SIZE) - 200)
    shape = standing_person()[None]
    centres = rng.uniform((100, 100), 100 + ground, (people, 1, 2))
    for frame in range(frames):
        step = np.float32(2 * np.cos(frame / 10))
        centres = centres + (step, 0)
        keypoints = (centres + shape + rng.normal(0, 1, (people, *shape.shape[1:]))).astype(np.float32)
        scores = np.zeros(keypoints.shape[:2], np.float32)
        scores[:, POSETRACK.in_use] = 0.8
        boxes = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1)
        ids = np.full(people, UNLINKED)
        yield (
            Poses(boxes, np.full(people, 0.9, np.float32), keypoints, scores, ids, POSETRACK),
            UniformFlow(np.array([step, 0], np.float32)),
        )


class Timer:
    """Samples of each part's milliseconds."""

    def __init__(self) -> None:
        self.samples_ms: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.samples_ms[part].append(1000 * (time.process_time() - start))

    def median_ms(self, part: str) -> float:
        return float(np.median(self.samples_ms[part][WARM_UP_FRAMES:]))


def stages(people: int, frames: int) -> dict[str, float]:
    """Measure the median milliseconds per frame of every stage without a network."""
    timer, linker, previous = Timer(), FlowLinker(LinkerConfig()), Poses.empty(POSETRACK)
    selection = SelectionConfig(max_oks=1.0)
    """Drops no duplicates, so that all stages see everyone. The work is the same."""
    propagation = get_preset("lite").pipeline.propagation
    assert propagation is not None
    looks, merging = LimbColours(), MergeConfig()
    image = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    info = SourceInfo(name="crowd", width=SIZE[0], height=SIZE[1], fps=None, frame_count=frames, path=None)
    annotator = Annotator()
    with tempfile.TemporaryDirectory() as folder:
        sink = FORMATS["posetrack18"][1](Path(folder) / "crowd.json", info)
        for index, (poses, flow) in enumerate(crowd(people, frames)):
            with timer("propagate"):
                carried = propagate(previous, flow, propagation, SIZE, 1 / FPS)
            with timer("merge"):
                merge(Boxes(poses.boxes, poses.scores), Boxes(carried.boxes, carried.scores), merging)
            with timer("OKS-NMS"):
                chosen = poses[people_among(poses, selection)]
            with timer("looks"):
                chosen = chosen.replace(appearance=looks.describe(image, chosen))
            with timer("link"):
                previous = linker.link(chosen, flow, index / FPS)
            shown = select_joints(previous[previous.track_ids != UNLINKED], selection)
            frame = Frame(index, index / FPS, image)
            with timer("draw, 720p"):
                annotator.draw(frame, shown)
            with timer("JSON"):
                sink.write(frame, shown)
        sink.close()
    return {part: timer.median_ms(part) for part in timer.samples_ms}


def linking_ms(people: int, queue_frames: int, frames: int) -> float:
    """Measure the median milliseconds per frame of linking alone."""
    timer, linker = Timer(), FlowLinker(replace(LinkerConfig(), queue_frames=queue_frames))
    for index, (poses, flow) in enumerate(crowd(people, frames)):
        with timer("link"):
            linker.link(poses, flow, index / FPS)
    return timer.median_ms("link")


def main(
    people: Annotated[int, typer.Option(help="People per frame, for the table of stages.")] = 20,
    frames: Annotated[int, typer.Option(help="Frames measured, after a warm-up.")] = 150,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure, and print one table."""
    cv2.setNumThreads(1)
    frames += WARM_UP_FRAMES
    costs = stages(people, frames)
    scale = {
        (n, length): linking_ms(n, length, frames) for n in (10, 20, 50, 100, 200) for length in (1, 5, 10, 20)
    }
    base = scale[20, 10] / (20 * 10)
    if as_json:
        linking = [{"people": n, "queue_frames": length, "ms": ms} for (n, length), ms in scale.items()]
        print(json.dumps({"people": people, "stages_ms": costs, "linking": linking}))
        return
    table = Table(
        "", "ms a frame", "for a person and frame of the queue, against 20 x 10", title="Without networks"
    )
    for part, ms in costs.items():
        table.add_row(f"{part}, {people} people", f"{ms:.2f}", "")
    tracker = sum(costs[part] for part in ("propagate", "merge", "OKS-NMS", "looks", "link"))
    table.add_row("propagate + merge + OKS-NMS + looks + link", f"{tracker:.2f}", "")
    table.add_section()
    for (n, length), ms in scale.items():
        table.add_row(f"link, {n} people, queue of {length}", f"{ms:.2f}", f"{ms / (n * length) / base:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
