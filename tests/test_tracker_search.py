"""Hidden people are looked for where they are expected, now and then, and found on evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from posetrack.benchmark import BenchmarkConfig, Setting
from posetrack.changes import Changes, customised
from posetrack.cli.options import TrackOptions
from posetrack.errors import ConfigError
from posetrack.flow import ZeroFlow
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.presets import PRESETS, get_preset
from posetrack.skeletons import POSETRACK
from posetrack.top_down import TopDown
from posetrack.tracker import EvidenceConfig, FlowLinker, LinkerConfig, Search, SearchConfig
from posetrack.types import UNLINKED, Boxes, Image, Poses
from tests.stubs import StubDetector, StubPose, frames

SIZE = (640, 480)
NOBODY = np.zeros((0, 4), np.float32)


def bodies(*track_ids: int, score: float = 0.9) -> Poses:
    """People 60 by 200 px beside each other, with different limbs."""
    count = len(track_ids)
    left = 100 + 150 * np.arange(count, dtype=np.float32)[:, None]
    boxes = np.concatenate([left, left * 0 + 100, left + 60, left * 0 + 300], axis=1)
    shares = np.random.default_rng(1).uniform(0, 1, (17, 2))
    shares[[5, 16]] = (0, 0), (1, 1)
    keypoints = boxes[:, None, :2] + shares * (60, 200)
    return Poses(boxes, np.zeros(count), keypoints, np.full((count, 17), score), track_ids, POSETRACK)


@pytest.mark.parametrize(("fps", "first", "second"), [(7, 3, 6), (25, 10, 20), (50, 20, 40), (240, 96, 192)])
def test_people_are_looked_for_as_often_at_every_frame_rate(fps: int, first: int, second: int) -> None:
    search, hidden = Search(SearchConfig(every_s=0.4)), bodies(4, 2)
    looked = [frame for frame in range(2 * fps) if len(search.due(hidden, NOBODY, frame / fps, SIZE))]
    assert looked[:2] == [first, second] and len(looked) <= 2 / 0.4


def test_who_is_hidden_later_waits_and_who_came_back_waits_again() -> None:
    search, both = Search(SearchConfig(every_s=0.4)), bodies(4, 2)
    assert not len(search.due(both[:1], NOBODY, 0.0, SIZE))
    assert not len(search.due(both, NOBODY, 0.2, SIZE))
    assert search.due(both[::-1], NOBODY, 0.4, SIZE).track_ids.tolist() == [4]
    assert search.due(both, NOBODY, 0.6, SIZE).track_ids.tolist() == [2]
    assert not len(search.due(both[:1], NOBODY, 0.7, SIZE))
    assert search.due(both, NOBODY, 1.0, SIZE).track_ids.tolist() == [4]
    search.reset()
    assert not len(search.due(both, NOBODY, 2.0, SIZE))


def test_who_is_behind_somebody_or_outside_is_not_looked_for_until_they_come_out() -> None:
    hidden = bodies(0, 1, 2, 3)
    boxes = hidden.boxes.copy()
    boxes[0] -= (140, 0, 140, 0)
    hidden, search = hidden.replace(boxes=boxes), Search(SearchConfig(every_s=0.4, max_covered=0.5))
    others = boxes[1:3] + np.float32([[29, 0, 29, 0], [31, 0, 31, 0]])  # 31 and 29 of 60 px are covered
    for time_s, there in ((0.0, []), (0.4, [2, 3])):
        assert search.due(hidden, others, time_s, SIZE).track_ids.tolist() == there
    assert search.due(hidden, NOBODY, 0.5, SIZE).track_ids.tolist() == [1]


def stretched(poses: Poses, factor: float) -> Poses:
    middle = poses.keypoints.mean(axis=1, keepdims=True)
    return poses.replace(keypoints=middle + factor * (poses.keypoints - middle))


def test_who_is_seen_clearly_and_as_they_were_is_found_wherever_the_body_is() -> None:
    expected, search = bodies(4, 2), Search(SearchConfig(score=0.3))
    found = search.found(expected.replace(keypoints=expected.keypoints + 25), expected)
    assert found.track_ids.tolist() == [UNLINKED] * 2 and found.scores.tolist() == [np.float32(0.3)] * 2
    np.testing.assert_array_equal(found.keypoints, expected.keypoints + 25)


@pytest.mark.parametrize(
    ("least", "most"),
    [
        (lambda who: who.replace(keypoint_scores=np.full((1, 17), 0.51)), 0.49),
        (lambda who: stretched(who, 1.45), 1.55),
        (lambda who: stretched(who, 1 / 1.45), 1 / 1.55),
    ],
    ids=["score", "larger", "smaller"],
)
def test_who_is_badly_seen_or_of_another_size_is_not_found(least, most: float) -> None:
    expected, search = bodies(4), Search(SearchConfig(min_pose_score=0.5, max_growth=1.5, min_oks=0.0))
    assert len(search.found(least(expected), expected)) == 1
    worse = stretched(expected, most) if most > 0.5 else expected.replace(keypoint_scores=np.full((1, 17), most))
    assert len(search.found(worse, expected)) == 0


def test_other_limbs_and_too_few_joints_are_not_those_of_the_person() -> None:
    expected, search = bodies(4), Search(SearchConfig(min_pose_score=0.1))
    upside_down = expected.replace(keypoints=expected.boxes[:, None, 2:] - (expected.keypoints - (100, 100)))
    assert len(search.found(expected, expected)) == 1 and len(search.found(upside_down, expected)) == 0
    for joints, number in ((4, 0), (5, 1)):
        scores = np.where(np.arange(17) < joints + 5, expected.keypoint_scores, 0)
        scores[:, :3] = 0  # and the two ears count for nothing
        assert len(search.found(expected.replace(keypoint_scores=scores), expected)) == number


@dataclass
class Sighted(StubPose):
    """A pose network that is so sure of its joints; notes in how many boxes it was asked, call by call."""

    score: float = 0.9
    asked: list[int] = field(default_factory=list)

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        self.asked.append(len(boxes))
        poses = super().estimate(image, boxes)
        return poses.replace(keypoint_scores=np.where(poses.present, self.score, 0))


def numbers(pose: Sighted, search: SearchConfig | None, detector: StubDetector, count: int) -> list[Sequence[int]]:
    """Who is reported in each frame."""
    pipeline = Pipeline(
        people=TopDown(detector, pose),
        flow=ZeroFlow(),
        linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(evidence=EvidenceConfig(max_missed_s=0.2), search=search),
    )
    return [poses.track_ids.tolist() for _, poses in pipeline.run(frames(count))]


def test_somebody_whom_the_detector_misses_for_long_is_found_again_under_the_same_number() -> None:
    blind = frozenset(range(10, 60))
    without, pose = numbers(Sighted(), None, StubDetector(blind=blind), 60), Sighted()
    seen = numbers(pose, SearchConfig(every_s=0.4), StubDetector(blind=blind), 60)
    assert without == [[0]] * 14 + [[]] * 46
    assert all(each in ([], [0]) for each in seen)
    there = np.flatnonzero([len(each) for each in seen])
    assert there.tolist() == [*range(14), *range(25, 31), *range(42, 48), 59], "0.4 s after they went, for a while"
    assert sum(pose.asked) == 30, "in the frames in which somebody is seen, and in the three in which they go"


@pytest.mark.parametrize(("search", "number"), [(SearchConfig(), 0), (None, 1)])
def test_who_is_missed_for_longer_than_tracks_are_remembered_keeps_the_number(
    search: SearchConfig | None, number: int
) -> None:
    seen = numbers(Sighted(), search, StubDetector(blind=frozenset(range(10, 110))), 112)
    assert seen[-1] == [number]


@pytest.mark.parametrize("score", [0.45, 0.3])
def test_a_network_that_is_not_sure_finds_nobody(score: float) -> None:
    blind = frozenset(range(10, 60))
    seen = numbers(Sighted(score=score), SearchConfig(), StubDetector(blind=blind), 60)
    assert seen[20:] == [[]] * 40


def test_the_interval_is_an_option_at_every_level() -> None:
    for name in ("lite", "fast", "accurate"):
        assert PRESETS[name].pipeline.search == SearchConfig(every_s=0.4)
    assert PRESETS["posetrack"].pipeline.search is None
    lite = get_preset("lite")
    assert customised(lite, Changes(search_every_s=0.2)).pipeline.search == SearchConfig(every_s=0.2)
    assert customised(lite, Changes(search_every_s=0)).pipeline.search is None
    for kind in ("paper", "off"):
        assert customised(lite, Changes(propagation=kind)).pipeline.search is None
        assert customised(lite, Changes(propagation=kind, search_every_s=1)).pipeline.search is not None
    evidence = customised(PRESETS["posetrack"], Changes(propagation="evidence"))
    assert evidence.pipeline.search == SearchConfig()
    for seconds, config in ((None, None), (0.2, SearchConfig(every_s=0.2))):
        rows = BenchmarkConfig(search_every_s=seconds)
        assert rows.preset_of(Setting()).pipeline.search == config, "the paper's rows do without it"
    for text, config in (("off", None), ("0.1s", SearchConfig(every_s=0.1)), (None, SearchConfig())):
        assert TrackOptions(search_every=text).customised_preset().pipeline.search == config


@pytest.mark.parametrize("text", ["", "0.4", "often", "-1s", "nans", "infs", "10f"])
def test_other_intervals_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="search.every|^every_s must be above 0"):
        TrackOptions(search_every=text).customised_preset()


@pytest.mark.parametrize("name", ["every_s", "min_pose_score", "max_covered", "max_growth", "min_oks", "score"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        replace(SearchConfig(), **{name: -0.1})
