"""Stages that somebody brings: checked when a tracker is made, and used so that nothing need be known of them.

Such an object is called by one thread at a time, although the stages of a pipeline run side by side, and several
videos may be tracked at once. What it gives is checked and copied, because detection runs ahead of tracking, and
the object may fill the same arrays again. Objects that are ``PerVideo`` take care of all this themselves.
"""

from __future__ import annotations

import reprlib
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import cast

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.stages import (
    BatchFlowEstimator,
    BatchPoseEstimator,
    Detector,
    Flow,
    FlowEstimator,
    PerVideo,
    PoseEstimator,
)
from posetrack.types import Boxes, Image, Poses


class OwnStages:
    """Takes in the stages of one tracker."""

    def __init__(self) -> None:
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def detector(self, stage: Detector) -> Detector:
        """Raises ``TypeError`` if it is none."""
        _check(stage, "detector", "detect", "Detector")
        return stage if isinstance(stage, PerVideo) else _OwnDetector(stage, self._locks[id(stage)])

    def pose(self, stage: PoseEstimator) -> PoseEstimator:
        """Raises ``TypeError`` if it is none."""
        _check(stage, "pose", "estimate", "PoseEstimator")
        if not isinstance(getattr(stage, "skeleton", None), Skeleton):
            raise TypeError(f"{_name(stage)} has no skeleton; give it one, such as posetrack.POSETRACK.")
        if isinstance(stage, PerVideo):
            return stage
        lock = self._locks[id(stage)]
        return _OwnBatchPose(stage, lock) if isinstance(stage, BatchPoseEstimator) else _OwnPose(stage, lock)

    def flow(self, stage: FlowEstimator) -> FlowEstimator:
        """Raises ``TypeError`` if it is none."""
        _check(stage, "flow", "estimate", "FlowEstimator")
        if isinstance(stage, PerVideo):
            return stage
        lock = self._locks[id(stage)]
        return _OwnBatchFlow(stage, lock) if isinstance(stage, BatchFlowEstimator) else _OwnFlow(stage, lock)


def _check(stage: object, argument: str, method: str, protocol: str) -> None:
    if isinstance(stage, type):
        raise TypeError(f"{argument} is the class {stage.__name__}; give an object, such as {stage.__name__}().")
    if not callable(getattr(stage, method, None)):
        raise TypeError(
            f"{argument} is {reprlib.repr(stage)}; give an object with the method {method}, a "
            f"posetrack.stages.{protocol}. (Weights and methods that go by a name belong into the preset: "
            f"posetrack.presets.customised.)"
        )


def _name(stage: object) -> str:
    return type(stage).__name__


class _OwnDetector:
    def __init__(self, stage: Detector, lock: threading.Lock) -> None:
        self._stage, self._lock = stage, lock

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        with self._lock:
            found = self._stage.detect(images)
            _check_list(found, Boxes, len(images), f"{_name(self._stage)}.detect")
            return [boxes[np.arange(len(boxes))] for boxes in found]


class _OwnPose:
    def __init__(self, stage: PoseEstimator, lock: threading.Lock) -> None:
        self._stage, self._lock = stage, lock
        self.skeleton = stage.skeleton

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        with self._lock:
            return self._taken(self._stage.estimate(image, boxes), boxes, "estimate")

    def _taken(self, poses: Poses, boxes: Boxes, method: str) -> Poses:
        name = f"{_name(self._stage)}.{method}"
        if not isinstance(poses, Poses):
            raise TypeError(f"{name} gave {reprlib.repr(poses)}; give posetrack.Poses.")
        if len(poses) != len(boxes):
            raise ValueError(
                f"{name} gave {len(poses)} poses for {len(boxes)} boxes; give one for each, in order."
            )
        if poses.skeleton != self.skeleton:
            raise ValueError(
                f"{name} gave poses of the skeleton {poses.skeleton.name}, and its own is {self.skeleton.name}."
            )
        return poses[np.arange(len(poses))]


class _OwnBatchPose(_OwnPose):
    def estimate_batch(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[Poses]:
        with self._lock:
            found = cast(BatchPoseEstimator, self._stage).estimate_batch(images, boxes)
            _check_list(found, Poses, len(images), f"{_name(self._stage)}.estimate_batch")
            return [self._taken(*pair, "estimate_batch") for pair in zip(found, boxes, strict=True)]


class _OwnFlow:
    def __init__(self, stage: FlowEstimator, lock: threading.Lock) -> None:
        self._stage, self._lock = stage, lock

    def estimate(self, previous: Image, current: Image) -> Flow:
        with self._lock:
            return self._taken(self._stage.estimate(previous, current), "estimate")

    def _taken(self, flow: Flow, method: str) -> Flow:
        if not callable(getattr(flow, "at", None)):
            raise TypeError(
                f"{_name(self._stage)}.{method} gave {reprlib.repr(flow)}; give an object with the method at, a "
                "posetrack.stages.Flow, such as posetrack.flow.DenseFlow."
            )
        return flow


class _OwnBatchFlow(_OwnFlow):
    def estimate_batch(self, pairs: Sequence[tuple[Image, Image]]) -> Sequence[Flow]:
        with self._lock:
            found = cast(BatchFlowEstimator, self._stage).estimate_batch(pairs)
            if len(found) != len(pairs):
                raise ValueError(
                    f"{_name(self._stage)}.estimate_batch gave {len(found)} flows for {len(pairs)} pairs."
                )
            return [self._taken(flow, "estimate_batch") for flow in found]


def _check_list(found: object, kind: type, count: int, name: str) -> None:
    if not isinstance(found, list | tuple) or not all(isinstance(each, kind) for each in found):
        raise TypeError(
            f"{name} gave {reprlib.repr(found)}; give a list with posetrack.{kind.__name__} for each image."
        )
    if len(found) != count:
        raise ValueError(f"{name} gave {len(found)} {kind.__name__} for {count} images; give one for each.")
