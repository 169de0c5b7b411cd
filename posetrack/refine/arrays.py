"""Lengths and moving medians of points, several times as fast as by the general functions of NumPy and SciPy."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from posetrack.types import Doubles


def norms(vectors: Doubles) -> Doubles:
    """float64 [...]: lengths of vectors, float64 [..., 2]."""
    x, y = vectors[..., 0], vectors[..., 1]
    return np.asarray(np.sqrt(x * x + y * y), dtype=np.float64)


def moving_medians(values: Doubles, width: int) -> Doubles:
    """float64 [T, D]: medians of each column over an odd number of rows; the first and last row are repeated."""
    # SciPy has a faster filter for a single column
    columns = [median_filter(column, size=width, mode="nearest") for column in values.T]
    return np.stack(columns, axis=1).astype(np.float64, copy=False)
