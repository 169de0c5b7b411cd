"""Rasterises textured quads.

Painter's algorithm fills one buffer of quad indices per layer at twice the resolution. Where layers overlap, the
depth of each sample decides, so that limbs and trunk meet in clean seams. Visible surfaces are then sampled once
per pixel, and four times along edges (multisampling).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

MIN_DEPTH_M = 0.1  # nearer surfaces are not drawn
LAYER_COUNT = 3
_SHIFT = 4  # fractional bits of the rasteriser's vertices


@dataclass(frozen=True, slots=True, eq=False)
class Quads:
    """F quads on the screen.

    Attributes:
        corners: float32 [F, 4, 2], pixels.
        nearness: float32 [F, 4], inverse depth of the corners, 1 / metres (affine on the screen).
        attributes: float32 [F, 4, 5], normal x, y, z and texture x, y ([F, 4, 0] without shading).
        owner: int64 [F], the object that the quad belongs to.
        layer: int64 [F] below ``LAYER_COUNT``; surfaces of one layer do not intersect.
    """

    corners: Floats
    nearness: Floats
    attributes: Floats
    owner: Ints
    layer: Ints

    @classmethod
    def concatenate(cls, parts: list[Quads]) -> Quads:
        """The quads of all parts."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def __getitem__(self, chosen: NDArray[np.bool_] | Ints) -> Quads:
        return Quads(*(getattr(self, name)[chosen] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.owner)


@dataclass(frozen=True, slots=True, eq=False)
class Fragments:
    """Visible samples of the quads.

    Attributes:
        attributes: float32 [M, 5], interpolated.
        owner: int64 [M], -1 where a sample shows the background.
        inside: int64 [I], flat indices of pixels with one sample (the first I of the M samples).
        edges: int64 [E], flat indices of pixels with four samples (the remaining 4 E).
    """

    attributes: Floats
    owner: Ints
    inside: Ints
    edges: Ints


def rasterize(quads: Quads, size: tuple[int, int]) -> Fragments:
    """The visible samples of quads in a frame of ``size`` (width, height)."""
    width, _ = size
    quads = painters_order(quads, size)
    low, high = _extent(quads, size)
    # Sample j of the buffer lies at (j - 0.5) / 2 in frame pixels, whose centres are at integers.
    polygons = np.round(((quads.corners - low) * 2 + 0.5) * (1 << _SHIFT)).astype(np.int32)
    planes = _Planes(quads)
    shape = (2 * (high[1] - low[1]), 2 * (high[0] - low[0]))
    buffer = np.full(shape, -1, np.float32)
    for layer in range(LAYER_COUNT):
        target = buffer if layer == 0 else np.full(shape, -1, np.float32)
        for face in np.flatnonzero(quads.layer == layer).tolist():
            cv2.fillConvexPoly(target, polygons[face], face, 8, _SHIFT)
        if layer:
            _merge(buffer, target, planes, low)
    return _fragments(quads, planes, buffer, (width, low))


def painters_order(quads: Quads, size: tuple[int, int]) -> Quads:
    """The quads inside the frame and in front of the camera, farthest first."""
    low, high = quads.corners.min(axis=1), quads.corners.max(axis=1)
    seen = (high >= -0.5).all(axis=1) & (low < np.array(size) - 0.5).all(axis=1)
    chosen = np.flatnonzero(seen & (quads.nearness.max(axis=1) < 1 / MIN_DEPTH_M))
    return quads[chosen[np.argsort(quads.nearness[chosen].sum(axis=1), kind="stable")]]


def _extent(quads: Quads, size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Smallest window of the frame that contains all quads: first and last + 1, x and y."""
    points = quads.corners.reshape(-1, 2)
    if not len(points):
        return np.zeros(2, np.int64), np.ones(2, np.int64)
    low = np.clip(np.floor(points.min(axis=0)) - 1, 0, np.array(size) - 1).astype(np.int64)
    high = np.clip(np.ceil(points.max(axis=0)) + 2, low + 1, size).astype(np.int64)
    return low, high


class _Planes:
    """Affine interpolation on each quad, with coordinates clipped to it."""

    def __init__(self, quads: Quads) -> None:
        a, b, c, d = (quads.corners[:, k] for k in range(4))
        right, down = (b + c - a - d) / 2, (c + d - a - b) / 2
        determinant = right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]
        determinant = np.where(np.abs(determinant) < 1e-3, np.float32(1e-3), determinant)
        rows = (down[:, 1], -down[:, 0], -right[:, 1], right[:, 0])
        self._frame = np.column_stack([quads.corners.mean(axis=1), *(row / determinant for row in rows)])
        self._nearness = _gradients(quads.nearness[..., None])[..., 0]
        self._attributes = _gradients(quads.attributes)

    def _local(self, face: Ints, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        frame = self._frame[face]
        x, y = x - frame[:, 0], y - frame[:, 1]
        s = np.clip(x * frame[:, 2] + y * frame[:, 3], -0.5, 0.5)
        t = np.clip(x * frame[:, 4] + y * frame[:, 5], -0.5, 0.5)
        return s, t

    def nearness(self, face: Ints, x: Floats, y: Floats) -> Floats:
        """float32 [M]: inverse depth of quads ``face`` at pixels x, y."""
        s, t = self._local(face, x, y)
        rows = self._nearness[face]
        values: Floats = rows[:, 0] + s * rows[:, 1] + t * rows[:, 2]
        return values

    def attributes(self, face: Ints, x: Floats, y: Floats) -> Floats:
        """float32 [M, 5]."""
        s, t = self._local(face, x, y)
        rows = self._attributes[face]
        values: Floats = rows[:, 0] + s[:, None] * rows[:, 1] + t[:, None] * rows[:, 2]
        return values


def _gradients(values: Floats) -> Floats:
    """[F, 4, C] at the corners to [F, 3, C]: mean, change across, change down."""
    a, b, c, d = (values[:, k] for k in range(4))
    return np.stack([(a + b + c + d) / 4, (b + c - a - d) / 2, (c + d - a - b) / 2], axis=1)


def _merge(buffer: Floats, other: Floats, planes: _Planes, low: NDArray[np.int64]) -> None:
    """Write the faces of ``other`` into ``buffer`` where they are nearer, or alone."""
    flat, filled = buffer.ravel(), np.flatnonzero(other >= 0)
    ours, theirs = flat[filled].astype(np.int64), other.ravel()[filled].astype(np.int64)
    contested = np.flatnonzero(ours >= 0)
    rows, columns = np.divmod(filled[contested], buffer.shape[1])
    x = (columns * 0.5 - 0.25 + low[0]).astype(np.float32)
    y = (rows * 0.5 - 0.25 + low[1]).astype(np.float32)
    lost = contested[planes.nearness(ours[contested], x, y) >= planes.nearness(theirs[contested], x, y)]
    theirs[lost] = ours[lost]
    flat[filled] = theirs


def _fragments(quads: Quads, planes: _Planes, buffer: Floats, window: tuple[int, NDArray[np.int64]]) -> Fragments:
    width, low = window
    samples = [buffer[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    highest = np.maximum(np.maximum(samples[0], samples[1]), np.maximum(samples[2], samples[3]))
    rows, columns = np.divmod(np.flatnonzero(highest >= 0), highest.shape[1])
    faces = np.stack([sample[rows, columns] for sample in samples], axis=1).astype(np.int64)
    owner_of = np.append(quads.owner, -1)
    surface_of = np.append(4 * quads.owner + quads.layer, -1)
    surfaces = surface_of[faces]
    first, second, third, fourth = surfaces.T
    uniform = (first == second) & (first == third) & (first == fourth)
    touched = (rows + low[1]) * width + columns + low[0]
    inside, edges = touched[uniform], touched[~uniform]

    face = np.concatenate([faces[uniform, 0], faces[~uniform].ravel()])
    pixel = np.concatenate([inside, np.repeat(edges, 4)])
    x, y = (pixel % width).astype(np.float32), (pixel // width).astype(np.float32)
    x[len(inside) :] += np.tile(np.array([-0.25, 0.25, -0.25, 0.25], np.float32), len(edges))
    y[len(inside) :] += np.tile(np.array([-0.25, -0.25, 0.25, 0.25], np.float32), len(edges))
    return Fragments(attributes=planes.attributes(face, x, y), owner=owner_of[face], inside=inside, edges=edges)
