"""Keypoint R-CNN (He et al., "Mask R-CNN", ICCV 2017, section 5): one network for people and their joints."""

from __future__ import annotations

import copy
import weakref
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

from posetrack.errors import ConfigError
from posetrack.models.detector import DetectorConfig, FeatureMaps, RegionNetwork
from posetrack.models.engine import prepared
from posetrack.models.region_heads import LevelPool, pooled_interface
from posetrack.models.runtime import CPU, Runtime
from posetrack.models.torchvision_detectors import KEYPOINT_RCNNS, read_torchvision_network
from posetrack.pixels import from_centre, from_corner
from posetrack.skeletons import COCO, Skeleton
from posetrack.types import UNLINKED, BoolArray, Boxes, FloatArray, Image, Poses

_NEIGHBOURHOOD_CELLS = 3
"""Side of the square around a heatmap's peak in which a joint counts as found."""


class KeypointRCNN:
    """People and their poses by torchvision's Keypoint R-CNN: a ``Detector`` and a ``PoseEstimator``.

    Give the same object as both. Boxes need not be its own: carried ones go through the keypoint head like them.
    The feature maps of images that it has detected people in are kept until these are gone, at most
    ``kept_images`` of them, the latest; of other images they are calculated anew. An image is recognised by being
    the same array, which must not have been written to in between. Threads may share the object, as the pipeline's
    do: detection runs a few frames ahead of pose estimation. Every pipeline keeps the maps of its own images
    (``for_video``): how many others there are changes nothing.

    A joint lies where torchvision puts it: at the peak of the logits, scaled up to the box. Its score is the
    probability that the network gives to the 3 x 3 cells (of 56 x 56 in a box) around the heatmap's peak: the
    softmax over all cells, with which the network is trained to say where a joint is, summed over these. It says
    how certain the place is, not that the joint can be seen.

    Args:
        network: torchvision's, for people and COCO's 17 joints. It is copied.
        config: How people are detected.
        runtime: Where and how it runs. Compiled is the backbone alone.
        kept_images: Most images whose feature maps are kept (about 90 MB each at the usual 800 x 1333 pixels).

    Raises:
        ConfigError: the device does not have the precision, or ``kept_images`` is negative.
    """

    def __init__(
        self,
        network: Network,
        config: DetectorConfig | None = None,
        runtime: Runtime = CPU,
        kept_images: int = 8,
    ) -> None:
        if kept_images < 0:
            raise ConfigError(f"kept_images is {kept_images}; give 0 or more.")
        heads = network.roi_heads
        self._pool = LevelPool(heads.keypoint_roi_pool, network.transform.size_divisible)
        joints = nn.Sequential(heads.keypoint_head, heads.keypoint_predictor)
        pooled = pooled_interface("joints", network.backbone.out_channels, heads.keypoint_roi_pool)
        self._joints = prepared(joints, replace(runtime, compile=False), pooled)
        self._network = RegionNetwork(network, config or DetectorConfig(), runtime, "bilinear")
        self._kept = _KeptFeatures(kept_images)

    @property
    def skeleton(self) -> Skeleton:
        """COCO's, of the poses."""
        return COCO

    def for_video(self) -> Self:
        """The same networks, with no images kept yet."""
        other = copy.copy(self)
        other._kept = _KeptFeatures(self._kept.capacity)
        return other

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """People in each image (uint8 [H, W, 3] RGB): boxes in source pixels within the image, best score first.

        Raises:
            ValueError: an image of another form, or without pixels.
            ConfigError: the network cannot be compiled, or says something else once it is.
        """
        return self._network.detect(images, self._kept.add)

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """The joints of the person in each box.

        Args:
            image: uint8 [H, W, 3] RGB.
            boxes: N boxes in source pixels; what lies outside the image is cut off, and a box wholly outside has
                no joints.

        Returns:
            N poses in the boxes' order.

        Raises:
            ValueError: an image of another form, or without pixels.
        """
        count, joints = len(boxes), len(COCO)
        keypoints = np.zeros((count, joints, 2), np.float32)
        scores = np.zeros((count, joints), np.float32)
        if count:
            maps = self._kept.get(image)
            if maps is None:
                maps = self._network.features([image])
            scaled, inside = _in_network(boxes.xyxy, maps)
            if inside.any():
                keypoints[inside], scores[inside] = self._found(scaled[inside], maps)
        return Poses(
            boxes=boxes.xyxy,
            scores=boxes.scores,
            keypoints=keypoints,
            keypoint_scores=scores,
            track_ids=np.full(count, UNLINKED),
            skeleton=COCO,
        )

    @torch.inference_mode()
    def _found(self, boxes: FloatArray, maps: FeatureMaps) -> tuple[FloatArray, FloatArray]:
        """Joints [N, K, 2] in source pixels and scores [N, K] of at least one box in the network's pixels."""
        regions = torch.from_numpy(boxes).to(self._network.device)
        logits: Tensor = self._joints(self._pool(maps.levels, [regions], [maps.size]))
        points, _ = heatmaps_to_keypoints(logits, regions)
        xy = from_corner(points[..., :2].cpu().numpy() * maps.to_source[:2])
        return xy, _certainties(logits).cpu().numpy()


class _KeptFeatures:
    """Feature maps of the last images, as long as these exist. Any number of threads may use it at once."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        # Each access below is one step of the interpreter: there is nothing to lock, least of all when an image
        # goes, which can happen anywhere.
        self._entries: dict[int, tuple[weakref.ref[Image], FeatureMaps]] = {}

    def add(self, image: Image, maps: FeatureMaps) -> None:
        entries, key = self._entries, id(image)
        entries.pop(key, None)
        entries[key] = weakref.ref(image, lambda _: entries.pop(key, None)), maps
        for oldest in list(entries)[: -self.capacity or None]:
            entries.pop(oldest, None)

    def get(self, image: Image) -> FeatureMaps | None:
        """The feature maps of this very array; None if they are not here."""
        found, maps = self._entries.get(id(image), (None, None))
        return maps if found is not None and found() is image else None


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
    kept_images: int = 8,
) -> KeypointRCNN:
    """One of ``KEYPOINT_RCNNS`` with torchvision's weights for it in a local file; see ``KeypointRCNN``.

    Raises:
        ConfigError: there is no network of that name, or the device does not have the precision.
        WeightsError: the file is missing, damaged, or does not hold exactly this network's weights.
    """
    if name not in KEYPOINT_RCNNS:
        raise ConfigError(f"the network {name!r} is unknown; choose one of {', '.join(KEYPOINT_RCNNS)}.")
    return KeypointRCNN(read_torchvision_network(name, Path(path)), config, runtime, kept_images)
