"""Make faces unrecognisable."""

from __future__ import annotations

import math

import cv2
import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.types import FloatArray, Image, IntArray, Poses

_FACE_JOINTS = ("nose", "head_top", "left_eye", "right_eye", "left_ear", "right_ear")
_NECK = ("head_bottom",)
_SHOULDERS = ("left_shoulder", "right_shoulder")
_CELLS = 4
"""Number of cells across a face, each replaced by its average: too few to recognise a person."""

# Radii of a circle that surely covers the head, relative to other lengths of the body.
_PER_EXTENT = 0.8  # of the distance between the joints of the head
_PER_SHOULDERS = 0.45  # of the distance between the shoulders
_PER_BODY = 0.08  # of the longer side of the box
_PER_BODY_LONE_JOINT = 0.14  # if the head has only one joint: nose or crown
_LARGEST_PER_BODY = 0.6  # whatever the joints say
_PER_BOX_WIDTH = 0.4  # if it has none: it is assumed at the top of the box


def heads(poses: Poses) -> FloatArray:
    """Locate the heads.

    Args:
        poses: N people.

    Returns:
        float32 [N, 3]: x and y of the centre, and radius, of a circle that covers the head, in pixels.
        Without a joint of the head (the neck alone does not count) the circle is at the top of the box.
    """
    face, neck = _slots(poses.skeleton, _FACE_JOINTS), _slots(poses.skeleton, _NECK)
    has_face = np.asarray(poses.present[:, face].any(axis=1), np.bool_)
    slots = np.concatenate((face, neck))
    seen, xy = poses.present[:, slots] & has_face[:, None], poses.keypoints[:, slots]
    low = np.where(seen[..., None], xy, np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen[..., None], xy, -np.inf).max(axis=1, initial=-np.inf)
    low[~has_face] = high[~has_face] = 0

    size = poses.boxes[:, 2:] - poses.boxes[:, :2]
    body = size.max(axis=1)
    radius = np.maximum.reduce(
        (
            _PER_EXTENT * np.hypot(*(high - low).T),
            np.where(seen.sum(axis=1) > 1, _PER_BODY, _PER_BODY_LONE_JOINT) * body,
            _PER_SHOULDERS * _shoulder_width(poses),
        )
    )
    known = np.column_stack(((low + high) / 2, np.minimum(radius, _LARGEST_PER_BODY * body)))
    assumed_radius = np.maximum(_PER_BODY_LONE_JOINT * size[:, 1], _PER_BOX_WIDTH * size[:, 0])
    middle, top = poses.boxes[:, [0, 2]].mean(axis=1), poses.boxes[:, 1]
    assumed = np.column_stack((middle, top + 0.8 * assumed_radius, assumed_radius))
    return np.where(has_face[:, None], known, assumed).astype(np.float32)


def blur_faces(image: Image, poses: Poses) -> None:
    """Blur the faces in an image (uint8 [H, W, 3]) in place, so that they cannot be recognised."""
    height, width = image.shape[:2]
    for x, y, radius in heads(poses).tolist():
        left, right = max(0, math.floor(x - radius)), min(width, math.ceil(x + radius) + 1)
        top, bottom = max(0, math.floor(y - radius)), min(height, math.ceil(y + radius) + 1)
        if left >= right or top >= bottom:
            continue
        region = image[top:bottom, left:right]
        averages = cv2.resize(region, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
        smooth = cv2.resize(averages, region.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        inside = np.zeros(region.shape[:2], np.uint8)
        cv2.circle(inside, (round(x) - left, round(y) - top), math.ceil(radius), 1, cv2.FILLED)
        np.copyto(region, smooth, where=inside[..., None].astype(bool))


def _shoulder_width(poses: Poses) -> FloatArray:
    """Distance between the shoulders, float32 [N]; 0 where unknown."""
    slots = _slots(poses.skeleton, _SHOULDERS)
    if len(slots) < 2:
        return np.zeros(len(poses), np.float32)
    left, right = poses.keypoints[:, slots].transpose(1, 0, 2)
    known = poses.present[:, slots].all(axis=1)
    return np.where(known, np.hypot(*(left - right).T), 0).astype(np.float32)


def _slots(skeleton: Skeleton, joints: tuple[str, ...]) -> IntArray:
    return np.array([skeleton.index(joint) for joint in joints if joint in skeleton.joints], dtype=np.int64)
