"""The motion of tracks and its uncertainty: one Kalman filter for all tracks at once.

A track's state is the position and velocity of the whole body, relative to the background; x and y have the
same uncertainty, so three variances describe it. Velocities change by white noise. All noise is relative to the
person's size, so that near and far people are treated alike, and per second, so that all frame rates are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from posetrack.tracker.config import MotionConfig
from posetrack.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Motion of T tracks.

    Attributes:
        velocities: float32 [2, T], px per second.
        place: float32 [T], variance of the place along x and along y, px^2.
        mixed: float32 [T], covariance of place and velocity, px^2 per second.
        speed: float32 [T], variance of the velocity, px^2 per square second.
        sizes: float32 [T], the people's sizes in pixels.
    """

    velocities: FloatArray
    place: FloatArray
    mixed: FloatArray
    speed: FloatArray
    sizes: FloatArray

    @classmethod
    def starting(cls, sizes: FloatArray, config: MotionConfig) -> Self:
        """People seen for the first time, of sizes float32 [T] in pixels: place known, velocity not."""
        return cls(
            np.zeros((2, len(sizes)), np.float32),
            np.square(config.place_noise * sizes, dtype=np.float32),
            np.zeros(len(sizes), np.float32),
            np.square(config.first_speed * sizes, dtype=np.float32),
            sizes,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Motion]) -> Self:
        """The tracks of all parts, in order."""
        return cls(
            np.concatenate([part.velocities for part in parts], axis=1),
            np.concatenate([part.place for part in parts]),
            np.concatenate([part.mixed for part in parts]),
            np.concatenate([part.speed for part in parts]),
            np.concatenate([part.sizes for part in parts]),
        )

    def __getitem__(self, rows: IntArray) -> Motion:
        """The tracks of these rows."""
        return Motion(
            self.velocities[:, rows], self.place[rows], self.mixed[rows], self.speed[rows], self.sizes[rows]
        )

    def predicted(self, seconds: float, config: MotionConfig) -> Motion:
        """Some seconds later. Nobody becomes faster than people are: the velocity's variance is bounded.

        It is the acceleration that ends at the bound. If the velocity's variance alone were cut off, it would be
        too small for its covariance with the place, and the first sighting after half a second would make it
        negative.
        """
        dt = np.float32(seconds)
        left = np.square(config.first_speed * self.sizes) - self.speed
        noise = np.minimum(np.square(config.acceleration * self.sizes) * dt, np.maximum(left, 0))
        return replace(
            self,
            place=self.place + dt * (2 * self.mixed + dt * self.speed) + noise * dt * dt / 3,
            mixed=self.mixed + dt * self.speed + noise * dt / 2,
            speed=self.speed + noise,
        )

    def corrected(
        self, rows: IntArray, errors: FloatArray, shares: FloatArray, sizes: FloatArray, config: MotionConfig
    ) -> Motion:
        """With the sightings of M of the tracks. Their places are then those seen.

        Args:
            rows: int64 [M], the tracks.
            errors: float32 [2, M], pixels from where each was expected to where it was seen.
            shares: float32 [M] in [0, 1], how much of the expected body was seen: one arm swings by itself.
            sizes: float32 [M], their sizes now.
            config: Noise.
        """
        seen = np.square(config.place_noise * sizes)
        gain = self.mixed[rows] / (self.place[rows] + seen / np.square(np.maximum(shares, 1e-2)))
        velocities, place, mixed, speed, all_sizes = (
            values.copy() for values in (self.velocities, self.place, self.mixed, self.speed, self.sizes)
        )
        velocities[:, rows] += gain * errors
        speed[rows] -= gain * mixed[rows]
        place[rows], mixed[rows], all_sizes[rows] = seen, gain * seen, sizes
        return Motion(velocities, place, mixed, speed, all_sizes)
