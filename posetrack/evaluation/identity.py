"""IDF1 per joint.

Source: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking",
2016. Tracks are assigned once for the whole sequence; frames and distances are those of MOTA.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from posetrack.evaluation.average_precision import MATCH_DISTANCE
from posetrack.evaluation.clear_mot import tracked_frames
from posetrack.evaluation.sequences import Distances, Sequence
from posetrack.evaluation.track_pairs import TrackPairs, observed_tracks
from posetrack.types import IntArray


class IdentityAssignment:
    """Counts the joints that the best one-to-one assignment of tracks explains."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._observations: list[tuple[IntArray, IntArray, IntArray]] = []

    def add(self, run: Distances) -> None:
        """Record which tracks meet in a run of frames."""
        near = run.values <= MATCH_DISTANCE
        near[run.frames >= tracked_frames(self._sequence)] = False
        frames, joints, rows, columns = np.nonzero(near)
        self._observations.append(observed_tracks(self._sequence, run, (frames, joints, rows, columns)))

    def true_positives(self) -> IntArray:
        """int64 [K]: IDTP of each joint."""
        found = np.zeros(self._sequence.truth.present.shape[1], dtype=np.int64)
        if not self._observations:
            return found
        pairs = TrackPairs.of(*(np.concatenate(column) for column in zip(*self._observations, strict=True)))
        meetings = np.bincount(pairs.of_observation, minlength=len(pairs))
        for joint in np.unique(pairs.joints):
            chosen = pairs.joints == joint
            truth, rows = np.unique(pairs.truth[chosen], return_inverse=True)
            prediction, columns = np.unique(pairs.prediction[chosen], return_inverse=True)
            together = np.zeros((len(truth), len(prediction)), dtype=np.int64)
            together[rows, columns] = meetings[chosen]
            found[joint] = together[linear_sum_assignment(together, maximize=True)].sum()
        return found
