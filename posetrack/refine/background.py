"""The background as a frame of reference: places of one frame, seen in another, although the camera has moved."""

from __future__ import annotations

import numpy as np

from posetrack.refine.clip import Clip, Doubles
from posetrack.types import IntArray


def seen_from(points: Doubles, frames: IntArray, views: IntArray | int, clip: Clip) -> Doubles:
    """Where places of the background are in other frames of the same shot; the same places if the camera is still.

    Args:
        points: float64 [N, ..., 2] places, in pixels.
        frames: int64 [N], the frames in which they are there: places in the clip's list of frames.
        views: int64 [N], or one for all: the frames to see them from.
        clip: Whose frames they are.

    Returns:
        float64 [N, ..., 2].
    """
    if clip.to_first is None or clip.from_first is None or not len(points):
        return points
    maps = clip.from_first[views] @ clip.to_first[frames]
    flat = points.reshape(len(points), -1, 2)
    moved = flat @ maps[:, :2, :2].transpose(0, 2, 1) + maps[:, None, :2, 2]
    return np.asarray(moved.reshape(points.shape), dtype=np.float64)
