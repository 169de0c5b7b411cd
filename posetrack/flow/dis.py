"""Dense inverse search (Kroeger et al.: Fast Optical Flow using Dense Inverse Search, ECCV 2016)."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.flow.dense import DenseFlow, ReducedGrey
from posetrack.ranges import require_kinds, require_one_of, require_whole
from posetrack.types import Image

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}

# OpenCV's search starts at pyramid level min(log2(max side / 32) + 1/2, log2(min side / 8)), and crashes the
# process if that is below its last level (2).
_MIN_SIDE_PX = 96


@dataclass(frozen=True, kw_only=True, slots=True)
class DisConfig:
    """Settings of ``DisFlow``.

    Attributes:
        preset: ``ultrafast``, ``fast`` or ``medium``, from fast to accurate.
        max_side_px: Maximum side of a frame. Larger frames are shrunk.
    """

    preset: str = "fast"
    max_side_px: int = 640

    def __post_init__(self) -> None:
        require_kinds(self)
        require_one_of(PRESETS, preset=self.preset)
        require_whole(32, max_side_px=self.max_side_px)


class _Search(threading.local):
    """OpenCV's search, one per thread, because it is not thread-safe."""

    def __init__(self, preset: str) -> None:
        self.calc = cv2.DISOpticalFlow.create(PRESETS[preset]).calc


class DisFlow:
    """Flow by OpenCV's dense inverse search on shrunk grey frames. Thread-safe."""

    def __init__(self, config: DisConfig) -> None:
        self._grey = ReducedGrey(config.max_side_px)
        self._search = _Search(config.preset)

    def estimate(self, previous: Image, current: Image) -> DenseFlow:
        """Flow from ``previous`` to ``current``, both uint8 [H, W, 3] RGB of the same size."""
        first, second = self._grey.pair(previous, current)
        rows, columns = first.shape
        first, second = _large_enough(first), _large_enough(second)
        field = self._search.calc(first, second, np.zeros((*first.shape, 2), np.float32))
        height, width = current.shape[:2]
        return DenseFlow(np.asarray(field[:rows, :columns], np.float32), (width, height))


def _large_enough(grey: Image) -> Image:
    """Pad a small image at the right and the bottom with copies of its border."""
    rows, columns = grey.shape
    missing = max(0, _MIN_SIDE_PX - rows), max(0, _MIN_SIDE_PX - columns)
    if not any(missing):
        return grey
    return np.asarray(cv2.copyMakeBorder(grey, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE), np.uint8)
