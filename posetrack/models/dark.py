"""DARK: a joint is where the logarithm of its smoothed heatmap has its maximum, to a fraction of a cell."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.models.peaks import Cells, Decoded, moved, peaks, window
from posetrack.types import BoolArray, Doubles, FloatArray

_EPSILON = float(np.finfo(np.float32).eps)
"""Added to the Hessian's diagonal, as in the published code."""

_FARTHEST = 1 << 20
"""Cells. Further away, float32 no longer holds a fraction of a pixel."""


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
    step beyond the cells considered. ``decode_dark_published`` moves these, too.

    Args:
        heatmaps: float32 [N, K, h, w].
        sigma: Standard deviation of the targets' Gaussians in cells.
    """
    x, y, scores = peaks(heatmaps)
    cells = _smoothed(heatmaps, x, y, sigma, radius=2)
    usable = _away_from_border(x, y, heatmaps) & (cells > 0).all(axis=(-2, -1))
    dx, dy, dxx, dyy, dxy = _derivatives(np.log(np.where(usable[..., None, None], cells, 1.0)))
    usable &= (dxx < 0) & (dxx * dyy - dxy**2 > 1e-12)
    steps = _newton_steps(dx, dy, dxx, dyy, dxy)
    return _stepped(x, y, steps, usable, farthest=2), scores


def decode_dark_published(heatmaps: FloatArray, kernel_cells: int) -> Decoded:
    """DARK as in MMPose's ``refine_keypoints_dark``: every step is taken.

    As ``decode_dark``, but once the smoothed map has been scaled to the old maximum, cells below 1e-10 count as
    1e-10, and a peak moves wherever H has an inverse: also to a saddle point, and many cells far in heatmaps of
    untrained networks. There, the last digits of the derivatives decide where a joint lies, so the arithmetic is
    MMPose's: OpenCV smooths, and derivatives are of float32 logarithms. Unlike there, a peak stays if the step is
    not finite, or longer than 2^20 cells.

    Args:
        heatmaps: float32 [N, K, h, w].
        kernel_cells: Length of the smoothing kernel, odd; ``blur_kernel_size`` in MMPose.
    """
    x, y, scores = peaks(heatmaps)
    logs = np.log(np.maximum(_scaled(heatmaps, x, y, kernel_cells, radius=2), np.float32(1e-10)))
    steps = _newton_steps(*_derivatives(logs))
    return _stepped(x, y, steps, _away_from_border(x, y, heatmaps), _FARTHEST), scores


def decode_dark_udp(heatmaps: FloatArray, kernel_cells: int) -> Decoded:
    """DARK as in networks with unbiased data processing: finer differences, and up to the border.

    Huang, Zhu, Guo, Huang: "The Devil is in the Details: Delving into Unbiased Data Processing for Human Pose
    Estimation", CVPR 2020, and MMPose's ``refine_keypoints_dark_udp``, whose arithmetic this is, as for
    ``decode_dark_published``. Smoothed heatmaps are cut off below 0.001 and above 50; the differences are of
    neighbouring cells, beyond the border those of the border itself. Steps are long where the logarithm is no
    parabola, as in heatmaps of untrained networks. Unlike there, a peak stays if the step is not
    finite, or longer than 2^20 cells.

    Args:
        heatmaps: float32 [N, K, h, w].
        kernel_cells: Length of the smoothing kernel, odd; ``blur_kernel_size`` in MMPose.
    """
    x, y, scores = peaks(heatmaps)
    cells = np.clip(_scaled(heatmaps, x, y, kernel_cells, radius=1), np.float32(1e-3), np.float32(50))
    dx, dy, dxx, dyy, dxy = _udp_derivatives(np.log(cells))
    steps = _newton_steps(dx, dy, dxx + _EPSILON, dyy + _EPSILON, dxy)
    return _stepped(x, y, steps, np.ones(x.shape, bool), _FARTHEST), scores


def _away_from_border(x: Cells, y: Cells, heatmaps: FloatArray) -> BoolArray:
    """[N, K]: there are two cells on every side of a peak."""
    height, width = heatmaps.shape[-2:]
    return np.asarray((x > 1) & (x < width - 2) & (y > 1) & (y < height - 2))


def _scaled(heatmaps: FloatArray, x: Cells, y: Cells, kernel_cells: int, radius: int) -> FloatArray:
    """The smoothed cells around each peak, [N, K, 2 radius + 1, 2 radius + 1]; the border goes on outside.

    As published, the smoothed map is scaled to the old maximum, which only floors and cut-offs notice.
    """
    height, width = heatmaps.shape[-2:]
    near = np.arange(-radius, radius + 1)
    finite = np.where(np.isfinite(heatmaps), heatmaps, 0).astype(np.float32, copy=False)
    smoothed = _all_smoothed(finite, kernel_cells)
    rows, columns = np.clip(y[..., None] + near, 0, height - 1), np.clip(x[..., None] + near, 0, width - 1)
    people, joints = np.ogrid[: heatmaps.shape[0], : heatmaps.shape[1]]
    around = smoothed[people[..., None, None], joints[..., None, None], rows[..., :, None], columns[..., None, :]]
    old, highest = (maps.max(axis=(-2, -1), keepdims=True) for maps in (finite, smoothed))
    return np.asarray(around * np.divide(old, highest, out=np.ones_like(highest), where=highest != 0))


def _all_smoothed(heatmaps: FloatArray, kernel_cells: int) -> FloatArray:
    """The whole smoothed heatmaps [N, K, h, w]; beyond the border they are 0."""
    smoothed = np.empty(heatmaps.shape, np.float32)  # rows in a piece, whatever the layout of heatmaps
    for place in np.ndindex(heatmaps.shape[:2]):
        cv2.GaussianBlur(
            heatmaps[place],
            (kernel_cells, kernel_cells),
            sigmaX=0,
            dst=smoothed[place],
            borderType=cv2.BORDER_CONSTANT,
        )
    return smoothed


def _stepped(x: Cells, y: Cells, steps: Doubles, usable: BoolArray, farthest: int) -> FloatArray:
    """Peaks moved by their steps [2, N, K], if those are usable, finite and at most ``farthest`` cells long."""
    return moved(x, y, *np.where(usable & (np.abs(steps) <= farthest).all(axis=0), steps, 0.0))


def _udp_derivatives(logs: FloatArray) -> tuple[Doubles, ...]:
    """First and second derivatives x, y, xx, yy, xy in the middle of [N, K, 3, 3], [N, K] each."""
    middle = logs[..., 1, 1]
    left, right, up, down = logs[..., 1, 0], logs[..., 1, 2], logs[..., 0, 1], logs[..., 2, 1]
    dxx, dyy = right - 2 * middle + left, down - 2 * middle + up
    dxy = 0.5 * (logs[..., 2, 2] - right - down + middle + middle - left - up + logs[..., 0, 0])
    return _doubles(0.5 * (right - left), 0.5 * (down - up), dxx, dyy, dxy)


def _derivatives(logs: NDArray[np.floating]) -> tuple[Doubles, ...]:
    """First and second derivatives x, y, xx, yy, xy in the middle of [N, K, 5, 5], [N, K] each."""
    dx, dy = 0.5 * (logs[..., 2, 3] - logs[..., 2, 1]), 0.5 * (logs[..., 3, 2] - logs[..., 1, 2])
    dxx = 0.25 * (logs[..., 2, 4] - 2 * logs[..., 2, 2] + logs[..., 2, 0])
    dyy = 0.25 * (logs[..., 4, 2] - 2 * logs[..., 2, 2] + logs[..., 0, 2])
    dxy = 0.25 * (logs[..., 3, 3] - logs[..., 1, 3] - logs[..., 3, 1] + logs[..., 1, 1])
    return _doubles(dx, dy, dxx, dyy, dxy)


def _doubles(*arrays: NDArray[np.floating]) -> tuple[Doubles, ...]:
    return tuple(array.astype(np.float64) for array in arrays)


def _newton_steps(dx: Doubles, dy: Doubles, dxx: Doubles, dyy: Doubles, dxy: Doubles) -> Doubles:
    """[2, N, K]: steps in x and y to where the gradient is 0; not finite where the Hessian has no inverse."""
    determinant = dxx * dyy - dxy**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy]) / determinant


def _smoothed(heatmaps: FloatArray, x: Cells, y: Cells, sigma: float, radius: int) -> Doubles:
    """The modulated heatmaps up to ``radius`` cells away from each peak, [N, K, 2 radius + 1, 2 radius + 1]."""
    kernel = _modulation(sigma)
    rows = np.stack([np.pad(kernel, (k, 2 * radius - k)) for k in range(2 * radius + 1)])
    return np.asarray(rows @ window(heatmaps, x, y, len(kernel) // 2 + radius) @ rows.T)


def kernel_length(sigma: float) -> int:
    """Length of the kernel that smooths Gaussians of ``sigma`` cells, in cells; odd."""
    return 2 * max(1, round((sigma - 0.8) / 0.3 + 1)) + 1


def _modulation(sigma: float) -> Doubles:
    """The smoothing kernel for Gaussians of ``sigma`` cells, of sum 1."""
    radius = kernel_length(sigma) // 2
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / (0.3 * (radius - 1) + 0.8)) ** 2)
    return np.asarray(kernel / kernel.sum())
