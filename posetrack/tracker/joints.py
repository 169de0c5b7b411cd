"""Reductions over the joints of many people at once, with some joints missing."""

from __future__ import annotations

import numpy as np

from posetrack.stages import Flow
from posetrack.types import BoolArray, FloatArray, Poses


def used_joints(poses: Poses) -> BoolArray:
    """bool [N, K]: the joint is there and in use."""
    in_use = np.zeros(len(poses.skeleton), np.bool_)
    in_use[poses.skeleton.in_use] = True
    return poses.present & in_use


def confident_joints(poses: Poses, min_score: float) -> BoolArray:
    """bool [N, K]: the joint is in use, its score is above 0 and not below ``min_score``, its place finite."""
    sure = used_joints(poses) & (poses.keypoint_scores >= min_score)
    return np.logical_and(sure, np.isfinite(poses.keypoints).all(axis=2))


def displacements(points: FloatArray, present: BoolArray, flow: Flow) -> tuple[FloatArray, BoolArray]:
    """How far the flow takes points of the previous frame, all in one look-up.

    Args:
        points: float32 [..., 2], source pixels.
        present: bool [...], which of them there are. The others are asked for far outside any frame.
        flow: Flow from the previous frame to the present one.

    Returns:
        float32 [..., 2], pixels, 0 where it is not known; and bool [...], where it is known.
    """
    asked = points.reshape(-1, 2).copy()
    asked[~present.ravel()] = -1e6
    displacement, valid = flow.at(asked)
    displacement = np.where(valid[:, None], displacement, np.float32(0))
    return displacement.reshape(points.shape), valid.reshape(present.shape)


def extents(points: FloatArray, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Top left and bottom right of each person's joints.

    Args:
        points: float32 [N, K, 2].
        mask: bool [N, K], which of them count.

    Returns:
        Twice float32 [N, 2]; +inf and -inf where no joint counts.
    """
    # Joints first: reducing long rows of memory is ten times as fast as reducing pairs.
    rows, counts = np.ascontiguousarray(points.transpose(1, 2, 0)), mask.T[:, None]
    low = np.where(counts, rows, np.float32(np.inf)).min(axis=0)
    high = np.where(counts, rows, np.float32(-np.inf)).max(axis=0)
    return low.T, high.T


def masked_median(values: FloatArray, mask: BoolArray) -> FloatArray:
    """Median along the second axis of the values that the mask allows.

    Args:
        values: float [N, K, 2].
        mask: bool [N, K].

    Returns:
        float32 [N, 2]; 0 where the mask allows none.

    >>> masked_median(np.array([[[1, 5], [3, 5], [9, 5]]]), np.array([[True, True, False]])).tolist()
    [[2.0, 5.0]]
    """
    people, slots = mask.shape
    if slots == 0:
        return np.zeros((people, 2), np.float32)
    ordered = np.sort(np.where(mask[..., None], values, np.inf), axis=1)
    count = mask.sum(axis=1)
    rows = np.arange(people)
    middle = (ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, np.minimum(count // 2, slots - 1)]) / 2
    return np.where(count[:, None] > 0, middle, 0).astype(np.float32)
