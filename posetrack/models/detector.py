"""Person detection: scale, run Faster R-CNN, map the boxes back to source pixels."""

from __future__ import annotations

import copy
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.image_list import ImageList

from posetrack.models.detector_weights import read_detector
from posetrack.models.engine import prepared
from posetrack.models.faster_rcnn import PERSON
from posetrack.models.onnx_file import Interface
from posetrack.models.region_heads import EachLevel, LevelPool, OneLevel, pooled_interface
from posetrack.models.runtime import CPU, Runtime
from posetrack.pixels import from_corner
from posetrack.ranges import require_fraction, require_kinds, require_whole
from posetrack.types import Boxes, Image

SCALINGS = ("area", "bilinear")
"""How images are scaled: ``area`` as in the bundled networks' training, ``bilinear`` as in torchvision."""

_HEADS_BESIDE_BOXES = (
    "mask_roi_pool", "mask_head", "mask_predictor", "keypoint_roi_pool", "keypoint_head", "keypoint_predictor",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """How a detector is used.

    Attributes:
        score_threshold: Boxes with lower scores are dropped.
        nms_iou: Of boxes that overlap more than this, only the best is kept.
        max_people: Maximum number of boxes per image.
        short_side, long_side: The image's short side is scaled to ``short_side`` pixels, or less if the long side
            would exceed ``long_side``. Defaults to the sizes the network was trained for.
        max_batch: Maximum number of images in a batch.
    """

    score_threshold: float = 0.5
    nms_iou: float = 0.5
    max_people: int = 100
    short_side: int | None = None
    long_side: int | None = None
    max_batch: int = 8

    def __post_init__(self) -> None:
        require_kinds(self)
        require_fraction(score_threshold=self.score_threshold, nms_iou=self.nms_iou)
        require_whole(1, max_people=self.max_people, max_batch=self.max_batch)
        for name in ("short_side", "long_side"):
            if getattr(self, name) is not None:
                require_whole(1, **{name: getattr(self, name)})


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMaps:
    """A backbone's features of B images of one size.

    Attributes:
        levels: float32 [B, C, h, w] each, under the network's names.
        size: Height and width of the scaled images.
        to_source: float32 [4], source pixels per pixel of those images: x, y, x, y.
    """

    levels: dict[str, Tensor]
    size: tuple[int, int]
    to_source: NDArray[np.float32]

    def of(self, index: int) -> FeatureMaps:
        """The features of one image, as a batch of one."""
        one = {name: level[index : index + 1] for name, level in self.levels.items()}
        return FeatureMaps(one, self.size, self.to_source)


class RegionNetwork:
    """A Faster R-CNN in two steps: images to feature maps, feature maps to people.

    Convolutions run in the runtime's precision; anchors, proposals and boxes are always calculated in fp32,
    because half precision cannot distinguish neighbouring pixels of a large image. See ``PersonDetector`` for the
    arguments.
    """

    def __init__(
        self,
        network: FasterRCNN,
        config: DetectorConfig,
        runtime: Runtime,
        scaling: str,
    ) -> None:
        if scaling not in SCALINGS:
            raise ValueError(f"scaling is {scaling!r}, expected one of {SCALINGS}")
        self._config = config
        self.device = runtime.device
        self._scaling = scaling
        network = copy.deepcopy(network).eval()
        for part in _HEADS_BESIDE_BOXES:
            setattr(network.roi_heads, part, None)
        self._prepare(network, runtime)
        network.roi_heads.score_thresh = config.score_threshold
        network.roi_heads.nms_thresh = config.nms_iou
        network.roi_heads.detections_per_img = sys.maxsize  # of all classes: ``_people`` limits people
        self._network = network.to(self.device)
        self._short_side = config.short_side or network.transform.min_size[-1]
        self._long_side = config.long_side or network.transform.max_size

    @staticmethod
    def _prepare(network: FasterRCNN, runtime: Runtime) -> None:
        """Replace its convolutions by prepared ones."""
        seen = Interface(name="backbone", channels=3, multiple=network.transform.size_divisible)
        level = Interface(name="proposals", channels=network.backbone.out_channels)
        pooled = pooled_interface("boxes", network.backbone.out_channels, network.roi_heads.box_roi_pool)
        # Only the backbone is compiled: it takes most of the time, and its inputs always have the same shape.
        heads = replace(runtime, compile=False)
        network.backbone = prepared(network.backbone, runtime, seen)
        network.rpn.head = EachLevel(prepared(OneLevel(network.rpn.head), heads, level))
        network.roi_heads.box_head = prepared(network.roi_heads.box_head, heads, pooled)
        network.roi_heads.box_roi_pool = LevelPool(network.roi_heads.box_roi_pool, seen.multiple)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """People in each image (uint8 [H, W, 3] RGB): boxes in source pixels within the image, best score first.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
            ConfigError: the network cannot be compiled, or gives other results once it is.
        """
        found = {index: boxes for index, boxes, _ in self.look(images)}
        return [found[index] for index in range(len(images))]

    def look(self, images: Sequence[Image]) -> Iterator[tuple[int, Boxes, FeatureMaps]]:
        """The index of each image, its people as from ``detect``, and its feature maps.

        Images of one size come one after the other: they share batches of at most ``max_batch``.
        """
        for indices in batches(images, self._config.max_batch):
            maps = self.features([images[index] for index in indices])
            people = self._people(maps)
            for place, index in enumerate(indices):
                yield index, people[place], maps.of(place)

    @torch.inference_mode()
    def features(self, images: Sequence[Image]) -> FeatureMaps:
        """Feature maps of at least one image (uint8 [H, W, 3] RGB), all of one size.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
        """
        for image in images:
            require_image(image)
        height, width = images[0].shape[:2]
        batch = self._by_area(images) if self._scaling == "area" else self._bilinear(images)
        size = (batch.shape[2], batch.shape[3])
        divisor = self._network.transform.size_divisible
        padded = functional.pad(batch, (0, -size[1] % divisor, 0, -size[0] % divisor))
        to_source = np.tile(np.array([width / size[1], height / size[0]], np.float32), 2)
        return FeatureMaps(self._network.backbone(padded), size, to_source)

    @torch.inference_mode()
    def _people(self, maps: FeatureMaps) -> list[Boxes]:
        """Boxes of the people in each image, in source pixels within it, best score first."""
        network, finest = self._network, next(iter(maps.levels.values()))
        sizes = [maps.size] * len(finest)
        divisor = network.transform.size_divisible
        padded = [side + -side % divisor for side in maps.size]
        # torchvision uses only the images' padded size, which the anchors' strides are relative to.
        images = ImageList(finest.new_empty(()).expand(len(finest), 3, *padded), sizes)
        proposals, _ = network.rpn(images, maps.levels)
        results, _ = network.roi_heads(maps.levels, proposals, sizes)
        found = []
        for result in results:
            chosen = torch.nonzero(result["labels"] == PERSON)[: self._config.max_people, 0]
            boxes, scores = result["boxes"][chosen].cpu().numpy(), result["scores"][chosen].cpu().numpy()
            found.append(Boxes(from_corner(boxes * maps.to_source), scores))
        return found

    def _by_area(self, images: Sequence[Image]) -> Tensor:
        """Float [B, 3, h, w] of the network's size, each pixel the mean of those it covers."""
        height, width = images[0].shape[:2]
        scale = self._scale(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return self._normalised(np.stack([cv2.resize(image, size, interpolation=method) for image in images]))

    def _bilinear(self, images: Sequence[Image]) -> Tensor:
        """Float [B, 3, h, w] of the network's size, scaled as in torchvision's own detectors."""
        height, width = images[0].shape[:2]
        scale = self._scale(height, width)
        size = (max(1, math.floor(height * scale)), max(1, math.floor(width * scale)))
        batch = self._normalised(np.stack(images))
        return functional.interpolate(batch, size, mode="bilinear", align_corners=False)

    def _normalised(self, images: Image) -> Tensor:
        batch = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 255
        normalised: Tensor = self._network.transform.normalize(batch)
        return normalised

    def _scale(self, height: int, width: int) -> float:
        return min(self._short_side / min(height, width), self._long_side / max(height, width))


def batches(images: Sequence[Image], most: int) -> Iterator[list[int]]:
    """Indices of images of one size (uint8 [H, W, 3] RGB), at most so many at once.

    Raises:
        ValueError: an image of another shape or type, or without pixels.
    """
    by_size: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        require_image(image)
        by_size[image.shape].append(index)
    for indices in by_size.values():
        for start in range(0, len(indices), most):
            yield indices[start : start + most]


def in_batches(
    images: Sequence[Image], most: int, people: Callable[[Sequence[Image]], Sequence[Boxes]]
) -> list[Boxes]:
    """The people in each image, by a function for images of one size; see ``batches``."""
    found: dict[int, Boxes] = {}
    for indices in batches(images, most):
        found |= zip(indices, people([images[index] for index in indices]), strict=True)
    return [found[index] for index in range(len(images))]


def require_image(image: Image) -> None:
    """Raises ``ValueError`` unless it is an image, uint8 [H, W, 3] with pixels."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"image is {image.dtype} {list(image.shape)}, expected uint8 [H, W, 3]")


class PersonDetector:
    """People by any of torchvision's Faster R-CNNs: a ``Detector``.

    Args:
        network: Trained to give people the label ``PERSON``. It is copied.
        config: How it is used.
        runtime: Where and how it runs. Only the backbone is compiled.
        scaling: One of ``SCALINGS``, as in the network's training.

    Raises:
        ConfigError: the device does not support the precision.
    """

    def __init__(
        self,
        network: FasterRCNN,
        config: DetectorConfig | None = None,
        runtime: Runtime = CPU,
        scaling: str = "area",
    ) -> None:
        self._network = RegionNetwork(network, config or DetectorConfig(), runtime, scaling)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """People in each image (uint8 [H, W, 3] RGB): boxes in source pixels within the image, best score first.

        Images of one size share a batch.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
            ConfigError: the network cannot be compiled, or gives other results once it is.
        """
        return self._network.detect(images)


def load_detector(
    path: str | Path,
    config: DetectorConfig | None = None,
    runtime: Runtime = CPU,
) -> PersonDetector:
    """The detector in a file written by ``posetrack train detector``.

    Raises:
        ConfigError: the device does not support the precision.
        WeightsError: the file is missing, damaged, or not a detector's.
    """
    network, _ = read_detector(Path(path))
    return PersonDetector(network, config, runtime)
