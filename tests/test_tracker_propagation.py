"""People carried by the flow: where their boxes go, and how long they live without the detector."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.skeletons import POSETRACK
from posetrack.stages import Flow
from posetrack.tracker import MergeConfig, PropagationConfig, merge
from posetrack.tracker import propagate as propagate_seconds
from posetrack.tracker.propagation import boxes_moved
from posetrack.types import BoolArray, Boxes, FloatArray, Poses
from tests.walkers import Scene, Walker, straight

SIZE = (640, 480)
CONFIG = PropagationConfig()


@dataclass(frozen=True)
class Uniform:
    """Everything moves alike; nothing is known where x is beyond ``known_until``."""

    x: float = 0.0
    y: float = 0.0
    known_until: float = np.inf

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        inside = ((xy >= -0.5) & (xy <= np.array(SIZE) - 0.5)).all(axis=1) & (xy[:, 0] <= self.known_until)
        return np.where(inside[:, None], (self.x, self.y), 0).astype(np.float32), inside


def person(corners: tuple[float, float, float, float] = (100, 50, 200, 350), score: float = 0.9) -> Poses:
    """Fifteen joints on the diagonal of a rectangle, its two corners among them, all at score 0.8."""
    x1, y1, x2, y2 = corners
    share = np.zeros(17)
    share[POSETRACK.in_use] = np.linspace(0, 1, 15)
    keypoints = np.stack([x1 + share * (x2 - x1), y1 + share * (y2 - y1)], axis=1)
    scores = np.zeros(17)
    scores[POSETRACK.in_use] = 0.8
    return Poses([corners], [score], keypoints[None], scores[None], [7], POSETRACK)


def propagate(
    poses: Poses, flow: Flow, config: PropagationConfig, size: tuple[int, int], frames: int = 1
) -> Poses:
    """With the detector's judgement of that many frames, 25 a second."""
    return propagate_seconds(poses, flow, config, size, frames / 25)


def with_scores(poses: Poses, **by_slot: float) -> Poses:
    """Other joint scores, by position among the joints in use: ``j0=0.1``."""
    scores = poses.keypoint_scores.copy()
    for name, score in by_slot.items():
        scores[:, POSETRACK.in_use[int(name[1:])]] = score
    return poses.replace(keypoint_scores=scores)


def test_joints_and_box_go_with_the_flow_and_the_box_is_fifteen_percent_larger_in_all() -> None:
    """7.5 % on each of the four sides, not 17.6 % to the right and below."""
    carried = propagate(person(), Uniform(4.25, -2.5), CONFIG, SIZE)
    np.testing.assert_allclose(carried.boxes, [[96.75, 25.0, 211.75, 370.0]], atol=1e-3)
    used = POSETRACK.in_use
    np.testing.assert_allclose(carried.keypoints[:, used], person().keypoints[:, used] + [4.25, -2.5], atol=1e-4)
    assert carried.track_ids.tolist() == [7]


def test_missing_joints_do_not_stretch_the_box() -> None:
    """Joints dropped to (0, 0) must not enter the minimum."""
    poses = with_scores(person(), j0=0.0)
    keypoints = poses.keypoints.copy()
    keypoints[:, [POSETRACK.in_use[0], *range(3, 5)]] = 0
    carried = propagate(poses.replace(keypoints=keypoints), Uniform(), CONFIG, SIZE)
    second = person().keypoints[0, POSETRACK.in_use[1]]
    low, high = second, np.array([200.0, 350.0])
    assert carried.boxes[0, 0] == pytest.approx(low[0] - 0.075 * (high - low)[0], abs=1e-3)
    assert carried.boxes[0, 1] == pytest.approx(low[1] - 0.075 * (high - low)[1], abs=1e-3)


def test_a_joint_in_the_corner_of_the_picture_is_a_joint() -> None:
    carried = propagate(person((0.0, 0.0, 100.0, 200.0)), Uniform(), CONFIG, SIZE)
    np.testing.assert_allclose(carried.boxes, [[-0.5, -0.5, 107.5, 215.0]], atol=1e-3)


def test_doubtful_joints_are_carried_but_do_not_make_the_box() -> None:
    poses = with_scores(person(), j14=0.1)
    carried = propagate(poses, Uniform(3.0, 0.0), CONFIG, SIZE)
    slot = POSETRACK.in_use[14]
    assert carried.boxes[0, 3] < 350
    assert carried.keypoint_scores[0, slot] == np.float32(0.1)
    np.testing.assert_allclose(carried.keypoints[0, slot], [203.0, 350.0], atol=1e-3)


def test_joints_that_leave_the_frame_or_the_flow_are_missing() -> None:
    """Neither carried with zero flow nor clamped into the frame."""
    poses = person((500, 50, 636, 350))
    carried = propagate(poses, Uniform(20.0, 0.0), CONFIG, SIZE)
    x = poses.keypoints[0, POSETRACK.in_use, 0] + 20
    gone = carried.keypoint_scores[0, POSETRACK.in_use] == 0
    np.testing.assert_array_equal(gone, x > 639.5)
    assert carried.boxes[0, 2] <= 639.5
    lost = propagate(poses, Uniform(0.0, 0.0, known_until=600.0), CONFIG, SIZE)
    np.testing.assert_array_equal(lost.keypoint_scores[0, POSETRACK.in_use] == 0, x - 20 > 600)


@dataclass(frozen=True)
class Anywhere:
    """Everything moves alike, and the flow is sure of it."""

    x: float
    y: float

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        return np.tile(np.float32([self.x, self.y]), (len(xy), 1)), np.ones(len(xy), np.bool_)


@pytest.mark.parametrize(
    ("corners", "motion", "first", "last"),
    [
        ((0.0, 50, 200, 350), (-0.5, 0), True, True),
        ((0.0, 50, 200, 350), (-0.75, 0), False, True),
        ((50, 0.0, 200, 350), (0, -0.5), True, True),
        ((50, 0.0, 200, 350), (0, -0.75), False, True),
        ((50, 50, 639, 350), (0.5, 0), True, True),
        ((50, 50, 639, 350), (0.75, 0), True, False),
        ((50, 50, 200, 479), (0, 0.5), True, True),
        ((50, 50, 200, 479), (0, 0.75), True, False),
    ],
)
def test_the_frame_ends_half_a_pixel_beyond_the_outermost_centres(
    corners: tuple[float, float, float, float], motion: tuple[float, float], first: bool, last: bool
) -> None:
    carried = propagate(person(corners), Anywhere(*motion), CONFIG, SIZE)
    there = carried.present[0, POSETRACK.in_use]
    assert there.tolist() == [first, *[True] * 13, last]


def test_the_box_is_clipped_to_the_frame() -> None:
    carried = propagate(person((2, 2, 630, 470)), Uniform(), CONFIG, SIZE)
    np.testing.assert_allclose(carried.boxes, [[-0.5, -0.5, 639.5, 479.5]])


@pytest.mark.parametrize("inertia", [0.0, 0.25, 1.0])
def test_with_inertia_the_box_of_before_moves_with_the_body(inertia: float) -> None:
    loose = person().replace(boxes=np.float32([[80, 20, 260, 420]]))
    carried = propagate(loose, Uniform(4.25, -2.5), PropagationConfig(box_inertia=inertia), SIZE)
    around, moved = np.array([96.75, 25.0, 211.75, 370.0]), np.array([84.25, 17.5, 264.25, 417.5])
    np.testing.assert_allclose(carried.boxes[0], (1 - inertia) * around + inertia * moved, atol=1e-3)


@dataclass(frozen=True)
class Zoom:
    """All points go away from one, but those near another, which is carried off."""

    factor: float
    about: tuple[float, float]
    carried_off: tuple[float, float] = (-1e4, -1e4)

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        motion = (self.factor - 1) * (xy - np.float32(self.about))
        motion[np.linalg.norm(xy - np.float32(self.carried_off), axis=1) < 1] = (60, 40)
        return motion.astype(np.float32), (xy > -1e5).all(axis=1)


def test_with_inertia_the_box_grows_with_the_body() -> None:
    loose = person().replace(boxes=np.float32([[80, 20, 260, 420]]))
    carried = propagate(loose, Zoom(1.05, (40.0, 200.0)), PropagationConfig(box_inertia=1.0), SIZE)
    np.testing.assert_allclose(carried.boxes, [[82, 11, 271, 431]], atol=0.01)


def test_a_joint_that_the_flow_takes_elsewhere_moves_the_box_of_before_little() -> None:
    wrist = person().keypoints[0, POSETRACK.joints.index("left_wrist")]
    flow = Zoom(1.0, (0.0, 0.0), tuple(wrist))
    loose = person().replace(boxes=np.float32([[80, 20, 260, 420]]))
    carried = propagate(loose, flow, PropagationConfig(box_inertia=1.0), SIZE)
    assert np.abs(carried.keypoints[0] - loose.keypoints[0]).max() == 60
    np.testing.assert_allclose(carried.boxes, loose.boxes, rtol=0.06, atol=3)


def test_the_box_of_before_leaves_the_frame_with_its_person() -> None:
    carried = person((450, 50, 630, 350))
    for _ in range(4):
        carried = propagate(carried, Uniform(25.0, 0.0), PropagationConfig(box_inertia=1.0), SIZE)
        assert carried.boxes[0, 2] == 639.5
    np.testing.assert_allclose(carried.boxes[0], [550, 50, 639.5, 350], atol=1e-3)


def test_too_few_confident_joints_carry_nobody() -> None:
    few = with_scores(person(), **{f"j{k}": 0.1 for k in range(13)})
    assert len(propagate(few, Uniform(), CONFIG, SIZE)) == 0
    assert len(propagate(few, Uniform(), PropagationConfig(min_joints=2), SIZE)) == 1


def test_joints_on_a_line_make_a_box_that_can_be_cropped() -> None:
    upright = person((100, 50, 100, 350))
    x1, y1, x2, y2 = propagate(upright, Uniform(), CONFIG, SIZE).boxes[0]
    assert (x2 - x1, y2 - y1) == pytest.approx((1.0, 345.0), abs=1e-3)


def test_scores_decay_by_the_frames_that_the_detector_judges_and_not_where_it_does_not_look() -> None:
    seen = person((100, 50, 200, 350))
    assert propagate(seen, Uniform(), CONFIG, SIZE, 0).scores.tolist() == seen.scores.tolist()
    step_by_step = seen
    for _ in range(5):
        step_by_step = propagate(step_by_step, Uniform(), CONFIG, SIZE)
    at_once = propagate(seen, Uniform(), CONFIG, SIZE, 5)
    np.testing.assert_allclose(at_once.scores, step_by_step.scores, rtol=1e-5)


def test_nobody_is_carried_from_an_empty_frame() -> None:
    assert len(propagate(Poses.empty(POSETRACK), Uniform(), CONFIG, SIZE)) == 0


def test_people_are_carried_independently_and_in_order() -> None:
    """Those left out must not shift the others."""
    people = [
        person((100, 50, 200, 350)),
        person((300, 50, 380, 300), score=0.05),
        person((420, 90, 520, 400), 0.6),
    ]
    together = Poses(
        *(np.concatenate([getattr(one, name) for one in people]) for name in (
            "boxes", "scores", "keypoints", "keypoint_scores")),
        track_ids=[4, 5, 6], skeleton=POSETRACK,
    )  # fmt: skip
    carried = propagate(together, Uniform(1.0, 2.0), CONFIG, SIZE)
    assert carried.track_ids.tolist() == [4, 6]
    for index, one in ((0, people[0]), (1, people[2])):
        alone = propagate(one, Uniform(1.0, 2.0), CONFIG, SIZE)
        np.testing.assert_array_equal(carried.boxes[[index]], alone.boxes)
        np.testing.assert_array_equal(carried.scores[[index]], alone.scores)


def lifetime(score: float, joint_score: float, config: PropagationConfig = CONFIG) -> int:
    """Frames that a person lives without the detector if the pose network always finds the same joints."""
    poses = with_scores(person(score=score), **{f"j{k}": joint_score for k in range(15)})
    for frame in range(1000):
        carried = propagate(poses, Uniform(), config, SIZE)
        if len(carried) == 0:
            return frame
        poses = poses.replace(scores=carried.scores)
    raise AssertionError("lives for ever")


@pytest.mark.parametrize("detect_every", [2, 5, 10])
@pytest.mark.parametrize("score", [0.3, 0.5, 0.99])
def test_a_person_seen_well_lives_from_one_detection_to_the_next(detect_every: int, score: float) -> None:
    assert lifetime(score, joint_score=0.6) >= detect_every - 1


@pytest.mark.parametrize("joint_score", [0.2, 0.26, 0.35, 0.44, 0.5, 0.9])
def test_a_score_halves_at_the_rate_between_the_two_half_lives(joint_score: float) -> None:
    """1 / h = w / 20 + (1 - w) / 1.5, where w goes from 0 at a mean joint score of 0.2 to 1 at 0.5."""
    poses = with_scores(person(score=0.8), **{f"j{k}": joint_score for k in range(15)})
    seen = min(max((joint_score - 0.2) / 0.3, 0), 1)
    for frames in (0, 1, 2):
        expected = 0.8 * 2 ** -(frames * (seen / 20 + (1 - seen) / 1.5))
        assert propagate(poses, Uniform(), CONFIG, SIZE, frames).scores.tolist() == pytest.approx(
            [expected] if expected >= 0.2 else []
        )


@pytest.mark.parametrize(("arm", "growth"), [(12.0, 2.0), (1.5, 2.0), (0.75, 1.5), (0.0, 1.0)])
def test_the_box_grows_with_the_body_and_distances_below_a_pixel_count_as_one(arm: float, growth: float) -> None:
    middle, offsets = np.array([300.0, 200.0]), np.array([[-arm, 0.0], [0, 0], [arm, 0]])
    before, after = ((middle + factor * offsets).T[:, None].astype(np.float32) for factor in (1, 2))
    box = np.array([[290.0, 180, 310, 220]], np.float32)
    moved = boxes_moved(box, before, after, np.ones((1, 3), np.bool_), SIZE)
    half = growth * np.array([10, 20])
    np.testing.assert_allclose(moved, [[*(middle - half), *(middle + half)]])


def test_with_inertia_each_box_moves_with_its_own_body() -> None:
    people = [person((100, 50, 200, 350)), person((420, 90, 520, 400)), person((300, 50, 380, 300))]
    together = Poses.concatenate(people)
    config, flow = PropagationConfig(box_inertia=0.6), Zoom(1.05, (40.0, 200.0))
    carried = propagate(together, flow, config, SIZE)
    alone = [propagate(one, flow, config, SIZE).boxes[0] for one in people]
    np.testing.assert_allclose(carried.boxes, alone, rtol=1e-6)


def test_scores_and_joints_at_their_limits_suffice() -> None:
    poses = with_scores(person(score=0.25), **{f"j{k}": 0.1 for k in range(12)})
    limits = PropagationConfig(min_joints=3, min_score=0.25)
    assert len(propagate(poses, Uniform(), limits, SIZE, 0)) == 1
    assert len(propagate(poses, Uniform(), replace(limits, min_score=0.26), SIZE, 0)) == 0
    assert len(propagate(poses, Uniform(), replace(limits, min_joints=4), SIZE, 0)) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("joint_score", "seen"), [(0.35, 0.5), (0.1, 0.0), (0.95, 1.0)])
def test_a_single_joint_tells_how_well_its_person_is_seen(joint_score: float, seen: float) -> None:
    poses = with_scores(person(score=0.8), **{f"j{k}": 0.0 for k in range(15)} | {"j3": joint_score})
    config = PropagationConfig(min_joints=1, min_joint_score=0.1, min_score=0.1)
    expected = 0.8 * 2 ** -(seen / 20 + (1 - seen) / 1.5)
    assert propagate(poses, Uniform(), config, SIZE).scores.tolist() == pytest.approx([expected], rel=1e-5)
    nobody = with_scores(poses, j3=0.0)
    assert len(propagate(nobody, Uniform(), config, SIZE)) == 0


def test_a_ghost_dies_the_sooner_the_less_it_looks_like_a_person() -> None:
    """Carried scores decay without support, and no score keeps a box alive for ever."""
    assert lifetime(0.99, joint_score=0.15) == 0
    assert lifetime(0.99, joint_score=0.21) <= 4
    assert lifetime(0.99, joint_score=0.3) <= 6
    assert lifetime(1.0, joint_score=1.0) <= 50
    lives = [lifetime(0.9, joint_score) for joint_score in (0.2, 0.3, 0.4, 0.5)]
    assert lives == sorted(lives)


def test_the_carried_score_is_comparable_to_the_detectors() -> None:
    """It never outranks what the detector said, and falls from there."""
    poses = with_scores(person(score=0.6), **{f"j{k}": 0.95 for k in range(15)})
    score = propagate(poses, Uniform(), CONFIG, SIZE).scores[0]
    assert 0.57 < score < 0.6
    half = PropagationConfig(seen_half_life_s=0.04, unseen_half_life_s=0.04)
    assert propagate(poses, Uniform(), half, SIZE).scores[0] == pytest.approx(0.3)


def test_a_person_who_leaves_does_not_haunt() -> None:
    """The network finds faint joints wherever it looks, the detector only people."""
    scene = Scene((Walker(straight(560, 440, 6.0), height=200),), size=SIZE)
    previous, last_seen, last_carried = Poses.empty(POSETRACK), -1, -1
    for frame in range(80):
        truth = scene.truth(frame)
        carried = propagate(previous, scene.flow(frame), CONFIG, SIZE)
        last_seen = frame if len(truth) else last_seen
        last_carried = frame if len(carried) else last_carried
        detected = Boxes(truth.boxes, truth.scores)
        boxes = merge(detected, Boxes(carried.boxes, carried.scores), MergeConfig()).boxes
        previous = imagined(boxes)
    assert 10 < last_seen < 40
    assert last_seen - 1 <= last_carried <= last_seen + 8


def imagined(boxes: Boxes) -> Poses:
    """Joints at score 0.3 down the middle third of every box, whoever is in it."""
    share = np.zeros((17, 2))
    share[POSETRACK.in_use] = np.stack([0.33 + 0.33 * (np.arange(15) % 2), np.linspace(0.1, 0.9, 15)], axis=1)
    low, high = boxes.xyxy[:, None, :2], boxes.xyxy[:, None, 2:]
    scores = np.zeros((len(boxes), 17))
    scores[:, POSETRACK.in_use] = 0.3
    ids = np.full(len(boxes), -1)
    return Poses(boxes.xyxy, boxes.scores, low + share * (high - low), scores, ids, POSETRACK)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("min_joint_score", 1.5),
        ("expansion", -0.1),
        ("box_inertia", 1.01),
        ("min_joints", 0),
        ("min_score", -1),
        ("seen_joint_score", 0.1),
        ("unseen_half_life_s", 0.0),
        ("seen_half_life_s", 0.04),
    ],
)
def test_options_out_of_range_are_named(option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=option):
        PropagationConfig(**{option: value})


def test_with_inertia_no_confident_joint_is_left_outside_when_a_body_comes_into_the_frame() -> None:
    """Somebody whose legs are below the picture, while the camera tilts down."""
    carried = person((100, 300, 200, 479)).replace(boxes=np.float32([[90, 280, 210, 479.5]]))
    config = PropagationConfig(box_inertia=0.9)
    for _ in range(4):
        carried = propagate(carried, Uniform(0.0, -20.0), config, SIZE)
        keypoints = carried.keypoints.copy()
        keypoints[0, POSETRACK.in_use[-1], 1] = 479.0  # the next joint comes into sight
        carried = carried.replace(keypoints=keypoints)
    carried = propagate(carried, Uniform(0.0, -20.0), config, SIZE)
    assert carried.boxes[0, 3] >= 459


def test_places_of_missing_joints_do_not_matter_to_the_box_of_before() -> None:
    poses = with_scores(person(), j4=0.0)
    config = PropagationConfig(box_inertia=0.9)
    expected = propagate(poses, Uniform(3.0, 1.0), config, SIZE).boxes
    for nonsense in (np.inf, np.nan, -1e30):
        keypoints = poses.keypoints.copy()
        keypoints[0, POSETRACK.in_use[4]] = nonsense
        with np.errstate(all="raise"):
            carried = propagate(poses.replace(keypoints=keypoints), Uniform(3.0, 1.0), config, SIZE)
        np.testing.assert_array_equal(carried.boxes, expected)
