"""How good a pose network is on labelled people, boxes given: PCK, and whether its scores are probabilities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posetrack.calibration import RIGHT_TORSO_SHARE, Calibration
from posetrack.errors import DataFormatError
from posetrack.models.pose import HeatmapPoseEstimator
from posetrack.training.pck import MIN_TORSO_PX, pck, torso_lengths
from posetrack.training.photographs import read_image
from posetrack.training.pose_people import LabelledPerson
from posetrack.types import BoolArray, Boxes, FloatArray

_BINS = 10
_NEWTON_STEPS = 100
_SMALLEST = 1e-6
"""Scores are kept this far from 0 and 1, where the logit is infinite."""


def measure_pck(estimator: HeatmapPoseEstimator, people: Sequence[LabelledPerson]) -> dict[str, float]:
    """PCK@0.2 of an estimator on labelled people, boxes given; joints labelled by a network do not count.

    NaN if there is nobody to count.
    """
    predicted, _ = estimated_joints(estimator, people)
    return pck(predicted, *_truth(people, len(estimator.skeleton)), estimator.skeleton)


def estimated_joints(
    estimator: HeatmapPoseEstimator, people: Sequence[LabelledPerson]
) -> tuple[FloatArray, FloatArray]:
    """Joints float32 [N, K, 2] in source pixels and their scores [N, K], in the boxes of N people.

    Raises:
        DataFormatError: an image cannot be read.
    """
    by_image: defaultdict[Path, list[int]] = defaultdict(list)
    for index, person in enumerate(people):
        by_image[person.image].append(index)
    keypoints = np.zeros((len(people), len(estimator.skeleton), 2), np.float32)
    scores = np.zeros(keypoints.shape[:2], np.float32)
    for path, indices in by_image.items():
        boxes = Boxes(np.stack([people[i].box for i in indices]), np.ones(len(indices), np.float32))
        poses = estimator.estimate(read_image(path), boxes)
        keypoints[indices], scores[indices] = poses.keypoints, poses.keypoint_scores
    return keypoints, scores


def joint_outcomes(
    estimator: HeatmapPoseEstimator, people: Sequence[LabelledPerson]
) -> tuple[FloatArray, BoolArray]:
    """Scores of the joints labelled by people, and whether each lies within a fifth of the torso of its label.

    People whose torso is unknown or shorter than ``MIN_TORSO_PX`` are left out.

    Returns:
        float32 [J] and bool [J].
    """
    predicted, scores = estimated_joints(estimator, people)
    truth, human = _truth(people, len(estimator.skeleton))
    torso = torso_lengths(truth, human, estimator.skeleton)
    counted = human & (torso >= MIN_TORSO_PX)[:, None] & (scores > 0)
    right = np.linalg.norm(predicted - truth, axis=-1) <= RIGHT_TORSO_SHARE * torso[:, None]
    return scores[counted], np.asarray(right[counted], np.bool_)


def fit_calibration(scores: FloatArray, right: BoolArray) -> Calibration:
    """The calibration with the greatest likelihood: logistic regression on the scores' logits.

    Args:
        scores: float32 [J] in [0, 1].
        right: bool [J].

    Raises:
        DataFormatError: there are no right joints or no wrong ones, or scores do not rise with them.
    """
    if right.all() or not right.any():
        raise DataFormatError("a calibration needs right joints and wrong ones; give more labelled people.")
    clipped = scores.astype(np.float64).clip(_SMALLEST, 1 - _SMALLEST)
    inputs = np.stack([np.log(clipped / (1 - clipped)), np.ones(len(scores))], axis=1)
    parameters = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        found = 1 / (1 + np.exp(-(inputs @ parameters)))
        curvature = (inputs * (found * (1 - found))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, inputs.T @ (right - found))
        parameters = parameters + step.clip(-1, 1)
        if np.abs(step).max() < 1e-10:
            break
    slope, intercept = (round(float(value), 6) for value in parameters)
    if slope < 0.01:
        raise DataFormatError("higher scores do not mean better joints here: these scores cannot be calibrated.")
    return Calibration(slope=slope, intercept=intercept)


def calibration_error(probabilities: FloatArray, right: BoolArray, bins: int = _BINS) -> float:
    """Expected calibration error (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3).

    The mean over all joints of |mean probability - share of right joints| within ``bins`` bins of equal width; NaN
    without joints.
    """
    if not len(right):
        return float("nan")
    gaps = [abs(mean - share) * count for mean, share, count in reliability(probabilities, right, bins)]
    return float(sum(gaps) / len(right))


def reliability(probabilities: FloatArray, right: BoolArray, bins: int = _BINS) -> list[tuple[float, float, int]]:
    """Mean probability, share of right joints, and number of joints of each bin that has any."""
    bin_of = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    return [
        (float(probabilities[members].mean()), float(right[members].mean()), int(members.sum()))
        for members in (bin_of == number for number in range(bins))
        if members.any()
    ]


def _truth(people: Sequence[LabelledPerson], joints: int) -> tuple[FloatArray, BoolArray]:
    """Joints float32 [N, K, 2], and bool [N, K]: labelled by a person."""
    keypoints = np.array([person.keypoints for person in people], np.float32).reshape(-1, joints, 2)
    return keypoints, np.array([person.human for person in people], np.bool_).reshape(-1, joints)
