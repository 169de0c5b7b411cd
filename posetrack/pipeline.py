"""The data's path, from frames to people with identities.

    frames ─► cues:   shot cut, flow, people                needs no tracking state: runs ahead (lookahead.py)
           ─► follow: propagate, merge, refine, select, link   one frame after the other

Xiao, Wu, Wei: "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from posetrack.errors import ConfigError
from posetrack.lookahead import Cues, Lookahead, refined
from posetrack.pipeline_config import PipelineConfig
from posetrack.schedule import EveryNth
from posetrack.stages import Appearance, DetectionSchedule, FlowEstimator, Linker, People, PerVideo
from posetrack.stopwatch import Stopwatch
from posetrack.top_down import TopDown
from posetrack.tracker import Evidence, Refresh, merge, people_among, propagate, select_joints
from posetrack.tracker.scene import scene_of
from posetrack.types import UNLINKED, BoolArray, Boxes, Frame, Image, Poses, Sighting

__all__ = ["Pipeline", "PipelineConfig"]


class Pipeline:
    """Finds and follows people through one video. All state is here and in the linker: one pipeline per video.

    Pipelines that run at the same time may share people, flow and appearance: each takes its own copy of stages
    that are ``PerVideo``; the others must be safe to call from several threads, as all in this package are.

    Args:
        people: Sees people, such as ``TopDown(detector, pose)``.
        flow: Estimates motion.
        linker: Gives people their ids; for this pipeline only.
        appearance: Describes people for the linker. ``None`` disables it.
        config: How the stages are put together.
        schedule: In which frames people are detected. Defaults to every frame.
        stopwatch: Adds up the time of each stage.

    Raises:
        ConfigError: a schedule, but no propagation between its detections.
    """

    def __init__(  # noqa: PLR0913 (the stages, and how they go together)
        self,
        *,
        people: People,
        flow: FlowEstimator,
        linker: Linker,
        appearance: Appearance | None = None,
        config: PipelineConfig | None = None,
        schedule: DetectionSchedule | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._config = config or PipelineConfig()
        every_frame = EveryNth()
        schedule = schedule or every_frame
        if self._config.propagation is None and schedule != every_frame:
            raise ConfigError(
                "detect_every above 1, like real time, needs propagation: between detections people live from "
                "carried boxes."
            )
        self._people, flow, self._appearance = _for_this_video(people, flow, appearance)
        self._linker = linker
        self._time = stopwatch or Stopwatch()
        self._lookahead = Lookahead(
            people=self._people, flow=flow, config=self._config, schedule=schedule, stopwatch=self._time
        )
        self._refresh = Refresh(self._config.refresh)
        self._evidence = Evidence(self._config.evidence) if self._config.evidence else None
        self._nobody = Poses.empty(self._people.skeleton)
        self._previous = self._nobody
        self._judged_until_s = 0.0

    def run(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """Tracked poses of every frame, in order; decoding, flow and detection run ahead in threads.

        The results are those of ``run_sequentially``. Frames get their ``scene``.
        """
        with closing(self._lookahead.ahead(frames)) as stream:
            for cues in stream:
                yield self._with_scene(cues), self._follow(cues)

    def run_sequentially(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """The same without threads, one stage after the other, and without scenes."""
        for cues in self._lookahead.sequentially(frames):
            yield cues.frame, self._follow(cues)

    def warm_up(self, image: Image) -> None:
        """Call each network once, with a picture uint8 [H, W, 3] RGB: the first call is slow."""
        height, width = image.shape[:2]
        self._lookahead.warm_up(image)
        whole = np.array([[0, 0, width - 1, height - 1]], np.float32)
        self._people.refine([Sighting(image)], [Boxes(whole, np.ones(1, np.float32))])

    def _with_scene(self, cues: Cues) -> Frame:
        height, width = cues.frame.image.shape[:2]
        with self._time("flow"):
            return replace(cues.frame, scene=scene_of(cues.cut, cues.flow, width, height))

    def _follow(self, cues: Cues) -> Poses:
        """One frame of the paper's algorithm 1, from people found and carried to people with identities."""
        config = self._config
        if cues.cut:
            self._forget(cues.frame.time_s)
        with self._time("propagate"):
            carried = self._carried(cues)
            found = self._nobody if cues.sighting.found is None else cues.sighting.found
            faint = found.scores < config.faint_below
            merged = merge(_boxes(found[~faint]), _boxes(carried), config.merge, _boxes(found[faint]))
            candidates = Poses.concatenate([found[~faint], found[faint], carried])[merged.rows]
            candidates = candidates.replace(boxes=merged.boxes.xyxy, scores=merged.boxes.scores)
            is_carried = merged.rows >= len(found)
            is_faint = (merged.rows >= len(found) - faint.sum()) & ~is_carried
        with self._time("pose"):
            poses, estimated = self._estimated(cues.sighting, candidates, is_carried)
        if self._evidence is not None and cues.sighting.found is not None:
            carried_ids = np.where(is_carried, candidates.track_ids, UNLINKED)
            there = self._evidence.believed(poses, carried_ids, is_faint, _boxes(found), cues.frame.time_s)
            poses, estimated = poses[there], estimated[there]
        with self._time("link"):
            people = people_among(poses, config.selection)
            people_seen = self._described(cues.frame.image, poses[people])
            poses = self._linker.link(people_seen, cues.flow, cues.frame.time_s)
            self._refresh.update(poses, estimated[people])
        self._previous = poses
        # People too uncertain to start a track are followed, but not reported.
        return select_joints(poses[poses.track_ids != UNLINKED], config.selection)

    def _forget(self, time_s: float) -> None:
        """Start a new shot."""
        self._linker.reset()
        self._refresh.reset()
        if self._evidence is not None:
            self._evidence.reset()
        self._previous = self._nobody
        self._judged_until_s = time_s

    def _carried(self, cues: Cues) -> Poses:
        if self._config.propagation is None:
            return self._nobody
        height, width = cues.frame.image.shape[:2]
        judged_s = 0.0
        if cues.sighting.found is not None:
            judged_s = max(cues.frame.time_s - self._judged_until_s, 0.0)
            self._judged_until_s = cues.frame.time_s
        return propagate(self._previous, cues.flow, self._config.propagation, (width, height), judged_s)

    def _estimated(self, sighting: Sighting, candidates: Poses, is_carried: BoolArray) -> tuple[Poses, BoolArray]:
        """The poses of the people left after merging. In frames with a detection, all are estimated.

        Args:
            sighting: Of the frame.
            candidates: N people, found or carried.
            is_carried: bool [N].

        Returns:
            The N poses in order; and bool [N]: estimated in this frame, rather than carried to it.
        """
        carried_again = is_carried if sighting.found is not None else self._refresh.due(candidates)
        chosen = candidates.pending | carried_again
        if chosen.any():
            candidates = refined(self._people, [sighting], [candidates], [chosen])[0]
        return candidates, chosen | ~is_carried

    def _described(self, image: Image, poses: Poses) -> Poses:
        if self._appearance is None:
            return poses
        return poses.replace(appearance=self._appearance.describe(image, poses))


def _boxes(poses: Poses) -> Boxes:
    return Boxes(poses.boxes, poses.scores)


def _for_this_video(
    people: People, flow: FlowEstimator, appearance: Appearance | None
) -> tuple[People, FlowEstimator, Appearance | None]:
    """New copies of the stages that are ``PerVideo``; an object that is several stages stays one object."""
    copies: dict[int, Any] = {}

    def own(stage: Any) -> Any:
        if type(stage) is TopDown:
            return TopDown(own(stage.detector), own(stage.pose))
        if id(stage) not in copies:
            copies[id(stage)] = stage.for_video() if isinstance(stage, PerVideo) else stage
        return copies[id(stage)]

    return own(people), own(flow), own(appearance)
