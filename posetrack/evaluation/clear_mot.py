"""CLEAR MOT per joint, like the official PoseTrack evaluator's with motmetrics 1.4.

Source: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT
Metrics", 2008. Deviations from it are the official evaluator's.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np

from posetrack.evaluation.assignment import contested, most_pairs_least_cost
from posetrack.evaluation.average_precision import MATCH_DISTANCE
from posetrack.evaluation.sequences import Distances, Sequence
from posetrack.types import BoolArray, Doubles, IntArray

NO_TRACK = -1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JointPairs:
    """E matched joints of a sequence, in the order of frames.

    Attributes:
        frames: int64 [E]: numbers of the kept frames.
        joints: int64 [E].
        truth, prediction: int64 [E]: rows of the two sides.
        previous: int64 [E]: at a switch, the prediction track that was matched before; else -1.
    """

    frames: IntArray
    joints: IntArray
    truth: IntArray
    prediction: IntArray
    previous: IntArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MotCounts:
    """Counts behind MOTA and MOTP of K joints, [K] each.

    Attributes:
        objects, misses, false_positives, switches, detections: int64.
        distance_of_events: float64: sum over all of motmetrics' events, including its bookkeeping events.
        distance_of_matches: float64: sum over matches and switches.
    """

    objects: IntArray
    misses: IntArray
    false_positives: IntArray
    switches: IntArray
    detections: IntArray
    distance_of_events: Doubles
    distance_of_matches: Doubles

    @classmethod
    def total(cls, parts: SequenceOf[MotCounts]) -> MotCounts:
        """Sum over sequences."""
        return cls(**{name: np.sum([getattr(part, name) for part in parts], axis=0) for name in cls.__slots__})


def tracked_frames(sequence: Sequence) -> int:
    """Number of kept frames that MOT evaluates: all but the last, which the official evaluator drops.

    The official evaluator fails on a single kept frame; here that frame is evaluated.
    """
    return max(len(sequence) - 1, 1)


class JointTracker:
    """Matches joints frame by frame: keeps earlier pairs, then assigns the rest.

    Pairs never expire: a truth's joint remembers its last prediction track over any gap.
    """

    def __init__(self, sequence: Sequence) -> None:
        joints = sequence.truth.present.shape[1]
        self._sequence = sequence
        self._last_track = np.full((joints, len(sequence.truth.track_ids)), NO_TRACK)
        self._last_owner = np.full((joints, len(sequence.prediction.track_ids)), NO_TRACK)
        self._ever_matched = np.zeros((joints, len(sequence.prediction.track_ids)), dtype=bool)
        self._pairs: list[tuple[IntArray, ...]] = []
        self._costs: list[Doubles] = []
        self._bookkeeping = np.zeros(joints)

    def add(self, run: Distances) -> None:
        """Match a run of frames. Runs must come in order."""
        near = run.values <= MATCH_DISTANCE
        tracked = run.frames < tracked_frames(self._sequence)
        # motmetrics records each pair that is near enough as a RAW event
        self._bookkeeping += np.where(near, run.values, 0)[tracked].sum(axis=(0, 2, 3))
        for number in np.flatnonzero(tracked & near.any(axis=(1, 2, 3))):
            self._frame(run, int(number), near[number])

    def _frame(self, run: Distances, number: int, near: BoolArray) -> None:
        truth, prediction = self._sequence.truth, self._sequence.prediction
        rows, columns = run.truth[number], run.prediction[number]
        rows, columns = rows[rows >= 0], columns[columns >= 0]
        near = near[:, : len(rows), : len(columns)]
        costs = run.values[number, :, : len(rows), : len(columns)]
        objects, tracks = truth.tracks[rows], prediction.tracks[columns]

        before = self._last_track[:, objects]
        kept = near & (before[:, :, None] == tracks)
        kept &= kept.cumsum(axis=1) == 1  # if two remember the same track, the first keeps it
        free = near & ~kept.any(axis=2, keepdims=True) & ~kept.any(axis=1, keepdims=True)
        if free.any():
            for joint in np.flatnonzero(contested(free)):
                of_joint = np.ix_(truth.present[rows, joint], prediction.present[columns, joint])
                free[joint][of_joint] = most_pairs_least_cost(free[joint][of_joint], costs[joint][of_joint])
            self._note_new(free, costs, objects, tracks)
        joints, row, column = np.nonzero(kept | free)
        previous = np.where(free[joints, row, column], before[joints, row], NO_TRACK)
        self._last_track[joints, objects[row]] = tracks[column]
        self._ever_matched[joints, tracks[column]] = True
        frames = np.full(len(joints), run.frames[number])
        self._pairs.append((frames, joints, rows[row], columns[column], previous))
        self._costs.append(costs[joints, row, column])

    def _note_new(self, new: BoolArray, costs: Doubles, objects: IntArray, tracks: IntArray) -> None:
        """Add the distances of motmetrics' bookkeeping events for new matches."""
        joints, row, column = np.nonzero(new)
        objects, tracks = objects[row], tracks[column]
        switch = self._last_track[joints, objects] >= 0
        owner = self._last_owner[joints, tracks]
        transfer = (owner >= 0) & (owner != objects)
        ascend = switch & ~self._ever_matched[joints, tracks]
        migrate = transfer & ~switch  # never matched before
        extra = transfer.astype(np.int64) + ascend + migrate
        np.add.at(self._bookkeeping, joints, extra * costs[joints, row, column])
        self._last_owner[joints, tracks] = objects

    def pairs(self) -> JointPairs:
        """All pairs so far."""
        columns = [np.concatenate(column) for column in zip(*self._pairs, strict=True)]
        frames, joints, truth, prediction, previous = columns or [np.zeros(0, dtype=np.int64)] * 5
        return JointPairs(frames=frames, joints=joints, truth=truth, prediction=prediction, previous=previous)

    def counts(self) -> MotCounts:
        """Counts so far.

        A frame without people on one side counts as one object, one miss and one false positive per joint,
        regardless of the number of people.
        """
        sequence, joints = self._sequence, len(self._bookkeeping)
        pairs = self.pairs()
        compared = sequence.compared & (np.arange(len(sequence)) < tracked_frames(sequence))
        empty = int((~sequence.compared)[: tracked_frames(sequence)].sum())
        objects = sequence.truth.present[compared[sequence.truth.frames]].sum(axis=0) + empty
        predicted = sequence.prediction.present[compared[sequence.prediction.frames]].sum(axis=0) + empty
        detections = np.bincount(pairs.joints, minlength=joints)
        costs = np.concatenate([np.zeros(0), *self._costs])
        distances = np.bincount(pairs.joints, costs, minlength=joints).astype(np.float64)
        return MotCounts(
            objects=objects,
            misses=objects - detections,
            false_positives=predicted - detections,
            switches=np.bincount(pairs.joints[pairs.previous >= 0], minlength=joints),
            detections=detections,
            distance_of_events=self._bookkeeping + distances,
            distance_of_matches=distances,
        )
