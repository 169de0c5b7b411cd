"""Speed, memory and time per stage on a GPU: ``gpu.py [--end-to-end] [--flow dis] [--json]``. Works offline.

Runs a pose network with random weights and given boxes in two ways:

- ours: like everywhere in posetrack, crops are cut on the device, several frames share a batch, in the chosen
  precision, channels-last, with folded batch norms and overlapping stages;
- the plain loop of the official code (``validate`` of SimpleBaseline and HRNet, at batch 1): one person at a time,
  two passes for the flip test, fp32, cuDNN's fastest algorithms, the network as trained, one stage at a time.

Both turn frames and boxes into tracked joints. With ``--end-to-end`` they read a video file of rendered people and
write an annotated video and a JSON file. Only detection is left out. The two take turns, so that their ratio holds
on a noisy machine. Boxes are not propagated: there are as many people as boxes. Random weights are as fast as
trained ones; their joints are only checked for agreement between the two ways.

Times are in milliseconds per frame: wall time of each stage, including waiting for the device and for cores (our
stages overlap); each part of our pose stage by itself; and two floors, the time for the network's arithmetic and
for the copies at the measured speed of a matrix product and of a large copy.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from gpu_floors import Floors, Share, Speeds, measured_speeds
from gpu_ways import FLOW_NAMES, OURS, Footage, Plan, Way, footage_of, run_once, ways_of
from rich.console import Console
from rich.table import Table

from posetrack import __version__
from posetrack.errors import ConfigError, PoseTrackError
from posetrack.models.devices import resolve_device, resolve_precision
from posetrack.models.engines import PRECISIONS
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.presets import get_preset
from posetrack.zoo import get_entry

MIB = 1 << 20
WANTED_RATIO = 10
WANTED_FRAMES_PER_S = 60


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        width, height: Frame size in pixels.
        people: Boxes per frame.
        way: ``official`` or ``ours``.
        precision, batch: How the network ran; batch is the maximum number of crops at once.
        frames_per_s: Median over the rounds.
        times_official: Ratio to the official loop's speed, median over the rounds.
        memory_mib: Weights plus peak memory on CUDA; None elsewhere.
        agreement: Share of joints within a pixel of the official loop's.
        tracked: Mean number of people per frame who were tracked, drawn and written.
        stages_ms: Mean milliseconds per frame of each stage.
        pose: Times of the pose stage's parts, and its floors.
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
    tracked: float
    stages_ms: dict[str, float]
    pose: Share


def measure(ways: list[Way], plan: Plan, footage: Footage, floors: Floors) -> list[Row]:
    """Run all ways over the same clip in turn, after a warm-up; ours needs a whole round, as batch sizes vary."""
    for way in ways:
        if way.name == OURS:
            run_once(way, plan, footage)
        way.forget(footage)
    for _ in range(plan.rounds):
        for way in ways:
            run_once(way, plan, footage)
    return [row_of(way, ways[0], plan, footage, floors.share(way, footage)) for way in ways]


def row_of(way: Way, official: Way, plan: Plan, footage: Footage, pose: Share) -> Row:
    """Figures of one way."""
    assert way.poses is not None and official.poses is not None
    apart = np.linalg.norm(way.poses.keypoints - official.poses.keypoints, axis=-1)[official.poses.present]
    ratios = [slow / fast for slow, fast in zip(official.seconds, way.seconds, strict=True)]
    cuda, frames = plan.device.type == "cuda", plan.frames * plan.rounds
    return Row(
        width=footage.size[0],
        height=footage.size[1],
        people=len(footage.boxes),
        way=way.name,
        precision=way.precision,
        batch=way.batch,
        frames_per_s=plan.frames / float(np.median(way.seconds)),
        times_official=float(np.median(ratios)),
        memory_mib=(way.weights_bytes + way.peak_bytes) / MIB if cuda else None,
        agreement=float((apart <= 1).mean()) if apart.size else 1.0,
        tracked=way.people / frames,
        stages_ms={stage: 1000 * seconds / frames for stage, seconds in way.stopwatch.wall_s.items()},
        pose=pose,
    )


def verdict(rows: list[Row], plan: Plan) -> str:
    """State whether ours reaches its target speed on a GPU, for the rows of one clip."""
    best = max((row for row in rows if row.way == OURS), key=lambda row: row.frames_per_s)
    scope = "end to end" if plan.end_to_end else "without decoding, drawing and encoding"
    ratio = "yes" if best.times_official >= WANTED_RATIO else "no"
    speed = "yes" if best.frames_per_s > WANTED_FRAMES_PER_S else "no"
    text = (
        f"{best.width}x{best.height}, {best.people} people, {scope}, {best.precision}, batch {best.batch}: "
        f"at least {WANTED_RATIO} times the official loop: {ratio} ({best.times_official:.2f} times); "
        f"above {WANTED_FRAMES_PER_S} frames/s: {speed} ({best.frames_per_s:.2f})."
    )
    return text if plan.device.type != "cpu" else f"{text} Meant for GPUs: this was a processor."


def has(device: torch.device, precision: str) -> bool:
    """Whether the device supports a precision."""
    try:
        resolve_precision(precision, device)
    except ConfigError:
        return False
    return True


def main(  # noqa: PLR0913 (a command line)
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    preset: Annotated[str, typer.Option(help="Preset whose pose network is run.")] = "posetrack",
    flow: Annotated[str | None, typer.Option(help=f"{', '.join(FLOW_NAMES)}. Defaults to the preset's.")] = None,
    end_to_end: Annotated[bool, typer.Option("--end-to-end", help="Also decode, draw and encode.")] = False,
    sizes: Annotated[list[str] | None, typer.Option("--size", help="Defaults to 1280x720 and 1920x1080.")] = None,
    people: Annotated[list[int] | None, typer.Option(help="People per frame. Defaults to 5, 10 and 20.")] = None,
    batches: Annotated[
        list[int] | None, typer.Option("--batch", help="Crops at once. Defaults to 1, 8 and 64.")
    ] = None,
    precisions: Annotated[
        list[str] | None, typer.Option("--precision", help="fp32, fp16, bf16. Defaults to all on GPUs, else fp32.")
    ] = None,
    frames: Annotated[int | None, typer.Option(help="Frames per round. Defaults to 30, end to end 200.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Number of rounds. Defaults to 5, end to end 3.")] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile our networks.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Run a small network once, to test the script.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure, and print two tables and a verdict. End to end defaults to 1280x720, 10 people and batch 64."""
    place = resolve_device(device)
    chosen = get_preset(preset)
    flow = flow or chosen.flow
    if flow not in FLOW_NAMES:
        raise ConfigError(f"there is no flow {flow!r}; choose one of {', '.join(FLOW_NAMES)}.")
    usual = [name for name in PRECISIONS[1:] if has(place, name)] if place.type != "cpu" else ["fp32"]
    plan = Plan(
        architecture=PoseArchitecture(width=64, height=96)
        if quick
        else get_entry(chosen.pose).pose_architecture(),
        preset=chosen,
        flow=flow,
        device=place,
        precisions=precisions or usual,
        batches=batches or ([2] if quick else [64] if end_to_end else [1, 8, 64]),
        frames=2 if quick else frames or (200 if end_to_end else 30),
        rounds=2 if quick else rounds or (3 if end_to_end else 5),
        end_to_end=end_to_end,
        compiled=compiled,
    )
    sizes = sizes or (["320x180"] if quick else ["1280x720"] if end_to_end else ["1280x720", "1920x1080"])
    people = people or ([3] if quick else [10] if end_to_end else [5, 10, 20])
    speeds = measured_speeds(place, plan.precisions)
    ways, floors, rows, verdicts = ways_of(plan), Floors(plan, speeds), [], []
    for size in sizes:
        width, height = (int(side) for side in size.split("x"))
        for count in people:
            with tempfile.TemporaryDirectory() as folder:
                measured = measure(ways, plan, footage_of(plan, (width, height), count, Path(folder)), floors)
            rows += measured
            verdicts.append(verdict(measured, plan))
    title = title_of(plan)
    if as_json:
        figures = {"what": title, "speeds": asdict(speeds), "rows": [asdict(row) for row in rows]}
        print(json.dumps({**figures, "verdicts": verdicts}))
    else:
        show(rows, speeds, title)
        print(*verdicts, sep="\n")


def title_of(plan: Plan) -> str:
    """Describe the setup of the measurement."""
    device, architecture = plan.device, plan.architecture
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device} ({platform.machine()})"
    network = f"{architecture.backbone} {architecture.width}x{architecture.height}, flow {plan.flow}"
    return f"{network}, {place}, torch {torch.__version__}, posetrack {__version__}"


def show(rows: list[Row], speeds: Speeds, title: str) -> None:
    """Print two tables with a row per way: speed, and time per stage."""
    names = ("frame", "people", "way", "precision", "batch")
    fast = Table(*names, "frames/s", "x official", "MiB", "same", "tracked", title=title)
    stages = list(dict.fromkeys(stage for row in rows for stage in row.stages_ms))
    parts = ("crops", "network", "joints")
    spent = Table(
        *names, *stages, *(f"{part} alone" for part in parts), "arithmetic floor", "copy floor",
        title=f"Where time goes, ms a frame. {speeds_in_words(speeds)}",
    )  # fmt: skip
    for row in rows:
        which = (f"{row.width}x{row.height}", str(row.people), row.way, row.precision, str(row.batch))
        memory = "-" if row.memory_mib is None else f"{row.memory_mib:.0f}"
        fast.add_row(
            *which, f"{row.frames_per_s:.2f}", f"{row.times_official:.2f}", memory, f"{100 * row.agreement:.0f} %",
            f"{row.tracked:.1f}",
        )  # fmt: skip
        spent.add_row(
            *which,
            *(milliseconds(row.stages_ms.get(stage)) for stage in stages),
            *(milliseconds(row.pose.alone_ms.get(part)) for part in parts),
            milliseconds(row.pose.arithmetic_floor_ms),
            milliseconds(row.pose.copy_floor_ms),
        )
    console = Console(width=200)
    console.print(fast)
    console.print(spent)


def milliseconds(value: float | None) -> str:
    """Format for a table; None is a dash."""
    return "-" if value is None else f"{value:.2f}"


def speeds_in_words(speeds: Speeds) -> str:
    """Describe the speeds behind the floors."""
    products = ", ".join(f"{name} {rate:.3g}" for name, rate in speeds.tflops.items())
    if speeds.up_gb_per_s is None:
        return f"Matrix products, TFLOP/s: {products}; a processor has nothing to copy: no copy floor."
    copies = f"{speeds.up_gb_per_s:.3g} there, {speeds.down_gb_per_s:.3g} back"
    return f"Matrix products, TFLOP/s: {products}; copies, GB/s: {copies}."


if __name__ == "__main__":
    try:
        typer.run(main)
    except PoseTrackError as error:
        sys.exit(f"gpu.py: {error}")
