"""``posetrack convert``: converts files of poses between formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.output import tell


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="PoseTrack17 or 18 JSON, COCO results, MOTChallenge text, CSV or Parquet; or a folder."
        ),
    ],
    target: Annotated[Path, typer.Argument(help="File to write; a folder for a folder.")],
    to: Annotated[str, typer.Option(help="posetrack18, posetrack17, coco, mot, csv or parquet.")],
    coco_joints: Annotated[str, typer.Option(help="Joints of COCO results: coco or posetrack.")] = "coco",
    like: Annotated[
        Path | None,
        typer.Option(help="PoseTrack file or folder that names the images of COCO results, MOT text or tables."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing files, but never those that are read.")
    ] = False,
) -> None:
    """Convert files of poses, and list what is lost."""
    from posetrack.formats.conversion import ConversionConfig, convert_files

    config = ConversionConfig(to=to, coco_joints=coco_joints, like=like, overwrite=overwrite)
    for path, losses in convert_files(source, target, config).items():
        tell(f"{path}: {'lost:' if losses else 'nothing lost'}")
        for sentence in losses:
            tell(f"  - {sentence}")
