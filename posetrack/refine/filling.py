"""Filling: joints and boxes in gaps of a track, by a spline through both ends. What is filled is marked so."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.refine.background import seen_from
from posetrack.refine.clip import FILLED, MISSING, Clip, Track
from posetrack.types import Doubles, IntArray

_SLOPE_S = 0.3
"""Speed at a gap's end is that over this time: a frame's difference is mostly noise."""


def fill(track: Track, clip: Clip, max_fill_s: float) -> Track:
    """The track with gaps of at most ``max_fill_s`` between two observations filled, within a shot.

    Args:
        track: A person.
        clip: Whose frames and shots they are.
        max_fill_s: Longest gap: the time that its missing frames stand for, so 25 of them at 25 frames per second
            are one second.
    """
    whole = _with_frames(track, clip, max_fill_s)
    joints, scores, origins = whole.joints.copy(), whole.joint_scores.copy(), whole.origins.copy()
    view = int(whole.frames[len(whole) // 2])
    still = seen_from(joints, whole.frames, view, clip)
    for joint in range(joints.shape[1]):
        there = np.flatnonzero(origins[:, joint] != MISSING)
        rows, place = _inside_gaps(there, whole.frames, clip, max_fill_s)
        if len(rows):
            path = _spline(still[there, joint], whole.times[there], whole.times[rows], place)
            joints[rows, joint] = seen_from(path, np.full(len(rows), view), whole.frames[rows], clip)
            scores[rows, joint] = np.minimum(scores[there[place], joint], scores[there[place + 1], joint])
            origins[rows, joint] = FILLED
    return whole.replace(joints=joints, joint_scores=scores, origins=origins)


def _with_frames(track: Track, clip: Clip, max_fill_s: float) -> Track:
    """The track with rows for the frames in its gaps: boxes on a straight line, joints missing."""
    between = np.arange(track.frames[0], track.frames[-1] + 1)
    gone = np.ones(len(between), dtype=bool)
    gone[track.frames - track.frames[0]] = False
    rows, _ = _inside_gaps(np.flatnonzero(~gone), between, clip, max_fill_s)
    added = between[rows]
    if not len(added):
        return track.replace(raw_boxes=track.boxes)
    frames = np.sort(np.concatenate([track.frames, added]))
    old, new = (np.searchsorted(frames, some) for some in (track.frames, added))

    def grown(values: NDArray[Any], filler: Any) -> NDArray[Any]:
        """With one value, or one for each, in the frames that were added."""
        whole = np.empty((len(frames), *values.shape[1:]), dtype=values.dtype)
        whole[old], whole[new] = values, filler
        return whole

    appearance = None if track.appearance is None else grown(track.appearance, np.nan)
    identity = None if track.identity is None else _lower_ends(grown(track.identity, np.nan))
    by_hand = None if track.by_hand is None else grown(track.by_hand, False)
    return Track(
        track_id=track.track_id,
        name=track.name,
        frames=frames,
        times=clip.times[frames],
        boxes=grown(track.boxes, _between(track, added, clip)),
        box_scores=grown(track.box_scores, np.interp(clip.times[added], track.times, track.box_scores)),
        joints=grown(track.joints, np.nan),
        joint_scores=grown(track.joint_scores, 0),
        raw=grown(track.raw, np.nan),
        origins=grown(track.origins, MISSING),
        appearance=appearance,
        identity=identity,
        by_hand=by_hand,
        raw_boxes=grown(track.boxes, np.nan),
    )


def _between(track: Track, frames: IntArray, clip: Clip) -> Doubles:
    """float64 [N, 4]: boxes on straight lines before the background."""
    view = int(track.frames[len(track) // 2])
    still = seen_from(track.boxes.reshape(-1, 2, 2), track.frames, view, clip).reshape(-1, 4)
    times = clip.times[frames]
    boxes = np.stack([np.interp(times, track.times, side) for side in still.T], axis=1)
    return seen_from(boxes.reshape(-1, 2, 2), np.full(len(frames), view), frames, clip).reshape(-1, 4)


def _lower_ends(values: Doubles) -> Doubles:
    """Gaps filled with the lower of the values before and after them."""
    rows = np.arange(len(values))
    known = np.flatnonzero(~np.isnan(values))
    after = known[np.minimum(np.searchsorted(known, rows), len(known) - 1)]
    before = known[np.maximum(np.searchsorted(known, rows, side="right") - 1, 0)]
    return np.minimum(values[before], values[after])


def _inside_gaps(there: IntArray, frames: IntArray, clip: Clip, max_fill_s: float) -> tuple[IntArray, IntArray]:
    """Rows in short gaps, int64 [G], and for each the place in ``there`` of the observation before it."""
    spans = np.diff(there)
    gaps = np.flatnonzero(spans > 1)
    before, after = frames[there[gaps]], frames[there[gaps + 1]]
    missing_s = (clip.times[after] - clip.times[before]) * (1 - 1 / (after - before))
    place = gaps[(missing_s <= max_fill_s + 1e-9) & (clip.shots(before) == clip.shots(after))]
    counts = spans[place] - 1
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    place = np.repeat(place, counts)
    return there[place] + 1 + within, place


def _spline(points: Doubles, times: Doubles, wanted: Doubles, place: IntArray) -> Doubles:
    """float64 [G, 2]: cubic Hermite splines through the points before and after, with the speeds there.

    Args:
        points: float64 [N, 2] the observations.
        times: float64 [N].
        wanted: float64 [G] times in gaps.
        place: int64 [G]: the observation before each.
    """
    start, end = points[place], points[place + 1]
    length = (times[place + 1] - times[place])[:, None]
    chord = (end - start) / length
    earlier = np.searchsorted(times, times[place] - _SLOPE_S - 1e-9)
    later = np.searchsorted(times, times[place + 1] + _SLOPE_S + 1e-9, side="right") - 1
    before = _speed(points, times, earlier, place, chord)
    after = _speed(points, times, place + 1, later, chord)
    share = (wanted - times[place])[:, None] / length
    back = 1 - share
    line = start + share * (end - start)
    return np.asarray(line + share * back * length * (back * (before - chord) - share * (after - chord)))


def _speed(points: Doubles, times: Doubles, first: IntArray, last: IntArray, otherwise: Doubles) -> Doubles:
    """Mean speed from one observation to another; ``otherwise`` where they are the same."""
    passed = (times[last] - times[first])[:, None]
    return np.where(passed > 0, (points[last] - points[first]) / np.where(passed > 0, passed, 1), otherwise)
