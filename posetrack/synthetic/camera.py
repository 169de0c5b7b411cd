"""A pinhole camera above the ground, and the motion of a handheld one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds
from posetrack.types import Doubles, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A camera that looks along +z, tilted down by ``pitch``.

    Attributes:
        width, height: Frame size, pixels.
        focal_px: Focal length, pixels.
        altitude_m: Height of the lens above the ground, metres.
        pitch: Downward tilt, radians.
    """

    width: int
    height: int
    focal_px: float
    altitude_m: float
    pitch: float

    def __post_init__(self) -> None:
        require_kinds(self)
        if min(self.width, self.height) < 16:
            raise ConfigError(f"the frame size {self.width}x{self.height} is below 16 pixels")
        if self.focal_px <= 0 or self.altitude_m <= 0:
            raise ConfigError("focal_px and altitude_m must be positive")
        if not -0.5 <= self.pitch <= 1.2:
            raise ConfigError(f"pitch must be in [-0.5, 1.2] radians, not {self.pitch}")

    @property
    def forward(self) -> Doubles:
        """float [3]: the viewing direction."""
        return np.array([0.0, -np.sin(self.pitch), np.cos(self.pitch)])

    @property
    def horizon(self) -> float:
        """y in pixels of the horizon (centre of the top pixel row at 0)."""
        return (self.height - 1) / 2 - self.focal_px * float(np.tan(self.pitch))

    def project(self, points: Doubles) -> tuple[Doubles, Doubles]:
        """World points [.., 3] to pixels [.., 2] and depth [..] along the viewing direction, metres."""
        down = np.array([0.0, -np.cos(self.pitch), -np.sin(self.pitch)])
        relative = points - np.array([0.0, self.altitude_m, 0.0])
        depth = relative @ self.forward
        safe = np.maximum(depth, 0.05)[..., None]
        planar = np.stack([relative[..., 0], relative @ down], axis=-1)
        centre = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        return centre + self.focal_px * planar / safe, depth

    def ground_at(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """World x and z, metres, of the ground at pixels (float32); at most 5 km away, also above the horizon."""
        sine, cosine = np.float32(np.sin(self.pitch)), np.float32(np.cos(self.pitch))
        across = (x - np.float32((self.width - 1) / 2)) / np.float32(self.focal_px)
        below = (y - np.float32((self.height - 1) / 2)) / np.float32(self.focal_px)
        depth = np.minimum(np.float32(self.altitude_m) / np.maximum(sine + below * cosine, 1e-9), 5000.0)
        return across * depth, depth * (cosine - below * sine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handheld:
    """Camera motion: a slow pan and a shake, as a similarity transform of each frame.

    Attributes:
        pan: Pan speed in x and y, pixels per second (people drift the other way).
        shake_px: Standard deviation of the shake, pixels.
        roll: Standard deviation of the roll, radians.
        zoom: Standard deviation of the relative zoom.
        seed: Seed of the shake.
    """

    pan: tuple[float, float] = (0.0, 0.0)
    shake_px: float = 0.0
    roll: float = 0.0
    zoom: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_kinds(self)

    def transform(self, time_s: float, size: tuple[int, int]) -> Doubles:
        """float [2, 3], maps pixels of the camera at rest to pixels of the frame (``size``: width, height)."""
        rng = np.random.default_rng(self.seed)
        frequency = rng.uniform(0.6, 4.5, (4, 5))
        amplitude = rng.normal(size=(4, 5)) / np.sqrt(frequency)
        wave = (amplitude * np.sin(2 * np.pi * frequency * time_s + rng.uniform(0, 6.3, (4, 5)))).sum(axis=1)
        wave = wave / 1.4
        angle, scale = self.roll * wave[2], 1.0 + self.zoom * wave[3]
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = (np.array(size) - 1) / 2
        shift = self.shake_px * wave[:2] - np.array(self.pan) * time_s
        return np.column_stack([turn, centre - turn @ centre + shift])
