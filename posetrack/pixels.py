"""Converts between the two conventions for pixel coordinates.

Ours puts (0, 0) at the centre of the top-left pixel (see ``types``). Boxes of COCO, PoseTrack and MOTChallenge,
and all of torchvision's coordinates, start at the image's corner, half a pixel further up and left.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

_HALF_PIXEL = 0.5


def from_centre(positions: NDArray[Any]) -> NDArray[Any]:
    """Our coordinates (points or boxes, float of any shape) to coordinates from the image's corner; same dtype.

    >>> import numpy as np
    >>> from_centre(np.array([-0.5, 10.0])).tolist()
    [0.0, 10.5]
    """
    return positions + _HALF_PIXEL


def from_corner(positions: NDArray[Any]) -> NDArray[Any]:
    """Coordinates from the image's corner (points or boxes, float of any shape) to ours; same dtype.

    >>> import numpy as np
    >>> from_corner(np.array([0.0, 10.5])).tolist()
    [-0.5, 10.0]
    """
    return positions - _HALF_PIXEL
