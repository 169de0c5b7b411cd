"""Person detection stage: scale, run Faster R-CNN, bring the boxes back to source pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models import detection
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.image_list import ImageList

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.detector_weights import read_detector
from posetrack.models.faster_rcnn import PERSON
from posetrack.models.folding import folded
from posetrack.types import Boxes, Image

_OFFICIAL: dict[str, tuple[Callable[..., FasterRCNN], Any]] = {
    "fasterrcnn_resnet50_fpn_v2": (
        detection.fasterrcnn_resnet50_fpn_v2,
        detection.FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1,
    ),
    "fasterrcnn_resnet50_fpn": (
        detection.fasterrcnn_resnet50_fpn,
        detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1,
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": (
        detection.fasterrcnn_mobilenet_v3_large_fpn,
        detection.FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1,
    ),
}
OFFICIAL_DETECTORS = tuple(_OFFICIAL)
"""torchvision's own detectors, trained on COCO."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """How a detector is used.

    Attributes:
        score_threshold: Boxes with lower scores are left out. Low scores are useful to a tracker that sorts them
            out by itself.
        nms_iou: Of boxes that overlap more than this, only the best is kept.
        max_people: Most boxes per image.
        short_side, long_side: The image's short side is scaled to ``short_side`` pixels unless the long side then
            exceeded ``long_side``; None is what the network was trained for.
        max_batch: Most images that go through the network at once.
    """

    score_threshold: float = 0.5
    nms_iou: float = 0.5
    max_people: int = 100
    short_side: int | None = None
    long_side: int | None = None
    max_batch: int = 8

    def __post_init__(self) -> None:
        for name in ("score_threshold", "nms_iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give a number from 0 to 1.")
        for name in ("max_people", "short_side", "long_side", "max_batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; give at least 1.")


class PersonDetector:
    """People by any of torchvision's Faster R-CNNs: a ``Detector``.

    Args:
        network: Trained to give people the label ``PERSON``. It is copied: what is done to it later has no effect.
        config: How it is used.
        device: Where it runs.
    """

    def __init__(
        self, network: FasterRCNN, config: DetectorConfig | None = None, device: str | torch.device = "cpu"
    ) -> None:
        self._config = config or DetectorConfig()
        self._device = torch.device(device)
        self._network = folded(network).to(self._device).to(memory_format=torch.channels_last)
        self._network.roi_heads.score_thresh = self._config.score_threshold
        self._network.roi_heads.nms_thresh = self._config.nms_iou
        self._network.roi_heads.detections_per_img = self._config.max_people
        self._short_side = self._config.short_side or network.transform.min_size[-1]
        self._long_side = self._config.long_side or network.transform.max_size

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """People in each image (uint8 [H, W, 3] RGB): boxes in source pixels within the image, best score first.

        Images of one size share a batch.

        Raises:
            ValueError: an image of another form, or without pixels.
        """
        by_size: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                raise ValueError(f"image is {image.dtype} {list(image.shape)}, expected uint8 [H, W, 3]")
            by_size[image.shape].append(index)
        found: dict[int, Boxes] = {}
        for indices in by_size.values():
            for start in range(0, len(indices), self._config.max_batch):
                chosen = indices[start : start + self._config.max_batch]
                found |= zip(chosen, self._detect([images[index] for index in chosen]), strict=True)
        return [found[index] for index in range(len(images))]

    @torch.inference_mode()
    def _detect(self, images: Sequence[Image]) -> list[Boxes]:
        """The same for at least one image, all of one size."""
        height, width = images[0].shape[:2]
        scaled = np.stack([self._scaled(image) for image in images])
        batch = torch.from_numpy(scaled).to(self._device).permute(0, 3, 1, 2).float() / 255
        size = (scaled.shape[1], scaled.shape[2])
        results = self._run(batch, size)
        # The network's corner of an image is (0, 0), ours is (-0.5, -0.5).
        to_source = np.tile(np.array([width / size[1], height / size[0]], np.float32), 2)
        return [Boxes(xyxy * to_source - 0.5, scores) for xyxy, scores in results]

    def _scaled(self, image: Image) -> Image:
        """The image at the network's size, aspect kept."""
        height, width = image.shape[:2]
        scale = min(self._short_side / min(height, width), self._long_side / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(image, size, interpolation=method))

    def _run(self, batch: Tensor, size: tuple[int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Boxes [N, 4] and scores [N] in each image of float [B, 3, *size], in the batch's pixels."""
        network = self._network
        divisor = network.transform.size_divisible
        padded = functional.pad(network.transform.normalize(batch), (0, -size[1] % divisor, 0, -size[0] % divisor))
        sizes = [size] * len(batch)
        features = network.backbone(padded)
        proposals, _ = network.rpn(ImageList(padded, sizes), features)
        results, _ = network.roi_heads(features, proposals, sizes)
        people = [result["labels"] == PERSON for result in results]
        return [
            (result["boxes"][chosen].cpu().numpy(), result["scores"][chosen].cpu().numpy())
            for result, chosen in zip(results, people, strict=True)
        ]


def load_detector(
    path: str | Path, config: DetectorConfig | None = None, device: str | torch.device = "cpu"
) -> PersonDetector:
    """The detector that ``posetrack train detector`` wrote.

    Raises:
        WeightsError: the file is missing, damaged, or not a detector's.
    """
    network, _ = read_detector(Path(path))
    return PersonDetector(network, config, device)


def load_official_detector(
    name: str, config: DetectorConfig | None = None, device: str | torch.device = "cpu"
) -> PersonDetector:
    """One of ``OFFICIAL_DETECTORS``, downloaded by torchvision on first use.

    Raises:
        ConfigError: there is no detector of that name.
        WeightsError: the weights cannot be downloaded.
    """
    if name not in _OFFICIAL:
        raise ConfigError(f"the detector {name!r} is unknown; choose one of {', '.join(OFFICIAL_DETECTORS)}.")
    build, weights = _OFFICIAL[name]
    try:
        network = cast(FasterRCNN, build(weights=weights))
    except (URLError, RuntimeError) as error:
        raise WeightsError(f"cannot download the weights of {name} from {weights.url}: {error}") from error
    return PersonDetector(network, config, device)
