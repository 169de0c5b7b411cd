"""Clips from and to files: PoseTrack18 JSON, CSV, Parquet; from observations; and to MOTChallenge text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posetrack.errors import ConfigError, DataFormatError
from posetrack.files.pending import write_file
from posetrack.formats.mot import mot_lines
from posetrack.formats.table_content import is_table
from posetrack.formats.whole_clips import CLIP_ENDINGS, clip_format_of, format_of
from posetrack.observations.names import is_observations
from posetrack.ranges import require_above
from posetrack.refine.clip import Clip
from posetrack.refine.skeletons import in_skeleton
from posetrack.skeletons import POSETRACK

WRITABLE = (".json", ".csv", ".parquet", ".txt")
"""Endings of the files that a clip can be written to."""

_OF_OTHER_TOOLS = (".txt", ".trc", ".c3d", ".zip", ".slp", ".nwb")
_FURTHEST = 1e7
_SHORTEST_S, _LONGEST_S = 1e-6, 1e6


def read_clip(path: Path, fps: float | None = None) -> Clip:
    """The clip of a file that ``run`` or ``refine`` has written.

    Args:
        path: Observations (``NAME.tracks``), PoseTrack18 JSON, or a CSV or Parquet table.
        fps: Frames per second. Replaces the file's times, which JSON of ``run`` does not have.

    Raises:
        DataFormatError: the file is missing, damaged or of another format, or there are neither times nor ``fps``.
        ConfigError: ``fps`` is not above 0.
    """
    if fps is not None:
        require_above(0, fps=fps)
    check_source(path)
    if is_observations(path):
        from posetrack.refine.observed_clips import read_observed_clip as read
    elif is_table(path):
        from posetrack.refine.table_clips import read_table_clip as read
    else:
        from posetrack.refine.json_clips import read_json_clip as read

    clip = read(path, fps)
    _refuse_impossible(path, clip)
    return clip


def check_source(path: Path) -> None:
    """Refuse what cannot hold a clip, by its name.

    Raises:
        DataFormatError: it is a folder, or its ending is another.
    """
    if path.is_dir():
        raise DataFormatError(f"{path} is a folder; give a file of tracks in it, such as NAME.tracks.")
    if path.suffix.lower() in _OF_OTHER_TOOLS:
        raise DataFormatError(
            f"{path}: poses are read from .tracks, .json, .csv and .parquet here; make a table of it first "
            f"(posetrack convert {path} {path.with_suffix('.csv')})."
        )
    if not (is_observations(path) or is_table(path) or path.suffix.lower() in ("", ".json")):
        raise DataFormatError(
            f"{path}: poses are read from .tracks, .json, .csv and .parquet here; give what was written beside it."
        )


def _refuse_impossible(path: Path, clip: Clip) -> None:
    """Refuse numbers that are finite, but too large or too small to compute with."""
    for track in clip.tracks:
        if max(np.abs(track.boxes).max(initial=0), np.nan_to_num(np.abs(track.joints)).max(initial=0)) > _FURTHEST:
            raise DataFormatError(
                f"{path}: a coordinate of person {track.track_id} is too large for a pixel; correct it."
            )
    if len(clip.times) > 1 and not _SHORTEST_S <= clip.frame_s <= _LONGEST_S:
        raise DataFormatError(
            f"{path}: frames are {clip.frame_s:g} s apart, which no camera has; give the frame rate (--fps)."
        )


def check_target(path: Path) -> None:
    """Refuse a file that cannot be written, before any work.

    Raises:
        ConfigError: its ending is unknown, or a package that writes the format is not installed.
    """
    form = clip_format_of(path)
    if form is not None:
        form.check()
    elif path.suffix not in WRITABLE or format_of(path, None, False) in ("posetrack17", "coco"):
        raise ConfigError(
            f"{path}: the ending tells the format; give one of {', '.join((*WRITABLE, *CLIP_ENDINGS))}."
        )


def write_clip(path: Path, clip: Clip) -> None:
    """Write a refined clip, whole or not at all; the ending tells the format.

    Tables and other tools' formats have the clip's own joints, as far as they can hold them; JSON has PoseTrack's.

    Raises:
        ConfigError: as ``check_target``.
        OutputError: the file cannot be written.
        DataFormatError: a number is too large for the format.
    """
    check_target(path)
    form = clip_format_of(path)
    if form is not None:
        from posetrack.refine.json_clips import annotations_of_clip

        form.write(path, annotations_of_clip(path, clip), None)
        return
    if is_table(path):
        from posetrack.refine.table_clips import write_table_clip

        write_table_clip(path, clip)
        return
    from posetrack.refine.json_clips import annotations_of_clip, write_json_clip

    clip = in_skeleton(clip, POSETRACK)
    if path.suffix == ".json":
        write_json_clip(path, clip)
    else:
        write_file(path, "".join(mot_lines(annotations_of_clip(path, clip), clip.frames.tolist())).encode())
