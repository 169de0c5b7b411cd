"""Keypoint HOTA per joint, like the PoseTrack21 kit's.

Sources: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", 2021; Doering
et al., "PoseTrack21", 2022. There are two deviations from the kit. In a frame without predictions the kit
counts all joints of the sequence as missed; here only the frame's count. On a frame whose ground truth lies
entirely in ignore regions the kit crashes; here the frame is skipped. Like the kit, and unlike TrackEval and
the paper, this matches a frame by its similarities alone, without the global alignment score of tracks.

As in the kit, a joint counts only if x > 0 and y > 0. Similarity falls from 1 to 0 at half a head size.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from posetrack.evaluation.assignment import contested
from posetrack.evaluation.sequences import Distances, Sequence, Side
from posetrack.evaluation.track_pairs import TrackPairs, observed_tracks
from posetrack.types import BoolArray, Doubles, IntArray

THRESHOLDS = np.arange(0.05, 0.99, 0.05)
"""The 19 similarity thresholds alpha that HOTA averages over."""

_ZERO_SIMILARITY_DISTANCE = 0.5001
_TINY = 1e-10


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HotaParts:
    """Components of HOTA for A thresholds and K joints. The last column is all joints together.

    Attributes:
        found, missed, wrong: float64 [A, K + 1]: true positives, false negatives, false positives.
        association, association_recall, association_precision: float64 [A, K + 1] in 0..1, averages over the
            true positives.
        localisation: float64 [A, K + 1] in 0..1, average similarity of the true positives.
        averages: figures of the last column are means over joints; otherwise they come from its own counts.
    """

    found: Doubles
    missed: Doubles
    wrong: Doubles
    association: Doubles
    association_recall: Doubles
    association_precision: Doubles
    localisation: Doubles
    averages: bool

    @classmethod
    def pooled(cls, parts: SequenceOf[HotaParts]) -> HotaParts:
        """Pool sequences: sum the counts, weight the averages by true positives."""
        found = np.sum([part.found for part in parts], axis=0)

        def weighted(name: str) -> Doubles:
            total: Doubles = np.sum([getattr(part, name) * part.found for part in parts], axis=0)
            return total

        return cls(
            found=found,
            missed=np.sum([part.missed for part in parts], axis=0),
            wrong=np.sum([part.wrong for part in parts], axis=0),
            association=weighted("association") / np.maximum(1, found),
            association_recall=weighted("association_recall") / np.maximum(1, found),
            association_precision=weighted("association_precision") / np.maximum(1, found),
            localisation=np.maximum(_TINY, weighted("localisation")) / np.maximum(_TINY, found),
            averages=False,
        )

    def figures(self) -> dict[str, Doubles]:
        """HOTA, DetA, AssA, LocA and the recalls and precisions: float64 [K + 1] each, percent."""
        detection = self.found / np.maximum(1, self.found + self.missed + self.wrong)
        columns = {
            "HOTA": np.sqrt(detection * self.association),
            "DetA": detection,
            "AssA": self.association,
            "LocA": self.localisation,
            "DetRe": self.found / np.maximum(1, self.found + self.missed),
            "DetPr": self.found / np.maximum(1, self.found + self.wrong),
            "AssRe": self.association_recall,
            "AssPr": self.association_precision,
        }
        if self.averages:
            columns = {name: _with_mean(values[:, :-1]) for name, values in columns.items()}
        return {name: 100 * values.mean(axis=0) for name, values in columns.items()}


class HotaMatcher:
    """Matches joints frame by frame by the largest total similarity, and evaluates tracks afterwards."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._truth_valid = _valid(sequence.truth)
        self._prediction_valid = _valid(sequence.prediction)
        self._observations: list[tuple[IntArray, IntArray, IntArray]] = []
        self._similarities: list[Doubles] = []

    def add(self, run: Distances) -> None:
        """Match the joints of a run of frames."""
        similarity = np.maximum(1 - run.values / _ZERO_SIMILARITY_DISTANCE, 0)
        similarity *= _padded(self._truth_valid, run.truth)[:, :, :, None]
        similarity *= _padded(self._prediction_valid, run.prediction)[:, :, None, :]
        matched = similarity > 0
        frames, joints = np.nonzero(contested(matched))
        for frame, joint in zip(frames.tolist(), joints.tolist(), strict=True):
            people = (run.truth[frame] >= 0).sum(), (run.prediction[frame] >= 0).sum()
            candidates = matched[frame, joint]
            chosen = np.zeros_like(candidates)
            chosen[linear_sum_assignment(-similarity[frame, joint, : people[0], : people[1]])] = True
            candidates &= chosen
        frames, joints, rows, columns = np.nonzero(matched)
        self._observations.append(observed_tracks(self._sequence, run, (frames, joints, rows, columns)))
        self._similarities.append(similarity[frames, joints, rows, columns])

    def parts(self) -> HotaParts:
        """Detection, association and localisation of the sequence."""
        truth, prediction = self._sequence.truth, self._sequence.prediction
        kept = self._sequence.truth.counts > 0
        truth_counts = _joints_of_tracks(truth, self._truth_valid)
        prediction_counts = _joints_of_tracks(prediction, self._prediction_valid & kept[prediction.frames, None])
        columns = [np.concatenate(column) for column in zip(*self._observations, strict=True)]
        joints, tracks, predicted_tracks = columns or [np.zeros(0, dtype=np.int64)] * 3
        similarities = np.concatenate([np.zeros(0), *self._similarities])
        pairs = TrackPairs.of(joints, tracks, predicted_tracks)

        # a match passes the first `levels` thresholds, and is a true positive of those
        levels = np.searchsorted(THRESHOLDS - np.finfo(float).eps, similarities, side="right")
        passes = levels[:, None] > np.arange(len(THRESHOLDS))
        joint_count = truth.present.shape[1]
        found = _sum_by(joints, passes.astype(float), joint_count)
        matches = _sum_by(pairs.of_observation, passes.astype(float), len(pairs))
        of_truth = truth_counts[pairs.truth, pairs.joints][:, None]
        of_prediction = prediction_counts[pairs.prediction, pairs.joints][:, None]

        def per_match(denominator: Doubles) -> Doubles:
            total = _sum_by(pairs.joints, matches**2 / np.maximum(1, denominator), joint_count)
            return _with_mean((total / np.maximum(1, found)).T)

        similarity_sums = _sum_by(joints, passes * similarities[:, None], joint_count)
        return HotaParts(
            found=_with_sum(found.T),
            missed=_with_sum((truth_counts.sum(axis=0)[:, None] - found).T),
            wrong=_with_sum((prediction_counts.sum(axis=0)[:, None] - found).T),
            association=per_match(of_truth + of_prediction - matches),
            association_recall=per_match(of_truth + 0 * matches),
            association_precision=per_match(of_prediction + 0 * matches),
            localisation=_with_mean((np.maximum(_TINY, similarity_sums) / np.maximum(_TINY, found)).T),
            averages=True,
        )


def _valid(side: Side) -> BoolArray:
    """bool [M, K]: the joints that the kit counts."""
    return side.present & (side.source.keypoints[side.rows] > 0).all(axis=2)


def _padded(valid: BoolArray, rows: IntArray) -> BoolArray:
    """bool [B, K, N] of bool [M, K]; False in the padding."""
    padded: BoolArray = valid[rows].transpose(0, 2, 1) & (rows >= 0)[:, None]
    return padded


def _joints_of_tracks(side: Side, valid: BoolArray) -> Doubles:
    """float64 [tracks, K]: number of frames in which each track has each joint."""
    return _sum_by(side.tracks, valid.astype(float), len(side.track_ids))


def _sum_by(groups: IntArray, values: Doubles, count: int) -> Doubles:
    """Sums of rows [N, C] by group -> [count, C]."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums


def _with_mean(values: Doubles) -> Doubles:
    return np.concatenate([values, values.mean(axis=1, keepdims=True)], axis=1)


def _with_sum(values: Doubles) -> Doubles:
    return np.concatenate([values, values.sum(axis=1, keepdims=True)], axis=1)
