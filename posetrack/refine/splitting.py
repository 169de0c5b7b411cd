"""Splitting: cuts tracks where the person may have changed, so that each tracklet is one person.

Four places are doubtful: gaps, jumps, sudden turns, and crossings, where two boxes overlap. Unnecessary cuts are
undone by the association, which sees both sides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from posetrack.refine.arrays import norms
from posetrack.refine.background import displacement
from posetrack.refine.bodies import centres, sizes
from posetrack.refine.clip import Clip, Track
from posetrack.refine.turns import runs_of, turns
from posetrack.types import BoolArray, Doubles, IntArray

_GAP_S = 0.2
"""Longer gaps are doubtful: a walking person has moved by the width of a body."""

_ROUNDING_S = 1e-6
"""Differences of times are no more exact than that."""

_FASTEST = 4.0
"""Body sizes per second: a sprint of 7 m/s."""

_JITTER = 0.35
"""Body sizes by which the centre jumps when a half-hidden person's box changes."""

_CROSSING_IOU = 0.3
"""Overlap from which detector and pose network may take one person for the other."""


def split(clip: Clip, kept_whole: Collection[int] = (), uncut: Collection[tuple[int, int]] = ()) -> list[Track]:
    """The tracklets of all tracks, in order of track and time; they keep their track's id.

    Args:
        clip: Tracks as observed.
        kept_whole: Ids of tracks that are not cut.
        uncut: Id and frame of places where a track is not cut.
    """
    doubts = _doubts(clip)
    pieces = []
    for track in clip.tracks:
        doubtful = [] if track.track_id in kept_whole else doubts[track.track_id]
        frames = [frame for doubt in doubtful if (track.track_id, doubt[1]) not in uncut for frame in doubt]
        places = np.unique(np.searchsorted(track.frames, np.array(frames, dtype=np.int64)))
        edges = [place for place in places.tolist() if 0 < place < len(track)]
        pieces += track.cut_at(edges)
    return pieces


def doubtful_frames(clip: Clip) -> dict[int, list[int]]:
    """For each id, the frames from which on the track may follow another person; in no order.

    Args:
        clip: Tracks as observed.
    """
    return {number: [frame for _, frame in doubts] for number, doubts in _doubts(clip).items()}


def _doubts(clip: Clip) -> dict[int, list[tuple[int, int]]]:
    """For each id, the earliest and the latest frames from which on it may follow another person; in no order.

    Where two people cross, one of them may be seen for some frames without the other, or overlap twice by the
    same share. These frames become a piece of their own, so that the cuts are the same if time runs backwards.
    """
    doubts = {track.track_id: [(frame, frame) for frame in _own_cuts(track, clip)] for track in clip.tracks}
    for one, other in overlapping_pairs(clip.tracks):
        crossings = _crossings(one, other)
        doubts[one.track_id] += crossings
        doubts[other.track_id] += crossings
    return doubts


def _own_cuts(track: Track, clip: Clip) -> list[int]:
    """First frames of pieces: after gaps, jumps and sudden turns, and where a shot begins."""
    steps = np.diff(track.times)
    places = centres(track, clip.skeleton)
    ends = places[:-1], track.frames[:-1], places[1:], track.frames[1:]
    moved = norms(displacement(*ends, clip))
    size = sizes(track, clip.frame_s)
    jumps = moved > np.minimum(size[1:], size[:-1]) * (_JITTER + _FASTEST * steps)
    other_shot = np.diff(clip.shots(track.frames)) > 0
    breaks = np.flatnonzero(are_gaps(steps, clip) | jumps | other_shot) + 1
    parts = track.cut_at(breaks.tolist())
    frames = np.concatenate([track.frames[breaks], *(turns(part, clip) for part in parts)])
    return [int(frame) for frame in frames]


def are_gaps(steps: Doubles, clip: Clip) -> BoolArray:
    """bool [N]: whether a person may be another one after steps from frame to frame, float64 [N] in seconds."""
    return steps > max(_GAP_S + _ROUNDING_S, 1.5 * clip.frame_s)


def overlapping_pairs(tracks: Sequence[Track]) -> Iterator[tuple[Track, Track]]:
    """Pairs of tracks whose times overlap, whether or not they share a frame; the later one first."""
    by_start = sorted(tracks, key=lambda track: (track.frames[0], track.track_id))
    present: list[Track] = []
    for track in by_start:
        present = [other for other in present if other.frames[-1] >= track.frames[0]]
        yield from ((track, other) for other in present)
        present.append(track)


def shared_rows(one: Track, other: Track) -> tuple[IntArray, IntArray]:
    """int64 [N] each: rows of two tracks in the frames that both have."""
    first, end = max(one.frames[0], other.frames[0]), min(one.frames[-1], other.frames[-1]) + 1
    rows, other_rows = (np.arange(*np.searchsorted(track.frames, (first, end))) for track in (one, other))
    places = np.full(max(end - first, 0), -1)
    places[other.frames[other_rows] - first] = other_rows
    found = places[one.frames[rows] - first]
    return rows[found >= 0], found[found >= 0]


def overlapping_rows(one: Track, other: Track) -> tuple[IntArray, IntArray]:
    """int64 [N] each: rows of two tracks in frames in which their boxes overlap."""
    rows, other_rows = shared_rows(one, other)
    low = np.maximum(one.boxes[rows, :2], other.boxes[other_rows, :2])
    high = np.minimum(one.boxes[rows, 2:], other.boxes[other_rows, 2:])
    close = (low < high).all(axis=1)
    return rows[close], other_rows[close]


def _crossings(one: Track, other: Track) -> list[tuple[int, int]]:
    rows, other_rows = shared_rows(one, other)
    overlap = _iou(one.boxes[rows], other.boxes[other_rows])
    if overlap.max(initial=0) < _CROSSING_IOU:
        return []
    frames = one.frames[rows]
    # a cut lies between two frames, so that it lies there, too, if time runs backwards
    pairs = overlap[:-1] + overlap[1:]
    close = np.flatnonzero(np.maximum(overlap[:-1], overlap[1:]) >= _CROSSING_IOU)
    middles = [_middle_of_highest(run, pairs) for run in runs_of(close)]
    return [(int(frames[first]) + 1, int(frames[last + 1])) for first, last in middles]


def _middle_of_highest(run: IntArray, values: Doubles) -> tuple[int, int]:
    """The place of the highest value in a run, twice; of several, the middle one, or the two in the middle."""
    highest: list[int] = run[values[run] == values[run].max()].tolist()
    return highest[(len(highest) - 1) // 2], highest[len(highest) // 2]


def _iou(one: Doubles, other: Doubles) -> Doubles:
    """float64 [N] of pairs of boxes, [N, 4] each."""
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    both = _areas(np.maximum(high - low, 0))
    areas = _areas(one[:, 2:] - one[:, :2]) + _areas(other[:, 2:] - other[:, :2])
    return np.asarray(both / np.maximum(areas - both, 1e-9), dtype=np.float64)


def _areas(sizes: Doubles) -> Doubles:
    return sizes[:, 0] * sizes[:, 1]
