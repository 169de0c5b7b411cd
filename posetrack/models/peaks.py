"""The highest cells of heatmaps, from which every codec starts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.types import FloatArray

Cells = NDArray[np.int64]

Decoded = tuple[FloatArray, FloatArray]
"""Joints, float32 [N, K, 2], x and y in cells (centres at integers), and their scores, float32 [N, K]."""


def peaks(heatmaps: FloatArray) -> tuple[Cells, Cells, FloatArray]:
    """Column and row of the highest cell of each heatmap [N, K, h, w], and its score, each [N, K]."""
    width = heatmaps.shape[-1]
    flat = heatmaps.reshape(*heatmaps.shape[:2], width * heatmaps.shape[-2])
    best = flat.argmax(axis=-1)
    values = np.take_along_axis(flat, best[..., None], axis=-1)[..., 0]
    scores = np.where(np.isfinite(values), np.clip(values, 0, 1), 0).astype(np.float32)
    return best % width, best // width, scores


def window(heatmaps: FloatArray, x: Cells, y: Cells, radius: int) -> FloatArray:
    """The cells up to ``radius`` away from each peak, [N, K, 2 radius + 1, 2 radius + 1].

    Cells outside the map, and values that are not finite, are 0.
    """
    height, width = heatmaps.shape[-2:]
    offsets = np.arange(-radius, radius + 1)
    rows, columns = (y[..., None] + offsets)[..., :, None], (x[..., None] + offsets)[..., None, :]
    people = np.arange(heatmaps.shape[0])[:, None, None, None]
    joints = np.arange(heatmaps.shape[1])[None, :, None, None]
    cells = heatmaps[people, joints, np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside & np.isfinite(cells), cells, np.float32(0))


def moved(x: Cells, y: Cells, shift_x: NDArray[np.floating], shift_y: NDArray[np.floating]) -> FloatArray:
    """Peaks moved by parts of a cell, float32 [N, K, 2]."""
    return np.stack([x + shift_x, y + shift_y], axis=-1).astype(np.float32)
