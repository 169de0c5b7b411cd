"""The two ways to measure pixels, and the one place that turns one into the other.

Ours puts (0, 0) at the centre of the top-left pixel (see ``types``). COCO, PoseTrack and MOTChallenge measure
boxes, and torchvision measures everything, from the image's corner, half a pixel further up and left.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

_HALF_PIXEL = 0.5


def from_centre(positions: NDArray[Any]) -> NDArray[Any]:
    """Our coordinates (points or boxes, float of any shape) as measured from the image's corner; same dtype.

    >>> import numpy as np
    >>> from_centre(np.array([-0.5, 10.0])).tolist()
    [0.0, 10.5]
    """
    return positions + _HALF_PIXEL


def from_corner(positions: NDArray[Any]) -> NDArray[Any]:
    """Coordinates measured from the image's corner (points or boxes, float of any shape) as ours; same dtype.

    >>> import numpy as np
    >>> from_corner(np.array([0.0, 10.5])).tolist()
    [-0.5, 10.0]
    """
    return positions - _HALF_PIXEL
