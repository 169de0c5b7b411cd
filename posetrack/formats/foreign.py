"""Recognizes and reads the files of other tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import ConfigError, DataFormatError
from posetrack.formats import alphapose, bvh, c3d, coco_tracks, deeplabcut, nwb, openpose, sleap, trc
from posetrack.formats.annotations import Annotations
from posetrack.formats.ears import lost_ears
from posetrack.formats.grid import Grid, grid_of
from posetrack.formats.joint_losses import joints_lost_by_tool
from posetrack.formats.joints import own_joints
from posetrack.formats.losses import HOW_FOUND
from posetrack.formats.naming import frame_numbers
from posetrack.formats.reading import load_json, load_text
from posetrack.formats.whole_clips import CLIP_FORMATS
from posetrack.ranges import require_above

_DATA = {
    "scores": "Scores of joints.",
    "person_scores": "Scores of people.",
    "boxes": "Boxes of people.",
    "times": "Times of frames.",
    "images": "Names of images.",
    "empty": "Frames without people at the end.",
    "ids": "The number of the person, if there is only one.",
    "names": "Names of people.",
    "found": HOW_FOUND,
    "identity": "How sure identities are, and boxes before smoothing.",
}
"""What a format may not hold -> what its loss is called."""

_SAME_TIME_S = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class ForeignFile:
    """What was read of a file, and what was not, in sentences.

    Attributes:
        video: The people.
        lost: What was not read.
        named: The images' names come from the file, and are not made up.
    """

    video: Annotations
    lost: list[str]
    named: bool


def read_foreign(path: Path, fps: float | None, metres_per_pixel: float | None) -> ForeignFile | None:
    """The people of a file that another tool has written. None for the formats of PoseTrack, COCO, MOT and tables.

    Args:
        path: A file, or a folder of OpenPose's files.
        fps: Frames per second, for files without times.
        metres_per_pixel: Scale, for positions in metres.

    Raises:
        DataFormatError: names the file, the line or frame, and the remedy.
        ConfigError: a package that reads the format is not installed; or the format cannot be read.
    """
    ending = path.suffix.lower()
    if openpose.is_openpose(path):
        clip, frames = openpose.load_openpose(path)
        return ForeignFile(
            openpose.parse_openpose(path, clip, frames), openpose.lost_in_openpose(frames), named=False
        )
    if ending == ".trc":
        text = load_text(path)
        return ForeignFile(trc.parse_trc(path, text, metres_per_pixel), trc.lost_in_trc(text), named=False)
    if ending == ".c3d":
        file = c3d.load_c3d(path)
        return ForeignFile(c3d.parse_c3d(path, file, metres_per_pixel), c3d.lost_in_c3d(file), named=False)
    if ending == ".nwb":
        return ForeignFile(nwb.read_nwb(path, fps), [], named=False)
    if ending == ".slp":
        return ForeignFile(sleap.parse_sleap(path, sleap.load_sleap(path)), [], named=False)
    if ending == ".tracks":
        raise ConfigError(
            f"{path}: raw tracks cannot be converted; refine them instead: `posetrack refine {path} -o FILE`."
        )
    if ending == ".bvh":
        raise ConfigError(
            f"{path}: BVH files can be written, but not read; convert the file that it was made from."
        )
    if ending in (".csv", ".parquet"):
        return _table(path, fps)
    return foreign_json(path, load_json(path)) if ending == ".json" else None


def _table(path: Path, fps: float | None) -> ForeignFile | None:
    from posetrack.formats import wide  # importing pyarrow is slow

    if path.suffix.lower() == ".csv" and deeplabcut.is_deeplabcut(path):
        return ForeignFile(deeplabcut.parse_deeplabcut(path, fps), [], named=False)
    names = wide.wide_columns(path)
    return (
        ForeignFile(wide.parse_wide(path), wide.lost_in_wide(names), named=False) if wide.is_wide(names) else None
    )


def foreign_json(path: Path, content: Any) -> ForeignFile | None:
    """The people of a JSON file whose content is given; None for the formats of PoseTrack and COCO results."""
    if isinstance(content, list) and alphapose.is_alphapose(content):
        return ForeignFile(
            alphapose.parse_alphapose(path, content), alphapose.lost_in_alphapose(content), named=False
        )
    if isinstance(content, dict) and coco_tracks.is_coco_tracks(content):
        people = [person for person in content["annotations"] if isinstance(person, dict)]
        return ForeignFile(coco_tracks.parse_coco_tracks(path, content), lost_ears(content, people), named=True)
    return None


def with_rate(video: Annotations, fps: float | None) -> Annotations:
    """The video with times at a constant frame rate; unchanged without one.

    Raises:
        ConfigError: ``fps`` is not above 0.
    """
    if fps is None:
        return video
    require_above(0, fps=fps)
    numbers = frame_numbers(video.images)
    images = [{**image, "time_s": n / fps} for image, n in zip(video.images, numbers, strict=True)]
    return replace(video, images=images)


def only_people(video: Annotations, people: tuple[int, ...]) -> Annotations:
    """The video with some of its people; with all if none is named.

    Raises:
        DataFormatError: a person is not in the video.
    """
    if not people:
        return video
    missing = sorted(set(people) - set(video.track_ids.tolist()))
    if missing:
        there = ", ".join(map(str, np.unique(video.track_ids).tolist()[:20])) or "nobody"
        raise DataFormatError(f"{video.path}: there is no person {missing[0]}; the file has {there}.")
    chosen = np.isin(video.track_ids, np.array(people))
    columns = (
        "frames", "track_ids", "keypoints", "visibility", "present", "scores", "listed", "head_boxes", "boxes",
        "person_scores",
    )  # fmt: skip
    joints = video.joints and replace(
        video.joints,
        xy=video.joints.xy[chosen], scores=video.joints.scores[chosen], present=video.joints.present[chosen],
    )  # fmt: skip
    names = {track_id: name for track_id, name in video.names.items() if track_id in people}
    found = video.found and video.found[chosen]
    rows = {name: getattr(video, name)[chosen] for name in columns}
    return replace(video, joints=joints, names=names, found=found, **rows)


def lost_in_clip_format(video: Annotations, to: str, named: bool) -> list[str]:
    """What a video holds that a format of another tool cannot hold, in sentences.

    Args:
        video: The people.
        to: The target format.
        named: The images' names come from the source, and are not made up.
    """
    form = CLIP_FORMATS[to]
    own = own_joints(video)
    has = {
        "scores": bool((own.present & ~np.isnan(own.scores)).any()),
        "person_scores": not np.isnan(video.person_scores).all(),
        "boxes": not np.isnan(video.boxes).all(),
        "times": any("time_s" in image for image in video.images),
        "images": named,
        "empty": named and bool(len(video.images)) and int(video.frames.max(initial=-1)) < len(video.images) - 1,
        "ids": len(np.unique(video.track_ids)) == 1,
        "names": bool(video.names),
        "found": video.found is not None,
        "identity": video.found is not None and not np.isnan(video.found.raw_boxes).all(),
    }
    losses = [sentence for what, sentence in _DATA.items() if has[what] and what not in form.keeps]
    if not np.isnan(video.head_boxes).all() or video.ignore_regions:
        losses.append("Boxes of heads and ignore regions: the file is not a ground truth.")
    if own.present.any():
        losses += joints_lost_by_tool(own.skeleton, form)
    return [*losses, *_special(video, to)]


def _special(video: Annotations, to: str) -> list[str]:
    """What single formats cannot hold, or need and do not get."""
    if to == "coco-tracks" and not all({"width", "height"} <= image.keys() for image in video.images):
        return [
            "Sizes of images, which FiftyOne and Label Studio need and the source does not tell: convert the "
            "run's JSON, or give it (--like)."
        ]
    if to not in ("c3d", "bvh"):
        return []
    grid, sentences = grid_of(video), []
    if not grid.is_regular:
        sentences.append(f"Uneven times of frames: the file has {grid.rate:.3f} frames per second throughout.")
    return [*sentences, *(bvh.lost_in_bvh(grid) if to == "bvh" else _special_in_c3d(grid))]


def _special_in_c3d(grid: Grid) -> list[str]:
    sentences = []
    if (np.diff(grid.numbers) > 1).any():
        sentences.append("Numbers of frames: C3D's follow each other without gaps.")
    first = float(grid.times[0]) if len(grid.times) else 0.0
    if abs(first - (grid.numbers[0] if len(grid.numbers) else 0) / grid.rate) > _SAME_TIME_S:
        sentences.append(f"The time of the first frame, {first:.3f} s: C3D counts time in frames, from 0.")
    if len(grid.numbers) > c3d.MOST_FRAMES or len(grid.people) > c3d.most_people(grid):
        most = c3d.most_people(grid)
        sentences.append(f"Frames beyond 65535, and all but the {most} people seen most: C3D ends there.")
    return sentences
