"""Which people get new joints from the pose network, and who keeps the joints carried by the flow.

Between two frames of a video most people hardly change their posture, and the flow tells where each joint went.
"""

from __future__ import annotations

import numpy as np

from posetrack.tracker.config import TIME_PRECISION_S, RefreshConfig
from posetrack.tracker.joints import confident_joints, extents, masked_median
from posetrack.tracker.matching import rows_of
from posetrack.tracker.oks import iou_matrix
from posetrack.types import UNLINKED, BoolArray, FloatArray, IntArray, Poses


class Refresh:
    """Remembers of every track when its joints were last estimated, and how they lay; one instance for one video.

    Args:
        config: Settings.
    """

    def __init__(self, config: RefreshConfig) -> None:
        self._config = config
        self._estimated: Poses | None = None
        self._ages = np.zeros(0, np.int64)
        self._times_s = np.zeros(0)

    def reset(self) -> None:
        """Forget the past (a shot cut)."""
        self._estimated = None

    def due(self, carried: Poses, time_s: float) -> BoolArray:
        """bool [N]: the joints of a person carried to the frame at ``time_s`` (seconds) must be estimated.

        That is so without a track, ``every`` frames (or ``every_s``) after the last estimate, when confident
        joints are lost, when the posture has changed by more than ``max_motion``, or when the box lies on another.
        """
        if self._estimated is None or (self._config.every_s is None and self._config.every == 1):
            return np.ones(len(carried), np.bool_)
        rows, known = rows_of(carried.track_ids, self._estimated.track_ids)
        due = ~known | overlapped(carried.boxes, self._config.max_overlap)
        due[known] |= self._is_over(rows[known], time_s)
        waiting = np.flatnonzero(~due)
        then, now = self._estimated[rows[waiting]], carried[waiting]
        sure = confident_joints(then, self._config.min_joint_score)
        lost = (sure & ~now.present).any(axis=1)
        due[waiting] = lost | (posture_change(then.keypoints, now.keypoints, sure) > self._config.max_motion)
        return due

    def _is_over(self, rows: IntArray, time_s: float) -> BoolArray:
        """bool [M]: the interval since the last estimate of tracks."""
        if self._config.every_s is None:
            return np.asarray(self._ages[rows] + 1 >= self._config.every, np.bool_)
        return np.asarray(time_s - self._times_s[rows] >= self._config.every_s - TIME_PRECISION_S, np.bool_)

    def update(self, poses: Poses, estimated: BoolArray, time_s: float) -> None:
        """Take note of the linked poses of the frame at ``time_s``, and of which have new joints (bool [N])."""
        linked = poses.track_ids != UNLINKED
        poses, estimated = poses[linked], estimated[linked]
        ages, times_s = np.zeros(len(poses), np.int64), np.full(len(poses), time_s)
        if self._estimated is not None and not estimated.all():
            rows, known = rows_of(poses.track_ids, self._estimated.track_ids)
            kept = known & ~estimated
            ages[kept], times_s[kept] = self._ages[rows[kept]] + 1, self._times_s[rows[kept]]
            keypoints, scores = poses.keypoints.copy(), poses.keypoint_scores.copy()
            keypoints[kept] = self._estimated.keypoints[rows[kept]]
            scores[kept] = self._estimated.keypoint_scores[rows[kept]]
            poses = poses.replace(keypoints=keypoints, keypoint_scores=scores)
        self._estimated, self._ages, self._times_s = poses, ages, times_s


def overlapped(boxes: FloatArray, max_iou: float) -> BoolArray:
    """bool [N]: the box, of float32 [N, 4], overlaps another of them by more than that."""
    overlaps = iou_matrix(boxes, boxes)
    np.fill_diagonal(overlaps, 0)
    return np.asarray((overlaps > max_iou).any(axis=1), np.bool_)


def posture_change(before: FloatArray, after: FloatArray, joints: BoolArray) -> FloatArray:
    """How far the joints moved against the body, on average, over the body's size.

    The mean predicts the joints lost by carrying better than the farthest joint does (half a point of MOTA for the
    same number of estimates). The body's own motion (and the camera's) is the median of its joints'.
    Its size is the longer side of the joints' extent.

    Args:
        before, after: float32 [N, K, 2], source pixels.
        joints: bool [N, K], which of them count.

    Returns:
        float32 [N]; 0 where no joint counts.
    """
    motion = after - before
    against_body = np.linalg.norm(motion - masked_median(motion, joints)[:, None], axis=2)
    low, high = extents(before, joints)
    size = np.maximum((high - low).max(axis=1), 1)
    mean = np.where(joints, against_body, 0).sum(axis=1) / np.maximum(joints.sum(axis=1), 1)
    return np.asarray(mean / size, np.float32)
