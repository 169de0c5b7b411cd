"""Similarity of poses (OKS) and boxes (IoU), and suppression of duplicates.

Object keypoint similarity (https://cocodataset.org/#keypoints-eval), made symmetric because both poses are
estimates:

    OKS(a, b) = mean over the joints present in both of exp(-d^2 / (2 s^2 k^2)),   k = 2 sigma

The sigmas are the skeleton's, without its unused joints. The scale s^2 is the mean of the two poses' areas. A
pose's area (px^2) is the larger of its box and the extent of its joints, and at least 1: a truncated or invented
box may be tiny, and so is the extent of a person of whom only the head is visible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import Skeleton
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.joints import bounds, mean_scores, planes, used_joints
from posetrack.types import BoolArray, FloatArray, IntArray, Poses

# Arrays of more pairs leave the processor's cache, and the C library may give their memory back to the system and
# allocate it again in every call, which made them four times as slow.
_PAIRS_AT_ONCE = 4096

_FEWEST_JOINTS = 3
"""Fewer joints may coincide with those of another person by chance."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """The data OKS needs of N poses, computed once for many comparisons.

    Attributes:
        points: float32 [2, N, K], x and y in source pixels, finite even where the joint is missing.
        present: bool [N, K]: the joint was found and is in use.
        low, high: float32 [2, N], corners of the joints' extent; +inf and -inf where there is no joint.
        areas: float32 [N], px^2.
        skeleton: The joints' skeleton.
    """

    points: FloatArray
    present: BoolArray
    low: FloatArray
    high: FloatArray
    areas: FloatArray
    skeleton: Skeleton

    @classmethod
    def of(cls, poses: Poses) -> Self:
        """The outlines of poses, in their order."""
        present = used_joints(poses)
        points = np.where(present, planes(poses.keypoints), np.float32(0))
        return cls._around(points, present, poses.boxes.T, poses.skeleton)

    @classmethod
    def of_bodies(cls, bodies: Bodies) -> Self:
        """The outlines of bodies, in their order."""
        return cls._around(bodies.points, bodies.present, bodies.boxes, bodies.skeleton)

    @classmethod
    def _around(cls, points: FloatArray, present: BoolArray, boxes: FloatArray, skeleton: Skeleton) -> Self:
        low, high = bounds(points, present)
        areas = np.maximum(np.maximum(_areas(boxes[:2], boxes[2:]), _areas(low, high)), np.float32(1))
        return cls(points, present, low, high, areas, skeleton)

    def __len__(self) -> int:
        return len(self.areas)


def oks_matrix(a: Poses, b: Poses) -> FloatArray:
    """OKS of every pose of ``a`` with every pose of ``b``.

    Args:
        a: N poses.
        b: M poses of the same skeleton.

    Returns:
        float32 [N, M] in [0, 1]; 0 where two poses have no joint in common.

    Raises:
        ValueError: the skeletons differ.
    """
    rows, columns = np.indices((len(a), len(b)), dtype=np.int64).reshape(2, -1)
    values, _ = oks_pairs(Outlines.of(a), Outlines.of(b), rows, columns)
    return values.reshape(len(a), len(b))


def oks_pairs(
    a: Outlines, b: Outlines, rows: IntArray, columns: IntArray, falloff: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """OKS of chosen pairs: of pose ``rows[i]`` of ``a`` with pose ``columns[i]`` of ``b``.

    Args:
        a, b: Outlines of the poses.
        rows, columns: int [P].
        falloff: float [P], the k of all joints of a pair; None = each joint's 2 sigma.

    Returns:
        float32 [P] in [0, 1]; and float32 [P], the number of joints in common.

    Raises:
        ValueError: the skeletons differ.
    """
    if a.skeleton.joints != b.skeleton.joints:
        raise ValueError(f"OKS compares poses of one skeleton, not {a.skeleton.name} with {b.skeleton.name}")
    k = 2 * a.skeleton.oks_sigmas[None] if falloff is None else falloff[:, None]
    if len(rows) <= _PAIRS_AT_ONCE:
        return _oks_of_pairs(a, b, rows, columns, k)
    parts = [slice(start, start + _PAIRS_AT_ONCE) for start in range(0, len(rows), _PAIRS_AT_ONCE)]
    done = [_oks_of_pairs(a, b, rows[part], columns[part], k if falloff is None else k[part]) for part in parts]
    values, counts = zip(*done, strict=True)
    return np.concatenate(values), np.concatenate(counts)


def _oks_of_pairs(
    a: Outlines, b: Outlines, rows: IntArray, columns: IntArray, k: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """``oks_pairs`` of few pairs, with k float [1, K] or [P, 1]."""
    offsets = a.points.take(rows, axis=1) - b.points.take(columns, axis=1)
    x_squared, y_squared = np.square(offsets)
    # s^2 is the mean of both areas, and the 2 s^2 of the formula their sum.
    areas = (a.areas.take(rows) + b.areas.take(columns))[:, None]
    similarity = np.exp((x_squared + y_squared) / (areas * -np.square(k)))
    common = (a.present.take(rows, axis=0) & b.present.take(columns, axis=0)).astype(np.float32)
    # Sums of short rows: einsum is three times as fast as sum.
    count, total = np.einsum("pj->p", common), np.einsum("pj,pj->p", similarity, common)
    return np.asarray(total / np.maximum(count, 1), np.float32), np.asarray(count, np.float32)


def oks_candidates(
    a: Outlines, b: Outlines, min_oks: float, falloff: FloatArray | None = None
) -> tuple[IntArray, IntArray]:
    """Pairs that may reach an OKS, found by the extents of their joints alone.

    OKS >= m needs one joint with d <= s k sqrt(2 ln(1/m)), and s <= (s_a + s_b) / sqrt(2). So the extents,
    each grown by its pose's share of that distance, overlap: every pair left out is certainly below m.

    Args:
        a, b: Outlines of N and M poses.
        min_oks: The OKS that matters, in [0, 1]; below 1e-30 it counts as that.
        falloff: float [N], the k of all joints of each pose of ``a``; None = each joint's 2 sigma.

    Returns:
        int64 [P] rows of ``a`` and int64 [P] rows of ``b``, sorted by the latter.
    """
    k = 2 * max(a.skeleton.sigmas) if falloff is None else falloff
    widest = k if falloff is None else falloff.max(initial=0)
    reach = math.sqrt(-math.log(max(min_oks, 1e-30)))
    reach_a, reach_b = reach * k * np.sqrt(a.areas), reach * widest * np.sqrt(b.areas)
    low_a, high_a = a.low - reach_a, a.high + reach_a
    low_b, high_b = (b.low - reach_b)[..., None], (b.high + reach_b)[..., None]
    # The many along the last axis, in long rows of memory.
    x_near, y_near = (low_a[:, None] <= high_b) & (low_b <= high_a[:, None])
    columns, rows = np.divmod(np.flatnonzero(x_near & y_near), len(a))
    return rows, columns


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of every box of ``a`` with every box of ``b``.

    Args:
        a: float [N, 4], x1 y1 x2 y2.
        b: float [M, 4].

    Returns:
        float32 [N, M] in [0, 1]; 0 where both boxes are empty.

    >>> iou_matrix(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
    [[0.3330000042915344, 0.0]]
    """
    rows, columns = np.ascontiguousarray(a.T)[..., None], np.ascontiguousarray(b.T)[:, None]
    intersection = _areas(np.maximum(rows[:2], columns[:2]), np.minimum(rows[2:], columns[2:]))
    union = _areas(rows[:2], rows[2:]) + _areas(columns[:2], columns[2:]) - intersection
    return np.asarray(intersection / np.where(union > 0, union, 1), np.float32)


def inside_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Share of every box of ``a``, float [N, 4], that lies in every box of ``b``, float [M, 4]: float32 [N, M].

    >>> inside_matrix(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 9, 9], [0, 0, 9, 9]])).tolist()
    [[0.5, 1.0]]
    """
    low = np.maximum(a[:, None, :2], b[:, :2])
    high = np.minimum(a[:, None, 2:], b[:, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = np.maximum((a[:, 2:] - a[:, :2]).prod(axis=1), 1)
    return np.asarray(shared / areas[:, None], np.float32)


def part_oks(poses: Poses, inner: IntArray, outer: IntArray) -> FloatArray:
    """How much the joints of pose ``inner[i]`` are those of a part of pose ``outer[i]``.

    The OKS of the inner pose's joints that lie in its box, on the scale of the outer pose. A joint that the outer
    pose does not have is unlike.

    Args:
        poses: N poses.
        inner, outer: int [P].

    Returns:
        float32 [P] in [0, 1]; 0 where the inner pose has fewer than three joints.
    """
    outlines = Outlines.of(poses)
    points = outlines.points.take(inner, axis=1)
    corners = poses.boxes[inner].T[:, :, None]
    x_inside, y_inside = (points >= corners[:2]) & (points <= corners[2:])
    counted = outlines.present[inner] & x_inside & y_inside
    x, y = points - outlines.points.take(outer, axis=1)
    k = 2 * poses.skeleton.oks_sigmas
    similarity = np.exp((x * x + y * y) / (2 * outlines.areas[outer][:, None] * -np.square(k)))
    count = counted.sum(axis=1)
    total = np.where(counted & outlines.present[outer], similarity, 0).sum(axis=1)
    return np.where(count >= _FEWEST_JOINTS, total / np.maximum(count, 1), 0).astype(np.float32)


def oks_nms(poses: Poses, max_oks: float | FloatArray) -> IntArray:
    """Greedy suppression of poses that lie on one another.

    The better of two poses is the one with the higher box score x mean joint score, where the mean goes
    over all joints in use and a missing one counts as 0: a box that shows the whole person beats one that
    cuts the legs off.

    Args:
        poses: N poses.
        max_oks: A pose whose OKS with a better one is above this is dropped; float [N, N]: for each pair.

    Returns:
        int64 [kept] indices into ``poses``, best first (the earlier pose first among equals).
    """
    quality = poses.scores * mean_scores(poses)
    outlines = Outlines.of(poses)
    limits = np.broadcast_to(max_oks, (len(poses), len(poses)))
    rows, columns = oks_candidates(outlines, outlines, float(limits.min(initial=1)))
    same = np.zeros((len(poses), len(poses)), np.bool_)
    values, _ = oks_pairs(outlines, outlines, rows, columns)
    same[rows, columns] = values > limits[rows, columns]
    return suppress(quality, same)


def suppress(quality: FloatArray, same: NDArray[np.bool_]) -> IntArray:
    """Indices that no better kept one equals, best first; ``same`` is bool [N, N], rows the better ones."""
    order = np.argsort(-quality, kind="stable")
    rank = np.argsort(order)
    worse = same & (rank[:, None] < rank)
    alive = np.ones(len(quality), np.bool_)
    # Few poses have a duplicate; only those are checked one by one.
    for index in order[worse[order].any(axis=1)].tolist():
        if alive[index]:
            alive &= ~worse[index]
    return order[alive[order]]


def _areas(low: FloatArray, high: FloatArray) -> FloatArray:
    """float [...] areas in px^2 between corners [2, ...]; 0 for boxes turned inside out."""
    width, height = np.maximum(high - low, 0)
    areas: FloatArray = width * height
    return areas
