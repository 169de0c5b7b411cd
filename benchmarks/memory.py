"""Memory over a long video: ``memory.py VIDEO [--minutes 20] [--plot memory.png] [--json] [-- RUN OPTIONS]``.

Repeats the clip, without re-encoding, up to the given length, and runs ``posetrack run`` on it in a process of its
own with all output formats. Reads the memory of that process and of its encoder four times a second. Compares the
medians of the second and the last quarter of the run, to show growth. Linux only, as it reads ``/proc``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from posetrack.formats import FORMATS
from posetrack.video.ffmpeg import ffmpeg_program, file_url

SAMPLES_PER_S = 4
MIB = 2**20


def repeated(video: Path, minutes: float, path: Path) -> None:
    """Write a repeated clip by copying its packets."""
    source = ["-stream_loop", "-1", "-t", str(60 * minutes), "-i", file_url(video)]
    subprocess.run(
        [ffmpeg_program(), "-v", "error", "-y", *source, "-map", "0:v", "-c", "copy", file_url(path)], check=True
    )


def resident(process: int) -> int:
    """Resident memory of a process in bytes; 0 once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0)


def children(process: int) -> list[int]:
    """Child processes of all threads of a process."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for path in lists for child in path.read_text().split()]


def watched(command: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run a command. Returns samples of its and its children's memory in MiB."""
    own, encoder = [], []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            own.append(resident(process.pid) / MIB)
            encoder.append(sum(map(resident, children(process.pid))) / MIB)
            time.sleep(1 / SAMPLES_PER_S)
    if process.returncode:
        raise SystemExit(f"`{' '.join(command)}` ended with status {process.returncode}.")
    return np.array(own), np.array(encoder)


def plot(samples: NDArray[np.float64], encoder: NDArray[np.float64], path: Path) -> None:
    """Plot memory over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    minutes = np.arange(len(samples)) / SAMPLES_PER_S / 60
    axes.plot(minutes, samples, label="posetrack")
    axes.plot(minutes, encoder, label="encoder")
    axes.set(xlabel="minutes of the run", ylabel="MiB", ylim=(0, None))
    axes.legend()
    figure.savefig(path)


def main(
    video: Annotated[Path, typer.Argument(help="Clip to repeat.")],
    options: Annotated[list[str] | None, typer.Argument(help="Further options of `posetrack run`.")] = None,
    minutes: Annotated[float, typer.Option(help="Length of the repeated video.")] = 20,
    picture: Annotated[Path | None, typer.Option("--plot", help="Draw memory over time into this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure, and print one table."""
    formats = [option for name in FORMATS for option in ("--format", name)]
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder) / f"long{video.suffix}"
        repeated(video, minutes, long)
        run = [sys.executable, "-m", "posetrack", "run", str(long), "-o", folder, *formats, *(options or [])]
        start = time.perf_counter()
        samples, encoder = watched(run)
        seconds = time.perf_counter() - start
        frames = len(json.loads((Path(folder) / "long.json").read_bytes())["images"])
    quarters = [float(np.median(part)) for part in np.array_split(samples, 4)]
    figures = {
        "frames": frames,
        "seconds": seconds,
        "quarters_mib": quarters,
        "encoder_mib": float(encoder.max()),
        "last_to_second_quarter": quarters[3] / quarters[1],
    }
    if picture is not None:
        plot(samples, encoder, picture)
    if as_json:
        print(json.dumps(figures))
        return
    table = Table("quarter of the run", "MiB", title=f"{video.name}, {minutes:g} minutes, {frames} frames")
    for index, quarter in enumerate(quarters, 1):
        table.add_row(str(index), f"{quarter:.0f}")
    table.add_section()
    table.add_row("last against second", f"{100 * (quarters[3] / quarters[1] - 1):+.1f} %")
    table.add_row("encoder's process, at most", f"{figures['encoder_mib']:.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
