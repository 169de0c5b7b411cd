"""Keeping up with a live source. What depends on speed is shown on a clock that only the stub stages move."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import posetrack
from posetrack.changes import Changes, customised
from posetrack.cli.main import main
from posetrack.errors import ConfigError, VideoError
from posetrack.flow import ZeroFlow
from posetrack.formats.reading import read_annotations
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import get_preset
from posetrack.realtime import AdaptiveConfig, AdaptiveSchedule, RealtimeReport, follow_live
from posetrack.runner import Outputs, RunSummary
from posetrack.stages import DetectionSchedule, Flow, SourceInfo
from posetrack.top_down import TopDown
from posetrack.tracker import FlowLinker, LinkerConfig
from posetrack.types import Boxes, Frame, Image, Poses
from posetrack.video import ReadOptions, open_source
from posetrack.video.live import Arrival, Backlog, LiveConfig, LiveFrames, Standing, stamped
from tests.in_process import posetrack as command
from tests.stubs import StubDetector, StubPose
from tests.video_clips import grey_frames, presentation_times, write_clip

PICTURE = np.random.default_rng(0).integers(0, 256, (15, 20, 3), np.uint8).repeat(8, 0).repeat(8, 1)
Cost = Callable[[float], float]


def frames_at(times_s: Sequence[float]) -> list[Frame]:
    return [Frame(index, time_s, PICTURE) for index, time_s in enumerate(times_s)]


# --- On a clock that only the stages move


@dataclass
class World:
    """Frames that come at their times, and stages that take time. One thing at a time, as on a busy processor.

    Args:
        times_s: When frames come.
        detection_s, rest_s: What a detection and everything else of a frame cost, by when they begin.
    """

    times_s: Sequence[float]
    detection_s: Cost
    rest_s: Cost
    now_s: float = 0.0
    took: list[tuple[Frame, float]] = field(default_factory=list)
    came_s: dict[Frame, float] = field(default_factory=dict)
    detections: list[int] = field(default_factory=list)
    lags_s: list[float] = field(default_factory=list)
    skeleton = StubPose.skeleton

    def __post_init__(self) -> None:
        self.backlog = Backlog()
        self.report = RealtimeReport()
        self._coming = deque(frames_at(self.times_s))
        schedule = AdaptiveSchedule(self.standing, self.report)
        made = Pipeline(people=TopDown(self, self), flow=ZeroFlow(), linker=self, schedule=schedule)
        for frame, poses in made.run_sequentially(self.frames()):
            assert len(poses) == 1
            self.lags_s.append(self.now_s - self.came_s[frame])

    def frames(self) -> Iterator[Frame]:
        while True:
            self._let_come()
            arrival = self.backlog.take(self.now_s)
            if arrival is not None:
                self.took.append((arrival.frame, self.now_s))
                self.came_s[arrival.frame] = arrival.at_s
                yield arrival.frame
            elif self._coming:
                self.now_s = self._coming[0].time_s
            else:
                return

    def _let_come(self) -> None:
        while self._coming and self._coming[0].time_s <= self.now_s:
            frame = self._coming.popleft()
            self.backlog.add(Arrival(frame, frame.time_s))

    def standing(self, frame: Frame) -> Standing:
        self._let_come()
        return Standing(self.now_s - self.came_s[frame], self.backlog.period_s, self.backlog.behind)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        self.detections.append(len(self.took) - 1)
        self.now_s += self.detection_s(self.now_s)
        return StubDetector().detect(images)

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        self.now_s += self.rest_s(self.now_s)
        return StubPose().estimate(image, boxes)

    def link(self, poses: Poses, flow: Flow, time_s: float) -> Poses:
        """One person, who is the same all the time."""
        return poses.replace(track_ids=np.zeros(len(poses), int))

    def reset(self) -> None: ...

    @property
    def intervals(self) -> list[int]:
        """Processed frames from one detection to the next."""
        return list(np.diff(self.detections))


def every(period_s: float, count: int) -> list[float]:
    return [index * period_s for index in range(count)]


def test_with_time_to_spare_people_are_looked_for_in_every_frame_and_nothing_is_dropped() -> None:
    world = World(every(0.04, 200), lambda _: 0.015, lambda _: 0.015)
    assert [frame.index for frame, _ in world.took] == list(range(200))
    assert set(world.intervals) == {1}
    assert (world.report.shortest_interval, world.report.longest_interval) == (1, 1)


@pytest.mark.parametrize("detection_s", [0.06, 0.1, 0.2, 0.35])
def test_a_slow_detector_is_asked_more_rarely_and_no_frame_is_dropped(detection_s: float) -> None:
    """Of 40 ms per frame 10 go to the rest: detections of d ms can be had every d / 30 frames."""
    world = World(every(0.04, 400), lambda _: detection_s, lambda _: 0.01)
    assert [frame.index for frame, _ in world.took] == list(range(400))
    assert world.backlog.dropped == 0
    settled = world.intervals[5:]
    assert detection_s / 0.03 - 0.1 <= np.mean(settled) <= detection_s / 0.03 + 1
    assert max(settled) - min(settled) <= 2
    assert max(world.lags_s) <= detection_s + 0.12


def test_only_when_the_longest_interval_does_not_suffice_are_frames_dropped_and_the_newest_wins() -> None:
    world = World(every(0.04, 500), lambda _: 0.1, lambda _: 0.1)
    assert len(world.took) + world.backlog.dropped == 500 == world.backlog.arrived
    indices = [frame.index for frame, _ in world.took]
    assert indices == sorted(set(indices)) and indices[0] == 0
    behind = world.took[15:]
    for frame, at_s in behind:
        assert frame.index == bisect_right(world.times_s, at_s) - 1, "a newer frame had come"
    assert 150 <= len(world.took) <= 210, "20 s have room for 200 frames of 0.1 s, less the detections"
    assert world.lags_s[15:] and max(world.lags_s[15:]) <= 0.04 + 0.1 + 0.1 + 1e-9


def test_people_are_looked_for_once_a_second_of_footage_also_where_hardly_a_frame_is_processed() -> None:
    world = World(every(0.04, 500), lambda _: 0.1, lambda _: 0.4)
    looked_s = [world.took[number][0].time_s for number in world.detections]
    assert max(np.diff(looked_s)) <= 1.0 + 0.6  # the frame after a second, and they are half a second apart
    assert min(np.diff(looked_s)[2:]) >= 0.9


def test_when_the_load_is_gone_everything_is_as_before() -> None:
    world = World(every(0.04, 750), lambda _: 0.01, lambda now_s: 0.15 if 5 <= now_s < 15 else 0.01)
    processed = {frame.index for frame, _ in world.took}
    assert set(range(125)) <= processed, "before"
    assert len(processed & set(range(150, 375))) < 100, "meanwhile"
    assert set(range(400, 750)) <= processed, "again: a second later nothing is dropped any more"
    late = [number for number in world.detections if world.took[number][0].index >= 475]
    assert set(np.diff(late)) == {1}, "four seconds later people are looked for in every frame again"


def test_a_single_slow_case_makes_the_interval_longer_for_a_while_not_for_good() -> None:
    world = World(every(0.04, 300), lambda now_s: 0.2 if 4 <= now_s < 4.04 else 0.01, lambda _: 0.01)
    assert world.backlog.dropped == 0
    assert world.intervals[:90] == [1] * 90
    assert world.intervals[-100:] == [1] * 100
    longer = [interval for interval in world.intervals if interval > 1]
    assert len(longer) == 1 + AdaptiveConfig().cases and len(set(longer)) == 1


@settings(max_examples=25, deadline=None)
@given(
    fps=st.sampled_from([1.0, 5.0, 25.0, 50.0, 120.0]),
    loads=st.lists(st.tuples(st.floats(0, 0.7), st.floats(0, 0.4)), min_size=1, max_size=4),
    jitter=st.lists(st.floats(0, 0.9), min_size=1, max_size=20),
)
def test_whatever_the_load_the_books_balance_and_the_bounds_hold(
    fps: float, loads: list[tuple[float, float]], jitter: list[float]
) -> None:
    times_s = [(index + jitter[index % len(jitter)]) / fps for index in range(100)]
    length_s = times_s[-1]

    def load(now_s: float) -> tuple[float, float]:
        return loads[min(len(loads) - 1, int(now_s / length_s * len(loads)))]

    world = World(times_s, lambda now_s: load(now_s)[0], lambda now_s: load(now_s)[1])
    indices = [frame.index for frame, _ in world.took]
    assert len(indices) + world.backlog.dropped == 100
    assert indices == sorted(set(indices)) and indices[0] == 0 and indices[-1] == 99
    assert all(1 <= interval <= 15 for interval in world.intervals)
    patience_s = max(0.5, 6 / fps)
    assert max(at_s - world.came_s[frame] for frame, at_s in world.took[:-1]) <= patience_s + 1.1
    shown = world.report
    assert shown.shortest_interval == min(world.intervals, default=0)
    assert shown.longest_interval == max(world.intervals, default=0)
    assert shown.mean_interval == pytest.approx(np.mean(world.intervals) if world.intervals else 0)


# --- What waits, and what is dropped


def test_frames_wait_their_turn_while_the_patience_lasts() -> None:
    backlog = Backlog(LiveConfig(patience_s=0.5))
    for frame in frames_at(every(0.1, 5)):
        backlog.add(Arrival(frame, frame.time_s))
    assert [cast(Arrival, backlog.take(0.45)).frame.index for _ in range(5)] == [0, 1, 2, 3, 4]
    assert backlog.take(0.45) is None and backlog.dropped == 0


def test_of_frames_that_have_waited_too_long_the_newest_is_taken() -> None:
    backlog = Backlog(LiveConfig(patience_s=0.5))
    for frame in frames_at(every(0.1, 5)):
        backlog.add(Arrival(frame, frame.time_s))
    assert cast(Arrival, backlog.take(0.6)).frame.index == 4
    assert (backlog.dropped, backlog.behind) == (4, True)


def test_a_burst_is_not_worked_off() -> None:
    """A stream that was held up gives at once what has gathered; what is newest then is new enough."""
    backlog = Backlog(LiveConfig(patience_s=0.5))
    for frame in frames_at(every(0.04, 100)):
        backlog.add(Arrival(frame, 7.0))
    assert cast(Arrival, backlog.take(7.0)).frame.index == 99
    assert (backlog.arrived, backlog.dropped) == (100, 99)


def test_frames_wait_again_once_nothing_has_been_dropped_for_a_while() -> None:
    backlog = Backlog(LiveConfig(patience_s=0.5, calm_frames=3))
    coming = iter(frames_at(every(0.1, 50)))

    def come(count: int) -> None:
        for _ in range(count):
            frame = next(coming)
            backlog.add(Arrival(frame, frame.time_s))

    come(8)
    assert backlog.behind
    for _ in range(3):
        assert backlog.take(0.7 if backlog.arrived == 8 else (backlog.arrived - 1) / 10) is not None
        come(1)
    assert not backlog.behind
    come(2)
    taken = [cast(Arrival, backlog.take((backlog.arrived - 1) / 10)).frame.index for _ in range(3)]
    assert taken == [10, 11, 12] and backlog.dropped == 7


def test_pictures_that_come_seldom_may_wait_for_one_another() -> None:
    backlog = Backlog(LiveConfig(patience_s=0.5))
    for frame in frames_at(every(2.0, 3)):
        backlog.add(Arrival(frame, frame.time_s))
    assert cast(Arrival, backlog.take(4.5)).frame.index == 0 and backlog.dropped == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: LiveConfig(patience_s=-1), lambda: LiveConfig(patience_s=float("nan")),
        lambda: LiveConfig(calm_frames=0), lambda: LiveConfig(in_flight=0),
        lambda: AdaptiveConfig(longest_frames=0), lambda: AdaptiveConfig(longest_s=0),
        lambda: AdaptiveConfig(late_s=float("nan")), lambda: AdaptiveConfig(cases=0),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        make()


# --- The thread that takes frames from the source


class LeapingClock:
    """Nobody waits: waiting moves the clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def now_s(self) -> float:
        return self.now

    def wait(self, changed: threading.Condition, at_most_s: float) -> None:
        self.now += at_most_s


def no_thread_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name == "live frames"]


def test_a_camera_is_drained_while_nobody_takes_its_frames() -> None:
    drained = threading.Event()

    def camera() -> Iterator[Frame]:
        yield from frames_at(every(0.04, 300))
        drained.set()

    with LiveFrames(camera(), paced=False, clock=LeapingClock()) as live:
        assert drained.wait(60)
        assert [frame.index for frame in live] == [299]
        assert live.dropped == 299
    assert no_thread_left()


def test_a_files_frames_come_at_their_times_and_a_cameras_when_they_do() -> None:
    for paced, expected_s in [(True, 2.0), (False, 0.0)]:
        clock = LeapingClock()
        with LiveFrames(frames_at([5.0, 5.04, 7.0]), paced=paced, clock=clock) as live:
            for frame in live:
                live.done(frame)
        assert clock.now == pytest.approx(expected_s)


def test_a_frame_that_is_decoded_late_is_old_when_it_comes() -> None:
    clock = LeapingClock()

    def slow() -> Iterator[Frame]:
        first, second = frames_at([0.0, 0.04])
        yield first
        clock.now += 3
        yield second

    with LiveFrames(slow(), paced=True, clock=clock) as live:
        ages_s = [live.standing(frame).age_s for frame in live if frame.index == 1]
    assert ages_s == [pytest.approx(2.96)]


def test_no_more_frames_are_handed_out_than_may_be_in_processing() -> None:
    happened: list[str] = []
    config = LiveConfig(patience_s=1e6, in_flight=2)
    with LiveFrames(frames_at(every(0.04, 3)), paced=False, config=config, clock=LeapingClock()) as live:
        handed = iter(live)
        first, _ = next(handed), next(handed)
        thread = threading.Thread(target=lambda: happened.append(f"frame {next(handed).index}"))
        thread.start()
        happened.append("done")
        live.done(first)
        thread.join()
    assert happened == ["done", "frame 2"]


def test_an_error_of_the_source_comes_behind_its_frames() -> None:
    def breaking() -> Iterator[Frame]:
        yield from frames_at(every(0.04, 3))
        raise VideoError("the cable is out")

    seen = []
    with pytest.raises(VideoError, match="the cable"), LiveFrames(breaking(), paced=False) as live:
        for frame in live:
            seen.append(frame.index)
            live.done(frame)
    assert seen[-1] == 2 and no_thread_left()


def test_leaving_ends_the_thread_while_a_frames_time_is_far_away_and_closes_the_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[Frame]:
        try:
            yield from frames_at([0.0, 1e6])
        finally:
            closed.set()

    with LiveFrames(source(), paced=True) as live:
        assert next(iter(live)).index == 0
    assert closed.is_set() and no_thread_left()


def test_ones_own_images_get_the_time_at_which_they_come() -> None:
    clock = LeapingClock()

    def images() -> Iterator[Frame]:
        for frame in frames_at([0.0, 0.04, 0.08]):
            clock.now += 1.5
            yield frame

    assert [frame.time_s for frame in stamped(images(), clock)] == [0.0, 1.5, 3.0]


# --- Together with the pipeline and its threads


def stub_pipeline(schedule: DetectionSchedule) -> Pipeline:
    return Pipeline(
        people=TopDown(StubDetector(), StubPose()), flow=ZeroFlow(), linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(frames_ahead=1), schedule=schedule,
    )  # fmt: skip


def follow(frames: Iterator[Frame] | list[Frame], report: RealtimeReport) -> Iterator[tuple[Frame, Poses]]:
    return follow_live(frames, stub_pipeline, paced=True, report=report)


def test_what_is_processed_and_what_is_dropped_is_what_came() -> None:
    """In real time, on a file of 400 frames within 4 ms."""
    report = RealtimeReport()
    results = list(follow(frames_at(every(1e-5, 400)), report))
    indices = [frame.index for frame, _ in results]
    assert indices == sorted(set(indices)) and indices[0] == 0 and indices[-1] == 399
    assert report.processed == len(indices) and report.processed + report.dropped == 400
    assert {ids for _, poses in results for ids in poses.track_ids.tolist()} == {0}
    assert 0 <= report.mean_lag_s <= report.longest_lag_s
    assert no_thread_left()


def test_a_source_without_frames_is_no_error() -> None:
    assert list(follow_live([], stub_pipeline, paced=True, report=RealtimeReport())) == []


def test_each_network_sees_the_first_picture_once_more_before_time_counts() -> None:
    seen: list[tuple[str, Image]] = []

    class Noted(StubDetector, StubPose, ZeroFlow):
        def detect(self, images: Sequence[Image]) -> list[Boxes]:
            seen.extend(("detect", image) for image in images)
            return super().detect(images)

        def estimate(self, image: Image, other: Any) -> Any:
            seen.append(("flow" if isinstance(other, np.ndarray) else "pose", image))
            return (ZeroFlow if isinstance(other, np.ndarray) else StubPose).estimate(self, image, other)

    def noted(schedule: DetectionSchedule) -> Pipeline:
        stage = Noted()
        linker = FlowLinker(LinkerConfig())
        return Pipeline(people=TopDown(stage, stage), flow=stage, linker=linker, schedule=schedule)

    report = RealtimeReport()
    frames = frames_at([0.0, 0.01])
    results = list(follow_live(frames, noted, paced=True, report=report))
    assert sorted(name for name, _ in seen[:3]) == ["detect", "flow", "pose"]
    assert all(image is frames[0].image for _, image in seen[:3])
    assert report.processed + report.dropped == 2 and results[0][0].index == 0


def test_whoever_wants_no_more_leaves_no_thread_behind() -> None:
    threads = threading.active_count()
    results = follow(frames_at([0.0, 0.001, 1e6]), RealtimeReport())
    assert next(results)[0].index == 0
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads


def test_an_error_of_the_source_or_a_stage_arrives_and_lets_go_of_the_source() -> None:
    def breaking() -> Iterator[Frame]:
        yield from frames_at(every(0.001, 3))
        raise VideoError("the cable is out")

    with pytest.raises(VideoError, match="the cable"):
        list(follow(breaking(), RealtimeReport()))

    class Broken(StubDetector):
        def detect(self, images: Sequence[Image]) -> list[Boxes]:
            raise RuntimeError("out of memory")

    def broken(schedule: DetectionSchedule) -> Pipeline:
        linker = FlowLinker(LinkerConfig())
        people = TopDown(Broken(), StubPose())
        return Pipeline(people=people, flow=ZeroFlow(), linker=linker, schedule=schedule)

    far = frames_at([0.0, 1e6])
    with pytest.raises(RuntimeError, match="out of memory"):
        list(follow_live(far, broken, paced=True, report=RealtimeReport()))
    assert no_thread_left()


# --- From Python and from the command line

FRAMES = 50


class SlowPose(StubPose):
    """Takes its first frame until all have come."""

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        while not no_thread_left():
            time.sleep(0.01)
        return super().estimate(image, boxes)


def stub_tracker() -> PoseTracker:
    return PoseTracker(detector=StubDetector(), pose=StubPose())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of people who do not move."""
    image = np.random.default_rng(0).integers(0, 256, (15, 20, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    frames = np.broadcast_to(image, (FRAMES, *image.shape))
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", frames)


def indices_in(file: Path) -> list[int]:
    content = json.loads(file.read_text())
    assert {person["image_id"] for person in content["annotations"]} <= {i["id"] for i in content["images"]}
    return [int(Path(image["file_name"]).stem) for image in content["images"]]


def test_a_run_that_cannot_keep_up_says_what_it_dropped_and_writes_the_rest_at_its_times(
    clip: Path, tmp_path: Path
) -> None:
    outputs = Outputs(formats=("posetrack18", "csv", "mot", "coco", "posetrack17", "parquet"))

    def tracker() -> PoseTracker:
        return PoseTracker(detector=StubDetector(), pose=SlowPose())

    summary = posetrack.run(clip, tmp_path, tracker=tracker, outputs=outputs, realtime=True)
    assert summary.realtime is not None and summary.dropped == summary.realtime.dropped > 0
    assert summary.frames + summary.dropped == FRAMES and summary.frames == summary.realtime.processed
    assert "waiting for frames" in summary.stages_s and "decode" not in summary.stages_s
    indices = indices_in(tmp_path / "clip.json")
    assert len(indices) == summary.frames and indices == sorted(set(indices))
    assert indices[-1] == FRAMES - 1 and len(indices) <= LiveConfig().in_flight + 1
    assert presentation_times(tmp_path / "clip_tracked.mp4") == pytest.approx([i / 25 for i in indices], abs=1e-3)
    assert all(path.stat().st_size > 0 for path in summary.files)
    (read,) = read_annotations(tmp_path / "clip.json")
    assert len(read.images) == summary.frames and set(read.track_ids.tolist()) == {0}


def test_stride_start_and_end_are_honoured(clip: Path, tmp_path: Path) -> None:
    reading = ReadOptions(start_s=0.4, end_s=1.2, stride=5)
    summary = posetrack.run(
        clip, tmp_path, tracker=stub_tracker, reading=reading, realtime=True, outputs=Outputs(video=False)
    )
    indices = indices_in(tmp_path / "clip.json")
    assert set(indices) <= {10, 15, 20, 25} and indices[0] == 10
    assert len(indices) + summary.dropped == 4


def test_ctrl_c_finishes_the_files_and_leaves_no_thread(clip: Path, tmp_path: Path) -> None:
    def press(info: SourceInfo, summary: RunSummary) -> None:
        if summary.frames == 3:
            os.kill(os.getpid(), signal.SIGINT)

    threads = threading.active_count()
    summary = posetrack.run(clip, tmp_path, tracker=stub_tracker, observer=press, realtime=True)
    assert summary.interrupted and summary.frames == 3
    assert len(indices_in(tmp_path / "clip.json")) == 3
    assert threading.active_count() == threads


def test_a_source_that_fails_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    import cv2

    (tmp_path / "images").mkdir()
    for index, width in enumerate([160, 160, 96]):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), np.zeros((120, width, 3), np.uint8))
    with pytest.raises(VideoError, match="give images of one size"):
        posetrack.run(tmp_path / "images", tmp_path / "out", tracker=stub_tracker, realtime=True)
    assert not (tmp_path / "out").exists() and no_thread_left()


def test_from_python_a_file_or_ones_own_images_are_followed_with_a_report(clip: Path) -> None:
    report = RealtimeReport()
    assert list(stub_tracker().track(clip, realtime=report))
    assert report.processed + report.dropped == FRAMES
    images = (image for image in grey_frames(5, 160, 120))
    report = RealtimeReport()
    results = list(stub_tracker().track(images, realtime=report))
    assert len(results) == report.processed and report.processed + report.dropped == 5
    assert next(iter(stub_tracker().track(clip, realtime=True)))[0].index == 0


def test_without_propagation_there_is_no_real_time(clip: Path) -> None:
    preset = customised(get_preset("lite"), Changes(propagation="off"))
    with pytest.raises(ConfigError, match="real time, needs propagation"):
        list(PoseTracker(preset, detector=StubDetector(), pose=StubPose()).track(clip, realtime=True))


def test_a_file_is_not_live(clip: Path) -> None:
    with open_source(clip) as source:
        assert not source.live


def test_the_command_sums_up_what_it_dropped(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = command("run", clip, "-o", tmp_path, "--realtime")
    assert done.returncode == 0, done.stderr
    told = re.search(r"^dropped +(\d+) of (\d+) frames \(\d+ %\) *$", done.stdout, re.MULTILINE)
    frames = re.search(r"^frames +(\d+) *$", done.stdout, re.MULTILINE)
    assert told is not None and frames is not None
    dropped, arrived, processed = int(told[1]), int(told[2]), int(frames[1])
    assert arrived == FRAMES == processed + dropped
    assert len(indices_in(tmp_path / "clip.json")) == processed
    assert "detector ran" in done.stdout and "behind the source" in done.stdout


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["run", "CLIP", "--realtime", "--detect-every", "3"], "--realtime chooses the detection interval itself"),
        (["run", "CLIP", "--realtime", "--no-propagation"], "leave out --no-propagation"),
        (["batch", "CLIP", "-o", "out", "--realtime"], "--realtime"),
    ],
)
def test_what_contradicts_it_is_refused_in_one_sentence(
    clip: Path,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["posetrack", *(str(clip) if argument == "CLIP" else argument for argument in arguments)]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert sentence in told and len(told.strip().splitlines()) == 1
