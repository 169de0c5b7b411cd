"""Similarity of tracks' stored poses to the poses of the current frame (paper, section 3.3).

A similarity takes the queue, the current people, the ids of the T living tracks (ascending) and the smallest
similarity that matters. It returns float32 [T, N] in [0, 1]. Values below the smallest may be 0 instead, because
people far apart are not compared joint by joint.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posetrack.tracker.bodies import Bodies
from posetrack.tracker.joints import bounds
from posetrack.tracker.oks import Outlines, iou_matrix, oks_candidates, oks_pairs
from posetrack.tracker.queue import Queue
from posetrack.types import BoolArray, FloatArray, IntArray

Similarity = Callable[[Queue, Bodies, IntArray, float], FloatArray]


def bbox(queue: Queue, people: Bodies, track_ids: IntArray, floor: float) -> FloatArray:
    """S_Bbox: IoU of the previous frame's boxes, not moved, with the current ones."""
    similarity = np.zeros((len(track_ids), len(people)), np.float32)
    rows = np.searchsorted(track_ids, queue.previous.track_ids)
    similarity[rows] = iou_matrix(queue.previous.boxes.T, people.boxes.T)
    return similarity


def pose(queue: Queue, people: Bodies, track_ids: IntArray, floor: float) -> FloatArray:
    """S_Pose: OKS of the previous frame's poses, not moved, with the current ones."""
    return best_oks(queue.previous, people, track_ids, floor)


def flow(queue: Queue, people: Bodies, track_ids: IntArray, floor: float) -> FloatArray:
    """S_Flow: OKS of the previous frame's poses, carried by the flow, with the current ones."""
    return best_oks(queue.carried[np.flatnonzero(queue.ages == 1)], people, track_ids, floor)


def multi_flow(queue: Queue, people: Bodies, track_ids: IntArray, floor: float) -> FloatArray:
    """S_Multi-Flow: the best OKS over all of a track's stored poses, each carried by all flows since.

    The best is taken for each track, so each track counts once, however many of its poses are stored.
    """
    return best_oks(queue.carried, people, track_ids, floor)


_GROWTH = 2.5
"""Ratio of the extents of two poses above which they are different people."""

_FEWEST_COMPARED = 5
"""Minimum number of common joints to compare sizes."""

SIMILARITIES: dict[str, Similarity] = {"bbox": bbox, "pose": pose, "flow": flow, "multi-flow": multi_flow}
"""The similarities by name."""


def best_oks(
    stored: Bodies, people: Bodies, track_ids: IntArray, floor: float, falloff: FloatArray | None = None
) -> FloatArray:
    """The best OKS of each track's stored poses with each current pose.

    Two or three joints easily agree by chance. So an OKS over n common joints is multiplied by n / (n + 1), as if
    one more joint had been compared and did not match. That of people of very different sizes is 0: the scale of
    OKS is the mean of both, so a small person would resemble any part of a large one.

    Args:
        stored: E people with the ids of living tracks.
        people: N people.
        track_ids: int64 [T], ascending.
        floor: Smaller values may be returned as 0.
        falloff: float [E], the k of all joints, per stored pose. ``None`` uses each joint's 2 sigma.

    Returns:
        float32 [T, N].
    """
    past, present = Outlines.of_bodies(stored), Outlines.of_bodies(people)
    rows, columns = oks_candidates(past, present, floor, falloff)
    values, common = oks_pairs(past, present, rows, columns, None if falloff is None else falloff[rows])
    likely = np.flatnonzero(values * common >= floor * (common + 1))
    rows, columns, values, common = rows[likely], columns[likely], values[likely], common[likely]
    values = np.where(_same_size(past, present, rows, columns), values, np.float32(0))
    best = np.zeros((len(track_ids), len(people)), np.float32)
    owners = np.searchsorted(track_ids, stored.track_ids)
    # In one dimension: several times as fast in numpy.
    np.maximum.at(best.reshape(-1), owners[rows] * len(people) + columns, values * common / (common + 1))
    return best


def _same_size(a: Outlines, b: Outlines, rows: IntArray, columns: IntArray) -> BoolArray:
    """bool [P]: the joints that both poses of a pair have extend over similar areas."""
    common = a.present[rows] & b.present[columns]
    extents = []
    for outlines, chosen in ((a, rows), (b, columns)):
        low, high = bounds(outlines.points.take(chosen, axis=1), common)
        extents.append(np.maximum((high - low).max(axis=0, initial=0), 1))
    first, second = extents
    alike = (first <= _GROWTH * second) & (second <= _GROWTH * first)
    return np.asarray(alike | (common.sum(axis=1) < _FEWEST_COMPARED), np.bool_)
