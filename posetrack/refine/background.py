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
    return _moved(_moved(points, clip.to_first[frames]), clip.from_first[views])


def _moved(points: Doubles, maps: Doubles) -> Doubles:
    """Points [N, ..., 2] by affine maps, [N, 3, 3] or [3, 3]: without products of matrices, which are slow."""
    if maps.ndim == 3:
        maps = maps.reshape(len(points), *(1,) * (points.ndim - 2), 3, 3)
    x, y = points[..., 0], points[..., 1]
    moved = np.empty_like(points)
    for axis in range(2):
        moved[..., axis] = maps[..., axis, 0] * x + maps[..., axis, 1] * y + maps[..., axis, 2]
    return moved
