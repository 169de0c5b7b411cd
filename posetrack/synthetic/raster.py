"""Draws textured quads: a painter's sort into an identity buffer of twice the resolution, then shading of what
is seen, once per pixel inside a surface and four times along its edges (multisampling)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_SHIFT = 4  # fractional bits of the rasteriser's vertices


@dataclass(frozen=True, slots=True, eq=False)
class Quads:
    """F quads on the screen.

    Attributes:
        corners: float32 [F, 4, 2], pixels.
        depth: float32 [F], of the centre, metres.
        attributes: float32 [F, 4, 5]: normal x, y, z; texture x, y.
        owner: int64 [F], the object that the quad belongs to.
    """

    corners: Floats
    depth: Floats
    attributes: Floats
    owner: Ints

    @classmethod
    def concatenate(cls, parts: list[Quads]) -> Quads:
        """All quads of all parts."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def __getitem__(self, chosen: NDArray[np.bool_] | Ints) -> Quads:
        return Quads(self.corners[chosen], self.depth[chosen], self.attributes[chosen], self.owner[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Fragments:
    """What is seen of the quads: samples of the pixels that they touch.

    Attributes:
        attributes: float32 [M, 5] of the samples, interpolated.
        owner: int64 [M], -1 where a sample shows the background.
        inside: int64 [I], flat index of the pixels with one sample (the first I of the M).
        edges: int64 [E], flat index of the pixels with four (the following 4 E).
        owners: int32 [H, W], owner of each pixel (its first sample), -1 for the background.
    """

    attributes: Floats
    owner: Ints
    inside: Ints
    edges: Ints
    owners: NDArray[np.int32]


def rasterize(quads: Quads, size: tuple[int, int]) -> Fragments:
    """Visible samples of the quads in a frame of ``size`` (width, height)."""
    width, height = size
    quads = quads[_order(quads, size)]
    buffer = np.full((2 * height, 2 * width), -1, np.float32)
    # A buffer pixel j lies at (j - 0.5) / 2 in frame pixels, whose centres are at integers.
    vertices = np.round((quads.corners * 2 + 0.5) * (1 << _SHIFT)).astype(np.int32)
    fill = cv2.fillConvexPoly
    for face, polygon in enumerate(vertices):
        fill(buffer, polygon, face, 8, _SHIFT)
    return _fragments(quads, buffer, size)


def _order(quads: Quads, size: tuple[int, int]) -> Ints:
    """Quads that can be seen, farthest first."""
    low, high = quads.corners.min(axis=1), quads.corners.max(axis=1)
    seen = (high >= -0.5).all(axis=1) & (low < np.array(size) - 0.5).all(axis=1) & (quads.depth > 0.1)
    chosen = np.flatnonzero(seen)
    return chosen[np.argsort(-quads.depth[chosen], kind="stable")]


def _fragments(quads: Quads, buffer: Floats, size: tuple[int, int]) -> Fragments:
    width, height = size
    planes = [buffer[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    highest = np.maximum(np.maximum(planes[0], planes[1]), np.maximum(planes[2], planes[3]))
    rows, columns = np.nonzero(highest >= 0)
    touched = rows * width + columns
    faces = np.stack([plane[rows, columns] for plane in planes], axis=1).astype(np.int64)
    owner_of = np.append(quads.owner, -1)
    owners = owner_of[faces]
    uniform = (owners[:, 0] == owners[:, 1]) & (owners[:, 0] == owners[:, 2]) & (owners[:, 0] == owners[:, 3])
    inside, edges = touched[uniform], touched[~uniform]

    face = np.concatenate([faces[uniform, 0], faces[~uniform].ravel()])
    pixel = np.concatenate([inside, np.repeat(edges, 4)])
    position = np.stack([pixel % width, pixel // width], axis=-1).astype(np.float32)
    corner = np.tile(
        np.array([[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]], np.float32), (len(edges), 1)
    )
    position[len(inside) :] += corner
    seen = np.full(width * height, -1, np.int32)
    seen[touched] = owners[:, 0]
    return Fragments(
        attributes=_interpolate(quads, face, position),
        owner=owner_of[face],
        inside=inside,
        edges=edges,
        owners=seen.reshape(height, width),
    )


def _interpolate(quads: Quads, face: Ints, position: Floats) -> Floats:
    """Attributes [M, 5] at ``position`` [M, 2] on quads ``face`` [M], affine on each quad."""
    a, b, c, d = (quads.corners[:, k] for k in range(4))
    right, down = (b + c - a - d) / 2, (c + d - a - b) / 2
    determinant = right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]
    determinant = np.where(np.abs(determinant) < 1e-3, np.float32(1e-3), determinant)
    table = np.empty((len(quads.corners), 21), np.float32)
    table[:, 0:2] = quads.corners.mean(axis=1)
    table[:, 2] = down[:, 1] / determinant
    table[:, 3] = -down[:, 0] / determinant
    table[:, 4] = -right[:, 1] / determinant
    table[:, 5] = right[:, 0] / determinant
    a, b, c, d = (quads.attributes[:, k] for k in range(4))
    table[:, 6:11] = quads.attributes.mean(axis=1)
    table[:, 11:16] = (b + c - a - d) / 2
    table[:, 16:21] = (c + d - a - b) / 2
    row = table[face]
    x, y = (position - row[:, 0:2]).T
    s = np.clip(x * row[:, 2] + y * row[:, 3], -0.5, 0.5)[:, None]
    t = np.clip(x * row[:, 4] + y * row[:, 5], -0.5, 0.5)[:, None]
    values: Floats = row[:, 6:11] + s * row[:, 11:16] + t * row[:, 16:21]
    return values
