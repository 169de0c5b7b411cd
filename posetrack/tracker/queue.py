"""The poses of the last L_Q frames, carried forward step by step (Xiao, Wu, Wei 2018, section 3.3).

Each new flow field moves all stored poses by one frame, in one look-up. So one field per frame is enough to
compose the paper's long flows F_{k -> l}.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.tracker.bodies import Bodies
from posetrack.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Queue:
    """E stored poses of past frames, newest first.

    Attributes:
        previous: The previous frame's people as they were seen, with the ids of their tracks.
        carried: All stored people where the flows since have taken their joints; lost joints are missing.
        ages: int64 [E], frames since the stored poses were seen; 1 = the previous frame.
    """

    previous: Bodies
    carried: Bodies
    ages: IntArray

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Self:
        """Nothing stored."""
        nobody = Bodies.empty(skeleton)
        return cls(nobody, nobody, np.zeros(0, np.int64))

    def moved(self, displacement: FloatArray, valid: BoolArray) -> Queue:
        """Move all poses by one frame: ``displacement`` [2, E * K]; joints not ``valid`` [E * K] are lost."""
        points, present = self.carried.points, self.carried.present
        carried = replace(
            self.carried,
            points=points + displacement.reshape(points.shape),
            present=present & valid.reshape(present.shape),
        )
        return Queue(self.previous, carried, self.ages + 1)

    def beside(self, others: Bodies) -> Queue:
        """Add other poses that the tracks may have in the current frame, at age 0."""
        ages = np.concatenate([self.ages, np.zeros(len(others), np.int64)])
        return Queue(self.previous, Bodies.concatenate([self.carried, others]), ages)

    def pushed(self, people: Bodies, kept: IntArray) -> Queue:
        """Put the current frame's linked people (age 0) before the stored poses in the rows ``kept``, int64."""
        ages = np.concatenate([np.zeros(len(people), np.int64), self.ages[kept]])
        return Queue(people, Bodies.concatenate([people, self.carried[kept]]), ages)
