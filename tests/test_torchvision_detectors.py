"""torchvision's detectors from local files: the boxes that torchvision itself finds, and nothing downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.detection import FasterRCNN

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.detector import DetectorConfig, PersonDetector
from posetrack.models.faster_rcnn import DetectorArchitecture, build_detector
from posetrack.models.runtime import Runtime
from posetrack.models.torchvision_detectors import (
    TORCHVISION_DETECTORS,
    load_torchvision_detector,
)
from tests.rcnn_networks import as_file, as_input, official, photograph, random_weights

SMALL = DetectorConfig(score_threshold=0.4, max_people=30, short_side=48, long_side=80)


@pytest.mark.parametrize("name", TORCHVISION_DETECTORS)
def test_the_people_are_those_that_torchvision_finds(name: str, tmp_path: Path) -> None:
    """Norms, epsilons, anchors, scaling, padding and suppression: all as torchvision has them."""
    weights = random_weights(name)
    reference = official(name, weights, short_side=48, long_side=80)
    found_by = getattr(reference, "roi_heads", reference)
    found_by.score_thresh, found_by.nms_thresh = SMALL.score_threshold, SMALL.nms_iou
    found_by.detections_per_img = 10_000
    detector = load_torchvision_detector(name, as_file(weights, tmp_path), SMALL)
    images = [photograph(120, 170, 1), photograph(61, 43, 2)]
    with torch.inference_mode():
        expected = [reference([as_input(image)])[0] for image in images]  # alone: its batches pad to the largest
    found = detector.detect(images)
    assert any(len(boxes) for boxes in found)
    for boxes, result in zip(found, expected, strict=True):
        people = result["labels"] == 1
        best = result["boxes"][people].numpy()[:30], result["scores"][people].numpy()[:30]
        assert len(boxes) == len(best[0])
        np.testing.assert_allclose(boxes.xyxy + 0.5, best[0], atol=5e-3)
        np.testing.assert_allclose(boxes.scores, best[1], atol=1e-4)


def test_the_most_people_are_counted_without_the_other_kinds_of_things(tmp_path: Path) -> None:
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    weights, scores = random_weights(name), "roi_heads.box_predictor.cls_score.bias"
    likelier = weights[scores] + 5.0 * (torch.arange(91) == 2)  # bicycles, each as likely as a person
    detector = load_torchvision_detector(
        name,
        as_file({**weights, scores: likelier}, tmp_path),
        DetectorConfig(score_threshold=0.1, max_people=5, short_side=96),
    )
    assert len(detector.detect([photograph(120, 170)])[0]) == 5


def test_images_of_any_shape_are_looked_at(tmp_path: Path) -> None:
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    detector = load_torchvision_detector(name, as_file(random_weights(name), tmp_path), SMALL)
    for height, width in [(1, 1), (1, 900), (700, 2), (33, 31)]:
        boxes = detector.detect([photograph(height, width)])[0]
        assert (boxes.xyxy >= -0.5).all() and (boxes.xyxy <= np.array([width, height] * 2) - 0.5 + 1e-3).all()


def test_safetensors_hold_the_same_network(tmp_path: Path) -> None:
    name = "fasterrcnn_mobilenet_v3_large_fpn"
    weights = random_weights(name)
    save_file(weights, tmp_path / "weights.safetensors")
    image = photograph(100, 140)
    one = load_torchvision_detector(name, tmp_path / "weights.safetensors", SMALL).detect([image])[0]
    other = load_torchvision_detector(name, as_file(weights, tmp_path), SMALL).detect([image])[0]
    np.testing.assert_array_equal(one.xyxy, other.xyxy)


def test_unknown_names_and_foreign_or_missing_files_are_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'yolo'.*fasterrcnn_resnet50_fpn_v2"):
        load_torchvision_detector("yolo", tmp_path / "x.pth")
    name = "fasterrcnn_mobilenet_v3_large_fpn"
    with pytest.raises(WeightsError, match=r"missing\.pth"):
        load_torchvision_detector(name, tmp_path / "missing.pth")
    weights = random_weights(name)
    path = as_file({key: value for key, value in weights.items() if "fc7.weight" not in key}, tmp_path)
    with pytest.raises(WeightsError, match=r"weights\.pth does not hold the weights of .*: Missing.*fc7\.weight"):
        load_torchvision_detector(name, path)
    path = as_file(weights | {"extra.weight": torch.zeros(1)}, tmp_path)
    with pytest.raises(WeightsError, match=r"Unexpected.*extra\.weight"):
        load_torchvision_detector(name, path)
    with pytest.raises(WeightsError, match=r"weights\.pth does not hold the weights of fasterrcnn_resnet50_fpn:"):
        load_torchvision_detector("fasterrcnn_resnet50_fpn", path)


def test_precision_changes_boxes_by_rounding_alone() -> None:
    torch.manual_seed(0)
    network: FasterRCNN = build_detector(DetectorArchitecture(short_side=96, long_side=160)).eval()
    config = DetectorConfig(score_threshold=0.0, max_people=1000, nms_iou=1.0)
    image = photograph(192, 320)
    exact = PersonDetector(network, config).detect([image])[0]
    rough = PersonDetector(network, config, Runtime(precision="bf16")).detect([image])[0]
    assert rough.xyxy.dtype == np.float32 and len(rough) > 0
    assert not np.array_equal(exact.xyxy, rough.xyxy), "fp32 unless something else is asked for"
    apart = np.abs(exact.xyxy[:, None] - rough.xyxy[None, :20]).max(axis=-1).min(axis=0)
    assert np.median(apart) < 2.0, "proposals of untrained networks: the same places"


def test_fp16_on_the_processor_is_refused() -> None:
    network = build_detector(DetectorArchitecture(short_side=96, long_side=160))
    with pytest.raises(ConfigError, match="fp16 is for GPUs"):
        PersonDetector(network, runtime=Runtime(precision="fp16"))
