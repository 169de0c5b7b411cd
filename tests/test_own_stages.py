"""What somebody brings is checked when a tracker is made, and what it gives when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.flow import FLOWS, DenseFlow
from posetrack.pipeline import PipelineConfig
from posetrack.pose_tracker import PoseTracker
from posetrack.schedule import EveryNth
from posetrack.skeletons import COCO, POSETRACK
from posetrack.stages import BatchFlowEstimator, SourceInfo
from posetrack.tracker import FlowLinker, LinkerConfig, PropagationConfig, RefreshConfig, SelectionConfig
from posetrack.types import Boxes, Image, Poses
from tests.stubs import OneStage, StubDetector, StubPose

PICTURES = [np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)] * 2


def made(**arguments: Any) -> PoseTracker:
    return PoseTracker(**{"detector": StubDetector(), "pose": StubPose(), "threads": 1, **arguments})


ALONE = {"detector": None, "pose": None}


class NoSkeleton:
    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        raise AssertionError("never asked")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"detector": "nope"}, "detector is 'nope'; give an object with the method detect"),
        ({"detector": StubPose()}, "detector is .*; give an object with the method detect"),
        (
            {"detector": StubDetector},
            r"detector is the class StubDetector; give an object, such as StubDetector\(\)",
        ),
        ({"pose": "pose.safetensors"}, "pose is 'pose.safetensors'; give an object with the method estimate"),
        ({"pose": StubDetector()}, "pose is .*; give an object with the method estimate"),
        ({"pose": NoSkeleton()}, "NoSkeleton has no skeleton; give it one, such as posetrack.POSETRACK"),
        ({"people": StubDetector(), **ALONE}, "people is .*; give an object with the method find"),
        ({"people": OneStage}, r"people replaces both detector and pose"),
        ({"people": OneStage, **ALONE}, r"people is the class OneStage; give an object, such as OneStage\(\)"),
        ({"linker": FlowLinker}, r"linker is the class FlowLinker; give an object, such as FlowLinker\(\)"),
        ({"linker": "flow"}, "linker is 'flow'; give an object with the method link"),
        ({"appearance": StubPose()}, "appearance is .*; give an object with the method describe"),
        ({"flow": "dis"}, "flow is 'dis'; give an object with the method estimate"),
        ({"flow": FLOWS["dis"]}, "flow is .*; give an object with the method estimate"),
        ({"preset": None}, "preset is None; give the name of one, or a posetrack.presets.Preset"),
        ({"preset": object()}, "preset is .*; give the name of one"),
        ({"models_dir": 5}, "models_dir is 5; give the name of a folder"),
    ],
)
def test_arguments_of_another_kind_are_refused_when_the_tracker_is_made(
    arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(TypeError, match=f"^{words}"):
        made(**arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"threads": "4"}, "threads is '4'; give 1 to 1024 threads"),
        ({"threads": 1.5}, "threads is 1.5; give"),
        ({"threads": None}, "threads is None; give"),
        ({"seed": "x"}, "seed is 'x'; give a number from 0"),
        ({"device": None}, "there is no device None; choose auto"),
        ({"device": 0}, "there is no device 0; choose auto"),
        ({"device": "gpu"}, "there is no device 'gpu'; choose auto"),
        ({"precision": 16}, "precision must be text, not 16"),
        ({"engine": None}, "engine must be 'torch' or 'onnxruntime' or 'openvino', not None"),
        ({"preset": "nope"}, "there is no preset 'nope'; choose one of"),
    ],
)
def test_settings_of_another_kind_are_refused_when_the_tracker_is_made(
    arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{words}"):
        made(**arguments)


def test_a_stage_that_counts_as_false_is_used_all_the_same() -> None:
    class Empty(StubDetector):
        def __len__(self) -> int:
            return 0

    stage = Empty()
    list(made(detector=stage).track(PICTURES))
    assert stage.calls > 0


def test_a_torch_device_is_a_device() -> None:
    import torch

    assert len(list(made(device=torch.device("cpu")).track(PICTURES))) == 2


ONE = Boxes(np.array([[1.0, 2, 30, 40]]), np.ones(1))


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (None, TypeError, "Wrong.detect returned None; return a list with posetrack.Boxes for each image"),
        (ONE, TypeError, r"Wrong.detect returned Boxes\(.*; return a list with posetrack.Boxes"),
        ([ONE.xyxy], TypeError, r"Wrong.detect returned \[array\(.*; return a list with posetrack.Boxes"),
        ([ONE, ONE], ValueError, "Wrong.detect returned 2 Boxes for 1 images; return one for each"),
        ([], ValueError, "Wrong.detect returned 0 Boxes for 1 images"),
    ],
)
def test_what_a_detector_must_not_give_is_told(answer: Any, error: type[Exception], words: str) -> None:
    class Wrong(StubDetector):
        def detect(self, images: Sequence[Image]) -> Any:
            return answer

    with pytest.raises(error, match=f"(?s)^{words}"):
        list(made(detector=Wrong()).track(PICTURES))


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (lambda poses: poses.keypoints, TypeError, "Wrong.estimate.* returned .*; return .*posetrack.Poses"),
        (
            lambda poses: poses[:0],
            ValueError,
            "Wrong.estimate.* returned 0 poses for 1 boxes; return one for each",
        ),
        (
            lambda poses: poses.replace(skeleton=COCO),
            ValueError,
            f"Wrong.estimate.* returned poses of the skeleton {COCO.name}; its own skeleton is {POSETRACK.name}",
        ),
    ],
)
def test_what_a_pose_network_must_not_give_is_told(
    answer: Callable[[Poses], Any], error: type[Exception], words: str, batch: bool
) -> None:
    class Wrong(StubPose):
        def estimate(self, image: Image, boxes: Boxes) -> Any:
            return answer(super().estimate(image, boxes))

    class Batch(Wrong):
        def estimate_batch(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> Any:
            return [self.estimate(*pair) for pair in zip(images, boxes, strict=True)]

    Batch.__name__ = "Wrong"
    tracker = made(pose=Batch() if batch else Wrong())
    with pytest.raises(error, match=f"(?s)^{words}"):
        list(tracker.track(PICTURES))


@pytest.mark.parametrize("batch", [False, True])
def test_what_a_flow_must_not_give_is_told(batch: bool) -> None:
    class Wrong:
        def estimate(self, previous: Image, current: Image) -> Any:
            return np.zeros((4, 5, 2), np.float32)

    class Batch(Wrong):
        def estimate_batch(self, pairs: Sequence[tuple[Image, Image]]) -> Any:
            return [self.estimate(*pair) for pair in pairs][:1]

    Batch.__name__ = "Wrong"
    tracker = made(flow=Batch() if batch else Wrong())
    assert isinstance(tracker._flow, BatchFlowEstimator) == batch
    with pytest.raises(TypeError, match=r"(?s)^Wrong.estimate returned .*; return an object with the method at"):
        list(tracker.track(PICTURES))
    if batch:
        with pytest.raises(ValueError, match=r"^Wrong.estimate_batch returned 1 flows for 2 pairs"):
            tracker._flow.estimate_batch([(PICTURES[0], PICTURES[1])] * 2)  # type: ignore[attr-defined]


def test_the_field_of_a_dense_flow_may_be_filled_again() -> None:
    field = np.full((4, 5, 2), 3, np.float32)
    flow = DenseFlow(field, (5, 4))
    field[:] = 7
    assert flow.at(np.array([[2, 2]], np.float32))[0].tolist() == [[3, 3]]


@pytest.mark.parametrize("fps", ["25", 0, -1.0, float("nan"), float("inf"), [25]])
def test_a_rate_that_is_no_number_above_0_is_refused(fps: Any) -> None:
    with pytest.raises(ValueError, match="^fps is .*; give frames per second as a number"):
        made().pipeline(fps)
    with pytest.raises(ValueError, match="^fps is .*; give frames per second as a number"):
        SourceInfo(name="a", width=1, height=1, fps=None, frame_count=None, path=None, delivered_fps=fps or -1)
    assert (
        SourceInfo(name="a", width=1, height=1, fps=Fraction(25), frame_count=None, path=None).delivered_fps == 25
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda value: PipelineConfig(detect_batch=value),
        lambda value: EveryNth(interval=value),
        lambda value: EveryNth(interval=2, sure_score=value),
        lambda value: LinkerConfig(queue_frames=value),
        lambda value: LinkerConfig(queue_s=value),
        lambda value: LinkerConfig(min_similarity=value),
        lambda value: LinkerConfig(recovery_falloff=value),
        lambda value: PropagationConfig(min_joints=value),
        lambda value: PropagationConfig(seen_half_life_s=value),
        lambda value: RefreshConfig(every=value),
        lambda value: RefreshConfig(max_motion=value),
        lambda value: SelectionConfig(max_oks=value),
    ],
)
@pytest.mark.parametrize("value", ["1", [1], object(), float("nan"), -1])
def test_settings_that_are_no_numbers_are_refused_by_their_names(
    build: Callable[[Any], object], value: Any
) -> None:
    with pytest.raises(ConfigError, match=r"^\w+ (is|must) "):
        build(value)
