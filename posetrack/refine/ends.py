"""Both ends of tracklets: where a person was, how fast, how large, and how surely that is known.

Places are in pixels, speeds in body sizes per second, relative to the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posetrack.refine.background import seen_from
from posetrack.refine.bodies import centres, limb_lengths, longer_sides, sizes
from posetrack.refine.clip import Clip, Doubles, Track
from posetrack.types import IntArray

_WINDOW_S = 1.0
"""Motion at an end is that of the last second: two steps, whose swings cancel."""

_NOISE = 0.08
"""Standard deviation of a body's centre, in body sizes: boxes and joints jitter by some hundredths."""

_SPEED = 0.7
"""Standard deviation of people's speed, in body sizes per second: they stand, or walk at 0.8."""

_LIMB_QUANTILE = 0.9
"""A limb's length is that seen from the side, the longest but for outliers."""

_LIMB_FRAMES = 10
"""Fewer frames do not tell the length of a limb."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ends:
    """One end of each of N tracklets.

    Attributes:
        frames: int64 [N] of the outermost frames.
        times: float64 [N], seconds.
        places: float64 [N, 2], pixels.
        speeds: float64 [N, 2], body sizes per second.
        sizes: float64 [N], pixels.
        place_variances: float64 [N], body sizes squared.
        speed_variances: float64 [N].
    """

    frames: IntArray
    times: Doubles
    places: Doubles
    speeds: Doubles
    sizes: Doubles
    place_variances: Doubles
    speed_variances: Doubles


def ends_of(pieces: Sequence[Track], clip: Clip, *, last: bool) -> Ends:
    """Collect the last (or first) end of each tracklet."""
    rows = [_end(piece, clip, last) for piece in pieces]
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 9)
    return Ends(
        frames=table[:, 0].astype(np.int64),
        times=table[:, 1],
        places=table[:, 2:4],
        speeds=table[:, 4:6],
        sizes=table[:, 6],
        place_variances=table[:, 7],
        speed_variances=table[:, 8],
    )


def _end(piece: Track, clip: Clip, last: bool) -> tuple[float, ...]:
    row = -1 if last else 0
    time = piece.times[row]
    if last:
        near = piece[int(np.searchsorted(piece.times, time - _WINDOW_S)) :]
    else:
        near = piece[: int(np.searchsorted(piece.times, time + _WINDOW_S, side="right"))]
    size = max(float(np.median(longer_sides(near))), 1.0)
    ages = near.times - time
    places = seen_from(centres(near, clip.skeleton), near.frames, int(piece.frames[row]), clip) / size
    mean_age, mean_place = ages.mean(), places.mean(axis=0)
    # a line fitted with the prior that people stand still, give or take a walk
    spread = np.square(ages - mean_age).sum() + _NOISE**2 / _SPEED**2
    speed = ((ages - mean_age)[:, None] * (places - mean_place)).sum(axis=0) / spread
    speed_variance = _NOISE**2 / spread
    place = (mean_place - speed * mean_age) * size
    place_variance = _NOISE**2 / len(near) + speed_variance * mean_age**2 + _NOISE**2 / 4
    return (piece.frames[row], time, *place, *speed, size, place_variance, speed_variance)


def proportions(pieces: Sequence[Track], clip: Clip) -> Doubles:
    """float64 [N, L]: logarithm of each limb's length in body sizes; NaN where too few frames show it."""
    rows = np.full((len(pieces), len(clip.skeleton.limbs)), np.nan)
    for number, piece in enumerate(pieces):
        lengths = np.sort(limb_lengths(piece, clip.skeleton) / sizes(piece, clip.frame_s)[:, None], axis=0)
        counts = (~np.isnan(lengths)).sum(axis=0)  # NaN is sorted behind
        usable = np.flatnonzero(counts >= _LIMB_FRAMES)
        longest = lengths[np.rint(_LIMB_QUANTILE * (counts[usable] - 1)).astype(np.int64), usable]
        rows[number, usable] = np.log(np.maximum(longest, 1e-3))
    return rows
