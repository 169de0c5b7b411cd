"""Frame rates from the times of frames, which files round."""

from __future__ import annotations

import numpy as np

from posetrack.types import Doubles, IntArray

_ROUNDINGS_S = (1e-6, 1 / 90_000, 1e-3)
"""What times are multiples of: in tables, in MPEG streams, and in other containers."""

_SLACK_S = 1e-6
"""Tables round again what a container has rounded."""


def frame_rate(times: Doubles, counts: IntArray | None = None) -> float:
    """Frames per second; 1 if there are fewer than two frames.

    It is the mean rate if no frame is off by half a frame or more, otherwise that of the usual frame. A whole
    number or a multiple of 1000/1001 is taken instead if the mean differs from it by the times' rounding only.

    Args:
        times: float64 [F], ascending, seconds.
        counts: int64 [F], ascending: the frames' numbers, if some are left out.

    >>> number = np.arange(500)
    >>> frame_rate((number / 60).round(6)), round(frame_rate((number * 1.001 / 30).round(3)), 5)
    (60.0, 29.97003)
    """
    if len(times) < 2:
        return 1.0
    steps = np.arange(len(times)) if counts is None else counts - counts[0]
    since = times - times[0]
    mean = float(steps[-1] / since[-1])
    furthest = np.abs(since - steps / mean).max()
    if furthest >= 0.5 / mean:
        return 1 / float(np.median(np.diff(since) / np.diff(steps)))
    for rounding in _ROUNDINGS_S:
        if furthest <= rounding + _SLACK_S and _mostly_multiples(times, rounding):
            return _common(mean, since, steps, rounding + _SLACK_S)
    return mean


def _common(mean: float, since: Doubles, steps: IntArray, rounding_s: float) -> float:
    """The common rate that fits the times best; the mean rate if none fits."""
    whole, film = np.floor(mean), np.floor(mean * 1.001)
    rates = [float(one) for one in (whole, whole + 1, film / 1.001, (film + 1) / 1.001) if one > 0]
    spreads = [float(np.ptp(since - steps / one)) for one in rates]
    best = int(np.argmin(spreads))
    return rates[best] if spreads[best] <= rounding_s else mean


def _mostly_multiples(times: Doubles, unit: float) -> bool:
    """Whether times are multiples; a few may lie between, where a file did not say them."""
    return bool((np.abs(times - np.rint(times / unit) * unit) <= _SLACK_S).mean() > 0.5)
