"""The pipeline, from frames to people with identities.

    frames ─► cues:   shot cut, flow, people                needs no tracking state: runs ahead (lookahead.py)
           ─► follow: propagate, merge, refine, select, link   one frame after the other

Xiao, Wu, Wei: "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, algorithm 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from posetrack.errors import ConfigError
from posetrack.lookahead import Cues, Lookahead, refined
from posetrack.pipeline_config import PipelineConfig
from posetrack.schedule import EveryNth
from posetrack.stages import (
    Appearance,
    DetectionSchedule,
    Expecting,
    FlowEstimator,
    Linker,
    People,
    PerVideo,
)
from posetrack.stopwatch import Stopwatch
from posetrack.top_down import TopDown
from posetrack.tracker import (
    Confirmation,
    Evidence,
    Refresh,
    Search,
    merge,
    people_among,
    propagate,
    select_joints,
)
from posetrack.tracker.config import TIME_PRECISION_S
from posetrack.tracker.scene import scene_of
from posetrack.types import UNLINKED, BoolArray, Boxes, Frame, Image, Poses, Sighting

__all__ = ["Pipeline", "PipelineConfig"]

_MOST_DELAYED = 12
"""Frames held back at most: their images are in memory."""


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
                "detect_every above 1, like real time, needs propagation: people are followed by carried "
                "boxes between detections."
            )
        self._people, flow, self._appearance = _for_this_video(people, flow, appearance)
        self._linker = linker
        self._time = stopwatch or Stopwatch()
        self._lookahead = Lookahead(
            people=self._people, flow=flow, config=self._config, schedule=schedule, stopwatch=self._time
        )
        self._refresh = Refresh(self._config.refresh)
        self._evidence = Evidence(self._config.evidence) if self._config.evidence else None
        self._search = Search(self._config.search) if self._config.search else None
        self._confirmation = Confirmation(self._config.confirmation) if self._config.confirmation else None
        self._nobody = Poses.empty(self._people.skeleton)
        self._previous = self._nobody
        self._judged_until_s = 0.0

    def run(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """Tracked poses of every frame, in order; decoding, flow and detection run ahead in threads.

        The results are those of ``run_sequentially``. Frames get their ``scene``.
        """
        with closing(self._lookahead.ahead(frames)) as stream:
            yield from self._reported((self._with_scene(cues), self._follow(cues)) for cues in stream)

    def run_sequentially(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Poses]]:
        """The same without threads, one stage after the other, and without scenes."""
        stream = self._lookahead.sequentially(frames)
        yield from self._reported((cues.frame, self._follow(cues)) for cues in stream)

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

    def _reported(self, stream: Iterator[tuple[Frame, Poses]]) -> Iterator[tuple[Frame, Poses]]:
        """Frames and those of their people who are reported, as late as the configuration allows."""
        waiting: deque[tuple[Frame, Poses]] = deque()
        delay_s = self._config.report_delay_s - TIME_PRECISION_S
        for frame, poses in stream:
            waiting.append((frame, poses))
            while len(waiting) > _MOST_DELAYED or _age_s(waiting) >= delay_s:
                yield self._report(*waiting.popleft())
                if not waiting:
                    break
        while waiting:
            yield self._report(*waiting.popleft())

    def _report(self, frame: Frame, poses: Poses) -> tuple[Frame, Poses]:
        """The frame, and those of its people whose tracks are confirmed by now; the others are unreported."""
        sure = poses.track_ids != UNLINKED
        if self._confirmation is not None:
            sure &= self._confirmation.confirmed(poses.track_ids)
        others = [poses[~sure], *([] if poses.unreported is None else [poses.unreported])]
        others = [each.replace(unreported=None, appearance=None) for each in others if len(each)]
        unreported = Poses.concatenate(others) if others else None
        return frame, poses[sure].replace(unreported=unreported)

    def _follow(self, cues: Cues) -> Poses:
        """One frame of the paper's algorithm 1, from people found and carried to people with identities.

        Returns:
            Everybody who is followed, and the others as ``unreported``.
        """
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
            poses, estimated = self._estimated(cues, candidates, is_carried)
        everybody, chosen = poses, np.arange(len(poses))
        if self._evidence is not None and cues.sighting.found is not None:
            carried_ids = np.where(is_carried, candidates.track_ids, UNLINKED)
            there = self._evidence.believed(poses, carried_ids, is_faint, _boxes(found), cues.frame.time_s)
            chosen = np.flatnonzero(there)
        with self._time("pose"):
            found_again = self._found_again(cues, everybody[chosen])
        if len(found_again):
            chosen = np.concatenate([chosen, len(everybody) + np.arange(len(found_again))])
            estimated = np.concatenate([estimated, np.ones(len(found_again), np.bool_)])
            everybody = Poses.concatenate([everybody, found_again])
        with self._time("link"):
            chosen = chosen[people_among(everybody[chosen], config.selection)]
            people, estimated = self._described(cues.frame.image, everybody[chosen]), estimated[chosen]
            poses = self._linker.link(people, cues.flow, cues.frame.time_s)
            self._refresh.update(poses, estimated, cues.frame.time_s)
            shown = select_joints(poses, config.selection)
            if self._confirmation is not None:
                self._confirmation.update(shown, estimated, cues.frame.time_s)
        self._previous = poses
        return shown.replace(unreported=self._others(everybody[np.setdiff1d(np.arange(len(everybody)), chosen)]))

    def _found_again(self, cues: Cues, others: Poses) -> Poses:
        """Confirmed people who were hidden, and whom the pose network sees where they are expected."""
        if self._search is None or cues.cut or not isinstance(self._linker, Expecting):
            return self._nobody
        hidden = self._linker.hidden()
        if self._confirmation is not None:
            hidden = hidden[self._confirmation.confirmed(hidden.track_ids)]
        height, width = cues.frame.image.shape[:2]
        expected = self._search.due(hidden, others.boxes, cues.frame.time_s, (width, height))
        if len(expected) == 0:
            return self._nobody
        chosen = np.ones(len(expected), np.bool_)
        return self._search.found(refined(self._people, [cues.sighting], [expected], [chosen])[0], expected)

    def _others(self, dropped: Poses) -> Poses:
        """People who are not followed in this frame: those dropped, and those expected where nobody sees them."""
        if not isinstance(self._linker, Expecting):
            return dropped
        return Poses.concatenate([dropped, self._linker.hidden()])

    def _forget(self, time_s: float) -> None:
        """Start a new shot."""
        self._linker.reset()
        self._refresh.reset()
        if self._search is not None:
            self._search.reset()
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

    def _estimated(self, cues: Cues, candidates: Poses, is_carried: BoolArray) -> tuple[Poses, BoolArray]:
        """The poses of the people left after merging. In frames with a detection, all are estimated.

        Args:
            cues: Of the frame.
            candidates: N people, found or carried.
            is_carried: bool [N].

        Returns:
            The N poses in order; and bool [N]: estimated in this frame, rather than carried to it.
        """
        looked = cues.sighting.found is not None
        carried_again = is_carried if looked else self._refresh.due(candidates, cues.frame.time_s)
        chosen = candidates.pending | carried_again
        if chosen.any():
            candidates = refined(self._people, [cues.sighting], [candidates], [chosen])[0]
        return candidates, chosen | ~is_carried

    def _described(self, image: Image, poses: Poses) -> Poses:
        if self._appearance is None:
            return poses
        return poses.replace(appearance=self._appearance.describe(image, poses))


def _age_s(waiting: deque[tuple[Frame, Poses]]) -> float:
    """Seconds from the first frame held back to the last."""
    return waiting[-1][0].time_s - waiting[0][0].time_s


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
