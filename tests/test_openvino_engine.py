"""Networks in OpenVINO: torch's results, in the pipeline, on the command line and from ONNX files of others."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from posetrack.demo import write_clip
from posetrack.errors import ConfigError, WeightsError
from posetrack.models import engines
from posetrack.models.detector import DetectorConfig, PersonDetector
from posetrack.models.engines import check_engine
from posetrack.models.given_files import load_given_pose
from posetrack.models.onnx_engine import OnnxNetwork
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.runtime import Runtime
from posetrack.synthetic import SCENES
from posetrack.types import Boxes

from . import onnx_files
from .in_process import posetrack
from .rcnn_networks import photograph, small_detector
from .test_onnx_engine import INTERFACE, Layers, as_list, assert_is_the_network
from .test_onnx_export import SMALL, random_network
from .test_onnx_networks import IMAGE, one_node, random_boxes

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("openvino")


def engine(folder: Path | None) -> Runtime:
    return Runtime(engine="openvino", exports=folder)


def test_any_number_of_people_has_torchs_heatmaps(tmp_path: Path) -> None:
    network, config = random_network(SMALL), PoseConfig(flip_test=True, max_batch=8)
    plain = HeatmapPoseEstimator(network, SMALL, config)
    fast = HeatmapPoseEstimator(network, SMALL, config, engine(tmp_path))
    for count in (1, 2, 8, 11):
        crops = np.random.default_rng(count).integers(0, 256, (count, 96, 64, 3), np.uint8)
        np.testing.assert_allclose(fast.heatmaps(crops), plain.heatmaps(crops), atol=1e-4)
    assert len(fast.estimate(photograph(60, 80), Boxes.empty())) == 0


def test_images_of_any_shape_have_torchs_boxes(tmp_path: Path) -> None:
    network = small_detector(0)
    config = DetectorConfig(score_threshold=0.0, short_side=64, long_side=160, max_people=20)
    images = [photograph(*size, seed) for seed, size in enumerate([(48, 64), (30, 200), (1, 1), (48, 64)])]
    expected = PersonDetector(network, config).detect(images)
    found = PersonDetector(network, config, engine(tmp_path)).detect(images)
    assert any(len(boxes) for boxes in expected)
    for one, other in zip(expected, found, strict=True):
        assert len(one) == len(other)
        np.testing.assert_allclose(other.xyxy, one.xyxy, atol=5e-2)
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-3)


def test_no_people_at_all_are_a_batch_too() -> None:
    network = OnnxNetwork(Layers(), INTERFACE, None, "openvino")
    assert [len(output) for output in as_list(network(torch.rand(0, 3, 16, 12)))] == [0, 0, 0]
    assert_is_the_network(network, Layers())


def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    pose = load_given_pose(onnx_files.simcc(tmp_path / "pose.onnx"), None, PoseConfig(), engine(None))
    boxes = random_boxes(24)
    alone = [pose.estimate(IMAGE, Boxes(box[None], np.ones(1))).keypoints for box in boxes]
    with ThreadPoolExecutor(4) as threads:
        together = list(
            threads.map(lambda box: pose.estimate(IMAGE, Boxes(box[None], np.ones(1))).keypoints, boxes)
        )
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


def test_onnx_files_give_what_they_give_in_onnx_runtime(tmp_path: Path) -> None:
    path = onnx_files.simcc(tmp_path / "pose.onnx")
    boxes = Boxes(random_boxes(), np.ones(12))
    theirs = load_given_pose(path, None, PoseConfig(), Runtime()).estimate(IMAGE, boxes)
    ours = load_given_pose(path, None, PoseConfig(), engine(None)).estimate(IMAGE, boxes)
    np.testing.assert_allclose(ours.keypoint_scores, theirs.keypoint_scores, atol=1e-4)
    same = np.abs(ours.keypoints - theirs.keypoints).max(-1) < 0.01
    assert same.mean() > 0.99  # two bins may be equal but for rounding


@pytest.mark.parametrize("flaw", [{"external": True}, {"operator": "Konv"}, {"channels": 4}])
def test_onnx_files_that_cannot_be_used_are_one_sentence(tmp_path: Path, flaw: dict[str, object]) -> None:
    path = one_node(tmp_path / "pose.onnx", **flaw)  # type: ignore[arg-type]
    with pytest.raises(WeightsError) as caught:
        load_given_pose(path, None, PoseConfig(), engine(None))
    assert "\n" not in str(caught.value) and str(path) in str(caught.value) and len(str(caught.value)) < 500


def test_the_command_tracks_what_it_tracks_in_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    scene = SCENES["crossing"](0, (480, 270))
    clip = write_clip(tmp_path / "clips", replace(scene, shots=(replace(scene.shots[0], frame_count=4),))).video
    told = {}
    for name in ("torch", "openvino"):
        done = posetrack("run", clip, "-o", tmp_path / name, "--engine", name, "--no-video", "--threads", "1")
        assert done.returncode == 0, done.stderr
        told[name] = json.loads((tmp_path / name / f"{clip.stem}.json").read_text())["annotations"]
    assert len(told["torch"]) == len(told["openvino"]) > 0
    for one, other in zip(told["torch"], told["openvino"], strict=True):
        assert one["track_id"] == other["track_id"]
        assert np.allclose(one["keypoints"], other["keypoints"], atol=0.5)


def test_what_does_not_go_with_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for device, precision, compiled, reason in (
        ("cuda", "auto", False, "engine openvino runs on the CPU, not on cuda"),
        ("auto", "fp16", False, "engine openvino calculates in fp32"),
        ("auto", "auto", True, "leave out --compile with engine openvino"),
    ):
        with pytest.raises(ConfigError, match=reason):
            check_engine("openvino", device, precision, compiled)
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"openvino is not installed: pip install '\.\[openvino\]'"):
        check_engine("openvino", "auto", "auto", False)
