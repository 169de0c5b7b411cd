"""Stolen joints: where two people overlap, the pose network gives one of them joints of the other.

Such a joint lies on the same joint of the other person, or on its twin, and has jumped there. People who merely
cross keep their joints: theirs meet without a jump.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from posetrack.refine.arrays import norms
from posetrack.refine.bodies import sizes
from posetrack.refine.clip import Clip, Track
from posetrack.refine.splitting import overlapping_pairs, overlapping_rows
from posetrack.refine.turns import runs_of
from posetrack.types import BoolArray, Doubles, IntArray

SAME_PLACE = 0.08
"""Body sizes: two estimates of one joint are not further apart."""

_NEAR = 1.5
"""Within this multiple of it, a meeting goes on."""

_JUMP = 0.05
"""Body sizes by which a joint moves between two frames without a jump, ..."""

_FASTEST = 2.0
"""... and per second: the hands of a person who walks fast."""

_RECENT_S = 0.25
"""Where a joint was earlier tells nothing of a jump."""


def remove_stolen(tracks: Sequence[Track], clip: Clip, as_they_are: Collection[int] = ()) -> list[Track]:
    """The people without joints that they have from one another.

    Args:
        tracks: People, as observed.
        clip: Whose they are.
        as_they_are: Ids of people who keep all their joints.
    """
    bodies = {track.track_id: _Body(track, clip.frame_s) for track in tracks}
    for pair in overlapping_pairs(tracks):
        one, other = (bodies[track.track_id] for track in pair)
        if {one.track.track_id, other.track.track_id} <= set(as_they_are):
            continue
        rows, other_rows = overlapping_rows(one.track, other.track)
        if not len(rows):
            continue
        size = np.minimum(one.size[rows], other.size[other_rows])
        apart = _apart(one.track.joints[rows], other.track.joints[other_rows], size, clip)
        for body, own_rows, distances in zip((one, other), (rows, other_rows), apart, strict=True):
            body.mark_jumped(own_rows, distances)
    return [
        track if track.track_id in as_they_are else bodies[track.track_id].without_stolen() for track in tracks
    ]


class _Body:
    """A person, and the joints that are another's.

    Args:
        track: The person.
        frame_s: Time between two frames.
    """

    def __init__(self, track: Track, frame_s: float) -> None:
        self.track, self.size = track, sizes(track, frame_s)
        self._stolen: BoolArray = np.zeros(track.present.shape, dtype=bool)
        self._paths: dict[int, tuple[IntArray, BoolArray]] = {}

    def mark_jumped(self, rows: IntArray, apart: Doubles) -> None:
        """Mark those of the joints that meet a rival's in some rows that jump there or back."""
        for joint in np.flatnonzero((apart <= SAME_PLACE).any(axis=0)).tolist():
            there, jumps = self._path(joint)
            near = apart[:, joint] <= _NEAR * SAME_PLACE
            place = np.searchsorted(there, rows[near])
            meets = np.zeros(len(there), dtype=bool)
            meets[place] = apart[near, joint] <= SAME_PLACE
            for run in runs_of(place) if jumps.any() else []:
                if meets[run].any():
                    self._stolen[there[_not_own(run, jumps)], joint] = True

    def _path(self, joint: int) -> tuple[IntArray, BoolArray]:
        """Frames in which a joint is there, and where it jumps: the same for all rivals, and so found once."""
        if joint not in self._paths:
            there = np.flatnonzero(self.track.present[:, joint])
            jumps = _jumps(self.track.joints[there, joint], self.track.times[there], self.size[there])
            self._paths[joint] = there, jumps
        return self._paths[joint]

    def without_stolen(self) -> Track:
        """The person's own joints."""
        return self.track.without(self._stolen) if self._stolen.any() else self.track


def _apart(joints: Doubles, rivals: Doubles, size: Doubles, clip: Clip) -> tuple[Doubles, Doubles]:
    """float64 [T, K]: distance of each joint to the rival's joint of that kind, of either side, in body sizes.

    And likewise of each of the rival's joints.
    """
    twins = clip.skeleton.flip_permutation
    same = norms(joints - rivals) / size[:, None]
    twin = norms(joints - rivals[:, twins]) / size[:, None]
    return np.fmin(same, twin), np.fmin(same, twin[:, twins])


def _not_own(run: IntArray, jumps: BoolArray) -> IntArray:
    """Of a run of meetings, those to which the joint has jumped from elsewhere, or from which it jumps away.

    Jumps within the run lead to the rival and back: every second stretch between them is the person's own. Which
    ones, both ends of the run tell. If they disagree, or the joint is seen neither before nor after, the longer
    stretches are the person's own; if these are as long as the others, none is.
    """
    parts = np.split(run, np.flatnonzero(jumps[run[1:]]) + 1)
    last = len(parts) - 1
    starts_by_jump, ends_by_jump = bool(jumps[run[0]]), bool(jumps[run[-1] + 1])
    if last == 0:
        return run if starts_by_jump or ends_by_jump else run[:0]
    own = set()
    if starts_by_jump or run[0] > 0:
        own.add(int(starts_by_jump))
    if ends_by_jump or run[-1] + 2 < len(jumps):
        own.add((last + ends_by_jump) % 2)
    if len(own) != 1:
        shares = [sum(map(len, parts[first::2])) for first in (0, 1)]
        own = {first for first in (0, 1) if shares[first] > shares[1 - first]}
    return np.concatenate([part for number, part in enumerate(parts) if number % 2 not in own])


def _jumps(points: Doubles, times: Doubles, size: Doubles) -> BoolArray:
    """bool [N + 1]: whether a joint has jumped before each of N observations, and after them: never."""
    passed = np.diff(times)
    moved = norms(np.diff(points, axis=0))
    larger = np.maximum(size[1:], size[:-1])
    far = (moved > larger * (_JUMP + _FASTEST * passed)) & (passed <= _RECENT_S)
    return np.concatenate([[False], far, [False]])
