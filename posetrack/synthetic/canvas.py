"""The canvas that a backdrop is painted on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.synthetic.camera import Camera
from posetrack.synthetic.noise import Texture


class Canvas:
    """Linear light, float32 [H + 2 margin, W + 2 margin, 3]; the frame's origin is at (margin, margin).

    Args:
        camera: The camera that sees it.
        margin: Pixels around the frame.
    """

    def __init__(self, camera: Camera, margin: int) -> None:
        self.camera, self.margin = camera, margin
        self.image = np.zeros((camera.height + 2 * margin, camera.width + 2 * margin, 3), np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def reach(self) -> float:
        """World x at the canvas's right edge, per metre of distance."""
        return (self.camera.width / 2 + self.margin) / self.camera.focal_px

    def pixels(self) -> tuple[Texture, Texture]:
        """x and y, in the frame's pixels, of all pixels of the canvas; each float32 [shape]."""
        rows, columns = self.shape
        x = np.arange(columns, dtype=np.float32) - np.float32(self.margin)
        y = np.arange(rows, dtype=np.float32) - np.float32(self.margin)
        return np.broadcast_to(x, self.shape), np.broadcast_to(y[:, None], self.shape)

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """World points [.., 3] to canvas pixels [.., 2]."""
        return self.camera.project(points)[0] + self.margin

    def paste_plane(self, texture: Texture, corners: NDArray[np.float64]) -> None:
        """Draw an upright rectangle with world ``corners`` [4, 3], clockwise from the top left."""
        pixels = self.project(corners)
        height, width = texture.shape[:2]
        extent = np.ptp(pixels, axis=0)
        shrink = max(1.0, min(width / max(extent[0], 1.0), height / max(extent[1], 1.0)))
        if shrink > 1.2:
            texture = np.asarray(cv2.GaussianBlur(texture, (0, 0), 0.5 * shrink), np.float32)
        limit = np.array(self.shape[::-1])
        low = np.clip(np.floor(pixels.min(axis=0)), 0, limit - 1).astype(int)
        high = np.clip(np.ceil(pixels.max(axis=0)) + 1, low + 1, limit).astype(int)
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        matrix = cv2.getPerspectiveTransform(source, (pixels - low).astype(np.float32))
        columns, rows = (high - low).tolist()
        warped = cv2.warpPerspective(texture, matrix, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros((rows, columns), np.uint8)
        cv2.fillConvexPoly(mask, np.round((pixels - low) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        window = self.image[low[1] : high[1], low[0] : high[0]]
        _blend(window, np.asarray(warped, np.float32), mask.astype(np.float32) / np.float32(255))

    def paste_sprite(self, colour: Texture, coverage: Texture, foot: tuple[int, int]) -> None:
        """Blend ``colour`` [h, w, 3] by ``coverage`` [h, w], its bottom centre at canvas pixel ``foot``."""
        height, width = coverage.shape
        left, top = foot[0] - width // 2, foot[1] - height
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + width, self.shape[1]), min(top + height, self.shape[0])
        if x0 < x1 and y0 < y1:
            part = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
            _blend(self.image[y0:y1, x0:x1], colour[part], coverage[part])


def _blend(window: Texture, colour: Texture, weight: Texture) -> None:
    window += (colour - window) * weight[..., None]
