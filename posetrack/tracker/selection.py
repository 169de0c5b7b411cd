"""Which estimated poses are separate people, and what is reported of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posetrack.calibration import Calibration
from posetrack.errors import ConfigError
from posetrack.ranges import require_fraction, require_kinds
from posetrack.tracker.joints import mean_scores, used_joints
from posetrack.tracker.oks import inside_matrix, iou_matrix, oks_nms, part_oks
from posetrack.tracker.pose_nms import ParametricConfig, parametric_nms
from posetrack.types import BoolArray, FloatArray, IntArray, Poses

POSE_NMS = ("oks", "parametric")
"""Rules by which two poses are found to be of the same person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionConfig:
    """Which poses and joints are kept.

    Attributes:
        nms: ``oks`` (see ``oks.oks_nms``) or ``parametric``, AlphaPose's (see ``pose_nms``).
        max_oks: Of two poses more alike than this, only the better one is kept (OKS-NMS).
        min_nms_joint_score: Joints below it are not compared by OKS-NMS.
        sure_score: Two people with at least this box score, ...
        max_sure_iou: ... in boxes that overlap by less than this, are two even if their poses are alike: where
            people cross, the pose network takes some of one's limbs for the other's; ...
        max_sure_oks: ... unless the poses coincide, limb by limb.
        min_inside: A person whose box lies in another's by at least this share, ...
        max_part_oks: ... and whose joints are more alike to the other's than this, on the other's scale, is a part
            of the other: half a body beside the whole one. The whole is kept, unless it is neither sure
            nor as sure as the part: then its box was carried too large.
        parametric: The parameters of AlphaPose's suppression.
        min_pose_score: Poses with a lower mean joint score are dropped.
        min_joint_score: Joints below it are missing in the output (the paper has 0.4 for its networks); the
            tracker itself goes on using them.
        calibration: Turns the scores of reported joints into probabilities. ``None`` leaves them as the network
            gave them. All thresholds apply to the network's own scores.
        rescore: Report box score x mean score of the joints that are not missing as a person's score, as the
            paper's code does for COCO's AP (``IN_VIS_THRE``). The tracker itself goes on using box scores.
    """

    nms: str = "oks"
    max_oks: float = 0.5
    min_nms_joint_score: float = 0.3
    sure_score: float = 0.8
    max_sure_iou: float = 0.3
    max_sure_oks: float = 0.9
    min_inside: float = 0.8
    max_part_oks: float = 0.7
    parametric: ParametricConfig = field(default_factory=ParametricConfig)
    min_pose_score: float = 0.15
    min_joint_score: float = 0.2
    calibration: Calibration | None = None
    rescore: bool = False

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.nms not in POSE_NMS:
            raise ConfigError(f"nms is {self.nms!r}; choose one of {', '.join(POSE_NMS)}.")
        require_fraction(
            max_oks=self.max_oks,
            min_nms_joint_score=self.min_nms_joint_score,
            sure_score=self.sure_score,
            max_sure_iou=self.max_sure_iou,
            max_sure_oks=self.max_sure_oks,
            min_inside=self.min_inside,
            max_part_oks=self.max_part_oks,
            min_pose_score=self.min_pose_score,
            min_joint_score=self.min_joint_score,
        )


def people_among(poses: Poses, config: SelectionConfig) -> IntArray:
    """Which poses are separate people: rows, ascending."""
    seen = np.flatnonzero(mean_scores(poses) >= config.min_pose_score)
    return np.asarray(seen[np.sort(_distinct(poses[seen], config))], np.int64)


def _distinct(poses: Poses, config: SelectionConfig) -> IntArray:
    if config.nms == "parametric":
        return parametric_nms(poses, config.parametric)
    sure = poses.scores >= config.sure_score
    apart = iou_matrix(poses.boxes, poses.boxes) < config.max_sure_iou
    limits = np.where(sure[:, None] & sure & apart, max(config.max_sure_oks, config.max_oks), config.max_oks)
    clear = _with_joints(poses, config.min_nms_joint_score)
    whole = np.flatnonzero(~_is_part(clear, config))
    return whole[oks_nms(clear[whole], limits[np.ix_(whole, whole)])]


def _is_part(poses: Poses, config: SelectionConfig) -> BoolArray:
    """bool [N]: the pose covers a part of another person, who is sure, or at least as sure."""
    within = inside_matrix(poses.boxes, poses.boxes) >= config.min_inside
    within &= (poses.scores >= config.sure_score) | (poses.scores[:, None] <= poses.scores)
    inner, outer = np.nonzero(within & ~within.T)
    part = np.zeros(len(poses), np.bool_)
    if len(inner):
        part[inner[part_oks(poses, inner, outer) > config.max_part_oks]] = True
    return part


def select_joints(poses: Poses, config: SelectionConfig) -> Poses:
    """The same people as they are reported: uncertain joints are missing, and scores may be new.

    Rescoring comes last, since all that goes before compares a person's score with the detector's: carried boxes
    inherit it, frame after frame, and would fade away by the mean joint score each time.
    """
    reported = _with_joints(poses, config.min_joint_score)
    if config.calibration is not None:
        reported = reported.replace(keypoint_scores=config.calibration(reported.keypoint_scores))
    if not config.rescore:
        return reported
    return reported.replace(scores=rescored(reported))


def rescored(poses: Poses) -> FloatArray:
    """Box score x mean score of the joints that are there: float32 [N] in [0, 1], 0 where there is none.

    Xiao, Wu, Wei, ECCV 2018: lib/dataset/coco.py of their code, ``rescoring``.
    """
    there = used_joints(poses)
    total = np.where(there, poses.keypoint_scores, 0).sum(axis=1)
    return np.asarray(poses.scores * total / np.maximum(there.sum(axis=1), 1), np.float32)


def _with_joints(poses: Poses, min_score: float) -> Poses:
    """The same poses without joints below a score."""
    believed = poses.keypoint_scores >= min_score
    return poses.replace(keypoint_scores=np.where(believed, poses.keypoint_scores, 0))
