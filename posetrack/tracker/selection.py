"""Which of the estimated poses are people of their own, and which of their joints can be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.errors import ConfigError
from posetrack.tracker.oks import oks_nms
from posetrack.types import Poses


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionConfig:
    """Which poses and joints are kept.

    Attributes:
        max_oks: Of two poses more alike than this, only the better one is kept (OKS-NMS).
        min_pose_score: Poses whose joints' mean score is below it are no people.
        min_joint_score: Joints below it are missing in the output (the paper has 0.4 for its networks); the
            tracker itself goes on using them.
    """

    max_oks: float = 0.7
    min_pose_score: float = 0.15
    min_joint_score: float = 0.2

    def __post_init__(self) -> None:
        for name in ("max_oks", "min_pose_score", "min_joint_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")


def select_people(poses: Poses, config: SelectionConfig) -> Poses:
    """The poses that are people of their own, in their order."""
    used = poses.skeleton.in_use
    kept = poses[poses.keypoint_scores[:, used].mean(axis=1) >= config.min_pose_score]
    return kept[np.sort(oks_nms(kept, config.max_oks))]


def select_joints(poses: Poses, config: SelectionConfig) -> Poses:
    """The same people; joints that cannot be believed are missing."""
    believed = poses.keypoint_scores >= config.min_joint_score
    return poses.replace(keypoint_scores=np.where(believed, poses.keypoint_scores, 0))
