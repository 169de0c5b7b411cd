"""Carried people are believed as far as the frame bears them out."""

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.schedule import EveryNth
from posetrack.skeletons import POSETRACK
from posetrack.top_down import TopDown
from posetrack.tracker import Evidence, EvidenceConfig, FlowLinker, LinkerConfig, MergeConfig
from posetrack.tracker.evidence import covered
from posetrack.types import UNLINKED, Boxes, Poses
from tests.stubs import StubDetector, StubPose
from tests.test_pipeline import WatchedDetector, ZeroFlow, frames

CONFIG = EvidenceConfig(min_iou=0.5, min_pose_score=0.5, max_covered=0.5, max_missed_s=0.5)
HERE, THERE = [10, 10, 30, 50], [110, 10, 130, 50]


def people(*boxes: list[float], score: float = 0.9) -> Poses:
    count = len(boxes)
    return Poses(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.ones(count),
        keypoints=np.zeros((count, 17, 2)),
        keypoint_scores=np.full((count, 17), score),
        track_ids=np.full(count, UNLINKED),
        skeleton=POSETRACK,
    )


def found(*boxes: list[float]) -> Boxes:
    return Boxes(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes)))


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def believed_by(
    evidence: Evidence, who: Poses, carried_ids: np.ndarray, detected: Boxes, time_s: float, faint: bool = False
) -> np.ndarray:
    """Whom it believes; either nobody or everybody is in a faint box."""
    return evidence.believed(who, carried_ids, np.full(len(who), faint), detected, time_s)


def test_everybody_in_a_detected_box_is_believed_however_badly_seen() -> None:
    believed = believed_by(Evidence(CONFIG), people(HERE, THERE, score=0.0), ids(-1, -1), found(HERE, THERE), 0.0)
    assert believed.all()


def test_a_carried_person_near_a_detection_is_believed_and_one_far_from_all_needs_the_pose_network() -> None:
    for score, there in ((0.49, False), (0.5, True)):
        believed = believed_by(Evidence(CONFIG), people(HERE, THERE, score=score), ids(3, 4), found(HERE), 0.0)
        assert believed.tolist() == [True, there]


@pytest.mark.parametrize("score, there", [(0.24, False), (0.25, True)])
def test_a_faint_detection_confirms_somebody_if_the_pose_network_agrees(score: float, there: bool) -> None:
    assert believed_by(Evidence(CONFIG), people(HERE, score=score), ids(-1), found(HERE), 0.0, faint=True) == there


@pytest.mark.parametrize("width, near", [(41, False), (40, True), (39, True)])
def test_near_is_an_overlap_of_half(width: float, near: bool) -> None:
    """A carried box of 20 in a detected one twice as wide: IoU 20 / width."""
    detected = found([10, 10, 10 + width, 50])
    assert believed_by(Evidence(CONFIG), people(HERE, score=0.2), ids(3), detected, 0.0).tolist() == [near]


@pytest.mark.parametrize("fps", [7, 25, 60, 240])
def test_the_pose_networks_word_counts_for_half_a_second_at_any_rate(fps: int) -> None:
    evidence = Evidence(CONFIG)
    assert believed_by(evidence, people(HERE), ids(3), found(HERE), 0.0).all()
    times = np.arange(1, fps + 1) / fps
    believed = np.array([believed_by(evidence, people(HERE), ids(3), found(), float(t))[0] for t in times])
    last = times[believed].max()
    assert believed[times <= last].all()
    assert 0.5 - 1 / fps - 1e-4 <= last <= 0.5 + 1e-4


def test_at_half_a_second_the_pose_network_is_believed_and_after_it_not() -> None:
    for time_s, there in ((0.5, True), (0.5001, False)):
        evidence = Evidence(CONFIG)
        believed_by(evidence, people(HERE), ids(3), found(HERE), 0.0)
        assert believed_by(evidence, people(HERE), ids(3), found(), time_s).tolist() == [there]


def test_the_first_track_is_missed_from_the_first_look_on_like_any_other() -> None:
    assert believed_by(Evidence(CONFIG), people(HERE, THERE), ids(0, 1), found(), 9.0).tolist() == [True, True]


def test_where_no_overlap_is_asked_for_everybody_is_believed() -> None:
    lenient = EvidenceConfig(min_iou=0)
    for detected in (found(), found(THERE)):
        assert believed_by(Evidence(lenient), people(HERE, score=0.1), ids(3), detected, 0.0).tolist() == [True]


def test_a_detection_in_between_starts_the_half_second_anew_and_another_tracks_does_not() -> None:
    evidence = Evidence(CONFIG)
    for t in (0.0, 0.3):
        assert believed_by(evidence, people(HERE, THERE), ids(3, 4), found(HERE, THERE), t).all()
    assert believed_by(evidence, people(HERE, THERE), ids(3, 4), found(THERE), 0.6).all()
    assert believed_by(evidence, people(HERE, THERE), ids(3, 4), found(), 0.75).all()
    assert believed_by(evidence, people(HERE, THERE), ids(3, 4), found(), 0.9).tolist() == [False, True]


def test_after_a_cut_nothing_is_remembered() -> None:
    evidence = Evidence(CONFIG)
    believed_by(evidence, people(HERE), ids(3), found(), 0.0)
    evidence.reset()
    assert believed_by(evidence, people(HERE), ids(3), found(), 9.0).all()


def test_most_of_a_box_in_a_detected_one_shows_the_other_person() -> None:
    large = [0, 0, 100, 200]
    beside, half, inside = [92, 0, 110, 50], [90, 0, 110, 50], [88, 0, 106, 50]
    for box, there in ((beside, True), (half, False), (inside, False)):
        believed = believed_by(Evidence(CONFIG), people(box, score=0.9), ids(3), found(large), 0.0)
        assert believed.tolist() == [there]


def test_the_covered_share_is_the_largest_of_any_other_box() -> None:
    boxes = np.array([[0, 0, 10, 10], [100, 0, 110, 10]], np.float32)
    others = np.array([[5, 0, 20, 10], [0, 0, 10, 2], [300, 0, 310, 10]], np.float32)
    assert covered(boxes, others).tolist() == pytest.approx([0.5, 0.0])
    assert covered(boxes, np.zeros((0, 4), np.float32)).tolist() == [0.0, 0.0]


def test_the_covered_share_of_small_and_empty_boxes() -> None:
    small, empty = [5, 5, 6, 6.5], [5, 5, 5, 5]
    boxes = np.array([small, empty], np.float32)
    assert covered(boxes, np.array([[0, 0, 10, 10]], np.float32)).tolist() == [1.0, 0.0]
    assert covered(boxes, np.array([[20, 20, 30, 30]], np.float32)).tolist() == [0.0, 0.0], (
        "off in both directions"
    )


def test_nobody_is_an_ordinary_frame() -> None:
    assert believed_by(Evidence(CONFIG), people(), ids(), found(), 0.0).shape == (0,)


def pipeline(evidence: EvidenceConfig | None, unseen: range) -> list[int]:
    """How many people are reported in each of 30 frames of 25 a second; the detector misses some."""
    made = Pipeline(
        people=TopDown(WatchedDetector(unseen=frozenset(unseen)), StubPose()), flow=ZeroFlow(),
        linker=FlowLinker(LinkerConfig()), config=PipelineConfig(evidence=evidence),
    )  # fmt: skip
    return [len(poses) for _, poses in made.run(frames(30))]


def test_in_the_pipeline_a_short_miss_is_bridged_and_a_long_one_is_not() -> None:
    assert pipeline(CONFIG, range(5, 10)) == [1] * 30
    long = pipeline(CONFIG, range(5, 25))
    assert long == [1] * 17 + [0] * 8 + [1] * 5  # frame 4 has the last detection; half a second later is frame 16
    assert pipeline(None, range(5, 25)) == [1] * 30


def test_who_comes_back_after_being_hidden_keeps_the_number() -> None:
    made = Pipeline(
        people=TopDown(WatchedDetector(unseen=frozenset(range(5, 25))), StubPose()), flow=ZeroFlow(),
        linker=FlowLinker(LinkerConfig()), config=PipelineConfig(evidence=CONFIG),
    )  # fmt: skip
    assert {number for _, poses in made.run(frames(30)) for number in poses.track_ids.tolist()} == {0}


def test_where_the_detector_has_not_looked_everybody_is_believed() -> None:
    made = Pipeline(
        people=TopDown(StubDetector(), StubPose()), flow=ZeroFlow(), linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(evidence=EvidenceConfig(max_missed_s=0)), schedule=EveryNth(interval=10),
    )  # fmt: skip
    assert [len(poses) for _, poses in made.run(frames(30))] == [1] * 30


@pytest.mark.parametrize(
    "field", ["min_iou", "min_pose_score", "max_covered", "max_missed_s", "min_faint_pose_score"]
)
@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_settings_out_of_range_are_one_sentence(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        EvidenceConfig(**{field: value})


class Fading:
    """A detector that sees one person surely in the first frames, and then faintly; another always faintly."""

    def __init__(self) -> None:
        self.frame = -1

    def detect(self, images: list) -> list[Boxes]:
        found = []
        for _ in images:
            self.frame += 1
            score = 0.9 if self.frame < 3 else 0.2
            found.append(Boxes(np.array([HERE, THERE], np.float32), np.array([score, 0.2], np.float32)))
        return found


def test_a_faint_detection_continues_somebody_and_starts_nobody() -> None:
    made = Pipeline(
        people=TopDown(Fading(), StubPose()), flow=ZeroFlow(), linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(
            evidence=EvidenceConfig(min_pose_score=1, max_missed_s=0), faint_below=0.5,
            merge=MergeConfig(detections_first=True),
        ),
    )  # fmt: skip
    tracked = [poses for _, poses in made.run(frames(10))]
    assert [len(poses) for poses in tracked] == [1] * 10
    assert {number for poses in tracked for number in poses.track_ids.tolist()} == {0}
