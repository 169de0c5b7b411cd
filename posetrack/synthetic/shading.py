"""Lighting: sun with a soft terminator, light from the sky, and light reflected by the ground."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.synthetic.raster import Fragments

Floats = NDArray[np.float32]
_COLUMNS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Lighting of a place, in linear light; a white wall in full sun and sky is about 1.

    Attributes:
        azimuth: Direction of the sun, radians; 0 behind the scene, pi / 2 to the viewer's right.
        elevation: Height of the sun above the horizon, radians.
        sun, sky, ground: Colours of the three lights.
        shadow: Darkness of cast shadows, 0 to 1.
    """

    azimuth: float
    elevation: float
    sun: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    shadow: float

    @property
    def direction(self) -> NDArray[np.float64]:
        """float [3], unit vector from the scene to the sun."""
        flat = np.cos(self.elevation)
        return np.array([flat * np.sin(self.azimuth), np.sin(self.elevation), flat * np.cos(self.azimuth)])


def lookup(atlases: Floats, coordinates: Floats) -> Floats:
    """Bilinear samples [M, 3] of a stack of atlases [rows, columns, 3] at ``coordinates`` [M, 2]."""
    count = len(coordinates)
    if count == 0:
        return np.zeros((0, 3), np.float32)
    rows = -(-count // _COLUMNS)
    padded = np.zeros((2, rows * _COLUMNS), np.float32)
    padded[:, :count] = coordinates.T
    x, y = padded.reshape(2, rows, _COLUMNS)
    sampled = cv2.remap(atlases, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32).reshape(-1, 3)[:count]


def illuminate(normals: Floats, albedo: Floats, light: Light) -> Floats:
    """Radiance [M, 3] in linear light."""
    length = np.sqrt(np.einsum("mi,mi->m", normals, normals)) + 1e-6
    facing = normals @ light.direction.astype(np.float32) / length
    upward = normals[:, 1] / length
    diffuse = np.clip((facing + 0.15) / 1.15, 0.0, None)[:, None] * np.array(light.sun, np.float32)
    above = (0.5 + 0.5 * upward)[:, None]
    ambient = above * np.array(light.sky, np.float32) + (1 - above) * np.array(light.ground, np.float32)
    radiance: Floats = albedo * (diffuse + ambient)
    return radiance


def to_display(radiance: Floats) -> Floats:
    """Linear light to display values in [0, 255], with softly compressed highlights."""
    compressed = radiance / (1 + 0.18 * radiance * radiance)
    display: Floats = 255 * np.sqrt(np.clip(compressed, 0.0, 1.0))
    return display


def film_curve(steepness: float) -> NDArray[np.uint8]:
    """[256] S-shaped tone curve that keeps black and white and adds contrast between them.

    >>> film_curve(0.0)[[0, 100, 255]].tolist(), (film_curve(4.0)[[40, 200]] - [40, 200] + 20 > 20).tolist()
    ([0, 100, 255], [False, True])
    """
    tone = np.linspace(0.0, 1.0, 256)
    if steepness:
        low, high = (np.tanh(steepness / 2 * (end - 0.45)) for end in (0.0, 1.0))
        tone = (np.tanh(steepness / 2 * (tone - 0.45)) - low) / (high - low)
    return np.round(255 * tone).astype(np.uint8)


def resolve(image: NDArray[np.uint8], fragments: Fragments, colours: Floats) -> None:
    """Write the samples' ``colours`` [M, 3], 0 to 255, into the image in place, averaging along edges."""
    flat = image.reshape(-1, 3)
    first = len(fragments.inside)
    flat[fragments.inside] = colours[:first]
    behind = np.repeat(flat[fragments.edges].astype(np.float32), 4, axis=0)
    shown = (fragments.owner[first:] >= 0)[:, None]
    mixed = np.where(shown, colours[first:], behind).reshape(-1, 4, 3).mean(axis=1)
    flat[fragments.edges] = mixed
