"""Speed on a video, or on rendered people: ``speed.py [VIDEO] [--people 5] [--preset lite] [--json]``.

Measures everything from decoding to the annotated video and the JSON file. CPU time includes all threads and the
encoder's process. Each round runs every engine's pipeline and then the plain sequential loop: the same networks in
eager torch on all cores, without other threads, with the detector and everyone's joints in every frame. They take
turns, so that their ratios hold on a noisy machine. Stages overlap, and their times include waiting for a core.
"At 75 GFLOP/s" is the CPU time that a core of that speed would need: CPU time times the speed of a single-threaded
matrix product in the same run, over 75.
"""

from __future__ import annotations

import json
import platform
import resource
import tempfile
import time
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from plain_loop import plain_tracker
from rich.console import Console
from rich.table import Table

from posetrack import __version__
from posetrack.background import ahead
from posetrack.demo import write_clip
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import Interval, Preset, get_preset
from posetrack.runner import Outputs, ResultWriter
from posetrack.stopwatch import Stopwatch
from posetrack.synthetic import promenade
from posetrack.video import ReadOptions, open_source

REFERENCE_GFLOPS = 75.0
SIZE = (1280, 720)
PLAIN = "plain loop"
MATRIX_SIDE = 1024


@dataclass(frozen=True)
class Pass:
    """A pass over the video: frames, mean number of people, wall time and CPU time in seconds."""

    frames: int
    people: float
    wall_s: float
    cpu_s: float


@dataclass
class Way:
    """A way to track the video, and its passes."""

    name: str
    tracker: PoseTracker
    threads: int
    stopwatch: Stopwatch
    passes: list[Pass] = field(default_factory=list)

    def run(self, video: Path, frames: int) -> Pass:
        """Decode, track, draw, encode."""
        torch.set_num_threads(self.threads)
        reading, outputs, count, people = ReadOptions(max_frames=frames), Outputs(tracks=False), 0, 0
        with tempfile.TemporaryDirectory() as folder, open_source(video, reading) as source:
            pipeline = self.tracker.pipeline(source.info.fps)
            plain = self.name == PLAIN
            results = pipeline.run_sequentially(source) if plain else ahead(pipeline.run(source), 4)
            wall, cpu = time.perf_counter(), processor_s()
            paths = outputs.paths(Path(folder), source.info.name)
            with ResultWriter(paths, source.info, outputs, reading, self.stopwatch) as writer:
                for frame, poses in results:
                    writer.write(frame, poses)
                    count, people = count + 1, people + len(poses)
            return Pass(count, people / count, time.perf_counter() - wall, processor_s() - cpu)

    def figures(self, plain: Way, gflops: float) -> dict[str, Any]:
        """Compute medians over the passes."""
        pairs = zip(self.passes, plain.passes, strict=True)
        cpu_ms = median(1000 * one.cpu_s / one.frames for one in self.passes)
        return {
            "fps": median(one.frames / one.wall_s for one in self.passes),
            "ratio_to_sequential": median(slow.wall_s / fast.wall_s for fast, slow in pairs),
            "cpu_ms_per_frame": cpu_ms,
            "cpu_ms_per_frame_at_75_gflops": cpu_ms * gflops / REFERENCE_GFLOPS,
            "people_per_frame": self.passes[0].people,
            "stages": stage_figures(self.stopwatch),
        }


def processor_s() -> float:
    """CPU time of this process and of finished child processes (the encoder)."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def matrix_gflops() -> float:
    """Best 10^9 floating-point operations per second of CPU time in a single-threaded matrix product."""
    torch.set_num_threads(1)
    a, b = torch.rand(2, MATRIX_SIDE, MATRIX_SIDE)
    best = np.inf
    for _ in range(20):
        start = time.thread_time()
        torch.mm(a, b)
        best = min(best, time.thread_time() - start)
    return 2 * MATRIX_SIDE**3 / best / 1e9


def median(values: Any) -> float:
    """Median of an iterable of numbers."""
    return float(np.median(list(values)))


def stage_figures(stopwatch: Stopwatch) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of a call in ms, and its share of all stages' time."""
    total = sum(stopwatch.wall_s.values())
    return {
        name: {
            "median_ms": 1000 * float(np.median(samples)),
            "p95_ms": 1000 * float(np.percentile(samples, 95)),
            "share": stopwatch.wall_s[name] / total,
        }
        for name, samples in stopwatch.samples_s.items()
    }


def ways_of(preset: Preset, engines: list[str], device: str) -> list[Way]:
    """Make each engine's pipeline, then the plain loop."""
    everything, ways = torch.get_num_threads(), []
    for engine in engines:
        stopwatch = Stopwatch(keep_samples=True)
        tracker = PoseTracker(preset, device=device, engine=engine, stopwatch=stopwatch)  # type: ignore[arg-type]
        ways.append(Way(engine, tracker, torch.get_num_threads(), stopwatch))
    stopwatch = Stopwatch(keep_samples=True)
    ways.append(Way(PLAIN, plain_tracker(preset, stopwatch), everything, stopwatch))
    return ways


def interval(text: str) -> Interval:
    """Parse an interval: a number of frames, or auto."""
    return "auto" if text == "auto" else int(text)


def main(  # noqa: PLR0913 (a command line)
    video: Annotated[Path | None, typer.Argument(help="Video file. Defaults to rendered people.")] = None,
    people: Annotated[int, typer.Option(help="Number of rendered people, at 1280x720.")] = 5,
    preset: Annotated[str, typer.Option(help="Preset to measure.")] = "lite",
    engine: Annotated[
        list[str] | None, typer.Option(help="torch or onnxruntime. Defaults to all installed.")
    ] = None,
    device: Annotated[str, typer.Option(help="Device of the networks, except in the plain loop.")] = "cpu",
    detect_every: Annotated[str | None, typer.Option(help="As of `posetrack run`.")] = None,
    pose_every: Annotated[str | None, typer.Option(help="As of `posetrack run`.")] = None,
    frames: Annotated[int, typer.Option(help="Frames per round.")] = 200,
    rounds: Annotated[int, typer.Option(help="Number of rounds, after a short warm-up round.")] = 3,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, the first engine's figures first.")
    ] = False,
) -> None:
    """Measure, and print one table."""
    chosen = get_preset(preset)
    if detect_every is not None:
        chosen = replace(chosen, detect_every=interval(detect_every))
    if pose_every is not None:
        chosen = replace(chosen, pose_every=interval(pose_every))
    engines = engine or ["torch", *(["onnxruntime"] if find_spec("onnxruntime") else [])]
    ways = ways_of(chosen, engines, device)
    with tempfile.TemporaryDirectory() as folder:
        clip = video or write_clip(Path(folder), promenade(people, size=SIZE, seconds=frames / 25)).video
        for way in ways:
            way.run(clip, min(frames, 10))
            way.stopwatch.clear()
        speeds = []
        for _ in range(rounds):
            for way in ways:
                speeds.append(matrix_gflops())
                way.passes.append(way.run(clip, frames))
        gflops = median(speeds)
        figures = {way.name: way.figures(ways[-1], gflops) for way in ways}
        what = f"{clip.name}, {ways[0].passes[0].frames} frames, preset {preset}, {describe_machine(device)}"
    if as_json:
        print(json.dumps({**figures[engines[0]], "what": what, "matrix_gflops": gflops, "ways": figures}))
    else:
        show(figures, f"{what}; matrix product {gflops:.0f} GFLOP/s")


def describe_machine(device: str) -> str:
    """Describe the setup of the measurement."""
    return f"{device}, {platform.machine()}, torch {torch.__version__}, posetrack {__version__}"


def show(figures: dict[str, dict[str, Any]], title: str) -> None:
    """Print a table: a row per stage, then the total; a group of columns per way."""
    table = Table(title=title)
    table.add_column("")
    for name in figures:
        for column in (f"{name}: median ms", "p95 ms", "share"):
            table.add_column(column, justify="right")
    for stage in dict.fromkeys(stage for each in figures.values() for stage in each["stages"]):
        cells: list[str] = []
        for each in figures.values():
            row = each["stages"].get(stage)
            cells += (
                [f"{row['median_ms']:.1f}", f"{row['p95_ms']:.1f}", f"{100 * row['share']:.0f} %"]
                if row
                else [""] * 3
            )
        table.add_row(stage, *cells)
    table.add_section()
    for label, key in {
        "frames per second": "fps",
        "processor ms a frame": "cpu_ms_per_frame",
        "the same at 75 GFLOP/s": "cpu_ms_per_frame_at_75_gflops",
        "times the plain loop's speed": "ratio_to_sequential",
        "people in a frame": "people_per_frame",
    }.items():
        table.add_row(label, *(cell for each in figures.values() for cell in (f"{each[key]:.2f}", "", "")))
    Console(width=150).print(table)


if __name__ == "__main__":
    typer.run(main)
