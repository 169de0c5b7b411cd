"""Pose estimation in boxes: crop, run the network, decode, map the joints back to source pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posetrack.calibration import Calibration
from posetrack.errors import ConfigError
from posetrack.forking import threads_at_work
from posetrack.models.conventions import InputConvention
from posetrack.models.crop import Transforms, box_transforms, to_source
from posetrack.models.device_crops import cut_out
from posetrack.models.engine import prepared
from posetrack.models.heads import HEADS
from posetrack.models.onnx_export import pose_interface
from posetrack.models.outputs import tensors_in, with_tensors
from posetrack.models.pose_format import PoseFormat
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.runtime import CPU, Runtime
from posetrack.ranges import require_kinds, require_one_of, require_whole
from posetrack.skeletons import Skeleton
from posetrack.types import Boxes, FloatArray, Image, Poses

_CPU_BATCH = 8
"""Maximum number of crops, mirrored ones included, in a batch on a CPU: more do not fit its caches. Above some
number, oneDNN also takes other kernels, and a crop's output would depend on how many people there are."""


@dataclass(frozen=True, kw_only=True)
class PoseConfig:
    """How a pose network is used.

    Attributes:
        flip_test: Average with the output for the mirrored image (twice the work, a little more accurate).
        codec: How the network's output becomes joints (a key of ``posetrack.models.heads.HEADS``).
        max_batch: Maximum number of crops, mirrored ones included, in a batch (on a CPU at most 8).
    """

    flip_test: bool = False
    codec: str = "quarter"
    max_batch: int = 64

    def __post_init__(self) -> None:
        require_kinds(self)
        require_one_of(HEADS, codec=self.codec)
        require_whole(1, max_batch=self.max_batch)


def on_processor(device: torch.device) -> bool:
    """Whether people are cut out by OpenCV and whole outputs decoded.

    Elsewhere the frame goes to the network's device once, people are cut out there, and only the cells around the
    peaks of heatmaps come back.
    """
    return device.type == "cpu"


class CropPoseEstimator:
    """Top-down pose estimation with any network that sees one person at a time: a ``PoseEstimator``.

    All people of a frame go through the network in one batch.

    Args:
        network: Takes float [B, 3, height, width] in the colours of its convention, on the runtime's device;
            returns a tensor or tuple of tensors that the codec can decode. Called by several threads at once if
            the runtime says so.
        form: What it takes and gives.
        config: How it is used.
        runtime: Where it runs.

    Raises (when it first estimates):
        ConfigError: the codec does not decode what the network returns.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Any],
        form: PoseFormat,
        config: PoseConfig | None = None,
        runtime: Runtime = CPU,
    ) -> None:
        self._network = network
        self._form = form
        self._config = config or PoseConfig()
        self._device = runtime.device
        self._on_cpu = runtime.device.type == "cpu"
        most = min(self._config.max_batch, _CPU_BATCH) if self._on_cpu else self._config.max_batch
        self._max_batch = max(1, most // 2 if self._config.flip_test else most)
        several = self._on_cpu and runtime.side_by_side > 1
        self._side_by_side = runtime.side_by_side if several else 1
        self._threads = ThreadPoolExecutor(runtime.side_by_side, thread_name_prefix="pose") if several else None
        self._normalisation = Normalisation(form.convention, self._device)
        self._near = not on_processor(self._device)
        self._head = HEADS[self._config.codec](form, self._near)
        wanted = form.channels if form.fills_unused else form.skeleton.in_use
        channels = np.flatnonzero(np.isin(form.channels, wanted))
        self._slots = form.channels[channels]
        self._channels = torch.from_numpy(channels).to(self._device)
        channel = {slot: index for index, slot in enumerate(self._slots.tolist())}
        twins = form.skeleton.flip_permutation[self._slots] if self._config.flip_test else self._slots
        self._channel_twins = torch.tensor([channel[slot] for slot in twins.tolist()], device=self._device)

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._form.skeleton

    @property
    def calibration(self) -> Calibration | None:
        """Turns the scores of ``estimate`` into probabilities; ``None`` if that was not measured."""
        return self._form.calibration

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
            ConfigError: the threads it works with are missing in this process (``posetrack.forking``).
        """
        return self.estimate_batch([image], [boxes])[0]

    def estimate_batch(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[Poses]:
        """The same for several images, with the people of all of them in common batches."""
        if not images:
            return []
        form = self._form
        transforms = [box_transforms(each.xyxy, form.size, form.padding, form.convention.grid) for each in boxes]
        crops = [
            cut_out(image, each, form, self._device, self._near)
            for image, each in zip(images, transforms, strict=True)
        ]
        keypoints, scores = self._joints(torch.cat(crops), np.concatenate(transforms))
        ends = np.cumsum([len(each) for each in boxes])[:-1]
        return [
            Poses.in_boxes(each, xy, score, self.skeleton)
            for each, xy, score in zip(boxes, np.split(keypoints, ends), np.split(scores, ends), strict=True)
        ]

    def _joints(self, crops: Tensor, transforms: Transforms) -> tuple[FloatArray, FloatArray]:
        """Joints float32 [N, K, 2] in source pixels and their scores [N, K], of crops cut by these transforms."""
        keypoints = np.zeros((len(crops), len(self.skeleton), 2), np.float32)
        scores = np.zeros((len(crops), len(self.skeleton)), np.float32)
        if len(crops):
            points, found = self._head.joints(self._outputs(crops))
            keypoints[:, self._slots], scores[:, self._slots] = to_source(points, transforms), found
        return keypoints, scores

    def _outputs(self, crops: Tensor) -> Iterator[Any]:
        """The network's outputs on its device for crops on any device, batch by batch."""
        batches = -(-len(crops) // self._max_batch)
        if self._on_cpu and batches > 1:
            batches = min(batches + batches % 2, len(crops))  # so that two CPUs have the same work
        parts = torch.tensor_split(crops, batches)
        threads_at_work(self._side_by_side)
        return map(self._forward, parts) if self._threads is None else self._threads.map(self._forward, parts)

    @torch.inference_mode()
    def _forward(self, crops: Tensor) -> Any:
        images = self._normalisation(crops.to(self._device).permute(0, 3, 1, 2))
        if not self._config.flip_test:
            return self._run(images)
        output = self._run(torch.cat([images, images.flip(-1)]))
        plain = with_tensors(output, lambda tensor: tensor[: len(images)])
        mirrored = with_tensors(output, lambda tensor: tensor[len(images) :])
        back = tensors_in(self._head.mirrored(mirrored, self._channel_twins))
        return with_tensors(plain, lambda tensor: (tensor + next(back)) * 0.5)

    def _run(self, images: Tensor) -> Any:
        output = self._network(images)
        shapes = [tuple(tensor.shape) for tensor in tensors_in(output)]
        if tuple(map(len, shapes)) != self._head.dimensions:
            raise ConfigError(
                f"codec {self._config.codec} decodes {self._head.decodes}; the network returns "
                f"{' and '.join(str(list(shape)) for shape in shapes) or 'no tensor'}: choose another codec."
            )
        if shapes[0][1] == len(self._channels):
            return output
        return with_tensors(output, lambda tensor: tensor[:, self._channels])


class HeatmapPoseEstimator(CropPoseEstimator):
    """``CropPoseEstimator`` for the heatmap networks built here.

    Args:
        network: Of ``architecture.build()``. It is copied.
        architecture: What it is fed with, and what its heatmaps mean.
        config: How it is used.
        runtime: Where and how it runs.

    Raises:
        ConfigError: the device does not support the precision.
    """

    def __init__(
        self,
        network: nn.Module,
        architecture: PoseArchitecture,
        config: PoseConfig | None = None,
        runtime: Runtime = CPU,
    ) -> None:
        ready = prepared(network, runtime, pose_interface(architecture))
        super().__init__(ready, architecture.format, config, runtime)

    def heatmaps(self, crops: Image) -> FloatArray:
        """Heatmaps float32 [N, joints in use, height/4, width/4] of crops uint8 [N, height, width, 3] RGB."""
        return np.concatenate([part.cpu().numpy() for part in self._outputs(torch.from_numpy(crops))])


class Normalisation:
    """Normalises crops as a network expects: uint8 [B, 3, height, width] RGB to float, on the same device.

    In grey levels, first minus the mean and then divided, like MMPose: its networks see the same to the last bit.

    Args:
        convention: The network's.
        device: Device of the crops.
    """

    def __init__(self, convention: InputConvention, device: torch.device) -> None:
        self._mean, self._std = (
            torch.tensor([255 * value for value in values]).view(1, 3, 1, 1).to(device)
            for values in (convention.mean, convention.std)
        )
        self._bgr = convention.colour_order == "bgr"

    def __call__(self, images: Tensor) -> Tensor:
        if self._bgr:
            images = images.flip(1)
        return images.float().sub_(self._mean).div_(self._std)
