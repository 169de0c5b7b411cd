"""Frame rates and presentation times, repaired where the source has wrong ones or none."""

from __future__ import annotations

import math
from fractions import Fraction

DEFAULT_PERIOD_S = 1 / 25
"""Time between frames of a source with neither times nor a frame rate."""

_FASTEST = 1000
"""A higher frame rate is the container's clock, not a rate."""


def frame_rate(stated: float | Fraction) -> Fraction | None:
    """A frame rate as a fraction of small numbers; None if it is not plausible.

    >>> frame_rate(29.97002997), frame_rate(90_000), frame_rate(0)
    (Fraction(30000, 1001), None, None)
    """
    if not 0 < stated <= _FASTEST:
        return None
    return Fraction(stated).limit_denominator(1001) or None


class RisingTimes:
    """Presentation times that always rise: one period after the last where a time is missing or goes back.

    Args:
        fps: The source's frame rate; None if it has none.
    """

    def __init__(self, fps: Fraction | None) -> None:
        self._period_s = float(1 / fps) if fps else DEFAULT_PERIOD_S
        self.last_s = -math.inf

    def next(self, stated_s: float) -> float:
        """The time of the next frame in seconds, given the source's own."""
        self.last_s = stated_s if stated_s > self.last_s else self.last_s + self._period_s
        return self.last_s
