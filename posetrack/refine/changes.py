"""Changes of appearance: frames of a tracklet from which on it seems to follow another person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

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
"""Logarithm of the odds above which the track now follows another person: 7 to 1."""


def cut_at_changes(pieces: Sequence[Track], looks: Looks | None, kept_whole: Collection[int] = ()) -> list[Track]:
    """The tracklets, cut where their appearance changes.

    Args:
        pieces: Tracklets.
        looks: What the clip teaches of appearance; without it, or if it tells no two people apart, nothing is cut.
        kept_whole: Ids of tracks that are not cut.
    """
    if looks is None or not looks.useful:
        return list(pieces)
    cut = []
    for batch in batches(pieces):
        changes = _changes({n: pieces[n] for n in batch.tolist() if pieces[n].track_id not in kept_whole}, looks)
        for number in batch.tolist():
            cut += pieces[number].cut_at(changes.get(number, []))
    return cut


def _changes(pieces: Mapping[int, Track], looks: Looks) -> dict[int, list[int]]:
    """For tracklets, the rows at which another person seems to begin. All are compared at once."""
    seen = {number: piece.appearance for number, piece in pieces.items() if piece.appearance is not None}
    if not seen:
        return {}
    windows = [_windows(pieces[number].times) for number in seen]
    starts = np.cumsum([0, *map(len, seen.values())])[:-1].tolist()
    rows, first, last = np.concatenate(
        [window + start for window, start in zip(windows, starts, strict=True)], axis=1
    )
    means = _Means(np.concatenate(list(seen.values())).astype(np.float64))
    odds = looks.odds(means.over(first, rows), means.over(rows, last), surest=np.inf)
    parts = np.split(odds, np.cumsum([window.shape[1] for window in windows])[:-1])
    return {
        number: [int(window[0, run[own[run].argmin()]]) for run in runs_of(np.flatnonzero(own < _UNLIKE))]
        for number, window, own in zip(seen, windows, parts, strict=True)
        if len(own)
    }


def _windows(times: Doubles) -> IntArray:
    """int64 [3, N]: the rows where a tracklet may be cut, and where what is compared with them begins and ends."""
    rows = np.arange(1, len(times))
    rows = rows[np.minimum(times[rows] - times[0], times[-1] - times[rows - 1]) > _FROM_ENDS_S]
    first = np.searchsorted(times, times[rows - 1] - _WINDOW_S - 1e-9)
    last = np.searchsorted(times, times[rows] + _WINDOW_S + 1e-9, side="right")
    return np.stack([rows, first, last])


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
