"""People and their joints in one step, from an ONNX file of the kind ``rtmo``, as MMPose publishes RTMO.

Images are prepared and outputs decoded as in rtmlib (github.com/Tau-J/rtmlib), which suppresses boxes that overlap
although the network has done so too. Boxes are cut off at the image's border, and lie half a pixel further up and
left, because our coordinates start at the centre of a pixel; joints are where rtmlib has them. People outside the
image are left out, and IoU is that of the boxes themselves: rtmlib makes them a pixel wider and higher for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torchvision.ops import box_iou, nms

from posetrack.errors import ConfigError
from posetrack.models.detector import DetectorConfig, require_image
from posetrack.models.file_format import FileFormat
from posetrack.models.letterbox import letterboxed
from posetrack.models.onnx_graph import OnnxGraph, read_graph
from posetrack.models.onnx_networks import network_input, skeleton_of
from posetrack.models.runtime import Runtime
from posetrack.pixels import from_corner
from posetrack.skeletons import Skeleton
from posetrack.types import Boxes, Image, Poses, Sighting

_SAME_PERSON_IOU = 0.3
"""From this overlap on, a person found may be the one expected in a box."""


def load_onnx_people(path: Path, form: FileFormat, config: DetectorConfig, runtime: Runtime) -> OnnxPeople:
    """A one-stage network from an ONNX file. It runs on the CPU.

    Args:
        path: The file.
        form: What it does not say of itself.
        config: How people are found.
        runtime: Its engine.

    Raises:
        ConfigError: a package is missing; ``form`` lacks something or contradicts the file; or the file is no
            one-stage network.
        WeightsError: see ``read_graph``.
    """
    graph = read_graph(path, form, runtime.engine)
    if graph.kind != "rtmo":
        raise ConfigError(f"{path} is a network of the kind {graph.kind}, not one for boxes and joints at once.")
    return OnnxPeople(graph, skeleton_of(path, graph.shapes[1][2], form.skeleton), config)


class OnnxPeople:
    """People and their joints by an ONNX network of the kind ``rtmo``: a ``People`` stage.

    ``find`` gives all joints. ``refine`` cannot look into a box: it gives each box the joints of the person found
    who overlaps it most; if nobody does, the joints are missing.

    Args:
        graph: The network.
        skeleton: Of its joints.
        config: How people are found. ``short_side`` and ``long_side`` have no effect.
    """

    def __init__(self, graph: OnnxGraph, skeleton: Skeleton, config: DetectorConfig) -> None:
        self._graph = graph
        self._config = config
        self.skeleton = skeleton

    def find(self, images: Sequence[Image]) -> list[Sighting]:
        """People in each image (uint8 [H, W, 3] RGB), in source pixels, best score first.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
        """
        return [Sighting(image, self._found(image)) for image in images]

    def refine(self, sightings: Sequence[Sighting], boxes: Sequence[Boxes]) -> list[Poses]:
        """For each sighting, the joints of the person in each of its boxes.

        Raises:
            ValueError: an image of another shape or type, or without pixels.
        """
        return [self._refined(*pair) for pair in zip(sightings, boxes, strict=True)]

    def for_video(self) -> Self:
        """Itself: it remembers nothing, and any number of threads may share it."""
        return self

    @torch.inference_mode()
    def _found(self, image: Image) -> Poses:
        require_image(image)
        canvas, ratio = letterboxed(image, self._graph.size)
        detections, joints = (output[0] for output in self._graph(network_input(canvas, "rtmo")))
        sure = detections[:, 4] > self._config.score_threshold
        detections, joints = detections[sure], joints[sure]
        kept = nms(detections[:, :4], detections[:, 4], self._config.nms_iou)[: self._config.max_people]
        boxes, keypoints = detections[kept].numpy(), joints[kept].numpy()
        height, width = image.shape[:2]
        xyxy = np.clip(boxes[:, :4] / np.float32(ratio), 0, np.array([width, height, width, height], np.float32))
        inside = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)
        return Poses.in_boxes(
            Boxes(from_corner(xyxy[inside]), np.clip(boxes[inside, 4], 0, 1)),
            (keypoints[inside, :, :2] / ratio).astype(np.float32),
            np.clip(keypoints[inside, :, 2], 0, 1),
            self.skeleton,
        )

    def _refined(self, sighting: Sighting, boxes: Boxes) -> Poses:
        found = self._found(sighting.image) if sighting.found is None else sighting.found
        keypoints = np.zeros((len(boxes), len(self.skeleton), 2), np.float32)
        scores = np.zeros((len(boxes), len(self.skeleton)), np.float32)
        if len(found) and len(boxes):
            overlaps = box_iou(torch.tensor(boxes.xyxy), torch.tensor(found.boxes)).numpy()
            best = overlaps.argmax(axis=1)
            same = overlaps[np.arange(len(boxes)), best] >= _SAME_PERSON_IOU
            keypoints[same], scores[same] = found.keypoints[best[same]], found.keypoint_scores[best[same]]
        return Poses.in_boxes(boxes, keypoints, scores, self.skeleton)
