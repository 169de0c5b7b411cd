"""The heatmap codec: joints to Gaussian targets, and heatmaps back to joints. Independent of any network.

A heatmap cell is ``stride`` input pixels wide; cell h covers input pixels from h * stride - 0.5 to
(h + 1) * stride - 0.5, so its centre is input pixel (h + 0.5) * stride - 0.5. With this convention a mirrored
image gives exactly mirrored heatmaps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posetrack.types import FloatArray

Codec = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def input_to_heatmap(points: NDArray[np.floating], stride: float) -> NDArray[np.float64]:
    """Network input pixels as heatmap cells (pixel centres in both)."""
    return np.asarray((points + 0.5) / stride - 0.5, dtype=np.float64)


def heatmap_to_input(points: NDArray[np.floating], stride: float) -> NDArray[np.float64]:
    """Heatmap cells as network input pixels: the inverse of ``input_to_heatmap``."""
    return np.asarray((points + 0.5) * stride - 0.5, dtype=np.float64)


def gaussian_targets(points: NDArray[np.floating], size: tuple[int, int], sigma: float) -> FloatArray:
    """Target heatmaps: 2-D Gaussians with peak 1 at the joints' exact, sub-cell positions.

    Xiao, Wu, Wei (ECCV 2018), section 2; exact positions instead of rounded ones as in Zhang et al., "DARK",
    CVPR 2020, section 3.2.

    Args:
        points: [..., K, 2] joints in heatmap cells.
        size: Width and height of the heatmaps.
        sigma: Standard deviation in cells.

    Returns:
        float32 [..., K, height, width].
    """
    width, height = size
    x = np.exp(-((np.arange(width) - points[..., 0, None]) ** 2) / (2 * sigma**2))
    y = np.exp(-((np.arange(height) - points[..., 1, None]) ** 2) / (2 * sigma**2))
    return (y[..., :, None] * x[..., None, :]).astype(np.float32)


def _peaks(heatmaps: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Column, row and value of the highest cell of each heatmap [N, K, h, w], each [N, K]."""
    width = heatmaps.shape[-1]
    flat = heatmaps.reshape(*heatmaps.shape[:2], width * heatmaps.shape[-2])
    best = flat.argmax(axis=-1)
    scores = np.take_along_axis(flat, best[..., None], axis=-1)[..., 0]
    return best % width, best // width, scores


def _around(heatmaps: FloatArray, x: NDArray[np.int64], y: NDArray[np.int64]) -> FloatArray:
    """The 5x5 cells around a peak, [N, K, 5, 5]; cells outside repeat the border."""
    height, width = heatmaps.shape[-2:]
    offsets = np.arange(-2, 3)
    rows = np.clip(y[..., None] + offsets, 0, height - 1)[..., :, None]
    columns = np.clip(x[..., None] + offsets, 0, width - 1)[..., None, :]
    people = np.arange(heatmaps.shape[0])[:, None, None, None]
    joints = np.arange(heatmaps.shape[1])[None, :, None, None]
    return np.asarray(heatmaps[people, joints, rows, columns])


def decode_quarter(heatmaps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The highest cell, moved a quarter of a cell towards its higher neighbour in x and in y.

    Newell et al., ECCV 2016; used by Xiao et al. Peaks on the border are not moved.

    Args:
        heatmaps: float32 [N, K, h, w].

    Returns:
        float32 [N, K, 2] in cells; float32 [N, K] peak values, clipped to [0, 1].
    """
    x, y, scores = _peaks(heatmaps)
    height, width = heatmaps.shape[-2:]
    window = _around(heatmaps, x, y)
    inside_x, inside_y = (x > 0) & (x < width - 1), (y > 0) & (y < height - 1)
    shift_x = 0.25 * np.sign(window[..., 2, 3] - window[..., 2, 1]) * inside_x
    shift_y = 0.25 * np.sign(window[..., 3, 2] - window[..., 1, 2]) * inside_y
    points = np.stack([x + shift_x, y + shift_y], axis=-1).astype(np.float32)
    return points, np.clip(scores, 0, 1).astype(np.float32)


CODECS: dict[str, Codec] = {"quarter": decode_quarter}


def mirrored_back(heatmaps: FloatArray, permutation: NDArray[np.int64]) -> FloatArray:
    """Heatmaps of a mirrored image as those of the image itself.

    Args:
        heatmaps: [N, K, h, w] of the mirrored crops.
        permutation: [K] channel of each joint's left/right twin.
    """
    return heatmaps[:, permutation, :, ::-1]
