"""The person detector: geometry, weights on disk, accuracy figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import shufflenet_v2_x1_0
from torchvision.models.detection import FasterRCNN
from torchvision.ops import MultiScaleRoIAlign

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.backbone import PersonShuffleNet, load_person_backbone
from posetrack.models.detector import (
    DetectorConfig,
    PersonDetector,
    load_detector,
)
from posetrack.models.detector_weights import read_detector, save_detector
from posetrack.models.faster_rcnn import DetectorArchitecture, build_detector
from posetrack.types import Image

SMALL = DetectorArchitecture(short_side=96, long_side=160, pyramid_channels=8, head_channels=16)
EVERYTHING = DetectorConfig(score_threshold=0.0, max_people=20)


@pytest.fixture
def network() -> FasterRCNN:
    torch.manual_seed(0)
    return build_detector(SMALL).eval()


def photograph(height: int, width: int, seed: int = 0) -> Image:
    """A smooth random picture: interpolation does little to it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


class FullFrame(nn.Module):
    """Box head's place-taker: one person who fills the image that the network sees."""

    def __init__(self) -> None:
        super().__init__()
        self.box_head = nn.Identity()
        self.box_roi_pool = MultiScaleRoIAlign(["0"], 7, 2)

    def forward(self, features: object, proposals: object, sizes: list[tuple[int, int]]) -> object:
        return [
            {
                "boxes": torch.tensor([[0.0, 0.0, width, height], [0.0, 0.0, width / 2, height]]),
                "labels": torch.tensor([1, 2]),
                "scores": torch.tensor([0.9, 0.8]),
            }
            for height, width in sizes
        ], {}


@pytest.mark.parametrize("size", [(96, 160), (192, 320), (72, 53), (50, 500), (1, 1), (97, 161)])
def test_a_box_around_the_whole_image_comes_back_at_its_pixel_edges(
    network: FasterRCNN, size: tuple[int, int]
) -> None:
    network.roi_heads = FullFrame()
    boxes = PersonDetector(network).detect([photograph(*size)])[0]
    height, width = size
    assert len(boxes) == 1, "the second box is of another class"
    np.testing.assert_allclose(boxes.xyxy, [[-0.5, -0.5, width - 0.5, height - 0.5]], atol=1e-4)


def test_an_image_twice_as_large_gives_the_same_boxes_twice_as_large(network: FasterRCNN) -> None:
    image = photograph(96, 160)
    doubled = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)  # scaled back by area: the very same input
    small, large = PersonDetector(network, EVERYTHING).detect([image, doubled])
    assert len(small) == len(large) == 20
    np.testing.assert_allclose(large.xyxy + 0.5, 2 * (small.xyxy + 0.5), atol=1e-3)
    np.testing.assert_allclose(large.scores, small.scores, atol=1e-6)


def test_boxes_lie_within_the_image_and_are_sorted_by_score(network: FasterRCNN) -> None:
    boxes = PersonDetector(network, EVERYTHING).detect([photograph(131, 77)])[0]
    assert len(boxes) > 0
    assert (boxes.xyxy >= -0.5).all() and (boxes.xyxy <= np.array([76.5, 130.5] * 2)).all()
    assert (np.diff(boxes.scores) <= 0).all()


def test_results_do_not_depend_on_the_company_in_a_batch(network: FasterRCNN) -> None:
    images = [photograph(96, 160, 1), photograph(120, 90, 2), photograph(96, 160, 3), photograph(96, 160, 4)]
    together = PersonDetector(network, replace(EVERYTHING, max_batch=2)).detect(images)
    for image, boxes in zip(images, together, strict=True):
        alone = PersonDetector(network, EVERYTHING).detect([image])[0]
        np.testing.assert_array_equal(boxes.xyxy, alone.xyxy)
        np.testing.assert_array_equal(boxes.scores, alone.scores)


def test_results_do_not_depend_on_what_was_seen_first(network: FasterRCNN) -> None:
    """torchvision takes the strides of the pyramid's levels from the first image, which a narrow one belies."""
    narrow, image = photograph(40, 1000), photograph(90, 120)
    used, fresh = PersonDetector(network, EVERYTHING), PersonDetector(network, EVERYTHING)
    used.detect([narrow])
    assert used.detect([image]) == fresh.detect([image])
    misled = build_detector(SMALL).eval()
    misled.load_state_dict(network.state_dict())
    with torch.inference_mode():
        misled([torch.zeros(3, 40, 1000)])
    assert PersonDetector(misled, EVERYTHING).detect([image]) == fresh.detect([image])


def test_no_images_give_no_results_and_nobody_is_an_ordinary_result(network: FasterRCNN) -> None:
    detector = PersonDetector(network, DetectorConfig(score_threshold=1.0))
    assert detector.detect([]) == []
    assert len(detector.detect([np.zeros((40, 60, 3), np.uint8)])[0]) == 0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((9, 9, 3)),
        np.zeros((9, 9), np.uint8),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((0, 9, 3), np.uint8),
    ],
)
def test_an_image_of_another_form_is_a_programming_error(network: FasterRCNN, image: Image) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \[H, W, 3\]"):
        PersonDetector(network).detect([image])


def test_boxes_of_one_person_are_suppressed_by_their_overlap(network: FasterRCNN) -> None:
    image = photograph(96, 160)
    counts = [
        len(PersonDetector(network, replace(EVERYTHING, nms_iou=iou, max_people=1000)).detect([image])[0])
        for iou in (0.01, 0.5, 1.0)
    ]
    assert counts[0] < counts[1] < counts[2]


def reference_normalisation(images: Tensor) -> Tensor:
    """BGR in 0..255, less the mean, times the scale: what the backbone's file is made for."""
    mean, scale = torch.tensor([103.53, 116.28, 123.675]), torch.tensor([0.017429, 0.017507, 0.017125])
    return (images.flip(1) * 255 - mean.reshape(1, 3, 1, 1)) * scale.reshape(1, 3, 1, 1)


def test_the_backbones_folded_normalisation_is_exact_up_to_the_border(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = PersonShuffleNet().eval()
    original.mean.zero_()
    save_file(original.state_dict(), tmp_path / "backbone.safetensors")
    images = torch.rand(1, 3, 70, 90)
    with torch.inference_mode():
        levels = load_person_backbone(tmp_path / "backbone.safetensors").eval()(images)
        expected = original(reference_normalisation(images))
    assert [level.shape[1:] for level in levels] == [(116, 9, 12), (232, 5, 6), (464, 3, 3)]
    for level, reference in zip(levels, expected, strict=True):
        torch.testing.assert_close(level, reference, atol=1e-4, rtol=1e-4)


def test_a_foreign_file_is_no_backbone(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(shufflenet_v2_x1_0(weights=None).state_dict(), path)
    with pytest.raises(WeightsError, match="other.safetensors does not hold"):
        load_person_backbone(path)
    with pytest.raises(WeightsError, match="cannot read"):
        load_person_backbone(tmp_path / "missing.safetensors")


def test_a_detector_survives_the_disk_up_to_half_precision(network: FasterRCNN, tmp_path: Path) -> None:
    path = tmp_path / "detector.safetensors"
    save_detector(network, SMALL, path)
    again, architecture = read_detector(path)
    assert architecture == SMALL
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-6, rtol=1e-3)
    image = photograph(96, 160)
    loaded = load_detector(path, EVERYTHING).detect([image])[0]
    direct = PersonDetector(again, EVERYTHING).detect([image])[0]
    np.testing.assert_array_equal(loaded.xyxy, direct.xyxy)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "tensor missing", "wrong shape", "unknown field"])
def test_weights_that_do_not_fit_are_refused_by_name(network: FasterRCNN, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "detector.safetensors"
    save_detector(network, SMALL, path)
    tensors = load_file(path)
    fields = {"short_side": 96, "long_side": 160, "pyramid_channels": 8, "head_channels": 16}
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "foreign":
        save_file(tensors, path)
    else:
        if damage == "tensor missing":
            del tensors["roi_heads.box_head.fc6.weight"]
        elif damage == "wrong shape":
            fields["pyramid_channels"] = 9
        else:
            fields["colour"] = 1
        save_file(tensors, path, metadata={"posetrack.detector": json.dumps(fields)})
    with pytest.raises(WeightsError, match=r"detector\.safetensors"):
        load_detector(path)


@pytest.mark.parametrize(
    "change", [{"score_threshold": 1.5}, {"nms_iou": -0.1}, {"max_batch": 0}, {"short_side": 0}, {"max_people": 0}]
)
def test_settings_out_of_range_are_named(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        DetectorConfig(**change)  # type: ignore[arg-type]
