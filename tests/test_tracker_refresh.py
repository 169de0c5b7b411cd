"""Joints are estimated anew where that is due, and carried where carrying will do."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.flow import ZeroFlow
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.schedule import EveryNth
from posetrack.skeletons import POSETRACK
from posetrack.top_down import TopDown
from posetrack.tracker import FlowLinker, LinkerConfig, Refresh, RefreshConfig
from posetrack.tracker.refresh import posture_change
from posetrack.types import UNLINKED, Boxes, FloatArray, Frame, Image, Origin, Poses
from tests.stubs import StubDetector, StubPose


def people(*track_ids: int, keypoints: FloatArray | None = None) -> Poses:
    """People 100 px tall beside each other, all joints there."""
    count, joints = len(track_ids), len(POSETRACK)
    if keypoints is None:
        rng = np.random.default_rng(0)
        one = np.concatenate([[[0, 0], [0, 100]], rng.uniform(0, 40, (joints - 2, 2))])
        keypoints = (one + 200 * np.arange(count)[:, None, None] * (1, 0)).astype(np.float32)
    scores = np.full((count, joints), 0.9, np.float32)
    boxes = np.float32([0, 0, 40, 100]) + 200 * np.arange(count)[:, None] * np.float32([1, 0, 1, 0])
    return Poses(boxes, np.ones(count, np.float32), keypoints, scores, np.array(track_ids, np.int64), POSETRACK)


class Memory:
    """A ``Refresh`` that is told the frames of a video, one after the other."""

    def __init__(self, fps: float = 25, **options: float) -> None:
        self._refresh = Refresh(RefreshConfig(**options))  # type: ignore[arg-type]
        self._fps, self._frame = fps, 0
        self.reset = self._refresh.reset

    def due(self, carried: Poses) -> np.ndarray:
        return self._refresh.due(carried, self._frame / self._fps)

    def update(self, poses: Poses, estimated: np.ndarray) -> None:
        self._refresh.update(poses, estimated, self._frame / self._fps)
        self._frame += 1


def refreshed(**options: float) -> Memory:
    """The memory after a frame in which tracks 4, 7 and 2 were estimated."""
    memory = Memory(**options)
    poses = people(4, 7, 2)
    memory.update(poses, np.ones(3, np.bool_))
    return memory


def test_everybody_is_due_in_every_frame_by_default() -> None:
    assert refreshed().due(people(4, 7, 2)).all()


def test_whoever_stands_still_is_due_every_nth_frame() -> None:
    memory, due = refreshed(every=3), []
    for _ in range(6):
        now = memory.due(people(4, 7, 2))
        memory.update(people(4, 7, 2), now)
        due.append(now.tolist())
    assert due == [[False] * 3, [False] * 3, [True] * 3] * 2


@pytest.mark.parametrize(("fps", "frames"), [(7, 2), (25, 6), (50, 12), (240, 58)])
def test_an_interval_in_seconds_is_as_long_at_every_frame_rate(fps: float, frames: int) -> None:
    memory, due = refreshed(fps=fps, every=99, every_s=0.24), []
    for _ in range(2 * frames):
        now = memory.due(people(4, 7, 2))
        memory.update(people(4, 7, 2), now)
        due.append(now.all())
    assert np.flatnonzero(due).tolist() == [frames - 1, 2 * frames - 1]


def test_people_are_known_by_their_track_in_any_order() -> None:
    memory = refreshed(every=2)
    all_three = people(4, 7, 2)
    assert memory.due(all_three[[2, 0, 1]]).tolist() == [False] * 3
    memory.update(all_three[[2, 0, 1]], np.array([True, False, False]))
    assert memory.due(all_three).tolist() == [True, True, False]


def test_strangers_and_those_without_a_track_are_due() -> None:
    memory = refreshed(every=5)
    assert memory.due(people(9, UNLINKED, 4)).tolist() == [True, True, False]
    memory.update(people(UNLINKED), np.ones(1, np.bool_))
    assert memory.due(people(UNLINKED)).tolist() == [True]
    memory.reset()
    assert memory.due(people(4)).tolist() == [True]


def test_a_limb_that_moves_against_the_body_is_due_but_a_body_that_moves_is_not() -> None:
    memory = refreshed(every=100, max_motion=0.1 / len(POSETRACK.in_use))
    carried = people(4, 7, 2)
    keypoints = carried.keypoints + np.float32([30, -20])
    keypoints[1, 5] += (12, 0)
    keypoints[2, 5] += (8, 0)
    assert memory.due(carried.replace(keypoints=keypoints)).tolist() == [False, True, False]


def test_small_motions_add_up() -> None:
    memory, carried = refreshed(every=100, max_motion=0.1 / len(POSETRACK.in_use)), people(4, 7, 2)
    due = []
    for step in range(1, 5):
        keypoints = carried.keypoints.copy()
        keypoints[:, 5] += (4 * step, 0)
        due.append(bool(memory.due(carried.replace(keypoints=keypoints)).any()))
        memory.update(carried.replace(keypoints=keypoints), np.zeros(3, np.bool_))
    assert due == [False, False, True, True]


def test_whoever_has_lost_a_confident_joint_is_due() -> None:
    memory, carried = refreshed(every=100), people(4, 7, 2)
    scores = carried.keypoint_scores.copy()
    scores[1, 5] = 0
    assert memory.due(carried.replace(keypoint_scores=scores)).tolist() == [False, True, False]


def test_whoever_lies_on_another_is_due() -> None:
    memory, carried = refreshed(every=100, max_overlap=0.5), people(4, 7, 2)
    boxes = carried.boxes.copy()
    boxes[1] = boxes[0] + np.float32([10, 0, 10, 0])  # IoU 30 / 50
    assert memory.due(carried.replace(boxes=boxes)).tolist() == [True, True, False]
    boxes[1] = boxes[0] + np.float32([20, 0, 20, 0])  # 20 / 60
    assert memory.due(carried.replace(boxes=boxes)).tolist() == [False] * 3


def test_nobody_is_an_ordinary_value() -> None:
    memory = Memory(every=2)
    memory.update(people(), np.zeros(0, np.bool_))
    assert memory.due(people()).shape == (0,)
    assert memory.due(people(3)).tolist() == [True]


def test_posture_change_is_the_mean_motion_against_the_median() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.uniform(0, 50, (2, 6, 9, 2)).astype(np.float32)
    joints = rng.random((6, 9)) > 0.3
    joints[4] = False
    found = posture_change(before, after, joints)
    for person in range(6):
        kept = joints[person]
        expected = 0.0
        if kept.any():
            motion = (after - before)[person, kept]
            extent = np.ptp(before[person, kept], axis=0).max()
            expected = np.linalg.norm(motion - np.median(motion, axis=0), axis=1).mean() / max(extent, 1)
        assert found[person] == pytest.approx(expected, rel=1e-5)


@dataclass
class CountingPose(StubPose):
    """Notes in how many boxes it was asked to look, frame by frame."""

    asked: list[int] = field(default_factory=list)

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        self.asked.append(len(boxes))
        return super().estimate(image, boxes)


def still_frames(count: int) -> list[Frame]:
    image = np.random.default_rng(0).integers(0, 120, (120, 160, 3), np.uint8)
    return [Frame(index, index / 25, image) for index in range(count)]


def test_in_the_pipeline_still_people_are_estimated_when_due_or_detected_and_keep_their_identity() -> None:
    pose = CountingPose()
    config = PipelineConfig(refresh=RefreshConfig(every=3))
    linker = FlowLinker(LinkerConfig())
    people, schedule = TopDown(StubDetector(), pose), EveryNth(interval=6)
    pipeline = Pipeline(people=people, flow=ZeroFlow(), linker=linker, config=config, schedule=schedule)
    results = [poses for _, poses in pipeline.run(still_frames(12))]
    assert pose.asked == [1] * 4
    estimated = [(poses.origin == Origin.ESTIMATED).all() for poses in results]
    assert np.flatnonzero(estimated).tolist() == [0, 3, 6, 9]
    assert [poses.track_ids.tolist() for poses in results] == [[0]] * 12
    for poses in results:
        np.testing.assert_allclose(poses.keypoints, results[0].keypoints, atol=1e-3)


@pytest.mark.parametrize(
    ("option", "value"), [("every", 0), ("every_s", 0), ("max_motion", -0.1), ("max_motion", float("nan"))]
)
def test_settings_out_of_range_are_refused(option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=option):
        RefreshConfig(**{option: value})  # type: ignore[arg-type]


def test_after_a_cut_everybody_is_due() -> None:
    memory = refreshed(every=100)
    assert memory.due(people(4, 7, 2)).tolist() == [False] * 3
    memory.reset()
    assert memory.due(people(4, 7, 2)).tolist() == [True] * 3


def test_a_joint_that_was_lost_counts_until_the_next_estimate() -> None:
    """Also where the person was not estimated in spite of it."""
    memory, carried = refreshed(every=100), people(4, 7, 2)
    scores = carried.keypoint_scores.copy()
    scores[1, 5] = 0
    lost = carried.replace(keypoint_scores=scores)
    memory.update(lost, np.zeros(3, np.bool_))
    assert memory.due(lost).tolist() == [False, True, False]
    memory.update(lost, np.ones(3, np.bool_))
    assert memory.due(lost).tolist() == [False] * 3


def test_people_carried_into_an_empty_memory_are_as_new() -> None:
    memory = Memory(every=3)
    memory.update(people(4, 7), np.array([True, False]))
    assert memory.due(people(4, 7)).tolist() == [False, False]


@pytest.mark.parametrize(("extent", "size"), [(0.25, 1), (1.5, 1.5), (8, 8)])
def test_a_body_of_less_than_a_pixel_counts_as_one(extent: float, size: float) -> None:
    before = np.zeros((1, 3, 2), np.float32)
    before[0, 1, 1] = extent
    after = before + np.float32([5, 6])
    after[0, 2, 0] += 0.3
    assert posture_change(before, after, np.ones((1, 3), np.bool_)).tolist() == pytest.approx(
        [0.1 / size], rel=1e-4
    )


def test_limits_that_are_just_reached_make_nobody_due() -> None:
    memory, carried = refreshed(every=100, max_motion=0.0, max_overlap=0.6), people(4, 7, 2)
    boxes = carried.boxes.copy()
    boxes[1] = boxes[0] + np.float32([10, 0, 10, 0])  # IoU 30 / 50
    assert memory.due(carried.replace(boxes=boxes)).tolist() == [False] * 3
