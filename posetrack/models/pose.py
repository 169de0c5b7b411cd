"""Pose estimation stage: crop, run the network, decode, bring the joints back to source pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from posetrack.errors import ConfigError
from posetrack.models.crop import box_transforms, extract_crops, to_source
from posetrack.models.folding import folded
from posetrack.models.heatmap import CODECS, heatmap_to_input, mirrored_back
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.simple_baseline import HEATMAP_STRIDE
from posetrack.skeletons import Skeleton
from posetrack.types import UNLINKED, Boxes, FloatArray, Image, Poses


@dataclass(frozen=True, kw_only=True)
class PoseConfig:
    """How a pose network is used.

    Attributes:
        flip_test: Average with the mirrored image's heatmaps (twice the work, a little more accurate).
        codec: How heatmaps become joints (a key of ``posetrack.models.heatmap.CODECS``).
        max_batch: Most crops that go through the network at once.
    """

    flip_test: bool = False
    codec: str = "quarter"
    max_batch: int = 64

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError(f"codec is {self.codec!r}; choose one of {', '.join(CODECS)}.")
        if self.max_batch < 1:
            raise ConfigError(f"max_batch is {self.max_batch}; give at least 1.")


class HeatmapPoseEstimator:
    """Top-down pose estimation with a heatmap network: a ``PoseEstimator``.

    All people of a frame go through the network in one batch.

    Args:
        network: Takes float [B, 3, height, width], RGB in [0, 1]; returns heatmaps at a quarter of the size.
        architecture: Its input size, padding and skeleton.
        config: How it is used.
        device: Where it runs.
    """

    def __init__(
        self,
        network: nn.Module,
        architecture: PoseArchitecture,
        config: PoseConfig | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self._network = folded(network).to(device).to(memory_format=torch.channels_last)
        self._architecture = architecture
        self._config = config or PoseConfig()
        self._device = torch.device(device)
        twins = architecture.joints.flip_permutation[architecture.joints.in_use]
        self._channel_twins = np.searchsorted(architecture.joints.in_use, twins)

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._architecture.joints

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """The joints of the person in each box.

        Args:
            image: uint8 [H, W, 3] RGB.
            boxes: N boxes in source pixels.

        Returns:
            N poses in the boxes' order; joints that the skeleton does not use are missing (score 0).
        """
        if not len(boxes):
            return Poses.empty(self.skeleton)
        size = self._architecture.size
        transforms = box_transforms(boxes.xyxy, size, self._architecture.padding)
        heatmaps = self.heatmaps(extract_crops(image, transforms, size))
        cells, scores = CODECS[self._config.codec](heatmaps)
        points = to_source(heatmap_to_input(cells, HEATMAP_STRIDE), transforms)
        count, joints, used = len(boxes), len(self.skeleton), self.skeleton.in_use
        keypoints = np.zeros((count, joints, 2), np.float32)
        keypoint_scores = np.zeros((count, joints), np.float32)
        keypoints[:, used], keypoint_scores[:, used] = points, scores
        return Poses(
            boxes=boxes.xyxy,
            scores=boxes.scores,
            keypoints=keypoints,
            keypoint_scores=keypoint_scores,
            track_ids=np.full(count, UNLINKED),
            skeleton=self.skeleton,
        )

    @torch.inference_mode()
    def heatmaps(self, crops: Image) -> FloatArray:
        """Heatmaps float32 [N, joints in use, height/4, width/4] of crops uint8 [N, height, width, 3] RGB."""
        parts = [
            self._forward(crops[start : start + self._config.max_batch])
            for start in range(0, len(crops), self._config.max_batch)
        ]
        return np.concatenate(parts)

    def _forward(self, crops: Image) -> FloatArray:
        images = torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2).float() / 255
        heatmaps = self._run(images)
        if self._config.flip_test:
            mirrored = mirrored_back(self._run(images.flip(-1)), self._channel_twins)
            heatmaps = (heatmaps + mirrored) * np.float32(0.5)
        return heatmaps

    def _run(self, images: Tensor) -> FloatArray:
        output: Tensor = self._network(images)
        return output.float().cpu().numpy()
