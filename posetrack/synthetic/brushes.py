"""Basic operations for painting textures: float32 images [height, width, 3] in linear light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.synthetic.noise import Texture
from posetrack.synthetic.outfits import Colour


def linear(colour: Colour) -> Texture:
    """sRGB to linear light, with a gamma of 2 (the renderer inverts it with a square root)."""
    return np.square(np.array(colour, np.float32))


def grid(shape: tuple[int, int], rows: tuple[float, float]) -> tuple[Texture, Texture]:
    """Angle in turns and the row scale, each float32 [shape]."""
    height, width = shape
    around = np.arange(width, dtype=np.float32) / np.float32(width - 2)
    down = np.linspace(rows[0], rows[1], height, dtype=np.float32)
    return np.broadcast_to(around, shape), np.broadcast_to(down[:, None], shape)


def fill(shape: tuple[int, int], colour: Colour) -> Texture:
    """A plain image."""
    return np.broadcast_to(linear(colour), (*shape, 3)).copy()


def put(image: Texture, colour: Texture, where: NDArray[np.bool_] | Texture) -> Texture:
    """Blend ``colour`` ([3] or an image) over the image with weight ``where``."""
    weight = np.asarray(where, np.float32)[..., None]
    return image * (1 - weight) + colour * weight


def shade(image: Texture, factor: Texture) -> Texture:
    """Brighten or darken by a factor per texel."""
    return image * factor[..., None]


def bump(values: Texture, centre: float | Texture, width: float) -> Texture:
    """A Gaussian of height 1 around ``centre``."""
    height: Texture = np.exp(-0.5 * np.square((values - centre) / width))
    return height
