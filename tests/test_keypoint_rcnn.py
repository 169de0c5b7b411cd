"""Keypoint R-CNN: torchvision's own joints, of its own boxes and of carried ones, while threads share it."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import KeypointRCNN as Network
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor

from posetrack.errors import ConfigError, WeightsError
from posetrack.flow import ZeroFlow
from posetrack.models.detector import DetectorConfig
from posetrack.models.keypoint_rcnn import KeypointRCNN, load_keypoint_rcnn
from posetrack.models.runtime import Runtime
from posetrack.own_frames import own_frames
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.skeletons import COCO
from posetrack.tracker import FlowLinker, LinkerConfig
from posetrack.types import Boxes, Image, Poses
from tests.rcnn_networks import as_file, as_input, official, photograph, random_weights

NAME = "keypointrcnn_resnet50_fpn"
SMALL = DetectorConfig(score_threshold=0.4, max_people=10, short_side=64, long_side=96)
AHEAD = PipelineConfig(detect_batch=4, detect_every=5, sure_score=1.0)


@pytest.fixture(scope="module")
def small_network() -> Network:
    """A network of the same parts, but small: the published heads alone take a second for each image."""
    torch.manual_seed(3)
    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d)
    heads: dict[str, nn.Module] = {
        "box_head": TwoMLPHead(256 * 7**2, 32),
        "box_predictor": FastRCNNPredictor(32, 2),
        "keypoint_head": KeypointRCNNHeads(256, (16, 16)),
        "keypoint_predictor": KeypointRCNNPredictor(16, 17),
    }
    return Network(backbone, **heads, rpn_post_nms_top_n_test=100).eval()


@pytest.fixture
def counted(small_network: Network) -> tuple[KeypointRCNN, list[int]]:
    """The stage, and the sizes of the batches that its backbone has seen."""
    seen: list[int] = []
    small_network.backbone.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    stage = KeypointRCNN(small_network, SMALL, kept_images=AHEAD.detections_in_flight)
    small_network.backbone._forward_pre_hooks.clear()
    return stage, seen


def somewhere(count: int = 3, seed: int = 0) -> Boxes:
    low = np.random.default_rng(seed).uniform(0, 60, (count, 2))
    return Boxes(np.hstack([low, low + [40.0, 60.0]]), np.full(count, 0.7))


def assert_same_poses(one: Poses, other: Poses, atol: float = 0.0) -> None:
    np.testing.assert_allclose(one.keypoints, other.keypoints, atol=atol, rtol=0)
    np.testing.assert_allclose(one.keypoint_scores, other.keypoint_scores, atol=max(atol, 1e-7), rtol=0)


def test_joints_of_its_own_boxes_are_torchvisions(tmp_path: Path) -> None:
    weights = random_weights(NAME, smallest_variance=0.1)
    reference = official(NAME, weights, short_side=64, long_side=96)
    reference.roi_heads.score_thresh = SMALL.score_threshold
    reference.roi_heads.detections_per_img = SMALL.max_people
    stage = load_keypoint_rcnn(NAME, as_file(weights, tmp_path), SMALL)
    image = photograph(120, 170, 1)
    with torch.inference_mode():
        expected = reference([as_input(image)])[0]
    boxes = stage.detect([image])[0]
    poses = stage.estimate(image, boxes)
    assert len(boxes) == 10 and poses.skeleton is COCO is stage.skeleton
    np.testing.assert_allclose(boxes.xyxy + 0.5, expected["boxes"].numpy(), atol=1e-3)
    np.testing.assert_allclose(poses.keypoints + 0.5, expected["keypoints"][..., :2].numpy(), atol=1e-3)
    np.testing.assert_array_equal(poses.boxes, boxes.xyxy)
    np.testing.assert_array_equal(poses.scores, boxes.scores)
    assert (poses.track_ids == -1).all()
    assert (poses.keypoint_scores > 0).all() and (poses.keypoint_scores <= 1).all()


class Peaks(nn.Module):
    """Keypoint head's place-taker: the same logits in every box."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, pooled: Tensor) -> Tensor:
        return self.logits.expand(len(pooled), -1, -1, -1)


def with_logits(network: Network, logits: Tensor) -> KeypointRCNN:
    parts: tuple[Any, Any] = network.roi_heads.keypoint_head, network.roi_heads.keypoint_predictor
    try:
        network.roi_heads.keypoint_head, network.roi_heads.keypoint_predictor = Peaks(logits), nn.Identity()
        return KeypointRCNN(network, replace(SMALL, short_side=160, long_side=200))
    finally:
        network.roi_heads.keypoint_head, network.roi_heads.keypoint_predictor = parts


def test_a_peak_in_a_cell_is_a_joint_at_that_part_of_the_box(small_network: Network) -> None:
    logits = torch.zeros(1, 17, 56, 56)
    rows, columns = np.arange(17) * 3 + 2, 52 - np.arange(17) * 3
    logits[0, np.arange(17), rows, columns] = 12.0
    stage = with_logits(small_network, logits)
    boxes = Boxes(np.array([[10.0, 20.0, 66.0, 132.0], [0, 0, 112, 56]]), np.ones(2))
    poses = stage.estimate(photograph(160, 200), boxes)
    size = boxes.xyxy[:, None, 2:] - boxes.xyxy[:, None, :2]
    expected = boxes.xyxy[:, None, :2] + size * (np.stack([columns, rows], -1) + 0.5) / 56
    assert np.abs(poses.keypoints - expected).max() < 0.5 * 112 / 56 + 1.0, "half a cell and a pixel"


def test_a_score_is_the_softmax_probability_around_the_peak(small_network: Network) -> None:
    """In closed form: of 3136 cells, 9 (4 in the corner) hold the peak of exp(a) and its neighbours of exp(0)."""
    logits = torch.zeros(1, 17, 56, 56)
    height = np.linspace(0, 12, 17)
    logits[0, :, 30, 20] = torch.from_numpy(height).float()
    logits[0, 16, 30, 20], logits[0, 16, 0, 0] = 0.0, 12.0
    logits[0, 0, 55, 5] = 1e-3
    scores = with_logits(small_network, logits).estimate(photograph(160, 200), somewhere(2)).keypoint_scores
    expected = (np.exp(height) + 8) / (np.exp(height) + 3135)
    expected[16] = (np.exp(12) + 3) / (np.exp(12) + 3135)
    expected[0] = 6 / 3136
    np.testing.assert_allclose(scores, np.tile(expected, (2, 1)), rtol=1e-3)


def test_carried_boxes_use_the_feature_maps_of_the_detection(counted: tuple[KeypointRCNN, list[int]]) -> None:
    stage, seen = counted
    images = [photograph(120, 160, seed) for seed in range(3)]
    stage.detect(images)
    assert seen == [3]
    for image in images:
        kept = stage.estimate(image, somewhere())
        assert_same_poses(stage.estimate(image, somewhere()), kept)
        assert seen == [3]
        assert_same_poses(stage.estimate(image.copy(), somewhere()), kept, atol=1e-3)
        seen.pop()
    unseen = photograph(120, 160, 9)
    stage.estimate(unseen, somewhere())
    assert seen == [3, 1], "an image without a detection is looked at then"


def test_kept_feature_maps_are_bounded_and_go_with_their_image(small_network: Network) -> None:
    stage = KeypointRCNN(small_network, SMALL, kept_images=2)
    images = [photograph(64, 96, seed) for seed in range(5)]
    stage.detect(images)
    kept = stage._kept._entries
    assert [ref() is image for (ref, _), image in zip(kept.values(), images[3:], strict=True)] == [True, True]
    level = weakref.ref(next(iter(kept.values()))[1].levels["0"])
    del images
    gc.collect()
    assert not kept and level() is None
    none = KeypointRCNN(small_network, SMALL, kept_images=0)
    image = photograph(64, 96)
    none.detect([image])
    assert not none._kept._entries and len(none.estimate(image, somewhere(1))) == 1
    with pytest.raises(ConfigError, match="kept_images is -1"):
        KeypointRCNN(small_network, SMALL, kept_images=-1)


def test_threads_that_share_it_get_the_results_of_one(small_network: Network) -> None:
    stage = KeypointRCNN(small_network, SMALL, kept_images=3)
    images = [photograph(64, 96, seed) for seed in range(6)]
    by_itself = KeypointRCNN(small_network, SMALL)
    alone = [by_itself.estimate(image, somewhere(2)) for image in images]
    detecting = threading.Thread(target=lambda: [stage.detect([image]) for image in images])
    detecting.start()
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda image: stage.estimate(image, somewhere(2)), images))
    detecting.join()
    for one, other in zip(alone, together, strict=True):
        assert_same_poses(one, other, atol=1e-3)


def pipeline_of(stage: KeypointRCNN, config: PipelineConfig) -> Pipeline:
    linker = FlowLinker(LinkerConfig())
    return Pipeline(detector=stage, flow=ZeroFlow(), pose=stage, linker=linker, config=config)


def test_one_object_is_detector_and_pose_estimator_of_a_pipeline(counted: tuple[KeypointRCNN, list[int]]) -> None:
    stage, seen = counted
    images = [photograph(64, 96, seed // 2) for seed in range(4)]
    results = []
    for run in ("run", "run_sequentially"):
        pipeline = pipeline_of(stage, PipelineConfig(detect_batch=2))
        results.append([poses for _, poses in getattr(pipeline, run)(own_frames(images))])
    assert sum(seen) == 2 * len(images), "every image goes through the backbone once"
    for one, other in zip(*results, strict=True):
        assert_same_poses(one, other)


def test_no_image_is_forgotten_that_detection_is_ahead_by(counted: tuple[KeypointRCNN, list[int]]) -> None:
    stage, seen = counted
    images = [photograph(64, 96, seed) for seed in range(60)]
    for _ in pipeline_of(stage, AHEAD).run(own_frames(images)):
        time.sleep(0.05)  # detection gets as far ahead as it can
    assert sum(seen) == len(images) > 2 * len(seen), "in batches, each image once"


@pytest.mark.filterwarnings("error")
def test_boxes_beyond_the_border_without_area_or_without_numbers(counted: tuple[KeypointRCNN, list[int]]) -> None:
    stage, seen = counted
    image = photograph(100, 150)
    boxes = np.array(
        [
            [-60, -50, 90, 80], [-80, -80, -10, -10], [40, 30, 40, 60], [40, 60, 60, 30],
            [np.nan, 0, 10, 10], [-np.inf, -np.inf, np.inf, np.inf], [149.4, 99.4, 149.5, 99.5],
        ]
    )  # fmt: skip
    poses = stage.estimate(image, Boxes(boxes, np.ones(7)))
    assert np.isfinite(poses.keypoints).all()
    assert (poses.keypoint_scores > 0).all(axis=1).tolist() == [True, False, False, False, False, True, True]
    assert poses.present.any(axis=1).tolist() == [True, False, False, False, False, True, True]
    found = poses.keypoints[poses.present]
    assert (found >= -0.5).all() and (found <= [150.5, 100.5]).all()
    np.testing.assert_array_equal(poses.boxes, boxes.astype(np.float32))
    assert len(stage.estimate(image, Boxes.empty())) == 0 and stage.detect([]) == []
    only_outside = stage.estimate(image, Boxes(boxes[1:2], np.ones(1)))
    assert not only_outside.present.any()


def test_images_of_another_form_are_programming_errors(counted: tuple[KeypointRCNN, list[int]]) -> None:
    stage, _ = counted
    grey: Image = np.zeros((9, 9), np.uint8)
    with pytest.raises(ValueError, match=r"expected uint8 \[H, W, 3\]"):
        stage.detect([grey])
    with pytest.raises(ValueError, match=r"expected uint8 \[H, W, 3\]"):
        stage.estimate(grey, somewhere())


def test_reduced_precision_moves_joints_by_cells_not_by_boxes(small_network: Network) -> None:
    image = photograph(120, 160)
    exact = KeypointRCNN(small_network, SMALL).estimate(image, somewhere())
    rough = KeypointRCNN(small_network, SMALL, Runtime(precision="bf16")).estimate(image, somewhere())
    np.testing.assert_allclose(rough.keypoint_scores, exact.keypoint_scores, atol=0.05)
    assert not np.array_equal(rough.keypoint_scores, exact.keypoint_scores)


def test_unknown_names_and_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'fasterrcnn_resnet50_fpn' is unknown; choose one of keypointrcnn"):
        load_keypoint_rcnn("fasterrcnn_resnet50_fpn", tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth"):
        load_keypoint_rcnn(NAME, tmp_path / "x.pth")
