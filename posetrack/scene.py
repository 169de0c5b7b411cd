"""What a frame shows as a whole, compared with the frame before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
