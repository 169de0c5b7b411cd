"""Duplicates: people who are, for as long as they are seen, where somebody else is, joint by joint.

The tracker sometimes follows one person with two tracks, which see the person in turns. As the tracks share
times, association takes them for two people.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from posetrack.refine.background import seen_from
from posetrack.refine.bodies import sizes
from posetrack.refine.clip import SEEN, Clip, Track, joined
from posetrack.refine.splitting import overlapping_pairs
from posetrack.types import Doubles, IntArray

_SAME_PLACE = 0.12
"""Body sizes: median distance of the joints of two estimates of one body, on either side of a step."""

_SHARE = 0.8
"""Share of a duplicate's frames in which it is there. Two people who embrace or cover one another reach a half."""

_NEAREST_S = 0.5
"""Where somebody was earlier or later than that does not tell where they are."""


def merge_duplicates(
    tracks: Sequence[Track],
    clip: Clip,
    *,
    kept: AbstractSet[int] = frozenset(),
    different: Collection[tuple[int, int]] = (),
    least: int = 0,
) -> list[Track]:
    """The people, each of them once. What only the duplicate has seen of a person is kept.

    Args:
        tracks: People, as observed.
        clip: Whose they are.
        kept: Ids of people who are nobody's duplicates.
        different: Pairs of ids that are two people.
        least: Fewer people must not be left.
    """
    people = {track.track_id: track for track in tracks}
    for duplicate, owner in _duplicates(tracks, clip):
        apart = {(duplicate, owner), (owner, duplicate)} & set(different)
        if duplicate in kept or apart or not {duplicate, owner} <= people.keys() or len(people) <= least:
            continue
        people[owner] = _merged(people[owner], people.pop(duplicate))
    return list(people.values())


def _duplicates(tracks: Sequence[Track], clip: Clip) -> list[tuple[int, int]]:
    """Ids of duplicates and of those whom they double, the surest first."""
    found = []
    for pair in overlapping_pairs(tracks):
        less, more = sorted(pair, key=lambda track: (_seen(track), -track.track_id))
        share = _share(less, more, clip)
        if share >= _SHARE:
            found.append((-share, less.track_id, more.track_id))
    return [(duplicate, owner) for _, duplicate, owner in sorted(found)]


def _seen(track: Track) -> int:
    return int((track.origins == SEEN).sum())


def _share(duplicate: Track, owner: Track, clip: Clip) -> float:
    """Share of the frames of one track in which its joints are where the other's are expected."""
    near = _distance_s(duplicate.times, owner.times) <= _NEAREST_S
    if near.mean() < _SHARE:
        return 0.0
    size = np.maximum(np.median(sizes(duplicate, clip.frame_s)), np.median(sizes(owner, clip.frame_s)))
    view = int(duplicate.frames[len(duplicate) // 2])
    expected = _at(duplicate.times, owner, _steady(owner, view, clip))
    apart = np.linalg.norm(_steady(duplicate, view, clip) - expected, axis=-1) / size
    known = near & ~np.isnan(apart).all(axis=1)
    return float((np.nanmedian(apart[known], axis=1) <= _SAME_PLACE).sum() / len(duplicate))


def _distance_s(times: Doubles, others: Doubles) -> Doubles:
    """float64 [T]: how far the nearest of some ascending other times is."""
    after = np.searchsorted(others, times)
    before = np.abs(times - others[np.maximum(after - 1, 0)])
    return np.minimum(before, np.abs(times - others[np.minimum(after, len(others) - 1)]))


def _steady(track: Track, view: int, clip: Clip) -> Doubles:
    """float64 [T, K, 2]: joints as seen by the camera of one frame."""
    count, joints, _ = track.joints.shape
    frames = np.repeat(track.frames, joints)
    return seen_from(track.joints.reshape(-1, 2), frames, view, clip).reshape(count, joints, 2)


def _at(times: Doubles, track: Track, places: Doubles) -> Doubles:
    """float64 [T, K, 2]: a track's joints at other times, on straight lines; NaN for those never seen."""
    found = np.full((len(times), *places.shape[1:]), np.nan)
    for joint in range(places.shape[1]):
        there = np.flatnonzero(track.present[:, joint])
        if len(there):
            for axis in (0, 1):
                found[:, joint, axis] = np.interp(times, track.times[there], places[there, joint, axis])
    return found


def _merged(owner: Track, duplicate: Track) -> Track:
    """The owner's frames, and those of the duplicate in which the owner is not seen."""
    missed: IntArray = np.flatnonzero(~np.isin(duplicate.frames, owner.frames))
    return joined(owner.track_id, [owner, duplicate[missed]]) if len(missed) else owner
