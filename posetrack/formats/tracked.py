"""Tracked poses as annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.formats.annotations import EVALUATION_SLOTS, Annotations, Joints
from posetrack.formats.found import found_in
from posetrack.pixels import from_centre
from posetrack.skeleton_conversion import convert_poses
from posetrack.skeletons import POSETRACK
from posetrack.types import Doubles, FloatArray, Poses


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """Decimals to which numbers are rounded; ``None`` keeps them exact."""

    pixels: int | None = 3
    joint_scores: int | None = 4
    person_scores: int | None = 4


ROUNDED = Digits()
EXACT = Digits(pixels=None, joint_scores=None, person_scores=None)


def annotations_of(
    path: Path, video: str, images: list[dict[str, Any]], poses: Sequence[Poses], digits: Digits = ROUNDED
) -> Annotations:
    """The people of all frames of one video.

    Args:
        path: The file they go to.
        video: Name of the video within the file.
        images: [F] what the file shall say about each image; always ``file_name``.
        poses: [F] the people of each frame, with track ids. If all have one skeleton other than PoseTrack's, the
            annotations also hold their joints in it.
        digits: Rounds all numbers.

    Raises:
        ValueError: not one ``Poses`` for every image.
    """
    if len(images) != len(poses):
        raise ValueError(f"{len(images)} images but poses of {len(poses)} frames")
    converted = [convert_poses(frame, POSETRACK) for frame in poses]
    people = converted[0] if len(poses) == 1 else Poses.concatenate([Poses.empty(POSETRACK), *converted])
    joints = _joints(people, digits)
    own = _own_poses(poses)
    boxes = corner_boxes(people.boxes, digits)
    count = len(people)
    return Annotations(
        path=path,
        video=video,
        images=images,
        frames=np.repeat(np.arange(len(poses)), [len(frame) for frame in poses]),
        track_ids=people.track_ids,
        keypoints=joints.xy[:, EVALUATION_SLOTS],
        visibility=np.full((count, len(EVALUATION_SLOTS)), np.nan),
        present=joints.present[:, EVALUATION_SLOTS],
        scores=joints.scores[:, EVALUATION_SLOTS],
        listed=np.ones(count, dtype=bool),
        head_boxes=np.full((count, 4), np.nan),
        boxes=boxes,
        person_scores=_rounded(people.scores, digits.person_scores),
        joints=None if own is None else _joints(own, digits),
        found=found_in(people if own is None else own, boxes),
    )


def corner_boxes(boxes: FloatArray, digits: Digits) -> Doubles:
    """Boxes [N, 4] in our pixels, measured from the image's corner instead; corner and size are rounded."""
    corners = from_centre(boxes.astype(np.float64))
    first = _rounded(corners[:, :2], digits.pixels)
    size = _rounded(corners[:, 2:] - corners[:, :2], digits.pixels)
    return np.concatenate([first, first + size], axis=1)


def _own_poses(poses: Sequence[Poses]) -> Poses | None:
    """The people of all frames in their own skeleton, if they have one other than PoseTrack's."""
    inhabited = [frame for frame in poses if len(frame)]
    skeletons = {frame.skeleton for frame in inhabited}
    return Poses.concatenate(inhabited) if len(skeletons) == 1 and POSETRACK not in skeletons else None


def _joints(poses: Poses, digits: Digits) -> Joints:
    present = poses.present
    xy = np.where(present[..., None], poses.keypoints, 0)
    return Joints(
        skeleton=poses.skeleton,
        xy=_rounded(xy, digits.pixels),
        scores=np.where(present, _rounded(poses.keypoint_scores, digits.joint_scores), 0),
        present=present,
    )


def _rounded(values: FloatArray | Doubles, places: int | None) -> Doubles:
    exact = values.astype(np.float64)
    return exact if places is None else exact.round(places)
