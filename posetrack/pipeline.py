"""The way of the data: the only file that knows all stages.

    frames ─► observe: shot cut, flow, detector               needs no tracking state: runs ahead, in threads
           ─► follow:  propagate, merge, pose, select, link   one frame after the other

What is found in the detector's boxes needs no tracking state either: on GPUs it is worth estimating the poses of
several frames in one batch, ahead, although some of those boxes will lose to carried ones.

Xiao, Wu, Wei: "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from posetrack.background import ahead
from posetrack.errors import ConfigError
from posetrack.flow import ShotDetector, ZeroFlow
from posetrack.stages import (
    BatchPoseEstimator,
    DetectionSchedule,
    Detector,
    Flow,
    FlowEstimator,
    Linker,
    PoseEstimator,
)
from posetrack.stopwatch import Stopwatch
from posetrack.tracker import (
    MergeConfig,
    PropagationConfig,
    Refresh,
    RefreshConfig,
    SelectionConfig,
    people_among,
    propagate,
    select_joints,
    survivors,
)
from posetrack.types import UNLINKED, BoolArray, Boxes, Frame, IntArray, Poses


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """How the stages are put together.

    Attributes:
        detect_every: Frames from one detection to the next; in between people live from carried boxes alone.
        detect_batch: Frames whose people are looked for in one batch (worth it on GPUs).
        pose_batch: Frames in which the poses of detected people are estimated in one batch, ahead of tracking
            (worth it on GPUs); 1: each frame's poses in its turn, those alone that are needed.
        propagation: How poses are carried to the next frame; None: boxes come from the detector alone.
        refresh: For whom the carried joints will do.
        merge: How detected and carried boxes become one set.
        selection: Which poses and joints are kept.
        frames_ahead: Frames that each part may be ahead of the next one.
    """

    detect_every: int = 1
    detect_batch: int = 1
    pose_batch: int = 1
    propagation: PropagationConfig | None = PropagationConfig()
    refresh: RefreshConfig = RefreshConfig()
    merge: MergeConfig = MergeConfig()
    selection: SelectionConfig = SelectionConfig()
    frames_ahead: int = 4

    def __post_init__(self) -> None:
        for name in ("detect_every", "detect_batch", "pose_batch", "frames_ahead"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least 1.")
        if self.detect_every > 1 and self.propagation is None:
            raise ConfigError(
                "detect_every above 1 needs propagation: between detections people live from carried boxes."
            )


@dataclass(frozen=True, slots=True)
class EveryNth:
    """The ``DetectionSchedule`` of a fixed interval, in frames."""

    interval: int

    def due(self, frame: Frame, since: int) -> bool:
        """Whether the interval is over."""
        return since >= self.interval


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What can be known of a frame without knowing who was in the one before."""

    frame: Frame
    cut: bool
    """Another shot begins with this frame (the first of all begins one too)."""
    flow: Flow
    """From the frame before; no motion at a cut."""
    detected: Boxes | None = None
    """People found; None where the detector was not due."""
    posed: Poses | None = None
    """Their poses, if those were estimated ahead."""


class Pipeline:
    """Finds and follows people through one video. The state is here and in the linker: one pipeline a video.

    Args:
        detector, flow, pose, linker: The stages.
        config: How they are put together.
        schedule: When people are looked for; None: as ``config.detect_every`` has it.
        stopwatch: Where the time of each stage is added up.
    """

    def __init__(  # noqa: PLR0913 (the stages, and how they go together)
        self,
        *,
        detector: Detector,
        flow: FlowEstimator,
        pose: PoseEstimator,
        linker: Linker,
        config: PipelineConfig | None = None,
        schedule: DetectionSchedule | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._detector = detector
        self._flow = flow
        self._pose = pose
        self._linker = linker
        self._config = config or PipelineConfig()
        self._schedule = schedule or EveryNth(self._config.detect_every)
        self._time = stopwatch or Stopwatch()
        self._no_flow = ZeroFlow()
        self._refresh = Refresh(self._config.refresh)
        self._previous = Poses.empty(pose.skeleton)

    def run(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """Tracked poses of every frame, in order; decoding, flow and detection run ahead in threads.

        The results are those of ``run_sequentially``.
        """
        lead = self._config.frames_ahead
        decoded = ahead(self._timed(frames), lead)
        moved = ahead(self._with_flow(decoded), lead)
        observed = ahead(self._with_detections(moved), lead)
        if self._poses_ahead:
            observed = ahead(self._with_poses(observed), lead)
        with closing(observed) as observations:
            for observation in observations:
                yield observation.frame, self._follow(observation)

    def run_sequentially(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """The same without threads: one stage after the other."""
        observations = self._with_detections(self._with_flow(self._timed(frames)))
        if self._poses_ahead:
            observations = self._with_poses(observations)
        for observation in observations:
            yield observation.frame, self._follow(observation)

    @property
    def _poses_ahead(self) -> bool:
        return self._config.pose_batch > 1 and isinstance(self._pose, BatchPoseEstimator)

    def _timed(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        iterator = iter(frames)
        while True:
            with self._time("decode"):
                frame = next(iterator, None)
            if frame is None:
                return
            yield frame

    def _with_flow(self, frames: Iterable[Frame]) -> Iterator[Observation]:
        shots = ShotDetector()
        previous: Frame | None = None
        for frame in frames:
            with self._time("flow"):
                cut = previous is None or shots.is_cut(previous.image, frame.image)
                estimator = self._no_flow if cut else self._flow
                flow = estimator.estimate(frame.image if previous is None else previous.image, frame.image)
            yield Observation(frame, cut, flow)
            previous = frame

    def _with_detections(self, observations: Iterable[Observation]) -> Iterator[Observation]:
        """Detections where they are due: at a shot's first frame and as the schedule has it from there."""
        waiting: list[Observation] = []
        due: list[int] = []
        since = 0
        for observation in observations:
            since = 0 if observation.cut else since + 1
            if observation.cut or self._schedule.due(observation.frame, since):
                due.append(len(waiting))
                since = 0
            waiting.append(observation)
            if len(due) in (0, self._config.detect_batch):
                yield from self._detect(waiting, due)
                waiting, due = [], []
        yield from self._detect(waiting, due)

    def _detect(self, observations: list[Observation], due: list[int]) -> list[Observation]:
        if not due:
            return observations
        with self._time("detect"):
            found = self._detector.detect([observations[i].frame.image for i in due])
        detected = dict(zip(due, found, strict=True))
        return [replace(observation, detected=detected.get(i)) for i, observation in enumerate(observations)]

    def _with_poses(self, observations: Iterable[Observation]) -> Iterator[Observation]:
        """Poses of the detected people, of ``pose_batch`` frames with detections at once."""
        waiting: list[Observation] = []
        for observation in observations:
            waiting.append(observation)
            if sum(each.detected is not None for each in waiting) in (0, self._config.pose_batch):
                yield from self._pose_ahead(waiting)
                waiting = []
        yield from self._pose_ahead(waiting)

    def _pose_ahead(self, observations: list[Observation]) -> list[Observation]:
        assert isinstance(self._pose, BatchPoseEstimator)
        detected = {i: each.detected for i, each in enumerate(observations) if each.detected is not None}
        with self._time("pose"):
            images = [observations[i].frame.image for i in detected]
            posed = dict(zip(detected, self._pose.estimate_batch(images, list(detected.values())), strict=True))
        return [replace(observation, posed=posed.get(i)) for i, observation in enumerate(observations)]

    def _follow(self, observation: Observation) -> Poses:
        """One frame of the paper's algorithm 1, from boxes to identities."""
        config = self._config
        if observation.cut:
            self._linker.reset()
            self._refresh.reset()
            self._previous = Poses.empty(self._pose.skeleton)
        with self._time("propagate"):
            carried = self._carried(observation)
            carried_boxes = Boxes(carried.boxes, carried.scores)
            rows = survivors(observation.detected or Boxes.empty(), carried_boxes, config.merge)
        poses, estimated = self._posed(observation, carried, rows)
        with self._time("link"):
            people = people_among(poses, config.selection)
            poses = self._linker.link(poses[people], observation.flow)
            self._refresh.update(poses, estimated[people])
        self._previous = poses
        # Whoever is too uncertain to start a track is followed, but not reported.
        return select_joints(poses[poses.track_ids != UNLINKED], config.selection)

    def _carried(self, observation: Observation) -> Poses:
        if self._config.propagation is None:
            return self._previous[:0]
        height, width = observation.frame.image.shape[:2]
        return propagate(self._previous, observation.flow, self._config.propagation, (width, height))

    def _posed(self, observation: Observation, carried: Poses, rows: IntArray) -> tuple[Poses, BoolArray]:
        """Poses in the boxes that survived merging.

        Args:
            observation: Of the frame.
            carried: People of the frame before.
            rows: Rows of the detected boxes followed by the carried ones.

        Returns:
            A pose for each row, in order; and bool [N]: it was estimated in this frame, not carried to it.
        """
        detected = observation.detected or Boxes.empty()
        with self._time("pose"):
            is_carried = rows >= len(detected)
            reused = is_carried.copy()
            reused[is_carried] = ~self._refresh.due(carried[rows[is_carried] - len(detected)])
            known = ~is_carried & (observation.posed is not None)
            boxes = Boxes.concatenate([detected, Boxes(carried.boxes, carried.scores)])
            asked = ~(reused | known)
            parts = [self._pose.estimate(observation.frame.image, boxes[rows[asked]])]
            parts.append(carried[rows[reused] - len(detected)])
            if observation.posed is not None:
                parts.append(observation.posed[rows[known]])
            places = np.concatenate([np.flatnonzero(each) for each in (asked, reused, known)])
            return Poses.concatenate(parts)[np.argsort(places)], ~reused
