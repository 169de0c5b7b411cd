"""``posetrack convert``: converts files of poses between formats."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.output import tell
from posetrack.cli.shared_options import changed
from posetrack.files.descriptions import description_path
from posetrack.files.pending import check_outputs


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="PoseTrack17 or 18 JSON, COCO, MOTChallenge text, CSV, Parquet, TRC, C3D, OpenPose (folder or "
            ".zip), AlphaPose, SLEAP, NWB or DeepLabCut; or a folder of such files."
        ),
    ],
    target: Annotated[Path, typer.Argument(help="File to write, or a folder if SOURCE is a folder.")],
    to: Annotated[
        str | None,
        typer.Option(
            help="posetrack18, posetrack17, coco, mot, csv, parquet, wide, wide-parquet, trc, c3d, openpose, "
            "openpose18, alphapose, alphapose26, coco-tracks, bvh, slp, nwb or deeplabcut. Defaults to the "
            "format that TARGET's ending names."
        ),
    ] = None,
    coco_joints: Annotated[
        str, typer.Option(help="Joints of COCO results: coco, posetrack, lsp, halpe_26, body_25 or openpose_coco.")
    ] = "coco",
    like: Annotated[
        Path | None,
        typer.Option(help="PoseTrack file or folder that names the images of COCO results, MOT text or tables."),
    ] = None,
    wide: Annotated[
        bool,
        typer.Option("--wide", help="Write CSV or Parquet with one row per frame, and columns for every joint."),
    ] = False,
    person: Annotated[
        list[int] | None, typer.Option(help="Keep only this person, by number (repeatable).")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frame rate, for files without times; replaces those of others.")
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(help="Metres per pixel (0.005), or a known length (1.8m=350px), for TRC, C3D and BVH."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing files, but never inputs.")
    ] = False,
) -> None:
    """Convert pose files between formats, and list what is lost."""
    from posetrack.formats.conversion import ConversionConfig, convert_files
    from posetrack.formats.scale import metres_per_pixel
    from posetrack.formats.whole_clips import format_of
    from posetrack.provenance.derived import describe_derived

    config = ConversionConfig(
        to=format_of(target, to, wide),
        coco_joints=coco_joints,
        like=like,
        overwrite=overwrite,
        fps=fps,
        metres_per_pixel=None if scale is None else metres_per_pixel(scale),
        people=tuple(person or ()),
    )
    inputs = [source] if like is None else [source, like]
    planned = [description_path(target)] if os.path.isdir(target) else [target, description_path(target)]
    check_outputs(planned, overwrite=overwrite, inputs=inputs)
    written = convert_files(source, target, config)
    given = changed(config, ConversionConfig(to=config.to)) | {"to": config.to}
    describe_derived({target: written}, "convert", given, inputs)
    for path, losses in written.items():
        tell(f"{path}: {'lost:' if losses else 'nothing lost'}")
        for sentence in losses:
            tell(f"  - {sentence}")
