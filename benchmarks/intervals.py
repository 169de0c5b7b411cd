"""Accuracy and cost of longer intervals: ``intervals.py [VIDEO] [--interval 1/1 --interval auto/auto ...]``.

Detects people in every n-th frame, estimates propagated people's joints in every m-th (``--interval n/m``), and
prints accuracy and CPU time. Without a video, it uses rendered scenes with exact truth; the first row is the plain
loop (eager networks, detector and joints in every frame). With a video, the plain loop's tracks stand in for the
truth.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from plain_loop import plain_tracker
from rich.console import Console
from rich.table import Table

from posetrack.demo import RenderedClip, write_clip
from posetrack.evaluation import EvaluationResult, evaluate
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import Interval, get_preset
from posetrack.runner import Outputs, run
from posetrack.synthetic import SCENES
from posetrack.video import ReadOptions

INTERVALS = ["1/1", "2/1", "3/1", "5/1", "5/2", "5/3", "auto/auto"]


@dataclass(frozen=True)
class Tracked:
    """Figures over all clips, and CPU time per frame without drawing and encoding."""

    result: EvaluationResult
    cpu_ms: float


def track_and_evaluate(
    tracker: PoseTracker, clips: list[RenderedClip], folder: Path, reading: ReadOptions | None = None
) -> Tracked:
    """Track all clips with one tracker."""
    frames, start = 0, time.process_time()
    for clip in clips:
        summary = run(
            clip.video, folder, tracker=lambda: tracker, outputs=Outputs(video=False), reading=reading, online=True
        )
        frames += summary.frames
    cpu_ms = 1000 * (time.process_time() - start) / frames
    return Tracked(evaluate(clips[0].truth, folder), cpu_ms)


def as_truth(tracks: Path, truth: Path) -> None:
    """Turn a file of tracks into a ground truth, with the head boxes that PCKh needs."""
    data = json.loads(tracks.read_bytes())
    joints = data["categories"][0]["keypoints"]
    top, bottom = joints.index("head_top"), joints.index("head_bottom")
    for person in data["annotations"]:
        points = np.array(person["keypoints"]).reshape(-1, 3)
        seen = points[top, 2] and points[bottom, 2]
        side = float(np.linalg.norm(points[top, :2] - points[bottom, :2])) if seen else person["bbox"][3] / 8
        person["bbox_head"] = [*person["bbox"][:2], max(side, 1.0), max(side, 1.0)]
    truth.write_text(json.dumps(data))


def interval(text: str) -> Interval:
    """Parse an interval: a number of frames, or auto."""
    return "auto" if text == "auto" else int(text)


def main(  # noqa: PLR0913 (a command line)
    video: Annotated[Path | None, typer.Argument(help="Video file. Defaults to rendered scenes.")] = None,
    intervals: Annotated[
        list[str] | None, typer.Option("--interval", help="Frames between detections / between estimates.")
    ] = None,
    scene: Annotated[list[str] | None, typer.Option(help="Scenes to track.")] = None,
    preset: Annotated[str, typer.Option(help="Preset to measure.")] = "lite",
    seed: Annotated[int, typer.Option(help="Seed of the people in the scenes.")] = 0,
    frames: Annotated[int | None, typer.Option(help="Maximum number of frames per clip.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure, and print one table."""
    base, reading, rows = get_preset(preset), ReadOptions(max_frames=frames), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = plain_tracker(base)
        if video is None:
            names = scene or ["demo", "crossing", "occlusion", "re_entering"]
            clips = [write_clip(folder, SCENES[each](seed, (960, 540))) for each in names]
            rows["plain loop"] = figures(track_and_evaluate(plain, clips, folder / "plain", reading))
        else:
            clips = [RenderedClip(video=video, truth=folder / "truth")]
            clips[0].truth.mkdir()
            run(video, folder, tracker=lambda: plain, outputs=Outputs(video=False), reading=reading, online=True)
            as_truth(folder / f"{video.stem}.json", clips[0].truth / f"{video.stem}.json")
        for index, text in enumerate(intervals or INTERVALS):
            detect_every, pose_every = map(interval, text.split("/"))
            tracker = PoseTracker(replace(base, detect_every=detect_every, pose_every=pose_every), device="cpu")
            rows[text] = figures(track_and_evaluate(tracker, clips, folder / str(index), reading))
    if as_json:
        print(json.dumps(rows))
    else:
        truth = "rendered scenes" if video is None else f"{video.name}, the plain loop's tracks as truth"
        show(rows, f"preset {preset}, {truth}")


def figures(tracked: Tracked) -> dict[str, Any]:
    """Figures of a row to print."""
    result = tracked.result
    switches = int(result.total.mot.switches.sum())
    return {"mAP": result.mean_ap, "MOTA": result.mota, "switches": switches, "cpu_ms_per_frame": tracked.cpu_ms}


def show(rows: dict[str, dict[str, Any]], title: str) -> None:
    """Print the table."""
    table = Table("detections / joints every", "mAP", "MOTA", "switches", "processor ms", title=title)
    for name, row in rows.items():
        table.add_row(
            name, f"{row['mAP']:.1f}", f"{row['MOTA']:.1f}", str(row["switches"]), f"{row['cpu_ms_per_frame']:.0f}"
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
