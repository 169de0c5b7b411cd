"""torchvision's RetinaNet, FCOS and SSD as detectors of people."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.ssd import SSD

from posetrack.models.detector import DetectorConfig, in_batches
from posetrack.models.engine import prepared
from posetrack.models.faster_rcnn import PERSON
from posetrack.models.onnx_file import Interface
from posetrack.models.runtime import CPU, Runtime
from posetrack.pixels import from_corner
from posetrack.types import Boxes, Image


class OneStageDetector:
    """People by one of torchvision's networks, prepared and decoded by its own code: a ``Detector``.

    Args:
        network: Trained to give people the label ``PERSON``. It is copied.
        config: How it is used. ``short_side`` and ``long_side`` have no effect on SSDs: their input has one size.
        runtime: Where and how it runs. Only the backbone is compiled or run by other engines than torch.

    Raises:
        ConfigError: the device does not support the precision.
    """

    def __init__(
        self, network: RetinaNet | FCOS | SSD, config: DetectorConfig | None = None, runtime: Runtime = CPU
    ) -> None:
        self._config = config or DetectorConfig()
        self._device = runtime.device
        network = copy.deepcopy(network).eval()
        transform = network.transform
        size = None if transform.fixed_size is None else (transform.fixed_size[1], transform.fixed_size[0])
        seen = Interface(name="backbone", channels=3, size=size, multiple=transform.size_divisible)
        network.backbone = prepared(network.backbone, runtime, seen)
        network.head = prepared(network.head, replace(runtime, compile=False, engine="torch"))
        network.score_thresh = self._config.score_threshold
        network.nms_thresh = self._config.nms_iou
        network.detections_per_img = sys.maxsize  # of all classes: ``_people`` limits people
        transform.min_size = (self._config.short_side or transform.min_size[-1],)
        transform.max_size = self._config.long_side or transform.max_size
        self._network = network.to(self._device)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """People in each image (uint8 [H, W, 3] RGB): boxes in source pixels within the image, best score first.

        Images of one size share a batch.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
            ConfigError: the network cannot be compiled, or gives other results once it is.
        """
        return in_batches(images, self._config.max_batch, self._people)

    @torch.inference_mode()
    def _people(self, images: Sequence[Image]) -> list[Boxes]:
        """The same for images of one size."""
        batch = torch.from_numpy(np.stack(images)).to(self._device).permute(0, 3, 1, 2).float() / 255
        found = []
        for result in self._network(list(batch)):
            chosen = torch.nonzero(result["labels"] == PERSON)[: self._config.max_people, 0]
            boxes, scores = result["boxes"][chosen].cpu().numpy(), result["scores"][chosen].cpu().numpy()
            found.append(Boxes(from_corner(boxes), scores))
        return found
