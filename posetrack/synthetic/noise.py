"""Fractal noise for textures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Texture = NDArray[np.float32]


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float], octaves: int = 4
) -> Texture:
    """Value noise of mean 0 and standard deviation 1.

    Args:
        rng: Random numbers.
        shape: Rows and columns of the result.
        cell: Rows and columns of the coarsest octave's cells, pixels; each octave halves them.
        octaves: Number of octaves; each has 0.55 of the previous one's amplitude.

    Returns:
        float32 [shape].
    """
    rows, columns = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        grid = (int(np.ceil(rows * 2**octave / cell[0])) + 3, int(np.ceil(columns * 2**octave / cell[1])) + 3)
        if grid[0] > 2 * rows or grid[1] > 2 * columns:
            break
        values = rng.standard_normal(grid, dtype=np.float32)
        margin = (np.array([rows, columns]) * 3 // np.array(grid)) + 1
        size = (columns + int(margin[1]), rows + int(margin[0]))
        layer = cv2.resize(values, size, interpolation=cv2.INTER_CUBIC)[:rows, :columns]
        total += np.float32(0.55**octave) * layer
    total -= total.mean()
    total /= total.std() + 1e-6
    return total
