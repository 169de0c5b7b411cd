"""Average precision of joints, like the official PoseTrack evaluator's."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np

from posetrack.evaluation.sequences import Distances, Sequence
from posetrack.types import BoolArray, Doubles, IntArray

MATCH_DISTANCE = 0.5
"""A joint is matched within half a head size (PCKh@0.5)."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredJoints:
    """All predicted joints (M people, K joints), which are correct, and how many the truth has.

    Attributes:
        scores: float64 [M, K].
        present: bool [M, K].
        correct: bool [M, K].
        truth_count: int64 [K].
    """

    scores: Doubles
    present: BoolArray
    correct: BoolArray
    truth_count: IntArray

    @classmethod
    def concatenate(cls, parts: SequenceOf[ScoredJoints]) -> ScoredJoints:
        """Concatenate parts. Their order decides between equal scores."""
        return cls(
            scores=np.concatenate([part.scores for part in parts]),
            present=np.concatenate([part.present for part in parts]),
            correct=np.concatenate([part.correct for part in parts]),
            truth_count=np.sum([part.truth_count for part in parts], axis=0),
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Precision:
    """AP and its counts, K joints; percent.

    Attributes:
        ap, precision, recall: float64 [K]. Equal scores are sorted stably, later predictions first.
        ap_best, ap_worst: float64 [K]: AP with equal scores in the best and in the worst order.
        tie_groups: int64 [K]: number of scores that correct and wrong predictions share: their order matters.
        truth_count, predicted_count, matched_count: int64 [K].
    """

    ap: Doubles
    precision: Doubles
    recall: Doubles
    ap_best: Doubles
    ap_worst: Doubles
    tie_groups: IntArray
    truth_count: IntArray
    predicted_count: IntArray
    matched_count: IntArray


class PoseAssignment:
    """Decides which predicted joints are correct, by assigning whole poses.

    The PCK of a pair is the share of the truth's joints that match. Each prediction keeps its best truth, then
    each truth its best prediction (the first of equals). A prediction that loses its truth is not assigned again.
    """

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._joint_counts = np.maximum(sequence.truth.present.sum(axis=1), 1)
        self._correct = np.zeros(sequence.prediction.present.shape, dtype=bool)

    def add(self, run: Distances) -> None:
        """Assign the poses of a run of frames."""
        matched = run.values <= MATCH_DISTANCE
        pck = matched.sum(axis=1) / self._joint_counts[run.truth][:, :, None]
        best_truth = pck.argmax(axis=1)
        pck[np.arange(pck.shape[1])[:, None] != best_truth[:, None]] = 0
        winner = pck.argmax(axis=2)
        frame, truth = np.nonzero(pck.max(axis=2) > 0)
        chosen = winner[frame, truth]
        self._correct[run.prediction[frame, chosen]] = matched[frame, :, truth, chosen]

    def joints(self) -> ScoredJoints:
        """All predicted joints of the sequence."""
        prediction = self._sequence.prediction
        return ScoredJoints(
            scores=prediction.joint_scores,
            present=prediction.present,
            correct=self._correct,
            truth_count=self._sequence.truth.present.sum(axis=0),
        )


def average_precision(joints: ScoredJoints) -> Precision:
    """Compute AP, precision and recall of each joint.

    All three are 0 for a joint that is never predicted. AP and recall are NaN for one that is predicted but
    never in the truth.
    """
    results = [
        _of_joint(scores[present], correct[present], int(count))
        for scores, present, correct, count in zip(
            joints.scores.T, joints.present.T, joints.correct.T, joints.truth_count, strict=True
        )
    ]
    figures = np.array(results).T
    return Precision(
        ap=figures[0],
        ap_best=figures[1],
        ap_worst=figures[2],
        precision=figures[3],
        recall=figures[4],
        tie_groups=figures[5].astype(np.int64),
        truth_count=joints.truth_count,
        predicted_count=joints.present.sum(axis=0),
        matched_count=(joints.correct & joints.present).sum(axis=0),
    )


def precision_recall(scores: Doubles, correct: BoolArray, truth_count: int) -> tuple[Doubles, Doubles]:
    """Compute the precision-recall curve of a joint, best score first (of equal scores, the last first).

    Args:
        scores: float64 [N].
        correct: bool [N].
        truth_count: Number of such joints in the truth.

    Returns:
        Precision [N] and recall [N] in 0..1; recall is NaN if the truth has no such joint.
    """
    return _curve(correct[_stable_order(scores)], truth_count)


def _of_joint(scores: Doubles, correct: BoolArray, truth_count: int) -> tuple[float, ...]:
    """AP, best and worst AP, precision and recall in percent, and the number of tie groups."""
    if not len(scores):
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    order = _stable_order(scores)
    scores, correct = scores[order], correct[order]
    precision, recall = _curve(correct, truth_count)
    area = best = worst = _area(precision, recall)
    mixed = _mixed_ties(scores, correct)
    if mixed:
        best, worst = (
            _area(*_curve(correct[np.lexsort((key, -scores))], truth_count)) for key in (~correct, correct)
        )
    return 100 * area, 100 * best, 100 * worst, 100 * float(precision[-1]), 100 * float(recall[-1]), float(mixed)


def _stable_order(scores: Doubles) -> IntArray:
    return np.argsort(scores, kind="stable")[::-1]


def _mixed_ties(scores: Doubles, correct: BoolArray) -> int:
    """Count the scores, sorted, that correct and wrong predictions share."""
    starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    if len(starts) == len(scores):
        return 0
    right = np.add.reduceat(correct, starts, dtype=np.int64)
    return int(((right > 0) & (right < np.diff(starts, append=len(scores)))).sum())


def _curve(correct_in_order: BoolArray, truth_count: int) -> tuple[Doubles, Doubles]:
    found = np.cumsum(correct_in_order)
    return found / np.arange(1, len(found) + 1), found / (truth_count or np.nan)


def _area(precision: Doubles, recall: Doubles) -> float:
    """Area under the precision envelope at all points. Source: PASCAL VOC development kit, 2010."""
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0) * envelope))
