"""Keypoint R-CNN: torchvision's own joints, of its own boxes and of carried ones, while threads share it."""

from __future__ import annotations

import gc
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import KeypointRCNN as Network

from posetrack.errors import ConfigError, WeightsError
from posetrack.flow import ZeroFlow
from posetrack.models.detector import DetectorConfig, FeatureMaps
from posetrack.models.keypoint_rcnn import KeypointRCNN, load_keypoint_rcnn
from posetrack.models.runtime import Runtime
from posetrack.own_frames import own_frames
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.schedule import EveryNth
from posetrack.skeletons import COCO
from posetrack.top_down import TopDown
from posetrack.tracker import FlowLinker, LinkerConfig
from posetrack.types import Boxes, Image, Poses, Sighting
from tests.rcnn_networks import as_file, as_input, official, photograph, random_weights, small_keypoint_rcnn

NAME = "keypointrcnn_resnet50_fpn"
SMALL = DetectorConfig(score_threshold=0.4, max_people=10, short_side=64, long_side=96)
AHEAD = PipelineConfig(detect_batch=4)
UNSURE = EveryNth(interval=5, sure_score=1.0)


@pytest.fixture(scope="module")
def small_network() -> Network:
    return small_keypoint_rcnn(3)


@pytest.fixture
def counted(small_network: Network) -> tuple[KeypointRCNN, list[int]]:
    """The stage, and the sizes of the batches that its backbone has seen."""
    seen: list[int] = []
    small_network.backbone.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    stage = KeypointRCNN(small_network, SMALL)
    small_network.backbone._forward_pre_hooks.clear()
    return stage, seen


def somewhere(count: int = 3, seed: int = 0) -> Boxes:
    low = np.random.default_rng(seed).uniform(0, 60, (count, 2))
    return Boxes(np.hstack([low, low + [40.0, 60.0]]), np.full(count, 0.7))


def assert_same_poses(one: Poses, other: Poses, atol: float = 0.0) -> None:
    np.testing.assert_allclose(one.keypoints, other.keypoints, atol=atol, rtol=0)
    np.testing.assert_allclose(one.keypoint_scores, other.keypoint_scores, atol=max(atol, 1e-7), rtol=0)


def test_joints_of_its_own_boxes_are_torchvisions(tmp_path: Path) -> None:
    weights, config = random_weights(NAME, smallest_variance=0.1), replace(SMALL, max_people=4)
    reference = official(NAME, weights, short_side=64, long_side=96)
    reference.roi_heads.score_thresh = config.score_threshold
    reference.roi_heads.detections_per_img = config.max_people
    stage = load_keypoint_rcnn(NAME, as_file(weights, tmp_path), config)
    image = photograph(120, 170, 1)
    with torch.inference_mode():
        expected = reference([as_input(image)])[0]
    boxes = stage.detect([image])[0]
    poses = stage.estimate(image, boxes)
    assert len(boxes) == 4 and poses.skeleton is COCO is stage.skeleton
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
    sightings = stage.find(images)
    assert seen == [3]
    for sighting, image in zip(sightings, images, strict=True):
        assert sighting.image is image
        (kept,) = stage.refine([sighting], [somewhere()])
        assert seen == [3]
        assert_same_poses(stage.estimate(image, somewhere()), kept, atol=1e-3)
        seen.pop()
    together = stage.refine(sightings, [somewhere(seed=seed) for seed in range(3)])
    alone = [stage.refine([each], [somewhere(seed=seed)])[0] for seed, each in enumerate(sightings)]
    assert together == alone
    stage.refine([Sighting(photograph(120, 160, 9))], [somewhere()])
    assert seen == [3, 1], "feature maps of an image without a detection are calculated then"


def test_people_found_are_the_boxes_detected_and_wait_for_their_joints(
    counted: tuple[KeypointRCNN, list[int]],
) -> None:
    stage, _ = counted
    images = [photograph(120, 160, 1), photograph(80, 160, 2), photograph(120, 160, 3)]
    found = [sighting.found for sighting in stage.find(images)]
    expected = [Poses.pending_in(boxes, COCO) for boxes in stage.detect(images)]
    assert found == expected and any(len(each) for each in expected)
    assert stage.find([]) == []


def test_feature_maps_go_with_their_sighting(small_network: Network) -> None:
    (sighting,) = KeypointRCNN(small_network, SMALL).find([photograph(64, 96)])
    assert isinstance(sighting.features, FeatureMaps)
    level = weakref.ref(sighting.features.levels["0"])
    del sighting
    gc.collect()
    assert level() is None


def pipeline_of(
    stage: KeypointRCNN, config: PipelineConfig, schedule: EveryNth | None = None, *, apart: bool = False
) -> Pipeline:
    people = TopDown(stage, stage) if apart else stage
    linker = FlowLinker(LinkerConfig())
    return Pipeline(people=people, flow=ZeroFlow(), linker=linker, config=config, schedule=schedule)


@pytest.mark.parametrize("apart", [False, True])
def test_one_network_looks_at_every_image_once_and_two_look_twice(
    counted: tuple[KeypointRCNN, list[int]], apart: bool
) -> None:
    stage, seen = counted
    images = [photograph(64, 96, seed // 2) for seed in range(4)]
    results = []
    for run in ("run", "run_sequentially"):
        pipeline = pipeline_of(stage, PipelineConfig(detect_batch=2), apart=apart)
        results.append([poses for _, poses in getattr(pipeline, run)(own_frames(images))])
    assert sum(seen) == 2 * len(images) * (1 + apart)
    for one, other in zip(*results, strict=True):
        assert_same_poses(one, other)


def test_no_image_is_forgotten_that_detection_is_ahead_by(counted: tuple[KeypointRCNN, list[int]]) -> None:
    stage, seen = counted
    images = [photograph(64, 96, seed) for seed in range(60)]
    for _ in pipeline_of(stage, AHEAD, UNSURE).run(own_frames(images)):
        time.sleep(0.05)  # detection gets as far ahead as it can
    assert sum(seen) == len(images) > 2 * len(seen), "in batches, each image once"


def test_videos_tracked_by_turns_get_the_results_of_each_alone(counted: tuple[KeypointRCNN, list[int]]) -> None:
    stage, seen = counted
    clips = [[photograph(64, 96, 10 * clip + number) for number in range(12)] for clip in range(3)]
    runs = [pipeline_of(stage, AHEAD, UNSURE).run(own_frames(clip)) for clip in clips]
    found = list(zip(*runs, strict=True))
    assert sum(seen) == 36, "every image goes through the backbone once"
    for clip, column in zip(clips, zip(*found, strict=True), strict=True):
        alone = pipeline_of(stage, AHEAD, UNSURE).run(own_frames(clip))
        assert [poses for _, poses in column] == [poses for _, poses in alone]


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
