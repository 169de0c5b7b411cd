"""The pipeline puts the stages together; stub stages show what it asks of each, and when."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.flow import ZeroFlow
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.schedule import EveryNth
from posetrack.stages import Flow
from posetrack.top_down import TopDown
from posetrack.tracker import FlowLinker, LinkerConfig, RefreshConfig
from posetrack.types import Boxes, Image, Poses
from tests.stubs import StubDetector, StubPose, frames


@dataclass
class WatchedDetector(StubDetector):
    """Notes which frames it was shown, by their first pixel; blind in the frames of ``unseen``."""

    unseen: frozenset[int] = frozenset()
    batches: list[list[int]] = field(default_factory=list)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        indices = [int(image[0, 0, 0]) for image in images]
        self.batches.append(indices)
        found = super().detect(images)
        return [Boxes.empty() if i in self.unseen else boxes for i, boxes in zip(indices, found, strict=True)]


def pipeline(
    detector: StubDetector, pose: StubPose | None = None, interval: int = 1, **options: object
) -> Pipeline:
    return Pipeline(
        people=TopDown(detector, pose or StubPose()), flow=ZeroFlow(), linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(**options), schedule=EveryNth(interval=interval),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("sequential", [False, True])
def test_every_frame_comes_once_in_order_with_one_identity(sequential: bool) -> None:
    made = pipeline(StubDetector())
    results = list((made.run_sequentially if sequential else made.run)(frames(12)))
    assert [frame.index for frame, _ in results] == list(range(12))
    assert [poses.track_ids.tolist() for _, poses in results] == [[0]] * 12


def test_running_ahead_gives_the_results_of_the_plain_loop() -> None:
    options = {"interval": 3, "detect_batch": 2}
    plain = list(
        pipeline(WatchedDetector(unseen=frozenset({6})), **options).run_sequentially(frames(20, cut_at=10))
    )
    threaded = list(pipeline(WatchedDetector(unseen=frozenset({6})), **options).run(frames(20, cut_at=10)))
    for (_, expected), (_, found) in zip(plain, threaded, strict=True):
        for name in ("boxes", "scores", "keypoints", "keypoint_scores", "track_ids"):
            np.testing.assert_array_equal(getattr(expected, name), getattr(found, name))


def test_a_person_whom_the_detector_misses_lives_from_the_carried_box() -> None:
    results = list(pipeline(WatchedDetector(unseen=frozenset({3, 4}))).run(frames(8)))
    assert [poses.track_ids.tolist() for _, poses in results] == [[0]] * 8


def test_without_propagation_a_missed_person_is_missing() -> None:
    results = list(pipeline(WatchedDetector(unseen=frozenset({3, 4})), propagation=None).run(frames(8)))
    assert [len(poses) for _, poses in results] == [1, 1, 1, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_detector_runs_every_nth_frame_and_at_cuts(batch: int) -> None:
    detector = WatchedDetector()
    results = list(pipeline(detector, interval=4, detect_batch=batch).run(frames(14, cut_at=6)))
    assert sum(detector.batches, []) == [0, 4, 6, 10]
    assert max(map(len, detector.batches)) == batch
    assert len(results) == 14 and all(len(poses) == 1 for _, poses in results)


def test_identities_do_not_cross_a_cut() -> None:
    results = list(pipeline(StubDetector()).run(frames(10, cut_at=5)))
    assert [poses.track_ids.tolist() for _, poses in results] == [[0]] * 5 + [[1]] * 5


def test_no_frames_and_nobody_are_ordinary() -> None:
    assert list(pipeline(StubDetector()).run([])) == []
    nobody = StubDetector(xyxy=np.zeros((0, 4), np.float32))
    assert [len(poses) for _, poses in pipeline(nobody).run(frames(3))] == [0, 0, 0]


@dataclass
class BatchPose(StubPose):
    """Notes how many images came at once."""

    batches: list[int] = field(default_factory=list)

    def estimate_batch(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[Poses]:
        self.batches.append(len(images))
        return [self.estimate(image, each) for image, each in zip(images, boxes, strict=True)]


@dataclass
class BatchFlow(ZeroFlow):
    """Notes the pairs of frames, by their first pixels, that came at once."""

    batches: list[list[tuple[int, int]]] = field(default_factory=list)

    def estimate_batch(self, pairs: Sequence[tuple[Image, Image]]) -> list[Flow]:
        self.batches.append([(int(first[0, 0, 0]), int(second[0, 0, 0])) for first, second in pairs])
        return [self.estimate(*pair) for pair in pairs]


@pytest.mark.parametrize("interval", [1, 3])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batches_over_frames_give_the_results_of_single_frames(batch: int, interval: int) -> None:
    def results(pose: StubPose, flow: ZeroFlow, sizes: int, sequential: bool) -> list[Poses]:
        config = PipelineConfig(detect_batch=sizes, flow_batch=sizes, pose_batch=sizes)
        people, linker = TopDown(WatchedDetector(unseen=frozenset({6})), pose), FlowLinker(LinkerConfig())
        schedule = EveryNth(interval=interval)
        made = Pipeline(people=people, flow=flow, linker=linker, config=config, schedule=schedule)
        return [poses for _, poses in (made.run_sequentially if sequential else made.run)(frames(17, cut_at=8))]

    pose, flow = BatchPose(), BatchFlow()
    found = results(pose, flow, batch, sequential=False)
    assert batch - 1 <= max(pose.batches) <= batch, "frame 6 has nobody to estimate"
    assert min(pose.batches) >= 1
    assert all(len(each) <= batch for each in flow.batches)
    if batch > 1:
        known = {pair for each in flow.batches for pair in each}
        assert (7, 8) not in known, "there is no flow over a cut"
        assert known <= {(i, i + 1) for i in range(16)}
    for expected in (results(StubPose(), ZeroFlow(), 1, True), results(BatchPose(), BatchFlow(), batch, True)):
        for one, other in zip(expected, found, strict=True):
            for name in ("boxes", "scores", "keypoints", "keypoint_scores", "track_ids"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@dataclass
class CountingPose(StubPose):
    """Notes in how many boxes it was asked to look, frame by frame."""

    asked: list[int] = field(default_factory=list)

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        self.asked.append(len(boxes))
        return super().estimate(image, boxes)


def test_where_people_are_looked_for_the_joints_of_those_who_are_missed_are_estimated_too() -> None:
    """Carried joints stand in for new ones between detections alone."""
    pose, detector = CountingPose(), WatchedDetector(unseen=frozenset({3}))
    made = pipeline(detector, pose, interval=3, refresh=RefreshConfig(every=99))
    assert [poses.track_ids.tolist() for _, poses in made.run(frames(8))] == [[0]] * 8
    assert pose.asked == [1, 1, 1], "one person in the frames 0, 3 and 6"


def test_an_error_in_a_stage_reaches_the_caller() -> None:
    class Broken(StubDetector):
        def detect(self, images: Sequence[Image]) -> list[Boxes]:
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        list(pipeline(Broken()).run(frames(3)))


def test_rare_detections_without_propagation_are_refused() -> None:
    with pytest.raises(ConfigError, match="detect_every above 1.* needs propagation"):
        pipeline(StubDetector(), interval=2, propagation=None)
    assert pipeline(StubDetector(), interval=1, propagation=None)
    with pytest.raises(ConfigError, match="detect_batch must be a whole number, 1 or more, not 0"):
        PipelineConfig(detect_batch=0)
