"""Pose estimation stage: crop, run the network, decode, bring the joints back to source pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from posetrack.calibration import Calibration
from posetrack.forking import threads_at_work
from posetrack.models.around_network import AroundNetwork, OnDevice, OnProcessor
from posetrack.models.conventions import CONVENTIONS, InputConvention
from posetrack.models.crop import Transforms, box_transforms, to_source
from posetrack.models.decoding import CODECS
from posetrack.models.engine import prepared
from posetrack.models.heatmap import heatmap_to_input, mirrored_back
from posetrack.models.onnx_export import pose_interface
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.runtime import CPU, Runtime
from posetrack.models.simple_baseline import HEATMAP_STRIDE
from posetrack.ranges import require_one_of, require_whole
from posetrack.skeletons import Skeleton
from posetrack.types import UNLINKED, Boxes, FloatArray, Image, Poses

_CPU_BATCH = 8
"""Most crops, mirrored ones counted, that go through a network at once on a CPU: more of them leave its caches.
And from some number on oneDNN takes other kernels: a crop's heatmaps would depend on how many people there are."""


@dataclass(frozen=True, kw_only=True)
class PoseConfig:
    """How a pose network is used.

    Attributes:
        flip_test: Average with the mirrored image's heatmaps (twice the work, a little more accurate).
        codec: How heatmaps become joints (a key of ``posetrack.models.decoding.CODECS``).
        max_batch: Most crops, mirrored ones counted, that go through the network at once (on a CPU never more
            than 8).
    """

    flip_test: bool = False
    codec: str = "quarter"
    max_batch: int = 64

    def __post_init__(self) -> None:
        require_one_of(CODECS, codec=self.codec)
        require_whole(1, max_batch=self.max_batch)


class HeatmapPoseEstimator:
    """Top-down pose estimation with a heatmap network: a ``PoseEstimator``.

    All people of a frame go through the network in one batch.

    Args:
        network: Takes float [B, 3, height, width] as its convention has it, for our own RGB in [0, 1]; returns
            heatmaps at a quarter of the size.
        architecture: Its input size, padding, convention and skeleton.
        config: How it is used.
        runtime: Where and how it runs.

    Raises:
        ConfigError: the device does not have the precision.
    """

    def __init__(
        self,
        network: nn.Module,
        architecture: PoseArchitecture,
        config: PoseConfig | None = None,
        runtime: Runtime = CPU,
    ) -> None:
        self._network = prepared(network, runtime, pose_interface(architecture))
        self._architecture = architecture
        self._config = config or PoseConfig()
        self._on_cpu = runtime.device.type == "cpu"
        most = min(self._config.max_batch, _CPU_BATCH) if self._on_cpu else self._config.max_batch
        self._max_batch = max(1, most // 2 if self._config.flip_test else most)
        several = self._on_cpu and runtime.side_by_side > 1
        self._side_by_side = runtime.side_by_side if several else 1
        self._threads = ThreadPoolExecutor(runtime.side_by_side, thread_name_prefix="pose") if several else None
        self._device = runtime.device
        self._convention = CONVENTIONS[architecture.convention]
        self._normalisation = Normalisation(self._convention, self._device)
        codec = self._config.codec
        self._around: AroundNetwork = (
            OnProcessor(architecture, codec) if self._on_cpu else OnDevice(architecture, codec, self._device)
        )
        slots = architecture.heatmap_slots
        channels = np.flatnonzero(np.isin(slots, architecture.filled_slots))
        self._slots = slots[channels]
        self._channels = torch.from_numpy(channels).to(self._device)
        channel = {slot: index for index, slot in enumerate(self._slots.tolist())}
        twins = architecture.joints.flip_permutation[self._slots]
        self._channel_twins = torch.tensor([channel[slot] for slot in twins.tolist()], device=self._device)

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._architecture.joints

    @property
    def calibration(self) -> Calibration | None:
        """Turns the scores of ``estimate`` into probabilities; ``None`` if that was not measured."""
        return self._architecture.calibration

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """The joints of the person in each box.

        Scores are the heights of the heatmaps' peaks, which the tracker's thresholds are made for. The tracker
        reports them as probabilities, by ``calibration``.

        Args:
            image: uint8 [H, W, 3] RGB.
            boxes: N boxes in source pixels.

        Returns:
            N poses in the boxes' order; joints that the network has not learnt are missing (score 0).

        Raises:
            ConfigError: the threads that it works with are missing in this process (``posetrack.forking``).
        """
        return self.estimate_batch([image], [boxes])[0]

    def estimate_batch(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[Poses]:
        """The same for several images, the people of all of them in common batches."""
        if not images:
            return []
        size, padding, grid = self._architecture.size, self._architecture.padding, self._convention.grid
        transforms = [box_transforms(each.xyxy, size, padding, grid) for each in boxes]
        crops = [self._around.crops(image, each) for image, each in zip(images, transforms, strict=True)]
        keypoints, scores = self._joints(torch.cat(crops), np.concatenate(transforms))
        ends = np.cumsum([len(each) for each in boxes])[:-1]
        return [
            Poses(each.xyxy, each.scores, xy, score, np.full(len(each), UNLINKED), self.skeleton)
            for each, xy, score in zip(boxes, np.split(keypoints, ends), np.split(scores, ends), strict=True)
        ]

    def _joints(self, crops: Tensor, transforms: Transforms) -> tuple[FloatArray, FloatArray]:
        """Joints float32 [N, K, 2] in source pixels and their scores [N, K], of crops cut by these transforms."""
        keypoints = np.zeros((len(crops), len(self.skeleton), 2), np.float32)
        scores = np.zeros((len(crops), len(self.skeleton)), np.float32)
        if len(crops):
            cells, found = self._around.joints(self._heatmaps(crops))
            points = to_source(heatmap_to_input(cells, HEATMAP_STRIDE, self._convention.grid), transforms)
            keypoints[:, self._slots], scores[:, self._slots] = points, found
        return keypoints, scores

    def heatmaps(self, crops: Image) -> FloatArray:
        """Heatmaps float32 [N, joints estimated, height/4, width/4] of crops uint8 [N, height, width, 3] RGB."""
        return np.concatenate([part.cpu().numpy() for part in self._heatmaps(torch.from_numpy(crops))])

    def _heatmaps(self, crops: Tensor) -> Iterator[Tensor]:
        """The same of crops on any device, batch by batch, on the network's."""
        batches = -(-len(crops) // self._max_batch)
        if self._on_cpu and batches > 1:
            batches = min(batches + batches % 2, len(crops))  # two processors then have the same to do
        parts = torch.tensor_split(crops, batches)
        threads_at_work(self._side_by_side)
        return map(self._forward, parts) if self._threads is None else self._threads.map(self._forward, parts)

    @torch.inference_mode()
    def _forward(self, crops: Tensor) -> Tensor:
        images = self._normalisation(crops.to(self._device).permute(0, 3, 1, 2))
        if not self._config.flip_test:
            return self._run(images)
        heatmaps, mirrored = self._run(torch.cat([images, images.flip(-1)])).chunk(2)
        return (heatmaps + mirrored_back(mirrored, self._channel_twins, self._convention.flip_shift_cells)) * 0.5

    def _run(self, images: Tensor) -> Tensor:
        output: Tensor = self._network(images)
        return output if len(self._channels) == output.shape[1] else output[:, self._channels]


class Normalisation:
    """Crops in the colours that a network expects: uint8 [B, 3, height, width] RGB to float, on the same device.

    Args:
        convention: Of the network's publisher.
        device: Where the crops will be.
    """

    def __init__(self, convention: InputConvention, device: torch.device) -> None:
        mean, std = torch.tensor(convention.mean), torch.tensor(convention.std)
        self._bgr = convention.colour_order == "bgr"
        self._plain = bool((mean == 0).all() and (std == 1).all())
        self._offset = (-mean / std).view(1, 3, 1, 1).to(device)
        self._divisor = (255 * std).view(1, 3, 1, 1).to(device)

    def __call__(self, images: Tensor) -> Tensor:
        if self._bgr:
            images = images.flip(1)
        if self._plain:
            return images.float() / 255
        return torch.addcdiv(self._offset, images.float(), self._divisor)
