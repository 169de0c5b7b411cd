"""How the background moves from frame to frame, for drawing what stays in its place there."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.types import FloatArray, Image

Affine = NDArray[np.float64]

_WIDTH_PX = 320
"""Frames are shrunk to this width."""

_MOST_CORNERS = 200
_FEWEST = 12
"""Corners that must agree; with fewer, the background counts as still."""

_TOLERANCE_PX = 1.5
_STILL_PX = 0.3
"""Motion of a shrunk frame below this is noise."""


class BackgroundMotion:
    """Follows corners outside people by sparse optical flow, and fits a shift, turn and zoom (RANSAC)."""

    def __init__(self) -> None:
        self._previous: NDArray[np.uint8] | None = None
        self._boxes: FloatArray = np.zeros((0, 4), np.float32)

    def next(self, image: Image, boxes: FloatArray) -> Affine:
        """float64 [2, 3] from the previous frame's pixels to this one's; the identity if it is unknown.

        Args:
            image: uint8 [H, W, 3] RGB.
            boxes: float32 [N, 4] of the people in it, pixels.
        """
        scale = min(1.0, _WIDTH_PX / image.shape[1])
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        previous, old_boxes = self._previous, self._boxes
        self._previous, self._boxes = small, boxes * scale
        still = np.eye(2, 3)
        if previous is None or previous.shape != small.shape:
            return still
        mask = np.full(previous.shape, 255, np.uint8)
        for x1, y1, x2, y2 in np.clip(old_boxes, 0, 10_000).astype(int).tolist():
            mask[y1 : y2 + 1, x1 : x2 + 1] = 0
        corners = cv2.goodFeaturesToTrack(previous, _MOST_CORNERS, 0.01, 5, mask=mask)
        if corners is None or len(corners) < _FEWEST:
            return still
        moved, found, _ = cv2.calcOpticalFlowPyrLK(previous, small, corners, None)
        good = found.ravel() == 1
        if good.sum() < _FEWEST:
            return still
        cv2.setRNGSeed(0)  # the same frames give the same picture
        affine, inliers = cv2.estimateAffinePartial2D(
            corners[good], moved[good], ransacReprojThreshold=_TOLERANCE_PX
        )
        if affine is None or inliers.sum() < _FEWEST or _largest_shift(affine, small.shape) < _STILL_PX:
            return still
        affine[:, 2] /= scale
        return np.asarray(affine, np.float64)


def _largest_shift(affine: Affine, shape: tuple[int, ...]) -> float:
    """Pixels by which a corner of the image moves at most."""
    height, width = shape[:2]
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    return float(np.hypot(*(corners @ affine[:, :2].T + affine[:, 2] - corners).T).max())
