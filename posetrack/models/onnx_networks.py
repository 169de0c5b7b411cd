"""Pose networks and detectors from ONNX files as MMPose and YOLOX publish them.

Images are prepared and outputs decoded as in rtmlib (github.com/Tau-J/rtmlib), with these differences. Pose
networks get RGB, which they were trained on; rtmlib passes on OpenCV's BGR with the mean and deviation of RGB
(rtmlib#48). The score of a SimCC joint is the lower of the two classifications', as in MMPose, not their mean.
Boxes are cut off at the image's border, and lie half a pixel further up and left, because our coordinates start
at the centre of a pixel. Where people are suppressed here, IoU is that of the boxes themselves; rtmlib makes them
a pixel wider and higher for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.detector import DetectorConfig, require_image
from posetrack.models.file_format import FileFormat
from posetrack.models.letterbox import letterboxed
from posetrack.models.onnx_export import exported_architecture
from posetrack.models.onnx_graph import OnnxGraph, read_graph
from posetrack.models.onnx_reading import metadata_of
from posetrack.models.pose import CropPoseEstimator, PoseConfig
from posetrack.models.pose_format import PoseFormat
from posetrack.models.runtime import Runtime
from posetrack.pixels import from_corner
from posetrack.skeletons import COCO, SKELETONS, Skeleton
from posetrack.types import Boxes, Image

_PERSON = 0
"""Class of people, where a graph or its scores tell several."""

_BOTH = "for boxes and joints at once: give it as both --detector and --pose"
_BOX_AND_SCORE = 5
_STRIDES = (8, 16, 32)

# MMDetection's for RTMDet: for blue, green and red from 0 to 255.
_RTMDET_MEAN = torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1)
_RTMDET_STD = torch.tensor([57.375, 57.12, 58.395]).view(3, 1, 1)

_LARGE_HEIGHT = 384
"""From this height on, publishers draw Gaussians of 3 cells instead of 2."""


def load_onnx_pose(path: Path, form: FileFormat, config: PoseConfig, runtime: Runtime) -> CropPoseEstimator:
    """A pose network from an ONNX file. It runs on the CPU.

    Args:
        path: The file.
        form: What it does not say of itself. The convention defaults to MMPose's. A file that posetrack exported
            needs nothing.
        config: How it is used. SimCC has its own codec.
        runtime: See ``CropPoseEstimator``.

    Raises:
        ConfigError: a package is missing; ``form`` lacks something or contradicts the file; or the file is no
            pose network.
        WeightsError: see ``read_graph``.
    """
    graph = read_graph(path, form, runtime.engine)
    if graph.kind not in ("simcc", "heatmap"):
        reason = _BOTH if graph.kind == "rtmo" else "not one that estimates joints in boxes"
        raise ConfigError(f"{path} is a network of the kind {graph.kind}, {reason}.")
    if graph.kind == "simcc":
        config = replace(config, codec="simcc")
    on_cpu = replace(runtime, device=torch.device("cpu"))
    if graph.kind == "simcc":
        return CropPoseEstimator(graph, _pose_format(graph, form), config, on_cpu)
    return CropPoseEstimator(lambda images: graph(images)[0], _pose_format(graph, form), config, on_cpu)


def _pose_format(graph: OnnxGraph, form: FileFormat) -> PoseFormat:
    (width, height), joints = graph.size, graph.shapes[0][1]
    if form == FileFormat():
        exported = _exported(graph)
        if exported is not None:
            return exported
    convention: str = form.convention or "mmpose"
    common = PoseFormat(
        skeleton=skeleton_of(graph.path, joints, form.skeleton),
        width=width,
        height=height,
        convention=CONVENTIONS["official_hrnet" if convention == "official" else convention],
    )
    if graph.kind == "simcc":
        return replace(common, split_ratio=graph.shapes[0][2] / width)
    sigma_cells = 3.0 if height >= _LARGE_HEIGHT else 2.0
    return replace(common, stride=width / graph.shapes[0][3], sigma_cells=sigma_cells)


def _exported(graph: OnnxGraph) -> PoseFormat | None:
    """What a network takes and gives that posetrack exported itself."""
    try:
        architecture = exported_architecture(metadata_of(graph.path))
    except ConfigError as error:
        raise WeightsError(f"{graph.path} is damaged: {error}") from error
    if architecture is None:
        return None
    if (*architecture.size, len(architecture.heatmap_slots)) != (*graph.size, graph.shapes[0][1]):
        raise WeightsError(f"{graph.path} is damaged: its network is not the one that its metadata describe.")
    return architecture.format


def skeleton_of(path: Path, joints: int, name: str | None) -> Skeleton:
    """The skeleton of a name, or COCO's or another with as many joints.

    Raises:
        ConfigError: there is none of that name, or none with as many joints as the network in the file gives.
    """
    if name is not None and name not in SKELETONS:
        raise ConfigError(f"there is no skeleton {name!r}; choose one of {', '.join(SKELETONS)}.")
    candidates = [COCO, *SKELETONS.values()] if name is None else [SKELETONS[name]]
    fitting = [skeleton for skeleton in candidates if len(skeleton) == joints]
    if not fitting:
        wanted = f"{name} has {len(SKELETONS[name])}" if name else "no known skeleton has as many"
        raise ConfigError(f"{path} gives {joints} joints, but {wanted}.")
    return fitting[0]


def load_onnx_detector(path: Path, form: FileFormat, config: DetectorConfig, runtime: Runtime) -> OnnxDetector:
    """A detector from an ONNX file. It runs on the CPU.

    Args:
        path: The file.
        form: What it does not say of itself.
        config: How it is used.
        runtime: Its engine.

    Raises:
        ConfigError: a package is missing; ``form`` lacks something or contradicts the file; or it is no detector.
        WeightsError: see ``read_graph``.
    """
    graph = read_graph(path, form, runtime.engine)
    if graph.kind not in ("rtmdet", "yolox"):
        reason = _BOTH if graph.kind == "rtmo" else "not a detector of people"
        raise ConfigError(f"{path} is a network of the kind {graph.kind}, {reason}.")
    return OnnxDetector(graph, config)


class OnnxDetector:
    """People by an ONNX network of the kind ``rtmdet`` or ``yolox``: a ``Detector``.

    Args:
        graph: The network.
        config: How it is used. If suppression is in the graph, ``nms_iou`` has no effect. ``short_side`` and
            ``long_side`` have none either.
    """

    def __init__(self, graph: OnnxGraph, config: DetectorConfig) -> None:
        self._graph = graph
        self._config = config
        # With suppression in the graph, or with scores of their own, boxes are in pixels anyway.
        first = graph.probe[0][0]
        self._offsets = first.shape[-1] > _BOX_AND_SCORE and not _are_pixels(first, graph.size)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """People in each image (uint8 [H, W, 3] RGB): boxes in source pixels within the image, best score first.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
        """
        return [self._people(image) for image in images]

    @torch.inference_mode()
    def _people(self, image: Image) -> Boxes:
        require_image(image)
        canvas, ratio = letterboxed(image, self._graph.size)
        outputs = self._graph(network_input(canvas, self._graph.kind))
        boxes, scores = found_boxes(outputs, self._graph.size, self._offsets)
        sure = scores > self._config.score_threshold
        boxes, scores = boxes[sure], scores[sure]
        if not self._suppresses:
            kept = nms(boxes, scores, self._config.nms_iou)
            boxes, scores = boxes[kept], scores[kept]
        best = scores.argsort(descending=True, stable=True)
        height, width = image.shape[:2]
        limits = np.array([width, height, width, height], np.float32)
        xyxy = np.clip(boxes[best].numpy() / np.float32(ratio), 0, limits)
        inside = np.flatnonzero((xyxy[:, 2:] > xyxy[:, :2]).all(axis=1))[: self._config.max_people]
        return Boxes(from_corner(xyxy[inside]), scores[best].clamp(0, 1).numpy()[inside])

    @property
    def _suppresses(self) -> bool:
        """Whether suppression is in the graph."""
        return self._graph.shapes[0][-1] == _BOX_AND_SCORE


def network_input(canvas: Image, kind: str) -> Tensor:
    """float32 [1, 3, height, width] for a network of a kind, from a canvas uint8 [height, width, 3] RGB."""
    blue_first = torch.from_numpy(np.ascontiguousarray(canvas[..., ::-1].transpose(2, 0, 1))).float()
    return ((blue_first - _RTMDET_MEAN) / _RTMDET_STD if kind == "rtmdet" else blue_first)[None]


def found_boxes(outputs: Sequence[Tensor], size: tuple[int, int], offsets: bool) -> tuple[Tensor, Tensor]:
    """Boxes of people [N, 4] in pixels of the network's input, x1 y1 x2 y2, and their scores [N].

    Args:
        outputs: Of a detector, for one image.
        size: Width and height of its input.
        offsets: Whether YOLOX's boxes for all cells are offsets, rather than pixels.
    """
    first = outputs[0][0]
    match first.shape[-1]:
        case 4:
            return first, outputs[1][0][:, _PERSON]
        case 5:  # with its score
            people = outputs[1][0] == _PERSON if len(outputs) > 1 else slice(None)
            return first[people, :4], first[people, 4]
    centres, extents = _from_offsets(first, size) if offsets else (first[:, :2], first[:, 2:4])
    people = first[:, 4] * first[:, 5 + _PERSON]
    return torch.cat([centres - extents / 2, centres + extents / 2], 1), people


def _from_offsets(values: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Centres and extents [N, 2] in pixels, from YOLOX's offsets: centre and logarithmic size in cells."""
    cells, pixels = _cells(size)
    return (values[:, :2] + cells) * pixels, values[:, 2:4].exp() * pixels


def _are_pixels(values: Tensor, size: tuple[int, int]) -> bool:
    """Whether YOLOX's boxes are decoded in the graph, as its exporter does on request: they lie at their cells."""
    cells, pixels = _cells(size)
    from_cells = (values[:, :2] / pixels - cells).abs()
    return bool(from_cells.median() < values[:, :2].abs().median())


def _cells(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Column and row [N, 2] of each cell of YOLOX in its level, and the level's pixels per cell [N, 1]."""
    cells, pixels = [], []
    for stride in _STRIDES:
        rows, columns = torch.meshgrid(
            torch.arange(size[1] // stride), torch.arange(size[0] // stride), indexing="ij"
        )
        cells.append(torch.stack([columns, rows], -1).view(-1, 2))
        pixels.append(torch.full((len(cells[-1]), 1), stride))
    return torch.cat(cells), torch.cat(pixels)
