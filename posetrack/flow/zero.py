"""Flow without motion, to switch flow off."""

from __future__ import annotations

import numpy as np

from posetrack.flow.dense import inside
from posetrack.types import BoolArray, FloatArray, Image


class ZeroFlow:
    """A flow estimator that returns no motion, so that people are carried to where they were."""

    def estimate(self, previous: Image, current: Image) -> StillFlow:
        """No motion between two frames, uint8 [H, W, 3]; only their size is used."""
        height, width = current.shape[:2]
        return StillFlow((width, height))


class StillFlow:
    """Displacement 0 everywhere in a frame of the given width and height in pixels."""

    def __init__(self, frame_size: tuple[int, int]) -> None:
        self._frame_size = frame_size

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Displacement 0 of points [M, 2], valid inside the frame."""
        return np.zeros(xy.shape, np.float32), inside(xy, self._frame_size)
