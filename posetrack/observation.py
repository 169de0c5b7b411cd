"""What can be known of a frame without knowing who was in the one before: the first half of the pipeline.

Shot cuts, flow and detection need no tracking state, so each runs ahead of the next in a thread of its own. What
is found in the detector's boxes needs none either: on GPUs it is worth estimating the poses of several frames in
one batch, ahead, although some of those boxes will lose to carried ones.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from posetrack.background import ahead
from posetrack.flow import ShotDetector, ZeroFlow
from posetrack.pipeline_config import PipelineConfig
from posetrack.schedule import EveryNth
from posetrack.stages import (
    BatchFlowEstimator,
    BatchPoseEstimator,
    DetectionSchedule,
    Detector,
    Flow,
    FlowEstimator,
    PoseEstimator,
)
from posetrack.stopwatch import Stopwatch
from posetrack.types import Boxes, Frame, Image, Poses

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """A frame and what can be seen in it alone, and in it and the one before."""

    frame: Frame
    cut: bool
    """Another shot begins with this frame (the first of all begins one too)."""
    flow: Flow
    """From the frame before; no motion at a cut."""
    detected: Boxes | None = None
    """People found; None where the detector was not due."""
    faint: Boxes = field(default_factory=Boxes.empty)
    """Detections too weak to start anybody."""
    posed: Poses | None = None
    """Their poses, if those were estimated ahead."""


class Observer:
    """Makes the observations of one video's frames, in order. See ``Pipeline`` for the arguments."""

    def __init__(
        self,
        *,
        detector: Detector,
        flow: FlowEstimator,
        pose: PoseEstimator,
        config: PipelineConfig,
        schedule: DetectionSchedule | None,
        stopwatch: Stopwatch,
    ) -> None:
        self._detector = detector
        self._flow = flow
        self._pose = pose if config.pose_batch > 1 and isinstance(pose, BatchPoseEstimator) else None
        self._config = config
        self._schedule = schedule or EveryNth(interval=config.detect_every, sure_score=config.sure_score)
        self._time = stopwatch
        self._no_flow = ZeroFlow()

    def ahead(self, frames: Iterable[Frame]) -> Generator[Observation]:
        """Observations made ahead in threads, one for each part."""
        lead = self._config.frames_ahead
        moved = ahead(self._with_flow(ahead(self._decoded(frames), lead)), lead)
        detected = ahead(self._with_detections(moved), lead)
        return detected if self._pose is None else ahead(self._with_poses(detected, self._pose), lead)

    def sequentially(self, frames: Iterable[Frame]) -> Iterator[Observation]:
        """The same observations, each made when it is asked for."""
        detected = self._with_detections(self._with_flow(self._decoded(frames)))
        return detected if self._pose is None else self._with_poses(detected, self._pose)

    def warm_up(self, image: Image) -> None:
        """Call each network once."""
        self._flow.estimate(image, image)
        self._detector.detect([image])

    def _decoded(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        iterator = iter(frames)
        while True:
            with self._time("decode"):
                frame = next(iterator, None)
            if frame is None:
                return
            yield frame

    def _with_flow(self, frames: Iterable[Frame]) -> Iterator[Observation]:
        """Flow and cuts, of ``flow_batch`` frames at once if the estimator can do that."""
        shots, last = ShotDetector(), None
        size = self._config.flow_batch if isinstance(self._flow, BatchFlowEstimator) else 1
        for group in _groups(frames, size):
            with self._time("flow"):
                # Copies: by the time the next frame comes, whoever got this one may have drawn on it.
                images = [frame.image.copy() for frame in group]
                before = [last, *images[:-1]]
                cuts = [
                    previous is None or shots.is_cut(previous, image)
                    for previous, image in zip(before, images, strict=True)
                ]
                flows = self._flows(before, images, cuts)
            yield from map(Observation, group, cuts, flows)
            last = images[-1]

    def _flows(self, before: list[Image | None], images: list[Image], cuts: list[bool]) -> list[Flow]:
        pairs = [
            (previous, image)
            for previous, image, cut in zip(before, images, cuts, strict=True)
            if previous is not None and not cut
        ]
        if isinstance(self._flow, BatchFlowEstimator) and len(pairs) > 1:
            moving = iter(self._flow.estimate_batch(pairs))
        else:
            moving = iter([self._flow.estimate(*pair) for pair in pairs])
        return [
            self._no_flow.estimate(image, image) if cut else next(moving)
            for image, cut in zip(images, cuts, strict=True)
        ]

    def _with_detections(self, observations: Iterable[Observation]) -> Iterator[Observation]:
        """Detections where they are due: at a shot's first frame and as the schedule has it from there."""
        waiting: list[Observation] = []
        ages: list[int] = []
        age, between = 0, frozenset[int]()
        for observation in observations:
            age += 1
            if observation.cut or self._schedule.due(observation.frame, age):
                age = 0
            waiting.append(observation)
            ages.append(age)
            if ages.count(0) in (0, self._config.detect_batch):
                detected, between = self._detected(waiting, ages, between)
                yield from detected
                waiting, ages = [], []
        yield from self._detected(waiting, ages, between)[0]

    def _detected(
        self, observations: list[Observation], ages: list[int], between: frozenset[int]
    ) -> tuple[list[Observation], frozenset[int]]:
        """The observations with detections, first where they are due, then where the schedule adds some.

        Args:
            observations: In order.
            ages: Of each, how many frames ago a detection was due; 0: it is due here.
            between: At which ages there are additional ones before the first that is due.

        Returns:
            The observations; and at which ages there are additional ones behind the last.
        """
        found = self._detect(observations, [index for index, age in enumerate(ages) if age == 0])
        additional = []
        for index, age in enumerate(ages):
            if age == 0:
                between = frozenset(self._schedule.between(self._sure(found[index])))
            elif age in between:
                additional.append(index)
        for batch in _groups(additional, self._config.detect_batch):
            found |= self._detect(observations, batch)
        return [self._with_found(each, found.get(index)) for index, each in enumerate(observations)], between

    def _with_found(self, observation: Observation, found: Boxes | None) -> Observation:
        """With the detector's boxes (None: it was not due), the faint ones apart."""
        if found is None:
            return observation
        return replace(
            observation, detected=self._sure(found), faint=found[found.scores < self._config.faint_below]
        )

    def _sure(self, found: Boxes) -> Boxes:
        return found[found.scores >= self._config.faint_below]

    def _detect(self, observations: list[Observation], chosen: list[int]) -> dict[int, Boxes]:
        """People in the chosen observations' frames, in one batch."""
        if not chosen:
            return {}
        with self._time("detect"):
            found = self._detector.detect([observations[index].frame.image for index in chosen])
        return dict(zip(chosen, found, strict=True))

    def _with_poses(self, observations: Iterable[Observation], pose: BatchPoseEstimator) -> Iterator[Observation]:
        """Poses of the detected people, of ``pose_batch`` frames with detections at once."""
        waiting: list[Observation] = []
        for observation in observations:
            waiting.append(observation)
            if sum(each.detected is not None for each in waiting) in (0, self._config.pose_batch):
                yield from self._estimated(waiting, pose)
                waiting = []
        yield from self._estimated(waiting, pose)

    def _estimated(self, observations: list[Observation], pose: BatchPoseEstimator) -> list[Observation]:
        detected = {i: each.detected for i, each in enumerate(observations) if each.detected is not None}
        with self._time("pose"):
            images = [observations[i].frame.image for i in detected]
            posed = dict(zip(detected, pose.estimate_batch(images, list(detected.values())), strict=True))
        return [replace(observation, posed=posed.get(i)) for i, observation in enumerate(observations)]


def _groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of that many, the last perhaps shorter."""
    group: list[Item] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
