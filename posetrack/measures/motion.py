"""Speeds, steps and distances between people."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.signal import find_peaks

from posetrack.measures.body import Body, rolling_median
from posetrack.measures.scale import Scale
from posetrack.types import Doubles

_SLOWEST = 0.3
"""Trunk lengths per second: who moves more slowly across the image does not walk across it."""

_PACE_WINDOW_S = 1.0
_SHORTEST_STRIDE_S = 0.5
_LEAST_SWING = 0.5
"""Trunk lengths by which a foot swings, at least, for a step."""


@dataclass(frozen=True, slots=True)
class Step:
    """A foot that meets or leaves the ground.

    Attributes:
        side: ``left`` or ``right``.
        event: ``strike`` or ``off``.
        place: The frame within the track.
    """

    side: str
    event: str
    place: int


def speed(points: Doubles, times: Doubles) -> Doubles:
    """float64 [T]: how fast points [T, 2] move, per second. NaN beside missing points: nothing is bridged."""
    if len(points) < 3:
        return np.full(len(points), np.nan)
    fastest = 1.5 * float(np.median(np.diff(times)))
    velocity = np.full_like(points, np.nan)
    gaps = (times[2:] - times[:-2])[:, None]
    velocity[1:-1] = np.where(gaps <= 2 * fastest, (points[2:] - points[:-2]) / gaps, np.nan)
    velocity[1:-1][np.isnan(points[1:-1])] = np.nan
    return np.asarray(np.hypot(*velocity.T))


def place(body: Body, scale: Scale) -> Doubles:
    """float64 [T, 2]: where a person is: the middle of the hips, or of the feet on the floor in metres."""
    if scale.floor is None:
        return body.at(("left_hip", "right_hip")) * scale.factor
    return scale.on_floor(body.at(("left_ankle", "right_ankle")))


def steps(body: Body) -> list[Step]:
    """Steps of a person who walks across the image, by time.

    A foot strikes the ground where its heel is farthest in front of the hips, and leaves it where its toe is
    farthest behind (Zeni, Richards, Higginson 2008). Skeletons without feet use the ankle for both, which is a
    few hundredths of a second early or late. None while the person walks towards or away from the camera, or
    stands.
    """
    hips, height = body.at(("left_hip", "right_hip")).T
    if np.isnan(body.trunk) or len(hips) < 3 or np.isnan(hips).all():
        return []
    gap = float(np.median(np.diff(body.times)))
    pace, rise = (
        rolling_median(np.gradient(way, body.times), body.times, _PACE_WINDOW_S) / body.trunk
        for way in (hips, height)
    )
    across = (np.abs(pace) >= _SLOWEST) & (np.abs(pace) > np.abs(rise))
    heading = np.where(across, np.sign(pace), np.nan)
    found = []
    for side in ("left", "right"):
        for event, joint, sign in (("strike", "heel", 1.0), ("off", "big_toe", -1.0)):
            named = f"{side}_{joint}" if f"{side}_{joint}" in body.skeleton.joints else f"{side}_ankle"
            ahead = sign * heading * (body.at(named)[:, 0] - hips) / body.trunk
            for peak in _peaks(ahead, max(1, round(_SHORTEST_STRIDE_S / gap))):
                found.append(Step(side, event, peak))
    return sorted(found, key=lambda step: step.place)


def _peaks(values: Doubles, apart: int) -> list[int]:
    """Places of peaks. Missing values are below all others, and no peak lies beside them."""
    known = np.isfinite(values)
    if not known.any():
        return []
    whole = np.where(known, values, np.nanmin(values) - 1)
    peaks, _ = find_peaks(whole, distance=apart, prominence=_LEAST_SWING)
    return [int(peak) for peak in peaks if known[max(0, peak - 1) : peak + 2].all() and values[peak] > 0]


def cadence(body: Body, found: list[Step]) -> float:
    """Steps per minute: 60 over the usual time from one strike to the next of either foot.

    Where the person is missing in between, that is no step. NaN with fewer than two steps.
    """
    frames, times = body.track.frames, body.times
    strikes = [step for step in found if step.event == "strike"]
    steps_s = [
        times[after.place] - times[before.place]
        for before, after in pairwise(strikes)
        if frames[after.place] - frames[before.place] == after.place - before.place
    ]
    return 60 / float(np.median(steps_s)) if len(steps_s) > 1 else np.nan


def distance(one: Body, other: Body, scale: Scale) -> tuple[Doubles, Doubles]:
    """float64 [T] of the first person's frames: the distance of the other, and int64 [T] the other's frames (-1:
    none)."""
    places = np.searchsorted(other.track.frames, one.track.frames)
    inside = places < len(other.track)
    matched = np.where(inside, places, 0)
    there = inside & (other.track.frames[matched] == one.track.frames)
    ends = place(one, scale), place(other, scale)[matched]
    apart = np.hypot(*(ends[1] - ends[0]).T)
    return np.where(there, apart, np.nan), np.where(there, matched, -1)
