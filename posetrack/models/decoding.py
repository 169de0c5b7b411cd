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
from posetrack.types import BoolArray, FloatArray

Decoded = tuple[FloatArray, FloatArray]

Codec = Callable[[FloatArray, float], Decoded]
"""Takes heatmaps and the standard deviation, in cells, of the Gaussians that the network was trained on."""

INTEGRAL_SHARPNESS = 12.0
"""``integral`` weighs a cell of height v with exp(12 v) - 1: a Gaussian's peak outweighs all of a map's noise."""

_WHOLE_MAP = 1 << 20

_Cells = NDArray[np.int64]

_EPSILON = float(np.finfo(np.float32).eps)
"""Added to the Hessian's diagonal, as in the published code."""

_SHARPNESS = 5.0
"""Soft-argmax scales the highest cell to this. A higher value means fewer cells count, and more noise."""


def _peaks(heatmaps: FloatArray) -> tuple[_Cells, _Cells, FloatArray]:
    """Column and row of the highest cell of each heatmap [N, K, h, w], and its score, each [N, K]."""
    width = heatmaps.shape[-1]
    flat = heatmaps.reshape(*heatmaps.shape[:2], width * heatmaps.shape[-2])
    best = flat.argmax(axis=-1)
    values = np.take_along_axis(flat, best[..., None], axis=-1)[..., 0]
    scores = np.where(np.isfinite(values), np.clip(values, 0, 1), 0).astype(np.float32)
    return best % width, best // width, scores


def _window(heatmaps: FloatArray, x: _Cells, y: _Cells, radius: int) -> FloatArray:
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


def _moved(x: _Cells, y: _Cells, shift_x: NDArray[np.floating], shift_y: NDArray[np.floating]) -> FloatArray:
    return np.stack([x + shift_x, y + shift_y], axis=-1).astype(np.float32)


def decode_argmax(heatmaps: FloatArray) -> Decoded:
    """The highest cell itself: the baseline for the other codecs."""
    x, y, scores = _peaks(heatmaps)
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
    x, y, scores = _peaks(heatmaps)
    height, width = heatmaps.shape[-2:]
    around = _window(heatmaps, x, y, radius=1)
    inside_x, inside_y = (x > 1) & (x < width - 1), (y > 1) & (y < height - 1)
    clear_x, clear_y = (x > 0, y > 0) if each_axis else (inside_x, inside_y)
    shift_x = _quarter(around[..., 1, 0], around[..., 1, 2]) * (inside_x & clear_y)
    shift_y = _quarter(around[..., 0, 1], around[..., 2, 1]) * (inside_y & clear_x)
    return _moved(x, y, shift_x, shift_y), scores


def _quarter(before: FloatArray, after: FloatArray) -> NDArray[np.float64]:
    """A quarter towards the higher of two neighbours, 0 where they are equal."""
    return 0.25 * ((after > before).astype(np.float64) - (after < before))


def decode_dark(heatmaps: FloatArray, sigma: float) -> Decoded:
    """Distribution-aware: a Newton step on the logarithm of the smoothed heatmap.

    Zhang, Zhu, Dai, Ye, Zhu: "Distribution-Aware Coordinate Representation for Human Pose Estimation" (DARK), CVPR
    2020, section 3.1. The logarithm of a Gaussian is a parabola, so its second-order Taylor expansion about the
    highest cell m gives the exact position of its maximum, mu = m - H^-1 g, with gradient g and Hessian H by
    central differences. Networks' heatmaps are not clean Gaussians, so they are first "modulated": smoothed with a
    Gaussian as wide as those of the targets. The paper then scales the result to the old maximum, which adds a
    constant to the logarithm and changes neither g nor H; so only the cells that the differences need are
    calculated here. As in the published code, heatmaps are 0 outside the map, which pulls joints closer than 2
    sigma to the border inwards; and the kernel is 11 cells long for sigma 2 and 17 for sigma 3, with OpenCV's
    sigma for a kernel of that length, 0.3 (length / 2 - 1.5) + 0.8.

    A peak less than two cells from the border does not move, as in the published code. Unlike there, a peak also
    stays if the logarithm has no maximum nearby: a cell at or below 0, an H that is not negative definite, or a
    step beyond the cells considered.

    Args:
        heatmaps: float32 [N, K, h, w].
        sigma: Standard deviation of the targets' Gaussians in cells.
    """
    x, y, scores = _peaks(heatmaps)
    height, width = heatmaps.shape[-2:]
    cells = _smoothed(heatmaps, x, y, sigma, radius=2)
    usable = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2) & (cells > 0).all(axis=(-2, -1))
    step_x, step_y = _newton_step(np.log(np.where(usable[..., None, None], cells, 1.0)))
    usable &= np.maximum(np.abs(step_x), np.abs(step_y)) <= 2
    return _moved(x, y, np.where(usable, step_x, 0.0), np.where(usable, step_y, 0.0)), scores


def decode_dark_udp(heatmaps: FloatArray, sigma: float) -> Decoded:
    """DARK as in networks with unbiased data processing: finer differences, and up to the border.

    Huang, Zhu, Guo, Huang: "The Devil is in the Details: Delving into Unbiased Data Processing for Human Pose
    Estimation", CVPR 2020, and MMPose's ``refine_keypoints_dark_udp``. Heatmaps are smoothed as for
    ``decode_dark`` and cut off below 0.001 and above 50; the differences are of neighbouring cells, beyond the
    border those of the border itself. Steps are long where the logarithm is no parabola, as in heatmaps of
    untrained networks. Unlike there, a peak stays where the Hessian has no inverse, or the step is longer than the
    map.

    Args:
        heatmaps: float32 [N, K, h, w].
        sigma: Standard deviation of the targets' Gaussians in cells.
    """
    x, y, scores = _peaks(heatmaps)
    height, width = heatmaps.shape[-2:]
    finite = np.where(np.isfinite(heatmaps), heatmaps, np.float32(0))
    smoothed = _all_smoothed(finite, sigma)
    near = np.array([-1, 0, 1])
    rows, columns = np.clip(y[..., None] + near, 0, height - 1), np.clip(x[..., None] + near, 0, width - 1)
    people, joints = np.ogrid[: heatmaps.shape[0], : heatmaps.shape[1]]
    around = smoothed[people[..., None, None], joints[..., None, None], rows[..., :, None], columns[..., None, :]]
    # As published, the smoothed map is first scaled to the old maximum, which only the cut-offs notice.
    peaks, highest = _maxima(finite), _maxima(smoothed)
    scaled = around * np.divide(peaks, highest, out=np.ones_like(highest), where=highest != 0)
    step_x, step_y = _udp_step(np.log(np.clip(scaled, 1e-3, 50)))
    usable = np.maximum(np.abs(step_x), np.abs(step_y)) <= max(height, width)  # not where they are not finite
    return _moved(x, y, np.where(usable, step_x, 0.0), np.where(usable, step_y, 0.0)), scores


def _udp_step(logs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Newton's step from the middle of [N, K, 3, 3] in x and y, [N, K] each; infinite where there is none."""
    middle = logs[..., 1, 1]
    left, right, up, down = logs[..., 1, 0], logs[..., 1, 2], logs[..., 0, 1], logs[..., 2, 1]
    dx, dy = (right - left) / 2, (down - up) / 2
    dxx, dyy = right - 2 * middle + left + _EPSILON, down - 2 * middle + up + _EPSILON
    dxy = (logs[..., 2, 2] - right - down + 2 * middle - left - up + logs[..., 0, 0]) / 2
    determinant = dxx * dyy - dxy**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return (dxy * dy - dyy * dx) / determinant, (dxy * dx - dxx * dy) / determinant


def _smoothed(heatmaps: FloatArray, x: _Cells, y: _Cells, sigma: float, radius: int) -> NDArray[np.float64]:
    """The modulated heatmaps up to ``radius`` cells away from each peak, [N, K, 2 radius + 1, 2 radius + 1]."""
    kernel = _modulation(sigma)
    rows = np.stack([np.pad(kernel, (k, 2 * radius - k)) for k in range(2 * radius + 1)])
    return np.asarray(rows @ _window(heatmaps, x, y, _modulation_radius(sigma) + radius) @ rows.T)


def _all_smoothed(heatmaps: FloatArray, sigma: float) -> FloatArray:
    """The whole modulated heatmaps [N, K, h, w]; beyond the border they are 0."""
    kernel, radius = _modulation(sigma), _modulation_radius(sigma)

    def along(side: int) -> FloatArray:
        distances = np.subtract.outer(np.arange(side), np.arange(side))
        weights = kernel[np.clip(distances + radius, 0, 2 * radius)]
        return np.where(np.abs(distances) <= radius, weights, 0).astype(np.float32)

    height, width = heatmaps.shape[-2:]
    return np.asarray(along(height) @ heatmaps @ along(width))


def _maxima(heatmaps: FloatArray) -> NDArray[np.float64]:
    """[N, K, 1, 1], the highest value of each."""
    return np.asarray(heatmaps.max(axis=(-2, -1), keepdims=True), np.float64)


def _modulation_radius(sigma: float) -> int:
    return max(1, round((sigma - 0.8) / 0.3 + 1))


def _modulation(sigma: float) -> NDArray[np.float64]:
    """The smoothing kernel for Gaussians of ``sigma`` cells, of odd length and sum 1."""
    radius = _modulation_radius(sigma)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / (0.3 * (radius - 1) + 0.8)) ** 2)
    return np.asarray(kernel / kernel.sum())


def _newton_step(logs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Step from the middle of [N, K, 5, 5] to the maximum in x and y, [N, K] each; infinite if there is none."""
    dx, dy = (logs[..., 2, 3] - logs[..., 2, 1]) / 2, (logs[..., 3, 2] - logs[..., 1, 2]) / 2
    dxx = (logs[..., 2, 4] - 2 * logs[..., 2, 2] + logs[..., 2, 0]) / 4
    dyy = (logs[..., 4, 2] - 2 * logs[..., 2, 2] + logs[..., 0, 2]) / 4
    dxy = (logs[..., 3, 3] - logs[..., 1, 3] - logs[..., 3, 1] + logs[..., 1, 1]) / 4
    determinant = dxx * dyy - dxy**2
    peaked: BoolArray = (dxx < 0) & (determinant > 1e-12)
    scale = np.where(peaked, determinant, 1.0)
    step_x, step_y = (dxy * dy - dyy * dx) / scale, (dxy * dx - dxx * dy) / scale
    return np.where(peaked, step_x, np.inf), np.where(peaked, step_y, np.inf)


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
    x, y, scores = _peaks(heatmaps)
    radius = reach_cells("soft-argmax", sigma)
    cells = _window(heatmaps, x, y, radius)
    peak = cells[..., radius, radius, None, None]
    weights = np.expm1(_SHARPNESS * np.clip(cells / np.where(peak > 0, peak, 1), 0, 1))
    total = weights.sum(axis=(-2, -1))
    total[total <= 0] = 1
    offsets = np.arange(-radius, radius + 1)
    return _moved(x, y, weights.sum(axis=-2) @ offsets / total, weights.sum(axis=-1) @ offsets / total), scores


def decode_integral(heatmaps: FloatArray) -> Decoded:
    """Soft-argmax over the whole map, for networks that were trained through it (``posetrack.training``).

    Sun et al., as for ``decode_soft_argmax``; a cell at 0 has no weight, as there. The softmax is so sharp that
    heatmaps stay between 0 and 1, and their peaks remain scores.

    Args:
        heatmaps: float32 [N, K, h, w].
    """
    _, _, scores = _peaks(heatmaps)
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
    "dark-udp": decode_dark_udp,
    "soft-argmax": decode_soft_argmax,
    "integral": lambda heatmaps, _: decode_integral(heatmaps),
}


def codec_of(name: str, convention: InputConvention) -> Codec:
    """A codec of ``CODECS`` as a network's publisher applies it."""
    if name == "quarter" and convention.quarter_each_axis:
        return lambda heatmaps, _: decode_quarter(heatmaps, each_axis=True)
    published = convention.dark_sigma_cells
    if name in ("dark", "dark-udp") and published is not None:
        return lambda heatmaps, _: CODECS[name](heatmaps, published)
    return CODECS[name]


def reach_cells(codec: str, sigma: float) -> int:
    """How many cells from the highest one a codec reads, in x and in y; it needs no others.

    A border of the map within this distance matters too.
    """
    radius = {
        "argmax": 0,
        "quarter": 2,
        "dark": _modulation_radius(sigma) + 2,
        "dark-udp": _WHOLE_MAP,
        "soft-argmax": math.ceil(3 * sigma),
        "integral": _WHOLE_MAP,
    }
    return radius[codec]
