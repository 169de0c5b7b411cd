"""Conversion of poses from one skeleton to another.

Joints that both skeletons name are copied. Joints that only the target has are approximated from nearby joints
where possible, and otherwise missing (score 0). Joints that only the source has are lost.

| target joint | from | how |
|---|---|---|
| ``head_bottom`` | COCO, Halpe, BODY_25 | 0.30 of the way from the shoulders' middle to the nose |
| ``head_top`` | COCO, BODY_25 | the same line extended to 1.65 of that way |
| ``nose`` | LSP | 0.45 of the way from ``head_bottom`` to ``head_top`` |
| ``neck``, ``mid_hip`` | all others | the middle of the shoulders, of the hips, as OpenPose defines them |
| eyes, ears, feet | those without | left out |

The three fractions are medians over the upright people of Leeds Sports Pose Extended. They suit faces seen
from the front; a bent head pulls both head joints towards the nose, by up to a quarter of a head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import Skeleton
from posetrack.types import Origin, Poses

_NECK_TO_NOSE = 0.30
_CROWN_BEYOND_NOSE = 1.65
_CHIN_TO_NOSE = 0.45


def _along_face(fraction: float) -> dict[str, float]:
    """Weights of a point on the line from the shoulders' middle (0) to the nose (1)."""
    half = (1 - fraction) / 2
    return {"left_shoulder": half, "right_shoulder": half, "nose": fraction}


APPROXIMATIONS: dict[str, dict[str, float]] = {
    "head_bottom": _along_face(_NECK_TO_NOSE),
    "head_top": _along_face(_CROWN_BEYOND_NOSE),
    "nose": {"head_bottom": 1 - _CHIN_TO_NOSE, "head_top": _CHIN_TO_NOSE},
    "neck": {"left_shoulder": 0.5, "right_shoulder": 0.5},
    "mid_hip": {"left_hip": 0.5, "right_hip": 0.5},
}
"""Joint -> weights (summing to 1) of the joints it is approximated from."""


def conversion_matrix(source: Skeleton, target: Skeleton) -> NDArray[np.float32]:
    """Weights that express the target's joints in the source's.

    Returns:
        float32 [K_target, K_source]; a row sums to 1, or is 0 where the joint is left out.

    >>> from posetrack.skeletons import COCO, POSETRACK
    >>> conversion_matrix(COCO, POSETRACK).shape
    (17, 17)
    """
    weights = np.zeros((len(target), len(source)), np.float32)
    known = set(source.joints) - source.unused
    for slot, joint in enumerate(target.joints):
        if joint in target.unused:
            continue
        blend = {joint: 1.0} if joint in known else APPROXIMATIONS.get(joint, {})
        if known.issuperset(blend):
            for name, weight in blend.items():
                weights[slot, source.index(name)] = weight
    return weights


def convert_poses(poses: Poses, target: Skeleton) -> Poses:
    """The same people with the joints of ``target``.

    A joint's score is the lowest of the joints it is made from; it is missing if one of them is.
    """
    if target == poses.skeleton:
        return poses
    weights = conversion_matrix(poses.skeleton, target)
    needed = weights != 0
    present = poses.present
    keypoints = np.einsum("ts,nsc->ntc", weights, np.where(present[..., None], poses.keypoints, 0))
    scores = np.where(needed, poses.keypoint_scores[:, None, :], np.inf).min(axis=2, initial=np.inf)
    # A joint made from several takes the least direct of their origins.
    origin = np.where(needed, poses.origin[:, None, :], Origin.ESTIMATED).max(axis=2, initial=Origin.ESTIMATED)
    pending = poses.pending[:, None]
    return poses.replace(
        keypoints=keypoints,
        keypoint_scores=np.where(needed.any(axis=1), scores, 0),
        origin=np.where(pending, Origin.PENDING, origin),
        skeleton=target,
    )
