"""Several videos tracked at once, in threads or by turns, give what each gives alone, to the bit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import Tensor

from posetrack.flow import FLOWS
from posetrack.flow.raft import RaftFlow
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import Preset
from posetrack.stages import FlowEstimator
from posetrack.synthetic import crossing, render
from posetrack.types import Boxes, FloatArray, Image, Poses
from tests.stubs import StubDetector, StubPose
from tests.test_flow import moved_pair, points, translation

Clips = list[list[Image]]

FOLLOWING = Preset(name="own", summary="", detector="none", pose="none", detect_every=99, pose_every=99)
"""People are looked for in the first frame, and follow the flow from there."""


def moving(seed: int, count: int = 8, size: tuple[int, int] = (120, 160)) -> list[Image]:
    """A texture that moves over the picture, another way and at another size for each seed."""
    rng = np.random.default_rng(seed)
    world = rng.integers(0, 255, (size[0] // 6 + 20, size[1] // 6 + 20, 3), np.uint8).repeat(6, 0).repeat(6, 1)
    speed = rng.integers(1, 5, 2)
    return [
        np.ascontiguousarray(world[speed[0] * n :, speed[1] * n :][: size[0], : size[1]]) for n in range(count)
    ]


def alone(tracker: PoseTracker, clips: Clips) -> list[list[Poses]]:
    return [[poses for _, poses in tracker.track(clip)] for clip in clips]


def by_turns(tracker: PoseTracker, clips: Clips) -> list[list[Poses]]:
    steps = zip(*(tracker.track(clip) for clip in clips), strict=True)
    return [[poses for _, poses in column] for column in zip(*steps, strict=True)]


def in_threads(tracker: PoseTracker, clips: Clips) -> list[list[Poses]]:
    with ThreadPoolExecutor(len(clips)) as pool:
        return list(pool.map(lambda clip: [poses for _, poses in tracker.track(clip)], clips))


WAYS = [by_turns, in_threads]


@pytest.mark.parametrize("together", WAYS)
@pytest.mark.parametrize("flow", ["dis", "lk", "farneback"])
def test_the_flow_of_one_video_is_not_that_of_another(flow: str, together: Callable[..., Any]) -> None:
    """The joints follow the flow alone: people are looked for in the first frame only."""
    preset = replace(FOLLOWING, flow=flow)
    tracker = PoseTracker(preset, detector=StubDetector(), pose=StubPose(), threads=1)
    clips = [moving(seed, size=(120 + 8 * seed, 160)) for seed in range(3)]
    expected = alone(tracker, clips)
    assert all(len(poses) == 1 for clip in expected for poses in clip)
    assert expected[0][-1] != expected[1][-1]
    assert together(tracker, clips) == expected


@pytest.mark.parametrize("name", ["dis", "lk", "farneback", "raft"])
def test_threads_may_share_a_flow_estimator(name: str) -> None:
    def motion(first: Tensor, second: Tensor, iterations: int) -> Tensor:
        time.sleep(0.001)
        return torch.stack([first.mean(1), second.mean(1)], 1)

    def build() -> FlowEstimator:
        return RaftFlow(motion) if name == "raft" else FLOWS[name]()

    def displacements(flow: FlowEstimator, number: int) -> list[FloatArray]:
        first, second = moved_pair(translation(number - 2.0, number), height=80 + 16 * number, width=120)
        pairs = [(first, second), (second, first)] * 6
        return [flow.estimate(*pair).at(points(40, 80, 120))[0] for pair in pairs]

    shared = build()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: displacements(shared, number), range(4)))
    for number in range(4):
        np.testing.assert_array_equal(found[number], displacements(build(), number))


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_the_bundled_networks_do_not_mix_videos(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    models = tmp_path_factory.getbasetemp() / "side-by-side"
    tracker = PoseTracker(engine=engine, models_dir=models, threads=1)
    first = [frame.image for frame, _ in _first(render(crossing(seed=3, size=(240, 136))), 3)]
    clips = [first, [np.ascontiguousarray(image[:, ::-1]) for image in first]]
    expected = alone(tracker, clips)
    assert all(len(poses) > 0 for poses in expected[0]) and expected[0] != expected[1]
    given_up = tracker.track(clips[1])
    next(given_up)
    assert in_threads(tracker, clips) == expected
    assert by_turns(tracker, clips) == expected


def _first(items: Iterable[Any], count: int) -> Iterator[Any]:
    return (item for _, item in zip(range(count), items, strict=False))


@dataclass
class Careless(StubDetector, StubPose):
    """Detector, pose network and flow that stand no second thread, and answer in the same array every time."""

    busy: bool = False
    overlaps: int = 0
    answer: FloatArray = field(default_factory=lambda: np.zeros((1, 4), np.float32))

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        self._work()
        found = []
        for image in images:
            self.answer[:] = [[40, 20, 80 + image[0, 0, 0] % 16, 100]]
            found.append(Boxes(self.answer, np.ones(1, np.float32)))
        return found

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        self._work()
        return super().estimate(image, boxes)

    def _work(self) -> None:
        self.overlaps += self.busy
        self.busy = True
        time.sleep(0.0005)
        self.busy = False


@pytest.mark.parametrize("together", [alone, *WAYS])
def test_ones_own_stage_is_called_by_one_thread_at_a_time_and_may_reuse_its_arrays(
    together: Callable[..., Any],
) -> None:
    stage = Careless()
    tracker = PoseTracker(detector=stage, pose=stage, flow=FLOWS["none"](), threads=1)
    clips = [moving(seed) for seed in range(3)]
    found = together(tracker, clips)
    assert stage.overlaps == 0
    for clip, results in zip(clips, found, strict=True):
        looked_at = range(0, len(clip), 5)  # lite looks for people five times a second, at 25 frames a second
        assert [results[n].boxes[0, 2] for n in looked_at] == [80 + clip[n][0, 0, 0] % 16 for n in looked_at]


@dataclass
class Remembering(StubDetector, StubPose):
    """A stage that counts the frames of its video; one object for detection and poses."""

    made: list[Remembering] = field(default_factory=list)
    seen: int = 0

    def for_video(self) -> Self:
        self.made.append(type(self)(made=self.made))
        return self.made[-1]  # type: ignore[return-value]

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        self.seen += len(images)
        return super().detect(images)

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        assert self.seen > 0, "the object that has seen the detector's frames"
        return super().estimate(image, boxes)


def test_a_stage_that_remembers_is_another_one_for_each_video() -> None:
    stage = Remembering()
    tracker = PoseTracker(detector=stage, pose=stage, flow=FLOWS["none"](), threads=1)
    by_turns(tracker, [moving(seed, count=6) for seed in range(3)])
    assert [each.seen for each in stage.made] == [2, 2, 2] and stage.seen == 0


def test_a_video_given_up_half_way_leaves_no_thread_and_harms_no_other() -> None:
    tracker = PoseTracker(detector=StubDetector(), pose=StubPose(), threads=1)
    expected = alone(tracker, [moving(1)])[0]
    threads = threading.active_count()
    given_up = [tracker.track(moving(seed)) for seed in range(3)]
    for results in given_up:
        next(results)
    assert [poses for _, poses in tracker.track(moving(1))] == expected
    del results, given_up
    assert threading.active_count() == threads


def test_two_trackers_may_export_their_networks_at_once(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from torch import nn

    from posetrack.models.onnx_engine import OnnxNetwork
    from posetrack.models.onnx_file import Interface

    def made(number: int) -> bool:
        network = nn.Sequential(nn.Conv2d(3, 4 + number, 3), nn.ReLU()).eval()
        fast = OnnxNetwork(network, Interface(name=f"n{number}", channels=3, size=(16, 16)), tmp_path)
        image = torch.rand(1, 3, 16, 16)
        with torch.inference_mode():
            return bool(torch.allclose(network(image), fast(image), atol=1e-5))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(made, range(6))) == [True] * 6
