"""Images scaled and padded to a detector's fixed input, as RTMDet, YOLOX and RTMO expect it."""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.types import Image

PADDING_GREY = 114
"""Colour of the padding, as in YOLOX and MMDetection."""


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
    ratio = min(height / image.shape[0], width / image.shape[1])
    scaled = (max(1, int(image.shape[1] * ratio)), max(1, int(image.shape[0] * ratio)))
    canvas = np.full((height, width, 3), PADDING_GREY, np.uint8)
    canvas[: scaled[1], : scaled[0]] = cv2.resize(image, scaled, interpolation=cv2.INTER_LINEAR)
    return canvas, ratio
