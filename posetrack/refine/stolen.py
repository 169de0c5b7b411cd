"""Stolen joints: where two people overlap, the pose network gives one of them joints of the other.

Such a joint lies on the same joint of the other person, or on its twin, and has jumped there. People who merely
cross keep their joints: theirs meet without a jump.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posetrack.refine.bodies import sizes
from posetrack.refine.clip import Clip, Doubles, Track
from posetrack.refine.splitting import overlapping_pairs, overlapping_rows
from posetrack.refine.turns import runs_of
from posetrack.types import BoolArray, IntArray

SAME_PLACE = 0.08
"""Body sizes: two estimates of one joint are not further apart."""

_JUMP = 0.05
"""Body sizes by which a joint moves between two frames without a jump, ..."""

_FASTEST = 2.0
"""... and per second: the hands of somebody who walks fast."""

_RECENT_S = 0.25
"""Where a joint was earlier tells nothing of a jump."""


def remove_stolen(tracks: Sequence[Track], clip: Clip) -> list[Track]:
    """The people without joints that they have from one another.

    Args:
        tracks: People, as observed.
        clip: Whose they are.
    """
    stolen = {track.track_id: np.zeros(track.present.shape, dtype=bool) for track in tracks}
    for one, other in overlapping_pairs(tracks):
        rows, other_rows = overlapping_rows(one, other)
        if not len(rows):
            continue
        for track, mine, rival, theirs in ((one, rows, other, other_rows), (other, other_rows, one, rows)):
            meets = _meets(track[mine], rival[theirs], clip)
            stolen[track.track_id] |= _jumped(track, mine, meets, clip)
    return [track.without(stolen[track.track_id]) if stolen[track.track_id].any() else track for track in tracks]


def _meets(track: Track, rival: Track, clip: Clip) -> BoolArray:
    """bool [T, K]: joints that lie on the rival's joint of that kind, on either side."""
    twins = clip.skeleton.flip_permutation
    near = SAME_PLACE * np.minimum(sizes(track, clip.frame_s), sizes(rival, clip.frame_s))[:, None]
    apart = [
        np.linalg.norm(track.joints - rival.joints[:, order], axis=-1) for order in (np.arange(len(twins)), twins)
    ]
    on_it: BoolArray = (apart[0] <= near) | (apart[1] <= near)
    return on_it


def _jumped(track: Track, rows: IntArray, meets: BoolArray, clip: Clip) -> BoolArray:
    """bool [T, K]: of the joints that meet a rival's in some rows, those that jump there or back."""
    jumped: BoolArray = np.zeros(track.present.shape, dtype=bool)
    size = sizes(track, clip.frame_s)
    for joint in np.flatnonzero(meets.any(axis=0)):
        there = np.flatnonzero(track.present[:, joint])
        place = np.searchsorted(there, rows[meets[:, joint]])
        jumps = _jumps(track.joints[there, joint], track.times[there], size[there])
        for run in runs_of(place) if jumps.any() else []:
            jumped[there[_not_own(run, jumps)], joint] = True
    return jumped


def _not_own(run: IntArray, jumps: BoolArray) -> IntArray:
    """Of a run of meetings, those that a jump parts from where the joint was before and after.

    If jumps part all of them, the longest stretch between two is the person's own, unless there is only one; and
    so is every second one before and after it, because joints go and come back.
    """
    if not jumps[run[0] : run[-1] + 2].any():
        return run[:0]
    parts = np.split(run, np.flatnonzero(jumps[run[1:]]) + 1)
    begins = run[0] > 0 and not jumps[run[0]]
    ends = run[-1] + 1 < len(jumps) - 1 and not jumps[run[-1] + 1]
    own = {0} if begins else set()
    own |= {len(parts) - 1} if ends else set()
    if not own and len(parts) > 1:
        own = set(range(int(np.argmax([len(part) for part in parts])) % 2, len(parts), 2))
    taken = [part for number, part in enumerate(parts) if number not in own]
    return np.concatenate([np.zeros(0, dtype=np.int64), *taken])


def _jumps(points: Doubles, times: Doubles, size: Doubles) -> BoolArray:
    """bool [N + 1]: whether a joint has jumped before each of N observations, and after them: never."""
    passed = np.diff(times)
    moved = np.linalg.norm(np.diff(points, axis=0), axis=1)
    far = (moved > size[1:] * (_JUMP + _FASTEST * passed)) & (passed <= _RECENT_S)
    return np.concatenate([[False], far, [False]])
