"""Reductions over joints against loops that go through people and joints one by one."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.skeletons import POSETRACK
from posetrack.tracker.joints import confident_joints, displacements, extents, masked_median, mean_scores
from posetrack.types import BoolArray, FloatArray, Poses


def poses(keypoints: FloatArray, scores: FloatArray) -> Poses:
    count = len(scores)
    return Poses(np.zeros((count, 4)), np.ones(count), keypoints, scores, np.full(count, -1), POSETRACK)


@pytest.mark.parametrize("slots", [0, 1, 2, 5, 6])
@pytest.mark.parametrize("likely", [0.0, 0.5, 1.0])
def test_the_median_is_that_of_the_values_allowed_and_0_of_none(slots: int, likely: float) -> None:
    rng = np.random.default_rng(slots)
    values, mask = rng.normal(50, 9, (20, slots, 2)), rng.random((20, slots)) < likely
    values[~mask] = np.nan
    expected = [
        np.median(own[there], axis=0) if there.any() else [0, 0] for own, there in zip(values, mask, strict=True)
    ]
    np.testing.assert_allclose(masked_median(values, mask), expected, rtol=1e-6)


def test_extents_go_around_the_joints_that_count() -> None:
    rng = np.random.default_rng(0)
    points, mask = rng.normal(0, 50, (20, 6, 2)), rng.random((20, 6)) < 0.4
    points[rng.random((20, 6)) < 0.2] = np.nan
    low, high = extents(points, mask)
    for person in range(20):
        there = [p for p, m in zip(points[person], mask[person], strict=True) if m and not np.isnan(p).any()]
        expected = (np.min(there, axis=0), np.max(there, axis=0)) if there else ([np.inf] * 2, [-np.inf] * 2)
        np.testing.assert_array_equal((low[person], high[person]), expected)


def test_a_joint_is_confident_with_the_score_asked_for_in_a_place_that_is_a_place() -> None:
    keypoints, scores = np.full((1, 17, 2), 9.0), np.full((1, 17), 0.9)
    names = ("nose", "left_hip", "right_hip", "left_knee", "right_knee", "left_ear")
    nose, left_hip, right_hip, left_knee, right_knee, ear = map(POSETRACK.index, names)
    keypoints[0, left_hip], keypoints[0, right_hip] = (np.nan, 9), (9, np.inf)
    scores[0, [nose, left_knee, right_knee]] = 0.25, 0.249, 0
    confident = confident_joints(poses(keypoints, scores), 0.25)[0]
    unused = POSETRACK.index("right_ear")
    assert set(np.flatnonzero(~confident)) == {left_hip, right_hip, left_knee, right_knee, ear, unused}
    assert not confident_joints(poses(keypoints, scores), 0.0)[0, right_knee], "a joint of score 0 is missing"


def test_the_mean_score_is_over_all_joints_in_use() -> None:
    scores = np.random.default_rng(0).random((3, 17)) * (np.arange(17) > 6)
    expected = [sum(own[k] for k in POSETRACK.in_use) / 15 for own in scores]
    np.testing.assert_allclose(mean_scores(poses(np.zeros((3, 17, 2)), scores)), expected, rtol=1e-6)


def test_joints_that_are_there_are_asked_for_where_they_are_and_what_is_not_known_is_0() -> None:
    class Flow:
        def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
            self.asked = xy
            known = xy[:, 0] > 20
            return np.where(known[:, None], xy * [0.1, 0.01], np.nan), known

    flow = Flow()
    points = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4) * 7
    present = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 1]], np.bool_)
    displacement, known = displacements(points, present, flow)
    asked = flow.asked.reshape(3, 4, 2)
    for person, joint in np.ndindex(3, 4):
        place = points[:, person, joint]
        if present[person, joint]:
            assert asked[person, joint].tolist() == place.tolist()
        else:
            assert (np.abs(asked[person, joint]) > 1e5).all(), "far outside any frame"
        moves = present[person, joint] and place[0] > 20
        assert known[person, joint] == moves
        np.testing.assert_allclose(
            displacement[:, person, joint], place * [0.1, 0.01] if moves else [0, 0], rtol=1e-6
        )
