"""People who come out of hiding: who is found again, who is not, and who waits without an id."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posetrack.skeletons import POSETRACK
from posetrack.tracker import LinkerConfig, MotionConfig
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.similarity import best_oks
from posetrack.types import UNLINKED, BoolArray, FloatArray, Poses
from tests.test_tracker_linker import Still, ids_over_time, walk
from tests.walkers import FrameLinker, Scene, Walker

CONFIG = LinkerConfig()
NOBODY = Poses.empty(POSETRACK)
HIDDEN = [NOBODY] * 5


class Shifted:
    """Everything moves by as much, as far as anybody could see."""

    def __init__(self, by: tuple[float, float]) -> None:
        self.by = by

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        return np.tile(np.array(self.by, np.float32), (len(xy), 1)), (np.abs(xy) < 1e5).all(axis=1)


def at(*places: float) -> Poses:
    """The same posture at each place."""
    return Poses.concatenate([walk((x, 500, 0.0)).truth(0) for x in places])


def only(poses: Poses, *joints: str) -> Poses:
    """The other joints missing."""
    seen = np.isin(POSETRACK.joints, joints)
    return poses.replace(keypoint_scores=np.where(seen, poses.keypoint_scores, 0))


def last_ids(frames: list[Poses], config: LinkerConfig = CONFIG) -> list[int]:
    """Ids in the last of some frames in which nothing moves by itself."""
    linker = FrameLinker(config)
    return [linker.link(poses, Still()).track_ids.tolist() for poses in frames][-1]


def test_a_lost_person_comes_back_once_and_the_one_beside_them_is_new() -> None:
    """32 px off would do for somebody lost, but the track has found its person already."""
    assert last_ids([at(300)] * 5 + HIDDEN + [at(332)]) == [0], "would do alone"
    assert last_ids([at(300)] * 5 + HIDDEN + [at(300, 332)]) == [0, 1]


def test_whoever_is_followed_is_not_taken_for_somebody_lost_beside_them() -> None:
    """The person at 300 stays in sight, where the lost one from 332 might come back; a newcomer is elsewhere."""
    both, one = at(300, 332), at(300)
    assert last_ids([both] * 5 + [one] * 5 + [at(300, 900)]) == [0, 2]


def test_a_lost_person_found_beside_somebody_followed_has_the_old_number() -> None:
    assert last_ids([at(300, 700)] * 5 + [at(300)] * 5 + [at(300, 732)]) == [0, 1]


def test_two_people_who_might_be_the_lost_one_are_one_old_and_one_new() -> None:
    assert sorted(last_ids([at(300)] * 5 + HIDDEN + [at(335, 345)])) == [0, 1]


def test_whoever_was_seen_in_the_frame_before_is_not_looked_for_with_more_tolerance() -> None:
    assert last_ids([at(300)] * 5 + [NOBODY] + [at(330)]) == [0]
    assert last_ids([at(300)] * 5 + [at(330)]) == [1]


@pytest.mark.parametrize("stricter", [False, True])
def test_a_lost_person_as_similar_as_asked_for_is_found(stricter: bool) -> None:
    """Of somebody who surely stands still, only the limbs and the noise of the place are uncertain."""
    config = replace(CONFIG, motion=MotionConfig(acceleration=1e-6, first_speed=1e-6))
    stored, seen = (Bodies.of(at(x), CONFIG.min_joint_score) for x in (300, 332))
    ids = np.array([0])
    similarity = best_oks(stored.with_ids(ids), seen, ids, 0.0, np.sqrt(np.array([0.3**2 + 0.03**2], np.float32)))[
        0, 0
    ]
    floor = float(similarity) + (1e-4 if stricter else -1e-4)
    assert last_ids([at(300)] * 5 + HIDDEN + [at(332)], replace(config, min_similarity=floor)) == [int(stricter)]


JOINTS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_knee")


@pytest.mark.parametrize(("seen", "expected"), [(4, UNLINKED), (5, 0)])
def test_few_joints_that_might_be_a_lost_person_wait_without_a_number(seen: int, expected: int) -> None:
    assert last_ids([at(300)] * 5 + HIDDEN + [only(at(332), *JOINTS[:seen])]) == [expected]


def test_few_joints_that_might_be_one_of_two_lost_people_wait_without_a_number() -> None:
    assert last_ids([at(300, 800)] * 5 + HIDDEN + [only(at(332), *JOINTS[:4])]) == [UNLINKED]


def test_few_joints_where_nobody_was_lost_start_a_track() -> None:
    few = only(at(900), *JOINTS[:4])
    assert last_ids([at(300)] * 5 + HIDDEN + [few]) == [1]
    assert last_ids([at(300)] * 5 + HIDDEN + [few], replace(CONFIG, coasting=False)) == [1]
    near = only(at(332), *JOINTS[:4])
    assert last_ids([at(300)] * 5 + HIDDEN + [near], replace(CONFIG, coasting=False)) == [1], "nobody is expected"
    assert last_ids([at(300)] * 5 + [at(300), near]) == [1], "nobody is lost"


def test_somebody_who_stops_unseen_is_found_where_the_flow_left_them() -> None:
    """Their own motion would have taken them 320 px on; the queue of ten frames has forgotten them."""

    def way(frame: float) -> tuple[float, float]:
        return 100 + 20 * min(frame, 11.0), 500

    scene = Scene((Walker(way, swing=0.0),))
    missed = {frame: [] for frame in range(12, 28)}
    assert ids_over_time(scene, FrameLinker(CONFIG), missed, 29)[-1] == [0]


def test_who_stopped_unseen_and_stepped_aside_is_found_near_where_the_flow_left_them() -> None:
    """The body has gone on by its own motion, 240 px by now, and says nothing of the place."""
    walking = [at(200 + 15 * frame) for frame in range(10)]
    assert last_ids([*walking, *[NOBODY] * 15, at(365)]) == [0]


def test_who_walks_hidden_goes_with_the_background_and_by_their_own_motion() -> None:
    """12 px a frame, while the camera pans by 25 px: the flow at their last pose is the background's."""
    linker = FrameLinker(CONFIG)
    for frame in range(12):
        assert linker.link(at(600 + 12 * frame), Still()).track_ids.tolist() == [0]
    for _ in range(8):
        linker.link(NOBODY, Shifted((-25, 0)))
    place = 600 + 12 * 11 + 9 * (12 - 25)
    assert linker.link(at(place), Shifted((-25, 0))).track_ids.tolist() == [0]


def test_with_more_tolerance_only_the_last_pose_is_compared() -> None:
    """Somebody walked from 200 to 335; who appears 30 px behind one of the first places is somebody else."""
    walking = [at(200 + 15 * frame) for frame in range(10)]
    assert last_ids([*walking, NOBODY, NOBODY, at(200)]) == [1]


def test_joints_seen_earlier_go_with_the_flow_after_joints_seen_later() -> None:
    """Legs alone in the frame of a sudden motion say little of the body; the older pose has gone with the flow."""
    linker, standing = FrameLinker(CONFIG), at(300)
    legs = ("left_hip", "left_knee", "left_ankle")
    upper = ("nose", "head_top", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow")
    for _ in range(5):
        linker.link(standing, Still())
    assert linker.link(only(at(360), *legs), Shifted((60, 0))).track_ids.tolist() == [0]
    assert linker.link(only(at(360), *upper), Still()).track_ids.tolist() == [0]


def test_joints_that_the_flow_lost_are_compared_no_more() -> None:
    """Where the stored poses were is not where they are."""

    class Blind:
        def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
            return np.zeros_like(xy), np.zeros(len(xy), np.bool_)

    linker, poses = FrameLinker(replace(CONFIG, coasting=False)), at(300)
    linker.link(poses, Still())
    assert linker.link(poses, Blind()).track_ids.tolist() == [1]
