"""The scene as a whole, from two frames: the camera's motion, and a coarse summary of the flow."""

from __future__ import annotations

import numpy as np

from posetrack.scene import CELLS, Scene
from posetrack.stages import Flow
from posetrack.tracker.camera import CameraMotion
from posetrack.types import FloatArray

_POINTS = 2
"""Rows and columns of points in each cell."""


def scene_of(cut: bool, flow: Flow, width: int, height: int) -> Scene:
    """The scene of a frame.

    Args:
        cut: A shot begins with it.
        flow: From the frame before.
        width, height: Size of both frames in pixels.
    """
    if cut:
        return Scene.of_new_shot()
    places = _grid(width, height)
    displacement, valid = flow.at(places)
    camera = CameraMotion.fitted(places[valid].T, displacement[valid].T)
    return Scene(cut=False, camera=_affine(camera), flow=_summary(np.where(valid[:, None], displacement, np.nan)))


def _grid(width: int, height: int) -> FloatArray:
    """float32 [P, 2], points spread evenly over the image, row by row."""
    count = CELLS * _POINTS
    shares = (np.arange(count) + 0.5) / count
    x, y = np.meshgrid(shares * width - 0.5, shares * height - 0.5)
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def _affine(camera: CameraMotion) -> FloatArray:
    """float32 [2, 3], from places of the previous frame to places of this one."""
    linear = np.eye(2, dtype=np.float32) + camera.slope
    shift = camera.shift - camera.slope @ camera.middle
    return np.concatenate([linear, shift[:, None]], axis=1)


def _summary(displacement: FloatArray) -> FloatArray:
    """float32 [CELLS, CELLS, 2], median of each cell's points that the flow knows."""
    cells = displacement.reshape(CELLS, _POINTS, CELLS, _POINTS, 2).transpose(0, 2, 1, 3, 4)
    ordered = np.sort(cells.reshape(CELLS, CELLS, _POINTS**2, 2), axis=2)  # NaN last
    known = (~np.isnan(ordered)).sum(axis=2)
    middle = np.maximum(known - 1, 0) // 2
    return np.asarray(np.take_along_axis(ordered, middle[:, :, None], axis=2)[:, :, 0], np.float32)
