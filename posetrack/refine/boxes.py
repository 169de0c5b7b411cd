"""Steady boxes: a detector's boxes jump from frame to frame, people do not.

The size is a median over a second, the centre a median over half a second relative to the background, never across
a gap or a cut.
"""

from __future__ import annotations

import numpy as np

from posetrack.refine.arrays import moving_medians
from posetrack.refine.background import carried
from posetrack.refine.clip import Clip, Track
from posetrack.types import Doubles

_SIZE_S, _MIDDLE_S = 1.0, 0.5


def with_steady_boxes(track: Track, clip: Clip) -> Track:
    """The track with steady boxes; those that were found stay in ``raw_boxes``.

    Args:
        track: A person, filled.
        clip: Whose track it is.
    """
    if clip.frame_s <= 0:
        return track
    half = [round(seconds / 2 / clip.frame_s) for seconds in (_SIZE_S, _MIDDLE_S)]
    boxes = track.boxes.copy()
    breaks = np.flatnonzero((np.diff(track.frames) > 1) | (np.diff(clip.shots(track.frames)) > 0)) + 1
    for start, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(track)], strict=True):
        corners = track.boxes[start:end].reshape(-1, 2, 2)
        middles = corners.mean(axis=1)
        background = carried(middles, track.frames[start:end], clip)
        middle = _median(middles - background, half[1]) + background
        size = _median(corners[:, 1] - corners[:, 0], half[0])
        boxes[start:end] = np.concatenate([middle - size / 2, middle + size / 2], axis=1)
    return track.replace(boxes=boxes, raw_boxes=track.boxes if track.raw_boxes is None else track.raw_boxes)


def _median(values: Doubles, half: int) -> Doubles:
    """float64 [T, 2]: medians of as many values before as after, fewer near the ends."""
    count = len(values)
    wide = moving_medians(values, 2 * half + 1)
    rows = np.flatnonzero(np.minimum(np.arange(count), np.arange(count)[::-1]) < half)
    reach = np.minimum(rows, count - 1 - rows)[:, None]
    # as many values below all others as above them stand in for those that are too far: the median stays
    beside = np.arange(-half, half + 1)
    windows = values[np.clip(rows[:, None] + beside, 0, count - 1)]
    windows[beside < -reach] = -np.inf
    windows[beside > reach] = np.inf
    wide[rows] = np.sort(windows, axis=1)[:, half]
    return np.asarray(wide, dtype=np.float64)
