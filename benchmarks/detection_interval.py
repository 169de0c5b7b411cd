"""What rare detections cost and bring: ``detection_interval.py [--every 1 --every 2 ...] [--scene demo ...]``.

Renders scenes with exact truth, tracks them with the detector on every n-th frame, and prints accuracy and speed.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from posetrack.demo import RenderedClip, write_clip
from posetrack.evaluation import EvaluationResult, evaluate
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import get_preset
from posetrack.runner import Outputs, run
from posetrack.synthetic import SCENES


def main(
    every: Annotated[list[int] | None, typer.Option(help="Frames from one detection to the next.")] = None,
    scene: Annotated[list[str] | None, typer.Option(help="Scenes to track.")] = None,
    preset: Annotated[str, typer.Option(help="What to measure.")] = "lite",
    seed: Annotated[int, typer.Option(help="Who plays.")] = 0,
) -> None:
    """Measure, and print one table."""
    table = Table("detector every", "mAP", "MOTA", "switches", "fps", title=f"preset {preset}, rendered scenes")
    with tempfile.TemporaryDirectory() as folder:
        names = scene or ["demo", "crossing", "occlusion", "re_entering"]
        clips = [write_clip(Path(folder), SCENES[name](seed, (960, 540))) for name in names]
        for interval in every or [1, 2, 3, 5, 8]:
            tracker = PoseTracker(replace(get_preset(preset), detect_every=interval))
            result, fps = track_and_evaluate(tracker, clips, Path(folder) / f"every{interval}")
            switches = int(result.total.mot.switches.sum())
            table.add_row(
                str(interval), f"{result.mean_ap:.1f}", f"{result.mota:.1f}", str(switches), f"{fps:.1f}"
            )
    Console().print(table)


def track_and_evaluate(
    tracker: PoseTracker, clips: list[RenderedClip], folder: Path
) -> tuple[EvaluationResult, float]:
    """All clips with one tracker: figures over all, and frames per second of tracking."""
    frames, seconds = 0, 0.0
    for clip in clips:
        summary = run(clip.video, folder, tracker=lambda: tracker, outputs=Outputs(video=False))
        frames, seconds = frames + summary.frames, seconds + summary.seconds
    return evaluate(clips[0].truth, folder), frames / seconds


if __name__ == "__main__":
    typer.run(main)
