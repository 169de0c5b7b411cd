"""Left and right of tracks: exchanges of a few frames are undone, lasting ones relabel the track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from posetrack.skeletons import POSETRACK, SKELETONS, Skeleton
from posetrack.tracker import LinkerConfig
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.sides import Sides
from posetrack.types import UNLINKED, Origin, Poses
from tests.test_tracker_linker import Still
from tests.walkers import FrameLinker, J, Scene, Walker, straight

CONFIG = LinkerConfig()
SWAP = POSETRACK.flip_permutation
LEGS = np.array([joint.endswith(("hip", "knee", "ankle")) for joint in POSETRACK.joints])
ARMS = np.array([joint.endswith(("shoulder", "elbow", "wrist")) for joint in POSETRACK.joints])
SIDED = LEGS | ARMS
EARS = np.array([joint.endswith("ear") for joint in POSETRACK.joints])
SCENE = Scene((Walker(straight(300, 600, 1.0), height=300, swing=0.3),))
"""Somebody seen from the front: shoulders and hips are wide apart."""


def frontal(frame: float) -> Poses:
    """The person at a frame, all joints seen, the body as wide as seen from the front."""
    joints = SCENE.joints(frame)
    middle = joints[:, [J["head_bottom"]], 0]
    offsets = np.where(SIDED, np.where([joint.startswith("left") for joint in POSETRACK.joints], 30.0, -30.0), 0)
    joints[..., 0] = np.where(SIDED, middle + offsets + 0.3 * (joints[..., 0] - middle), joints[..., 0])
    box = np.concatenate([joints[0].min(axis=0), joints[0].max(axis=0)])
    return Poses(box[None], np.ones(1), joints, np.where(POSETRACK.used, 0.8, 0)[None], [UNLINKED], POSETRACK)


def exchanged(poses: Poses, joints: np.ndarray = SIDED) -> Poses:
    """As a network sees them that takes left for right, of some joints."""
    order = np.where(joints, SWAP, np.arange(17))
    return poses.replace(keypoints=poses.keypoints[:, order], keypoint_scores=poses.keypoint_scores[:, order])


def followed(
    seen: Callable[[int], Poses], frames: int, fps: float = 25.0, config: LinkerConfig = CONFIG
) -> list[bool]:
    """Whether the joints of each frame, after linking, are the true ones."""
    linker, right = FrameLinker(config, fps), []
    for frame in range(frames):
        moment = 25 * frame / fps
        linked = linker.link(seen(frame), SCENE.flow(moment, 25 / fps))
        assert linked.track_ids.tolist() == [0]
        right.append(bool(np.allclose(linked.keypoints[0, SIDED], frontal(moment).keypoints[0, SIDED], atol=1e-3)))
    return right


@pytest.mark.parametrize("joints", [SIDED, LEGS, ARMS], ids=["all", "legs", "arms"])
def test_an_exchange_of_some_frames_is_undone(joints: np.ndarray) -> None:
    wrong = {12, 20, 21, 22, 23, 31}
    assert all(followed(lambda frame: exchanged(frontal(frame), joints) if frame in wrong else frontal(frame), 40))


def test_without_it_sides_are_those_of_the_network() -> None:
    right = followed(
        lambda frame: exchanged(frontal(frame)) if frame == 12 else frontal(frame), 20,
        config=replace(CONFIG, sides=False),
    )  # fmt: skip
    assert right == [frame != 12 for frame in range(20)]


@pytest.mark.parametrize("fps", [12.5, 25, 100])
def test_a_track_that_began_mirrored_is_relabelled_when_it_was_right_for_as_long(fps: float) -> None:
    """The network takes left for right for a second, and then no more."""
    moments = [25 * frame / fps for frame in range(round(4 * fps))]
    right = followed(
        lambda frame: exchanged(frontal(moments[frame])) if frame < fps else frontal(moments[frame]),
        len(moments), fps,
    )  # fmt: skip
    first = right.index(True)
    assert all(right[first:]) and 1.7 < first / fps < 2.3


def test_crossed_torsos_are_repaired_from_the_first_frame_on() -> None:
    """Hips exchanged in every frame; which half is wrong, the frame before tells."""
    assert all(followed(lambda frame: exchanged(frontal(frame), LEGS) if frame else frontal(frame), 10))


@pytest.mark.parametrize(("away", "turned"), [(3, False), (5, False), (10, True), (15, True)])
def test_somebody_may_have_turned_round_while_hidden_for_long(away: int, turned: bool) -> None:
    """Within 0.3 s at 25 frames a second nobody does, and half a step of a walk takes longer."""
    linker = FrameLinker(CONFIG)
    for frame in range(20):
        linker.link(frontal(frame), SCENE.flow(frame))
    for frame in range(20, 20 + away):
        linker.link(Poses.empty(POSETRACK), SCENE.flow(frame))
    seen = exchanged(frontal(20 + away))
    linked = linker.link(seen, SCENE.flow(20 + away))
    assert linked.track_ids.tolist() == [0]
    assert np.allclose(linked.keypoints[0, SIDED], seen.keypoints[0, SIDED], atol=1e-3) == turned


def test_joints_carried_by_flow_are_left_alone() -> None:
    """They have the sides of the frame before: nothing new was seen."""
    carried = exchanged(frontal(1)).replace(origin=np.full((1, 17), Origin.CARRIED))
    linker = FrameLinker(CONFIG)
    linker.link(frontal(0), SCENE.flow(0))
    assert linker.link(carried, SCENE.flow(1)).keypoints == pytest.approx(carried.keypoints)


def test_scores_and_origins_go_with_their_joints() -> None:
    linker, poses = FrameLinker(CONFIG), frontal(10)
    scores, origin = poses.keypoint_scores.copy(), poses.origin.copy()
    scores[0, J["left_wrist"]], origin[0, J["left_ankle"]] = 0.5, Origin.FILLED
    poses = exchanged(poses.replace(keypoint_scores=scores))
    poses = poses.replace(origin=origin[:, SWAP])
    for frame in range(10):
        linker.link(frontal(frame), SCENE.flow(frame))
    linked = linker.link(poses, SCENE.flow(10))
    assert linked.keypoint_scores[0, J["left_wrist"]] == np.float32(0.5)
    assert linked.origin[0, J["left_ankle"]] == Origin.FILLED


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)
def test_feet_are_of_the_lower_half_of_the_body_and_faces_and_hands_of_the_upper(skeleton: Skeleton) -> None:
    upper, lower = ({skeleton.joints[slot] for slot in np.flatnonzero(half)} for half in skeleton.sided_halves)
    assert upper | lower == {joint for joint in skeleton.joints if joint.startswith(("left", "right"))}
    below = {"hip", "knee", "ankle", "toe", "heel"}
    assert lower == {joint for joint in upper | lower if joint.split("_")[-1] in below}


def cost(now: Poses, before: Poses) -> float:
    """Of the joints that have a side, each costs its distance over a tenth of the size, 1 at most."""
    near = np.linalg.norm(now.keypoints[0] - before.keypoints[0], axis=1) / 10
    known = now.present[0] & before.present[0]
    return float(np.where(known, np.minimum(near, 1), 1)[SIDED | EARS].sum())


def readings(frames: list[Poses], score: float, seconds: float) -> float:
    """By how much the best reading of all frames that ends mirrored costs more than the best one that does not."""
    best = {True: np.inf, False: np.inf}
    for states in product((False, True), repeat=len(frames)):
        total = sum(1.5 * score * seconds for state in states[1:] if state)
        for number in range(1, len(frames)):
            same = states[number] == states[number - 1]
            now = frames[number] if same else exchanged(frames[number], SIDED | EARS)
            total += cost(now, frames[number - 1]) + (0 if same else 1)
        best[states[-1]] = min(best[states[-1]], total)
    return best[True] - best[False]


@pytest.mark.parametrize("seed", range(5))
def test_each_reading_of_a_track_costs_what_its_joints_and_its_time_cost(seed: int) -> None:
    """Against all readings there are. The first frame says nothing: there is none before it."""
    rng = np.random.default_rng(seed)
    score, seconds = float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.02, 0.3))
    seen = []
    for frame in range(6):
        poses = frontal(frame)
        poses = poses.replace(keypoints=poses.keypoints + rng.normal(0, 2, (1, 17, 2)))
        scores = np.where(rng.random((1, 17)) < 0.1, 0, poses.keypoint_scores)
        poses = poses.replace(keypoint_scores=scores)
        seen.append(exchanged(poses, SIDED | EARS) if rng.random() < 0.5 else poses)
    sides, settled = Sides.unknown(1), seen[0]
    for number in range(1, 6):
        now, expected = Bodies.of(seen[number], 0.2), Bodies.of(settled, 0.2)
        size, sure = np.array([100.0], np.float32), np.array([score], np.float32)
        sides, slots = sides.later(seconds).read(np.zeros(1, np.int64), now, expected, size, sure)
        settled = seen[number]
        settled = settled.replace(
            keypoints=settled.keypoints[:, slots[0]], keypoint_scores=settled.keypoint_scores[:, slots[0]]
        )
        assert sides.doubts[0] == pytest.approx(readings(seen[: number + 1], score, seconds), abs=1e-3)


def test_a_half_is_exchanged_only_if_shoulders_and_hips_clearly_show_it() -> None:
    """Shoulders 8 % of the torso's length squared apart, seen nearly from the side, say nothing."""
    for width, repaired in ((0.6, True), (0.2, False)):
        linker = FrameLinker(CONFIG)
        poses = frontal(0)
        middle = poses.keypoints[0, J["head_bottom"], 0]
        narrow = poses.keypoints.copy()
        narrow[0, SIDED, 0] = middle + width * (narrow[0, SIDED, 0] - middle)
        poses = poses.replace(keypoints=narrow)
        linker.link(poses, SCENE.flow(0))
        linked = linker.link(exchanged(poses, LEGS), Still())
        assert np.allclose(linked.keypoints[0, LEGS], narrow[0, LEGS], atol=1e-3) == repaired
