"""Duplicates: tracks whose joints are, for as long as they last, where another person's joints are.

The tracker sometimes follows one person with two tracks, which see the person in turns. As the tracks share
times, association takes them for two people.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from posetrack.refine.arrays import norms
from posetrack.refine.background import seen_from
from posetrack.refine.bodies import box_centres, longer_sides
from posetrack.refine.clip import SEEN, Clip, Track, joined
from posetrack.refine.splitting import overlapping_pairs
from posetrack.types import Doubles, IntArray

_SAME_PLACE = 0.12
"""Body sizes: median distance of the joints of two estimates of one body, on either side of a step."""

_SHARE = 0.8
"""Share of a duplicate's frames in which it is there. Two people who embrace or cover one another reach a half."""

_NEAR = 0.6
"""Body sizes: middles of boxes of one person are no further apart, even if one of them holds half the body."""

_NEAREST_S = 0.5
"""A position from earlier or later than that says nothing about where the person is."""


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
        kept: Ids of people who are not duplicates.
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
    """Ids of duplicates and of the people they duplicate, the surest first."""
    bodies = {track.track_id: _Body.of(track) for track in tracks}
    found = []
    for pair in overlapping_pairs(tracks):
        less, more = sorted((bodies[track.track_id] for track in pair), key=lambda body: body.seen)
        share = _share(less, more, clip)
        if share >= _SHARE:
            found.append((-share, less.track.track_id, more.track.track_id))
    return [(duplicate, owner) for _, duplicate, owner in sorted(found)]


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """A person, and what all comparisons with others need.

    Attributes:
        track: The person.
        seen: Number of joints seen by the pose network, and minus the id: of two, the lower one is the duplicate.
        size: Median of the longer sides of the boxes, in pixels.
        middles: float64 [T, 2], of the boxes.
    """

    track: Track
    seen: tuple[int, int]
    size: float
    middles: Doubles

    @classmethod
    def of(cls, track: Track) -> _Body:
        seen = int((track.origins == SEEN).sum()), -track.track_id
        return cls(track, seen, float(np.median(longer_sides(track.boxes))), box_centres(track.boxes))


def _share(duplicate: _Body, owner: _Body, clip: Clip) -> float:
    """Share of the frames of one person in which the joints are where the other's are expected."""
    mine, theirs = duplicate.track, owner.track
    times, view = mine.times, int(mine.frames[len(mine) // 2])
    size = max(duplicate.size, owner.size)
    near = _distance_s(times, theirs.times) <= _NEAREST_S
    places, others = (seen_from(one.middles, one.track.frames, view, clip) for one in (duplicate, owner))
    near &= norms(places - _at(times, theirs.times, others)) <= _NEAR * size
    if near.mean() < _SHARE:  # most pairs: joints take ten times as long
        return 0.0
    ours, rivals = (seen_from(one.joints, one.frames, view, clip) for one in (mine, theirs))
    expected = np.full(ours.shape, np.nan)
    for joint, there in enumerate(theirs.present.T):
        if there.any():
            expected[:, joint] = _at(times, theirs.times[there], rivals[there, joint])
    apart = norms(ours - expected) / size
    known = near & ~np.isnan(apart).all(axis=1)
    return float((np.nanmedian(apart[known], axis=1) <= _SAME_PLACE).sum() / len(mine))


def _distance_s(times: Doubles, others: Doubles) -> Doubles:
    """float64 [T]: how far the nearest of some ascending other times is."""
    after = np.searchsorted(others, times)
    before = np.abs(times - others[np.maximum(after - 1, 0)])
    return np.minimum(before, np.abs(times - others[np.minimum(after, len(others) - 1)]))


def _at(times: Doubles, known: Doubles, places: Doubles) -> Doubles:
    """float64 [T, 2]: places [N, 2] at other times than the known ones, on straight lines."""
    return np.stack([np.interp(times, known, places[:, axis]) for axis in (0, 1)], axis=1)


def _merged(owner: Track, duplicate: Track) -> Track:
    """The owner's frames, and those of the duplicate in which the owner is not seen."""
    missed: IntArray = np.flatnonzero(~np.isin(duplicate.frames, owner.frames))
    return joined(owner.track_id, [owner, duplicate[missed]]) if len(missed) else owner
