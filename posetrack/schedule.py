"""In which frames people are looked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from posetrack.types import Boxes, Frame

_CROWD = 0.4
"""If a larger share of the people found are unsure, every frame is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryNth:
    """The ``DetectionSchedule`` of a fixed interval; more often where the detector is not sure.

    In a crowd people are found in one frame and missed in the next. Who looks rarely there finds a few of them;
    where everybody is seen well, looking often brings nothing.

    Attributes:
        interval: Frames from one detection to the next.
        sure_score: People with lower scores are unsure. If a share u of those whom a detection finds is, the
            next ``interval`` frames get 1 + u (interval - 1) detections, rounded, at even distances; if more than
            two in five are, one each. What the additional ones find changes nothing of that. None: none are
            additional.
    """

    interval: int
    sure_score: float | None = None

    def due(self, frame: Frame, since: int) -> bool:
        """Whether the interval is over."""
        return since >= self.interval

    def between(self, found: Boxes) -> Collection[int]:
        """At even distances, the more the less sure the detector is."""
        if self.sure_score is None or not len(found):
            return ()
        unsure = float(np.mean(found.scores < self.sure_score))
        looks = 1 + round(unsure * (self.interval - 1)) if unsure <= _CROWD else self.interval
        return {number * self.interval // looks for number in range(1, looks)}
