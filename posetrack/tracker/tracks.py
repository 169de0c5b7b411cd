"""The living tracks, and where people are expected by their own motion while nobody sees them.

The flow where a hidden person was is that of whoever stands in front: carried by it, the stored poses of
somebody who passes behind a pillar stay at its edge, and behind another walker they go off with the walker.
So each track has, besides its stored poses, a *body*: all joints seen of late, moved by the
track's own mean velocity. That velocity is relative to the background, so that shakes and pans of the camera
do not enter it: the background's motion is the median of the flow around the people in sight.

A joint leaves the body once its person has been seen without it as often as with it, and after L_Q sightings at
the latest, when no stored pose of late has it either (norfair has such a counter for each point). Otherwise one
that was once found far off would make the body large for ever, and OKS lenient. Hidden people keep their joints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.joints import bounds, medians
from posetrack.types import BoolArray, FloatArray, IntArray

# Corners and middles of the sides of a box of twice the person's size, in half sides from the centre, x and y
# apart: far enough for background, near enough to move with it where the camera turns or comes closer.
_AROUND = 2 * np.array([[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)], np.float32).T
# A velocity is the mean of this many displacements at least, once there are as many.
_VELOCITY_FRAMES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """T living tracks, ids ascending.

    Attributes:
        bodies: Where the tracks' people are expected in the present frame: joints not seen
            lately move with those that are. ``track_ids`` are the ids.
        velocities: float32 [2, T], px per frame relative to the background.
        sightings: int64 [T], frames in which the person was seen.
        gaps: int64 [T], frames since the person was last seen; 0 = in the frame linked last.
        hits: int64 [T, K], sightings with each joint less those without it, never below 0; the body has the joints
            that are above.
    """

    bodies: Bodies
    velocities: FloatArray
    sightings: IntArray
    gaps: IntArray
    hits: IntArray

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Self:
        """No tracks."""
        counts = np.zeros(0, np.int64)
        hits = np.zeros((0, len(skeleton)), np.int64)
        return cls(Bodies.empty(skeleton), np.zeros((2, 0), np.float32), counts, counts, hits)

    def __len__(self) -> int:
        return len(self.gaps)

    @property
    def ids(self) -> IntArray:
        """int64 [T], ascending."""
        return self.bodies.track_ids

    def surroundings(self) -> FloatArray:
        """float32 [2, T, 8], points around the bodies, mostly on the background."""
        low, high = bounds(self.bodies.points, self.bodies.present)
        jointless, boxes = low > high, self.bodies.boxes
        low, high = np.where(jointless, boxes[:2], low), np.where(jointless, boxes[2:], high)
        return np.add(((low + high) / 2)[..., None], _AROUND[:, None] * ((high - low) / 2)[..., None])

    def moved(self, displacement: FloatArray, valid: BoolArray) -> Tracks:
        """One frame later: ``displacement`` [2, T * 8] and ``valid`` [T * 8] of the ``surroundings``."""
        in_sight = valid & np.repeat(self.gaps == 0, _AROUND.shape[1])
        background = in_sight if in_sight.any() else valid
        step = self.velocities + medians(displacement[:, None], background[None])
        bodies = replace(
            self.bodies,
            points=self.bodies.points + step[..., None],
            boxes=self.bodies.boxes + np.concatenate([step, step]),
        )
        return replace(self, bodies=bodies, gaps=self.gaps + 1)

    def seen(self, rows: IntArray, people: Bodies, most_hits: int) -> Tracks:
        """With what the present frame shows of the tracks ``rows``, int64 [M]: M people.

        A joint is forgotten after ``most_hits`` sightings without it at the latest.
        """
        points, boxes, present = self.bodies.points.copy(), self.bodies.boxes.copy(), self.bodies.present.copy()
        velocities, sightings, gaps = self.velocities.copy(), self.sightings.copy(), self.gaps.copy()
        hits = self.hits.copy()
        expected, known = points.take(rows, axis=1), present.take(rows, axis=0)
        error = _errors(expected, known, people)
        frames = np.minimum(sightings[rows], _VELOCITY_FRAMES) * gaps[rows]
        velocities[:, rows] += (error / frames).astype(np.float32)
        points[:, rows] = np.where(people.present, people.points, expected + error[..., None])
        boxes[:, rows] = people.boxes
        hits[rows] = np.clip(hits[rows] + np.where(people.present, 1, -1), 0, most_hits)
        present[rows] = hits[rows] > 0
        sightings[rows] += 1
        gaps[rows] = 0
        bodies = replace(self.bodies, points=points, boxes=boxes, present=present)
        return Tracks(bodies, velocities, sightings, gaps, hits)

    def living(self, max_gap_frames: int) -> Tracks:
        """Without those that have not been seen for longer."""
        rows = np.flatnonzero(self.gaps <= max_gap_frames)
        if len(rows) == len(self):
            return self
        return Tracks(
            self.bodies[rows], self.velocities[:, rows], self.sightings[rows], self.gaps[rows], self.hits[rows]
        )

    def joined_by(self, people: Bodies) -> Tracks:
        """With new tracks of people seen for the first time, whose ids are above all others'."""
        count = len(people)
        if count == 0:
            return self
        return Tracks(
            Bodies.concatenate([self.bodies, people]),
            np.concatenate([self.velocities, np.zeros((2, count), np.float32)], axis=1),
            np.concatenate([self.sightings, np.ones(count, np.int64)]),
            np.concatenate([self.gaps, np.zeros(count, np.int64)]),
            np.concatenate([self.hits, people.present.astype(np.int64)]),
        )


def _errors(expected: FloatArray, known: BoolArray, people: Bodies) -> FloatArray:
    """float32 [2, M], how far the whole bodies of people are from where their joints, [2, M, K], were expected."""
    both = known & people.present
    error = medians(people.points - expected, both)
    # The more of the body is seen, the more the error says of the rest of it: one arm swings by itself.
    error *= both.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return error
