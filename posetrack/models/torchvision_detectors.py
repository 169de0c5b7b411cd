"""torchvision's own detectors, trained on COCO, with weights from a local file. Nothing is downloaded here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection import FCOS, FasterRCNN, KeypointRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone
from torchvision.models.detection.ssd import SSD
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.checkpoint_reading import read_checkpoint
from posetrack.models.detector import DetectorConfig, PersonDetector
from posetrack.models.loading import load_weights
from posetrack.models.one_stage_detectors import OneStageDetector
from posetrack.models.runtime import CPU, Runtime
from posetrack.stages import Detector

Network = TypeVar("Network", bound=nn.Module)

_COCO_CLASSES = 91
_COCO_JOINTS = 17
_MOST_CLASSES = 10_000

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


def _retinanet(classes: int) -> RetinaNet:
    return detection.retinanet_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=classes)


def _fcos(classes: int) -> FCOS:
    levels = {"returned_layers": [2, 3, 4], "extra_blocks": LastLevelP6P7(256, 256)}
    return FCOS(_FROZEN_RESNET(norm_layer=FrozenBatchNorm2d, **levels), classes)


def _ssdlite(classes: int) -> SSD:
    return detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=classes)


def _keypoint_resnet50() -> KeypointRCNN:
    return KeypointRCNN(_FROZEN_RESNET(), num_classes=2, num_keypoints=_COCO_JOINTS)


class _Kind(NamedTuple):
    """How one of the detectors is built from its number of classes, background included; and a tensor in its
    files that has a value, or several, for each."""

    build: Callable[[int], FasterRCNN | RetinaNet | FCOS | SSD]
    scores: str
    values: int = 1


_BOX_SCORES = "roi_heads.box_predictor.cls_score.bias"
_DETECTORS = {
    "fasterrcnn_resnet50_fpn_v2": _Kind(_resnet50_v2, _BOX_SCORES),
    "fasterrcnn_resnet50_fpn": _Kind(_resnet50, _BOX_SCORES),
    "fasterrcnn_mobilenet_v3_large_fpn": _Kind(_mobilenet, _BOX_SCORES),
    "fasterrcnn_mobilenet_v3_large_320_fpn": _Kind(_mobilenet_320, _BOX_SCORES),
    "retinanet_resnet50_fpn_v2": _Kind(_retinanet, "head.classification_head.cls_logits.bias", 9),
    "fcos_resnet50_fpn": _Kind(_fcos, "head.classification_head.cls_logits.bias"),
    "ssdlite320_mobilenet_v3_large": _Kind(_ssdlite, "head.classification_head.module_list.0.1.bias", 6),
}
_KEYPOINT_RCNNS: dict[str, Callable[[], KeypointRCNN]] = {"keypointrcnn_resnet50_fpn": _keypoint_resnet50}

TORCHVISION_DETECTORS = tuple(_DETECTORS)
"""Detectors of people (and 79 other classes), by torchvision's names."""

KEYPOINT_RCNNS = tuple(_KEYPOINT_RCNNS)
"""Detectors of people with their joints: ``posetrack.models.keypoint_rcnn``."""


def read_keypoint_rcnn(name: str, path: Path) -> KeypointRCNN:
    """One of ``KEYPOINT_RCNNS`` with weights from a file, in evaluation mode on the CPU.

    Args:
        name: torchvision's name of the network.
        path: torchvision's weights (COCO_V1), as published (.pth) or as safetensors; no code in it is run.

    Raises:
        ConfigError: there is no network of that name.
        WeightsError: the file is missing, damaged, or does not hold exactly this network's weights.
    """
    if name not in _KEYPOINT_RCNNS:
        raise ConfigError(f"the network {name!r} is unknown; choose one of {', '.join(KEYPOINT_RCNNS)}.")
    return _filled(_KEYPOINT_RCNNS[name](), read_checkpoint(path), path, name)


def load_own_detector(name: str, path: Path, config: DetectorConfig, runtime: Runtime) -> Detector:
    """One of ``TORCHVISION_DETECTORS``, trained further elsewhere, for any classes of which the first is people.

    Args:
        name: torchvision's name of the detector.
        path: A state dict, as a PyTorch file or safetensors; no code in it is run.
        config, runtime: See ``PersonDetector`` and ``OneStageDetector``.

    Raises:
        ConfigError: there is no detector of that name, or the device does not support the precision.
        WeightsError: the file is missing, damaged, or does not hold exactly this network's weights.
    """
    kind = _kind(name)
    weights = read_checkpoint(path)
    scores = weights.get(kind.scores)
    classes = 0 if scores is None or scores.ndim != 1 else len(scores) // kind.values
    if not 2 <= classes <= _MOST_CLASSES:
        raise WeightsError(
            f"{path} does not hold the weights of {name}: it has no scores of classes ({kind.scores})."
        )
    return _stage(_filled(kind.build(classes), weights, path, name), config, runtime)


def load_torchvision_detector(
    name: str,
    path: str | Path,
    config: DetectorConfig | None = None,
    runtime: Runtime = CPU,
) -> Detector:
    """One of ``TORCHVISION_DETECTORS``; it finds the same boxes of people as in torchvision.

    Args:
        name: torchvision's name of the detector.
        path: torchvision's weights.
        config, runtime: See ``PersonDetector`` and ``OneStageDetector``.

    Raises:
        ConfigError: there is no detector of that name, or the device does not support the precision.
        WeightsError: the file is missing, damaged, or does not hold exactly this network's weights.
    """
    kind, path = _kind(name), Path(path)
    weights = read_checkpoint(path)
    return _stage(_filled(kind.build(_COCO_CLASSES), weights, path, name), config, runtime)


def _kind(name: str) -> _Kind:
    if name not in _DETECTORS:
        raise ConfigError(f"the detector {name!r} is unknown; choose one of {', '.join(TORCHVISION_DETECTORS)}.")
    return _DETECTORS[name]


def _filled(network: Network, weights: Mapping[str, Tensor], path: Path, name: str) -> Network:
    load_weights(network, weights, path, f"{path} does not hold the weights of {name}")
    return network.eval()


def _stage(
    network: FasterRCNN | RetinaNet | FCOS | SSD, config: DetectorConfig | None, runtime: Runtime
) -> Detector:
    if isinstance(network, FasterRCNN):
        return PersonDetector(network, config, runtime, scaling="bilinear")
    return OneStageDetector(network, config, runtime)
