"""The way of the data: the only file that knows all stages.

    frames ─► observe: shot cut, flow, detector          needs no tracking state: runs ahead, in threads
           ─► follow:  propagate, merge, pose, select, link   one frame after the other

Xiao, Wu, Wei: "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from posetrack.background import ahead
from posetrack.errors import ConfigError
from posetrack.flow import ShotDetector, ZeroFlow
from posetrack.stages import Detector, Flow, FlowEstimator, Linker, PoseEstimator
from posetrack.stopwatch import Stopwatch
from posetrack.tracker import (
    MergeConfig,
    PropagationConfig,
    SelectionConfig,
    merge,
    propagate,
    select_joints,
    select_people,
)
from posetrack.types import UNLINKED, Boxes, Frame, Poses


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """How the stages are put together.

    Attributes:
        detect_every: Frames from one detection to the next; in between people live from carried boxes alone.
        detect_batch: Frames whose people are looked for in one batch (worth it on GPUs).
        propagation: How poses are carried to the next frame; None: boxes come from the detector alone.
        merge: How detected and carried boxes become one set.
        selection: Which poses and joints are kept.
        frames_ahead: Frames that each part may be ahead of the next one.
    """

    detect_every: int = 1
    detect_batch: int = 1
    propagation: PropagationConfig | None = PropagationConfig()
    merge: MergeConfig = MergeConfig()
    selection: SelectionConfig = SelectionConfig()
    frames_ahead: int = 4

    def __post_init__(self) -> None:
        for name in ("detect_every", "detect_batch", "frames_ahead"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least 1.")
        if self.detect_every > 1 and self.propagation is None:
            raise ConfigError(
                "detect_every above 1 needs propagation: between detections people live from carried boxes."
            )


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


class Pipeline:
    """Finds and follows people through one video. The state is here and in the linker: one pipeline a video.

    Args:
        detector, flow, pose, linker: The stages.
        config: How they are put together.
        stopwatch: Where the time of each stage is added up.
    """

    def __init__(
        self,
        *,
        detector: Detector,
        flow: FlowEstimator,
        pose: PoseEstimator,
        linker: Linker,
        config: PipelineConfig | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._detector = detector
        self._flow = flow
        self._pose = pose
        self._linker = linker
        self._config = config or PipelineConfig()
        self._time = stopwatch or Stopwatch()
        self._no_flow = ZeroFlow()
        self._previous = Poses.empty(pose.skeleton)

    def run(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """Tracked poses of every frame, in order; decoding, flow and detection run ahead in threads.

        The results are those of ``run_sequentially``.
        """
        lead = self._config.frames_ahead
        decoded = ahead(self._timed(frames), lead)
        moved = ahead(self._with_flow(decoded), lead)
        with closing(ahead(self._with_detections(moved), lead)) as observations:
            for observation in observations:
                yield observation.frame, self._follow(observation)

    def run_sequentially(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """The same without threads: one stage after the other for each frame."""
        for observation in self._with_detections(self._with_flow(self._timed(frames))):
            yield observation.frame, self._follow(observation)

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
        """Detections where they are due: at a shot's first frame and every ``detect_every`` frames from there."""
        waiting: list[Observation] = []
        due: list[int] = []
        since = 0
        for observation in observations:
            since = 0 if observation.cut else since + 1
            if since % self._config.detect_every == 0:
                due.append(len(waiting))
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

    def _follow(self, observation: Observation) -> Poses:
        """One frame of the paper's algorithm 1, from boxes to identities."""
        config, image = self._config, observation.frame.image
        if observation.cut:
            self._linker.reset()
            self._previous = Poses.empty(self._pose.skeleton)
        with self._time("propagate"):
            boxes = merge(observation.detected or Boxes.empty(), self._carried(observation), config.merge)
        with self._time("pose"):
            poses = self._pose.estimate(image, boxes)
        with self._time("link"):
            poses = self._linker.link(select_people(poses, config.selection), observation.flow)
        self._previous = poses
        # Whoever is too uncertain to start a track is followed, but not reported.
        return select_joints(poses[poses.track_ids != UNLINKED], config.selection)

    def _carried(self, observation: Observation) -> Boxes:
        if self._config.propagation is None:
            return Boxes.empty()
        height, width = observation.frame.image.shape[:2]
        carried = propagate(self._previous, observation.flow, self._config.propagation, (width, height))
        return Boxes(carried.boxes, carried.scores)
