"""The recent paths of people."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from posetrack.types import UNLINKED, FloatArray, IntArray, Poses
from posetrack.video.background_motion import Affine

_ANCHORS = (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"))
"""Pairs of joints whose midpoint is followed, best first. Each pair has its own line: one line for both would
zigzag."""


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    time_s: float
    track_ids: IntArray  # [M]
    xy: FloatArray  # [M, len(_ANCHORS), 2]; NaN where unknown


class Trails:
    """The path of everyone seen recently. Memory is bounded by the people within ``length_s``.

    Args:
        length_s: Length of the trails in seconds.
    """

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._moments: deque[_Moment] = deque()

    def add(self, time_s: float, poses: Poses, camera: Affine | None = None) -> None:
        """Append a frame.

        Args:
            time_s: Its time. If it is not later than the previous one, the trails are reset first.
            poses: N people. People without an id leave no trail.
            camera: float64 [2, 3], where the background has moved since the frame before; trails move with it, so
                that they stay where people were. None if it is still.
        """
        if self._moments and time_s <= self._moments[-1].time_s:
            self.reset()
        if camera is not None:
            self._moments = deque(replace(one, xy=_moved(one.xy, camera)) for one in self._moments)
        poses = poses[poses.track_ids != UNLINKED]
        xy = np.where(poses.present[..., None], poses.keypoints, np.nan)
        anchors = np.full((len(xy), len(_ANCHORS), 2), np.nan, np.float32)
        for number, pair in enumerate(_ANCHORS):
            if all(joint in poses.skeleton.joints for joint in pair):
                anchors[:, number] = xy[:, [poses.skeleton.index(joint) for joint in pair]].mean(axis=1)
        self._moments.append(_Moment(time_s, poses.track_ids, anchors))
        while self._moments[0].time_s < time_s - self._length_s:
            self._moments.popleft()

    def reset(self) -> None:
        """Forget everything (a shot cut, another video)."""
        self._moments.clear()

    def lines(self) -> dict[int, list[FloatArray]]:
        """Lines of every track id, float32 [P, 2] with P >= 2, oldest point first, in pixels."""
        if not self._moments:
            return {}
        ids = np.concatenate([moment.track_ids for moment in self._moments])
        xy = np.concatenate([moment.xy for moment in self._moments])
        known = np.isfinite(xy).all(axis=-1)
        paths: dict[int, list[FloatArray]] = {}
        for track_id in np.unique(ids).tolist():
            for anchor in range(len(_ANCHORS)):
                path = xy[(ids == track_id) & known[:, anchor], anchor]
                if len(path) > 1:
                    paths.setdefault(track_id, []).append(path)
        return paths


def _moved(points: FloatArray, camera: Affine) -> FloatArray:
    return np.asarray(points @ camera[:, :2].T + camera[:, 2], np.float32)
