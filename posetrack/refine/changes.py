"""Changes of appearance: places in a tracklet where somebody else seems to go on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from posetrack.refine.appearance import Looks
from posetrack.refine.clip import Doubles, Track
from posetrack.refine.turns import runs_of
from posetrack.types import IntArray

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
    for piece in pieces:
        changes = [] if piece.track_id in kept_whole else _changes(piece, looks).tolist()
        edges = [0, *changes, len(piece)]
        cut += [piece[start:end] for start, end in zip(edges[:-1], edges[1:], strict=True)]
    return cut


def _changes(piece: Track, looks: Looks) -> IntArray:
    """int64: rows of a tracklet from which on somebody else seems to be there."""
    times, rows = piece.times, np.arange(1, len(piece))
    rows = rows[np.minimum(times[rows] - times[0], times[-1] - times[rows - 1]) > _FROM_ENDS_S]
    if piece.appearance is None or not len(rows):
        return np.zeros(0, dtype=np.int64)
    first = np.searchsorted(times, times[rows - 1] - _WINDOW_S - 1e-9)
    last = np.searchsorted(times, times[rows] + _WINDOW_S + 1e-9, side="right")
    means = _Means(piece.appearance.astype(np.float64))
    odds = looks.odds(means.over(first, rows), means.over(rows, last), surest=np.inf)
    unlike = runs_of(np.flatnonzero(odds < _UNLIKE))
    return np.array([rows[run[odds[run].argmin()]] for run in unlike], dtype=np.int64)


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
