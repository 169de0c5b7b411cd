"""The first half of the pipeline: what does not depend on the people of the previous frame.

Shot cuts, flow and detection need no tracking state, so each runs ahead of the next in a thread of its own. The
joints of detected people need none either: on GPUs those of several frames are estimated in one batch, although
some of the boxes will be replaced by carried ones.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from posetrack.background import ahead
from posetrack.flow import ShotDetector, ZeroFlow
from posetrack.pipeline_config import PipelineConfig
from posetrack.stages import BatchFlowEstimator, DetectionSchedule, Flow, FlowEstimator, People
from posetrack.stopwatch import Stopwatch
from posetrack.types import BoolArray, Boxes, Frame, Image, Poses, Sighting

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Cues:
    """A frame and what it shows by itself and compared with the previous one.

    Attributes:
        frame: The frame.
        cut: Whether a shot begins with it, as with the very first frame.
        flow: Motion from the previous frame; none at a cut.
        sighting: The people found. Its ``found`` is None where no detection was due.
    """

    frame: Frame
    cut: bool
    flow: Flow
    sighting: Sighting


class Lookahead:
    """Collects the cues of one video's frames, in order. See ``Pipeline`` for the arguments."""

    def __init__(
        self,
        *,
        people: People,
        flow: FlowEstimator,
        config: PipelineConfig,
        schedule: DetectionSchedule,
        stopwatch: Stopwatch,
    ) -> None:
        self._people = people
        self._flow = flow
        self._config = config
        self._schedule = schedule
        self._time = stopwatch
        self._no_flow = ZeroFlow()

    def ahead(self, frames: Iterable[Frame]) -> Generator[Cues]:
        """Cues collected ahead in threads, one for each stage."""
        lead = self._config.frames_ahead
        moved = ahead(self._with_flow(ahead(self._decoded(frames), lead)), lead)
        detected = ahead(self._with_people(moved), lead)
        return ahead(self._with_joints(detected), lead) if self._config.pose_batch > 1 else detected

    def sequentially(self, frames: Iterable[Frame]) -> Iterator[Cues]:
        """The same cues without threads."""
        detected = self._with_people(self._with_flow(self._decoded(frames)))
        return self._with_joints(detected) if self._config.pose_batch > 1 else detected

    def warm_up(self, image: Image) -> None:
        """Call each network once."""
        self._flow.estimate(image, image)
        self._people.find([image])

    def _decoded(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        iterator = iter(frames)
        while True:
            with self._time("decode"):
                frame = next(iterator, None)
            if frame is None:
                return
            yield frame

    def _with_flow(self, frames: Iterable[Frame]) -> Iterator[Cues]:
        """Flow and cuts, for ``flow_batch`` frames at once if the estimator takes batches."""
        shots, last = ShotDetector(), None
        size = self._config.flow_batch if isinstance(self._flow, BatchFlowEstimator) else 1
        for group in _groups(frames, size):
            with self._time("flow"):
                # Copies: by the time the next frame comes, the caller may have drawn on this one.
                images = [frame.image.copy() for frame in group]
                before = [last, *images[:-1]]
                cuts = [
                    previous is None or shots.is_cut(previous, image)
                    for previous, image in zip(before, images, strict=True)
                ]
                flows = self._flows(before, images, cuts)
            yield from map(Cues, group, cuts, flows, [Sighting(frame.image) for frame in group])
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

    def _with_people(self, stream: Iterable[Cues]) -> Iterator[Cues]:
        """Detections where they are due: at the first frame of a shot, and then as the schedule says."""
        waiting: list[Cues] = []
        ages: list[int] = []
        age, between = 0, frozenset[int]()
        for cues in stream:
            age += 1
            if cues.cut or self._schedule.advance(cues.frame, age):
                age = 0
            waiting.append(cues)
            ages.append(age)
            if ages.count(0) in (0, self._config.detect_batch):
                detected, between = self._detected(waiting, ages, between)
                yield from detected
                waiting, ages = [], []
        yield from self._detected(waiting, ages, between)[0]

    def _detected(
        self, waiting: list[Cues], ages: list[int], between: frozenset[int]
    ) -> tuple[list[Cues], frozenset[int]]:
        """Cues with detections: first where they are due, then the extra ones of the schedule.

        Args:
            waiting: Cues in order.
            ages: For each, how many frames ago a detection was due; 0: it is due here.
            between: Ages of the extra detections before the first one that is due.

        Returns:
            The cues, and the ages of the extra detections after the last one that is due.
        """
        found = self._found(waiting, [index for index, age in enumerate(ages) if age == 0])
        extra = []
        for index, age in enumerate(ages):
            if age == 0:
                people = found[index].found
                assert people is not None
                between = frozenset(self._schedule.between(people[~self._is_faint(people)]))
            elif age in between:
                extra.append(index)
        for batch in _groups(extra, self._config.detect_batch):
            found |= self._found(waiting, batch)
        return [
            replace(cues, sighting=found.get(index, cues.sighting)) for index, cues in enumerate(waiting)
        ], between

    def _found(self, waiting: list[Cues], chosen: list[int]) -> dict[int, Sighting]:
        """The people in the chosen frames, detected in one batch."""
        if not chosen:
            return {}
        with self._time("detect"):
            found = self._people.find([waiting[index].frame.image for index in chosen])
        return dict(zip(chosen, found, strict=True))

    def _with_joints(self, stream: Iterable[Cues]) -> Iterator[Cues]:
        """The joints of detected people, estimated for ``pose_batch`` frames with detections at once."""
        waiting: list[Cues] = []
        for cues in stream:
            waiting.append(cues)
            if sum(each.sighting.found is not None for each in waiting) in (0, self._config.pose_batch):
                yield from self._completed(waiting)
                waiting = []
        yield from self._completed(waiting)

    def _is_faint(self, people: Poses) -> BoolArray:
        return np.asarray(people.scores < self._config.faint_below, np.bool_)

    def _completed(self, waiting: list[Cues]) -> list[Cues]:
        pending = {
            index: found
            for index, cues in enumerate(waiting)
            if (found := cues.sighting.found) is not None and (found.pending & ~self._is_faint(found)).any()
        }
        if not pending:
            return waiting
        with self._time("pose"):
            sightings = [waiting[index].sighting for index in pending]
            masks = [found.pending & ~self._is_faint(found) for found in pending.values()]
            completed = refined(self._people, sightings, list(pending.values()), masks)
        known = dict(zip(pending, completed, strict=True))
        return [
            replace(cues, sighting=replace(cues.sighting, found=known.get(index, cues.sighting.found)))
            for index, cues in enumerate(waiting)
        ]


def refined(
    stage: People, sightings: Sequence[Sighting], people: Sequence[Poses], chosen: Sequence[BoolArray]
) -> list[Poses]:
    """The same people, some of them estimated (again) in their boxes.

    Args:
        stage: Estimates them, all at once.
        sightings: Of the images.
        people: For each image, N people in order.
        chosen: For each image, bool [N]: whom to estimate.
    """
    boxes = [Boxes(each.boxes[rows], each.scores[rows]) for each, rows in zip(people, chosen, strict=True)]
    found = stage.refine(sightings, boxes)
    return [
        Poses.concatenate([each[~rows], new])[np.argsort(np.argsort(rows, kind="stable"), kind="stable")]
        for each, rows, new in zip(people, chosen, found, strict=True)
    ]


def _groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of ``size``; the last may be shorter."""
    group: list[Item] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
