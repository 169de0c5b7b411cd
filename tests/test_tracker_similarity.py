"""Similarities of tracks and people against their definitions, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.skeletons import POSETRACK
from posetrack.tracker import SIMILARITIES, oks_matrix
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.queue import Queue
from posetrack.tracker.similarity import best_oks
from posetrack.types import IntArray, Poses
from tests.walkers import Scene, Walker, poses_of, straight

TRACKS = np.array([2, 5, 6])
SCENE = Scene(tuple(Walker(straight(x, 500, 1.0), phase=x) for x in (300, 420, 700)))
POSES = SCENE.truth(0)
PEOPLE = Bodies.of(POSES, 0.2)


def shifted(poses: Poses, by: float) -> Poses:
    return poses.replace(keypoints=poses.keypoints + [by, 0], boxes=poses.boxes + [by, 0, by, 0])


def with_ids(poses: Poses, ids: IntArray) -> Bodies:
    return Bodies.of(poses, 0.2).with_ids(ids)


@pytest.mark.parametrize("common", range(1, 16))
def test_an_oks_over_n_joints_counts_n_of_n_plus_one(common: int) -> None:
    one = POSES[[0]]
    few = np.zeros((1, 17), np.bool_)
    few[0, POSETRACK.in_use[:common]] = True
    part = Bodies.of(poses_of(one.keypoints, few & one.present), 0.2)
    stored = with_ids(shifted(one, 3.0), np.array([5]))
    n = int(part.present.sum())
    oks = oks_matrix(shifted(one, 3.0), poses_of(one.keypoints, few & one.present))[0, 0]
    found = best_oks(stored, part, np.array([5]), 0.0)
    assert found.shape == (1, 1) and n == common
    assert found[0, 0] == pytest.approx(oks * n / (n + 1), rel=1e-5)


def test_of_a_tracks_stored_poses_the_most_similar_one_counts() -> None:
    stored = Bodies.concatenate(
        [with_ids(shifted(POSES, by), ids) for by, ids in ((9.0, np.array([2, 5, 6])), (2.0, np.array([5, 2, 5])))]
    )
    found = best_oks(stored, PEOPLE, TRACKS, 0.0)
    far, near = oks_matrix(shifted(POSES, 9.0), POSES), oks_matrix(shifted(POSES, 2.0), POSES)
    expected = np.stack([np.maximum(far[0], near[1]), np.maximum(far[1], np.maximum(near[0], near[2])), far[2]])
    np.testing.assert_allclose(found, expected * 15 / 16, atol=1e-5)


def test_a_falloff_of_ones_own_makes_a_stored_pose_more_or_less_tolerant() -> None:
    stored = with_ids(shifted(POSES, 20.0), TRACKS)
    narrow, wide = (best_oks(stored, PEOPLE, TRACKS, 0.0, np.full(3, k, np.float32)) for k in (0.1, 0.5))
    area = max((POSES.boxes[0, 2] - POSES.boxes[0, 0]) * (POSES.boxes[0, 3] - POSES.boxes[0, 1]), 1)
    for found, k in ((narrow, 0.1), (wide, 0.5)):
        assert found[0, 0] == pytest.approx(np.exp(-400 / (2 * area * k * k)) * 15 / 16, rel=0.02)


def queue() -> Queue:
    """Tracks 2 and 6 were seen in the frame before, now 20 px to the right by the flow; 5 two frames ago."""
    previous = with_ids(POSES[[0, 2]], np.array([2, 6]))
    moved, older = with_ids(shifted(POSES[[0, 2]], 20.0), np.array([2, 6])), with_ids(POSES[[1]], TRACKS[[1]])
    carried = Bodies.concatenate([moved, older])
    return Queue(previous, carried, np.array([1, 1, 2]))


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("bbox", [True, False, True]),
        ("pose", [True, False, True]),
        ("flow", [False, False, False]),
        ("multi-flow", [False, True, False]),
    ],
)
def test_what_is_compared_is_the_box_or_pose_of_the_frame_before_or_what_was_carried(
    name: str, same: list[bool]
) -> None:
    found = SIMILARITIES[name](queue(), PEOPLE, TRACKS, 0.0)
    assert found.shape == (3, 3)
    most = 1 if name == "bbox" else 15 / 16
    assert (np.abs(np.diag(found) - most) < 1e-5).tolist() == same
    if name in ("bbox", "pose", "flow"):
        assert not found[1].any(), "a track that was not seen in the frame before resembles nobody"
    moved = SIMILARITIES[name](queue(), Bodies.of(shifted(POSES, 20.0), 0.2), TRACKS, 0.0)
    assert (np.abs(np.diag(moved) - most) < 1e-5).tolist() == {
        "bbox": [False] * 3, "pose": [False] * 3, "flow": [True, False, True], "multi-flow": [True, False, True],
    }[name]  # fmt: skip


@pytest.mark.parametrize(("size", "alike"), [(1.0, True), (0.45, True), (0.35, False), (0.15, False)])
def test_people_of_very_different_sizes_are_not_alike_wherever_they_are(size: float, alike: bool) -> None:
    """Somebody far away, in front of the chest of somebody near, with the same posture."""
    near = SCENE.truth(0)[:1]
    middle = near.keypoints.mean(axis=1)

    def shrunk(points: np.ndarray) -> np.ndarray:
        return (middle[:, None] + size * (points - middle[:, None])).astype(np.float32)

    far = near.replace(
        keypoints=shrunk(near.keypoints), boxes=shrunk(near.boxes.reshape(1, 2, 2)).reshape(1, 4)
    )  # fmt: skip
    first = np.array([0])
    falloff = np.full(1, 2.0, np.float32)  # all places count as near
    similarity = best_oks(with_ids(far, first), with_ids(near, first), first, 0.01, falloff)
    assert (similarity[0, 0] > 0.2) == alike
