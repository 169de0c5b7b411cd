"""The head's texture: face, ears and hair. Heights are above the neck, in statures, as in the head's mesh."""

from __future__ import annotations

import numpy as np

from posetrack.synthetic.brushes import bump, fill, grid, linear, put, shade
from posetrack.synthetic.noise import Texture, fractal_noise
from posetrack.synthetic.outfits import Outfit, hairline

HEAD_ROWS = (0.1435, 0.004)
_HALF_WIDTH = 0.0445


def paint_head(outfit: Outfit, rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    """float32 [shape, 3], linear light."""
    around, height = grid(shape, HEAD_ROWS)
    image = _features(outfit, rng, around, height)
    image = _ears(image, around, height)
    from_front = 360 * np.abs(np.mod(around - 0.25 + 0.5, 1) - 0.5)
    ragged = 0.003 * fractal_noise(rng, shape, (10, 10), 3)
    above = height + ragged - hairline(outfit.hair, from_front.astype(np.float64)).astype(np.float32)
    covered: Texture = np.clip(above / 0.004, 0, 1).astype(np.float32)
    colour = outfit.accent if outfit.hair == "cap" else outfit.hair_colour
    strands = fractal_noise(rng, shape, (70, 4), 3) * (0.06 if outfit.hair == "cap" else 0.24)
    hair = shade(fill(shape, colour), np.clip(1 + strands, 0.4, 2.0))
    image = shade(image, 1 - 0.45 * bump(above, -0.003, 0.004))
    if outfit.hair == "cropped":
        covered = covered * 0.85
    return put(image, hair, covered)


def _features(outfit: Outfit, rng: np.random.Generator, around: Texture, height: Texture) -> Texture:
    """Skin with eyes, brows, nose, mouth, cheeks and, for some, a beard."""
    shape = (around.shape[0], around.shape[1])
    angle = 2 * np.pi * around
    facing = np.sin(angle) > 0
    x = np.where(facing, _HALF_WIDTH * np.cos(angle), 1.0)
    skin, hair = linear(outfit.skin), linear(outfit.hair_colour)
    image = shade(fill(shape, outfit.skin), 1 + 0.03 * fractal_noise(rng, shape, (30, 30), 4))
    image = put(
        image,
        skin * np.array([1.05, 0.72, 0.68], np.float32),
        0.5 * _spot(np.abs(x), height, (0.02, 0.052), (0.01, 0.011)),
    )
    if outfit.curves == 0 and rng.random() < 0.45:
        jaw = np.clip((0.044 - height) / 0.008, 0, 1) * (np.sin(angle) > -0.35)
        image = put(
            image, hair, rng.uniform(0.25, 0.85) * jaw * (1 - 0.8 * _spot(x, height, (0.0, 0.034), (0.01, 0.004)))
        )
    image = shade(image, 1 - 0.35 * _spot(np.abs(x), height, (0.0175, 0.0765), (0.010, 0.006)))
    image = shade(image, 1 - 0.30 * _spot(np.abs(x), height, (0.0095, 0.062), (0.003, 0.012)))
    image = shade(image, 1 - 0.55 * _spot(np.abs(x), height, (0.0045, 0.0545), (0.004, 0.002)))
    image = put(image, linear((0.92, 0.90, 0.88)), _disc(np.abs(x), height, (0.0175, 0.0745), (0.0082, 0.0036)))
    iris = linear((0.16, 0.11, 0.08)) if rng.random() < 0.7 else linear((0.25, 0.35, 0.42))
    image = put(image, iris, _disc(np.abs(x), height, (0.0175, 0.0747), (0.0038, 0.0036)))
    image = shade(image, 1 - 0.75 * _disc(np.abs(x), height, (0.0175, 0.0783), (0.0092, 0.0014)))
    image = put(image, hair * 0.6, 0.85 * _disc(np.abs(x), height, (0.0180, 0.0865), (0.0115, 0.0021)))
    lips = skin * np.array([0.95, 0.45, 0.45], np.float32) * (0.9 if outfit.curves else 1.0)
    image = put(image, lips, 0.85 * _disc(x, height, (0.0, 0.0335), (0.0135, 0.0042)))
    image = shade(image, 1 - 0.6 * _disc(x, height, (0.0, 0.0338), (0.0125, 0.0010)))
    image = shade(image, 1 - 0.25 * _spot(x, height, (0.0, 0.0255), (0.009, 0.003)))
    return shade(image, 1 - 0.5 * np.clip((0.010 - height) / 0.008, 0, 1))


def _ears(image: Texture, around: Texture, height: Texture) -> Texture:
    turn = np.minimum(np.abs(around - 0.98), np.abs(around - 0.52))
    image = shade(image, 1 - 0.35 * _disc(turn, height, (0.0, 0.067), (0.045, 0.0165)))
    image = shade(image, 1 + 0.5 * _disc(turn, height, (0.006, 0.068), (0.032, 0.0125)))
    return shade(image, 1 - 0.5 * _disc(turn, height, (0.004, 0.066), (0.012, 0.005)))


def _spot(x: Texture, y: Texture, centre: tuple[float, float], spread: tuple[float, float]) -> Texture:
    return bump(x, centre[0], spread[0]) * bump(y, centre[1], spread[1])


def _disc(x: Texture, y: Texture, centre: tuple[float, float], radii: tuple[float, float]) -> Texture:
    """A soft-edged ellipse."""
    reach = np.sqrt(np.square((x - centre[0]) / radii[0]) + np.square((y - centre[1]) / radii[1]))
    inside: Texture = np.clip((1.25 - reach) / 0.5, 0, 1)
    return inside
