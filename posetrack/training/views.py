"""A teacher's joints averaged over several views of each person: larger and smaller crops, turned ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.ranges import require_kinds
from posetrack.records import check_numbers
from posetrack.stages import PoseEstimator
from posetrack.types import Boxes, FloatArray, Image, Poses

_ROOM = 1.6
"""Side of a turned view in units of the turned box's longer side: networks enlarge boxes before they look."""
_AGREEMENT = 0.05
"""Joints of two views agree if they are at most this share of the box's longer side apart."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """The views of a person, one for each pair of a scale and an angle.

    Attributes:
        scales: Factors on the box's sides.
        turns_deg: Angles by which the image is turned, anticlockwise.
    """

    scales: tuple[float, ...] = (1.0,)
    turns_deg: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        require_kinds(self)
        check_numbers(self, scales=(0.1, 10), turns_deg=(-180, 180))

    def __iter__(self) -> Iterator[tuple[float, float]]:
        """Pairs of scale and angle."""
        return ((scale, turn) for scale in self.scales for turn in self.turns_deg)


def estimate_in_views(teacher: PoseEstimator, image: Image, boxes: Boxes, views: Views) -> Poses:
    """The teacher's joints, averaged over views.

    A joint is the mean over the views that agree with the surest one, weighted by their scores. Its score is the
    mean over all views, in which views that disagree count as 0.

    Args:
        teacher: Estimates joints in boxes.
        image: uint8 [H, W, 3] RGB.
        boxes: At least one.
        views: At least one.
    """
    seen = [_seen(teacher, image, boxes, scale, turn) for scale, turn in views]
    points, scores = np.stack([each.keypoints for each in seen]), np.stack([each.keypoint_scores for each in seen])
    surest = np.take_along_axis(points, scores.argmax(axis=0)[None, ..., None], axis=0)
    reach = _AGREEMENT * (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]).max(axis=1)
    agreeing = scores * (np.linalg.norm(points - surest, axis=-1) <= reach[:, None])
    total = agreeing.sum(axis=0)
    mean = (points * agreeing[..., None]).sum(axis=0) / np.where(total > 0, total, 1)[..., None]
    return Poses(
        boxes.xyxy,
        boxes.scores,
        np.where(total[..., None] > 0, mean, surest[0]).astype(np.float32),
        (total / len(seen)).astype(np.float32),
        seen[0].track_ids,
        seen[0].skeleton,
    )


def _seen(teacher: PoseEstimator, image: Image, boxes: Boxes, scale: float, turn: float) -> Poses:
    """The teacher's joints in one view, in the image's pixels."""
    middles, sides = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2, boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    if turn == 0:
        halves = scale * sides / 2
        grown = np.concatenate([middles - halves, middles + halves], axis=1)
        return teacher.estimate(image, Boxes(grown.astype(np.float32), boxes.scores))
    each = [
        _turned(teacher, image, middle, scale * side, turn) for middle, side in zip(middles, sides, strict=True)
    ]
    return Poses(
        boxes.xyxy,
        boxes.scores,
        np.concatenate([points for points, _ in each]),
        np.concatenate([poses.keypoint_scores for _, poses in each]),
        np.concatenate([poses.track_ids for _, poses in each]),
        each[0][1].skeleton,
    )


def _turned(
    teacher: PoseEstimator, image: Image, middle: FloatArray, size: FloatArray, turn: float
) -> tuple[FloatArray, Poses]:
    """The joints of one person [1, K, 2] in the image's pixels, estimated in a turned cut-out."""
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    rotation: NDArray[np.float64] = np.array([[cosine, sine], [-sine, cosine]])
    halves = np.abs(rotation) @ size / 2
    side = int(np.ceil(_ROOM * 2 * halves.max()))
    centre = np.full(2, (side - 1) / 2)
    matrix = np.column_stack([rotation, centre - rotation @ middle])
    view = cv2.warpAffine(np.ascontiguousarray(image), matrix, (side, side), borderValue=(127, 127, 127))
    box = np.concatenate([centre - halves, centre + halves])[None].astype(np.float32)
    poses = teacher.estimate(np.asarray(view, np.uint8), Boxes(box, np.ones(1, np.float32)))
    points: FloatArray = ((poses.keypoints - matrix[:, 2]) @ rotation).astype(np.float32)
    return points, poses
