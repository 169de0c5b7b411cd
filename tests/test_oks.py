"""OKS, IoU and the suppression of duplicates against formulas written out in loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.skeletons import COCO, POSETRACK
from posetrack.tracker import iou_matrix, oks_matrix, oks_nms
from posetrack.tracker.oks import Outlines, oks_candidates, oks_pairs, suppress
from posetrack.types import Boxes, Poses

NOSE, LEFT_EAR, LEFT_HIP = (POSETRACK.index(joint) for joint in ("nose", "left_ear", "left_hip"))


def some_poses(seed: int, count: int, spread: float = 300.0, missing: float = 0.3) -> Poses:
    """Random people of random sizes; missing joints have no meaning at all (NaN)."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, spread, (count, 1, 2))
    size = rng.uniform(20, 200, (count, 1, 2))
    keypoints = low + rng.random((count, 17, 2)) * size
    scores = np.where(rng.random((count, 17)) < missing, 0, rng.uniform(0.1, 1, (count, 17)))
    keypoints[scores == 0] = np.nan
    boxes = np.concatenate([low, low + size * rng.uniform(0.5, 1.5, (count, 1, 2))], axis=2)[:, 0]
    return Poses(boxes, rng.random(count), keypoints, scores, np.full(count, -1), POSETRACK)


def nms(boxes: Boxes, max_iou: float) -> list[int]:
    """Suppression of boxes by their overlap."""
    kept: list[int] = suppress(boxes.scores, iou_matrix(boxes.xyxy, boxes.xyxy) > max_iou).tolist()
    return kept


def area(poses: Poses, person: int) -> float:
    """The documented area: of the box or of the joints' extent, the larger one, 1 at least."""
    x1, y1, x2, y2 = poses.boxes[person].astype(float)
    joints = [poses.keypoints[person, k] for k in POSETRACK.in_use if poses.keypoint_scores[person, k] > 0]
    extent = 0.0
    if joints:
        extent = float(np.prod(np.max(joints, axis=0).astype(float) - np.min(joints, axis=0)))
    return max((x2 - x1) * (y2 - y1), extent, 1.0)


def oks(a: Poses, i: int, b: Poses, j: int) -> float:
    """OKS as in the module's text, one joint after the other."""
    scale = (area(a, i) + area(b, j)) / 2
    terms = []
    for k in POSETRACK.in_use:
        if a.keypoint_scores[i, k] > 0 and b.keypoint_scores[j, k] > 0:
            squared = float(((a.keypoints[i, k].astype(float) - b.keypoints[j, k]) ** 2).sum())
            terms.append(math.exp(-squared / (2 * scale * (2 * POSETRACK.sigmas[k]) ** 2)))
    return sum(terms) / len(terms) if terms else 0.0


@given(seed=st.integers(0, 10_000), n=st.integers(0, 5), m=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_oks_is_the_formula(seed: int, n: int, m: int) -> None:
    a, b = some_poses(seed, n), some_poses(seed + 1, m)
    expected = [[oks(a, i, b, j) for j in range(m)] for i in range(n)]
    matrix = oks_matrix(a, b)
    assert matrix.shape == (n, m) and matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, np.array(expected).reshape(n, m), atol=2e-5)
    np.testing.assert_allclose(oks_matrix(b, a), matrix.T, atol=1e-6)


@pytest.mark.parametrize("own_falloff", [False, True])
def test_a_crowds_pairs_have_the_values_of_each_alone(own_falloff: bool) -> None:
    a, b = Outlines.of(some_poses(0, 150)), Outlines.of(some_poses(1, 90))
    rows, columns = np.indices((150, 90)).reshape(2, -1)
    falloff = np.linspace(0.1, 0.7, len(rows), dtype=np.float32) if own_falloff else None
    values, common = oks_pairs(a, b, rows, columns, falloff)
    for person in range(150):
        of_one = rows == person
        alone = oks_pairs(a, b, rows[of_one], columns[of_one], None if falloff is None else falloff[of_one])
        np.testing.assert_array_equal(values[of_one], alone[0])
        np.testing.assert_array_equal(common[of_one], alone[1])


def test_oks_of_a_hand_worked_pair() -> None:
    """Box 100 x 100, one joint 21.4 px off: exp(-21.4^2 / (2 * 100^2 * 0.214^2)) = exp(-1/2) for a hip."""
    a = one_joint(LEFT_HIP, (50.0, 50.0))
    b = one_joint(LEFT_HIP, (50.0, 71.4))
    assert oks_matrix(a, b)[0, 0] == pytest.approx(math.exp(-0.5), abs=1e-5)


def one_joint(slot: int, place: tuple[float, float], side: float = 100.0) -> Poses:
    keypoints, scores = np.zeros((1, 17, 2)), np.zeros((1, 17))
    keypoints[0, slot], scores[0, slot] = place, 0.9
    return Poses([[0, 0, side, side]], [0.9], keypoints, scores, [-1], POSETRACK)


def test_oks_does_not_depend_on_the_size_of_the_picture() -> None:
    """Without the area, or with a sigma of 1, larger people are never alike."""
    a, b = some_poses(1, 4, spread=30, missing=0), some_poses(2, 4, spread=30, missing=0)
    enlarged = [poses.replace(boxes=poses.boxes * 4, keypoints=poses.keypoints * 4) for poses in (a, b)]
    matrix = oks_matrix(a, b)
    assert matrix.max() > 0.01
    np.testing.assert_allclose(oks_matrix(*enlarged), matrix, rtol=1e-3, atol=1e-6)


def test_the_corner_of_the_picture_is_a_place_like_any_other() -> None:
    """(0, 0) means nothing by itself; only the score says that a joint is missing."""
    at_corner = one_joint(NOSE, (0.0, 0.0))
    assert oks_matrix(at_corner, at_corner)[0, 0] == 1
    missing = at_corner.replace(keypoint_scores=np.zeros((1, 17)))
    assert oks_matrix(at_corner, missing)[0, 0] == 0
    assert oks_matrix(missing, missing)[0, 0] == 0


def test_slots_that_are_never_used_do_not_count() -> None:
    a = one_joint(LEFT_EAR, (10.0, 10.0))
    assert oks_matrix(a, a)[0, 0] == 0
    coco = Poses(a.boxes, a.scores, a.keypoints, a.keypoint_scores, [-1], COCO)
    assert oks_matrix(coco, coco)[0, 0] == 1


def test_poses_of_two_skeletons_are_not_compared() -> None:
    a = some_poses(0, 1)
    b = Poses(a.boxes, a.scores, a.keypoints, a.keypoint_scores, [-1], COCO)
    with pytest.raises(ValueError, match="posetrack with coco"):
        oks_matrix(a, b)


@given(seed=st.integers(0, 10_000), floor=st.floats(0.01, 0.95))
@settings(max_examples=40, deadline=None)
def test_pairs_left_out_beforehand_cannot_reach_the_floor(seed: int, floor: float) -> None:
    a, b = some_poses(seed, 8, missing=0.8), some_poses(seed + 1, 8, missing=0.5)
    left_out = np.ones((8, 8), np.bool_)
    left_out[oks_candidates(Outlines.of(a), Outlines.of(b), floor)] = False
    assert (oks_matrix(a, b)[left_out] < floor + 1e-6).all()


Extent = tuple[list[float], list[float], float]


def extent(poses: Poses, person: int) -> Extent:
    """Corners around a person's joints, and the square root of the area."""
    joints = poses.keypoints[person].astype(float)[poses.keypoint_scores[person] > 0]
    return joints.min(axis=0).tolist(), joints.max(axis=0).tolist(), math.sqrt(area(poses, person))


def overlap(a: Extent, b: Extent, reach_a: float, reach_b: float) -> bool:
    """Whether the extents do, each grown by its reach times the square root of its area."""
    reach = reach_a * a[2] + reach_b * b[2]
    return all(a[0][axis] - reach <= b[1][axis] and b[0][axis] - reach <= a[1][axis] for axis in (0, 1))


@pytest.mark.parametrize("own_falloff", [False, True])
@pytest.mark.parametrize("floor", [0.05, 0.5, 0.9])
def test_pairs_looked_at_are_those_whose_grown_extents_overlap(floor: float, own_falloff: bool) -> None:
    a, b = some_poses(5, 30, spread=800, missing=0.5), some_poses(6, 40, spread=800, missing=0.5)
    a, b = (poses.replace(keypoint_scores=poses.keypoint_scores * POSETRACK.used) for poses in (a, b))
    falloff = np.linspace(0.05, 0.4, 30) if own_falloff else None
    each = [2 * max(POSETRACK.sigmas)] * 30 if falloff is None else falloff.tolist()
    reach = math.sqrt(math.log(1 / floor))
    expected = [
        (i, j)
        for j in range(40)
        for i in range(30)
        if overlap(extent(a, i), extent(b, j), reach * each[i], reach * max(each))
    ]
    rows, columns = oks_candidates(Outlines.of(a), Outlines.of(b), floor, falloff)
    assert rows.dtype == columns.dtype == np.int64
    assert 30 < len(expected) < 1000 and list(zip(rows.tolist(), columns.tolist(), strict=True)) == expected


def test_poses_in_the_same_place_can_reach_an_oks_of_one() -> None:
    same = Outlines.of(one_joint(NOSE, (30.0, 40.0)))
    rows, columns = oks_candidates(same, same, 1.0)
    assert rows.tolist() == columns.tolist() == [0]


@pytest.mark.parametrize(("distance", "near"), [(166.0, True), (166.5, False)])
def test_a_floor_of_nothing_reaches_as_far_as_one_of_1e_30(distance: float, near: bool) -> None:
    """Twice sqrt(30 ln 10) = 8.311 times k s = 10 px."""
    a, b = (Outlines.of(one_joint(LEFT_HIP, (x, 50.0))) for x in (0.0, distance))
    rows, _ = oks_candidates(a, b, 0.0, np.array([0.1]))
    assert len(rows) == near


def test_of_nobody_no_pair_is_looked_at() -> None:
    somebody, nobody = Outlines.of(some_poses(0, 3)), Outlines.of(some_poses(0, 0))
    for a, b in ((nobody, somebody), (somebody, nobody), (nobody, nobody)):
        for falloff in (None, np.full(len(a), 0.3)):
            rows, columns = oks_candidates(a, b, 0.2, falloff)
            assert rows.shape == columns.shape == (0,)


def test_a_person_smaller_than_a_pixel_counts_as_one_pixel() -> None:
    """Two hips 0.214 px apart: exp(-0.214^2 / (2 * 1 * 0.214^2)) = exp(-1/2)."""
    a, b = (one_joint(LEFT_HIP, (x, 0.25), side=0.5) for x in (0.0, 0.214))
    assert oks_matrix(a, b)[0, 0] == pytest.approx(math.exp(-0.5), abs=1e-5)


def test_the_iou_of_boxes_does_not_depend_on_their_size() -> None:
    boxes = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [1, 1, 3, 3]])
    for factor in (1, 0.1, 1000):
        np.testing.assert_allclose(iou_matrix(boxes * factor, boxes * factor)[0], [1, 1 / 3, 1 / 4], rtol=1e-5)


@given(seed=st.integers(0, 10_000), n=st.integers(0, 6), m=st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_iou_is_the_formula(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (np.sort(rng.uniform(0, 50, (count, 2, 2)), axis=1).reshape(count, 4) for count in (n, m))
    expected = np.zeros((n, m))
    for i, (ax1, ay1, ax2, ay2) in enumerate(a):
        for j, (bx1, by1, bx2, by2) in enumerate(b):
            shared = max(0, min(ax2, bx2) - max(ax1, bx1)) * max(0, min(ay2, by2) - max(ay1, by1))
            expected[i, j] = shared / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared)
    np.testing.assert_allclose(iou_matrix(a, b), expected, atol=1e-6)


def test_empty_boxes_overlap_with_nothing() -> None:
    point = np.array([[3.0, 3.0, 3.0, 3.0]])
    assert iou_matrix(point, point).tolist() == [[0.0]]


@given(seed=st.integers(0, 10_000), count=st.integers(0, 12), max_iou=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_suppression_keeps_the_best_and_nothing_that_overlaps_it(seed: int, count: int, max_iou: float) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 20, (count, 2))
    boxes = Boxes(np.concatenate([low, low + rng.uniform(5, 30, (count, 2))], axis=1), rng.random(count))
    iou = iou_matrix(boxes.xyxy, boxes.xyxy)
    expected: list[int] = []
    for index in sorted(range(count), key=lambda i: -boxes.scores[i]):
        if all(iou[index, kept] <= max_iou for kept in expected):
            expected.append(index)
    assert nms(boxes, max_iou) == expected


def test_of_two_poses_on_one_person_the_better_seen_one_stays() -> None:
    whole = some_poses(3, 1, missing=0)
    half = whole.replace(
        scores=whole.scores + 0.05,
        keypoint_scores=np.where(np.arange(17) < 9, whole.keypoint_scores, 0),
    )
    other = some_poses(4, 1, missing=0).replace(boxes=whole.boxes + 500)
    other = other.replace(keypoints=other.keypoints + 500)
    poses = Poses(
        *(np.concatenate([getattr(p, name) for p in (half, other, whole)]) for name in (
            "boxes", "scores", "keypoints", "keypoint_scores", "track_ids")),
        skeleton=POSETRACK,
    )  # fmt: skip
    assert set(oks_nms(poses, 0.7).tolist()) == {1, 2}
    assert oks_nms(Poses.empty(POSETRACK), 0.7).tolist() == []
    assert oks_nms(whole, 0.7).tolist() == [0]


@given(seed=st.integers(0, 10_000), max_oks=st.floats(0.05, 0.95))
@settings(max_examples=30, deadline=None)
def test_kept_poses_differ_and_dropped_ones_resemble_a_better_one(seed: int, max_oks: float) -> None:
    poses = some_poses(seed, 8, spread=20, missing=0.5)
    quality = poses.scores * poses.keypoint_scores[:, POSETRACK.in_use].mean(axis=1)
    kept, matrix = oks_nms(poses, max_oks), oks_matrix(poses, poses)
    assert (np.diff(quality[kept]) <= 0).all()
    among = matrix[np.ix_(kept, kept)] - np.diag(np.diag(matrix)[kept])
    assert (among <= max_oks).all()
    for dropped in set(range(8)) - set(kept.tolist()):
        assert any(matrix[dropped, k] > max_oks and quality[k] >= quality[dropped] for k in kept)


def test_poses_as_alike_as_allowed_are_both_kept() -> None:
    """Above the limit they are dropped, not at it."""
    one = some_poses(7, 1, missing=0)
    assert oks_nms(one[[0, 0]], 1.0).tolist() == [0, 1]
    assert oks_nms(one[[0, 0]], 0.999).tolist() == [0]


def test_boxes_that_overlap_as_much_as_allowed_are_both_kept() -> None:
    boxes = Boxes(np.array([[0, 0, 2, 2], [0, 0, 2, 1]]), np.array([0.9, 0.8]))
    assert nms(boxes, 0.5) == [0, 1]
    assert nms(boxes, 0.499) == [0]


def test_among_equals_the_earlier_one_comes_first() -> None:
    """Of a crowd, since short arrays are sorted stably by any method."""
    scores = np.random.default_rng(0).integers(1, 4, 300) / 4
    expected = sorted(range(300), key=lambda index: -scores[index])
    left = 200.0 * np.arange(300)[:, None]
    assert nms(Boxes(left * [1, 0, 1, 0] + [0, 0, 50, 50], scores), 0.5) == expected
    one = some_poses(8, 1, spread=0, missing=0)[[0] * 300]
    apart = one.replace(scores=scores, keypoints=one.keypoints + 9 * left[..., None] * [1, 0])
    assert oks_nms(apart, 0.5).tolist() == expected
