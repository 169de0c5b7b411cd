"""The user's own stages: checked when a tracker is made, and wrapped so that they can be simple.

A wrapped stage is called by one thread at a time, although the stages of a pipeline run side by side and several
videos may be tracked at once. Its results are checked and copied, because detection runs ahead of tracking and the
stage may fill the same arrays again. ``PerVideo`` stages take care of all this themselves.
"""

from __future__ import annotations

import copy
import reprlib
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.stages import (
    Appearance,
    BatchFlowEstimator,
    BatchPoseEstimator,
    Detector,
    Flow,
    FlowEstimator,
    Linker,
    People,
    PerVideo,
    PoseEstimator,
)
from posetrack.top_down import TopDown
from posetrack.types import UNLINKED, Boxes, FloatArray, Image, Poses, Sighting

Stage = TypeVar("Stage")


class OwnStages:
    """Takes in the stages of one tracker. Each method raises ``TypeError`` for anything but such a stage."""

    def __init__(self) -> None:
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def people(self, stage: People) -> People:
        """A ``People`` stage."""
        if type(stage) is TopDown:
            return TopDown(self.detector(stage.detector), self.pose(stage.pose))
        _check(stage, "people", "People", "find", "refine")
        _check_skeleton(stage)
        return self._wrapped(stage, _OwnPeople)

    def detector(self, stage: Detector) -> Detector:
        """A ``Detector``."""
        _check(stage, "detector", "Detector", "detect")
        return self._wrapped(stage, _OwnDetector)

    def pose(self, stage: PoseEstimator) -> PoseEstimator:
        """A ``PoseEstimator``."""
        _check(stage, "pose", "PoseEstimator", "estimate")
        _check_skeleton(stage)
        return self._wrapped(stage, _OwnPose)

    def flow(self, stage: FlowEstimator) -> FlowEstimator:
        """A ``FlowEstimator``."""
        _check(stage, "flow", "FlowEstimator", "estimate")
        return self._wrapped(stage, _OwnBatchFlow if isinstance(stage, BatchFlowEstimator) else _OwnFlow)

    def appearance(self, stage: Appearance) -> Appearance:
        """An ``Appearance`` stage."""
        _check(stage, "appearance", "Appearance", "describe")
        return self._wrapped(stage, _OwnAppearance)

    def linker(self, stage: Linker) -> Callable[[], Linker]:
        """Makes the linker of a video: the stage's ``for_video``, or else a deep copy of it."""
        _check(stage, "linker", "Linker", "link", "reset")
        return lambda: _OwnLinker(stage.for_video() if isinstance(stage, PerVideo) else copy.deepcopy(stage))

    def _wrapped(self, stage: Stage, wrapper: Callable[[Any, threading.Lock], Any]) -> Stage:
        if isinstance(stage, PerVideo):
            return stage
        return cast(Stage, wrapper(stage, self._locks[id(stage)]))


def _check(stage: object, argument: str, protocol: str, *methods: str) -> None:
    if isinstance(stage, type):
        raise TypeError(f"{argument} is the class {stage.__name__}; give an object, such as {stage.__name__}().")
    for method in methods:
        if not callable(getattr(stage, method, None)):
            raise TypeError(
                f"{argument} is {reprlib.repr(stage)}; give an object with the method {method}, a "
                f"posetrack.stages.{protocol}. (The names of weights and methods are settings of the preset: "
                "posetrack.changes.customised.)"
            )


def _check_skeleton(stage: object) -> None:
    if not isinstance(getattr(stage, "skeleton", None), Skeleton):
        raise TypeError(f"{_name(stage)} has no skeleton; give it one, such as posetrack.POSETRACK.")


def _name(stage: object) -> str:
    return type(stage).__name__


class _OwnPeople:
    def __init__(self, stage: People, lock: threading.Lock) -> None:
        self._stage, self._lock = stage, lock
        self.skeleton = stage.skeleton
        self.calibration = getattr(stage, "calibration", None)

    def find(self, images: Sequence[Image]) -> list[Sighting]:
        name = f"{_name(self._stage)}.find"
        with self._lock:
            sightings = self._stage.find(images)
            _check_list(sightings, Sighting, len(images), name)
            return [
                replace(each, image=image, found=self._found(each, name))
                for image, each in zip(images, sightings, strict=True)
            ]

    def refine(self, sightings: Sequence[Sighting], boxes: Sequence[Boxes]) -> list[Poses]:
        name = f"{_name(self._stage)}.refine"
        with self._lock:
            poses = self._stage.refine(sightings, boxes)
            _check_list(poses, Poses, len(sightings), name)
            return [_taken(*pair, self.skeleton, name) for pair in zip(poses, boxes, strict=True)]

    def _found(self, sighting: Sighting, name: str) -> Poses:
        found = sighting.found
        if not isinstance(found, Poses):
            raise TypeError(
                f"{name} returned a sighting with found = {reprlib.repr(found)}; return posetrack.Poses."
            )
        return _taken(found, found, self.skeleton, name)


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
        self.calibration = getattr(stage, "calibration", None)

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        return self.estimate_batch([image], [boxes])[0]

    def estimate_batch(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[Poses]:
        name = _name(self._stage)
        with self._lock:
            if isinstance(self._stage, BatchPoseEstimator):
                found = self._stage.estimate_batch(images, boxes)
                _check_list(found, Poses, len(images), f"{name}.estimate_batch")
            else:
                found = [self._stage.estimate(*pair) for pair in zip(images, boxes, strict=True)]
            return [_taken(*pair, self.skeleton, f"{name}.estimate") for pair in zip(found, boxes, strict=True)]


class _OwnFlow:
    def __init__(self, stage: FlowEstimator, lock: threading.Lock) -> None:
        self._stage, self._lock = stage, lock

    def estimate(self, previous: Image, current: Image) -> Flow:
        with self._lock:
            return self._taken(self._stage.estimate(previous, current), "estimate")

    def _taken(self, flow: Flow, method: str) -> Flow:
        if not callable(getattr(flow, "at", None)):
            raise TypeError(
                f"{_name(self._stage)}.{method} returned {reprlib.repr(flow)}; return an object with the method "
                "at, a posetrack.stages.Flow, such as posetrack.flow.DenseFlow."
            )
        return flow


class _OwnBatchFlow(_OwnFlow):
    def estimate_batch(self, pairs: Sequence[tuple[Image, Image]]) -> Sequence[Flow]:
        with self._lock:
            found = cast(BatchFlowEstimator, self._stage).estimate_batch(pairs)
            if len(found) != len(pairs):
                raise ValueError(
                    f"{_name(self._stage)}.estimate_batch returned {len(found)} flows for {len(pairs)} pairs."
                )
            return [self._taken(flow, "estimate_batch") for flow in found]


class _OwnAppearance:
    def __init__(self, stage: Appearance, lock: threading.Lock) -> None:
        self._stage, self._lock = stage, lock

    def describe(self, image: Image, poses: Poses) -> FloatArray:
        with self._lock:
            found = np.array(self._stage.describe(image, poses), np.float32)
        if found.ndim != 2 or len(found) != len(poses):
            raise ValueError(
                f"{_name(self._stage)}.describe returned {list(found.shape)} for {len(poses)} people; return one "
                "row of numbers for each."
            )
        return found


class _OwnLinker:
    def __init__(self, stage: Linker) -> None:
        self._stage = stage

    def link(self, poses: Poses, flow: Flow, time_s: float) -> Poses:
        name = f"{_name(self._stage)}.link"
        linked = _taken(self._stage.link(poses, flow, time_s), poses, poses.skeleton, name)
        ids = linked.track_ids[linked.track_ids != UNLINKED]
        if len(np.unique(ids)) != len(ids) or (ids < 0).any():
            raise ValueError(
                f"{name} returned the ids {linked.track_ids.tolist()}; return distinct ones from 0 on, or -1."
            )
        return linked

    def reset(self) -> None:
        self._stage.reset()


def _taken(poses: object, asked: Boxes | Poses, skeleton: Skeleton, name: str) -> Poses:
    """A copy of the poses that a stage returned, one for each person asked for."""
    if not isinstance(poses, Poses):
        raise TypeError(f"{name} returned {reprlib.repr(poses)}; return posetrack.Poses.")
    if len(poses) != len(asked):
        raise ValueError(
            f"{name} returned {len(poses)} poses for {len(asked)} boxes; return one for each, in order."
        )
    if poses.skeleton != skeleton:
        raise ValueError(
            f"{name} returned poses of the skeleton {poses.skeleton.name}; its own skeleton is {skeleton.name}."
        )
    return poses[np.arange(len(poses))]


def _check_list(found: object, kind: type, count: int, name: str) -> None:
    if not isinstance(found, list | tuple) or not all(isinstance(each, kind) for each in found):
        raise TypeError(f"{name} returned {reprlib.repr(found)}; return a list with {_home(kind)} for each image.")
    if len(found) != count:
        raise ValueError(f"{name} returned {len(found)} {kind.__name__} for {count} images; return one for each.")


def _home(kind: type) -> str:
    return f"posetrack.{kind.__name__}" if kind in (Boxes, Poses) else f"{kind.__module__}.{kind.__name__}"
