"""Tubes: grids of vertices around an axis, the one shape that bodies and things are made of.

A tube has R rings of S + 1 vertices; the last repeats the first, so that texture coordinates do not wrap.
Angle 0 is the body's right, 90 degrees its front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.synthetic.atlas import PATCHES
from posetrack.synthetic.outfits import Column
from posetrack.types import Doubles


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """One body part of all people who have it.

    Attributes:
        name: Name of the part.
        people: int [Q], indices among the P people.
        vertices: float [Q, T, R, S + 1, 3], world coordinates; T = 2 for parts that come in pairs.
        centres: float [Q, T, R, 3], centres of the rings.
        patch: float [R, S + 1, 2], coordinates in the texture atlas, texels of the finest level.
    """

    name: str
    people: NDArray[np.int64]
    vertices: Doubles
    centres: Doubles
    patch: Doubles

    def thinned(self) -> Tube:
        """Every second ring and segment, a quarter of the quads, for silhouettes."""
        rows = np.unique(np.append(np.arange(0, self.vertices.shape[2], 2), self.vertices.shape[2] - 1))
        pick = np.ix_(rows, np.arange(0, self.vertices.shape[3], 2))
        return Tube(
            name=self.name,
            people=self.people,
            vertices=self.vertices[:, :, pick[0], pick[1]],
            centres=self.centres[:, :, rows],
            patch=self.patch[pick],
        )

    def normals(self) -> Doubles:
        """float [Q, T, R, S + 1, 3]: outward unit normals, by central differences on the grid."""
        along = np.gradient(self.vertices, axis=-3)
        around = np.empty_like(self.vertices)
        around[..., 1:-1, :] = self.vertices[..., 2:, :] - self.vertices[..., :-2, :]
        around[..., 0, :] = around[..., -1, :] = self.vertices[..., 1, :] - self.vertices[..., -2, :]
        normals = cross(around, along)
        outward = np.einsum("...i,...i->...", normals, self.vertices - self.centres[..., None, :])
        normals *= np.where(outward < 0, -1.0, 1.0)[..., None]
        normals /= np.sqrt(np.einsum("...i,...i->...", normals, normals))[..., None] + 1e-12
        return normals


def column_tube(column: Column, owner: int) -> Tube:
    """The surface of a pillar, drawn with the atlas of index ``owner``."""
    up = np.linspace(column.height, 0.0, 9)
    centres = np.stack([np.full(9, column.x), up, np.full(9, column.z)], axis=-1)
    swell = np.where(up > column.height - 0.1, 1.12, 1.0) * column.radius
    axes = np.broadcast_to(np.eye(3)[[0, 2]][:, None], (2, 9, 3))
    swept = sweep(centres, axes[0], axes[1], np.stack([swell, swell], axis=-1), ring(20))[None, None]
    return Tube(
        name="column",
        people=np.array([owner]),
        vertices=swept,
        centres=centres[None, None],
        patch=patch("torso", up, 20),
    )


def ring(count: int, exponent: float = 2.0) -> Doubles:
    """[S + 1, 2] unit superellipse."""
    angle = 2 * np.pi * np.arange(count + 1) / count
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    squared: Doubles = np.sign(unit) * np.abs(unit) ** (2 / exponent)
    return squared


def sweep(centres: Doubles, across: Doubles, ahead: Doubles, radii: Doubles, ring: Doubles) -> Doubles:
    """Vertices [.., R, S + 1, 3] of rings around ``centres`` [.., R, 3] with axes [.., R, 3], radii [.., R, 2]."""
    sideways = (radii[..., 0, None] * ring[:, 0])[..., None] * across[..., None, :]
    forward = (radii[..., 1, None] * ring[:, 1])[..., None] * ahead[..., None, :]
    swept: Doubles = centres[..., None, :] + sideways + forward
    return swept


def cross(a: Doubles, b: Doubles) -> Doubles:
    """Cross product along the last axis; numpy's is several times slower on small arrays."""
    return np.stack([
        a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
        a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
        a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
    ], axis=-1)  # fmt: skip


def patch(name: str, rows: Doubles, segments: int) -> Doubles:
    """[R, S + 1, 2] atlas coordinates; rows (any increasing or decreasing scale) become 0..1 downwards."""
    x, y, width, height = PATCHES[name]
    down = (rows - rows[0]) / (rows[-1] - rows[0])
    around = np.linspace(0.0, 1.0, segments + 1)
    grid = np.meshgrid(x + 0.5 + around * (width - 2), y + 0.5 + down * (height - 2))
    return np.stack(grid, axis=-1)
