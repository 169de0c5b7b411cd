"""Soft shadows of people on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.synthetic.anatomy import Skeletons
from posetrack.synthetic.camera import Camera
from posetrack.synthetic.outfits import Column
from posetrack.synthetic.shading import Light
from posetrack.types import Doubles, Image

_SEGMENTS = (
    ("head_top", "head_bottom", 0.055), ("head_bottom", "left_hip", 0.09), ("head_bottom", "right_hip", 0.09),
    ("left_shoulder", "left_elbow", 0.03), ("left_elbow", "left_wrist", 0.025),
    ("right_shoulder", "right_elbow", 0.03), ("right_elbow", "right_wrist", 0.025),
    ("left_hip", "left_knee", 0.05), ("left_knee", "left_ankle", 0.035),
    ("right_hip", "right_knee", 0.05), ("right_knee", "right_ankle", 0.035),
)  # fmt: skip
_DETAIL = 0.25  # shadows are drawn at a quarter of the resolution and blurred


@dataclass(frozen=True, slots=True, eq=False)
class Casters:
    """Everything that casts shadows.

    Attributes:
        bodies: The people.
        columns: The columns.
    """

    bodies: Skeletons
    columns: tuple[Column, ...]


def cast_shadows(image: Image, casters: Casters, camera: Camera, view: Doubles, light: Light) -> None:
    """Darken ``image`` (uint8 [H, W, 3], in place) where the ground lies in shadow, and under feet."""
    bodies = casters.bodies
    size = (int(camera.width * _DETAIL) + 1, int(camera.height * _DETAIL) + 1)
    sun = np.zeros((size[1], size[0]), np.uint8)
    contact = np.zeros_like(sun)
    for start, end, radius in _SEGMENTS:
        ends = np.stack([bodies.joint(start), bodies.joint(end)], axis=1)
        _draw(sun, _on_ground(ends, light), radius * bodies.stature, camera, view)
    for column in casters.columns:
        ends = np.array([[[column.x, 0.0, column.z], [column.x, column.height, column.z]]])
        _draw(sun, _on_ground(ends, light), np.array([column.radius]), camera, view)
    for side in range(2):
        ankles = bodies.limb_joints("ankle")[:, side]
        toes = ankles + 0.1 * bodies.stature[:, None] * bodies.feet[:, side, :, 2]
        near = np.clip(1 - ankles[:, 1] / (0.25 * bodies.stature), 0.15, 1)
        ground = np.stack([ankles, toes], axis=1) * np.array([1.0, 0.0, 1.0])
        _draw(contact, ground, 0.07 * near * bodies.stature, camera, view)
    mask = np.maximum(light.shadow * cv2.blur(sun, (3, 3)), 0.6 * cv2.GaussianBlur(contact, (0, 0), 2.5))
    shade = np.round(255 - 0.75 * mask).astype(np.uint8)
    full = cv2.resize(shade, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(image, cv2.merge([full, full, full]), image, 1 / 255)


def _on_ground(points: Doubles, light: Light) -> Doubles:
    """Where the shadows of ``points`` [.., 3] fall."""
    direction = light.direction
    height = np.maximum(points[..., 1:2], 0.0)
    fallen: Doubles = (points - height * direction / direction[1]) * np.array([1.0, 0.0, 1.0])
    return fallen


def _draw(mask: Image, ends: Doubles, radius: Doubles, camera: Camera, view: Doubles) -> None:
    """Fill the hulls of discs around both ends [P, 2, 3] of P segments on the ground."""
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    disc = np.stack([np.cos(angle), np.zeros(8), np.sin(angle)], axis=-1)
    rim = ends[:, :, None] + radius[:, None, None, None] * disc
    pixels, depth = camera.project(rim)
    pixels = (pixels @ view[:, :2].T + view[:, 2]) * _DETAIL
    for outline in pixels[(depth > 0.3).all(axis=(1, 2))].reshape(-1, 16, 2):
        hull = cv2.convexHull(np.clip(outline, -9999, 9999).astype(np.float32))
        cv2.fillConvexPoly(mask, np.round(hull * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
