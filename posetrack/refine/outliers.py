"""Outliers: joints that the track's own motion and limb lengths rule out become missing."""

from __future__ import annotations

import numpy as np

from posetrack.refine.bodies import limb_lengths, sizes
from posetrack.refine.clip import Doubles, Track
from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, IntArray

_ACCELERATION = 20.0
"""Body sizes per second squared: no joint accelerates by more than about 35 m/s^2 in everyday motion."""

_JITTER = 0.1
"""Body sizes by which joints jitter: twice the PCK@0.2 error of good joints, on a torso of a quarter of the body."""

_NEIGHBOURS_S = 0.3
"""A joint is compared with neighbours at most this far away on both sides."""

_LONGEST = 1.6
"""A limb is never that many times as long as its usual greatest length."""

_USUAL = 0.9
_LIMB_FRAMES = 10
_LEAST_LIMB = 0.05
"""Body sizes: shorter limbs are seen end on, and their greatest length is unknown."""


def remove_outliers(track: Track, skeleton: Skeleton, frame_s: float) -> Track:
    """The track without joints that jump away and back, or that stretch a limb. Repeated until none are left."""
    size = sizes(track, frame_s)
    while True:
        wrong = _jumps(track, size) | _stretched(track, skeleton, size)
        if not wrong.any():
            return track
        track = track.without(wrong)


def _jumps(track: Track, size: Doubles) -> BoolArray:
    """bool [T, K]: joints far from the line between the neighbours in time, and further than those from theirs."""
    wrong = np.zeros(track.present.shape, dtype=bool)
    for joint in range(wrong.shape[1]):
        rows = np.flatnonzero(track.present[:, joint])
        if len(rows) >= 3:
            wrong[rows[1:-1], joint] = _off_line(track.joints[rows, joint], track.times[rows], size[rows])
    return wrong


def _off_line(points: Doubles, times: Doubles, size: Doubles) -> BoolArray:
    """bool [N - 2] of the inner of N points."""
    before, after = times[1:-1] - times[:-2], times[2:] - times[1:-1]
    share = (before / (before + after))[:, None]
    missed = np.linalg.norm(points[1:-1] - (1 - share) * points[:-2] - share * points[2:], axis=1)
    allowed = size[1:-1] * (_JITTER + _ACCELERATION * before * after / 2)
    excess = np.where(np.maximum(before, after) <= _NEIGHBOURS_S, missed / allowed, 0)
    around = np.concatenate([[0], excess, [0]])
    far: BoolArray = (excess > 1) & (excess >= around[:-2]) & (excess >= around[2:])
    return far


def _stretched(track: Track, skeleton: Skeleton, size: Doubles) -> BoolArray:
    """bool [T, K]: the less certain end of limbs that are much longer than ever."""
    lengths = limb_lengths(track, skeleton) / size[:, None]
    wrong = np.zeros(track.present.shape, dtype=bool)
    for limb, ends in enumerate(skeleton.limb_slots):
        seen = np.flatnonzero(~np.isnan(lengths[:, limb]))
        if len(seen) >= _LIMB_FRAMES:
            usual = max(float(np.quantile(lengths[seen, limb], _USUAL)), _LEAST_LIMB)
            rows = seen[lengths[seen, limb] > _LONGEST * usual]
            wrong[rows, _weaker_end(track, rows, ends)] = True
    return wrong


def _weaker_end(track: Track, rows: IntArray, ends: IntArray) -> IntArray:
    """The end with the lower score; of equal ones the second, which is further from the trunk."""
    scores = track.joint_scores[rows[:, None], ends[None]]
    return np.where(scores[:, 0] < scores[:, 1], ends[0], ends[1])
