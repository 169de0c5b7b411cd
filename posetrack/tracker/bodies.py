"""People as the linker sees them: joints that can be compared, laid out for fast arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.tracker.joints import confident_joints, planes
from posetrack.types import UNLINKED, BoolArray, FloatArray, IntArray, Poses


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """N people. Coordinates come first: numpy is fastest on long rows of x and of y.

    For use inside the linker only: nothing is checked or made read-only.

    Attributes:
        points: float32 [2, N, K], x and y of the joints in source pixels; finite even where a joint is missing.
        present: bool [N, K]: the joint was found and can be compared.
        boxes: float32 [4, N], x1 y1 x2 y2 in source pixels.
        track_ids: int64 [N].
        skeleton: The joints' skeleton.
    """

    points: FloatArray
    present: BoolArray
    boxes: FloatArray
    track_ids: IntArray
    skeleton: Skeleton

    @classmethod
    def of(cls, poses: Poses, min_joint_score: float) -> Self:
        """Take the people of poses, ``UNLINKED``, with their confident joints that are in use and finite."""
        present = confident_joints(poses, min_joint_score)
        points = np.where(present, planes(poses.keypoints), np.float32(0))
        ids = np.full(len(poses), UNLINKED, np.int64)
        return cls(points, present, np.ascontiguousarray(poses.boxes.T), ids, poses.skeleton)

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Self:
        """Nobody."""
        return cls.of(Poses.empty(skeleton), 0)

    @classmethod
    def concatenate(cls, parts: Sequence[Bodies]) -> Self:
        """Join the people of all parts (at least one), in order. The skeleton is that of the first part."""
        return cls(
            np.concatenate([part.points for part in parts], axis=1),
            np.concatenate([part.present for part in parts]),
            np.concatenate([part.boxes for part in parts], axis=1),
            np.concatenate([part.track_ids for part in parts]),
            parts[0].skeleton,
        )

    def __len__(self) -> int:
        return len(self.track_ids)

    def __getitem__(self, rows: IntArray) -> Bodies:
        """Select people by row."""
        return Bodies(
            self.points.take(rows, axis=1),
            self.present.take(rows, axis=0),
            self.boxes.take(rows, axis=1),
            self.track_ids.take(rows),
            self.skeleton,
        )

    def poses(self) -> Poses:
        """The people as poses: the joints that are there have score 1, the people 0."""
        return Poses(
            boxes=self.boxes.T,
            scores=np.zeros(len(self), np.float32),
            keypoints=self.points.transpose(1, 2, 0),
            keypoint_scores=self.present.astype(np.float32),
            track_ids=self.track_ids,
            skeleton=self.skeleton,
        )

    def with_ids(self, track_ids: IntArray) -> Bodies:
        """A copy with these track ids, int64 [N]."""
        return replace(self, track_ids=track_ids)
