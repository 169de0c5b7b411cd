"""Compares rules against duplicate poses: ``duplicates.py [--scene crossing] [--seed 0 ...]``.

Renders people who cross, tracks them with each rule, and prints accuracy over all clips.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from intervals import track_and_evaluate
from rich.console import Console
from rich.table import Table

from posetrack.demo import write_clip
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import get_preset
from posetrack.synthetic import SCENES
from posetrack.tracker import SelectionConfig

RULES = {
    "OKS above 0.7, all joints": SelectionConfig(max_oks=0.7, min_nms_joint_score=0.0),
    "OKS above 0.7, joints from 0.3": SelectionConfig(max_oks=0.7, min_nms_joint_score=0.3),
    "OKS above 0.5, all joints": SelectionConfig(max_oks=0.5, min_nms_joint_score=0.0),
    "OKS above 0.5, joints from 0.3": SelectionConfig(max_oks=0.5, min_nms_joint_score=0.3),
    "parametric": SelectionConfig(nms="parametric"),
}


def main(
    scene: Annotated[list[str] | None, typer.Option(help="Scenes to track.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Seed of the people in the scenes.")] = None,
    preset: Annotated[str, typer.Option(help="Preset to measure.")] = "lite",
) -> None:
    """Measure, and print a table per seed."""
    base = get_preset(preset)
    for player in seed or [0]:
        table = Table("rule", "mAP", "MOTA", "switches", title=f"preset {preset}, seed {player}")
        with tempfile.TemporaryDirectory() as folder:
            clips = [write_clip(Path(folder), SCENES[name](player, (640, 360))) for name in scene or ["crossing"]]
            for index, (rule, selection) in enumerate(RULES.items()):
                pipeline = replace(base.pipeline, selection=selection)
                tracker = PoseTracker(replace(base, pipeline=pipeline))
                result = track_and_evaluate(tracker, clips, Path(folder) / str(index)).result
                switches = int(result.total.mot.switches.sum())
                table.add_row(rule, f"{result.mean_ap:.2f}", f"{result.mota:.2f}", str(switches))
        Console().print(table)


if __name__ == "__main__":
    typer.run(main)
