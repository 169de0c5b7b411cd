"""In which frames people are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.errors import ConfigError
from posetrack.flow import ZeroFlow
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.pose_tracker import PoseTracker
from posetrack.schedule import EveryNth
from posetrack.skeletons import POSETRACK
from posetrack.top_down import TopDown
from posetrack.tracker import FlowLinker, LinkerConfig
from posetrack.types import Boxes, Image, Poses
from posetrack.video import ReadOptions, open_source
from tests.stubs import StubPose, frames
from tests.video_clips import write_clip

SHOT = 20


def people(scores: Sequence[float]) -> Boxes:
    left = 60 * np.arange(len(scores), dtype=np.float32)
    return Boxes(np.stack([left, left * 0, left + 40, left * 0 + 80], axis=1), np.array(scores, np.float32))


def seen(scores: Sequence[float]) -> Poses:
    return Poses.pending_in(people(scores), POSETRACK)


@dataclass
class Crowd:
    """A detector that gives people the scores of the frame, which is told by its pixels; notes its batches."""

    scores: dict[int, Sequence[float]]
    usual: Sequence[float] = (0.99,)
    batches: list[list[int]] = field(default_factory=list)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        self.batches.append([int(image[0, 0, 0]) for image in images])
        return [people(self.scores.get(index, self.usual)) for index in self.batches[-1]]

    @property
    def looked(self) -> list[int]:
        return sorted(index for batch in self.batches for index in batch)


def looked(detector: Crowd, count: int, batch: int = 1, cut_at: int = -1, ahead: bool = True) -> list[int]:
    made = Pipeline(
        people=TopDown(detector, StubPose()),
        flow=ZeroFlow(),
        linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(detect_batch=batch),
        schedule=EveryNth(interval=5, sure_score=0.9),
    )
    results = list((made.run if ahead else made.run_sequentially)(frames(count, cut_at)))
    assert [frame.index for frame, _ in results] == list(range(count))
    return detector.looked


def test_who_is_seen_well_is_looked_for_every_nth_frame_only() -> None:
    assert looked(Crowd({}), SHOT) == [0, 5, 10, 15]


def test_nobody_in_sight_is_no_reason_to_look_more_often() -> None:
    assert looked(Crowd({}, usual=()), SHOT) == [0, 5, 10, 15]


def test_where_everybody_is_unsure_every_frame_is_looked_at_and_others_are_not() -> None:
    assert looked(Crowd({5: [0.6, 0.7]}), SHOT) == [0, 5, 6, 7, 8, 9, 10, 15]


def test_two_unsure_of_five_are_two_additional_detections() -> None:
    assert looked(Crowd({5: [0.6, 0.7, 0.95, 0.95, 0.95]}), SHOT) == [0, 5, 6, 8, 10, 15]


@pytest.mark.parametrize("scores", [[0.6, 0.95], [0.6] * 3 + [0.95] * 4])
def test_more_than_two_in_five_unsure_is_every_frame(scores: list[float]) -> None:
    assert looked(Crowd({5: scores}), SHOT) == [0, 5, 6, 7, 8, 9, 10, 15]


def test_what_additional_detections_find_changes_nothing() -> None:
    assert looked(Crowd({0: [0.6], 1: [0.6], 4: [0.6]}), SHOT) == [0, 1, 2, 3, 4, 5, 10, 15]


def test_the_interval_begins_anew_at_a_cut() -> None:
    assert looked(Crowd({0: [0.6, 0.7, *[0.95] * 3], 3: [0.6]}), 12, cut_at=3) == [0, 1, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("batch", [2, 3, 8])
@pytest.mark.parametrize("ahead", [False, True])
def test_batches_look_at_the_same_frames(batch: int, ahead: bool) -> None:
    scores = {0: [0.6, *[0.95] * 4], 10: [0.5, 0.6, 0.7], 15: [0.3], 30: [0.95, 0.95, 0.85]}
    one, several = Crowd(scores), Crowd(scores)
    assert looked(several, 43, batch, cut_at=28, ahead=ahead) == looked(one, 43, cut_at=28)
    assert batch >= max(map(len, several.batches)) > 1


@given(st.integers(1, 30), st.lists(st.floats(0, 1, width=32), max_size=20))
def test_additional_detections_are_as_many_as_documented_and_evenly_spread(
    interval: int, scores: list[float]
) -> None:
    between = sorted(EveryNth(interval=interval, sure_score=0.5).between(seen(scores)))
    unsure = sum(score < 0.5 for score in scores) / max(len(scores), 1)
    assert len(between) == (round(unsure * (interval - 1)) if unsure <= 0.4 else interval - 1)
    steps = np.diff([0, *between, interval])
    assert steps.max() - steps.min() <= 1 and steps.min() >= 1


def test_a_fixed_interval_has_no_additional_detections() -> None:
    assert not EveryNth(interval=5).between(seen([0.1, 0.2]))


def test_a_score_out_of_range_is_told() -> None:
    with pytest.raises(ConfigError, match="sure_score"):
        EveryNth(interval=5, sure_score=1.5)


@pytest.mark.parametrize(
    ("rate", "reading", "interval"),
    [
        ("25", ReadOptions(), 5),
        ("25", ReadOptions(stride=2), 1),
        ("50", ReadOptions(stride=3), 3),
        ("25", ReadOptions(stride=9), 1),
        (None, ReadOptions(), 5),
        (None, ReadOptions(images_per_second=20), 4),
        (None, ReadOptions(images_per_second=20, stride=2), 1),
    ],
)
def test_auto_counts_the_frames_that_are_delivered_for_a_second_of_footage(
    tmp_path: Path, rate: str | None, reading: ReadOptions, interval: int
) -> None:
    images = np.stack([frame.image for frame in frames(1)] * 40)
    if rate is None:
        for number, image in enumerate(images):
            cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    else:
        write_clip(tmp_path / "a.mp4", images, rate=rate)
    detector = Crowd({})
    tracker = PoseTracker("lite", detector=detector, pose=StubPose(), flow=ZeroFlow(), threads=1)
    with open_source(tmp_path if rate is None else tmp_path / "a.mp4", reading) as source:
        count = len(list(tracker.track(source)))
    assert count == -(-40 // reading.stride)
    assert len(detector.looked) == -(-count // interval)


def test_people_who_overlap_are_looked_at_more_often() -> None:
    """Two of five who pass each other count like two of whom the detector is not sure."""
    apart = seen([0.99] * 5)
    boxes = apart.boxes.copy()
    boxes[1] = boxes[0] + [30, 0, 30, 0]  # IoU 1/7
    assert not EveryNth(interval=5, sure_score=0.9).between(apart)
    assert len(EveryNth(interval=5, sure_score=0.9).between(apart.replace(boxes=boxes))) == 2
    assert not EveryNth(interval=5, sure_score=0.9, max_overlap=0.2).between(apart.replace(boxes=boxes))
    assert not EveryNth(interval=5).between(apart.replace(boxes=boxes))
