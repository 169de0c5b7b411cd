"""Projects posed tubes to quads on the screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.synthetic.atlas import ATLAS_SIZE, MIP_ORIGINS
from posetrack.synthetic.camera import Camera
from posetrack.synthetic.raster import Quads
from posetrack.synthetic.tubes import Tube
from posetrack.types import Doubles

LAYERS = {
    "torso": 0, "mane": 0, "column": 0,
    "head": 1, "skirt": 1, "pack": 1,
    "arm": 2, "leg": 2, "foot": 2,
}  # fmt: skip
"""Layer of each part; parts of one layer do not intersect (see ``raster``)."""


def quads_of(tubes: list[Tube], camera: Camera, view: Doubles) -> Quads:
    """Front faces of all tubes; ``view`` [2, 3] is the frame's transform (see ``Handheld``)."""
    return Quads.concatenate([_quads(tube, camera, view, textured=True) for tube in tubes])


def outlines_of(tubes: list[Tube], camera: Camera, view: Doubles) -> Quads:
    """The same without attributes and with a quarter of the quads, for visibility tests."""
    return Quads.concatenate([_quads(tube.thinned(), camera, view, textured=False) for tube in tubes])


def boxes_of(tubes: list[Tube], camera: Camera, view: Doubles, count: int) -> Doubles:
    """float [N, 4], bounding boxes of all surfaces of each of the people 0 .. ``count`` - 1."""
    boxes = np.tile([np.inf, np.inf, -np.inf, -np.inf], (count, 1))
    for tube in tubes:
        pixels = camera.project(tube.vertices)[0] @ view[:, :2].T + view[:, 2]
        low, high = pixels.min(axis=(1, 2, 3)), pixels.max(axis=(1, 2, 3))
        boxes[tube.people, :2] = np.minimum(boxes[tube.people, :2], low)
        boxes[tube.people, 2:] = np.maximum(boxes[tube.people, 2:], high)
    return boxes


def _quads(tube: Tube, camera: Camera, view: Doubles, *, textured: bool) -> Quads:
    pixels, depth = camera.project(tube.vertices)
    pixels = pixels @ view[:, :2].T + view[:, 2]
    corners = _corners(pixels.astype(np.float32))
    across, along = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    area = across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]
    front = np.flatnonzero(area != 0 if tube.name == "skirt" else area > 0)  # the inside of a skirt is visible
    attributes = np.zeros((len(front), 4, 0), np.float32)
    if textured:
        attributes = _corners(_attributes(tube, pixels))[front]
        attributes[area[front] < 0, :, :3] *= -1
    nearness = (1 / np.maximum(depth, 0.01)).astype(np.float32)
    owner = np.repeat(tube.people, len(corners) // max(len(tube.people), 1))[front]
    return Quads(
        corners=corners[front],
        nearness=_corners(nearness[..., None])[front, :, 0],
        attributes=attributes,
        owner=owner,
        layer=np.full(len(owner), LAYERS[tube.name]),
    )


def _attributes(tube: Tube, pixels: Doubles) -> NDArray[np.float32]:
    """Normals and texture coordinates in the stack of atlases, [Q, T, R, S + 1, 5]."""
    level = _mip_level(tube, pixels)
    texture = tube.patch * 0.5 ** level[:, None, None, None] + MIP_ORIGINS[level][:, None, None]
    texture[..., 1] += (tube.people * ATLAS_SIZE)[:, None, None]
    attributes = np.empty((*pixels.shape[:-1], 5), np.float32)
    attributes[..., :3] = tube.normals()
    attributes[..., 3:] = texture[:, None]
    return attributes


def _mip_level(tube: Tube, pixels: Doubles) -> NDArray[np.int64]:
    """[Q] mipmap level at which a texel is about as tall as a pixel."""
    texels = tube.patch[-1, 0, 1] - tube.patch[0, 0, 1]
    steps = np.linalg.norm(np.diff(pixels, axis=2), axis=-1)
    length = steps.mean(axis=-1).sum(axis=-1).max(axis=1)
    halvings = np.log2(np.maximum(texels / np.maximum(length, 1e-3), 1e-3))
    level: NDArray[np.int64] = np.clip(np.round(halvings), 0, len(MIP_ORIGINS) - 1).astype(np.int64)
    return level


def _corners(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """[.., R, S + 1, C] to [F, 4, C], the corners of each quad in order."""
    four = np.stack(
        [grid[..., :-1, :-1, :], grid[..., :-1, 1:, :], grid[..., 1:, 1:, :], grid[..., 1:, :-1, :]], axis=-2
    )
    return four.reshape(-1, 4, grid.shape[-1])
