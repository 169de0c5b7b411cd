"""A small picture of each person: cut out of the frame in which the person is seen best."""

from __future__ import annotations

import numpy as np

from posetrack.refine.clip import Track
from posetrack.review.footage import Footage, encode_jpeg

_SIZE = 96
_MARGIN = 0.08


def thumbnail(track: Track, numbers: np.ndarray, footage: Footage) -> bytes | None:
    """A JPEG of at most 96 pixels a side; None if the footage does not have the frame.

    Args:
        track: The person.
        numbers: int64 [F]: the frames' numbers in the source.
        footage: The source.
    """
    row = best_row(track, footage.size)
    image = footage.image(int(numbers[track.frames[row]]))
    if image is None:
        return None
    scale = image.shape[1] / footage.size[0]
    x1, y1, x2, y2 = track.boxes[row] * scale
    margin = _MARGIN * max(x2 - x1, y2 - y1)
    left, top = (max(0, int(side - margin)) for side in (x1, y1))
    right, bottom = int(x2 + margin) + 1, int(y2 + margin) + 1
    part = image[top:bottom, left:right]
    return encode_jpeg(part, _SIZE) if part.size else None


def best_row(track: Track, size: tuple[int, int]) -> int:
    """The row with the most joints, weighted by their scores and by how large the person is inside the picture."""
    low, high = np.maximum(track.boxes[:, :2], 0), np.minimum(track.boxes[:, 2:], np.array(size) - 1)
    area = np.clip(high - low, 0, None).prod(axis=1)
    return int(np.argmax(track.joint_scores.sum(axis=1) * np.sqrt(area + 1)))
