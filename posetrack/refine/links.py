"""How well one tracklet continues another, as a logarithm of odds: the same person, against two people.

A gain of 0 is a toss-up; 3 is 20 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posetrack.refine.appearance import SUREST, Looks, usual_looks
from posetrack.refine.arrays import norms
from posetrack.refine.background import displacement
from posetrack.refine.clip import Clip, Track
from posetrack.refine.ends import Ends, ends_of, proportions
from posetrack.types import Doubles, IntArray

_LONGEST_GAP_S, _LONGEST_AWAY_S = 10.0, 60.0
"""After longer gaps, the last position says nothing; nor does clothing, where appearance tells people apart."""

_NEXT_PIECES = 20
"""Where the number of people is given, links may be longer: to this many of the pieces that begin next."""

_ACCELERATION = 0.25
"""People change their speed: variance per second, in (body sizes per second) squared. Half a walk in a second."""

_GAIT = 0.25**2
"""Variance of the change at once: steps, and errors that last for some frames."""

_TURN, _TURNING = 0.5**2, 0.1
"""That of people who stop, or turn on the spot, and how many do."""

_SPEED_VARIANCE = 0.7**2
_SIZE_SPREAD, _PEOPLE_SIZE_SPREAD = 0.2, 0.5
"""Standard deviations of the logarithm of sizes: of one person at both sides of a gap, and of two people."""

_LIMB_SPREAD, _PEOPLE_LIMB_SPREAD = 0.2, 0.25
"""Likewise of limbs' lengths, which depend almost as much on the view as on the person."""

_HIDDEN_S = 2.0
"""People stay hidden for about this long."""

_INSIDE = 1.0
"""Added for each end inside the frame: people appear and disappear at its border."""

_BORDER = 0.5
"""The border is this many body sizes wide."""

_AWAY, _AWAY_S = -2.0, 30.0
"""A person who enters at the border is rarely one who left there, and more rarely the longer ago that was."""

_WALK = 0.8
"""Body sizes per second."""

_SAME_TRACK = 3.0
"""Added for pieces of one track: the tracker, which saw the frames, is right 19 times of 20."""

_MOST_BY_SIZE = np.log(_PEOPLE_SIZE_SPREAD / _SIZE_SPREAD)
_MOST_ELSE = np.log(_PEOPLE_LIMB_SPREAD / _LIMB_SPREAD) + _SAME_TRACK + SUREST
"""What limbs, the track and appearance add at most."""

_LOWEST = -30.0

_PAIRS_AT_ONCE = 100_000
"""Long clips have millions of pairs; so many are compared at a time, to save memory."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Links:
    """E possible links of N tracklets, none of which share a frame.

    Attributes:
        before, after: int64 [E]: the tracklets linked.
        gains: float64 [E].
    """

    before: IntArray
    after: IntArray
    gains: Doubles

    def of_undecided(self, pieces: Sequence[Track]) -> Links:
        """Without those of two tracklets that an earlier second pass has found to be two people."""
        decided = np.array([piece.decided for piece in pieces], dtype=bool)
        kept = ~(decided[self.before] & decided[self.after])
        return Links(before=self.before[kept], after=self.after[kept], gains=self.gains[kept])


def possible_links(pieces: Sequence[Track], clip: Clip, looks: Looks | None = None, *, unlikely: bool) -> Links:
    """All links that may be worth something.

    Args:
        pieces: Tracklets.
        clip: Their clip.
        looks: What the clip teaches of appearance, if it does.
        unlikely: Include links that gain nothing, and longer ones: for when people must be few.
    """
    evidence = _Evidence(pieces, clip, looks)
    before, after = evidence.candidates(unlikely)
    parts = [
        evidence.links(before[start : start + _PAIRS_AT_ONCE], after[start : start + _PAIRS_AT_ONCE], unlikely)
        for start in range(0, max(len(before), 1), _PAIRS_AT_ONCE)
    ]
    return Links(
        before=np.concatenate([part.before for part in parts]),
        after=np.concatenate([part.after for part in parts]),
        gains=np.concatenate([part.gains for part in parts]),
    )


class _Evidence:
    """What tells whether one tracklet continues another."""

    def __init__(self, pieces: Sequence[Track], clip: Clip, looks: Looks | None) -> None:
        self._clip = clip
        self._tails, self._heads = ends_of(pieces, clip, last=True), ends_of(pieces, clip, last=False)
        self._limbs = proportions(pieces, clip)
        self._next = _next_in_track(pieces)
        self._looks = looks if looks is not None and looks.useful else None
        self._usual = None if self._looks is None else usual_looks(pieces, clip)

    def candidates(self, unlikely: bool) -> tuple[IntArray, IntArray]:
        """Pairs of tracklets that are compared."""
        longest_s = _LONGEST_GAP_S if self._looks is None else _LONGEST_AWAY_S
        if unlikely:
            return _candidates(self._tails, self._heads, longest_s, _NEXT_PIECES)
        reach_s = np.where(_inside(self._tails, *self._clip.picture) > 0, self._reach_s(), np.inf)
        before, after = _candidates(self._tails, self._heads, np.minimum(reach_s, longest_s))
        shots = self._clip.shots
        same_shot = shots(self._tails.frames[before]) == shots(self._heads.frames[after])
        return before[same_shot], after[same_shot]

    def _reach_s(self) -> float:
        """Seconds after which no motion can link two tracklets, unless a person has left the frame and come back.

        It cannot if those that fit best, at the same place with the same speed, would not gain anything.
        """
        tails, heads = self._tails, self._heads
        gap = np.arange(0, _LONGEST_AWAY_S + 1, 0.5)
        gains = np.log(_area(self._clip)) - gap / _HIDDEN_S + 2 * _INSIDE + _MOST_BY_SIZE + _MOST_ELSE
        gains += np.log(_SPEED_VARIANCE + sum(ends.speed_variances.max(initial=0) for ends in (tails, heads)))
        place_variance = sum(ends.place_variances.min(initial=1) for ends in (tails, heads))
        gains -= np.log(2 * np.pi * (place_variance + _ACCELERATION * gap**3 / 12))
        gains += _same_speed(gap, np.zeros(len(gap)), 0.0)
        for ends in (tails, heads):
            squares = np.square(ends.speeds).sum(axis=1) / (_SPEED_VARIANCE + ends.speed_variances)
            gains += (squares / 4 - np.log(ends.sizes)).max(initial=-np.inf)
        return float(gap[min(int((gains > 0).sum()), len(gap) - 1)])

    def links(self, before: IntArray, after: IntArray, unlikely: bool) -> Links:
        """The links among some pairs; all of them if ``unlikely``, otherwise those that gain something."""
        tails, heads = self._tails, self._heads
        picture = self._clip.picture
        inside = _inside(tails, *picture)[before] + _inside(heads, *picture)[after]
        gains = _motion(tails, heads, before, after, self._clip) + inside
        border = np.flatnonzero(inside <= 0)
        gains[border] = np.maximum(gains[border], _away(tails, heads, before[border], after[border]))
        gains += _normal_odds(np.log(heads.sizes[after] / tails.sizes[before]), _SIZE_SPREAD, _PEOPLE_SIZE_SPREAD)
        if not unlikely:  # most pairs are far apart: nothing else saves them
            near = gains + _MOST_ELSE > 0
            before, after, gains = before[near], after[near], gains[near]
        gains += _by_limbs(self._limbs, before, after)
        gains += _SAME_TRACK * (self._next[before] == after)
        if self._looks is not None and self._usual is not None:
            gains += self._looks.odds(self._usual[before], self._usual[after])
        kept = np.ones(len(gains), dtype=bool) if unlikely else gains > 0
        return Links(before=before[kept], after=after[kept], gains=np.maximum(gains[kept], _LOWEST))


def _candidates(tails: Ends, heads: Ends, longest_s: Doubles | float, least: int = 0) -> tuple[IntArray, IntArray]:
    """Pairs of tracklets, the second of which begins after the first has ended, but not long after.

    Args:
        tails, heads: Of N tracklets.
        longest_s: The longest gap, for all or float64 [N] for each.
        least: So many of those that begin next are in pairs, however late.
    """
    order = np.lexsort((np.arange(len(heads.frames)), heads.frames))
    starts = heads.frames[order]
    first = np.searchsorted(starts, tails.frames, side="right")
    last = np.searchsorted(heads.times[order], tails.times + longest_s, side="right")
    last = np.maximum(last, np.minimum(first + least, len(starts)))
    counts = np.maximum(last - first, 0)
    before = np.repeat(np.arange(len(tails.frames)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return before, order[np.repeat(first, counts) + within]


def _motion(tails: Ends, heads: Ends, before: IntArray, after: IntArray, clip: Clip) -> Doubles:
    """Odds by motion from both sides: place, speed and size after a gap in which the speed changed at random."""
    gap = heads.times[after] - tails.times[before]
    size = np.sqrt(tails.sizes[before] * heads.sizes[after])
    mean_speed = (tails.speeds[before] + heads.speeds[after]) / 2
    speed_change = heads.speeds[after] - tails.speeds[before]
    known = tails.speed_variances[before] + heads.speed_variances[after]
    ends = tails.places[before], tails.frames[before], heads.places[after], heads.frames[after]
    moved = displacement(*ends, clip)
    missed = moved / size[:, None] - gap[:, None] * mean_speed
    place_variance = (
        tails.place_variances[before] + heads.place_variances[after]
        + gap**2 / 4 * known + _ACCELERATION * gap**3 / 12
    )  # fmt: skip
    change = np.square(speed_change).sum(axis=1)
    squares = (np.square(tails.speeds[before]).sum(axis=1) + np.square(heads.speeds[after]).sum(axis=1)) / 2
    apart = _SPEED_VARIANCE + known
    gains = np.log(_area(clip) / size**2) - np.log(2 * np.pi * place_variance)
    gains -= np.square(missed).sum(axis=1) / place_variance / 2
    gains += np.log(apart) + squares / apart / 2
    return np.asarray(gains + _same_speed(gap, change, known) - gap / _HIDDEN_S, dtype=np.float64)


def _same_speed(gap: Doubles, change: Doubles, known: Doubles | float) -> Doubles:
    """Logarithm of the density, but for a constant, of a squared change of speed during a gap.

    Args:
        gap: float64 [N], seconds.
        change: float64 [N].
        known: float64 [N]: variances of what is known of the change.
    """
    ways = [
        np.log(share / variance) - change / variance / 2
        for share, variance in (
            (1 - _TURNING, known + _ACCELERATION * gap + _GAIT),
            (_TURNING, known + _ACCELERATION * gap + _TURN),
        )
    ]
    return np.asarray(np.logaddexp(*ways), dtype=np.float64)


def _area(clip: Clip) -> float:
    """Of the frame, in square pixels."""
    low, high = clip.picture
    return float(np.maximum(high - low, 1).prod())


def _away(tails: Ends, heads: Ends, before: IntArray, after: IntArray) -> Doubles:
    """Odds that a person who left the frame has come back, no faster than people walk."""
    gap = heads.times[after] - tails.times[before]
    size = np.sqrt(tails.sizes[before] * heads.sizes[after])
    walked = norms(heads.places[after] - tails.places[before]) / size
    return np.where(walked <= _WALK * gap, _AWAY - gap / _AWAY_S, -np.inf)


def _normal_odds(values: Doubles, same: float, different: float) -> Doubles:
    """Odds of two normal distributions around 0."""
    odds = np.log(different / same) + np.square(values) / 2 * (different**-2 - same**-2)
    return np.asarray(odds, dtype=np.float64)


def _by_limbs(lengths: Doubles, before: IntArray, after: IntArray) -> Doubles:
    """Odds by limb proportions. Limbs are not independent: together they count as one."""
    odds = _normal_odds(lengths[after] - lengths[before], _LIMB_SPREAD, _PEOPLE_LIMB_SPREAD)
    known = ~np.isnan(odds)
    return np.asarray(np.where(known, odds, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def _inside(ends: Ends, low: Doubles, high: Doubles) -> Doubles:
    """Odds by where people appear or disappear: float64 [N], more inside the frame than at its border."""
    margin = _BORDER * ends.sizes[:, None]
    within = (ends.places > low + margin) & (ends.places < high - margin)
    return np.asarray(_INSIDE * within.all(axis=1), dtype=np.float64)


def _next_in_track(pieces: Sequence[Track]) -> IntArray:
    """int64 [N]: for each piece the next one of its track; -1 for the last."""
    ids = np.array([piece.track_id for piece in pieces], dtype=np.int64)
    starts = np.array([piece.frames[0] for piece in pieces], dtype=np.int64)
    order = np.lexsort((starts, ids))
    following = np.full(len(pieces), -1)
    following[order[:-1]] = np.where(ids[order[1:]] == ids[order[:-1]], order[1:], -1)
    return following
