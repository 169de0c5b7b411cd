"""The living tracks, and where people are expected by their own motion while nobody sees them.

The flow where a hidden person was is that of whoever stands in front: carried by it, the stored poses of
somebody who passes behind a pillar stay at its edge, and behind another walker they go off with the walker.
So each track has, besides its stored poses, a *body*: all joints seen of late, moved by the
track's own mean velocity. That velocity is relative to the background, so that shakes and pans of the camera
do not enter it: the background's motion is the median of the flow around the people in sight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.tracker.joints import extents, masked_median
from posetrack.types import BoolArray, FloatArray, IntArray, Poses

# Corners and middles of the sides of a box of twice the person's size, in half sides from the centre:
# far enough for background, near enough to move with it where the camera turns or comes closer.
_AROUND = 2 * np.array([[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)], np.float32)
# A velocity is the mean of this many displacements at least, once there are as many.
_VELOCITY_FRAMES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """T living tracks, ids ascending.

    Attributes:
        bodies: Where the tracks' people are expected in the present frame: joints not seen
            lately move with those that are. ``track_ids`` are the ids.
        velocities: float32 [T, 2], px per frame relative to the background.
        sightings: int64 [T], frames in which the person was seen.
        gaps: int64 [T], frames since the person was last seen; 0 = in the frame linked last.
    """

    bodies: Poses
    velocities: FloatArray
    sightings: IntArray
    gaps: IntArray

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Self:
        """No tracks."""
        counts = np.zeros(0, np.int64)
        return cls(Poses.empty(skeleton), np.zeros((0, 2), np.float32), counts, counts)

    def __len__(self) -> int:
        return len(self.gaps)

    @property
    def ids(self) -> IntArray:
        """int64 [T], ascending."""
        return self.bodies.track_ids

    def surroundings(self) -> FloatArray:
        """float32 [T, 8, 2], points around the bodies, mostly on the background."""
        boxes = self.bodies.boxes
        low, high = extents(self.bodies.keypoints, self.bodies.present)
        low, high = np.where(low <= high, low, boxes[:, :2]), np.where(low <= high, high, boxes[:, 2:])
        return np.add(((low + high) / 2)[:, None], _AROUND * ((high - low) / 2)[:, None])

    def moved(self, displacement: FloatArray, valid: BoolArray) -> Tracks:
        """One frame later: ``displacement`` [T * 8, 2] and ``valid`` [T * 8] of the ``surroundings``."""
        in_sight = valid & np.repeat(self.gaps == 0, len(_AROUND))
        background = in_sight if in_sight.any() else valid
        step = self.velocities + masked_median(displacement[None], background[None])
        bodies = self.bodies.replace(
            keypoints=self.bodies.keypoints + step[:, None], boxes=self.bodies.boxes + np.tile(step, 2)
        )
        return replace(self, bodies=bodies, gaps=self.gaps + 1)

    def updated(self, rows: IntArray, seen: Poses, born: Poses, max_gap_frames: int) -> Tracks:
        """With what the present frame shows.

        Args:
            rows: int64 [M], tracks that have been seen.
            seen: Their M poses.
            born: Poses of new tracks, whose ids are above all others'.
            max_gap_frames: Tracks that have not been seen for longer are left out.
        """
        bodies, velocities = self._corrected(rows, seen)
        sightings, gaps = self.sightings.copy(), self.gaps.copy()
        sightings[rows] += 1
        gaps[rows] = 0
        alive = gaps <= max_gap_frames
        return Tracks(
            Poses.concatenate([bodies[alive], born]),
            np.concatenate([velocities[alive], np.zeros((len(born), 2), np.float32)]),
            np.concatenate([sightings[alive], np.ones(len(born), np.int64)]),
            np.concatenate([gaps[alive], np.zeros(len(born), np.int64)]),
        )

    def _corrected(self, rows: IntArray, poses: Poses) -> tuple[Poses, FloatArray]:
        """Bodies and velocities in the light of the poses seen of the tracks ``rows``."""
        boxes, keypoints = self.bodies.boxes.copy(), self.bodies.keypoints.copy()
        keypoint_scores, velocities = self.bodies.keypoint_scores.copy(), self.velocities.copy()
        known, expected, present = keypoint_scores[rows] > 0, keypoints[rows], poses.present
        both = known & present
        # The more of the body is seen, the more the error says of the rest of it: one arm swings by itself.
        error = masked_median(poses.keypoints - expected, both)
        error *= (both.sum(axis=1) / np.maximum(known.sum(axis=1), 1))[:, None]
        frames = np.minimum(self.sightings[rows], _VELOCITY_FRAMES) * self.gaps[rows]
        velocities[rows] += (error / frames[:, None]).astype(np.float32)
        boxes[rows] = poses.boxes
        keypoints[rows] = np.where(present[..., None], poses.keypoints, expected + error[:, None])
        keypoint_scores[rows] = np.where(present, poses.keypoint_scores, keypoint_scores[rows])
        bodies = self.bodies.replace(boxes=boxes, keypoints=keypoints, keypoint_scores=keypoint_scores)
        return bodies, velocities
