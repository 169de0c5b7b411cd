"""The current tracks, and the predicted positions of hidden people.

The flow at a hidden person's position is that of the person or object in front: carried by it, the stored poses of
a person who passes behind a pillar stay at its edge, and behind another walker they move with the walker.
So each track has, besides its stored poses, a *body*: all joints seen recently, moved by the track's own velocity
(``motion``). That velocity is relative to the background, whose motion (``camera``) is added, so that pans, shakes
and zooms do not affect it.

A joint is removed from the body once the person has been seen without it as often as with it, and after at most
L_Q sightings without it, when no stored pose has it either. Otherwise a joint once found far off would make the
body large for ever, and OKS lenient. Hidden people keep their joints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.camera import CameraMotion, background
from posetrack.tracker.config import MotionConfig
from posetrack.tracker.joints import bounds, medians
from posetrack.tracker.motion import Motion
from posetrack.tracker.oks import Outlines
from posetrack.types import BoolArray, FloatArray, IntArray

# Corners and middles of the sides of a box of twice the person's size, in half sides from the centre, x and y
# apart: far enough for background, near enough to move with it where the camera turns or comes closer.
_AROUND = 2 * np.array([[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)], np.float32).T


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """T living tracks, ids ascending.

    Attributes:
        bodies: Where the tracks' people are expected in the present frame: joints not seen
            lately move with those that are. ``track_ids`` are the ids.
        motion: Their velocities relative to the background, and how sure the places are.
        gaps: int64 [T], frames since the person was last seen; 0 = in the frame linked last.
        unseen_s: float32 [T], the same in seconds.
        hits: int64 [T, K], sightings with each joint less those without it, never below 0; the body has the joints
            that are above.
    """

    bodies: Bodies
    motion: Motion
    gaps: IntArray
    unseen_s: FloatArray
    hits: IntArray

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Self:
        """No tracks."""
        return cls.of(Bodies.empty(skeleton), MotionConfig())

    @classmethod
    def of(cls, people: Bodies, config: MotionConfig) -> Self:
        """Tracks of people seen for the first time."""
        gaps = np.zeros(len(people), np.int64)
        motion = Motion.starting(sizes(people), config)
        return cls(people, motion, gaps, gaps.astype(np.float32), people.present.astype(np.int64))

    def __len__(self) -> int:
        return len(self.gaps)

    def __getitem__(self, rows: IntArray) -> Tracks:
        """The tracks of these rows."""
        return Tracks(self.bodies[rows], self.motion[rows], self.gaps[rows], self.unseen_s[rows], self.hits[rows])

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

    def camera(self, around: FloatArray, displacement: FloatArray, valid: BoolArray) -> CameraMotion:
        """The camera's motion by the flow at the ``surroundings``: ``displacement`` [2, T * 8] where ``valid``."""
        in_sight = np.repeat(self.gaps == 0, _AROUND.shape[1])
        return background(around.reshape(2, -1), displacement, valid, in_sight)

    def moved(self, camera: CameraMotion, seconds: float, config: MotionConfig) -> Tracks:
        """One frame later: with the background, and on by their own motion."""
        bodies, step = self.bodies, self.motion.velocities * np.float32(seconds)
        corners = bodies.boxes.reshape(2, 2, -1).transpose(1, 0, 2)
        corners = corners + camera.at(corners) + step[:, None]
        moved = replace(
            bodies,
            points=bodies.points + camera.at(bodies.points) + step[..., None],
            boxes=corners.transpose(1, 0, 2).reshape(4, -1),
        )
        return replace(
            self,
            bodies=moved,
            motion=self.motion.predicted(seconds, config),
            gaps=self.gaps + 1,
            unseen_s=self.unseen_s + np.float32(seconds),
        )

    def seen(self, rows: IntArray, people: Bodies, most_hits: int, config: MotionConfig) -> Tracks:
        """With what the present frame shows of the tracks ``rows``, int64 [M]: M people.

        A joint is forgotten after ``most_hits`` sightings without it at most.
        """
        points, boxes, present = self.bodies.points.copy(), self.bodies.boxes.copy(), self.bodies.present.copy()
        gaps, unseen_s, hits = self.gaps.copy(), self.unseen_s.copy(), self.hits.copy()
        expected, known = points.take(rows, axis=1), present.take(rows, axis=0)
        errors, shares = _errors(expected, known, people)
        points[:, rows] = np.where(people.present, people.points, expected + (shares * errors)[..., None])
        boxes[:, rows] = people.boxes
        hits[rows] = np.clip(hits[rows] + np.where(people.present, 1, -1), 0, most_hits)
        present[rows] = hits[rows] > 0
        gaps[rows], unseen_s[rows] = 0, 0
        bodies = replace(self.bodies, points=points, boxes=boxes, present=present)
        motion = self.motion.corrected(rows, errors, shares, sizes(bodies[rows]), config)
        return Tracks(bodies, motion, gaps, unseen_s, hits)

    def joined_by(self, people: Bodies, config: MotionConfig) -> Tracks:
        """With new tracks, of people seen for the first time, whose ids are above all others'."""
        if len(people) == 0:
            return self
        others = Tracks.of(people, config)
        return Tracks(
            Bodies.concatenate([self.bodies, others.bodies]),
            Motion.concatenate([self.motion, others.motion]),
            np.concatenate([self.gaps, others.gaps]),
            np.concatenate([self.unseen_s, others.unseen_s]),
            np.concatenate([self.hits, others.hits]),
        )


def sizes(bodies: Bodies) -> FloatArray:
    """float32 [N], pixels: the roots of the areas that OKS compares them by."""
    return np.sqrt(Outlines.of_bodies(bodies).areas)


def _errors(expected: FloatArray, known: BoolArray, people: Bodies) -> tuple[FloatArray, FloatArray]:
    """How far the bodies of M people are from where they were expected.

    Args:
        expected: float32 [2, M, K], the joints' expected places.
        known: bool [M, K], which of them there are.
        people: As they were seen.

    Returns:
        float32 [2, M], pixels; and float32 [M], the share of the expected joints that were seen. The more of the
        body is seen, the more the error says of the rest of it: one arm swings by itself.
    """
    both = known & people.present
    shares = both.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return medians(people.points - expected, both), shares.astype(np.float32)
