"""A file of tracks in, a refined file out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from posetrack.files.pending import check_outputs, output_folder
from posetrack.refine.clip import Clip
from posetrack.refine.edits_file import read_history
from posetrack.refine.files import check_source, check_target, read_clip, write_clip
from posetrack.refine.second_pass import RefineConfig, refine_clip


def refined_path(source: Path) -> Path:
    """Default path of a refined file, beside its source.

    >>> refined_path(Path("out/street.parquet")).name
    'street_refined.parquet'
    """
    return source.with_name(f"{source.stem}_refined{source.suffix}")


def refine_file(
    source: Path,
    target: Path,
    config: RefineConfig,
    *,
    edits: Path | None = None,
    fps: float | None = None,
    overwrite: bool = False,
) -> Clip:
    """Refine the tracks of a file, and write them to another.

    Args:
        source: PoseTrack18 JSON of one video, or a CSV or Parquet table.
        target: .json, .csv, .parquet or .txt (MOTChallenge). Appears when complete; its folder
            is created.
        config: How to refine.
        edits: Repairs of ``posetrack review``, made in addition to those of ``config``.
        fps: Frames per second. Replaces the file's times; JSON of ``posetrack run`` has none.
        overwrite: Replace an existing target, but never the source.

    Returns:
        The refined clip.

    Raises:
        DataFormatError: a file is missing, damaged or of another format; the source has no times; a repair does
            not fit.
        ConfigError: a constraint or setting cannot be kept, the target's ending is unknown, or it is the source.
        OutputError: the target exists, or cannot be written.
    """
    check_source(source)
    check_outputs([target], overwrite=overwrite, inputs=[source] if edits is None else [source, edits])
    check_target(target)
    clip = read_clip(source, fps)
    if edits is not None:
        config = with_repairs(config, edits, clip)
    refined = refine_clip(clip, config)
    with output_folder(target.parent):
        write_clip(target, refined)
    return refined


def with_repairs(config: RefineConfig, edits: Path, clip: Clip) -> RefineConfig:
    """The settings with the repairs of a file added.

    Raises:
        DataFormatError: the file is missing, damaged or of another format, or a repair does not fit the clip.
    """
    return replace(config, edits=(*config.edits, *read_history(edits, clip, clip.size).edits))
