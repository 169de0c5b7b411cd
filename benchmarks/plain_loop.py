"""Networks run like in their authors' code, for comparison: eager torch, unfolded batch norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN

from posetrack.models.conventions import CONVENTIONS
from posetrack.models.crop import box_transforms, extract_crops, to_source
from posetrack.models.decoding import codec_of
from posetrack.models.detector import DetectorConfig
from posetrack.models.detector_weights import read_detector
from posetrack.models.faster_rcnn import PERSON
from posetrack.models.heatmap import heatmap_to_input, mirrored_back
from posetrack.models.pose import Normalisation, PoseConfig
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.simple_baseline import HEATMAP_STRIDE
from posetrack.networks import read_pose_network, weight_files
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import Preset
from posetrack.skeletons import Skeleton
from posetrack.stopwatch import Stopwatch
from posetrack.types import UNLINKED, Boxes, FloatArray, Image, Poses
from posetrack.zoo import ModelStore


def plain_tracker(preset: Preset, stopwatch: Stopwatch | None = None) -> PoseTracker:
    """A preset's networks and settings in the simplest loop, for ``Pipeline.run_sequentially``.

    Runs the detector and estimates everyone's joints in every frame. Flow, merging, selection, linking, drawing
    and encoding are posetrack's. Works only with detectors from ``posetrack train``, such as the bundled one.
    """
    store = ModelStore(None)
    detector, _ = read_detector(Path(weight_files(preset, store)[preset.detector]))
    return PoseTracker(
        replace(preset, detect_every=1, pose_every=1),
        device="cpu",
        detector=PlainDetector(detector, preset.detector_config),
        pose=PlainPose(*read_pose_network(preset.pose, store), preset.pose_config),
        stopwatch=stopwatch,
    )


class PlainDetector:
    """torchvision's network on the CPU, called like in torchvision's documentation."""

    def __init__(self, network: FasterRCNN, config: DetectorConfig) -> None:
        network.roi_heads.score_thresh = config.score_threshold
        network.roi_heads.nms_thresh = config.nms_iou
        self._network = network
        self._sides = network.transform.min_size[-1], network.transform.max_size

    @torch.inference_mode()
    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """Find people, one image at a time."""
        return [self._people(image) for image in images]

    def _people(self, image: Image) -> Boxes:
        height, width = image.shape[:2]
        scale = min(self._sides[0] / min(height, width), self._sides[1] / max(height, width))
        size = (round(width * scale), round(height * scale))
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        found = self._network([torch.from_numpy(resized).permute(2, 0, 1).float() / 255])[0]
        people = found["labels"] == PERSON
        boxes = found["boxes"][people].numpy() * np.tile([width / size[0], height / size[1]], 2)
        return Boxes(boxes - 0.5, found["scores"][people].numpy())


class PlainPose:
    """A pose network in fp32. Runs an image's people in one batch or one at a time, then their mirror images.

    Args:
        network: It is not copied.
        architecture: What it is fed with.
        config: Its codec, and whether there is a flip test.
        device: Where it runs.
        one_by_one: One person after the other, as the official code (``validate`` of SimpleBaseline, batch of 1).
    """

    def __init__(
        self,
        network: nn.Module,
        architecture: PoseArchitecture,
        config: PoseConfig,
        device: str | torch.device = "cpu",
        *,
        one_by_one: bool = False,
    ) -> None:
        self._network = network.to(device)
        self._architecture = architecture
        self._config = config
        self._device = torch.device(device)
        self._one_by_one = one_by_one
        self._convention = CONVENTIONS[architecture.convention]
        self._normalisation = Normalisation(self._convention, self._device)
        slots = architecture.heatmap_slots
        twins = architecture.joints.flip_permutation[slots]
        self._twins = torch.tensor([slots.tolist().index(twin) for twin in twins])

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._architecture.joints

    @torch.inference_mode()
    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """Estimate a pose per box."""
        count, slots = len(boxes), self._architecture.heatmap_slots
        keypoints = np.zeros((count, len(self.skeleton), 2), np.float32)
        scores = np.zeros((count, len(self.skeleton)), np.float32)
        step = 1 if self._one_by_one else max(count, 1)
        for start in range(0, count, step):
            people = slice(start, start + step)
            keypoints[people, slots], scores[people, slots] = self._people(image, boxes.xyxy[people])
        return Poses(boxes.xyxy, boxes.scores, keypoints, scores, np.full(count, UNLINKED), self.skeleton)

    def _people(self, image: Image, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        architecture, convention = self._architecture, self._convention
        transforms = box_transforms(boxes, architecture.size, architecture.padding, convention.grid)
        crops = extract_crops(image, transforms, architecture.size, convention)
        given = self._normalisation(torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2)).contiguous()
        heatmaps = self._network(given).cpu().numpy()
        if self._config.flip_test:
            mirrored = self._network(given.flip(-1)).cpu()
            mirrored = mirrored_back(mirrored, self._twins, convention.flip_shift_cells).numpy()
            heatmaps = (heatmaps + mirrored) / np.float32(2)
        decode = codec_of(self._config.codec, convention)
        cells, scores = decode(heatmaps, architecture.sigma_cells)
        return to_source(heatmap_to_input(cells, HEATMAP_STRIDE, convention.grid), transforms), scores
