"""Recognizes and reads the files of other tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import ConfigError, DataFormatError
from posetrack.formats import alphapose, c3d, coco_tracks, deeplabcut, nwb, openpose, sleap, trc
from posetrack.formats.annotations import Annotations
from posetrack.formats.ears import lost_ears
from posetrack.formats.joints import own_joints
from posetrack.formats.losses import HOW_FOUND
from posetrack.formats.naming import frame_numbers
from posetrack.formats.reading import load_json, load_text
from posetrack.formats.whole_clips import CLIP_FORMATS, ClipFormat
from posetrack.ranges import require_above
from posetrack.skeleton_conversion import APPROXIMATIONS
from posetrack.skeletons import Skeleton

_DATA = {
    "scores": "Scores of joints.",
    "person_scores": "Scores of people.",
    "boxes": "Boxes of people.",
    "times": "Times of frames.",
    "images": "Names of images, and frames without people at the end.",
    "ids": "The number of the person, if there is only one.",
    "names": "Names of people.",
    "found": HOW_FOUND,
    "identity": "How sure identities are, and boxes before smoothing.",
}
"""What a format may not hold -> what its loss is called."""

_HOW = {
    "neck": "the middle of the shoulders",
    "mid_hip": "the middle of the hips",
    "head_bottom": "a point between shoulders and nose",
    "head_top": "a point beyond the nose",
    "nose": "a point between head_bottom and head_top",
}


@dataclass(frozen=True, slots=True, eq=False)
class ForeignFile:
    """What was read of a file, and what was not, in sentences."""

    video: Annotations
    lost: list[str]


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
        return ForeignFile(openpose.parse_openpose(path, clip, frames), openpose.lost_in_openpose(frames))
    if ending == ".trc":
        text = load_text(path)
        return ForeignFile(trc.parse_trc(path, text, metres_per_pixel), trc.lost_in_trc(text))
    if ending == ".c3d":
        file = c3d.load_c3d(path)
        return ForeignFile(c3d.parse_c3d(path, file, metres_per_pixel), c3d.lost_in_c3d(file))
    if ending == ".nwb":
        return ForeignFile(nwb.read_nwb(path, fps), [])
    if ending == ".slp":
        return ForeignFile(sleap.parse_sleap(path, sleap.load_sleap(path)), [])
    if ending == ".tracks":
        raise ConfigError(
            f"{path}: what a run saw is refined, not converted; give `posetrack refine {path} -o FILE` the file "
            "to write."
        )
    if ending == ".bvh":
        raise ConfigError(
            f"{path}: BVH is written, not read: its bones have lost their length; convert the original."
        )
    if ending in (".csv", ".parquet"):
        return _table(path, fps)
    return foreign_json(path, load_json(path)) if ending == ".json" else None


def _table(path: Path, fps: float | None) -> ForeignFile | None:
    from posetrack.formats import wide  # importing pyarrow is slow

    if path.suffix.lower() == ".csv" and deeplabcut.is_deeplabcut(path):
        return ForeignFile(deeplabcut.parse_deeplabcut(path, fps), [])
    names = wide.wide_columns(path)
    return ForeignFile(wide.parse_wide(path), wide.lost_in_wide(names)) if wide.is_wide(names) else None


def foreign_json(path: Path, content: Any) -> ForeignFile | None:
    """The people of a JSON file whose content is given; None for the formats of PoseTrack and COCO results."""
    if isinstance(content, list) and alphapose.is_alphapose(content):
        return ForeignFile(alphapose.parse_alphapose(path, content), alphapose.lost_in_alphapose(content))
    if isinstance(content, dict) and coco_tracks.is_coco_tracks(content):
        people = [person for person in content["annotations"] if isinstance(person, dict)]
        return ForeignFile(coco_tracks.parse_coco_tracks(path, content), lost_ears(content, people))
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
        DataFormatError: somebody is not in the video.
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


def lost_in_clip_format(video: Annotations, to: str) -> list[str]:
    """What a video holds that a format of another tool cannot hold, in sentences."""
    form = CLIP_FORMATS[to]
    own = own_joints(video)
    has = {
        "scores": bool((own.present & ~np.isnan(own.scores)).any()),
        "person_scores": not np.isnan(video.person_scores).all(),
        "boxes": not np.isnan(video.boxes).all(),
        "times": any("time_s" in image for image in video.images),
        "images": True,
        "ids": len(np.unique(video.track_ids)) == 1,
        "names": bool(video.names),
        "found": video.found is not None,
        "identity": video.found is not None and not np.isnan(video.found.raw_boxes).all(),
    }
    losses = [sentence for what, sentence in _DATA.items() if has[what] and what not in form.keeps]
    if not np.isnan(video.head_boxes).all() or video.ignore_regions:
        losses.append("Boxes of heads and ignore regions: the file is no ground truth.")
    return [*losses, *_approximated(own.skeleton, form), *_special(video, to)]


def _approximated(own: Skeleton, form: ClipFormat) -> list[str]:
    """How joints of the format's skeleton are made of others."""
    if form.skeleton is None or form.skeleton == own:
        return []
    have = set(own.joints) - own.unused
    made = [
        joint
        for joint in form.skeleton.joints
        if joint not in have and have >= set(APPROXIMATIONS.get(joint, "?"))
    ]
    missing = [joint for joint in form.skeleton.joints if joint not in have and joint not in made]
    dropped = sorted(have - set(form.skeleton.joints))
    sentences = [f"That {joint} was not detected: it is {_HOW[joint]}." for joint in made]
    if missing:
        sentences.append(f"Joints that stay missing: {', '.join(missing)}.")
    if dropped:
        sentences.append(f"Joints that the format does not have: {', '.join(dropped)}.")
    return sentences


def _special(video: Annotations, to: str) -> list[str]:
    """What single formats cannot hold."""
    from posetrack.formats.grid import grid_of

    if to not in ("c3d", "bvh"):
        return []
    grid, sentences = grid_of(video), []
    if not grid.is_regular:
        sentences.append(f"Uneven times of frames: the file has {grid.rate:.3f} frames per second throughout.")
    if to == "bvh":
        sentences.append(
            "Lengths of limbs, which are constant; gaps, in which the pose is interpolated; the hands."
        )
    if to == "c3d" and (len(grid.numbers) > c3d.MOST_FRAMES or len(grid.people) > c3d.most_people(grid)):
        sentences.append("Frames beyond 65535 and markers beyond 255, of the people seen least: C3D ends there.")
    return sentences
