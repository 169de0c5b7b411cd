"""Reductions over the joints of many people at once, with some joints missing."""

from __future__ import annotations

import numpy as np

from posetrack.stages import Flow
from posetrack.types import BoolArray, FloatArray, Poses


def used_joints(poses: Poses) -> BoolArray:
    """bool [N, K]: the joint was found and is in use."""
    return poses.present & poses.skeleton.used


def confident_joints(poses: Poses, min_score: float) -> BoolArray:
    """bool [N, K]: the joint is in use and finite, with a score above 0 and of at least ``min_score``."""
    sure = used_joints(poses) & (poses.keypoint_scores >= min_score)
    return np.logical_and(sure, both(np.isfinite(poses.keypoints)))


def mean_scores(poses: Poses) -> FloatArray:
    """float32 [N], mean score of the joints in use. Missing joints count as 0."""
    used = poses.skeleton.in_use
    return np.asarray(poses.keypoint_scores.T[used].sum(axis=0) / len(used), np.float32)


def both(coordinates: BoolArray) -> BoolArray:
    """bool [...] of bool [..., 2]: true for both x and y. Much faster than ``all`` on many pairs."""
    return np.logical_and(coordinates[..., 0], coordinates[..., 1])


def planes(points: FloatArray) -> FloatArray:
    """Split [N, K, 2] into planes of x and y, [2, N, K], on which numpy is faster."""
    return np.ascontiguousarray(points.transpose(2, 0, 1))


def displacements(points: FloatArray, present: BoolArray, flow: Flow) -> tuple[FloatArray, BoolArray]:
    """Look up the displacement of points of the previous frame, all at once.

    Args:
        points: float32 [2, ...], source pixels, x and y apart.
        present: bool [...], which of them there are. The others are asked for far outside any frame.
        flow: Flow from the previous frame to the present one.

    Returns:
        float32 [2, ...], pixels, 0 where it is not known; and bool [...], where it is known.
    """
    asked = np.where(present, points, np.float32(-1e6)).reshape(2, -1)
    displacement, valid = flow.at(np.ascontiguousarray(asked.T))
    known = np.where(valid, np.ascontiguousarray(displacement.T, np.float32), np.float32(0))
    return known.reshape(points.shape), valid.reshape(present.shape)


def extents(points: FloatArray, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Top left and bottom right of each person's joints.

    Args:
        points: float32 [N, K, 2].
        mask: bool [N, K], which of them count; those of them that are NaN do not.

    Returns:
        Twice float32 [N, 2]; +inf and -inf where no joint counts.
    """
    low, high = bounds(planes(points), mask)
    return low.T, high.T


def bounds(points: FloatArray, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
    """``extents`` of planes [2, N, K]: twice float32 [2, N]."""
    counting = np.where(mask, points, np.float32(np.nan))
    # Joints first: reducing long rows of memory is ten times as fast as reducing pairs.
    rows = np.ascontiguousarray(counting.transpose(2, 0, 1))
    return np.fmin.reduce(rows, initial=np.inf), np.fmax.reduce(rows, initial=-np.inf)


def masked_median(values: FloatArray, mask: BoolArray) -> FloatArray:
    """Median along the second axis, over the values selected by the mask.

    Args:
        values: float [N, K, 2].
        mask: bool [N, K].

    Returns:
        float32 [N, 2]; 0 where the mask allows none.

    >>> masked_median(np.array([[[1, 5], [3, 5], [9, 5]]]), np.array([[True, True, False]])).tolist()
    [[2.0, 5.0]]
    """
    return medians(planes(values), mask).T


def medians(values: FloatArray, mask: BoolArray) -> FloatArray:
    """``masked_median`` of planes [C, N, K]: float32 [C, N]."""
    people, slots = mask.shape
    if slots == 0:
        return np.zeros((len(values), people), np.float32)
    ordered = np.where(mask, values, np.inf)
    ordered.sort(axis=2)
    ordered = ordered.reshape(len(values), people * slots)
    count = mask.sum(axis=1)
    # For a person without values this may read a neighbour's; it is replaced by 0 below.
    starts = np.arange(0, people * slots, slots)
    middle = (ordered.take(starts + (count - 1) // 2, axis=1) + ordered.take(starts + count // 2, axis=1)) / 2
    return np.asarray(np.where(count > 0, middle, 0), np.float32)
