"""What a frame shows as a whole, compared with the frame before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

CELLS = 4
"""Rows and columns of the summary of the flow."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The scene of a frame.

    Attributes:
        cut: A shot begins with this frame, as with the very first one. Nothing has moved then.
        camera: float32 [2, 3], where the background has moved: the affine map from pixels of the frame before to
            those of this frame.
        flow: float32 [4, 4, 2], median displacement in pixels in each cell of a grid over the image (rows from
            the top, columns from the left); NaN where the flow knows nothing.
    """

    cut: bool
    camera: NDArray[np.float32]
    flow: NDArray[np.float32]

    @classmethod
    def of_new_shot(cls) -> Self:
        """The scene of a shot's first frame."""
        still = np.eye(2, 3, dtype=np.float32)
        return cls(cut=True, camera=still, flow=np.zeros((CELLS, CELLS, 2), np.float32))
