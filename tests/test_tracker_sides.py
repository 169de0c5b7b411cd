"""Left and right of tracks: exchanges of a few frames are undone, lasting ones relabel the track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from posetrack.skeletons import POSETRACK, SKELETONS, Skeleton
from posetrack.tracker import LinkerConfig
from posetrack.types import UNLINKED, Origin, Poses
from tests.walkers import FrameLinker, J, Scene, Walker, straight

CONFIG = LinkerConfig()
SWAP = POSETRACK.flip_permutation
LEGS = np.array([joint.endswith(("hip", "knee", "ankle")) for joint in POSETRACK.joints])
ARMS = np.array([joint.endswith(("shoulder", "elbow", "wrist")) for joint in POSETRACK.joints])
SIDED = LEGS | ARMS
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
