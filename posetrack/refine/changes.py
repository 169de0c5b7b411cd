"""Changes of appearance: frames of a tracklet from which on it seems to follow another person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from posetrack.refine.appearance import Looks, batches
from posetrack.refine.clip import Track
from posetrack.refine.turns import runs_of
from posetrack.types import Doubles, IntArray

_WINDOW_S = 1.0
"""Appearance on each side is that of a second."""

_LEAST_FRAMES = 3
"""Fewer frames do not tell it."""

_FROM_ENDS_S = 0.5
"""Where a tracklet begins or ends, it has been cut already: people cover one another there, and look alike."""

_UNLIKE = -2.0
"""Logarithm of the odds from which on it is somebody else: 7 to 1."""


def cut_at_changes(pieces: Sequence[Track], looks: Looks | None, kept_whole: Collection[int] = ()) -> list[Track]:
    """The tracklets, cut where their appearance changes.

    Args:
        pieces: Tracklets.
        looks: What the clip teaches of appearance; without it, or if it separates nobody, nothing is cut.
        kept_whole: Ids of tracks that are not cut.
    """
    if looks is None or not looks.useful:
        return list(pieces)
    cut = []
    for batch in batches(pieces):
        changes = _changes({n: pieces[n] for n in batch.tolist() if pieces[n].track_id not in kept_whole}, looks)
        for number in batch.tolist():
            piece = pieces[number]
            edges = [0, *changes.get(number, ()), len(piece)]
            cut += [piece[start:end] for start, end in zip(edges[:-1], edges[1:], strict=True)]
    return cut


@dataclass(frozen=True, slots=True, eq=False)
class _Sides:
    """What a person looks like before and after some frames of a tracklet.

    Attributes:
        rows: int64 [N], the frames.
        before, after: float64 [N, D]; NaN where too little is known.
    """

    rows: IntArray
    before: Doubles
    after: Doubles


def _changes(pieces: Mapping[int, Track], looks: Looks) -> dict[int, list[int]]:
    """For tracklets, the rows from which on somebody else seems to be there. All are compared at once."""
    sides = {number: known for number, piece in pieces.items() if (known := _sides(piece)) is not None}
    if not sides:
        return {}
    before = np.concatenate([one.before for one in sides.values()])
    after = np.concatenate([one.after for one in sides.values()])
    borders = np.cumsum([len(one.rows) for one in sides.values()])[:-1]
    odds = np.split(looks.odds(before, after, surest=np.inf), borders)
    return {
        number: [int(one.rows[run[own[run].argmin()]]) for run in runs_of(np.flatnonzero(own < _UNLIKE))]
        for (number, one), own in zip(sides.items(), odds, strict=True)
    }


def _sides(piece: Track) -> _Sides | None:
    """Both sides of all frames where a tracklet may be cut; ``None`` if there are none."""
    times, rows = piece.times, np.arange(1, len(piece))
    rows = rows[np.minimum(times[rows] - times[0], times[-1] - times[rows - 1]) > _FROM_ENDS_S]
    if piece.appearance is None or not len(rows):
        return None
    first = np.searchsorted(times, times[rows - 1] - _WINDOW_S - 1e-9)
    last = np.searchsorted(times, times[rows] + _WINDOW_S + 1e-9, side="right")
    means = _Means(piece.appearance.astype(np.float64))
    return _Sides(rows, means.over(first, rows), means.over(rows, last))


class _Means:
    """Means of parts of a series with gaps, from cumulative sums."""

    def __init__(self, values: Doubles) -> None:
        known = ~np.isnan(values)
        start = np.zeros((1, values.shape[1]))
        self._sums = np.concatenate([start, np.cumsum(np.where(known, values, 0), axis=0)])
        self._counts = np.concatenate([start, np.cumsum(known, axis=0)])

    def over(self, first: IntArray, last: IntArray) -> Doubles:
        """float64 [N, D]: from the rows ``first`` up to, without, ``last``; NaN where too little is known."""
        counts = self._counts[last] - self._counts[first]
        return np.where(
            counts >= _LEAST_FRAMES, (self._sums[last] - self._sums[first]) / np.maximum(counts, 1), np.nan
        )
