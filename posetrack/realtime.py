"""Keeping up with live sources: detecting people as often as time allows, and reporting dropped frames.

A detection makes frames wait; the pipeline then catches up. The next detection comes after as many frames as
catching up took, in the slowest of the last few cases: the interval grows at once, and shrinks only after several
faster cases. It is bounded; if that is not enough, frames are dropped (``posetrack.video.live``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import cast

from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.ranges import require_above, require_kinds, require_whole
from posetrack.stages import DetectionSchedule
from posetrack.types import Frame, Poses
from posetrack.video.live import Clock, LiveFrames, Standing

Results = Generator[tuple[Frame, Poses]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveConfig:
    """When people are detected.

    Attributes:
        longest_frames: Maximum number of frames between detections.
        longest_s: Maximum number of seconds of footage between detections.
        late_frames: A frame is late when this many frames have arrived after it, ...
        late_s: ... and at least this many seconds have passed.
        cases: Number of recent detections; the slowest of them sets the interval.

    Raises:
        ConfigError: a value is out of its range.
    """

    longest_frames: int = 15
    longest_s: float = 1.0
    late_frames: float = 2.0
    late_s: float = 0.05
    cases: int = 3

    def __post_init__(self) -> None:
        require_kinds(self)
        require_whole(1, longest_frames=self.longest_frames, cases=self.cases)
        require_above(0, longest_s=self.longest_s, late_frames=self.late_frames, late_s=self.late_s)


@dataclass
class RealtimeReport:
    """How well the tracker kept up.

    Attributes:
        processed: Frames with results.
        dropped: Frames skipped for lack of time.
        shortest_interval, longest_interval: Processed frames from one detection to the next; 0 if there was only
            one. Detections at shot cuts do not count.
        lag_s: Seconds from a frame's arrival to its results, summed over all frames.
        longest_lag_s: The same for the slowest frame.
    """

    processed: int = 0
    dropped: int = 0
    shortest_interval: int = 0
    longest_interval: int = 0
    lag_s: float = 0.0
    longest_lag_s: float = 0.0
    _intervals: int = 0
    _frames_between: int = 0

    @property
    def mean_interval(self) -> float:
        """Mean number of frames from one detection to the next; 0 if there was only one."""
        return self._frames_between / self._intervals if self._intervals else 0.0

    @property
    def mean_lag_s(self) -> float:
        """Mean number of seconds from a frame's arrival to its results."""
        return self.lag_s / self.processed if self.processed else 0.0

    def looked(self, interval: int) -> None:
        """Record a detection, ``interval`` frames after the previous one."""
        self.shortest_interval = min(self.shortest_interval or interval, interval)
        self.longest_interval = max(self.longest_interval, interval)
        self._intervals += 1
        self._frames_between += interval

    def record_frame(self, lag_s: float, dropped: int) -> None:
        """Record a frame's results; ``dropped`` frames have been dropped so far."""
        self.processed += 1
        self.dropped = dropped
        self.lag_s += lag_s
        self.longest_lag_s = max(self.longest_lag_s, lag_s)


class AdaptiveSchedule:
    """A ``DetectionSchedule`` that detects people as often as time allows.

    Args:
        standing: How far processing is behind, as of a frame.
        report: Records the intervals.
        config: Settings.
    """

    def __init__(
        self,
        standing: Callable[[Frame], Standing],
        report: RealtimeReport | None = None,
        config: AdaptiveConfig | None = None,
    ) -> None:
        self._standing = standing
        self._report = report or RealtimeReport()
        self._config = config or AdaptiveConfig()
        self._needed: deque[int] = deque([1], maxlen=self._config.cases)
        self._last_late = 0
        self._looked_s = 0.0
        self._before_s: float | None = None

    @property
    def interval(self) -> int:
        """Current number of frames from one detection to the next."""
        return max(self._needed)

    def advance(self, frame: Frame, since: int) -> bool:
        """Whether the interval is over and no frame is late any more, or the interval is the longest allowed."""
        if since == 1:
            self._last_late = 0
            self._looked_s = frame.time_s if self._before_s is None else self._before_s
        self._before_s = frame.time_s
        if self._is_late(frame):
            self._last_late = since
        config = self._config
        longest = since >= config.longest_frames or frame.time_s - self._looked_s >= config.longest_s
        if not longest and (self._last_late == since or since < self.interval):
            return False
        self._needed.append(min(self._last_late + 1, config.longest_frames))
        self._report.looked(since)
        return True

    def between(self, found: Poses) -> Collection[int]:
        """None: there is no time for extra detections."""
        return ()

    def _is_late(self, frame: Frame) -> bool:
        standing = self._standing(frame)
        allowed_s = max(self._config.late_frames * standing.period_s, self._config.late_s)
        return standing.behind or standing.age_s > allowed_s


def one_by_one(config: PipelineConfig) -> PipelineConfig:
    """The same without batches or delay, so that every frame comes out before the next but one is taken."""
    return replace(config, detect_batch=1, flow_batch=1, pose_batch=1, frames_ahead=1, report_delay_s=0.0)


def follow_live(
    frames: Iterable[Frame],
    pipeline: Callable[[DetectionSchedule], Pipeline],
    *,
    paced: bool,
    report: RealtimeReport,
    clock: Clock | None = None,
) -> Iterator[tuple[Frame, Poses]]:
    """Tracked poses of the frames there is time for, in order.

    Args:
        frames: Frames of the source.
        pipeline: Makes a pipeline with the given schedule; it must return each frame before it takes the next but
            one. It is warmed up with the first frame before time counts, because networks are slow at first.
        paced: The source is a file to be played as if it were live: each frame arrives at its own time.
        report: Kept up to date.
        clock: Source of time.

    Raises:
        Whatever the source raises, after the frames that came before.
    """
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        return
    live = LiveFrames(_rejoined(first, iterator), paced=paced, clock=clock)
    made = pipeline(AdaptiveSchedule(live.standing, report))
    made.warm_up(first.image)
    results = cast(Results, made.run(live))
    try:
        with closing(results), live:  # close the live frames first: a thread waiting for one would never end
            for frame, poses in results:
                report.record_frame(live.standing(frame).age_s, live.dropped)
                yield frame, poses
                live.done(frame)
    finally:
        report.dropped = live.dropped


def _rejoined(first: Frame, others: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from others
