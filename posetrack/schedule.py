"""In which frames people are detected: what ``--detect-every`` does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from posetrack.ranges import require_fraction, require_kinds, require_whole
from posetrack.tracker.refresh import overlapped
from posetrack.types import Frame, Poses

_CROWD = 0.4
"""Above this share of unsure people, every frame gets a detection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryNth:
    """A ``DetectionSchedule`` with a fixed interval, and more detections where the detector is unsure.

    In a crowd, people are found in one frame and missed in the next: rare detections find only a few of them. And
    where people pass each other, who is who is decided from frame to frame. Where everybody is clearly seen and by
    themselves, frequent detections gain nothing.

    Attributes:
        interval: Frames from one detection to the next.
        sure_score: People with lower scores are unsure. If a share u of the people found is unsure, the next
            ``interval`` frames get 1 + u (interval - 1) detections, rounded and evenly spaced; above u = 0.4 every
            frame gets one. Extra detections do not change the schedule. ``None`` disables them.
        max_overlap: So are people whose box overlaps another by more than this (IoU).

    Raises:
        ConfigError: a value is out of its range.
    """

    interval: int = 1
    sure_score: float | None = None
    max_overlap: float = 0.1

    def __post_init__(self) -> None:
        require_kinds(self)
        require_whole(1, interval=self.interval)
        require_fraction(max_overlap=self.max_overlap)
        if self.sure_score is not None:
            require_fraction(sure_score=self.sure_score)

    def advance(self, frame: Frame, since: int) -> bool:
        """Whether the interval is over."""
        return since >= self.interval

    def between(self, found: Poses) -> Collection[int]:
        """Evenly spaced; the less sure the detector is, the more."""
        if self.sure_score is None or not len(found):
            return ()
        doubtful = (found.scores < self.sure_score) | overlapped(found.boxes, self.max_overlap)
        unsure = float(doubtful.mean())
        looks = 1 + round(unsure * (self.interval - 1)) if unsure <= _CROWD else self.interval
        return {number * self.interval // looks for number in range(1, looks)}
