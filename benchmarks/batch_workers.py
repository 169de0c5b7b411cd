"""Throughput of ``posetrack batch`` by workers: ``batch_workers.py FOOTAGE [--workers 1 --workers 2 --rounds 2]``.

Each round tracks the whole folder with each number of workers in turn, into temporary folders, so that ratios
hold on a noisy machine. Cores are distributed like ``posetrack batch`` does by default. ``frames/s`` counts from
the first frame to the last file, ``with start`` also includes starting processes and loading networks.
``ms/frame`` is CPU time of all processes, including their start. On a busy computer it is more reliable than wall
time, of which more processes get a larger share.
"""

from __future__ import annotations

import platform
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from posetrack import __version__
from posetrack.batch.config import BatchConfig
from posetrack.batch.coordinator import run_batch
from posetrack.batch.manifest import ClipRecord
from posetrack.batch.plan import Plan
from posetrack.batch.tasks import Compute, PresetTracker
from posetrack.batch.workers import Progress
from posetrack.models.processors import available_processors
from posetrack.presets import get_preset
from posetrack.video import ReadOptions


class FirstFrame:
    """Records when the first frame of a batch is done."""

    def __init__(self) -> None:
        self.at_s: float | None = None

    def planned(self, plan: Plan) -> None:
        """Of no interest."""

    def started(self, record: ClipRecord) -> None:
        """Of no interest."""

    def finished(self, record: ClipRecord) -> None:
        """Of no interest."""

    def progressed(self, progress: Progress) -> None:
        """A frame is done."""
        if self.at_s is None:
            self.at_s = time.perf_counter()


@dataclass(frozen=True)
class Measurement:
    """Frames per second of all workers, without and with the start of processes, and CPU time."""

    fps: float
    fps_with_start: float
    cpu_ms: float


def measure(footage: Path, config: BatchConfig) -> Measurement:
    """Track the folder once."""
    first = FirstFrame()
    with tempfile.TemporaryDirectory() as output:
        start, cpu = time.perf_counter(), _children_s()
        summary = run_batch(footage, output, config, observer=first)
        end = time.perf_counter()
    if summary.failed or first.at_s is None:
        raise SystemExit(f"{len(summary.failed)} clips failed: measure with sound ones.")
    cpu_ms = 1000 * (_children_s() - cpu) / summary.frames
    return Measurement(summary.frames / (end - first.at_s), summary.frames / (end - start), cpu_ms)


def _children_s() -> float:
    """CPU time of finished child processes and their children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(
    footage: Annotated[Path, typer.Argument(help="Folder with clips.")],
    workers: Annotated[list[int] | None, typer.Option(help="Number of processes to compare.")] = None,
    rounds: Annotated[int, typer.Option(help="Number of interleaved repetitions. Medians are printed.")] = 2,
    frames: Annotated[int | None, typer.Option(help="Maximum number of frames per clip.")] = None,
    preset: Annotated[str, typer.Option(help="Preset to measure.")] = "lite",
    device: Annotated[str, typer.Option(help="Device of the networks.")] = "cpu",
) -> None:
    """Measure and print one table."""
    configs = {
        number: BatchConfig(
            tracker=PresetTracker(get_preset(preset)),
            reading=ReadOptions(max_frames=frames),
            compute=Compute(device=device),
            workers=number,
        )
        for number in workers or [1, 2]
    }
    results: dict[int, list[Measurement]] = {number: [] for number in configs}
    for _ in range(rounds):
        for number, config in configs.items():
            results[number].append(measure(footage, config))
    system = f"{platform.machine()}, {available_processors()} processors"
    print(f"posetrack {__version__}, preset {preset}, {device}, {system}, {rounds} rounds, median")
    print(f"{'workers':>7} {'frames/s':>9} {'with start':>10} {'ms/frame':>8}   frames/s of each round")
    for number, measured in results.items():
        fps = statistics.median(one.fps for one in measured)
        with_start = statistics.median(one.fps_with_start for one in measured)
        cpu_ms = statistics.median(one.cpu_ms for one in measured)
        each = "  ".join(f"{one.fps:.2f}" for one in measured)
        print(f"{number:>7} {fps:>9.2f} {with_start:>10.2f} {cpu_ms:>8.0f}   {each}")


if __name__ == "__main__":
    typer.run(main)
