"""Motion known for every pixel."""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.types import BoolArray, FloatArray, Image


class DenseFlow:
    """A field of displacements that samples itself, at any resolution of its own.

    Args:
        field: float32 [h, w, 2], displacement (x, y) in pixels of the field's grid, from the previous frame
            to the current one. Pixel centres as everywhere: the field covers the frame from edge to edge.
        frame_size: Width and height of the frame in pixels.

    Raises:
        ValueError: a field of another shape.
    """

    def __init__(self, field: FloatArray, frame_size: tuple[int, int]) -> None:
        if field.ndim != 3 or field.shape[2] != 2 or 0 in field.shape:
            raise ValueError(f"field has shape {field.shape}, expected [h, w, 2]")
        self._field = np.ascontiguousarray(field, np.float32).reshape(-1, 2)
        self._last = np.array([field.shape[1] - 1, field.shape[0] - 1], np.float32)
        self._frame_size = np.array(frame_size, np.float32)
        self._scale = (self._last + 1) / self._frame_size

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Displacement of points of the previous frame, sampled bilinearly (see ``stages.Flow``).

        Every point inside the frame is valid; in the outermost half pixel the border pixel's value holds.
        """
        valid = inside(xy, self._frame_size)
        grid = np.where(valid[:, None], (xy + np.float32(0.5)) * self._scale - np.float32(0.5), np.float32(0))
        grid = np.clip(grid, np.float32(0), self._last)
        corner = np.minimum(np.floor(grid), np.maximum(self._last - 1, 0))
        right, down = (grid - corner).T[..., None]
        step_x, step_y = np.minimum(self._last, 1).astype(np.int64)
        width = int(self._last[0]) + 1
        first = (corner[:, 1] * width + corner[:, 0]).astype(np.int64)
        field, below = self._field, first + step_y * width
        upper = field[first] * (1 - right) + field[first + step_x] * right
        lower = field[below] * (1 - right) + field[below + step_x] * right
        displacement = (upper * (1 - down) + lower * down) / self._scale
        return np.where(valid[:, None], displacement, np.float32(0)).astype(np.float32), valid


class ReducedGrey:
    """Frames in grey, not longer than ``max_side_px``. Remembers the last frame, which comes a second time.

    A frame is recognised by being the same array, which must not have been written to in between.
    """

    def __init__(self, max_side_px: int) -> None:
        self._max_side_px = max_side_px
        self._frame: Image | None = None
        self._grey: Image | None = None

    def pair(self, previous: Image, current: Image) -> tuple[Image, Image]:
        """Both frames, uint8 [H, W, 3] RGB of one size, as uint8 [h, w].

        Raises:
            ValueError: the frames differ in size.
        """
        if previous.shape != current.shape:
            raise ValueError(f"frames of one size are needed, not {previous.shape} and {current.shape}")
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


def inside(xy: FloatArray, frame_size: FloatArray) -> BoolArray:
    """bool [M]: the points [M, 2] lie in a frame of that width and height (not if a coordinate is NaN)."""
    return np.asarray(((xy >= -0.5) & (xy <= frame_size - 0.5)).all(axis=1), np.bool_)
