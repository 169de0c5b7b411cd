"""PCK: the share of joints found within a fraction of the torso (Yang and Ramanan, PAMI 2013)."""

from __future__ import annotations

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, FloatArray

LIMB_JOINTS = tuple(
    f"{side}_{joint}"
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)
MIN_TORSO_PX = 5.0


def torso_lengths(keypoints: FloatArray, present: BoolArray, skeleton: Skeleton) -> FloatArray:
    """Left shoulder to right hip, or the other diagonal where one of these is missing.

    Args:
        keypoints: [N, K, 2] pixels.
        present: bool [N, K].

    Returns:
        float32 [N], pixels; 0 where both diagonals are missing.
    """
    lengths = np.zeros(len(keypoints), np.float32)
    # The first diagonal comes last: it overwrites the other.
    for shoulder, hip in (("right_shoulder", "left_hip"), ("left_shoulder", "right_hip")):
        a, b = skeleton.index(shoulder), skeleton.index(hip)
        both = present[:, a] & present[:, b]
        lengths[both] = np.linalg.norm(keypoints[both, a] - keypoints[both, b], axis=-1)
    return lengths


def pck(
    predicted: FloatArray, truth: FloatArray, present: BoolArray, skeleton: Skeleton, fraction: float = 0.2
) -> dict[str, float]:
    """Share of the twelve limb joints within ``fraction`` of the torso's length of the truth.

    Leaves out people whose torso is unknown or shorter than ``MIN_TORSO_PX``.

    Args:
        predicted: [N, K, 2] pixels; every joint counts, whatever its score.
        truth: [N, K, 2] pixels.
        present: bool [N, K], the joint is labelled by a person (not by a network).

    Returns:
        ``PCK@...`` of all joints, and the same for shoulder, elbow, wrist, hip, knee and ankle. NaN where there
        is nothing to count.
    """
    torso = torso_lengths(truth, present, skeleton)
    slots = np.array([skeleton.index(joint) for joint in LIMB_JOINTS])
    counted = present[:, slots] & (torso >= MIN_TORSO_PX)[:, None]
    distances = np.linalg.norm(predicted[:, slots] - truth[:, slots], axis=-1)
    found = counted & (distances <= fraction * torso[:, None])

    def share(columns: slice) -> float:
        total = int(counted[:, columns].sum())
        return float(found[:, columns].sum() / total) if total else float("nan")

    figures = {f"PCK@{fraction:g}": share(slice(None))}
    for start in range(0, len(LIMB_JOINTS), 2):
        figures[LIMB_JOINTS[start].removeprefix("left_")] = share(slice(start, start + 2))
    return figures
