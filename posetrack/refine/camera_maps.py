"""Maps from every frame to the first of its shot, added up from the camera's motion between frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from posetrack.types import Doubles, IntArray

_MOST_ZOOM = 4.0
"""Cameras that zoom or turn out of the frame by more than this have not: small errors have added up."""


def maps_to_first(camera: Doubles, starts: IntArray, middle: Doubles) -> Doubles:
    """Affine maps from pixels of each frame to those of the first frame of its shot.

    Args:
        camera: float64 [F, 2, 3], from each frame's predecessor to the frame.
        starts: int64 [S], ascending: frames with which shots begin, the first of all included.
        middle: float64 [2], of the frame, in pixels.

    Returns:
        float64 [F, 3, 3].
    """
    steps = np.tile(np.eye(3), (len(camera), 1, 1))
    steps[:, :2] = camera
    steps[starts[: len(steps)]] = np.eye(3)
    back = np.asarray(np.linalg.inv(steps), dtype=np.float64)
    maps, places = back.copy(), np.arange(len(back))
    since = places - starts[np.searchsorted(starts, places, side="right") - 1]
    reach = 1  # each map leads over that many frames, or to the first
    while reach <= since.max(initial=0):
        further = places[since >= reach]
        maps[further] = maps[further - reach] @ maps[further]
        reach *= 2
    return maps if _plausible(*maps[:, :2, :2].reshape(-1, 4).T).all() else _bounded(back, starts, middle)


def _plausible(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Whether maps with these linear parts, numbers or arrays, stretch and shrink no more than a camera does."""
    # the squares of the two factors by which such a map stretches have this sum and this product
    total, product = a * a + b * b + c * c + d * d, (a * d - b * c) ** 2
    return (total <= _MOST_ZOOM**2) & (product * _MOST_ZOOM**2 >= total)


def _bounded(back: Doubles, starts: IntArray, middle: Doubles) -> Doubles:
    """Maps to the first frame of each shot that never stretch or shrink more than a camera does.

    In hours of small errors they would otherwise blow up everything, or squeeze it into a point. Steps that lead
    too far are taken without zoom and turn.

    Args:
        back: float64 [F, 3, 3], from each frame to the one before.
        starts: Frames with which shots begin.
        middle: Of the frame, which goes where it would go anyway.
    """
    x, y = middle.tolist()
    rows, firsts = [], set(starts.tolist())
    now = still = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    for place, (p, q, u, r, s, v) in enumerate(back[:, :2].reshape(-1, 6).tolist()):
        if place in firsts:
            now = still
        else:
            a, b, e, c, d, f = now
            e, f = a * u + b * v + e, c * u + d * v + f
            linear = (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s)
            if not _plausible(*linear):
                e += (linear[0] - a) * x + (linear[1] - b) * y
                f += (linear[2] - c) * x + (linear[3] - d) * y
                linear = (a, b, c, d)
            now = (linear[0], linear[1], e, linear[2], linear[3], f)
        rows.append(now)
    maps = np.tile(np.eye(3), (len(back), 1, 1))
    maps[:, :2] = np.reshape(rows, (-1, 2, 3))
    return maps
