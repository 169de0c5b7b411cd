"""Joints of a video's people in other skeletons, and boxes around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_SLOTS, VISIBLE, Annotations, Joints
from posetrack.pixels import from_centre
from posetrack.skeleton_conversion import conversion_matrix
from posetrack.skeletons import POSETRACK, Skeleton
from posetrack.types import Doubles

_FARTHEST = 1e9
"""Pixels. Beyond, single precision cannot tell one pixel from the next hundred."""


def own_joints(video: Annotations) -> Joints:
    """The joints in the skeleton of the video's file."""
    return _posetrack_joints(video) if video.joints is None else video.joints


def joints_in(video: Annotations, skeleton: Skeleton) -> Joints:
    """The joints in another skeleton, approximated as ``skeleton_conversion`` does.

    Raises:
        DataFormatError: a coordinate is too large to compute with.
    """
    if skeleton == POSETRACK:
        return _posetrack_joints(video)
    return converted(video.path, own_joints(video), skeleton)


def joints_of_triples(skeleton: Skeleton, triples: Doubles) -> Joints:
    """The joints of x, y and score, float64 [M, K, 3]; those with a score of 0 are absent."""
    present = triples[..., 2] > 0
    return Joints(
        skeleton=skeleton,
        xy=np.where(present[..., None], triples[..., :2], 0),
        scores=np.where(present, triples[..., 2], np.nan),
        present=present,
    )


def converted(path: Path, joints: Joints, skeleton: Skeleton) -> Joints:
    """The same joints in another skeleton.

    A joint is absent if any joint it is made from is absent. Its score is their lowest, or NaN if any is NaN.

    Raises:
        DataFormatError: a coordinate is too large to compute with; the message names ``path``.
    """
    if joints.skeleton == skeleton:
        return joints
    weights = conversion_matrix(joints.skeleton, skeleton).astype(np.float64)
    made_of = weights != 0
    present = np.all(joints.present[:, None] | ~made_of, axis=2) & made_of.any(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        xy = np.einsum("ts,nsc->ntc", weights, joints.xy)
    lowest = np.where(made_of, joints.scores[:, None], np.inf).min(axis=2, initial=np.inf)
    return Joints(
        skeleton=skeleton,
        xy=np.where(present[..., None], finite(path, xy), 0),
        scores=np.where(present, lowest, np.nan),
        present=present,
    )


def finite(path: Path, values: Doubles) -> Doubles:
    """Values computed from a file's coordinates, all finite: no format can hold infinity.

    Raises:
        DataFormatError: a value has overflowed.
    """
    if not np.isfinite(values).all():
        raise DataFormatError(f"{path}: a coordinate is too large to compute with; correct it.")
    return values


def require_computable(video: Annotations) -> None:
    """Refuse joints so far away that arithmetic on them overflows or loses all digits.

    Raises:
        DataFormatError: there is such a joint.
    """
    joints = own_joints(video)
    if (np.abs(joints.xy[joints.present]) > _FARTHEST).any():
        raise DataFormatError(f"{video.path}: a coordinate is too large to compute with; correct it.")


def person_boxes(video: Annotations) -> Doubles:
    """float64 [M, 4], x1 y1 x2 y2 from the image's corner. People without a box get their joints' extent, or 0."""
    there = video.present[..., None]
    low = np.where(there, video.keypoints, np.inf).min(axis=1)
    high = np.where(there, video.keypoints, -np.inf).max(axis=1)
    extent = from_centre(np.concatenate([low, high], axis=1))
    extent[~video.present.any(axis=1)] = 0
    return np.where(np.isnan(video.boxes), extent, video.boxes)


def flags(video: Annotations) -> Doubles:
    """float64 [M, K]: PoseTrack18's third number; ``VISIBLE`` for joints without one in the file."""
    return np.where(video.present, np.where(np.isnan(video.visibility), VISIBLE, video.visibility), 0)


def _posetrack_joints(video: Annotations) -> Joints:
    shape = (len(video), len(POSETRACK))
    xy, scores, present = np.zeros((*shape, 2)), np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    xy[:, EVALUATION_SLOTS] = np.where(video.present[..., None], video.keypoints, 0)
    scores[:, EVALUATION_SLOTS] = np.where(video.present, video.scores, np.nan)
    present[:, EVALUATION_SLOTS] = video.present
    return Joints(skeleton=POSETRACK, xy=xy, scores=scores, present=present)
