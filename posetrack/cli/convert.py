"""``posetrack convert``: one format of poses into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.output import tell


def convert(
    source: Annotated[
        Path, typer.Argument(help="PoseTrack17 or PoseTrack18 JSON, COCO results, MOTChallenge text; or a folder.")
    ],
    target: Annotated[Path, typer.Argument(help="File to write; a folder for a folder.")],
    to: Annotated[str, typer.Option(help="posetrack18, posetrack17, coco or mot.")],
    coco_joints: Annotated[str, typer.Option(help="Joints of COCO results: coco or posetrack.")] = "coco",
    like: Annotated[
        Path | None,
        typer.Option(help="PoseTrack file or folder that names the images of COCO results or MOT text."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing files (never those that are read).")
    ] = False,
) -> None:
    """Convert files of poses, and say what is lost."""
    from posetrack.formats.conversion import ConversionConfig, convert_files

    config = ConversionConfig(to=to, coco_joints=coco_joints, like=like, overwrite=overwrite)
    for path, losses in convert_files(source, target, config).items():
        tell(f"{path}: {'lost:' if losses else 'nothing lost'}")
        for sentence in losses:
            tell(f"  - {sentence}")
