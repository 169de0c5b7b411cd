"""Keypoint R-CNN (He et al., "Mask R-CNN", ICCV 2017, section 5): one network for people and their joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import KeypointRCNN as Network
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

from posetrack.models.detector import DetectorConfig, FeatureMaps, RegionNetwork
from posetrack.models.engine import prepared
from posetrack.models.region_heads import LevelPool, pooled_interface
from posetrack.models.runtime import CPU, Runtime
from posetrack.models.torchvision_detectors import read_keypoint_rcnn
from posetrack.pixels import from_centre, from_corner
from posetrack.skeletons import COCO, Skeleton
from posetrack.types import BoolArray, Boxes, FloatArray, Image, Poses, Sighting

_NEIGHBOURHOOD_CELLS = 3
"""Side of the square around a heatmap's peak in which a joint counts as found."""


class KeypointRCNN:
    """People and their joints by torchvision's Keypoint R-CNN: a ``People`` stage.

    ``find`` leaves the joints pending and keeps the feature maps in the sightings (about 90 MB each at the usual
    800 x 1333 pixels). ``refine`` runs only the keypoint head on them, for detected and carried boxes alike; it
    calculates them for an image without a detection.

    A joint lies where torchvision puts it: at the peak of the logits, scaled up to the box. Its score is the
    probability that the network gives to the 3 x 3 cells (of 56 x 56 in a box) around the heatmap's peak: the
    softmax over all cells, with which the network is trained to say where a joint is, summed over these. It says
    how certain the position is, not that the joint is visible.

    It is also a ``Detector`` and a ``PoseEstimator``, to be combined with other networks.

    Args:
        network: torchvision's, for people and COCO's 17 joints. It is copied.
        config: How people are detected.
        runtime: Where and how it runs. Only the backbone is compiled.

    Raises:
        ConfigError: the device does not support the precision.
    """

    def __init__(self, network: Network, config: DetectorConfig | None = None, runtime: Runtime = CPU) -> None:
        heads = network.roi_heads
        self._pool = LevelPool(heads.keypoint_roi_pool, network.transform.size_divisible)
        joints = nn.Sequential(heads.keypoint_head, heads.keypoint_predictor)
        pooled = pooled_interface("joints", network.backbone.out_channels, heads.keypoint_roi_pool)
        self._joints = prepared(joints, replace(runtime, compile=False), pooled)
        self._network = RegionNetwork(network, config or DetectorConfig(), runtime, "bilinear")

    @property
    def skeleton(self) -> Skeleton:
        """COCO's."""
        return COCO

    def find(self, images: Sequence[Image]) -> list[Sighting]:
        """People in each image (uint8 [H, W, 3] RGB): boxes in source pixels within the image, best score first.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
            ConfigError: the network cannot be compiled, or gives other results once it is.
        """
        seen = {
            index: Sighting(images[index], Poses.pending_in(boxes, COCO), maps)
            for index, boxes, maps in self._network.look(images)
        }
        return [seen[index] for index in range(len(images))]

    def refine(self, sightings: Sequence[Sighting], boxes: Sequence[Boxes]) -> list[Poses]:
        """The joints of the person in each box.

        Args:
            sightings: Of images uint8 [H, W, 3] RGB.
            boxes: For each image, N boxes in source pixels. They are clipped to the image; the joints in a box
                outside it are missing.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
        """
        return [self._refined(*pair) for pair in zip(sightings, boxes, strict=True)]

    def for_video(self) -> Self:
        """Itself: it remembers nothing, and any number of threads may share it."""
        return self

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """The boxes that ``find`` gives."""
        return self._network.detect(images)

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """What ``refine`` gives for an image without a detection."""
        return self._refined(Sighting(image), boxes)

    def _refined(self, sighting: Sighting, boxes: Boxes) -> Poses:
        count, joints = len(boxes), len(COCO)
        keypoints = np.zeros((count, joints, 2), np.float32)
        scores = np.zeros((count, joints), np.float32)
        if count:
            maps = sighting.features
            if not isinstance(maps, FeatureMaps):
                maps = self._network.features([sighting.image])
            scaled, inside = _in_network(boxes.xyxy, maps)
            if inside.any():
                keypoints[inside], scores[inside] = self._found(scaled[inside], maps)
        return Poses.in_boxes(boxes, keypoints, scores, COCO)

    @torch.inference_mode()
    def _found(self, boxes: FloatArray, maps: FeatureMaps) -> tuple[FloatArray, FloatArray]:
        """Joints [N, K, 2] in source pixels and scores [N, K] of at least one box in the network's pixels."""
        regions = torch.from_numpy(boxes).to(self._network.device)
        logits: Tensor = self._joints(self._pool(maps.levels, [regions], [maps.size]))
        points, _ = heatmaps_to_keypoints(logits, regions)
        xy = from_corner(points[..., :2].cpu().numpy() * maps.to_source[:2])
        return xy, _certainties(logits).cpu().numpy()


def _in_network(xyxy: NDArray[np.float32], maps: FeatureMaps) -> tuple[FloatArray, BoolArray]:
    """Boxes [N, 4] in the network's pixels, cut to the image, and which of them have an area there, bool [N]."""
    height, width = maps.size
    limits = np.array([width, height, width, height], np.float64)
    scaled = np.clip(from_centre(xyxy.astype(np.float64)) / maps.to_source, 0, limits)
    inside = np.asarray((scaled[:, 2:] > scaled[:, :2]).all(axis=1), np.bool_)
    return scaled.astype(np.float32), inside


def _certainties(logits: Tensor) -> Tensor:
    """float32 [N, K], probability within the cells around each peak of logits [N, K, h, w]."""
    probabilities = functional.softmax(logits.flatten(2), dim=-1)
    side = _NEIGHBOURHOOD_CELLS
    sums = functional.avg_pool2d(
        probabilities.view_as(logits), side, stride=1, padding=side // 2, divisor_override=1
    ).flatten(2)
    peaks = probabilities.argmax(dim=-1, keepdim=True)
    return sums.gather(-1, peaks)[..., 0].clamp(max=1)


def load_keypoint_rcnn(
    name: str,
    path: str | Path,
    config: DetectorConfig | None = None,
    runtime: Runtime = CPU,
) -> KeypointRCNN:
    """One of ``KEYPOINT_RCNNS`` with torchvision's weights for it from a local file; see ``KeypointRCNN``.

    Raises:
        ConfigError: there is no network of that name, or the device does not support the precision.
        WeightsError: the file is missing, damaged, or does not hold exactly this network's weights.
    """
    return KeypointRCNN(read_keypoint_rcnn(name, Path(path)), config, runtime)
