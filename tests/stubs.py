"""Stages without networks, for tests in which networks do not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from posetrack.skeletons import POSETRACK
from posetrack.types import UNLINKED, Boxes, Frame, Image, Poses, Sighting

PERSON = np.array([[40.0, 20.0, 80.0, 100.0]], np.float32)


@dataclass
class StubDetector:
    """Finds the same boxes in every image, except in calls of ``blind`` (counted from 0)."""

    xyxy: np.ndarray = field(default_factory=lambda: PERSON)
    blind: frozenset[int] = frozenset()
    calls: int = 0

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        found = []
        for _ in images:
            seen = Boxes(self.xyxy, np.full(len(self.xyxy), 0.9))
            found.append(Boxes.empty() if self.calls in self.blind else seen)
            self.calls += 1
        return found


class StubPose:
    """Joints in a zigzag down the box, all certain; a box around them, 15 % larger, is the box again."""

    skeleton = POSETRACK

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        near, far = 0.5 - 0.5 / 1.15, 0.5 + 0.5 / 1.15
        grid = np.stack([np.where(np.arange(17) % 2, near, far), np.linspace(near, far, 17)], -1)
        low, high = boxes.xyxy[:, None, :2], boxes.xyxy[:, None, 2:]
        used = np.zeros(17, np.float32)
        used[POSETRACK.in_use] = 0.9
        return Poses(
            boxes.xyxy, boxes.scores, low + grid * (high - low), np.tile(used, (len(boxes), 1)),
            np.full(len(boxes), UNLINKED), POSETRACK,
        )  # fmt: skip


@dataclass
class OneStage(StubDetector):
    """Finds people and their joints at once; notes the boxes in which it was asked to look again."""

    skeleton = POSETRACK
    asked: list[int] = field(default_factory=list)

    def find(self, images: Sequence[Image]) -> list[Sighting]:
        return [
            Sighting(image, StubPose().estimate(image, boxes))
            for image, boxes in zip(images, self.detect(images), strict=True)
        ]

    def refine(self, sightings: Sequence[Sighting], boxes: Sequence[Boxes]) -> list[Poses]:
        self.asked += map(len, boxes)
        return [StubPose().estimate(*pair) for pair in zip([each.image for each in sightings], boxes, strict=True)]


def frames(count: int, cut_at: int = -1) -> list[Frame]:
    """Frames of one texture whose first pixel tells the index; from ``cut_at`` on another scene."""
    rng = np.random.default_rng(0)
    scenes = rng.integers(0, 120, (120, 160, 3), np.uint8), 255 - rng.integers(0, 60, (120, 160, 3), np.uint8)
    made = []
    for index in range(count):
        image = scenes[0 <= cut_at <= index].copy()
        image[0, 0] = index
        made.append(Frame(index, index / 25, image))
    return made
