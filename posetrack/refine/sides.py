"""Sides: left and right, frame by frame, by the two-state Viterbi path over a track.

In each frame the pose is as estimated, or mirrored: each left joint's place is that of its right twin. Joints
move little from frame to frame; so the path of states with the least motion tells where the network has exchanged
the sides. Most frames are right: a mirrored frame costs a little, and more if its joints are sure, so that the
majority decides for a whole track.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.refine.bodies import sizes
from posetrack.refine.clip import Doubles, Track
from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, IntArray

_STEP = 0.05
"""Motion, in body sizes, from which a joint's step tells no more: a wrist moves as far in a frame at 25 fps."""

_MIRRORED = 0.05
"""Cost of a mirrored frame whose joints have a score of 1, as a share of the largest cost of one joint's step."""

_EXCHANGE = 1.0
"""Cost of an exchange between two frames: exchanges must pay for more than one joint."""

_OTHER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Left and right of a person are exchanged, as somebody has seen.

    Attributes:
        track_id: The person.
        start_s, end_s: From and up to these times.
    """

    track_id: int
    start_s: float
    end_s: float

    def covers(self, track: Track) -> BoolArray:
        """bool [T]: the frames of the track that the swap is about."""
        inside: BoolArray = (track.times >= self.start_s) & (track.times <= self.end_s)
        return inside


def mirrored(track: Track, skeleton: Skeleton, frames: BoolArray) -> Track:
    """The track with left and right exchanged in some frames, bool [T]."""
    twins = skeleton.flip_permutation

    def exchanged(values: Doubles) -> Doubles:
        changed = values.copy()
        changed[frames] = values[frames][:, twins]
        return changed

    names = ("joints", "joint_scores", "raw", "origins")
    return track.replace(**{name: exchanged(getattr(track, name)) for name in names})


def settle_sides(track: Track, skeleton: Skeleton, frame_s: float) -> Track:
    """The track with its sides as the least motion has them.

    Args:
        track: A person, as observed.
        skeleton: Of the joints.
        frame_s: Time between two frames.
    """
    pairs = np.flatnonzero(skeleton.flip_permutation != np.arange(len(skeleton)))
    costs = np.zeros((len(track), 2))
    costs[:, _OTHER] = _MIRRORED * track.joint_scores[:, pairs].mean(axis=1)
    states = _cheapest(costs, _steps(track, skeleton, frame_s))
    return mirrored(track, skeleton, states == _OTHER) if (states == _OTHER).any() else track


def _steps(track: Track, skeleton: Skeleton, frame_s: float) -> Doubles:
    """float64 [T - 1, 2]: cost of keeping the state, and of changing it, between two frames."""
    twins = skeleton.flip_permutation
    slots = np.flatnonzero(twins != np.arange(len(skeleton)))
    size = sizes(track, frame_s)
    scale = np.minimum(size[1:], size[:-1])[:, None]
    now, later = track.joints[:-1][:, slots], track.joints[1:]

    def cost(order: IntArray) -> Doubles:
        moved = np.linalg.norm(later[:, order] - now, axis=-1) / scale
        return np.asarray(np.where(np.isnan(moved), 1.0, np.minimum(moved / _STEP, 1.0)).sum(axis=1))

    return np.stack([cost(slots), cost(twins[slots]) + _EXCHANGE], axis=1)


def _cheapest(costs: Doubles, steps: Doubles) -> Doubles:
    """[T] the path of states with the lowest sum of costs."""
    same, other = costs[0].tolist()
    came_from = []
    # a recursion: each frame needs the one before; two states are faster as plain numbers than as arrays
    for (cost_same, cost_other), (keep, change) in zip(costs[1:].tolist(), steps.tolist(), strict=True):
        to_same, to_other = (same + keep, other + change), (same + change, other + keep)
        came_from.append((int(to_same[1] < to_same[0]), int(to_other[1] < to_other[0])))
        same, other = min(to_same) + cost_same, min(to_other) + cost_other
    state = int(other < same)
    states = [state]
    for origin in reversed(came_from):
        state = origin[state]
        states.append(state)
    return np.array(states[::-1])
