"""Leaves out joints in regions that are not annotated."""

from __future__ import annotations

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import Annotations, Polygon
from posetrack.types import BoolArray, Doubles


def inside(points: Doubles, polygon: Polygon) -> BoolArray:
    """Find the points strictly inside a polygon, not on its boundary.

    Args:
        points: float64 [N, 2].
        polygon: float64 [V, 2], closed implicitly. It may cross itself (even-odd rule).

    Returns:
        bool [N].

    >>> square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    >>> inside(np.array([[1.0, 1.0], [4.0, 2.0], [5.0, 2.0]]), square).tolist()
    [True, False, False]
    """
    result = np.zeros(len(points), dtype=bool)
    if not len(polygon):
        return result
    candidates = np.flatnonzero(((points > polygon.min(axis=0)) & (points < polygon.max(axis=0))).all(axis=1))
    x, y = points[candidates].T[:, :, None]
    (x1, y1), (x2, y2) = polygon.T, np.roll(polygon, -1, axis=0).T
    side = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    within = (
        (np.minimum(x1, x2) <= x)
        & (x <= np.maximum(x1, x2))
        & (np.minimum(y1, y2) <= y)
        & (y <= np.maximum(y1, y2))
    )
    on_boundary = ((side == 0) & within).any(axis=1)
    # a ray to the right crosses an edge that spans the point's height and lies to its right
    crossed = ((y1 > y) != (y2 > y)) & ((side > 0) == (y2 > y1))
    result[candidates] = (crossed.sum(axis=1) % 2 == 1) & ~on_boundary
    return result


def remove_ignored(people: Annotations, truth: Annotations) -> tuple[BoolArray, BoolArray]:
    """Apply the truth's ignore regions to the people of either side.

    Returns:
        bool [M, K]: joints that are present and outside all regions of their frame; bool [M]: people to
        keep. In frames with regions, people without joints left are dropped.

    Raises:
        DataFormatError: a region has only one or two points.
    """
    present, kept = people.present.copy(), np.ones(len(people), dtype=bool)
    annotated = truth.people_per_frame() > 0
    for frame, polygons in truth.ignore_regions.items():
        if not annotated[frame]:
            continue
        low, high = np.searchsorted(people.frames, (frame, frame + 1))
        points = people.keypoints[low:high].reshape(-1, 2)
        ignored = np.zeros(len(points), dtype=bool)
        for polygon in polygons:
            _check(truth, frame, polygon)
            ignored |= inside(points, polygon)
        present[low:high] &= ~ignored.reshape(high - low, present.shape[1])
        kept[low:high] = present[low:high].any(axis=1)
    return present, kept


def _check(truth: Annotations, frame: int, polygon: Polygon) -> None:
    corners = len(polygon) - (len(polygon) > 1 and np.array_equal(polygon[0], polygon[-1]))
    if corners in (1, 2):
        raise DataFormatError(
            f"{truth.path}, {truth.frame_name(frame)}: an ignore region has {corners} point(s); it needs three."
        )
