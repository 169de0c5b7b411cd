"""Left and right over time: networks exchange them from frame to frame, but people do not turn that fast.

A network's pose is right, or mirrored: left and right joints exchanged. The joints predicted from previous frames
show which fits better. Earlier decisions may be wrong too, so each track weighs both interpretations of all its
frames, as the Viterbi algorithm does with two states. Treating frames as mirrored has a small cost per second. So
an exchange of a few frames is undone; if the network contradicts the track for longer than it agreed before, the
track is relabelled from there on.

Shoulders and hips are also examined separately: if the sides of a torso cross, one of the two is exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.tracker.bodies import Bodies
from posetrack.types import BoolArray, FloatArray, IntArray

_TOLERANCE = 0.1
"""Distance, in sizes of the person, from which a joint counts as elsewhere. Shoulders are about 0.3 apart."""

_EXCHANGE = 1.0
"""Cost of a change between as-is and mirrored from one frame to the next. Each joint that is elsewhere costs 1."""

_MIRRORED_PER_S = 1.5
"""Cost of treating the network's poses as mirrored for a second, if it is sure of its joints."""

TELLS_SIDES_S = 0.3
"""Seconds for which the joints of a hidden person can be predicted well enough to tell left from right. Half
a second later, the left leg of a walking person is where the right one was."""

_APART = 0.2
"""Minimum distance between shoulders or hips to tell left from right, as a share of the torso's length."""

_TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """What is known of the sides of T tracks.

    Attributes:
        doubts: float32 [T], how much more it costs to treat the network's latest pose as mirrored than as it is.
        unread_s: float32 [T], seconds since the network saw the person.
    """

    doubts: FloatArray
    unread_s: FloatArray

    @classmethod
    def unknown(cls, tracks: int) -> Self:
        """New tracks, with the sides of the network's poses."""
        return cls(np.zeros(tracks, np.float32), np.zeros(tracks, np.float32))

    def __getitem__(self, rows: IntArray) -> Sides:
        """The tracks of these rows."""
        return Sides(self.doubts[rows], self.unread_s[rows])

    def later(self, seconds: float) -> Sides:
        """After some seconds without a pose."""
        return replace(self, unread_s=self.unread_s + np.float32(seconds))

    def joined_by(self, tracks: int) -> Sides:
        """With this many new tracks added."""
        new = Sides.unknown(tracks)
        return Sides(np.concatenate([self.doubts, new.doubts]), np.concatenate([self.unread_s, new.unread_s]))

    def read(
        self, rows: IntArray, people: Bodies, expected: Bodies, sizes: FloatArray, scores: FloatArray
    ) -> tuple[Sides, IntArray]:
        """Which of M people are mirrored in the present frame.

        Args:
            rows: int64 [M], their tracks.
            people: As the network sees them in this frame.
            expected: Where their joints are expected, with the sides settled before.
            sizes: float32 [M], pixels.
            scores: float32 [M], mean joint scores.

        Returns:
            The sides of all tracks; and int64 [M, K], for each joint the slot that it is to be taken from.
        """
        doubts = self.doubts[rows]
        slots = np.arange(len(people.skeleton))
        as_seen, exchanged = _misfits(people, expected, sizes)
        # Where the last pose was read as mirrored, the expected joints are those of its mirror image.
        was_mirrored = (doubts < 0)[:, None]
        kept = np.where(was_mirrored, exchanged, as_seen).sum(axis=1)
        changed = np.where(was_mirrored, as_seen, exchanged).sum(axis=1) + np.float32(_EXCHANGE)
        doubts = np.minimum(changed, doubts + kept) - np.minimum(kept, doubts + changed)
        doubts += np.float32(_MIRRORED_PER_S) * scores * self.unread_s[rows]
        mirrored = np.stack([doubts < 0] * 2, axis=1)
        crossed = np.flatnonzero(_crossed(people))
        if len(crossed):
            misfit = np.where(mirrored, exchanged - as_seen, as_seen - exchanged)
            mirrored[crossed, misfit[crossed].argmax(axis=1)] ^= True
        settled, unread_s = self.doubts.copy(), self.unread_s.copy()
        settled[rows], unread_s[rows] = doubts, 0
        joints = mirrored @ people.skeleton.sided_halves
        return Sides(settled, unread_s), np.where(joints, people.skeleton.flip_permutation, slots)


def _misfits(people: Bodies, expected: Bodies, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Twice float32 [M, 2], how badly both halves fit, as seen and exchanged: up to 1 for each joint."""
    order = np.stack([np.arange(len(people.skeleton)), people.skeleton.flip_permutation])
    x, y = people.points.take(order, axis=2) - expected.points[:, :, None]
    known = people.present.take(order, axis=1) & expected.present[:, None]
    distances = np.sqrt(x * x + y * y) / (np.float32(_TOLERANCE) * sizes[:, None, None])
    costs = np.where(known, np.minimum(distances, 1), np.float32(1))
    as_seen, exchanged = (costs @ people.skeleton.sided_halves.T.astype(np.float32)).transpose(1, 0, 2)
    return as_seen, exchanged


@lru_cache
def _torso(skeleton: Skeleton) -> IntArray | None:
    """int64 [4], the slots of the torso's corners; None where the skeleton does not have them all."""
    if not set(_TORSO) <= set(skeleton.joints):
        return None
    return np.array([skeleton.index(joint) for joint in _TORSO])


def _crossed(people: Bodies) -> BoolArray:
    """bool [M]: the left shoulder is on the side of the right hip, and all four are clearly apart."""
    slots = _torso(people.skeleton)
    if slots is None:
        return np.zeros(len(people), np.bool_)
    left_shoulder, right_shoulder, left_hip, right_hip = people.points.take(slots, axis=2).transpose(2, 0, 1)
    down_x, down_y = (left_hip + right_hip - left_shoulder - right_shoulder) / 2
    squared = np.maximum(down_x * down_x + down_y * down_y, 1)
    shoulders, hips = (
        (left[0] - right[0]) * down_y - (left[1] - right[1]) * down_x
        for left, right in ((left_shoulder, right_shoulder), (left_hip, right_hip))
    )
    apart = np.minimum(np.abs(shoulders), np.abs(hips)) > _APART * squared
    known = people.present.take(slots, axis=1).all(axis=1)
    return np.asarray(known & apart & (shoulders * hips < 0), np.bool_)
