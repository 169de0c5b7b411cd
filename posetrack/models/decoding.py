"""Heatmap codecs: from heatmaps to joints, to a fraction of a cell. Independent of any network.

Every codec takes float32 [N, K, h, w] and returns float32 [N, K, 2], x and y in cells (centres at integers), and
float32 [N, K], the value of the highest cell, clipped to [0, 1]. A heatmap whose highest cell is not a finite
number has score 0, which is a missing joint. docs/codecs.md measures how accurate the codecs are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posetrack.models.conventions import InputConvention
from posetrack.models.dark import decode_dark, decode_dark_published, decode_dark_udp, kernel_length
from posetrack.models.peaks import Decoded, moved, peaks, window
from posetrack.types import FloatArray

Codec = Callable[[FloatArray, float], Decoded]
"""Takes heatmaps and the standard deviation, in cells, of the Gaussians that the network was trained on."""

INTEGRAL_SHARPNESS = 12.0
"""``integral`` weighs a cell of height v with exp(12 v) - 1: a Gaussian's peak outweighs all of a map's noise."""

_WHOLE_MAP = 1 << 20

_SHARPNESS = 5.0
"""Soft-argmax scales the highest cell to this. A higher value means fewer cells count, and more noise."""


def decode_argmax(heatmaps: FloatArray) -> Decoded:
    """The highest cell itself: the baseline for the other codecs."""
    x, y, scores = peaks(heatmaps)
    return np.stack([x, y], axis=-1).astype(np.float32), scores


def decode_quarter(heatmaps: FloatArray, *, each_axis: bool = False) -> Decoded:
    """The highest cell, moved a quarter of a cell towards its higher neighbour in x and in y.

    Newell et al., ECCV 2016; used by Xiao et al. Peaks near the border do not move, as in the published code:
    those in the first two and the last column or row in the official code and MMPose 0.x. MMPose 1.x treats each
    axis by itself: along the border, only peaks in the first row and column do not move.

    Args:
        heatmaps: float32 [N, K, h, w].
        each_axis: As in MMPose 1.x.
    """
    x, y, scores = peaks(heatmaps)
    height, width = heatmaps.shape[-2:]
    around = window(heatmaps, x, y, radius=1)
    inside_x, inside_y = (x > 1) & (x < width - 1), (y > 1) & (y < height - 1)
    clear_x, clear_y = (x > 0, y > 0) if each_axis else (inside_x, inside_y)
    shift_x = _quarter(around[..., 1, 0], around[..., 1, 2]) * (inside_x & clear_y)
    shift_y = _quarter(around[..., 0, 1], around[..., 2, 1]) * (inside_y & clear_x)
    return moved(x, y, shift_x, shift_y), scores


def _quarter(before: FloatArray, after: FloatArray) -> NDArray[np.float64]:
    """A quarter towards the higher of two neighbours, 0 where they are equal."""
    return 0.25 * ((after > before).astype(np.float64) - (after < before))


def decode_soft_argmax(heatmaps: FloatArray, sigma: float) -> Decoded:
    """Soft-argmax, the expected position over the heatmap, in a window around the highest cell.

    Sun, Xiao, Wei, Liang, Wei: "Integral Human Pose Regression", ECCV 2018, section 2: the expected position under
    softmax(heatmap), over the whole map, for networks trained through it. Heatmaps trained with a mean squared
    error lie between 0 and 1, where that softmax is nearly flat and its expectation nearly the middle of the map.
    So three things differ here. Heatmaps are scaled to a peak of ``_SHARPNESS``. A cell at 0 has no weight: exp(v)
    - 1, which removes the bias of the softmax's floor that Gu, Yang, Mi, Yao describe ("Bias-Compensated Integral
    Regression for Human Pose Estimation", 2023). And only cells up to 3 sigma from the peak count, which excludes
    second peaks and background noise.

    Args:
        heatmaps: float32 [N, K, h, w].
        sigma: Standard deviation of the targets' Gaussians in cells.
    """
    x, y, scores = peaks(heatmaps)
    radius = reach_cells("soft-argmax", sigma)
    cells = window(heatmaps, x, y, radius)
    peak = cells[..., radius, radius, None, None]
    weights = np.expm1(_SHARPNESS * np.clip(cells / np.where(peak > 0, peak, 1), 0, 1))
    total = weights.sum(axis=(-2, -1))
    total[total <= 0] = 1
    offsets = np.arange(-radius, radius + 1)
    return moved(x, y, weights.sum(axis=-2) @ offsets / total, weights.sum(axis=-1) @ offsets / total), scores


def decode_integral(heatmaps: FloatArray) -> Decoded:
    """Soft-argmax over the whole map, for networks that were trained through it (``posetrack.training``).

    Sun et al., as for ``decode_soft_argmax``; a cell at 0 has no weight, as there. The softmax is so sharp that
    heatmaps stay between 0 and 1, and their peaks remain scores.

    Args:
        heatmaps: float32 [N, K, h, w].
    """
    _, _, scores = peaks(heatmaps)
    cells = np.clip(np.where(np.isfinite(heatmaps), heatmaps, 0), 0, 1).astype(np.float64)
    weights = np.expm1(INTEGRAL_SHARPNESS * cells)
    total = weights.sum(axis=(-2, -1))
    total[total <= 0] = 1
    columns, rows = np.arange(heatmaps.shape[-1]), np.arange(heatmaps.shape[-2])
    x, y = weights.sum(axis=-2) @ columns / total, weights.sum(axis=-1) @ rows / total
    return np.stack([x, y], axis=-1).astype(np.float32), scores


CODECS: dict[str, Codec] = {
    "argmax": lambda heatmaps, _: decode_argmax(heatmaps),
    "quarter": lambda heatmaps, _: decode_quarter(heatmaps),
    "dark": decode_dark,
    "dark-udp": lambda heatmaps, sigma: decode_dark_udp(heatmaps, kernel_length(sigma)),
    "soft-argmax": decode_soft_argmax,
    "integral": lambda heatmaps, _: decode_integral(heatmaps),
}

_PUBLISHED_DARK = {"dark": decode_dark_published, "dark-udp": decode_dark_udp}
"""Take heatmaps and the length of the smoothing kernel."""


def codec_of(name: str, convention: InputConvention) -> Codec:
    """A codec of ``CODECS`` as a network's publisher applies it."""
    if name == "quarter" and convention.quarter_each_axis:
        return lambda heatmaps, _: decode_quarter(heatmaps, each_axis=True)
    kernel = convention.dark_kernel_cells
    if name in _PUBLISHED_DARK and kernel is not None:
        return lambda heatmaps, _: _PUBLISHED_DARK[name](heatmaps, kernel)
    return CODECS[name]


def reach_cells(name: str, sigma: float, convention: InputConvention | None = None) -> int:
    """How many cells from the highest one a codec reads, in x and in y; it needs no others.

    A border of the map within this distance matters too.

    Args:
        name: Of the codec.
        sigma: Standard deviation, in cells, of the Gaussians that the network was trained on.
        convention: Of the network, as for ``codec_of``.
    """
    if name in _PUBLISHED_DARK and convention is not None and convention.dark_kernel_cells is not None:
        return _WHOLE_MAP
    radius = {
        "argmax": 0,
        "quarter": 2,
        "dark": kernel_length(sigma) // 2 + 2,
        "dark-udp": _WHOLE_MAP,
        "soft-argmax": math.ceil(3 * sigma),
        "integral": _WHOLE_MAP,
    }
    return radius[name]
