"""People as the linker stores them, and its queue of them."""

from __future__ import annotations

import numpy as np

from posetrack.skeletons import COCO, POSETRACK
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.queue import Queue
from posetrack.types import UNLINKED
from tests.walkers import Scene, Walker, straight

POSES = Scene(tuple(Walker(straight(x, 500, 1.0), phase=x) for x in (300, 420, 700))).truth(0)
PEOPLE = Bodies.of(POSES, 0.2)


def same(a: Bodies, b: Bodies) -> bool:
    fields = ("points", "present", "boxes", "track_ids")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in fields) and a.skeleton == b.skeleton


def test_bodies_are_the_poses_joints_and_boxes_without_ids() -> None:
    for person in range(3):
        for joint in np.flatnonzero(PEOPLE.present[person]):
            assert PEOPLE.points[:, person, joint].tolist() == POSES.keypoints[person, joint].tolist()
        assert PEOPLE.boxes[:, person].tolist() == POSES.boxes[person].tolist()
    assert PEOPLE.track_ids.tolist() == [UNLINKED] * 3
    assert len(Bodies.empty(POSETRACK)) == 0


def test_chosen_and_joined_bodies_are_those_asked_for() -> None:
    one, others = PEOPLE[np.array([1])], PEOPLE[np.array([0, 2])]
    assert same(Bodies.concatenate([one]), one)
    assert same(Bodies.concatenate([one, others])[np.array([1, 0, 2])], PEOPLE)
    assert Bodies.concatenate([one, Bodies.empty(COCO)]).skeleton == POSETRACK, "the first one's"


def test_the_queue_moves_and_ages_what_it_stores_and_loses_joints_that_the_flow_loses() -> None:
    queue = Queue.empty(POSETRACK).pushed(PEOPLE[np.array([0])], np.zeros(0, np.int64))
    queue = queue.moved(np.zeros((2, 17)), np.ones(17, np.bool_)).pushed(PEOPLE[np.array([1, 2])], np.array([0]))
    assert queue.ages.tolist() == [0, 0, 1]
    known = np.arange(3 * 17) % 3 > 0
    moved = queue.moved(np.stack([np.full(51, 4.0), np.arange(51.0)]), known)
    assert moved.ages.tolist() == [1, 1, 2] and same(moved.previous, PEOPLE[np.array([1, 2])])
    for row, person in enumerate((1, 2, 0)):
        for joint in range(17):
            number = 17 * row + joint
            assert moved.carried.present[row, joint] == (PEOPLE.present[person, joint] and number % 3 > 0)
            expected = PEOPLE.points[:, person, joint] + [4, number]
            assert moved.carried.points[:, row, joint].tolist() == expected.tolist()


def test_poses_expected_in_the_present_frame_have_the_age_0() -> None:
    stored = Queue.empty(POSETRACK).pushed(PEOPLE[np.array([0])], np.zeros(0, np.int64))
    stored = stored.moved(np.zeros((2, 17)), np.ones(17, np.bool_))
    beside = stored.beside(PEOPLE[np.array([2, 1])])
    assert beside.ages.tolist() == [1, 0, 0]
    assert same(beside.carried, PEOPLE[np.array([0, 2, 1])]) and same(beside.previous, PEOPLE[np.array([0])])
