"""A file of tracks, and perhaps its video, ready for review."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from posetrack.errors import DataFormatError
from posetrack.files.descriptions import DESCRIPTION
from posetrack.formats.whole_clips import CLIP_ENDINGS
from posetrack.observations.names import ENDING
from posetrack.observations.reader import ObservationFile
from posetrack.refine.clip import Clip
from posetrack.refine.edits_file import edits_path
from posetrack.refine.files import read_clip
from posetrack.review.footage import Footage
from posetrack.review.session import Session

_RESULTS = (".tracks", ".parquet", ".csv", ".json")
"""Files of poses; of several for one clip the first is taken."""

_OTHERS = (
    ".edits.json", DESCRIPTION, "_measures.csv", "_measures_steps.csv", "_measures.parquet", "_posetrack17.json",
    "_coco.json", *CLIP_ENDINGS,
)  # fmt: skip
"""What the names of files end with that are about poses, or in formats that are not reviewed."""

_VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mts")
_LATE = 2
"""Frames by which the estimated number of a video's frames may be too low."""


def open_session(
    results: Path,
    video: str | Path | None = None,
    *,
    edits: Path | None = None,
    fps: float | None = None,
    pictures: bool = True,
) -> Session:
    """A clip to be reviewed.

    Args:
        results: A file of ``run`` or ``refine``, or a folder with those of one clip.
        video: The source that was tracked. Without it, a video of the clip's name beside the results, if any.
        edits: The file of repairs, which need not exist. Without it, ``NAME.edits.json`` beside the results.
        fps: Frames per second, for results without times.
        pictures: Show the video.

    Raises:
        DataFormatError: the results are missing, damaged, those of several clips, or not of this video; or the
            repairs are damaged, or of other tracks.
        VideoError: the video cannot be read.
    """
    path = find_results(results)
    clip = _knowing_its_video(path, read_clip(path, fps))
    if not clip.tracks:
        raise DataFormatError(f"{path}: nobody is in this file; track the clip again, or give another file.")
    source = video if video is not None else _video_beside(path)
    if source is None or not pictures:
        return Session(clip, path, edits or edits_path(path), None, None)
    footage = Footage(source)
    _refuse_other_video(path, clip, source, footage)
    return Session(clip, path, edits or edits_path(path), footage, Footage(source))


def find_results(results: Path) -> Path:
    """The file to review: the given one, or that of the only clip in a folder, observations before refined tracks.

    Raises:
        DataFormatError: the folder has none, or those of several clips.
    """
    if not results.is_dir():
        return results
    files = sorted(path for path in results.iterdir() if path.suffix in _RESULTS and _is_results(path))
    files = [path for path in files if path.suffix == ENDING] or files
    clips = sorted({_clip_name(path) for path in files})
    if not files:
        raise DataFormatError(f"{results}: there are no tracks in this folder; run `posetrack run` first.")
    if len(clips) > 1:
        raise DataFormatError(
            f"{results}: there are tracks of {len(clips)} clips ({', '.join(clips[:3])}"
            f"{', ...' if len(clips) > 3 else ''}); give one of them."
        )
    return min(
        files, key=lambda path: (path.suffix != ".tracks", path.stem == clips[0], _RESULTS.index(path.suffix))
    )


def _is_results(path: Path) -> bool:
    """Whether a file may be one to review, and not one made of such a file."""
    return not path.name.startswith(".") and not path.name.endswith(_OTHERS)


def _knowing_its_video(path: Path, clip: Clip) -> Clip:
    """The clip with its video's digest, which tables and JSON lack, and observations of the same name have."""
    beside = path.with_name(f"{_clip_name(path)}{ENDING}")
    if clip.video or not os.path.isfile(beside):
        return clip
    with ObservationFile(beside) as file:
        header = file.header
    return replace(clip, video=header.source_digest) if header.name == clip.name else clip


def _clip_name(path: Path) -> str:
    return path.stem.removesuffix("_refined")


def _video_beside(path: Path) -> Path | None:
    folder = path.parent
    found = [folder / f"{_clip_name(path)}{suffix}" for suffix in _VIDEOS]
    return next((video for video in found if os.path.isfile(video)), None)


def _refuse_other_video(path: Path, clip: Clip, video: str | Path, footage: Footage) -> None:
    """Refuse a video that is too short, too small for the people, or known to be another."""
    last = int(clip.frames[-1])
    if footage.frame_count is not None and last >= footage.frame_count + _LATE:
        raise DataFormatError(
            f"{path}: its poses go up to frame {last}, but {video} has only {footage.frame_count} frames; give "
            "the video that was tracked (--video)."
        )
    if clip.size is not None and clip.size != footage.size:
        raise DataFormatError(
            f"{path}: its video has {clip.size[0]}x{clip.size[1]} pixels, but {video} has "
            f"{footage.size[0]}x{footage.size[1]}; give the video that was tracked (--video)."
        )
    outside = sum(
        int(((track.boxes[:, :2] + track.boxes[:, 2:]) / 2 > footage.size).any(axis=1).sum())
        for track in clip.tracks
    )
    if outside * 2 > sum(map(len, clip.tracks)):
        raise DataFormatError(
            f"{path}: most people lie outside the picture of {video}; give the video that was tracked (--video)."
        )
    if clip.video and footage.digest and clip.video != footage.digest:
        raise DataFormatError(
            f"{path}: {video} is not, or no longer, the video that was tracked; give that one (--video)."
        )
