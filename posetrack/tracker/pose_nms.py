"""Parametric pose NMS: redundant poses found by a weighted distance (AlphaPose).

Fang, Xie, Tai, Lu: "RMPE: Regional Multi-Person Pose Estimation", ICCV 2017, section 3.2. The most confident
pose is the reference; poses that are redundant to it are dropped; the remaining poses follow in the same way.
Redundancy of a pose j to the reference i, with joints k, their scores c and the reference's box B_i:

    K_Sim = sum_n tanh(c_i^n / sigma_1) tanh(c_j^n / sigma_1)   where k_j^n lies in a box about k_i^n, each side of
                                                                which is a tenth of that of B_i, else 0
    H_Sim = sum_n exp(-|k_i^n - k_j^n|^2 / sigma_2)
    d     = K_Sim + lambda H_Sim

The paper calls d a distance and drops poses with d <= eta. But d grows with similarity, and AlphaPose's code
drops poses with d > eta, as does this module. The paper fits the parameters to data; the values here are those
of AlphaPose's published code (alphapose/utils/pPose_nms.py: delta1, delta2, mu, gamma, alpha, matchThreds), made
for COCO's 17 joints. That code has a second rule, also used here: poses are redundant if enough joints are
within a tenth of the box's longer side and within 7 pixels. Where the code departs from the paper, this module
follows the paper: the code leaves out the square in H_Sim, counts joints in K_Sim that are within one pixel of
one another, and merges what it drops into the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.ranges import require_above, require_at_least, require_kinds, require_whole
from posetrack.tracker.joints import mean_scores, used_joints
from posetrack.tracker.oks import suppress
from posetrack.types import BoolArray, FloatArray, IntArray, Poses

_FITTED_JOINTS = 17


@dataclass(frozen=True, kw_only=True, slots=True)
class ParametricConfig:
    """The parameters of the pose distance. Sums over joints are compared as if there were 17 of them.

    Attributes:
        score_scale: sigma_1; joint scores well above it count in full.
        distance_scale_px2: sigma_2, square source pixels.
        spatial_weight: lambda, of H_Sim against K_Sim.
        min_similarity: eta; poses more alike than this are the same person's.
        box_share: Side of the box about a joint, as a share of that of the pose's box.
        min_matches: As many joints close to one another make two poses the same person's.
        max_match_px: Joints farther apart than this are not close, however large the box is.
    """

    score_scale: float = 1.0
    distance_scale_px2: float = 2.65
    spatial_weight: float = 1.7
    min_similarity: float = 22.48
    box_share: float = 0.1
    min_matches: int = 5
    max_match_px: float = 7.0

    def __post_init__(self) -> None:
        require_kinds(self)
        require_above(
            0,
            score_scale=self.score_scale,
            distance_scale_px2=self.distance_scale_px2,
            box_share=self.box_share,
            max_match_px=self.max_match_px,
        )
        require_whole(1, min_matches=self.min_matches)
        require_at_least(0, spatial_weight=self.spatial_weight, min_similarity=self.min_similarity)


def parametric_similarity(poses: Poses, config: ParametricConfig) -> FloatArray:
    """d of every pose, as the reference, with every pose.

    Returns:
        float32 [N, N], the reference first; joints that either pose misses add nothing.
    """
    offsets, both = _offsets(poses)
    half = config.box_share / 2 * (poses.boxes[:, 2:] - poses.boxes[:, :2])
    inside = both & (np.abs(offsets) <= half[:, None, None]).all(axis=-1)
    certainty = np.tanh(poses.keypoint_scores / config.score_scale)
    matched = (inside * (certainty[:, None] * certainty[None])).sum(axis=-1)
    squared = np.square(offsets).sum(axis=-1)
    spatial = np.where(both, np.exp(-squared / config.distance_scale_px2), 0).sum(axis=-1)
    return np.asarray((matched + config.spatial_weight * spatial) * _scale(poses), np.float32)


def close_joints(poses: Poses, config: ParametricConfig) -> FloatArray:
    """float32 [N, N]: joints that lie close to the same joint of the reference (rows), as if of 17."""
    offsets, both = _offsets(poses)
    sides = (poses.boxes[:, 2:] - poses.boxes[:, :2]).max(axis=1)
    reach = np.minimum(config.box_share * sides, config.max_match_px)
    close = both & (np.square(offsets).sum(axis=-1) <= np.square(reach)[:, None, None])
    return np.asarray(close.sum(axis=-1) * _scale(poses), np.float32)


def parametric_nms(poses: Poses, config: ParametricConfig) -> IntArray:
    """Greedy suppression of redundant poses; the reference is the pose with the highest mean joint score.

    Returns:
        int64 [kept] indices into ``poses``, best first (the earlier pose first among equals).
    """
    redundant = parametric_similarity(poses, config) > config.min_similarity
    redundant |= close_joints(poses, config) >= config.min_matches - 1e-4
    return suppress(mean_scores(poses), redundant)


def _offsets(poses: Poses) -> tuple[FloatArray, BoolArray]:
    """float32 [N, N, K, 2] from each joint of the reference; bool [N, N, K], both poses have it."""
    present = used_joints(poses)
    points = np.where(present[..., None], poses.keypoints, np.float32(0))
    return points[None] - points[:, None], present[:, None] & present[None]


def _scale(poses: Poses) -> float:
    return _FITTED_JOINTS / len(poses.skeleton.in_use)
