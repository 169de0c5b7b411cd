"""The two ends of each tracklet: the person's position, speed and size there, with their uncertainties.

Positions are in pixels, speeds in body sizes per second, relative to the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posetrack.refine.appearance import batches
from posetrack.refine.background import seen_from
from posetrack.refine.bodies import centres_of, limb_lengths, longer_sides, sizes_of
from posetrack.refine.clip import Clip, Track
from posetrack.types import Doubles, IntArray

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
    near = [_near(piece.times, last) for piece in pieces]
    lengths = np.array([part.stop - part.start for part in near], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    outer = starts + (lengths - 1) * last

    def column(name: str, *shape: int) -> Doubles:
        parts = (getattr(piece, name)[part] for piece, part in zip(pieces, near, strict=True))
        return np.concatenate([np.zeros((0, *shape)), *parts])

    frames, times, boxes = column("frames").astype(np.int64), column("times"), column("boxes", 4)
    joints = column("joints", len(clip.skeleton), 2)
    size = np.maximum(_medians(longer_sides(boxes), lengths), 1.0)
    ages = times - np.repeat(times[outer], lengths)
    places = (
        seen_from(centres_of(boxes, joints, clip.skeleton), frames, np.repeat(frames[outer], lengths), clip)
        / np.repeat(size, lengths)[:, None]
    )
    mean_age, mean_place = _means(ages[:, None], lengths)[:, 0], _means(places, lengths)
    older, away = ages - np.repeat(mean_age, lengths), places - np.repeat(mean_place, lengths, axis=0)
    # a line fitted with the prior that people stand still, give or take a walk
    spread = _sums(np.square(older)[:, None], lengths)[:, 0] + _NOISE**2 / _SPEED**2
    speed = _sums(older[:, None] * away, lengths) / spread[:, None]
    speed_variance = _NOISE**2 / spread
    return Ends(
        frames=frames[outer],
        times=times[outer],
        places=(mean_place - speed * mean_age[:, None]) * size[:, None],
        speeds=speed,
        sizes=size,
        place_variances=_NOISE**2 / lengths + speed_variance * mean_age**2 + _NOISE**2 / 4,
        speed_variances=speed_variance,
    )


def _near(times: Doubles, last: bool) -> slice:
    """The rows of the last (or first) second of a tracklet."""
    if last:
        return slice(int(np.searchsorted(times, times[-1] - _WINDOW_S)), len(times))
    return slice(0, int(np.searchsorted(times, times[0] + _WINDOW_S, side="right")))


def _sums(values: Doubles, lengths: IntArray) -> Doubles:
    """float64 [N, D]: sums of N parts of the rows, which follow one another."""
    if not len(lengths):
        return np.zeros((0, values.shape[1]))
    return np.add.reduceat(values, np.cumsum(lengths) - lengths, axis=0)


def _means(values: Doubles, lengths: IntArray) -> Doubles:
    return _sums(values, lengths) / lengths[:, None]


def _medians(values: Doubles, lengths: IntArray) -> Doubles:
    """float64 [N]: medians of N parts of the values, which follow one another."""
    ordered = values[np.lexsort((values, np.repeat(np.arange(len(lengths)), lengths)))]
    starts = np.cumsum(lengths) - lengths
    return np.asarray((ordered[starts + (lengths - 1) // 2] + ordered[starts + lengths // 2]) / 2)


def proportions(pieces: Sequence[Track], clip: Clip) -> Doubles:
    """float64 [N, L]: logarithm of each limb's length in body sizes; NaN where too few frames show it."""
    longest = np.full((len(pieces), len(clip.skeleton.limbs)), np.nan)
    enough = [number for number, piece in enumerate(pieces) if len(piece) >= _LIMB_FRAMES]
    for batch in batches([pieces[number] for number in enough]) if enough else []:
        numbers = [enough[place] for place in batch.tolist()]
        for number, lengths in zip(numbers, _limbs([pieces[number] for number in numbers], clip), strict=True):
            lengths.sort(axis=0)  # NaN is sorted behind
            counts = (~np.isnan(lengths)).sum(axis=0)
            usable = np.flatnonzero(counts >= _LIMB_FRAMES)
            places = np.rint(_LIMB_QUANTILE * (counts[usable] - 1)).astype(np.int64)
            longest[number, usable] = lengths[places, usable]
    return np.asarray(np.log(np.maximum(longest, 1e-3)), dtype=np.float64)


def _limbs(pieces: Sequence[Track], clip: Clip) -> list[Doubles]:
    """float64 [T, L] for each tracklet: length of each limb in body sizes."""
    lengths = limb_lengths(np.concatenate([piece.joints for piece in pieces]), clip.skeleton)
    borders = np.cumsum([len(piece) for piece in pieces])[:-1]
    return np.split(lengths / sizes_of(pieces, clip.frame_s)[:, None], borders)
