"""Speed of a preset on a video: ``speed.py VIDEO [--preset lite] [--frames 200] [--rounds 3] [--json]``.

Everything counts, from decoding to the annotated video and the JSON file. Each round runs the pipeline and then
the plain sequential loop over the same networks, so that their ratio holds on a noisy machine. The stage table is
of the pipeline's rounds: stages overlap, and their times contain waiting for a processor.
"""

from __future__ import annotations

import json
import platform
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from posetrack import __version__
from posetrack.background import ahead
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import get_preset
from posetrack.runner import Outputs, ResultWriter
from posetrack.stopwatch import Stopwatch
from posetrack.video import ReadOptions, open_source


@dataclass
class Measurement:
    """One pass over the video: frames, seconds by the clock, and of processor time (all threads, no encoder)."""

    frames: int
    wall_s: float
    cpu_s: float


def measure(tracker: PoseTracker, video: Path, frames: int, *, sequential: bool) -> Measurement:
    """Decode, track, draw, encode."""
    reading, outputs, count = ReadOptions(max_frames=frames), Outputs(), 0
    with tempfile.TemporaryDirectory() as folder, open_source(video, reading) as source:
        pipeline = tracker.pipeline(source.info.fps)
        results = pipeline.run_sequentially(source) if sequential else ahead(pipeline.run(source), 4)
        wall, cpu = time.perf_counter(), time.process_time()
        paths = outputs.paths(Path(folder), source.info.name)
        with ResultWriter(paths, source.info, outputs, reading, tracker.stopwatch) as writer:
            for frame, poses in results:
                writer.write(frame, poses)
                count += 1
        return Measurement(count, time.perf_counter() - wall, time.process_time() - cpu)


def main(  # noqa: PLR0913 (a command line)
    video: Annotated[Path, typer.Argument(help="A video file.")],
    preset: Annotated[str, typer.Option(help="What to measure.")] = "lite",
    device: Annotated[str, typer.Option(help="Where the networks run.")] = "cpu",
    detect_every: Annotated[int, typer.Option(help="Frames from one detection to the next.")] = 1,
    frames: Annotated[int, typer.Option(help="Frames per round.")] = 200,
    rounds: Annotated[int, typer.Option(help="Rounds; one more goes first and does not count.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure, and print one table."""
    stopwatch = Stopwatch(keep_samples=True)
    chosen = replace(get_preset(preset), detect_every=detect_every)
    tracker = PoseTracker(chosen, device=device, stopwatch=stopwatch)
    plain = PoseTracker(chosen, device=device)
    measure(tracker, video, min(frames, 20), sequential=False)
    stopwatch.clear()
    overlapped, sequential = [], []
    for _ in range(rounds):
        overlapped.append(measure(tracker, video, frames, sequential=False))
        sequential.append(measure(plain, video, frames, sequential=True))
    pairs = zip(overlapped, sequential, strict=True)
    figures = {
        "fps": float(np.median([one.frames / one.wall_s for one in overlapped])),
        "ratio_to_sequential": float(np.median([slow.wall_s / fast.wall_s for fast, slow in pairs])),
        "cpu_ms_per_frame": float(np.median([1000 * one.cpu_s / one.frames for one in overlapped])),
        "frames": overlapped[0].frames,
        "stages": stage_figures(stopwatch),
    }
    if as_json:
        print(json.dumps(figures))
    else:
        show(figures, f"{video.name}, preset {preset}, {describe_machine(device)}")


def stage_figures(stopwatch: Stopwatch) -> dict[str, dict[str, float]]:
    """Median and 95th percentile in ms, and the share of all stages' time."""
    total = sum(stopwatch.wall_s.values())
    return {
        name: {
            "median_ms": 1000 * float(np.median(samples)),
            "p95_ms": 1000 * float(np.percentile(samples, 95)),
            "share": stopwatch.wall_s[name] / total,
        }
        for name, samples in stopwatch.samples_s.items()
    }


def describe_machine(device: str) -> str:
    """What the figures were measured with."""
    threads = torch.get_num_threads()
    return f"{device}, {platform.machine()}, {threads} threads, torch {torch.__version__}, posetrack {__version__}"


def show(figures: dict[str, object], title: str) -> None:
    """One table: a row per stage, then the whole."""
    table = Table("stage", "median ms", "p95 ms", "share", title=title)
    stages = figures["stages"]
    assert isinstance(stages, dict)
    for name, row in stages.items():
        table.add_row(name, f"{row['median_ms']:.2f}", f"{row['p95_ms']:.2f}", f"{100 * row['share']:.0f} %")
    table.add_section()
    table.add_row("all", "", "", f"{figures['fps']:.1f} fps")
    table.add_row("processor, per frame", f"{figures['cpu_ms_per_frame']:.0f}", "", "")
    table.add_row("times the sequential loop's speed", f"{figures['ratio_to_sequential']:.2f}", "", "")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
