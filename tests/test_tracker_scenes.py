"""Known truth: with perfect boxes and joints nobody changes identity, except where nobody could know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from posetrack.synthetic import SCENES, Truth, displacements, trace
from posetrack.tracker import LinkerConfig
from posetrack.types import UNLINKED, BoolArray, FloatArray, Poses
from tests.walkers import FULL_STEP_FRAMES, FrameLinker, Pillar, Scene, Walker, straight

CONFIG = LinkerConfig()
Alter = Callable[[Poses], Poses]
History = dict[int, list[tuple[int, int]]]


def histories(
    scene: Scene, frames: int, config: LinkerConfig = CONFIG, alter: Alter = lambda poses: poses
) -> History:
    """For each walker the frames in which they were seen, and the id that they got."""
    linker, history = FrameLinker(config), {}
    for frame in range(frames):
        truth = alter(scene.truth(frame))
        linked = linker.link(truth.replace(track_ids=np.full(len(truth), UNLINKED)), scene.flow(frame))
        given = linked.track_ids[linked.track_ids != UNLINKED].tolist()
        assert len(set(given)) == len(given)
        for walker, track in zip(truth.track_ids.tolist(), linked.track_ids.tolist(), strict=True):
            history.setdefault(walker, []).append((frame, track))
    return history


def identities(history: History) -> dict[int, list[int]]:
    """The ids of each walker, in the order in which they came up, without repetition."""
    return {
        walker: list(dict.fromkeys(track for _, track in seen if track != UNLINKED))
        for walker, seen in history.items()
    }


def longest_gap(seen: list[tuple[int, int]]) -> int:
    return int(np.diff([frame for frame, _ in seen]).max())


def test_two_who_cross_keep_their_identities() -> None:
    scene = Scene((
        Walker(straight(300, 600, 5.0), depth=2.0),
        Walker(straight(800, 590, -4.0), depth=1.0, phase=2.0),
    ))  # fmt: skip
    assert identities(histories(scene, 90)) == {0: [0], 1: [1]}


def test_four_in_step_cross_at_one_place() -> None:
    scene = Scene(tuple(
        Walker(straight(640 - 45 * speed, 560 + 20 * k, speed), height=170 + 6 * k, depth=k, phase=1.7 * k)
        for k, speed in enumerate((4.0, -4.5, 6.0, -5.5))
    ))  # fmt: skip
    assert sorted(identities(histories(scene, 100)).values()) == [[0], [1], [2], [3]]


@pytest.mark.parametrize("speed", [2.5, -4.0, 8.0])
def test_identity_survives_passing_behind_a_pillar(speed: float) -> None:
    """The flow where the person was is the pillar's: 0."""
    scene = Scene((Walker(straight(640 - speed * 40, 600, speed), height=150),), (Pillar((600, 0, 680, 720)),))
    history = histories(scene, 90)
    assert longest_gap(history[0]) > 5
    assert identities(history) == {0: [0]}


def test_identity_survives_an_occlusion_longer_than_the_queue() -> None:
    scene = Scene((Walker(straight(200, 600, 3.0), height=150),), (Pillar((400, 0, 530, 720)),))
    history = histories(scene, 160)
    assert longest_gap(history[0]) > 2 * 25 * CONFIG.queue_s
    assert identities(history) == {0: [0]}
    assert len(identities(histories(scene, 160, replace(CONFIG, coasting=False)))[0]) == 2


def test_a_person_behind_another_is_not_carried_off_by_the_others_flow() -> None:
    """A large walker hides somebody who stands, then somebody who walks the other way."""
    scene = Scene((
        Walker(straight(200, 700, 6.0), height=420, depth=9.0, swing=0.1),
        Walker(straight(600, 610, 0.0), height=140, depth=1.0, swing=0.0),
        Walker(straight(1000, 610, -3.0), height=140, depth=1.0, phase=1.0),
    ))  # fmt: skip
    history = histories(scene, 150)
    assert longest_gap(history[1]) > 3
    assert identities(history) == {0: [0], 1: [1], 2: [2]}


def test_a_camera_that_moves_meanwhile_does_not_lose_those_who_are_hidden() -> None:
    """It shakes all the time, and pans by 250 px just while one of two walkers is behind a pillar."""
    shakes = np.random.default_rng(3).normal(0, 4, (200, 2))

    def camera(frame: float) -> tuple[float, float]:
        x, y = shakes[int(frame)]
        return float(x + 10 * np.clip(frame - 36, 0, 25)), float(y)

    walkers = (
        Walker(straight(500, 600, 4.0), height=150),
        Walker(straight(900, 620, -2.0), height=160, depth=2.0),
    )
    scene = Scene(walkers, (Pillar((640, -500, 760, 1200)),), camera=camera)
    history = histories(scene, 90)
    assert longest_gap(history[0]) > 15
    assert identities(history) == {0: [0], 1: [1]}


def test_whoever_walks_hidden_behind_another_is_found_beside_them() -> None:
    """They set off together while one could not be seen: own motion says nothing, the companion's flow does."""

    def together(offset: float) -> Callable[[float], tuple[float, float]]:
        return lambda frame: (300 + 4 * max(frame - 20, 0) + offset * max(frame - 50, 0), 600)

    front = Walker(together(0.0), height=190, depth=2.0, swing=0.0)
    behind = Walker(
        lambda frame: (340 - 5 * min(frame, 8) + together(-2.0)(frame)[0] - 300, 590), height=130, swing=0.0
    )
    scene = Scene((front, behind), min_visible=6)
    history = histories(scene, 110)
    assert longest_gap(history[1]) > 20
    assert identities(history) == {0: [0], 1: [1]}


def test_nobody_comes_out_of_hiding_as_an_arm() -> None:
    """Three joints in sight do not decide who it is: they wait, and do not start a track of their own."""

    def slower_while_hidden(frame: float) -> tuple[float, float]:
        return 200 + 4.0 * frame - 2.0 * float(np.clip(frame - 55, 0, 15)), 600.0

    scene = Scene((Walker(slower_while_hidden, height=180),), (Pillar((400, 0, 500, 720)),))
    history = histories(scene, 110)[0]
    back = 1 + int(np.diff([frame for frame, _ in history]).argmax())
    frame, track = history[back]
    assert scene.truth(frame).present.sum() < CONFIG.min_recovery_joints
    assert track == UNLINKED
    assert identities({0: history}) == {0: [0]}


def test_who_comes_is_not_who_left() -> None:
    """Somebody leaves to the left; fifteen frames later somebody else comes in there."""

    def comes(frame: float) -> tuple[float, float]:
        return (-80.0 if frame < 50 else -80 + 4.0 * (frame - 50)), 600.0

    scene = Scene((Walker(straight(100, 600, -4.0)), Walker(comes, phase=1.0)), size=(640, 720))
    assert identities(histories(scene, 110)) == {0: [0], 1: [1]}


def test_noise_and_misses_do_not_exchange_people() -> None:
    """Joints 2.5 px off, one in twenty joints and people missed."""
    rng = np.random.default_rng(1)

    def noisy(poses: Poses) -> Poses:
        poses = poses[rng.random(len(poses)) > 0.05]
        lost = rng.random(poses.keypoint_scores.shape) < 0.05
        return poses.replace(
            keypoints=poses.keypoints + rng.normal(0, 2.5, poses.keypoints.shape),
            keypoint_scores=np.where(lost, 0, poses.keypoint_scores),
        )

    scene = Scene(tuple(
        Walker(straight(640 - 60 * speed, 540 + 25 * k, speed), height=170, depth=k, phase=1.3 * k)
        for k, speed in enumerate((3.0, -2.5, 4.5, -4.0, 1.0))
    ))  # fmt: skip
    assert all(len(ids) == 1 for ids in identities(histories(scene, 4 * FULL_STEP_FRAMES, alter=noisy)).values())


class JointFlow:
    """True motion of the nearest visible joint; elsewhere none."""

    def __init__(self, joints: FloatArray, motion: FloatArray, size: tuple[int, int]) -> None:
        self.joints, self.motion, self.size = joints, motion, size

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        inside = ((xy >= -0.5) & (xy <= np.array(self.size) - 0.5)).all(axis=1)
        displacement = np.zeros(xy.shape, np.float32)
        if len(self.joints):
            distance = np.linalg.norm(xy[:, None] - self.joints, axis=2)
            near = inside & (distance.min(axis=1) < 12)
            displacement[near] = self.motion[distance.argmin(axis=1)[near]]
        return displacement, inside


@lru_cache(maxsize=1)
def traced(name: str, size: tuple[int, int]) -> list[Truth]:
    """Every second frame of a synthetic scene."""
    scene = SCENES[name](0, size)
    shots = tuple(replace(shot, frame_count=shot.frame_count // 2) for shot in scene.shots)
    return list(trace(replace(scene, shots=shots, fps=scene.fps / 2)))


def rendered(name: str, only_visible: bool) -> Iterator[tuple[Poses, JointFlow, bool]]:
    """Truth, flow and whether it is a cut, for each frame of a synthetic scene (which is not painted)."""
    size, previous = (640, 360), None
    for truth in traced(name, size):
        poses = truth.poses
        if only_visible:
            poses = poses.replace(keypoint_scores=np.where(truth.visible, poses.keypoint_scores, 0))
        last = previous or truth
        motion, known = displacements(last, truth)
        known &= last.visible
        yield poses, JointFlow(last.poses.keypoints[known], motion[known], size), last.shot != truth.shot
        previous = truth


@pytest.mark.parametrize("only_visible", [False, True])
@pytest.mark.parametrize("name", ["crossing", "occlusion", "leaving", "cut"])
def test_no_identity_switch_in_synthetic_scenes(name: str, only_visible: bool) -> None:
    linker, given = FrameLinker(CONFIG), {}
    for poses, flow, cut in rendered(name, only_visible):
        if cut:
            linker.reset()
        linked = linker.link(poses.replace(track_ids=np.full(len(poses), UNLINKED)), flow)
        for person, track in zip(poses.track_ids.tolist(), linked.track_ids.tolist(), strict=True):
            given.setdefault(person, set()).add(track)
    assert all(len(tracks - {UNLINKED}) == 1 for tracks in given.values())
    assert len(set.union(*given.values()) - {UNLINKED}) == len(given)


RATE = 120
"""Frames a second at which the scene is traced once; lower rates take every n-th frame."""


@lru_cache(maxsize=1)
def traced_fast() -> list[Truth]:
    """The first three seconds of people who cross, at the highest rate."""
    scene = SCENES["crossing"](0, (640, 360))
    shots = tuple(replace(shot, frame_count=round(3 * RATE)) for shot in scene.shots)
    return list(trace(replace(scene, shots=shots, fps=float(RATE))))


@pytest.mark.parametrize("every", [1, 3, 5, 14, 17], ids=["120", "40", "24", "8.6", "7.1"])
def test_a_rendered_scene_has_no_identity_switch_at_any_frame_rate(every: int) -> None:
    linker, given, last = FrameLinker(CONFIG, RATE / every), {}, None
    for truth in traced_fast()[::every]:
        poses = truth.poses.replace(keypoint_scores=np.where(truth.visible, truth.poses.keypoint_scores, 0))
        motion, known = displacements(last or truth, truth)
        known &= (last or truth).visible
        flow = JointFlow((last or truth).poses.keypoints[known], motion[known], (640, 360))
        linked = linker.link(poses.replace(track_ids=np.full(len(poses), UNLINKED)), flow)
        for person, track in zip(poses.track_ids.tolist(), linked.track_ids.tolist(), strict=True):
            given.setdefault(person, set()).add(track)
        last = truth
    numbers = [tracks - {UNLINKED} for tracks in given.values()]
    assert all(len(own) == 1 for own in numbers) and len(set.union(*numbers)) == len(numbers)
