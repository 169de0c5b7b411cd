"""One-to-one assignment of few candidates: most pairs, then least cost."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from posetrack.types import BoolArray, Doubles


def contested(candidates: BoolArray) -> BoolArray:
    """Find the matrices that need a solver: a row or column has several candidates.

    Args:
        candidates: bool [..., R, C].

    Returns:
        bool [...]. Where False, the candidates are the assignment.
    """
    rows, columns = candidates.sum(axis=-1) > 1, candidates.sum(axis=-2) > 1
    several: BoolArray = rows.any(axis=-1) | columns.any(axis=-1)
    return several


def most_pairs_least_cost(candidates: BoolArray, costs: Doubles) -> BoolArray:
    """Find the assignment with the most pairs and, among those, the least total cost.

    Args:
        candidates: bool [R, C].
        costs: float64 [R, C] >= 0, finite for the candidates.

    Returns:
        bool [R, C], at most one per row and column.

    >>> costs = np.array([[0.1, 0.2], [0.3, np.inf]])
    >>> most_pairs_least_cost(np.isfinite(costs), costs).tolist()
    [[False, True], [True, False]]
    """
    # more than all candidates cost together; motmetrics' constant, so that ties are broken alike
    forbidden = 2 * min(costs.shape) * (costs[candidates].max(initial=0) + 1) + 1
    rows, columns = linear_sum_assignment(np.where(candidates, costs, forbidden))
    chosen = np.zeros_like(candidates)
    chosen[rows, columns] = True
    return chosen & candidates
