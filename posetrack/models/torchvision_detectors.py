"""torchvision's own detectors, trained on COCO, with weights from a local file. Nothing is downloaded here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torchvision.models import detection
from torchvision.models.detection import FasterRCNN, KeypointRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.checkpoint_reading import read_checkpoint
from posetrack.models.detector import DetectorConfig, PersonDetector
from posetrack.models.loading import load_weights
from posetrack.models.runtime import CPU, Runtime

_COCO_CLASSES = 91
_COCO_JOINTS = 17
_MOST_CLASSES = 10_000
_SCORES = "roi_heads.box_predictor.cls_score.bias"

# As torchvision builds them for its COCO_V1 weights: norms are frozen, and ResNet-50's were trained without an
# epsilon (``overwrite_eps`` there). Without weights, torchvision's builders make other norms.
_FROZEN_RESNET = partial(
    resnet_fpn_backbone, backbone_name="resnet50", weights=None, norm_layer=partial(FrozenBatchNorm2d, eps=0.0)
)


def _resnet50(classes: int) -> FasterRCNN:
    return FasterRCNN(_FROZEN_RESNET(), classes)


def _resnet50_v2(classes: int) -> FasterRCNN:
    return detection.fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=classes)


def _mobilenet(classes: int, **settings: float) -> FasterRCNN:
    backbone = mobilenet_backbone(
        backbone_name="mobilenet_v3_large", weights=None, fpn=True, norm_layer=FrozenBatchNorm2d
    )
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    return FasterRCNN(backbone, classes, rpn_anchor_generator=anchors, rpn_score_thresh=0.05, **settings)


def _mobilenet_320(classes: int) -> FasterRCNN:
    return _mobilenet(classes, min_size=320, max_size=640, rpn_pre_nms_top_n_test=150, rpn_post_nms_top_n_test=150)


def _keypoint_resnet50() -> KeypointRCNN:
    return KeypointRCNN(_FROZEN_RESNET(), num_classes=2, num_keypoints=_COCO_JOINTS)


_FASTER_RCNNS: dict[str, Callable[[int], FasterRCNN]] = {
    "fasterrcnn_resnet50_fpn_v2": _resnet50_v2,
    "fasterrcnn_resnet50_fpn": _resnet50,
    "fasterrcnn_mobilenet_v3_large_fpn": _mobilenet,
    "fasterrcnn_mobilenet_v3_large_320_fpn": _mobilenet_320,
}
_KEYPOINT_RCNNS: dict[str, Callable[[], FasterRCNN]] = {"keypointrcnn_resnet50_fpn": _keypoint_resnet50}

TORCHVISION_DETECTORS = tuple(_FASTER_RCNNS)
"""Detectors of people (and 79 other classes), by torchvision's names."""

KEYPOINT_RCNNS = tuple(_KEYPOINT_RCNNS)
"""Detectors of people with their joints: ``posetrack.models.keypoint_rcnn``."""


def read_torchvision_network(name: str, path: Path) -> FasterRCNN:
    """A torchvision network with weights from a file, in evaluation mode on the CPU.

    Args:
        name: One of ``TORCHVISION_DETECTORS`` or ``KEYPOINT_RCNNS``.
        path: torchvision's weights (COCO_V1), as published (.pth) or as safetensors; no code in it is run.

    Raises:
        ConfigError: there is no network of that name.
        WeightsError: the file is missing, damaged, or does not hold exactly this network's weights.
    """
    builders = {key: partial(build, _COCO_CLASSES) for key, build in _FASTER_RCNNS.items()} | _KEYPOINT_RCNNS
    if name not in builders:
        raise ConfigError(f"torchvision has no detector {name!r}; choose one of {', '.join(builders)}.")
    network = builders[name]()
    load_weights(network, read_checkpoint(path), path, f"{path} does not hold the weights of {name}")
    return network.eval()


def load_own_detector(name: str, path: Path, config: DetectorConfig, runtime: Runtime) -> PersonDetector:
    """One of ``TORCHVISION_DETECTORS``, trained further by somebody, for any classes of which the first is people.

    Args:
        name: torchvision's name of the detector.
        path: A state dict, as a PyTorch file or safetensors; no code in it is run.
        config, runtime: See ``PersonDetector``.

    Raises:
        ConfigError: there is no detector of that name, or the device does not support the precision.
        WeightsError: the file is missing, damaged, or does not hold exactly this network's weights.
    """
    _require_detector(name)
    weights = read_checkpoint(path)
    scores = weights.get(_SCORES)
    if scores is None or scores.ndim != 1 or not 2 <= len(scores) <= _MOST_CLASSES:
        raise WeightsError(f"{path} does not hold the weights of {name}: it has no scores of classes ({_SCORES}).")
    network = _FASTER_RCNNS[name](len(scores))
    load_weights(network, weights, path, f"{path} does not hold the weights of {name}")
    return PersonDetector(network.eval(), config, runtime, scaling="bilinear")


def _require_detector(name: str) -> None:
    if name not in TORCHVISION_DETECTORS:
        raise ConfigError(f"the detector {name!r} is unknown; choose one of {', '.join(TORCHVISION_DETECTORS)}.")


def load_torchvision_detector(
    name: str,
    path: str | Path,
    config: DetectorConfig | None = None,
    runtime: Runtime = CPU,
) -> PersonDetector:
    """One of ``TORCHVISION_DETECTORS``; it finds the same boxes of people as in torchvision.

    Args:
        name: torchvision's name of the detector.
        path: torchvision's weights.
        config, runtime: See ``PersonDetector``.

    Raises:
        ConfigError: there is no detector of that name, or the device does not support the precision.
        WeightsError: the file is missing, damaged, or does not hold exactly this network's weights.
    """
    _require_detector(name)
    network = read_torchvision_network(name, Path(path))
    return PersonDetector(network, config, runtime, scaling="bilinear")
