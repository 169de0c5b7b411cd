"""The living tracks, and where people are expected by their own motion while nobody sees them.

The flow where a hidden person was is that of whoever stands in front: carried by it, the stored poses of
somebody who passes behind a pillar stay at its edge, and behind another walker they go off with the walker.
So each track has, besides its stored poses, a *body*: all joints seen of late, moved by the
track's own mean velocity. That velocity is relative to the surroundings, whose motion (of the camera)
is read from the flow around the body each frame; so shakes and pans do not enter it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.tracker.joints import extents, masked_median
from posetrack.tracker.queue import concatenate
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
        velocities: float32 [T, 2], px per frame relative to the surroundings.
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

    def __getitem__(self, chosen: BoolArray | IntArray) -> Tracks:
        """The chosen tracks."""
        return Tracks(self.bodies[chosen], self.velocities[chosen], self.sightings[chosen], self.gaps[chosen])

    @property
    def ids(self) -> IntArray:
        """int64 [T], ascending."""
        return self.bodies.track_ids

    def surroundings(self) -> FloatArray:
        """float32 [T, 8, 2], points around the bodies, mostly on the background."""
        low, high = extents(self.bodies.keypoints, self.bodies.present)
        return np.add(((low + high) / 2)[:, None], _AROUND * ((high - low) / 2)[:, None])

    def moved(self, displacement: FloatArray, valid: BoolArray) -> Tracks:
        """One frame later: ``displacement`` [T, 8, 2] and ``valid`` [T, 8] of the ``surroundings``."""
        step = self.velocities + masked_median(displacement, valid)
        bodies = self.bodies.replace(
            keypoints=self.bodies.keypoints + step[:, None], boxes=self.bodies.boxes + np.tile(step, 2)
        )
        return replace(self, bodies=bodies, gaps=self.gaps + 1)

    def seen(self, rows: IntArray, poses: Poses) -> Tracks:
        """With ``poses`` seen of the tracks ``rows``."""
        expected = self.bodies[rows]
        both = expected.present & poses.present
        error = masked_median(poses.keypoints - expected.keypoints, both)
        error *= (both.sum(axis=1) / np.maximum(expected.present.sum(axis=1), 1))[:, None]
        present = poses.present
        keypoints = np.where(present[..., None], poses.keypoints, expected.keypoints + error[:, None])
        keypoint_scores = np.where(present, poses.keypoint_scores, expected.keypoint_scores)
        bodies = expected.replace(boxes=poses.boxes, keypoints=keypoints, keypoint_scores=keypoint_scores)
        gain = 1 / (np.minimum(self.sightings[rows], _VELOCITY_FRAMES) * self.gaps[rows])
        velocities, sightings, gaps = self.velocities.copy(), self.sightings.copy(), self.gaps.copy()
        velocities[rows] += (error * gain[:, None]).astype(np.float32)
        sightings[rows] += 1
        gaps[rows] = 0
        return Tracks(_with_rows(self.bodies, rows, bodies), velocities, sightings, gaps)

    def born(self, poses: Poses) -> Tracks:
        """With new tracks, whose ids are above all others'."""
        return Tracks(
            concatenate([self.bodies, poses]),
            np.concatenate([self.velocities, np.zeros((len(poses), 2), np.float32)]),
            np.concatenate([self.sightings, np.ones(len(poses), np.int64)]),
            np.concatenate([self.gaps, np.zeros(len(poses), np.int64)]),
        )


def _with_rows(bodies: Poses, rows: IntArray, new: Poses) -> Poses:
    boxes, keypoints, keypoint_scores = bodies.boxes.copy(), bodies.keypoints.copy(), bodies.keypoint_scores.copy()
    boxes[rows], keypoints[rows], keypoint_scores[rows] = new.boxes, new.keypoints, new.keypoint_scores
    return bodies.replace(boxes=boxes, keypoints=keypoints, keypoint_scores=keypoint_scores)
