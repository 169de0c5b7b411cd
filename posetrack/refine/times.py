"""When frames were taken: from the file's own times, or from a frame rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.types import Doubles, IntArray


def frame_times(path: Path, frames: IntArray, known: Doubles, fps: float | None) -> Doubles:
    """float64 [F] times in seconds.

    Args:
        path: The file, for messages.
        frames: int64 [F] the frames' numbers, ascending.
        known: float64 [F] the times that the file gives; NaN where it gives none.
        fps: Frames per second, which replaces the file's times.

    Raises:
        DataFormatError: there are no times and no frame rate, or times do not ascend.
    """
    if fps is not None:
        return frames / fps
    given = np.flatnonzero(~np.isnan(known))
    if len(frames) and not len(given):
        raise DataFormatError(f"{path}: the file gives no times; give its frame rate (--fps 25).")
    if (np.diff(known[given]) <= 0).any():
        late = frames[given][1:][np.diff(known[given]) <= 0][0]
        raise DataFormatError(
            f"{path}: the time of frame {late} is not after that of the frame before; give the frame rate (--fps)."
        )
    if len(given) == 1 and len(frames) > 1:
        raise DataFormatError(f"{path}: only one frame has a time; give the frame rate (--fps 25).")
    return _completed(frames.astype(np.float64), known, given)


def _completed(frames: Doubles, known: Doubles, given: IntArray) -> Doubles:
    """Times between known ones interpolated, and those before and after at the mean rate."""
    if len(given) == len(frames):
        return known
    first, last = given[0], given[-1]
    step = (known[last] - known[first]) / (frames[last] - frames[first])
    times = np.interp(frames, frames[given], known[given])
    early, late = np.arange(len(frames)) < first, np.arange(len(frames)) > last
    times[early] = known[first] - step * (frames[first] - frames[early])
    times[late] = known[last] + step * (frames[late] - frames[last])
    return times
