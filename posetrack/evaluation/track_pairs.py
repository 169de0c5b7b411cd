"""Counts how often truth tracks and prediction tracks meet in a joint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.evaluation.sequences import Distances, Sequence
from posetrack.types import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class TrackPairs:
    """T distinct triples of joint, truth track and prediction track, and the triple of each observation.

    Attributes:
        joints, truth, prediction: int64 [T], in ascending order of joints.
        of_observation: int64 [N]: triple of each observation.
    """

    joints: IntArray
    truth: IntArray
    prediction: IntArray
    of_observation: IntArray

    @classmethod
    def of(cls, joints: IntArray, truth: IntArray, prediction: IntArray) -> TrackPairs:
        """Collect N observations: their joints, truth tracks and prediction tracks, int64 [N] each."""
        high, width = truth.max(initial=0) + 1, prediction.max(initial=0) + 1
        keys, of_observation = np.unique((joints * high + truth) * width + prediction, return_inverse=True)
        return cls(keys // (high * width), keys // width % high, keys % width, of_observation)

    def __len__(self) -> int:
        return len(self.joints)


def observed_tracks(
    sequence: Sequence, run: Distances, places: tuple[IntArray, IntArray, IntArray, IntArray]
) -> tuple[IntArray, IntArray, IntArray]:
    """Joints and tracks of the elements ``places`` (from ``np.nonzero``) of a run's distances."""
    frames, joints, rows, columns = places
    return (
        joints,
        sequence.truth.tracks[run.truth[frames, rows]],
        sequence.prediction.tracks[run.prediction[frames, columns]],
    )
