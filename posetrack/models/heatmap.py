"""Heatmaps: Gaussian targets, and where their cells lie in the network's input. Independent of any network.

A heatmap cell is ``stride`` input pixels wide. The position of its centre depends on how the network was trained
(``posetrack.models.conventions.Grid``):

``centres``
    Ours. Cell h covers input pixels from h * stride - 0.5 to (h + 1) * stride - 0.5, so its centre is input pixel
    (h + 0.5) * stride - 0.5. With this convention a mirrored image gives exactly mirrored heatmaps.
``corners``
    The official code's and MMPose's. Cell h is input pixel h * stride. Mirrored heatmaps are off by
    (stride - 1) / stride of a cell, which the publishers compensate with a shift by one cell.
``ends``
    Unbiased data processing. The first cell is the first input pixel, the last cell the last one.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posetrack.models.conventions import Grid
from posetrack.types import FloatArray

Pitch = float | NDArray[np.float64]
"""Input pixels from cell to cell; float64 [2] where x and y differ."""


def cell_pitch(size: tuple[int, int], stride: float, grid: Grid) -> Pitch:
    """The pitch of heatmaps with ``stride`` input pixels per cell, of an input of this width and height."""
    sides = np.array(size, np.float64)
    return (sides - 1) / (sides / stride - 1) if grid == "ends" else stride


def input_to_heatmap(points: NDArray[np.floating], pitch: Pitch, grid: Grid = "centres") -> NDArray[np.float64]:
    """Network input pixels as heatmap cells (pixel centres in both)."""
    cells = (points + 0.5) / pitch - 0.5 if grid == "centres" else points / pitch
    return np.asarray(cells, dtype=np.float64)


def heatmap_to_input(points: NDArray[np.floating], pitch: Pitch, grid: Grid = "centres") -> NDArray[np.float64]:
    """Heatmap cells as network input pixels: the inverse of ``input_to_heatmap``."""
    pixels = (points + 0.5) * pitch - 0.5 if grid == "centres" else points * pitch
    return np.asarray(pixels, dtype=np.float64)


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


def mirrored_back(heatmaps: Tensor, permutation: Tensor, shift_cells: int = 0) -> Tensor:
    """Heatmaps of a mirrored image, mapped back to the image itself.

    The flip test averages them with the image's own (Newell et al., ECCV 2016, section 4; Xiao et al., ECCV 2018,
    section 4.1).

    Args:
        heatmaps: [N, K, h, w] of the mirrored crops.
        permutation: int64 [K] channel of each joint's left/right twin.
        shift_cells: Cells by which they are then moved to the right; the first columns keep their values. 1 for
            networks on the ``corners`` grid (``SHIFT_HEATMAP`` in the official code), 0 for our own.
    """
    back = heatmaps[:, permutation].flip(-1)
    if shift_cells:
        back = torch.cat([back[..., :shift_cells], back[..., :-shift_cells]], dim=-1)
    return back
