"""One-to-one assignment of tracks and poses by their similarity.

A matching takes similarities, float [T, N], and a floor. It returns int64 rows and columns of the matched pairs,
by ascending row. Pairs below the floor, or with similarity 0, are not matched.
"""

from __future__ import annotations

from collections.abc import Callable

import lap
import numpy as np

from posetrack.types import UNLINKED, BoolArray, FloatArray, IntArray

Matching = Callable[[FloatArray, float], tuple[IntArray, IntArray]]


def greedy(similarity: FloatArray, floor: float) -> tuple[IntArray, IntArray]:
    """Match the most similar pair first, then the most similar of the remaining pairs, and so on.

    Ties go to the lower row, then to the lower column.

    >>> greedy(np.array([[0.8, 0.9], [0.1, 0.8]]), 0.2)
    (array([0]), array([1]))
    """
    places = np.flatnonzero(allowed(similarity, floor))
    best_first = places[np.argsort(-similarity.reshape(-1).take(places), kind="stable")]
    rows, columns = np.divmod(best_first, max(similarity.shape[1], 1))
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if row not in partner and column not in taken:
            partner[row] = column
            taken.add(column)
    matched = sorted(partner)
    return np.array(matched, np.int64), np.array([partner[row] for row in matched], np.int64)


def hungarian(similarity: FloatArray, floor: float) -> tuple[IntArray, IntArray]:
    """The one-to-one matching with the largest sum of similarities (Jonker and Volgenant's algorithm).

    >>> hungarian(np.array([[0.8, 0.9], [0.1, 0.8]]), 0.2)
    (array([0, 1]), array([0, 1]))
    """
    if similarity.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    gain = np.where(allowed(similarity, floor), similarity, 0).astype(np.float64)
    _, partner, _ = lap.lapjv(-gain, extend_cost=True)
    rows = np.arange(len(gain), dtype=np.int64)
    matched = partner >= 0
    matched[matched] = gain[rows[matched], partner[matched]] > 0
    return rows[matched], np.asarray(partner[matched], np.int64)


MATCHINGS: dict[str, Matching] = {"greedy": greedy, "hungarian": hungarian}
"""The matchings by name."""


def allowed(similarity: FloatArray, floor: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """bool [T, N]: pairs that may be matched."""
    return similarity >= floor if floor > 0 else similarity > 0


def rows_of(ids: IntArray, known_ids: IntArray) -> tuple[IntArray, BoolArray]:
    """Row of each id in ``known_ids`` (distinct ids), and bool: whether it is there."""
    order = np.argsort(known_ids)
    places = np.minimum(np.searchsorted(known_ids, ids, sorter=order), max(len(known_ids) - 1, 0))
    rows = order[places] if len(known_ids) else np.zeros(len(ids), np.int64)
    found = known_ids[rows] == ids if len(known_ids) else np.zeros(len(ids), np.bool_)
    return rows, found & (ids != UNLINKED)
