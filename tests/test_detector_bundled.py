"""The bundled detector on real images."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.models.detector import PersonDetector, load_detector
from posetrack.training.detection_accuracy import accuracy, find
from posetrack.training.photographs import read_photographs
from posetrack.types import Image


@pytest.fixture(scope="module")
def detector() -> PersonDetector:
    with as_file(files("posetrack.models") / "bundled" / "detector_lite.safetensors") as path:
        assert path.stat().st_size < 6e6, "the bundled networks together stay below 15 MB"
        return load_detector(path)


def frame(path: Path, index: int) -> Image:
    video = cv2.VideoCapture(str(path))
    video.set(cv2.CAP_PROP_POS_FRAMES, index)
    read, image = video.read()
    assert read
    return np.ascontiguousarray(image[..., ::-1])


def test_people_in_photographs_are_found_with_few_false_boxes(detector: PersonDetector, shared: Path) -> None:
    folder = shared / "data" / "lspe"
    photographs = read_photographs(folder / "val.json", folder / "images")[::8]
    figures = accuracy(find(detector, photographs))
    assert figures["recall@0.5"] >= 0.9
    assert figures["false_boxes_per_image"] <= 0.6


@pytest.mark.parametrize("index", [150, 350, 550, 950, 1150])
def test_a_person_seen_from_above_is_found_once(detector: PersonDetector, shared: Path, index: int) -> None:
    boxes = detector.detect([frame(shared / "data" / "clips" / "one_by_one.mp4", index)])[0]
    assert len(boxes) == 1
    left, top, right, bottom = boxes.xyxy[0]
    assert 350 < (left + right) / 2 < 500 and bottom - top > 300


def test_the_people_in_front_of_a_crowd_are_found(detector: PersonDetector, shared: Path) -> None:
    """A street scene; one point on the trunk of each of the five nearest people, marked by eye."""
    boxes = detector.detect([frame(shared / "data" / "clips" / "paris_street.avi", 200)])[0].xyxy
    trunks = np.array([(944, 335), (730, 265), (478, 229), (237, 265), (70, 212)], np.float32)
    tall = boxes[boxes[:, 3] - boxes[:, 1] > 200]
    centres = (tall[:, :2] + tall[:, 2:]) / 2
    off = np.abs(trunks[:, None] - centres)
    assert ((off[..., 0] < 40) & (off[..., 1] < 90)).any(axis=1).all()


def test_nobody_is_seen_in_noise_and_plain_colours(detector: PersonDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    plain = [np.full((360, 640, 3), level, np.uint8) for level in (0, 128, 255)]
    assert [len(boxes) for boxes in detector.detect([noise, *plain])] == [0, 0, 0, 0]
