"""Frame rates and presentation times, made usable where a source tells them wrongly or not at all."""

from __future__ import annotations

import math
from fractions import Fraction

DEFAULT_PERIOD_S = 1 / 25
"""Time between frames of a source that tells neither times nor a frame rate."""

_FASTEST = 1000
"""A higher frame rate is the container's clock, not a rate."""


def frame_rate(told: float | Fraction) -> Fraction | None:
    """A frame rate as a fraction of small numbers; None if it cannot be one.

    >>> frame_rate(29.97002997), frame_rate(90_000), frame_rate(0)
    (Fraction(30000, 1001), None, None)
    """
    if not 0 < told <= _FASTEST:
        return None
    return Fraction(told).limit_denominator(1001) or None


class RisingTimes:
    """Presentation times that always rise: one period after the last where a time is missing or goes back.

    Args:
        fps: The source's frame rate; None if it has none.
    """

    def __init__(self, fps: Fraction | None) -> None:
        self._period_s = float(1 / fps) if fps else DEFAULT_PERIOD_S
        self.last_s = -math.inf

    def next(self, told_s: float) -> float:
        """The time of the next frame in seconds, given what the container says."""
        self.last_s = told_s if told_s > self.last_s else self.last_s + self._period_s
        return self.last_s
