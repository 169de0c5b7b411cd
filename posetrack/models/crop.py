"""Cutting people out of frames, and mapping their joints back to source pixels.

A crop is described by the affine map from its pixels to source pixels, both with pixel centres at integer
coordinates. Half-pixel offsets are part of the map, so crop and source agree to a fraction of a pixel. The
position of the box in the crop, the border outside the frame and the shrinking of large people depend on the
network's publisher: ``posetrack.models.conventions``.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.models.conventions import CONVENTIONS, Grid, InputConvention
from posetrack.types import FloatArray, Image, IntArray

Transforms = NDArray[np.float64]

_OWN = CONVENTIONS["own"]


def box_transforms(boxes: FloatArray, size: tuple[int, int], padding: float, grid: Grid = "centres") -> Transforms:
    """Maps from crop pixels to source pixels for upright crops around boxes.

    A box grows to the crop's aspect ratio about its centre, then by ``padding`` (1.25 in Xiao et al.'s code),
    so that the whole person is seen undistorted. Maps of published networks have the rounding errors of MMPose's,
    which works in single precision: without them, single pixels would differ by a grey level.

    Args:
        boxes: float [N, 4], x1 y1 x2 y2, source pixels.
        size: Width and height of the crops.
        padding: Factor on both sides of the grown box.
        grid: Whether the box's centre is at size / 2 of the crop (``corners``) or at (size - 1) / 2, and whether
            the grown box reaches from edge to edge or from the first pixel's centre to the last one's (``ends``).

    Returns:
        float64 [N, 2, 3].
    """
    if grid != "centres":
        return _published_transforms(np.asarray(boxes, np.float32), size, np.float32(padding), grid)
    width, height = size
    corners = np.asarray(boxes, dtype=np.float64)
    centres = (corners[:, :2] + corners[:, 2:]) / 2
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 1.0)
    pixels = padding * np.maximum(sides[:, 0] / width, sides[:, 1] / height)
    return transforms_about(centres, pixels, np.zeros(len(pixels)), size)


def _published_transforms(
    boxes: FloatArray, size: tuple[int, int], padding: np.float32, grid: Literal["corners", "ends"]
) -> Transforms:
    """``GetBBoxCenterScale`` and ``TopdownAffine`` of MMPose, whose maps are the inverse of ours."""
    aspect = np.float32(size[0] / size[1])
    centres: FloatArray = (boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], np.float32(1)) * padding
    across, down = sides[:, :1], sides[:, 1:]
    wide, tall = np.hstack([across, across / aspect]), np.hstack([down * aspect, down])
    grown = np.where(across > down * aspect, wide, tall)
    to_crops = _to_crops_corners if grid == "corners" else _to_crops_ends
    maps = [cv2.invertAffineTransform(matrix) for matrix in to_crops(centres, grown, size)]
    return np.array(maps, np.float64).reshape(-1, 2, 3)


def _to_crops_corners(centres: FloatArray, sides: FloatArray, size: tuple[int, int]) -> Transforms:
    """``get_warp_matrix`` of MMPose: from the middle, the middle of the left edge and a point below that."""
    width, height = size
    there = np.array([[width / 2, height / 2], [0, height / 2], [0, (height + width) / 2]], np.float32)
    x, y = centres.T
    left = x - sides[:, 0] / 2
    here = np.stack([x, y, left, y, left, y + (x - left)], axis=1).reshape(-1, 3, 2)
    return np.array([cv2.getAffineTransform(points, there) for points in here])


def _to_crops_ends(centres: FloatArray, sides: FloatArray, size: tuple[int, int]) -> Transforms:
    """``get_udp_warp_matrix`` of MMPose."""
    factors = (np.array(size, np.float32) - 1) / sides
    matrices = np.zeros((len(sides), 2, 3))
    matrices[:, (0, 1), (0, 1)] = factors
    matrices[:, :, 2] = factors * (sides / 2 - centres)
    return matrices


def transforms_about(
    centres: NDArray[np.float64],
    pixels: NDArray[np.float64],
    angles: NDArray[np.float64],
    size: tuple[int, int],
    grid: Grid = "centres",
) -> Transforms:
    """Maps from crop to source pixels for rotated crops.

    Args:
        centres: [N, 2] source point in the middle of the crop.
        pixels: [N] source pixels per crop pixel.
        angles: [N] rotation of the crop in radians.
        size: Width and height of the crops.
        grid: As for ``box_transforms``.

    Returns:
        float64 [N, 2, 3].
    """
    sides = np.array(size, dtype=np.float64)
    middle = sides / 2 - (0.0 if grid == "corners" else 0.5)
    cosine, sine = pixels * np.cos(angles), pixels * np.sin(angles)
    linear = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    if grid == "ends":
        linear = linear * (sides / (sides - 1))
    return np.concatenate([linear, (centres - linear @ middle)[..., None]], axis=-1)


def to_source(points: NDArray[np.floating], transforms: Transforms) -> FloatArray:
    """Points of crops in source pixels.

    Args:
        points: [N, K, 2] crop pixels.
        transforms: [N, 2, 3] from ``box_transforms``.

    Returns:
        float32 [N, K, 2].
    """
    return (points @ transforms[:, :, :2].swapaxes(1, 2) + transforms[:, None, :, 2]).astype(np.float32)


def to_crop(points: NDArray[np.floating], transforms: Transforms) -> NDArray[np.float64]:
    """Source points [N, K, 2] in the pixels of their crops: the inverse of ``to_source``."""
    inverse = np.linalg.inv(transforms[:, :, :2]).swapaxes(1, 2)
    return np.asarray((points - transforms[:, None, :, 2]) @ inverse)


def pyramid_transforms(transforms: Transforms, *, antialias: bool) -> tuple[IntArray, Transforms]:
    """The pyramid level from which each crop is sampled bilinearly, and the positions of its pixels there.

    Bilinear sampling reads four source pixels: a finer source is first halved, by area, until that is enough.

    Args:
        transforms: [N, 2, 3] from crop to source pixels.
        antialias: Whether to do that; otherwise all levels are 0.

    Returns:
        int64 [N], how often the source is halved; float64 [N, 2, 3] from crop pixels to pixels of that level.
    """
    scale = np.hypot(transforms[:, 0, 0], transforms[:, 1, 0])
    levels = np.maximum(np.frexp(scale)[1] - 1, 0).astype(np.int64) * antialias
    shrink = np.exp2(levels)
    there = transforms / shrink[:, None, None]
    there[:, :, 2] += (0.5 / shrink - 0.5)[:, None]
    return levels, there


def extract_crops(
    image: Image, transforms: Transforms, size: tuple[int, int], convention: InputConvention = _OWN
) -> Image:
    """Cut crops out of an image; by default without aliasing where they are smaller than their source.

    Args:
        image: uint8 [H, W, 3] RGB.
        transforms: [N, 2, 3] from crop to source pixels.
        size: Width and height of the crops.
        convention: Colour outside the frame, and whether large people are shrunk by area.

    Returns:
        uint8 [N, height, width, 3] RGB, regardless of the network's colour order.
    """
    width, height = size
    crops = np.empty((len(transforms), height, width, 3), np.uint8)
    levels, matrices = pyramid_transforms(transforms, antialias=convention.antialias)
    pyramid = [image]
    for crop, level, matrix in zip(crops, levels.tolist(), matrices, strict=True):
        while len(pyramid) <= level:
            pyramid.append(_halved(pyramid[-1]))
        cv2.warpAffine(
            pyramid[level],
            matrix,
            size,
            dst=crop,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=convention.border_rgb,
        )
    return crops


def _halved(image: Image) -> Image:
    """Half the size by averaging 2x2 pixels; an odd last row or column is repeated first."""
    height, width = image.shape[:2]
    even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
