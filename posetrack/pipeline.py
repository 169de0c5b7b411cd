"""The way of the data, from frames to people with identities.

    frames ─► observe: shot cut, flow, detector               needs no tracking state: runs ahead (observation.py)
           ─► follow:  propagate, merge, pose, select, link   one frame after the other

Xiao, Wu, Wei: "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import numpy as np

from posetrack.observation import Observation, Observer
from posetrack.pipeline_config import PipelineConfig
from posetrack.stages import DetectionSchedule, Detector, FlowEstimator, Linker, PerVideo, PoseEstimator
from posetrack.stopwatch import Stopwatch
from posetrack.tracker import Evidence, Merged, Refresh, merge, people_among, propagate, select_joints
from posetrack.types import UNLINKED, BoolArray, Boxes, Frame, Image, Poses

__all__ = ["Pipeline", "PipelineConfig"]


class Pipeline:
    """Finds and follows people through one video. The state is here and in the linker: one pipeline a video.

    Pipelines that work at the same time may share detector, flow and pose: of those that are ``PerVideo`` each
    takes its own, the others must be safe to use from several threads, as all in this package are.

    Args:
        detector, flow, pose, linker: The stages; the linker is this pipeline's alone.
        config: How they are put together.
        schedule: When people are looked for; None: as ``config.detect_every`` and ``config.sure_score`` have it.
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
        own: dict[int, Any] = {id(stage): stage for stage in (detector, flow, pose)}
        own = {key: stage.for_video() if isinstance(stage, PerVideo) else stage for key, stage in own.items()}
        detector, flow, pose = own[id(detector)], own[id(flow)], own[id(pose)]
        self._pose = pose
        self._linker = linker
        self._config = config or PipelineConfig()
        self._time = stopwatch or Stopwatch()
        self._observer = Observer(
            detector=detector, flow=flow, pose=pose, config=self._config, schedule=schedule, stopwatch=self._time
        )
        self._refresh = Refresh(self._config.refresh)
        self._evidence = Evidence(self._config.evidence) if self._config.evidence else None
        self._previous = Poses.empty(pose.skeleton)
        self._judged_until_s = 0.0

    def run(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """Tracked poses of every frame, in order; decoding, flow and detection run ahead in threads.

        The results are those of ``run_sequentially``.
        """
        with closing(self._observer.ahead(frames)) as observations:
            for observation in observations:
                yield observation.frame, self._follow(observation)

    def run_sequentially(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """The same without threads: one stage after the other."""
        for observation in self._observer.sequentially(frames):
            yield observation.frame, self._follow(observation)

    def warm_up(self, image: Image) -> None:
        """Call each network once, with a picture uint8 [H, W, 3] RGB: the first call is slow."""
        height, width = image.shape[:2]
        self._observer.warm_up(image)
        whole = np.array([[0, 0, width - 1, height - 1]], np.float32)
        self._pose.estimate(image, Boxes(whole, np.ones(1, np.float32)))

    def _follow(self, observation: Observation) -> Poses:
        """One frame of the paper's algorithm 1, from boxes to identities."""
        config = self._config
        if observation.cut:
            self._linker.reset()
            self._refresh.reset()
            if self._evidence is not None:
                self._evidence.reset()
            self._previous = Poses.empty(self._pose.skeleton)
            self._judged_until_s = observation.frame.time_s
        with self._time("propagate"):
            carried = self._carried(observation)
            carried_boxes = Boxes(carried.boxes, carried.scores)
            merged = merge(observation.detected or Boxes.empty(), carried_boxes, config.merge, observation.faint)
        poses, estimated = self._believed(*self._posed(observation, carried, merged), observation, carried, merged)
        with self._time("link"):
            people = people_among(poses, config.selection)
            poses = self._linker.link(poses[people], observation.flow, observation.frame.time_s)
            self._refresh.update(poses, estimated[people])
        self._previous = poses
        # Whoever is too uncertain to start a track is followed, but not reported.
        return select_joints(poses[poses.track_ids != UNLINKED], config.selection)

    def _carried(self, observation: Observation) -> Poses:
        if self._config.propagation is None:
            return self._previous[:0]
        height, width = observation.frame.image.shape[:2]
        judged_s = 0.0
        if observation.detected is not None:
            judged_s = max(observation.frame.time_s - self._judged_until_s, 0.0)
            self._judged_until_s = observation.frame.time_s
        return propagate(self._previous, observation.flow, self._config.propagation, (width, height), judged_s)

    def _believed(
        self, poses: Poses, estimated: BoolArray, observation: Observation, carried: Poses, merged: Merged
    ) -> tuple[Poses, BoolArray]:
        """What ``_posed`` returns, without people whom the detector should have found, and nothing bears out."""
        if self._evidence is None or observation.detected is None:
            return poses, estimated
        found = Boxes.concatenate([observation.detected, observation.faint])
        carried_ids = np.full(len(merged.rows), UNLINKED, np.int64)
        is_carried = merged.rows >= len(found)
        carried_ids[is_carried] = carried.track_ids[merged.rows[is_carried] - len(found)]
        is_faint = (merged.rows >= len(observation.detected)) & ~is_carried
        there = self._evidence.believed(poses, carried_ids, is_faint, found, observation.frame.time_s)
        return poses[there], estimated[there]

    def _posed(self, observation: Observation, carried: Poses, merged: Merged) -> tuple[Poses, BoolArray]:
        """Poses in the merged boxes. In frames with detections all of them are estimated.

        Args:
            observation: Of the frame.
            carried: People of the frame before.
            merged: Detected, faint and carried boxes.

        Returns:
            A pose for each box, in order; and bool [N]: it was estimated in this frame, not carried to it.
        """
        sure = len(observation.detected or ())
        first_carried = sure + len(observation.faint)
        with self._time("pose"):
            reused = (merged.rows >= first_carried) & (observation.detected is None)
            reused[reused] = ~self._refresh.due(carried[merged.rows[reused] - first_carried])
            known = (merged.rows < sure) & (observation.posed is not None)
            asked = ~(reused | known)
            parts = [self._pose.estimate(observation.frame.image, merged.boxes[asked])]
            parts.append(carried[merged.rows[reused] - first_carried])
            if observation.posed is not None:
                parts.append(observation.posed[merged.rows[known]])
            places = np.concatenate([np.flatnonzero(each) for each in (asked, reused, known)])
            return Poses.concatenate(parts)[np.argsort(places)], ~reused
