"""No motion: the off switch of the flow."""

from __future__ import annotations

import numpy as np

from posetrack.flow.dense import inside
from posetrack.types import BoolArray, FloatArray, Image


class ZeroFlow:
    """An estimator that sees no motion: people are carried to where they were."""

    def estimate(self, previous: Image, current: Image) -> StillFlow:
        """No motion between two frames uint8 [H, W, 3], of which only the size is looked at."""
        height, width = current.shape[:2]
        return StillFlow((width, height))


class StillFlow:
    """Displacement 0 everywhere in a frame of the given width and height in pixels."""

    def __init__(self, frame_size: tuple[int, int]) -> None:
        self._frame_size = frame_size

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        """No displacement of points [M, 2], valid inside the frame."""
        return np.zeros(xy.shape, np.float32), inside(xy, self._frame_size)
