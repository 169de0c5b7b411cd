"""Sudden turns: points of a track where the motion before and the motion after belong to two people.

A tracker that switches from one person to another as they pass leaves no gap and no jump, but a kink in the path.
"""

from __future__ import annotations

import numpy as np

from posetrack.refine.arrays import norms
from posetrack.refine.background import seen_from
from posetrack.refine.bodies import centres, shows_trunk, sizes
from posetrack.refine.clip import Clip, Track
from posetrack.types import Doubles, IntArray

_WINDOW_S = 0.5
"""Motion is that of half a second, a step: on each side of a place."""

_FRAMES = 5
"""Fewer frames in the window do not tell the motion."""

_CHANGE = 1.0
"""Change of speed, in body sizes per second: more than from a walk (0.8) to a halt, less than to a walk back."""


def turns(track: Track, clip: Clip) -> IntArray:
    """int64: the first frames after sudden turns of a track, ascending.

    Args:
        track: As observed.
        clip: Whose track it is.
    """
    times = track.times
    size = np.median(sizes(track, clip.frame_s))
    rows = np.arange(1, len(track))
    first = np.searchsorted(times, times[rows - 1] - _WINDOW_S - 1e-9)
    last = np.searchsorted(times, times[rows] + _WINDOW_S + 1e-9, side="right")
    found = centres(track, clip.skeleton)
    views = {int(track.frames[middle]) for middle in ((len(track) - 1) // 2, len(track) // 2)}
    places = np.mean([seen_from(found, track.frames, view, clip) for view in sorted(views)], axis=0)
    speeds = Slopes(times - times[0], places / size)
    change = norms(speeds.over(rows, last) - speeds.over(first, rows))
    supported = (rows - first >= _FRAMES) & (last - rows >= _FRAMES)
    # where a trunk goes out of the frame, the centre becomes the box's: a kink of the estimate, not of the path
    trunk = np.append(0, np.cumsum(shows_trunk(track, clip.skeleton)))
    shown = trunk[last] - trunk[first]
    supported &= (shown == 0) | (shown == last - first)
    sudden = np.flatnonzero(supported & (change > _CHANGE))
    sharpest = np.array([run[change[run].argmax()] for run in runs_of(sudden)], dtype=np.int64)
    return track.frames[1:][sharpest]


def runs_of(rows: IntArray) -> list[IntArray]:
    """Ascending rows in groups of consecutive ones."""
    return np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else []


class Slopes:
    """Slopes of straight lines fitted to parts of a path, from cumulative sums.

    Args:
        times: float64 [T], seconds.
        places: float64 [T, 2].
    """

    def __init__(self, times: Doubles, places: Doubles) -> None:
        columns = [np.ones((len(times), 1)), times[:, None], times[:, None] ** 2, places, times[:, None] * places]
        sums = np.cumsum(np.concatenate(columns, axis=1), axis=0)
        self._sums = np.concatenate([np.zeros((1, sums.shape[1])), sums])

    def over(self, first: IntArray, last: IntArray) -> Doubles:
        """float64 [N, 2]: slope per second in the rows from ``first`` up to, without, ``last``."""
        parts = self._sums[last] - self._sums[first]
        count, time, square = parts[:, :1], parts[:, 1:2], parts[:, 2:3]
        place, product = parts[:, 3:5], parts[:, 5:7]
        spread = np.maximum(square - time**2 / count, 1e-9)
        return np.asarray((product - time * place / count) / spread)
