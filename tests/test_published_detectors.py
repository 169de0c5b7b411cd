"""RTMDet and YOLOX: people as written a second time, with the publishers' preparation and suppression."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.detector import DetectorConfig
from posetrack.models.published_detectors import (
    build_published_detector,
    load_published_detector,
    read_published_detector,
)
from tests.reference_networks import Tape
from tests.reference_rtm import detector

SIZES = {"rtmdet_tiny": (0.167, 0.375, "next"), "rtmdet_m": (0.67, 0.75, "next"),
         "yolox_tiny": (0.33, 0.375, "darknet")}  # fmt: skip
INPUT = (128, 96)


def photograph() -> np.ndarray:
    noise = np.random.default_rng(4).integers(0, 256, (11, 16, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (213, 147), interpolation=cv2.INTER_CUBIC), np.uint8)


def prepared(image: np.ndarray, kind: str) -> tuple[Tensor, np.ndarray]:
    """MMDetection's Resize (sides rounded), Pad (114) and DetDataPreprocessor; and the factors of x and y."""
    height, width = image.shape[:2]
    factor = min(INPUT[0] / width, INPUT[1] / height)
    size = int(width * factor + 0.5), int(height * factor + 0.5)
    canvas = np.full((INPUT[1], INPUT[0], 3), 114, np.float32)
    canvas[: size[1], : size[0]] = cv2.resize(image[..., ::-1], size, interpolation=cv2.INTER_LINEAR)
    if kind == "next":
        canvas = (canvas - (103.53, 116.28, 123.675)) / (57.375, 57.12, 58.395)
    pixels = torch.from_numpy(canvas.astype(np.float32).transpose(2, 0, 1))[None]
    return pixels, np.array([size[0] / width, size[1] / height])


@cache
def reference(name: str, classes: int) -> tuple[Tape, list[Tensor]]:
    depth, width, kind = SIZES[name]
    tape = Tape(seed=3, epsilon=1e-3 if kind == "darknet" else 1e-5)
    with torch.inference_mode():
        return tape, detector(tape, prepared(photograph(), kind)[0], depth, width, classes, kind)


def candidates(name: str, levels: list[Tensor], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Each cell's box in input pixels and its score as a person, cell by cell."""
    boxes, scores = [], []
    for level, stride in zip(levels, (8, 16, 32), strict=True):
        for row in range(level.shape[2]):
            for column in range(level.shape[3]):
                a, b, c, d, *rest = level[0, :, row, column].double().tolist()
                x, y = column * stride, row * stride
                if name.startswith("rtmdet"):
                    far = [float(np.exp(v)) if name == "rtmdet_m" else v for v in (a, b, c, d)]
                    box = x - far[0] * stride, y - far[1] * stride, x + far[2] * stride, y + far[3] * stride
                    boxes.append(np.clip(box, 0, np.tile(INPUT, 2)))
                    scores.append(1 / (1 + np.exp(-rest[0])))
                else:
                    wide, high = np.exp(c) * stride, np.exp(d) * stride
                    boxes.append(
                        np.array([-wide, -high, wide, high]) / 2 + np.tile((a * stride + x, b * stride + y), 2)
                    )
                    best = int(np.argmax(rest[:classes]))
                    sure = [1 / (1 + np.exp(-value)) for value in (rest[0], rest[-1])]
                    scores.append(sure[0] * sure[1] if best == 0 else 0.0)
    return np.array(boxes), np.array(scores)


def suppressed(boxes: np.ndarray, scores: np.ndarray, threshold: float, overlap: float) -> list[int]:
    """Greedy, best first."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] <= threshold:
            break
        x1, y1, x2, y2 = boxes[index]
        for other in kept:
            u1, v1, u2, v2 = boxes[other]
            common = max(0, min(x2, u2) - max(x1, u1)) * max(0, min(y2, v2) - max(y1, v1))
            if common > overlap * ((x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - common):
                break
        else:
            kept.append(int(index))
    return kept


@pytest.mark.parametrize(("name", "classes"), [("rtmdet_tiny", 1), ("rtmdet_m", 3), ("yolox_tiny", 3)])
def test_people_are_those_of_the_network_written_a_second_time(name: str, classes: int, tmp_path: Path) -> None:
    tape, levels = reference(name, classes)
    torch.save({"meta": {}, "state_dict": tape.weights}, tmp_path / "weights.pth")
    config = DetectorConfig(score_threshold=0.3, nms_iou=0.65, max_people=1000)
    found = load_published_detector(name, tmp_path / "weights.pth", INPUT, config).detect([photograph()] * 2)
    boxes, scores = candidates(name, levels, classes)
    boxes = boxes / np.tile(prepared(photograph(), SIZES[name][2])[1], 2)
    kept = suppressed(boxes, scores, 0.3, 0.65)
    inside = boxes[kept].clip(0, (213, 147, 213, 147))
    real = (inside[:, 2:] > inside[:, :2]).all(axis=1)
    assert len(found) == 2 and real.sum() >= 5
    for people in found:
        np.testing.assert_allclose(people.scores, scores[kept][real], atol=1e-4)
        # Nearly equal scores may change places.
        apart = np.abs(people.xyxy[:, None] - (inside[real] - 0.5)).max(axis=-1)
        assert (np.sort(apart.argmin(axis=1)) == np.arange(real.sum())).all()
        assert apart.min(axis=1).max() <= 0.02


def test_of_classes_that_are_equally_probable_the_first_counts() -> None:
    """As in MMDetection and in YOLOX's own code, which compare probabilities: logits of 20 and 21 are both 1."""
    with torch.device("meta"):
        network = build_published_detector("yolox_tiny", 3)
    levels = [torch.zeros(1, 7, 1, 1) for _ in network.strides]
    for level, logits in zip(levels, [(20.0, 21.0, 30.0), (2.0, 3.0, 30.0), (3.0, 3.0, 30.0)], strict=True):
        level[0, :3, 0, 0] = torch.tensor(logits)
    boxes, scores = network.found(levels)
    assert boxes.shape == (1, 3, 4)
    torch.testing.assert_close(scores[0], torch.tensor([1.0, 0.0, torch.sigmoid(torch.tensor(3.0))]))


def test_files_of_yoloxs_own_code_are_the_same_network(tmp_path: Path) -> None:
    tape = reference("yolox_tiny", 3)[0]
    names = (
        ("backbone.stem.", "backbone.backbone.stem."), ("backbone.stage1.", "backbone.backbone.dark2."),
        ("backbone.stage2.", "backbone.backbone.dark3."), ("backbone.stage3.", "backbone.backbone.dark4."),
        ("backbone.stage4.", "backbone.backbone.dark5."), ("neck.reduce_layers.0", "backbone.lateral_conv0"),
        ("neck.reduce_layers.1", "backbone.reduce_conv1"), ("neck.top_down_blocks.0", "backbone.C3_p4"),
        ("neck.top_down_blocks.1", "backbone.C3_p3"), ("neck.downsamples.0", "backbone.bu_conv2"),
        ("neck.downsamples.1", "backbone.bu_conv1"), ("neck.bottom_up_blocks.0", "backbone.C3_n3"),
        ("neck.bottom_up_blocks.1", "backbone.C3_n4"), ("neck.out_convs", "head.stems"),
        ("bbox_head.multi_level_cls_convs", "head.cls_convs"),
        ("bbox_head.multi_level_reg_convs", "head.reg_convs"),
        ("bbox_head.multi_level_conv_cls", "head.cls_preds"), ("bbox_head.multi_level_conv_reg", "head.reg_preds"),
        ("bbox_head.multi_level_conv_obj", "head.obj_preds"), ("main_conv", "conv1"), ("short_conv", "conv2"),
        ("final_conv", "conv3"), (".blocks.", ".m."),
    )  # fmt: skip
    theirs = {}
    for name, value in tape.weights.items():
        for old, new in names:
            name = name.replace(old, new)
        theirs[name] = value
    assert not any(name.startswith(("neck", "bbox_head")) for name in theirs)
    torch.save({"start_epoch": 300, "model": theirs, "optimizer": {}}, tmp_path / "yolox_tiny.pth")
    network = read_published_detector("yolox_tiny", tmp_path / "yolox_tiny.pth").state_dict()
    for name, value in tape.weights.items():
        assert torch.equal(network[name], value), name


def test_what_does_not_fit_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": reference("rtmdet_tiny", 1)[0].weights}, path)
    with pytest.raises(WeightsError, match="it is a checkpoint of rtmdet_tiny"):
        read_published_detector("rtmdet_m", path)
    with pytest.raises(WeightsError, match="does not fit yolox_tiny"):
        read_published_detector("yolox_tiny", path)
    with pytest.raises(ConfigError, match="the input of rtmdet_tiny is 100x96; give multiples of 32"):
        load_published_detector("rtmdet_tiny", path, (100, 96))
    with pytest.raises(ConfigError, match="the network 'rtmdet_q' is unknown"):
        build_published_detector("rtmdet_q", 1)


def test_images_of_several_sizes_and_no_images(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": reference("rtmdet_tiny", 1)[0].weights}, path)
    stage = load_published_detector("rtmdet_tiny", path, INPUT, DetectorConfig(score_threshold=0.3))
    images = [photograph(), photograph()[:80, :61], photograph()]
    alone = [stage.detect([image])[0] for image in images]
    together = stage.detect(images)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.xyxy, other.xyxy, atol=0.01)
    assert stage.detect([]) == []
    with pytest.raises(ValueError, match="expected uint8"):
        stage.detect([photograph().astype(np.float32)])
