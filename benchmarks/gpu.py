"""A preset on a GPU, speed and memory: ``gpu.py [--device cuda] [--json]``. Needs no internet.

A clip with people in given boxes goes through two ways to run one pose network with the same random weights:

- ours: all people of a frame in batches, in the wanted precision, channels-last, batch norms folded, and flow and
  pose estimation side by side, as everywhere in posetrack;
- the plain loop of the official code (``validate`` of SimpleBaseline and HRNet, at batch 1): one person after the
  other, two passes for the flip test, fp32, cuDNN choosing its fastest algorithms, the network as it was trained,
  and one stage after the other.

Both take frames and boxes and give tracked joints; detection alone is left out. They take turns in one run, so
that their ratio holds on a noisy machine. Boxes are not carried on: the people are as many as the boxes. Random
weights are as fast as trained ones; of their joints it is only looked at whether both ways have the same.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from plain_loop import PlainPose
from rich.console import Console
from rich.table import Table

from posetrack import __version__
from posetrack.errors import ConfigError, PoseTrackError
from posetrack.flow import FLOWS
from posetrack.models.devices import resolve_device, resolve_precision
from posetrack.models.engines import PRECISIONS
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.runtime import Runtime
from posetrack.pipeline import Pipeline
from posetrack.pose_tracker import own_frames
from posetrack.presets import Preset, get_preset
from posetrack.stages import PoseEstimator
from posetrack.tracker import FlowLinker
from posetrack.types import Boxes, Image, Poses
from posetrack.zoo import get_entry

MIB = 1 << 20


@dataclass(frozen=True)
class GivenBoxes:
    """A detector that knows where people are."""

    boxes: Boxes

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """The same boxes in every image."""
        return [self.boxes for _ in images]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        width, height: Of the frame, in pixels.
        people: Boxes in it.
        way: ``official`` or ``ours``.
        precision, batch: How the network ran; batch is the most crops at once.
        frames_per_s: Median over the rounds.
        times_official: The same over the official loop's, median of the rounds' ratios.
        memory_mib: Weights and the most that was needed besides, on CUDA; None elsewhere.
        agreement: Share of the joints that are within a pixel of the official loop's.
    """

    width: int
    height: int
    people: int
    way: str
    precision: str
    batch: int
    frames_per_s: float
    times_official: float
    memory_mib: float | None
    agreement: float


@dataclass
class Way:
    """One way to run the network, and what has been measured of it."""

    name: str
    precision: str
    batch: int
    stage: PoseEstimator
    weights_bytes: int
    seconds: list[float]
    peak_bytes: int = 0
    poses: Poses | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured, on which device."""

    architecture: PoseArchitecture
    preset: Preset
    device: torch.device
    precisions: list[str]
    batches: list[int]
    frames: int
    rounds: int


def ways_of(plan: Plan, compiled: bool) -> list[Way]:
    """All ways, with the same weights."""
    torch.manual_seed(0)
    network = plan.architecture.build().eval()
    with torch.no_grad():
        network.final_layer.weight *= 1000  # heatmaps with peaks that rounding does not move
    before = allocated(plan.device)
    config = PoseConfig(flip_test=True, codec=plan.preset.pose_config.codec)
    official = PlainPose(network, plan.architecture, config, plan.device, one_by_one=True)
    ways = [Way("official", "fp32", 1, official, allocated(plan.device) - before, [])]
    for precision in plan.precisions:
        for batch in plan.batches:
            config = PoseConfig(flip_test=True, codec=plan.preset.pose_config.codec, max_batch=batch)
            runtime = Runtime(device=plan.device, precision=precision, compile=compiled)
            before = allocated(plan.device)
            stage = HeatmapPoseEstimator(network, plan.architecture, config, runtime)
            ways.append(Way("ours", precision, batch, stage, allocated(plan.device) - before, []))
    return ways


def measure(ways: list[Way], plan: Plan, size: tuple[int, int], people: int) -> list[Row]:
    """Every way over the same clip, in turns."""
    images, boxes = clip(size, people, plan.frames)
    for way in ways:
        way.seconds, way.peak_bytes = [], 0
        way.poses = way.stage.estimate(images[0], boxes)  # warms up, and does not count
    for _ in range(plan.rounds):
        for way in ways:
            run_once(way, plan, images, boxes)
    return [row_of(way, ways[0], plan, size, people) for way in ways]


def run_once(way: Way, plan: Plan, images: list[Image], boxes: Boxes) -> None:
    """One round. Joints are fetched from the device at the end of each frame, which waits for it."""
    pipeline = Pipeline(
        detector=GivenBoxes(boxes),
        flow=FLOWS[plan.preset.flow](),
        pose=way.stage,
        linker=FlowLinker(plan.preset.linker),
        config=replace(plan.preset.pipeline, propagation=None),
    )
    official, cuda = way.name == "official", plan.device.type == "cuda"
    torch.backends.cudnn.benchmark = official
    before = allocated(plan.device)
    if cuda:
        torch.cuda.reset_peak_memory_stats(plan.device)
    start = time.perf_counter()
    for _ in (pipeline.run_sequentially if official else pipeline.run)(own_frames(images)):
        pass
    way.seconds.append(time.perf_counter() - start)
    if cuda:
        way.peak_bytes = max(way.peak_bytes, torch.cuda.max_memory_allocated(plan.device) - before)


def row_of(way: Way, official: Way, plan: Plan, size: tuple[int, int], people: int) -> Row:
    """The figures of one way."""
    assert way.poses is not None and official.poses is not None
    apart = np.linalg.norm(way.poses.keypoints - official.poses.keypoints, axis=-1)[official.poses.present]
    ratios = [slow / fast for slow, fast in zip(official.seconds, way.seconds, strict=True)]
    cuda = plan.device.type == "cuda"
    return Row(
        width=size[0],
        height=size[1],
        people=people,
        way=way.name,
        precision=way.precision,
        batch=way.batch,
        frames_per_s=plan.frames / float(np.median(way.seconds)),
        times_official=float(np.median(ratios)),
        memory_mib=(way.weights_bytes + way.peak_bytes) / MIB if cuda else None,
        agreement=float((apart <= 1).mean()) if apart.size else 1.0,
    )


def allocated(device: torch.device) -> int:
    """Bytes that tensors take on a CUDA device; 0 elsewhere."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def clip(size: tuple[int, int], people: int, frames: int) -> tuple[list[Image], Boxes]:
    """Soft spots that move 2 pixels a frame, and boxes of people within the frame."""
    rng = np.random.default_rng(0)
    width, height = size
    heights = rng.uniform(0.3, 0.8, people) * height
    extent = np.stack([heights * rng.uniform(0.3, 0.6, people), heights], -1)
    low = rng.uniform(0, 1, (people, 2)) * np.maximum(np.array([width, height]) - extent, 0)
    wide = width + 2 * frames
    coarse = rng.integers(0, 256, (max(2, height // 20), max(2, wide // 20), 3), np.uint8)
    spots = np.asarray(cv2.resize(coarse, (wide, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    images = [np.ascontiguousarray(spots[:, 2 * index : 2 * index + width]) for index in range(frames)]
    return images, Boxes(np.hstack([low, low + extent]), np.ones(people))


def has(device: torch.device, precision: str) -> bool:
    """Whether the device calculates in that precision."""
    try:
        resolve_precision(precision, device)
    except ConfigError:
        return False
    return True


def main(  # noqa: PLR0913 (a command line)
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    preset: Annotated[str, typer.Option(help="Whose pose network, with random weights.")] = "accurate",
    sizes: Annotated[list[str] | None, typer.Option("--size", help="Of frames; 1280x720 and 1920x1080.")] = None,
    people: Annotated[list[int] | None, typer.Option(help="In a frame; 5, 10 and 20.")] = None,
    batches: Annotated[list[int] | None, typer.Option("--batch", help="Most crops at once; 1, 8 and 64.")] = None,
    precisions: Annotated[
        list[str] | None, typer.Option("--precision", help="fp32, fp16, bf16; on GPUs all, else fp32.")
    ] = None,
    frames: Annotated[int, typer.Option(help="Frames per round.")] = 30,
    rounds: Annotated[int, typer.Option(help="Rounds.")] = 5,
    compiled: Annotated[bool, typer.Option("--compile", help="Ours compiled.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A small network once: does the script work?")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure, and print one table."""
    place = resolve_device(device)
    chosen = get_preset(preset)
    usual = [name for name in PRECISIONS[1:] if has(place, name)] if place.type != "cpu" else ["fp32"]
    plan = Plan(
        architecture=PoseArchitecture(width=64, height=96)
        if quick
        else get_entry(chosen.pose).pose_architecture(),
        preset=chosen,
        device=place,
        precisions=precisions or usual,
        batches=batches or ([2] if quick else [1, 8, 64]),
        frames=min(frames, 2) if quick else frames,
        rounds=min(rounds, 2) if quick else rounds,
    )
    sizes = sizes or (["320x180"] if quick else ["1280x720", "1920x1080"])
    ways, rows = ways_of(plan, compiled), []
    for size in sizes:
        width, height = (int(side) for side in size.split("x"))
        for count in people or ([3] if quick else [5, 10, 20]):
            rows += measure(ways, plan, (width, height), count)
    backbone = plan.architecture.backbone
    title = f"{backbone} {plan.architecture.width}x{plan.architecture.height}, {describe(place)}"
    if as_json:
        print(json.dumps({"what": title, "rows": [asdict(row) for row in rows]}))
    else:
        show(rows, title)


def describe(device: torch.device) -> str:
    """What the figures were measured with."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device} ({platform.machine()})"
    return f"{name}, torch {torch.__version__}, posetrack {__version__}"


def show(rows: list[Row], title: str) -> None:
    """One table, one line per way."""
    table = Table(
        "frame", "people", "way", "precision", "batch", "frames/s", "x official", "MiB", "same", title=title
    )
    for row in rows:
        memory = "-" if row.memory_mib is None else f"{row.memory_mib:.0f}"
        table.add_row(
            f"{row.width}x{row.height}", str(row.people), row.way, row.precision, str(row.batch),
            f"{row.frames_per_s:.2f}", f"{row.times_official:.2f}", memory, f"{100 * row.agreement:.0f} %",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    try:
        typer.run(main)
    except PoseTrackError as error:
        sys.exit(f"gpu.py: {error}")
