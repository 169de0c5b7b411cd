"""Dense optical flow."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from posetrack.types import BoolArray, FloatArray, Image, IntArray


class DenseFlow:
    """A field of displacements, at any resolution, that can be sampled at points of the frame.

    Args:
        field: float32 [h, w, 2], displacement (x, y) in pixels of the field's grid, from the previous frame
            to the current one. The field covers the frame from edge to edge. It is copied.
        frame_size: Width and height of the frame in pixels.

    Raises:
        ValueError: the field has another shape.
    """

    def __init__(self, field: FloatArray, frame_size: tuple[int, int]) -> None:
        if field.ndim != 3 or field.shape[2] != 2 or 0 in field.shape:
            raise ValueError(f"field has shape {field.shape}, expected [h, w, 2]")
        rows, columns = field.shape[:2]
        self._field = np.array(field, np.float32, order="C").view(np.complex64).ravel()
        self._columns, self._rows = columns, rows
        self._frame_size = frame_size

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Displacement of points of the previous frame, by bilinear sampling (see ``stages.Flow``).

        Every point inside the frame is valid; in the outermost half pixel it gets the border pixel's value.
        """
        valid = inside(xy, self._frame_size)
        x, y = np.where(valid, xy.T, np.float32(0))
        scale_x, scale_y = self._columns / self._frame_size[0], self._rows / self._frame_size[1]
        left, right, across = _neighbours(x, scale_x, self._columns)
        top, bottom, down = _neighbours(y, scale_y, self._rows)
        top, bottom = top * self._columns, bottom * self._columns
        # Displacements are complex numbers x + iy: gathering one number is much faster than gathering a pair.
        field = self._field
        upper = field[top + left] * (1 - across) + field[top + right] * across
        lower = field[bottom + left] * (1 - across) + field[bottom + right] * across
        displacement = (upper * (1 - down) + lower * down) * valid
        return np.stack([displacement.real / scale_x, displacement.imag / scale_y], axis=1), valid


def _neighbours(coordinates: FloatArray, scale: float, length: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Cells before and after frame coordinates [M] along an axis of the field, and the fraction between them."""
    grid = np.clip((coordinates + 0.5) * scale - 0.5, 0, length - 1)
    before = grid.astype(np.int64)
    return before, np.minimum(before + 1, length - 1), grid - before.astype(np.float32)


class ReducedGrey(threading.local):
    """Converts frames to grey and shrinks them to ``max_side_px``. Caches the last frame, which is needed twice.

    A frame is recognised as the same array, so the array must not be modified in between. The cache is per thread:
    the flow of a video is estimated in one thread.
    """

    def __init__(self, max_side_px: int) -> None:
        self._max_side_px = max_side_px
        self._frame: Image | None = None
        self._grey: Image | None = None

    def pair(self, previous: Image, current: Image) -> tuple[Image, Image]:
        """Convert two frames, uint8 [H, W, 3] RGB of the same size, to uint8 [h, w].

        Raises:
            ValueError: the frames differ in size.
        """
        if previous.shape != current.shape:
            raise ValueError(f"frames must have the same size, not {previous.shape} and {current.shape}")
        first = self._grey if previous is self._frame and self._grey is not None else self._reduced(previous)
        self._frame, self._grey = current, self._reduced(current)
        return first, self._grey

    def _reduced(self, frame: Image) -> Image:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        height, width = grey.shape
        scale = self._max_side_px / max(height, width)
        if scale >= 1:
            return np.asarray(grey, np.uint8)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def inside(xy: FloatArray, frame_size: tuple[int, int]) -> BoolArray:
    """Whether points [M, 2] lie in a frame of that width and height, bool [M]; false if a coordinate is NaN."""
    x, y = xy.T
    width, height = frame_size
    return np.asarray((x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5), np.bool_)
