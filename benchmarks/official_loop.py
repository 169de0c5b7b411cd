"""How the official code of SimpleBaseline and HRNet runs a pose network, for comparison."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from posetrack.models.conventions import CONVENTIONS
from posetrack.models.crop import box_transforms, extract_crops, to_source
from posetrack.models.decoding import CODECS
from posetrack.models.heatmap import heatmap_to_input, mirrored_back
from posetrack.models.pose import Normalisation
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.simple_baseline import HEATMAP_STRIDE
from posetrack.skeletons import Skeleton
from posetrack.types import UNLINKED, Boxes, FloatArray, Image, Poses


class OfficialLoop:
    """The official code's way: one person, one image and its mirror image, after the other."""

    def __init__(
        self, network: nn.Module, architecture: PoseArchitecture, codec: str, device: torch.device
    ) -> None:
        self._network = network.to(device)
        self._architecture = architecture
        self._convention = CONVENTIONS[architecture.convention]
        self._normalisation = Normalisation(self._convention, device)
        self._codec = CODECS[codec]
        self._device = device
        slots = architecture.heatmap_slots
        twins = architecture.joints.flip_permutation[slots]
        self._twins = np.array([slots.tolist().index(twin) for twin in twins])

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._architecture.joints

    @torch.inference_mode()
    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """One pose for every box."""
        count, slots = len(boxes), self._architecture.heatmap_slots
        keypoints = np.zeros((count, len(self.skeleton), 2), np.float32)
        scores = np.zeros((count, len(self.skeleton)), np.float32)
        for person in range(count):
            keypoints[person, slots], scores[person, slots] = self._person(image, boxes.xyxy[person : person + 1])
        return Poses(boxes.xyxy, boxes.scores, keypoints, scores, np.full(count, UNLINKED), self.skeleton)

    def _person(self, image: Image, box: FloatArray) -> tuple[FloatArray, FloatArray]:
        architecture, convention = self._architecture, self._convention
        transform = box_transforms(box, architecture.size, architecture.padding, convention.grid)
        crop = extract_crops(image, transform, architecture.size, convention)
        given = self._normalisation(torch.from_numpy(crop).to(self._device).permute(0, 3, 1, 2)).contiguous()
        heatmaps = self._network(given).cpu().numpy()
        mirrored = self._network(given.flip(-1)).cpu().numpy()
        heatmaps = (heatmaps + mirrored_back(mirrored, self._twins, convention.flip_shift_cells)) / np.float32(2)
        cells, scores = self._codec(heatmaps, architecture.sigma_cells)
        return to_source(heatmap_to_input(cells, HEATMAP_STRIDE, convention.grid), transform)[0], scores[0]
