"""Stolen joints: where two people overlap, the pose network gives one of them joints of the other.

Such a joint lies on the same joint of the other person, or on its twin, and has jumped there. People who merely
cross keep their joints: theirs meet without a jump.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from posetrack.refine.bodies import sizes
from posetrack.refine.clip import Clip, Doubles, Track
from posetrack.refine.splitting import overlapping_pairs, overlapping_rows
from posetrack.refine.turns import runs_of
from posetrack.types import BoolArray, IntArray

SAME_PLACE = 0.08
"""Body sizes: two estimates of one joint are not further apart."""

_NEAR = 1.5
"""Within this multiple of it, a meeting goes on."""

_JUMP = 0.05
"""Body sizes by which a joint moves between two frames without a jump, ..."""

_FASTEST = 2.0
"""... and per second: the hands of somebody who walks fast."""

_RECENT_S = 0.25
"""Where a joint was earlier tells nothing of a jump."""


def remove_stolen(tracks: Sequence[Track], clip: Clip, as_they_are: Collection[int] = ()) -> list[Track]:
    """The people without joints that they have from one another.

    Args:
        tracks: People, as observed.
        clip: Whose they are.
        as_they_are: Ids of people who keep all their joints.
    """
    stolen = {track.track_id: np.zeros(track.present.shape, dtype=bool) for track in tracks}
    size = {track.track_id: sizes(track, clip.frame_s) for track in tracks}
    for one, other in overlapping_pairs(tracks):
        if one.track_id in as_they_are and other.track_id in as_they_are:
            continue
        rows, other_rows = overlapping_rows(one, other)
        if not len(rows):
            continue
        for track, mine, rival, theirs in ((one, rows, other, other_rows), (other, other_rows, one, rows)):
            near = np.minimum(size[track.track_id][mine], size[rival.track_id][theirs])
            apart = _apart(track.joints[mine], rival.joints[theirs], near, clip)
            _mark_jumped(stolen[track.track_id], track, size[track.track_id], mine, apart)
    return [
        track.without(stolen[track.track_id])
        if track.track_id not in as_they_are and stolen[track.track_id].any()
        else track
        for track in tracks
    ]


def _apart(joints: Doubles, rivals: Doubles, size: Doubles, clip: Clip) -> Doubles:
    """float64 [T, K]: distance of each joint to the rival's joint of that kind, of either side, in body sizes."""
    twins = clip.skeleton.flip_permutation
    both = [np.linalg.norm(joints - rivals[:, order], axis=-1) for order in (np.arange(len(twins)), twins)]
    return np.asarray(np.fmin(*both) / size[:, None], dtype=np.float64)


def _mark_jumped(jumped: BoolArray, track: Track, size: Doubles, rows: IntArray, apart: Doubles) -> None:
    """Mark, in bool [T, K], those of the joints that meet a rival's in some rows that jump there or back."""
    for joint in np.flatnonzero((apart <= SAME_PLACE).any(axis=0)):
        there = np.flatnonzero(track.present[:, joint])
        near = apart[:, joint] <= _NEAR * SAME_PLACE
        place = np.searchsorted(there, rows[near])
        meets = np.zeros(len(there), dtype=bool)
        meets[place] = apart[near, joint] <= SAME_PLACE
        jumps = _jumps(track.joints[there, joint], track.times[there], size[there])
        for run in runs_of(place) if jumps.any() else []:
            if meets[run].any():
                jumped[there[_not_own(run, jumps)], joint] = True


def _not_own(run: IntArray, jumps: BoolArray) -> IntArray:
    """Of a run of meetings, those to which the joint has jumped from elsewhere, or from which it jumps away.

    Jumps within the run lead to the rival and back: every second stretch between them is the person's own. Which
    ones, its ends tell; if the joint is not seen before and after, the longest stretch does.
    """
    parts = np.split(run, np.flatnonzero(jumps[run[1:]]) + 1)
    last = len(parts) - 1
    starts_by_jump, ends_by_jump = bool(jumps[run[0]]), bool(jumps[run[-1] + 1])
    if last == 0:
        return run if starts_by_jump or ends_by_jump else run[:0]
    if starts_by_jump or run[0] > 0:
        own = int(starts_by_jump)
    elif ends_by_jump or run[-1] + 2 < len(jumps):
        own = (last + ends_by_jump) % 2
    else:
        own = int(np.argmax([len(part) for part in parts])) % 2
    return np.concatenate([part for number, part in enumerate(parts) if number % 2 != own])


def _jumps(points: Doubles, times: Doubles, size: Doubles) -> BoolArray:
    """bool [N + 1]: whether a joint has jumped before each of N observations, and after them: never."""
    passed = np.diff(times)
    moved = np.linalg.norm(np.diff(points, axis=0), axis=1)
    far = (moved > size[1:] * (_JUMP + _FASTEST * passed)) & (passed <= _RECENT_S)
    return np.concatenate([[False], far, [False]])
