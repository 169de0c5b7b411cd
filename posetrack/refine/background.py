"""The background as a frame of reference: maps positions between frames while the camera moves."""

from __future__ import annotations

import numpy as np

from posetrack.refine.clip import Clip
from posetrack.types import Doubles, IntArray


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


def displacement(
    places: Doubles, frames: IntArray, later_places: Doubles, later_frames: IntArray, clip: Clip
) -> Doubles:
    """How far a person has moved against the background between two frames of a shot, whichever way time runs.

    Args:
        places, later_places: float64 [N, 2] where they are in the first and in the second frame, in pixels.
        frames, later_frames: int64 [N]: places in the clip's list of frames.
        clip: Whose frames they are.

    Returns:
        float64 [N, 2], pixels: the mean of what both frames show.
    """
    in_first = seen_from(later_places, later_frames, frames, clip) - places
    in_second = later_places - seen_from(places, frames, later_frames, clip)
    return (in_first + in_second) / 2


def carried(places: Doubles, frames: IntArray, clip: Clip) -> Doubles:
    """How far the background under a person has moved in the frame since their first frame.

    Unlike ``seen_from`` it follows the place from frame to frame, so that small errors of the camera's zoom and
    turn do not grow. Played backwards, it is the same motion.

    Args:
        places: float64 [N, 2] where they are, in pixels.
        frames: int64 [N], ascending: places in the clip's list of frames.
        clip: Whose frames they are.

    Returns:
        float64 [N, 2], pixels; no motion over missing frames and cuts.
    """
    steps = np.zeros_like(places)
    if clip.steps is not None and len(places) > 1:
        forwards, backwards = clip.steps
        rows = 1 + np.flatnonzero((np.diff(frames) == 1) & (np.diff(clip.shots(frames)) == 0))
        middle = (places[rows - 1] + _moved(places[rows], backwards[frames[rows]])) / 2
        steps[rows] = _moved(middle, forwards[frames[rows]]) - middle
    return np.cumsum(steps, axis=0)


def _moved(points: Doubles, maps: Doubles) -> Doubles:
    """Points [N, ..., 2] by affine maps, [N, 3, 3] or [3, 3]: without products of matrices, which are slow."""
    if maps.ndim == 3:
        maps = maps.reshape(len(points), *(1,) * (points.ndim - 2), 3, 3)
    x, y = points[..., 0], points[..., 1]
    moved = np.empty_like(points)
    for axis in range(2):
        moved[..., axis] = maps[..., axis, 0] * x + maps[..., axis, 1] * y + maps[..., axis, 2]
    return moved
