"""Sides: left and right, frame by frame, by the Viterbi path over a track.

In each frame the upper body is as estimated or mirrored (left and right joints exchanged), and so is the lower
body: four states, because networks may exchange only the arms, or only the legs. Four things distinguish them:

- joints move little from frame to frame, so exchanges that reduce motion are likely;
- shoulders and hips do not point in opposite directions;
- people walk forwards: a person's left is on the right of the image while they come nearer, and on its left while
  they walk away;
- most frames are right: a mirrored frame costs a little, and more if its joints are certain, so that the majority
  decides for a whole track.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from posetrack.refine.arrays import norms
from posetrack.refine.bodies import limb_lengths, sizes
from posetrack.refine.clip import Track
from posetrack.refine.turns import Slopes
from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, Doubles, IntArray

_STEP, _STEP_S = 0.05, 0.04
"""Motion, in body sizes, from which a joint's step tells no more: a wrist moves as far in a frame at 25 fps."""

_MIRRORED = 0.2
"""Cost of a mirrored frame whose joints have a score of 1, as a share of the largest cost of one joint's step.

A quarter of it let arms and legs that cross in a walk seen from the side exchange the sides for seconds: on 12
rendered scenes with exact joints 1.0 % of the frames were exchanged for nothing, 0.3 % with this.
"""

_FOLLOW_S = 3.0
"""Up to this time from a frame whose sides were set by hand, the majority counts for nothing ..."""

_BESIDE = 2.0
"""... and motion right beside that frame counts so many times: that sides change just there is unlikely."""

_EXCHANGE = 1.0
"""Cost of an exchange between two frames: exchanges must pay for more than one joint."""

_TWISTED = 0.3
"""Cost of a frame whose shoulders and hips are seen from the front and point in opposite directions."""

_BACKWARDS = 0.5
"""Cost of a frame in which a person seen from the front walks away, or one seen from behind comes nearer."""

_FRONT = 0.12
"""Distance of the shoulders of a person seen from the front, in body sizes. Hips are half as wide."""

_WALK = 0.2
"""Growth per second of a person who walks towards the camera from five metres: 1 m/s."""

_LEAST_GROWTH = 0.5
"""Share of that walk that is clearly one ..."""

_GROWTH_S = 3.0
"""... if it lasts that long. People rise or bend in less."""

_DEAR = 1.0
"""Exchanges are looked for where they cost at most this much more motion than none, to save time."""

_STATES = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
"""Whether the upper and the lower body are mirrored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Left and right of a person are exchanged, as the user has said.

    Attributes:
        track_id: The person.
        start_s, end_s: From and up to these times.
    """

    track_id: int
    start_s: float
    end_s: float

    def covers(self, track: Track) -> BoolArray:
        """bool [T]: the frames of the track that the swap is about."""
        inside: BoolArray = (track.times >= self.start_s) & (track.times <= self.end_s)
        return inside


def mirrored(track: Track, skeleton: Skeleton, frames: BoolArray, joints: IntArray | None = None) -> Track:
    """The track with left and right exchanged in some frames.

    Args:
        track: A person.
        skeleton: Of the joints.
        frames: bool [T].
        joints: The joints that are exchanged, with their twins; all by default.
    """
    if not frames.any():
        return track
    slots = np.arange(len(skeleton)) if joints is None else joints
    places = np.ix_(np.flatnonzero(frames), slots)
    others = np.ix_(np.flatnonzero(frames), skeleton.flip_permutation[slots])

    def exchanged(values: Doubles) -> Doubles:
        changed = values.copy()
        changed[places] = values[others]
        return changed

    names = ("joints", "joint_scores", "raw", "origins")
    return track.replace(**{name: exchanged(getattr(track, name)) for name in names})


def settle_sides(track: Track, skeleton: Skeleton, frame_s: float) -> Track:
    """The track with its sides as motion, posture and walk have them.

    Args:
        track: A person, as observed.
        skeleton: Of the joints.
        frame_s: Time between two frames.
    """
    upper, lower = (np.flatnonzero(half) for half in skeleton.sided_halves)
    size = sizes(track, frame_s)
    settled = np.zeros(len(track), dtype=bool) if track.sides_known is None else track.sides_known
    near = _near(settled, track.times)
    weight = np.where(settled[1:] != settled[:-1], _BESIDE, 1.0)[:, None]
    arms, legs = (weight * _motion(track, skeleton, half, size) for half in (upper, lower))
    states = _STATES[_cheapest(_costs(track, skeleton, size, near), arms, legs, near)]
    for half, exchanged in zip((upper, lower), states.T == 1, strict=True):
        track = mirrored(track, skeleton, exchanged, half)
    return track


def _motion(track: Track, skeleton: Skeleton, slots: IntArray, size: Doubles) -> Doubles:
    """float64 [T - 1, 2]: motion of a half of the body if its state stays, and if it changes.

    Relative to the half as a whole, which an exchange does not move.
    """
    now, later = track.joints[:-1][:, slots], track.joints[1:]
    scale = np.minimum(size[1:], size[:-1]) * _STEP * np.maximum(np.diff(track.times) / _STEP_S, 1)
    twins = skeleton.flip_permutation[slots]
    pairs = (later[:, slots] + later[:, twins] - now - track.joints[:-1][:, twins]) / 2
    whole: BoolArray = ~np.isnan(pairs[..., 0])
    shift = np.where(whole[..., None], pairs, 0).sum(axis=1) / np.maximum(whole.sum(axis=1), 1)[:, None]

    def cost(order: IntArray) -> Doubles:
        moved = norms(later[:, order] - now - shift[:, None]) / scale[:, None]
        return np.asarray(np.fmin(moved, 1.0).sum(axis=1))  # 1 where it is missing

    return np.stack([cost(slots), cost(twins)], axis=1)


def _costs(track: Track, skeleton: Skeleton, size: Doubles, near: BoolArray) -> Doubles:
    """float64 [T, 4]: cost of each state in each frame. Those ``near`` settled ones do not follow the majority."""
    halves = skeleton.sided_halves
    share = halves.sum(axis=1) / max(halves.sum(), 1)
    sure = [track.joint_scores[:, half].mean(axis=1) if half.any() else np.zeros(len(track)) for half in halves]
    majority = _MIRRORED * ~near
    weights = np.stack([majority * part * score for part, score in zip(share, sure, strict=True)], axis=1)
    shoulders, hips = (_across(track, skeleton, part) / size[:, None] for part in ("shoulder", "hip"))
    signs = 1 - 2 * _STATES
    pointing = _pointing(shoulders, hips)[:, None] * signs.prod(axis=1)
    walking = (_growth(track, skeleton) * _shown(shoulders[:, 0] / _FRONT))[:, None] * signs[:, 0]
    costs = weights @ _STATES.T + _TWISTED * np.maximum(-pointing, 0) + _BACKWARDS * np.maximum(-walking, 0)
    costs[_known(track), 1:] = np.inf
    return np.asarray(costs, dtype=np.float64)


def _near(settled: BoolArray, times: Doubles) -> BoolArray:
    """bool [T]: frames near those whose sides were set by hand, bool [T]."""
    if not settled.any():
        return settled
    known = times[settled]
    after = np.searchsorted(known, times)
    apart = [np.abs(times - known[np.clip(place, 0, len(known) - 1)]) for place in (after - 1, after)]
    return np.asarray(np.min(apart, axis=0) <= _FOLLOW_S)


def _known(track: Track) -> BoolArray:
    """bool [T]: frames in which sides were set, or a joint was placed, by hand."""
    known: BoolArray = np.zeros(len(track), dtype=bool)
    if track.sides_known is not None:
        known |= track.sides_known
    if track.by_hand is not None:
        known |= track.by_hand.any(axis=1)
    return known


def _across(track: Track, skeleton: Skeleton, part: str) -> Doubles:
    """float64 [T, 2]: from the right joint of a kind to the left one; 0 where one of them is missing."""
    names = (f"left_{part}", f"right_{part}")
    if not set(names) <= set(skeleton.joints):
        return np.zeros((len(track), 2))
    left, right = (skeleton.index(name) for name in names)
    return np.nan_to_num(track.joints[:, left] - track.joints[:, right])


def _pointing(shoulders: Doubles, hips: Doubles) -> Doubles:
    """float64 [T] in [-1, 1]: whether shoulders and hips point the same way; near 0 if seen from the side."""
    lengths = norms(shoulders), norms(hips)
    cosine = (shoulders * hips).sum(axis=1) / np.maximum(lengths[0] * lengths[1], 1e-9)
    return np.asarray(cosine * _shown(lengths[0] / _FRONT) * _shown(2 * lengths[1] / _FRONT))


def _shown(share: Doubles) -> Doubles:
    """How much of a distance between left and right is seen, at most all."""
    return np.clip(share, -1, 1)


def _growth(track: Track, skeleton: Skeleton) -> Doubles:
    """float64 [T] in [-1, 1]: whether a person comes nearer or walks away; 0 where that is not clear.

    The median over all limbs, because a person who bends or turns changes some of them.
    """
    lengths = np.log(np.maximum(limb_lengths(track.joints, skeleton), 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # limbs that are never seen have no median
        scale = _medians(lengths - np.nanmedian(lengths, axis=0))
    rows = np.flatnonzero(~np.isnan(scale))
    times, half = track.times[rows] - track.times[0], _GROWTH_S / 2
    first = np.searchsorted(times, times - half)
    last = np.searchsorted(times, times + half, side="right")
    rates = Slopes(times, np.stack([scale[rows]] * 2, axis=1)).over(first, last)[:, 0] / _WALK
    whole = (times >= half) & (times <= times[-1:] - half)
    growth = np.zeros(len(track))
    growth[rows] = np.where(whole & (np.abs(rates) > _LEAST_GROWTH), np.clip(rates, -1, 1), 0)
    return growth


def _medians(values: Doubles) -> Doubles:
    """float64 [N]: median of each of many short rows, of what is known; NaN where nothing is."""
    ordered = np.sort(values, axis=1)  # NaN is sorted behind
    last = (~np.isnan(values)).sum(axis=1) - 1
    rows = np.arange(len(values))
    return np.asarray((ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]) / 2, dtype=np.float64)


def _cheapest(costs: Doubles, upper: Doubles, lower: Doubles, near: BoolArray) -> IntArray:
    """int64 [T]: the path of states with the lowest sum of costs.

    Args:
        costs: float64 [T, 4] of the states.
        upper, lower: float64 [T - 1, 2]: motion of both halves without and with an exchange.
        near: bool [T], frames near settled ones.
    """
    changed = _STATES[:, None] != _STATES[None]
    worth = np.minimum(upper[:, 1] - upper[:, 0], lower[:, 1] - lower[:, 0]) <= _DEAR
    worth |= near[1:] != near[:-1]
    starts = np.concatenate([[0], np.flatnonzero(worth) + 1])
    stretches = np.add.reduceat(costs, starts, axis=0)
    steps = (
        upper[worth][:, changed[..., 0].astype(int)]
        + lower[worth][:, changed[..., 1].astype(int)]
        + _EXCHANGE * changed.any(axis=-1)
    )
    total, came_from = stretches[0], np.zeros((len(steps), 4), dtype=np.int64)
    # a recursion: each stretch needs the one before
    for number, (step, cost) in enumerate(zip(steps, stretches[1:], strict=True)):
        ways = total[:, None] + step
        came_from[number] = ways.argmin(axis=0)
        total = ways.min(axis=0) + cost
    states = [int(total.argmin())]
    for origin in came_from[::-1]:
        states.append(int(origin[states[-1]]))
    return np.repeat(np.array(states[::-1]), np.diff(np.append(starts, len(costs))))
