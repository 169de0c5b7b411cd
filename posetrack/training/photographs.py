"""Labelled images with the boxes of a COCO-keypoints file.

Boxes use the corner convention of COCO and torchvision: an image covers [0, W] x [0, H].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posetrack.errors import DataFormatError
from posetrack.pixels import from_centre
from posetrack.types import BoolArray, FloatArray, Image

MALFORMED = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
"""What unexpected JSON can raise while it is read."""


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """One annotated image.

    Attributes:
        path: The image file.
        width, height: Its size in pixels.
        boxes: float32 [N, 4], x1 y1 x2 y2, corner convention.
        ignored: bool [N], the box is a region that may contain people, not a person.
        annotated: bool [N], the box is a person with joints, labelled by hand (not by a network).
        joints: The labelled joints in each box, float32 [J, 2], corner convention.
    """

    path: Path
    width: int
    height: int
    boxes: FloatArray
    ignored: BoolArray
    annotated: BoolArray
    joints: tuple[FloatArray, ...]


def read_photographs(annotations: Path, images: Path) -> list[Photograph]:
    """All images of a COCO file, in its order, with or without people.

    Only annotations of people are read; ``iscrowd`` marks regions to ignore, ``pseudo`` people found by a network.

    Raises:
        DataFormatError: the file is not a COCO annotation file.
    """
    try:
        content = json.loads(annotations.read_bytes())
        people = {category["id"] for category in content["categories"] if category["name"] == "person"}
        of_image: dict[int, list[dict[str, Any]]] = {entry["id"]: [] for entry in content["images"]}
        for annotation in content["annotations"]:
            if annotation["category_id"] in people:
                of_image[annotation["image_id"]].append(annotation)
        return [
            _photograph(images / entry["file_name"], (entry["width"], entry["height"]), of_image[entry["id"]])
            for entry in content["images"]
        ]
    except OSError as error:
        raise DataFormatError(f"cannot read {annotations}: {error.strerror}.") from error
    except MALFORMED as error:
        raise DataFormatError(f"{annotations} is not a COCO annotation file of people ({error!r}).") from error


def _photograph(path: Path, size: tuple[int, int], annotations: Sequence[dict[str, Any]]) -> Photograph:
    if not all(type(side) is int and side > 0 for side in size):
        raise ValueError("the width and height of an image must be whole numbers of pixels")
    boxes = np.array([annotation["bbox"] for annotation in annotations], np.float32).reshape(-1, 4)
    if not np.isfinite(boxes).all():
        raise ValueError("a number of a box is not finite")
    boxes[:, 2:] += boxes[:, :2]
    ignored = np.array([annotation.get("iscrowd", 0) for annotation in annotations], np.bool_)
    pseudo = np.array([annotation.get("pseudo", False) for annotation in annotations], np.bool_)
    joints = tuple(_labelled_joints(annotation.get("keypoints", ())) for annotation in annotations)
    posed = np.array([len(points) > 0 for points in joints], np.bool_)
    inside = boxes.clip(0, np.array([*size, *size], np.float32))
    return Photograph(path, *size, inside, ignored, ~ignored & ~pseudo & posed, joints)


def _labelled_joints(keypoints: Sequence[float]) -> FloatArray:
    triples = np.asarray(keypoints, np.float32).reshape(-1, 3)
    return from_centre(triples[triples[:, 2] > 0, :2])


def read_image(path: Path, mode: int = cv2.IMREAD_COLOR) -> Image:
    """uint8 [H, W, 3] RGB.

    Raises:
        DataFormatError: the file is missing or no image.
    """
    try:
        content = path.read_bytes()  # OpenCV crashes on names that are not UTF-8
        image = cv2.imdecode(np.frombuffer(content, np.uint8), mode) if content else None
    except (OSError, ValueError, cv2.error):
        image = None
    if image is None:
        raise DataFormatError(f"cannot read the image {path}, which the annotations name.")
    return np.ascontiguousarray(image[..., ::-1], np.uint8)
