"""Paste people cut out of photographs over other people: photographs of one person show no occlusion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.training.photographs import Photograph, read_image
from posetrack.types import FloatArray, Image


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One training image and its labels.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        boxes: float32 [N, 4], people, corner convention.
        ignored: float32 [M, 4], regions that do not count in the loss.
    """

    image: Image
    boxes: FloatArray
    ignored: FloatArray


def paste_person(
    scene: Scene, photograph: Photograph, random: np.random.Generator, min_visible: float = 0.5
) -> Scene:
    """Paste one of the photograph's people beside or over another in the scene, at a similar size.

    The scene is unchanged if either has nobody, or if the person has too few joints to give an outline. A person
    with less than ``min_visible`` of the box left in sight becomes an ignored region.
    """
    candidates = [
        number for number in np.flatnonzero(photograph.annotated) if len(photograph.joints[number]) >= 10
    ]
    if not candidates or not len(scene.boxes):
        return scene
    chosen = int(random.choice(candidates))
    cutout, mask = cut_out(read_image(photograph.path), photograph.boxes[chosen], photograph.joints[chosen])
    neighbour = scene.boxes[int(random.integers(len(scene.boxes)))]
    size = neighbour[2:] - neighbour[:2]
    scale = random.uniform(0.8, 1.3) * size.max() / max(cutout.shape[:2])
    width, height = (max(4, round(side * scale)) for side in (cutout.shape[1], cutout.shape[0]))
    foot = np.array([(neighbour[0] + neighbour[2]) / 2, neighbour[3]])
    foot += size * (random.uniform(0.2, 0.9) * random.choice([-1, 1]), random.uniform(-0.1, 0.1))
    left, top = round(foot[0] - width / 2), round(foot[1] - height)
    stop = np.array([left + width, top + height])
    box = np.array([left, top, *stop], np.float32).clip(0, np.tile(scene.image.shape[1::-1], 2))
    x1, y1, x2, y2 = box.astype(int)
    if (x2 - x1) * (y2 - y1) < 0.5 * width * height:
        return scene
    window = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    colours = cv2.resize(cutout, (width, height), interpolation=cv2.INTER_AREA)[window]
    alpha = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)[window][..., None]
    image = scene.image.copy()
    below = image[y1:y2, x1:x2]
    image[y1:y2, x1:x2] = (below + alpha * (colours.astype(np.float32) - below)).round()
    covered = np.zeros(image.shape[:2], np.float32)
    covered[y1:y2, x1:x2] = alpha[..., 0]
    hidden = _covered_share(scene.boxes, covered) > 1 - min_visible
    return Scene(
        image,
        np.concatenate([scene.boxes[~hidden], box[None]]),
        np.concatenate([scene.ignored, scene.boxes[hidden]]),
    )


def cut_out(image: Image, box: FloatArray, joints: FloatArray) -> tuple[Image, FloatArray]:
    """A person's box as an image, and its opacity float32 [H, W]: 1 inside the thickened hull of the joints.

    Args:
        image: uint8 [H, W, 3].
        box: float32 [4], x1 y1 x2 y2, corner convention; its top left corner lies in the image.
        joints: float32 [J, 2], corner convention.
    """
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int)
    image = image[top:bottom, left:right]
    hull = cv2.convexHull((joints - (left, top)).round().astype(np.int32))
    thickness = max(2, round(0.1 * float(np.sqrt(image.shape[0] * image.shape[1]))))
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [hull], (255,))
    cv2.polylines(mask, [hull], True, (255,), thickness)
    blurred = cv2.GaussianBlur(mask, (0, 0), max(1.0, thickness / 8))
    return image, np.asarray(blurred, np.float32) / np.float32(255)


def _covered_share(boxes: FloatArray, covered: FloatArray) -> FloatArray:
    """Mean of ``covered`` [H, W] within each box [N, 4]."""
    sums = cv2.integral(covered)
    x1, y1, x2, y2 = boxes.round().astype(int).T
    total = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
    share: FloatArray = (total / np.maximum((x2 - x1) * (y2 - y1), 1)).astype(np.float32)
    return share
