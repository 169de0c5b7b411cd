"""People and their joints in one step by RTMO, from MMPose's checkpoints.

Images are prepared and outputs decoded as in MMPose. Joints lie where it puts them; boxes are cut off at the
image's border, and lie half a pixel further up and left, because our coordinates start at the centre of a pixel.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou, nms

from posetrack.errors import ConfigError
from posetrack.models.checkpoint_reading import read_checkpoint
from posetrack.models.checkpoints import fill, unchanged
from posetrack.models.conventions import InputConvention
from posetrack.models.detector import DetectorConfig, require_image
from posetrack.models.engine import prepared
from posetrack.models.letterbox import centred
from posetrack.models.onnx_file import Interface
from posetrack.models.pose import Normalisation
from posetrack.models.remedies import for_joints, has_part, which_of
from posetrack.models.rtmo import RTMO, RTMOS, Candidates, rtmo_tensors
from posetrack.models.runtime import CPU, Runtime
from posetrack.pixels import from_centre, from_corner
from posetrack.skeletons import COCO, Skeleton
from posetrack.types import Boxes, FloatArray, Image, Poses, Sighting

PUBLISHED_SIZE = (640, 640)
"""Width and height of the input of all but rtmo_t, which has 416x416."""

PUBLISHED_CONFIG = DetectorConfig(score_threshold=0.1, nms_iou=0.65)
"""How MMPose's configurations find people."""

_JOINTS = "head.head_module.out_kpt_vis.0.bias"
"""A tensor with a value for each joint."""

_MULTIPLE = 32
_SAME_PERSON_IOU = 0.3
"""From this overlap on, a candidate may be the person expected in a box."""

_COLOURS = InputConvention(colour_order="bgr", std=(1 / 255,) * 3)
"""Blue first, from 0 to 255 as they are."""


def build_rtmo(name: str, joints: int) -> RTMO:
    """One of ``RTMOS`` with fresh weights.

    Raises:
        ConfigError: there is no network of that name.
    """
    if name not in RTMOS:
        raise ConfigError(f"the network {name!r} is unknown; choose one of {', '.join(RTMOS)}.")
    return RTMO(name, joints)


def read_rtmo(name: str, path: Path, skeleton: Skeleton = COCO) -> RTMO:
    """The same with the weights of MMPose's checkpoint, strictly; in evaluation mode on the CPU.

    Tensors that only training uses are left out.

    Args:
        name: One of ``RTMOS``.
        path: A PyTorch file or safetensors; no code in it is run.
        skeleton: Of its joints.

    Raises:
        ConfigError: there is no network of that name.
        WeightsError: the file cannot be read, or is of another network; lists the names that differ.
    """
    network, tensors = build_rtmo(name, len(skeleton)), rtmo_tensors(read_checkpoint(path))
    remedy = partial(_remedy, name, len(skeleton))
    return fill(network, tensors, (path, name), unchanged("MMPose 1.x"), remedy)


def load_rtmo(
    name: str,
    path: Path,
    skeleton: Skeleton = COCO,
    size: tuple[int, int] = PUBLISHED_SIZE,
    config: DetectorConfig = PUBLISHED_CONFIG,
    runtime: Runtime = CPU,
) -> RTMOPeople:
    """The same as a stage; see ``RTMOPeople``. Overlapping people are suppressed as published.

    Raises:
        ConfigError, WeightsError: see ``read_rtmo`` and ``RTMOPeople``.
    """
    config = replace(config, nms_iou=PUBLISHED_CONFIG.nms_iou)
    return RTMOPeople(read_rtmo(name, path, skeleton), skeleton, size, config, runtime)


def _remedy(name: str, joints: int, weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    found = weights[_JOINTS].numel() if _JOINTS in weights else joints
    if found != joints and has_part(weights, "neck", build_rtmo(name, joints)):
        return for_joints(found, joints)
    return which_of({other: partial(RTMO, other, joints) for other in RTMOS}, "neck", name, weights)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What RTMO saw in an image.

    Attributes:
        candidates: Cells that score above the threshold, suppressed ones too.
        ratio: Input pixels per source pixel.
        shift: float64 [2], position in the input of the image's top left pixel's centre.
    """

    candidates: Candidates
    ratio: float
    shift: FloatArray

    def in_source(self, points: Tensor) -> FloatArray:
        """float32 [.., 2] of points in the input."""
        source = (points.cpu().numpy().astype(np.float64) - self.shift) / self.ratio
        return np.asarray(source, np.float32)

    def boxes(self) -> FloatArray:
        """float32 [N, 4] of the candidates, x1 y1 x2 y2 in source pixels from the corner."""
        return self.in_source(self.candidates.boxes.reshape(-1, 2, 2)).reshape(-1, 4)


class RTMOPeople:
    """People and their joints by RTMO: a ``People`` stage.

    ``find`` gives all joints. ``refine`` gives each box the joints of the candidate that overlaps it most, among
    all cells above the threshold: suppressed ones too. If none overlaps it, the joints are missing. A joint's
    score is the probability that it is visible.

    It is also a ``Detector`` and a ``PoseEstimator``, to be combined with other networks.

    Args:
        network: It is copied.
        skeleton: Of its joints.
        size: Width and height of its input, multiples of 32.
        config: How people are found. ``short_side`` and ``long_side`` have no effect.
        runtime: Where and how it runs. The coordinate classifier runs in torch, in fp32.

    Raises:
        ConfigError: the size is impossible, or the device does not support the precision.
    """

    def __init__(
        self,
        network: RTMO,
        skeleton: Skeleton = COCO,
        size: tuple[int, int] = PUBLISHED_SIZE,
        config: DetectorConfig = PUBLISHED_CONFIG,
        runtime: Runtime = CPU,
    ) -> None:
        if min(size) < _MULTIPLE or any(side % _MULTIPLE for side in size):
            raise ConfigError(f"the input of RTMO is {size[0]}x{size[1]}; give multiples of {_MULTIPLE}.")
        self.skeleton = skeleton
        self._size = size
        self._config = config
        self._device = runtime.device
        self._candidates = network.candidates
        self._network = prepared(network, runtime, Interface(name="rtmo", channels=3, size=size[::-1]))
        self._joints = copy.deepcopy(network.head.dcc).eval().requires_grad_(False).to(runtime.device)
        self._normalised = Normalisation(_COLOURS, runtime.device)

    def find(self, images: Sequence[Image]) -> list[Sighting]:
        """People in each image (uint8 [H, W, 3] RGB): boxes in source pixels within the image, best score first.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
        """
        pairs = zip(images, self._seen(images), strict=True)
        return [Sighting(image, self._found(image, seen), seen) for image, seen in pairs]

    def refine(self, sightings: Sequence[Sighting], boxes: Sequence[Boxes]) -> list[Poses]:
        """The joints of the person in each box.

        Args:
            sightings: Of images uint8 [H, W, 3] RGB.
            boxes: For each image, N boxes in source pixels.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
        """
        return [self._refined(*pair) for pair in zip(sightings, boxes, strict=True)]

    def for_video(self) -> Self:
        """Itself: it remembers nothing, and any number of threads may share it."""
        return self

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """The boxes that ``find`` gives."""
        found = (self._found(*pair) for pair in zip(images, self._seen(images), strict=True))
        return [Boxes(poses.boxes, poses.scores) for poses in found]

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """What ``refine`` gives for an image without a detection."""
        return self._refined(Sighting(image), boxes)

    @torch.inference_mode()
    def _seen(self, images: Sequence[Image]) -> list[Seen]:
        """What is in each image; all sizes share batches."""
        for image in images:
            require_image(image)
        seen: list[Seen] = []
        for start in range(0, len(images), self._config.max_batch):
            some = images[start : start + self._config.max_batch]
            canvases, ratios = zip(*(centred(image, self._size) for image in some), strict=True)
            pixels = torch.from_numpy(np.stack(canvases)).to(self._device).permute(0, 3, 1, 2)
            candidates = self._candidates(self._network(self._normalised(pixels)))
            for index, (image, ratio) in enumerate(zip(some, ratios, strict=True)):
                mine = candidates.of(index)
                shift = (np.array(self._size) - ratio * np.array(image.shape[1::-1])) / 2
                seen.append(Seen(mine.of(mine.scores > self._config.score_threshold), ratio, shift))
        return seen

    @torch.inference_mode()
    def _found(self, image: Image, seen: Seen) -> Poses:
        """The best candidates of one image."""
        boxes, scores = seen.candidates.boxes, seen.candidates.scores
        kept = nms(boxes, scores, self._config.nms_iou)
        height, width = image.shape[:2]
        xyxy = seen.boxes()[kept.cpu().numpy()].clip(0, np.array([width, height] * 2, np.float32))
        inside = np.flatnonzero((xyxy[:, 2:] > xyxy[:, :2]).all(axis=1))[: self._config.max_people]
        kept = kept[torch.from_numpy(inside).to(kept.device)]
        people = Boxes(from_corner(xyxy[inside]), scores[kept].cpu().numpy())
        return Poses.in_boxes(people, *self._located(seen, kept), self.skeleton)

    @torch.inference_mode()
    def _refined(self, sighting: Sighting, boxes: Boxes) -> Poses:
        keypoints = np.zeros((len(boxes), len(self.skeleton), 2), np.float32)
        scores = np.zeros((len(boxes), len(self.skeleton)), np.float32)
        if len(boxes):
            seen = sighting.features
            if not isinstance(seen, Seen):
                seen = self._seen([sighting.image])[0]
            if len(seen.candidates.scores):
                wanted = torch.from_numpy(from_centre(boxes.xyxy.astype(np.float32)))
                overlaps, best = box_iou(wanted, torch.from_numpy(seen.boxes())).max(1)
                same = overlaps >= _SAME_PERSON_IOU
                chosen = best[same].to(self._device)
                keypoints[same.numpy()], scores[same.numpy()] = self._located(seen, chosen)
        return Poses.in_boxes(boxes, keypoints, scores, self.skeleton)

    def _located(self, seen: Seen, chosen: Tensor) -> tuple[FloatArray, FloatArray]:
        """Joints [N, K, 2] in source pixels and scores [N, K] of the candidates with these indices."""
        people = seen.candidates.of(chosen)
        joints = self._joints(people)
        return seen.in_source(joints), people.visibilities.cpu().numpy()
