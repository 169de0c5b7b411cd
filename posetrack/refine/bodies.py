"""Size, place and proportions of a tracked body, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import median_filter

from posetrack.refine.arrays import norms
from posetrack.refine.clip import Track
from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, Doubles

_SIZE_WINDOW_S = 1.0
"""Bodies come nearer slowly; boxes jump from frame to frame."""

_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_LEAST_TRUNK_JOINTS = 3


def sizes(track: Track, frame_s: float) -> Doubles:
    """float64 [T]: size of the body in pixels, at least 1: the longer side of its box, as a median over a second.

    Args:
        track: At least one frame.
        frame_s: Time between two frames.
    """
    return sizes_of([track], frame_s)


def sizes_of(tracks: Sequence[Track], frame_s: float) -> Doubles:
    """float64 [N]: ``sizes`` of tracks, one after the other: of many short ones faster than of each alone."""
    half = round(_SIZE_WINDOW_S / 2 / frame_s) if frame_s > 0 else 0
    sides = longer_sides(np.concatenate([track.boxes for track in tracks]))
    lengths = np.array([len(track) for track in tracks])
    apart = lengths + 2 * half  # the first and the last side of each are repeated
    within = np.arange(apart.sum()) - np.repeat(np.cumsum(apart) - apart, apart) - half
    starts, last = (np.repeat(one, apart) for one in (np.cumsum(lengths) - lengths, lengths - 1))
    medians = median_filter(sides[starts + np.clip(within, 0, last)], size=2 * half + 1)
    return np.asarray(np.maximum(medians[(within >= 0) & (within <= last)], 1.0), dtype=np.float64)


def longer_sides(boxes: Doubles) -> Doubles:
    """float64 [N]: the longer side of each box [N, 4], in pixels."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.maximum(sides[:, 0], sides[:, 1])


def centres(track: Track, skeleton: Skeleton) -> Doubles:
    """float64 [T, 2]: mean of shoulders and hips, or the box's centre where fewer than three are there."""
    return centres_of(track.boxes, track.joints, skeleton)


def centres_of(boxes: Doubles, joints: Doubles, skeleton: Skeleton) -> Doubles:
    """float64 [N, 2]: ``centres`` of boxes [N, 4] with joints [N, K, 2], NaN where they are missing."""
    slots = _trunk_slots(skeleton)
    there = ~np.isnan(joints[:, slots, 0])
    count = there.sum(axis=1)[:, None]
    trunk = np.where(there[..., None], joints[:, slots], 0).sum(axis=1)
    return np.where(_is_enough(there)[:, None], trunk / np.maximum(count, 1), box_centres(boxes))


def box_centres(boxes: Doubles) -> Doubles:
    """float64 [N, 2]: the middle of each box, [N, 4]."""
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, dtype=np.float64)


def _trunk_slots(skeleton: Skeleton) -> list[int]:
    return [skeleton.index(joint) for joint in _TRUNK if joint in skeleton.joints]


def _is_enough(there: BoolArray) -> BoolArray:
    """bool [T]: enough joints of the trunk, bool [T, 4], are there."""
    enough: BoolArray = there.sum(axis=1) >= _LEAST_TRUNK_JOINTS
    return enough


def shows_trunk(track: Track, skeleton: Skeleton) -> BoolArray:
    """bool [T]: frames whose centre is that of shoulders and hips, not of the box."""
    return _is_enough(~np.isnan(track.joints[:, _trunk_slots(skeleton), 0]))


def limb_lengths(joints: Doubles, skeleton: Skeleton) -> Doubles:
    """float64 [N, L]: length in pixels of each limb of bodies, joints [N, K, 2]; NaN where an end is missing."""
    ends = joints[:, skeleton.limb_slots]
    return norms(ends[:, :, 0] - ends[:, :, 1])


def joint_evidence(track: Track, skeleton: Skeleton) -> Doubles:
    """float64 [T]: mean score of all joints that the skeleton uses; missing ones count as 0."""
    used = np.zeros(len(skeleton))
    used[skeleton.in_use] = 1 / len(skeleton.in_use)
    return np.asarray(track.joint_scores @ used, dtype=np.float64)
