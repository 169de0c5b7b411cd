"""People as linking sees them: the joints that can be compared, laid out for arithmetic."""

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
    """N people. Coordinates come first, so that x and y lie in long rows of memory, on which numpy is fastest.

    Poses for use within the linker alone, that is: nothing is checked or made read-only.

    Attributes:
        points: float32 [2, N, K], x and y of the joints in source pixels; finite, also where a joint is missing.
        present: bool [N, K], the joint is there and can be compared.
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
        """The people of poses, ``UNLINKED``, and of their joints those that are confident, in use, somewhere."""
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
        """The people of all parts (at least one), in order; the skeleton is the first one's."""
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
        """The people of these rows."""
        return Bodies(
            self.points.take(rows, axis=1),
            self.present.take(rows, axis=0),
            self.boxes.take(rows, axis=1),
            self.track_ids.take(rows),
            self.skeleton,
        )

    def with_ids(self, track_ids: IntArray) -> Bodies:
        """The same people under these ids, int64 [N]."""
        return replace(self, track_ids=track_ids)
