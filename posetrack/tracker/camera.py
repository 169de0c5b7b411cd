"""The camera's motion between two frames: a robust affine fit to the flow of the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from posetrack.tracker.joints import medians
from posetrack.types import BoolArray, FloatArray

_ROUNDS = 6
_MIN_SCALE_PX = 1.0
"""Minimum scale of residuals, in pixels: smaller ones are noise of the flow."""
_SLOPE = 0.01
"""Cameras seldom zoom by more than one per cent, or turn by more than half a degree, from frame to frame."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraMotion:
    """Displacement of the background from one frame to the next, as a function of the place.

    Attributes:
        middle: float32 [2], where the displacement is ``shift``.
        shift: float32 [2], pixels.
        slope: float32 [2, 2], change of the displacement per pixel of distance from the middle.
    """

    middle: FloatArray
    shift: FloatArray
    slope: FloatArray

    @classmethod
    def fitted(cls, points: FloatArray, displacement: FloatArray) -> Self:
        """The motion that most of the points share.

        Starts from their median displacement and fits an affine motion by reweighted least squares (Cauchy
        weights), so points on people who walk count for little. Few points, or points in one place, do
        not determine turns and zooms, so the slope is damped; without points the motion is 0.

        Args:
            points: float32 [2, P], places in the previous frame, source pixels.
            displacement: float32 [2, P], where each went minus where it was.
        """
        if points.shape[1] == 0:
            return cls(np.zeros(2, np.float32), np.zeros(2, np.float32), np.zeros((2, 2), np.float32))
        middle = points.mean(axis=1)
        offsets = points - middle[:, None]
        spread = max(float(np.sqrt(np.square(offsets).mean())), 1.0)
        design = np.concatenate([np.ones((1, points.shape[1])), offsets / spread])
        stiffness = np.diag([0.0, 1.0, 1.0]) / (_SLOPE * spread) ** 2
        everything = np.ones((1, points.shape[1]), np.bool_)
        solution = np.concatenate([medians(displacement[:, None], everything), np.zeros((2, 2))], axis=1)
        for _ in range(_ROUNDS):
            squared = np.square(displacement - solution @ design).sum(axis=0)
            if squared.max() <= _MIN_SCALE_PX**2:
                break
            scale = max(float(np.median(squared)), _MIN_SCALE_PX**2)
            weighted = design / (1 + squared / scale)
            solution = np.linalg.solve(weighted @ design.T + scale * stiffness, weighted @ displacement.T).T
        solution = solution.astype(np.float32)
        slope = np.asarray(solution[:, 1:] / np.float32(spread), np.float32)
        return cls(middle.astype(np.float32), solution[:, 0], slope)

    def at(self, points: FloatArray) -> FloatArray:
        """float32 [2, ...], displacement of the background at places [2, ...] of the previous frame."""
        columns = points.reshape(2, -1)
        moved = self.shift[:, None] + self.slope @ (columns - self.middle[:, None])
        return np.asarray(moved.reshape(points.shape), np.float32)


def background(
    points: FloatArray, displacement: FloatArray, valid: BoolArray, in_sight: BoolArray
) -> CameraMotion:
    """The camera's motion from the points around visible people, or around all people if none is visible.

    Args:
        points: float32 [2, P], points around people.
        displacement: float32 [2, P], by the flow.
        valid: bool [P], the flow knows the point.
        in_sight: bool [P], the point lies around a person seen in the previous frame.
    """
    chosen = valid & in_sight
    rows = np.flatnonzero(chosen if chosen.any() else valid)
    return CameraMotion.fitted(points.take(rows, axis=1), displacement.take(rows, axis=1))
