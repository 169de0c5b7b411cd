"""Labels of people, which cover neither each other nor a person's head."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from posetrack.types import UNLINKED, FloatArray, Image, Poses
from posetrack.video.palette import person_colour, readable_on

_PER_BODY = 0.13
"""Height of a label relative to the person."""

_SMALLEST_PX = 11
_LARGEST_SHARE = 1 / 25
"""Height of the largest labels relative to the image."""

_HEAD_SHARE = 0.2
"""Part of a box, from its top, that labels of others keep clear."""

_MOST_ASIDE = 60
"""In crowds beyond this, labels stay above their people: nothing is left to move them to."""

_TRIES = (
    (0.0, 0.0),
    (-1.2, 0.0),
    (1.2, 0.0),
    (0.0, -1.2),
    (-1.2, -1.2),
    (1.2, -1.2),
    (0.0, -2.4),
    (-2.4, 0.0),
    (2.4, 0.0),
)
"""Where a label may go: widths to the side and heights up from above the person, best first."""

Area = tuple[int, int, int, int]


def draw_labels(image: Image, poses: Poses) -> None:
    """Draw the id of each person above them, or aside with a line to them where that would cover a person.

    Args:
        image: uint8 [H, W, 3]; drawn on.
        poses: The people; those without an id have no label.
    """
    shown = np.flatnonzero(poses.track_ids != UNLINKED)
    heads = _heads(poses.boxes)
    taken: list[Area] = []
    for person in shown.tolist():
        box = poses.boxes[person]
        label = _label(int(poses.track_ids[person]), label_height(box, image.shape[0]))
        label = label[: image.shape[0], : image.shape[1]]
        others = [*taken, *(head for other, head in enumerate(heads) if other != person)]
        area, aside = _place(
            box, label.shape[1], label.shape[0], image.shape, others if len(shown) <= _MOST_ASIDE else []
        )
        taken.append(area)
        if aside:
            colour = person_colour(int(poses.track_ids[person]))
            start = (area[0] + area[2]) // 2, (area[1] + area[3]) // 2
            cv2.line(
                image, start, (round(float(box[0] + box[2]) / 2), round(float(box[1]))), colour, 1, cv2.LINE_AA
            )
        image[area[1] : area[3], area[0] : area[2]] = label


def label_height(box: FloatArray, picture_height: int) -> int:
    """Height in pixels of the label of a person, float32 [4] the box: it grows with them, within limits."""
    size = float(max(box[2] - box[0], box[3] - box[1]))
    largest = max(_SMALLEST_PX, round(picture_height * _LARGEST_SHARE))
    return int(min(max(round(size * _PER_BODY), _SMALLEST_PX), largest))


def _heads(boxes: FloatArray) -> list[Area]:
    heads = boxes.copy()
    heads[:, 3] = boxes[:, 1] + _HEAD_SHARE * (boxes[:, 3] - boxes[:, 1])
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in heads.tolist()]


def _place(
    box: FloatArray, width: int, height: int, picture: tuple[int, ...], others: list[Area]
) -> tuple[Area, bool]:
    """Where a label goes, and whether that is away from its usual place."""
    usual = _within((float(box[0] + box[2]) - width) / 2, float(box[1]) - height, width, height, picture)
    for right, up in _TRIES:
        area = _within(usual[0] + right * width, usual[1] + up * height, width, height, picture)
        if not any(_overlap(area, other) for other in others):
            return area, area != usual
    return usual, False


def _within(left: float, top: float, width: int, height: int, picture: tuple[int, ...]) -> Area:
    x = int(min(max(left, 0), max(0, picture[1] - width)))
    y = int(min(max(top, 0), max(0, picture[0] - height)))
    return x, y, x + width, y + height


def _overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@lru_cache(maxsize=512)
def _label(track_id: int, height: int) -> Image:
    """A track id on the person's colour, uint8 [height, W, 3]."""
    colour, text, font = person_colour(track_id), str(track_id), cv2.FONT_HERSHEY_SIMPLEX
    thickness = max(1, height // 12)
    scale = cv2.getFontScaleFromHeight(font, max(1, round(height * 0.6)), thickness)
    (text_width, text_height), _ = cv2.getTextSize(text, font, scale, thickness)
    margin = max(1, height // 5)
    label = np.full((height, text_width + 2 * margin, 3), colour, np.uint8)
    corner = (margin, (height + text_height) // 2)
    cv2.putText(label, text, corner, font, scale, readable_on(colour), thickness, cv2.LINE_AA)
    label.flags.writeable = False
    return label
