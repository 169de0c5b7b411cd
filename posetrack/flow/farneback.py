"""Dense flow (Farnebäck: Two-Frame Motion Estimation Based on Polynomial Expansion, SCIA 2003)."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.flow.dense import DenseFlow, ReducedGrey
from posetrack.ranges import require_kinds, require_whole
from posetrack.types import Image

# OpenCV adds a constant to the determinant of each window's equations, which grows with the fourth power of
# contrast. Without gain it would pull the displacements to zero in soft, compressed video.
_GAIN = np.float32(30)


@dataclass(frozen=True, kw_only=True, slots=True)
class FarnebackConfig:
    """Settings of ``FarnebackFlow``.

    Attributes:
        max_side_px: Maximum side of a frame. Larger frames are shrunk.
        levels: Levels of the pyramid, each half the size of the one below.
        window_px: Side of the window over which displacements are averaged.
        iterations: Iterations per level.
    """

    max_side_px: int = 480
    levels: int = 5
    window_px: int = 15
    iterations: int = 3

    def __post_init__(self) -> None:
        require_kinds(self)
        require_whole(32, max_side_px=self.max_side_px)
        require_whole(3, window_px=self.window_px)
        require_whole(1, levels=self.levels, iterations=self.iterations)


class _Expansion(threading.local):
    """OpenCV's expansion, one per thread, because it is not thread-safe."""

    def __init__(self, config: FarnebackConfig) -> None:
        self.calc = cv2.FarnebackOpticalFlow.create(
            numLevels=config.levels,
            pyrScale=0.5,
            winSize=config.window_px,
            numIters=config.iterations,
            polyN=5,
            polySigma=1.1,
        ).calc


class FarnebackFlow:
    """Flow by OpenCV's polynomial expansion on shrunk grey frames. Thread-safe."""

    def __init__(self, config: FarnebackConfig) -> None:
        self._grey = ReducedGrey(config.max_side_px)
        self._expansion = _Expansion(config)

    def estimate(self, previous: Image, current: Image) -> DenseFlow:
        """Flow from ``previous`` to ``current``, both uint8 [H, W, 3] RGB of the same size."""
        first, second = self._grey.pair(previous, current)
        height, width = current.shape[:2]
        gained = first * _GAIN, second * _GAIN
        field = self._expansion.calc(*gained, np.zeros((*first.shape, 2), np.float32))
        return DenseFlow(np.asarray(field, np.float32), (width, height))
