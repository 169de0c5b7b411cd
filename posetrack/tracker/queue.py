"""The poses of the last L_Q frames, carried forward step by step (Xiao, Wu, Wei 2018, section 3.3).

Every new flow moves every stored pose by one frame, so that one flow field per frame composes the long
flows F_{k -> l} of the paper, for all stored poses in one look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, FloatArray, IntArray, Poses


@dataclass(frozen=True, slots=True, eq=False)
class Queue:
    """E stored poses of the past, the newest frame's first.

    Attributes:
        previous: The previous frame's poses as they were seen, with the ids of their tracks.
        carried: All stored poses where the flows since have taken their joints; lost joints are missing.
        ages: int64 [E], frames since the stored poses were seen; 1 = the previous frame.
    """

    previous: Poses
    carried: Poses
    ages: IntArray

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Self:
        """Nothing stored."""
        return cls(Poses.empty(skeleton), Poses.empty(skeleton), np.zeros(0, np.int64))

    @property
    def newest(self) -> BoolArray:
        """bool [E]: the last pose of its track."""
        newest = np.zeros(len(self.ages), np.bool_)
        newest[np.unique(self.carried.track_ids, return_index=True)[1]] = True
        return newest

    def moved(self, displacement: FloatArray, valid: BoolArray) -> Queue:
        """One frame later: ``displacement`` [E * K, 2] of the joints; those not ``valid`` [E * K] are lost."""
        keypoints, scores = self.carried.keypoints, self.carried.keypoint_scores
        carried = self.carried.replace(
            keypoints=keypoints + displacement.reshape(keypoints.shape),
            keypoint_scores=scores * valid.reshape(scores.shape),
        )
        return Queue(self.previous, carried, self.ages + 1)

    def beside(self, others: Poses) -> Queue:
        """With other poses that the tracks may have in the present frame, at age 0."""
        ages = np.concatenate([self.ages, np.zeros(len(others), np.int64)])
        return Queue(self.previous, Poses.concatenate([self.carried, others]), ages)

    def pushed(self, poses: Poses, kept: BoolArray) -> Queue:
        """The linked poses of the present frame, at age 0, before the stored ones that are kept."""
        ages = np.concatenate([np.zeros(len(poses), np.int64), self.ages[kept]])
        return Queue(poses, Poses.concatenate([poses, self.carried[kept]]), ages)
