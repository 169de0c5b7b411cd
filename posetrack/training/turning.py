"""Photographs turned about their middle, with the boxes of people whose joints are known."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.types import FloatArray, Image


def turn(
    image: Image, boxes: FloatArray, joints: Sequence[FloatArray], angle_deg: float
) -> tuple[Image, FloatArray]:
    """An image turned about its middle, in its old size, and where its boxes are then.

    A person's new box holds the turned joints, with the old box's mean margin around its joints. A box without
    joints becomes the one around its turned corners.

    Args:
        image: uint8 [H, W, 3].
        boxes: float32 [N, 4], x1 y1 x2 y2, corner convention.
        joints: For each box the positions of its joints, float32 [J, 2], corner convention.
        angle_deg: Anticlockwise.

    Returns:
        uint8 [H, W, 3], the border repeated where the old image does not reach; and float32 [N, 4], which may
        reach out of the image.
    """
    height, width = image.shape[:2]
    middle = np.array([width, height]) / 2
    matrix = np.array(cv2.getRotationMatrix2D((middle[0] - 0.5, middle[1] - 0.5), angle_deg, 1.0), np.float64)
    turned = cv2.warpAffine(
        np.ascontiguousarray(image),
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    moved = [_turned_box(box, points, matrix[:, :2], middle) for box, points in zip(boxes, joints, strict=True)]
    return np.asarray(turned, np.uint8), np.array(moved, np.float32).reshape(-1, 4)


def _turned_box(
    box: FloatArray, joints: FloatArray, rotation: NDArray[np.float64], middle: NDArray[np.float64]
) -> FloatArray:
    corners = box.reshape(2, 2)
    margin = 0.0
    if len(joints):
        low, high = joints.min(axis=0), joints.max(axis=0)
        margin = max(0.0, float(np.mean([low - corners[0], corners[1] - high])))
    points = joints if len(joints) else np.array([(x, y) for x in corners[:, 0] for y in corners[:, 1]])
    there = (points - middle) @ rotation.T + middle
    return np.concatenate([there.min(axis=0) - margin, there.max(axis=0) + margin]).astype(np.float32)
