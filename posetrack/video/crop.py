"""Cuts out one person, who stays in the middle and of one size."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.types import Image, Poses

_ROOM = 1.5
"""Side of the part that is shown, relative to the person's box."""

_CENTRE_S, _SIZE_S = 0.15, 1.5
"""Times in which place and size follow the person: slow enough for calm, fast enough for people who run."""

_LARGEST_PX = 720


class PersonCrop:
    """A calm view of one person, frame by frame. Where the person is missing, it stays; before, it is black.

    Args:
        track_id: The person.
    """

    def __init__(self, track_id: int) -> None:
        self._track_id = track_id
        self._view: NDArray[np.float64] | None = None  # x and y of the centre, side
        self._speed = np.zeros(2)  # of the centre, pixels per second
        self._time_s = 0.0

    def reset(self) -> None:
        """Jump to the person, wherever they appear next (after a shot cut, or for another video)."""
        self._time_s = math.inf

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what is shown, for pictures of that size: a square with even sides."""
        side = max(2, min(width, height, _LARGEST_PX) // 2 * 2)
        return side, side

    def cut(self, image: Image, time_s: float, poses: Poses) -> Image:
        """The part of an image, uint8 [H, W, 3], around the person; what lies outside it is black."""
        side, _ = self.size(image.shape[1], image.shape[0])
        boxes = poses.boxes[poses.track_ids == self._track_id]
        if len(boxes):
            self._follow(boxes[0].astype(np.float64), time_s)
        if self._view is None:
            return np.zeros((side, side, 3), np.uint8)
        x, y, shown = self._view.tolist()
        scale = side / max(shown, 1.0)
        middle = (side - 1) / 2
        matrix = np.array([[scale, 0, middle - scale * x], [0, scale, middle - scale * y]])
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=way), np.uint8)

    def _follow(self, box: NDArray[np.float64], time_s: float) -> None:
        target = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, _ROOM * max(box[2:] - box[:2])])
        if self._view is None or time_s <= self._time_s:
            self._view, self._speed = target, np.zeros(2)
        else:
            self._view = self._towards(target, self._view, time_s - self._time_s)
        self._time_s = time_s

    def _towards(
        self, target: NDArray[np.float64], view: NDArray[np.float64], passed_s: float
    ) -> NDArray[np.float64]:
        """The view after some time. Its centre has a speed, so it does not lag behind in a pan.

        A critically damped g-h filter (Brookner, "Tracking and Kalman Filtering Made Easy", 1998, section 1.3).
        """
        kept = math.exp(-passed_s / _CENTRE_S)
        expected = view[:2] + self._speed * passed_s
        ahead = target[:2] - expected
        self._speed = self._speed + (1 - kept) ** 2 / passed_s * ahead
        size = view[2] + (1 - math.exp(-passed_s / _SIZE_S)) * (target[2] - view[2])
        return np.append(expected + (1 - kept**2) * ahead, size)
