"""Images scaled and padded to a network's fixed input, as rtmlib and YOLOX do it, and as MMPose does."""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.types import Image

PADDING_GREY = 114
"""Colour of the padding, as in YOLOX and MMDetection."""


def fitting_ratio(image: Image, size: tuple[int, int]) -> float:
    """Canvas pixels per pixel of an image [H, W, 3] that is as large as it fits into a canvas undistorted."""
    ratio: float = min(size[0] / image.shape[1], size[1] / image.shape[0])
    return ratio


def letterboxed(image: Image, size: tuple[int, int]) -> tuple[Image, float]:
    """An image at the top left of a canvas, as large as it fits without distortion.

    Sides are cut off to whole pixels, as in rtmlib and YOLOX's own code.

    Args:
        image: uint8 [H, W, 3].
        size: Width and height of the canvas.

    Returns:
        uint8 [height, width, 3], and canvas pixels per pixel of the image.
    """
    width, height = size
    ratio = fitting_ratio(image, size)
    scaled = (max(1, int(image.shape[1] * ratio)), max(1, int(image.shape[0] * ratio)))
    canvas = np.full((height, width, 3), PADDING_GREY, np.uint8)
    canvas[: scaled[1], : scaled[0]] = cv2.resize(image, scaled, interpolation=cv2.INTER_LINEAR)
    return canvas, ratio


def centred(image: Image, size: tuple[int, int]) -> tuple[Image, float]:
    """An image in the middle of a canvas, as large as it fits undistorted, as by MMPose's ``BottomupResize``.

    The point x of an image of width w comes to lie at ratio (x - w / 2) + width / 2, likewise y.

    Args:
        image: uint8 [H, W, 3].
        size: Width and height of the canvas.

    Returns:
        uint8 [height, width, 3], and canvas pixels per pixel of the image.
    """
    width, height = size
    rows, columns = image.shape[:2]
    ratio = fitting_ratio(image, size)
    # Three points in single precision, like MMPose: a pixel may otherwise be rounded differently.
    triangle = np.array([[0, 0], [-width / 2, 0], [-width / 2, width / 2]])
    source = np.array([columns / 2, rows / 2]) + triangle / ratio
    target = np.array([width / 2, height / 2]) + triangle
    warp = cv2.getAffineTransform(source.astype(np.float32), target.astype(np.float32))
    canvas = cv2.warpAffine(image, warp, size, flags=cv2.INTER_LINEAR, borderValue=(PADDING_GREY,) * 3)
    return np.asarray(canvas, np.uint8), ratio
