"""RTMDet and YOLOX as detectors: images fitted into the network's input, cells to boxes of people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms

from posetrack.errors import ConfigError
from posetrack.models.checkpoint_reading import read_checkpoint
from posetrack.models.checkpoints import fill, unchanged
from posetrack.models.conventions import IMAGENET_MEAN, IMAGENET_STD, InputConvention
from posetrack.models.dense_networks import RTMDETS, YOLOX, YOLOXS, DenseDetector, RTMDet, yolox_tensors
from posetrack.models.detector import DetectorConfig, in_batches
from posetrack.models.engine import prepared
from posetrack.models.letterbox import PADDING_GREY, fitting_ratio
from posetrack.models.onnx_file import Interface
from posetrack.models.pose import Normalisation
from posetrack.models.remedies import which_of
from posetrack.models.runtime import CPU, Runtime
from posetrack.pixels import from_corner
from posetrack.types import Boxes, Image

_BUILDERS: dict[str, Callable[[int], DenseDetector]] = {
    **{name: partial(RTMDet, name) for name in RTMDETS},
    **{name: partial(YOLOX, name) for name in YOLOXS},
}

PUBLISHED_DETECTORS = tuple(_BUILDERS)
"""Names of the networks."""

_NORMALISATIONS = {
    "rtmdet": InputConvention(colour_order="bgr", mean=IMAGENET_MEAN[::-1], std=IMAGENET_STD[::-1]),
    "yolox": InputConvention(colour_order="bgr", std=(1 / 255,) * 3),
}
"""Colours that the two families take: blue first, normalised, or from 0 to 255 as they are."""

_CLASSES = ("bbox_head.rtm_cls.0.weight", "bbox_head.multi_level_conv_cls.0.weight")
"""Tensors with a row for every class."""

_OF_ONE_CLASS: dict[str, Callable[[], DenseDetector]] = {
    name: partial(build, 1) for name, build in _BUILDERS.items()
}

_MULTIPLE = 32


def build_published_detector(name: str, classes: int) -> DenseDetector:
    """One of ``PUBLISHED_DETECTORS`` with fresh weights; people are the first class.

    Raises:
        ConfigError: there is no network of that name.
    """
    if name not in _BUILDERS:
        raise ConfigError(f"the network {name!r} is unknown; choose one of {', '.join(_BUILDERS)}.")
    return _BUILDERS[name](classes)


def read_published_detector(name: str, path: Path) -> DenseDetector:
    """The same with the weights of a checkpoint, strictly; in evaluation mode on the CPU.

    Args:
        name: One of ``PUBLISHED_DETECTORS``.
        path: A PyTorch file or safetensors of MMDetection or, for YOLOX, its own code; no code in it is run.

    Raises:
        ConfigError: there is no network of that name.
        WeightsError: the file cannot be read, or is of another network; lists the names that differ.
    """
    build_published_detector(name, 1)
    tensors = read_checkpoint(path)
    if name in YOLOXS:
        tensors = yolox_tensors(tensors)
    classes = next((len(value) for key in _CLASSES if (value := tensors.get(key)) is not None and value.dim()), 1)
    network = build_published_detector(name, max(classes, 1))
    return fill(
        network, tensors, (path, name), unchanged("MMDetection"),
        lambda weights, _: which_of(_OF_ONE_CLASS, "backbone", name, weights),
    )  # fmt: skip


def load_published_detector(
    name: str, path: Path, size: tuple[int, int], config: DetectorConfig | None = None, runtime: Runtime = CPU
) -> PublishedDetector:
    """The same as a stage; see ``PublishedDetector``.

    Raises:
        ConfigError, WeightsError: see ``read_published_detector`` and ``PublishedDetector``.
    """
    return PublishedDetector(name, read_published_detector(name, path), size, config, runtime)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Images of one size in a network's input.

    Attributes:
        canvases: uint8 [B, height, width, 3] RGB, the images at the top left, the rest grey.
        scale: float64 [2], canvas pixels per source pixel in x and in y.
    """

    canvases: Image
    scale: np.ndarray


def fitted(images: Sequence[Image], size: tuple[int, int]) -> Fitted:
    """Images of one size scaled to fit, their sides rounded, as by MMDetection's ``Resize`` and ``Pad``.

    Args:
        images: uint8 [H, W, 3], at least one.
        size: Width and height of the input.
    """
    height, width = images[0].shape[:2]
    ratio = fitting_ratio(images[0], size)
    scaled = max(1, int(width * ratio + 0.5)), max(1, int(height * ratio + 0.5))
    canvases = np.full((len(images), size[1], size[0], 3), PADDING_GREY, np.uint8)
    for canvas, image in zip(canvases, images, strict=True):
        canvas[: scaled[1], : scaled[0]] = cv2.resize(image, scaled, interpolation=cv2.INTER_LINEAR)
    return Fitted(canvases, np.array([scaled[0] / width, scaled[1] / height]))


class PublishedDetector:
    """People by RTMDet or YOLOX: a ``Detector``.

    Args:
        name: One of ``PUBLISHED_DETECTORS``.
        network: Of that name. It is copied.
        size: Width and height of its input, multiples of 32.
        config: How it is used. ``short_side`` and ``long_side`` have no effect.
        runtime: Where and how it runs.

    Raises:
        ConfigError: the size is impossible, or the device does not support the precision.
    """

    def __init__(
        self,
        name: str,
        network: DenseDetector,
        size: tuple[int, int],
        config: DetectorConfig | None = None,
        runtime: Runtime = CPU,
    ) -> None:
        if min(size) < _MULTIPLE or any(side % _MULTIPLE for side in size):
            raise ConfigError(f"the input of {name} is {size[0]}x{size[1]}; give multiples of {_MULTIPLE}.")
        self._config = config or DetectorConfig()
        self._size = size
        self._found = network.found
        self._device = runtime.device
        self._network = prepared(network, runtime, Interface(name=name, channels=3, size=size[::-1]))
        self._normalised = Normalisation(_NORMALISATIONS[name.partition("_")[0]], runtime.device)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """People in each image (uint8 [H, W, 3] RGB): boxes in source pixels within the image, best score first.

        Images of one size share a batch.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
        """
        return in_batches(images, self._config.max_batch, self._people)

    @torch.inference_mode()
    def _people(self, images: Sequence[Image]) -> list[Boxes]:
        """The same for images of one size."""
        batch = fitted(images, self._size)
        pixels = torch.from_numpy(batch.canvases).to(self._device).permute(0, 3, 1, 2)
        boxes, scores = self._found(self._network(self._normalised(pixels)))
        height, width = images[0].shape[:2]
        return [self._kept(*pair, batch.scale, (width, height)) for pair in zip(boxes, scores, strict=True)]

    def _kept(self, boxes: Tensor, scores: Tensor, scale: np.ndarray, size: tuple[int, int]) -> Boxes:
        """The people among one image's cells, in source pixels."""
        sure = scores > self._config.score_threshold
        boxes, scores = boxes[sure], scores[sure]
        kept = nms(boxes, scores, self._config.nms_iou)
        xyxy = (boxes[kept].cpu().numpy() / np.tile(scale, 2)).clip(0, np.tile(size, 2))
        inside = np.flatnonzero((xyxy[:, 2:] > xyxy[:, :2]).all(axis=1))[: self._config.max_people]
        return Boxes(from_corner(xyxy[inside]), scores[kept].cpu().numpy()[inside])
