"""Outliers: joints that the track's own motion and limb lengths rule out become missing."""

from __future__ import annotations

import numpy as np

from posetrack.refine.arrays import norms
from posetrack.refine.bodies import limb_lengths, sizes
from posetrack.refine.clip import Track
from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, Doubles, IntArray

_ACCELERATION = 20.0
"""Body sizes per second squared: no joint accelerates by more than about 35 m/s^2 in everyday motion."""

_JITTER = 0.1
"""Body sizes: twice the error of a joint that counts as right by PCK@0.2, a torso being a quarter of a body."""

_BESIDE = 2
"""Observations on each side that a joint is compared with: jumps of two frames are still the fewer."""

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
        if track.by_hand is not None:
            wrong &= ~track.by_hand
        if not wrong.any():
            return track
        track = track.without(wrong)


def _jumps(track: Track, size: Doubles) -> BoolArray:
    """bool [T, K]: joints far from the median of the five observations around them."""
    wrong: BoolArray = np.zeros(track.present.shape, dtype=bool)
    for joint in range(wrong.shape[1]):
        rows = np.flatnonzero(track.present[:, joint])
        if len(rows) > 2 * _BESIDE:
            wrong[rows[_BESIDE:-_BESIDE], joint] = _off_path(
                track.joints[rows, joint], track.times[rows], size[rows][_BESIDE:-_BESIDE]
            )
    return wrong


def _off_path(points: Doubles, times: Doubles, size: Doubles) -> BoolArray:
    """bool [N - 4] of the inner of N points. Steady motion passes through the median; turns pass by it."""
    inner = slice(_BESIDE, -_BESIDE)
    missed = norms(points[inner] - _medians_of_five(points))
    span = (times[2 * _BESIDE :] - times[: -2 * _BESIDE]) / 2
    far: BoolArray = missed > size * (_JITTER + _ACCELERATION / 2 * span**2)
    return far


def _medians_of_five(points: Doubles) -> Doubles:
    """float64 [N - 4, 2]: the median of each five that follow one another, by comparisons of whole columns."""
    a, b, c, d, e = (points[first : len(points) - 4 + first] for first in range(5))
    # of the first four, the two in the middle
    one, other = np.maximum(np.minimum(a, b), np.minimum(c, d)), np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.maximum(np.minimum(one, other), np.minimum(e, np.maximum(one, other)))


def _stretched(track: Track, skeleton: Skeleton, size: Doubles) -> BoolArray:
    """bool [T, K]: the less certain end of limbs that are much longer than ever."""
    lengths = limb_lengths(track.joints, skeleton) / size[:, None]
    wrong: BoolArray = np.zeros(track.present.shape, dtype=bool)
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
    weaker: IntArray = np.where(scores[:, 0] < scores[:, 1], ends[0], ends[1])
    return weaker
