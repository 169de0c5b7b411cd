"""Procedural backgrounds, painted once per shot on a canvas larger than the frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds
from posetrack.synthetic.camera import Camera
from posetrack.synthetic.canvas import Canvas
from posetrack.synthetic.noise import fractal_noise
from posetrack.synthetic.scenery import board, facade, foliage, ground_tile, treeline
from posetrack.synthetic.shading import Light, to_display
from posetrack.types import Image

PLACES = ("street", "park", "hall", "mixture")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """A place.

    Attributes:
        place: One of ``PLACES``.
        seed: Seed of its contents and light.
        clear_m: Distance within which there is only ground, as room for people.
        margin: Pixels of canvas around the frame, as room for camera motion.
    """

    place: str
    seed: int
    clear_m: float = 12.0
    margin: int = 96

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.place not in PLACES:
            raise ConfigError(f"place must be one of {', '.join(PLACES)}, not {self.place!r}")
        if self.margin < 0:
            raise ConfigError(f"margin must not be negative, not {self.margin}")

    def light(self) -> Light:
        """The light of the place."""
        rng = np.random.default_rng((self.seed, 1))
        indoor = self.place == "hall"
        sunny = 0.45 if indoor else float(rng.choice([0.3, 0.75, 1.0]))
        warm = rng.uniform(-0.06, 0.10)
        exposure = rng.uniform(0.85, 1.1)
        sun = exposure * sunny * np.array([1 + warm, 1.0, 1 - warm])
        sky = exposure * (0.95 - 0.62 * sunny) * np.array([0.97 - 0.05 * sunny, 1.0, 1.06 + 0.12 * sunny])
        ground = 0.42 * sky * np.array([1.05, 1.0, 0.9])
        return Light(
            azimuth=float(rng.uniform(0, 2 * np.pi)) if indoor else float(np.pi + rng.uniform(-1.9, 1.9)),
            elevation=float(rng.uniform(0.9, 1.3) if indoor else rng.uniform(0.6, 1.15)),
            sun=_triple(sun),
            sky=_triple(sky),
            ground=_triple(ground),
            shadow=float(np.clip(0.25 + 0.6 * sunny, 0, 0.75)),
        )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = values.tolist()
    return red, green, blue


def paint_backdrop(backdrop: Backdrop, camera: Camera) -> Image:
    """The canvas, uint8 [H + 2 margin, W + 2 margin, 3], RGB; the frame's origin is at (margin, margin)."""
    rng = np.random.default_rng((backdrop.seed, 2))
    canvas = Canvas(camera, backdrop.margin)
    place = backdrop.place
    walls = place in ("street", "hall") or (place == "mixture" and rng.random() < 0.6)
    _sky(rng, canvas, indoor=place == "hall")
    ground = {"street": "pavement", "park": "grass", "hall": "floor"}
    _ground(rng, canvas, ground.get(place) or str(rng.choice(["pavement", "grass", "floor", "sand"])))
    if walls:
        _walls(rng, canvas, backdrop)
    else:
        _woods(rng, canvas, backdrop.clear_m)
    _clutter(rng, canvas, backdrop.clear_m)
    if place == "street" and rng.random() < 0.6:
        _trees(rng, canvas, backdrop.clear_m * rng.uniform(1.0, 1.5, int(rng.integers(1, 4))), grown=1.0)
    patches = fractal_noise(rng, canvas.shape, (canvas.shape[0], canvas.shape[1] / 2), 2)
    canvas.image *= 1 + 0.12 * patches[..., None]
    softened = cv2.GaussianBlur(canvas.image, (0, 0), float(rng.uniform(0.3, 1.5)))
    return to_display(np.clip(softened, 0.002, 4.0)).astype(np.uint8)


def _sky(rng: np.random.Generator, canvas: Canvas, *, indoor: bool) -> None:
    """Sky with clouds, or the ceiling of a hall."""
    camera, shape = canvas.camera, canvas.shape
    up = np.clip((camera.horizon - canvas.pixels()[1]) / camera.height, 0, 1)[..., None]
    if indoor:
        canvas.image += np.array([1.0, 0.97, 0.92], np.float32) * (rng.uniform(0.3, 0.7) - 0.25 * up)
        return
    zenith = np.array([0.16, 0.32, 0.62]) * rng.uniform(0.7, 1.3)
    low = np.array([0.68, 0.76, 0.85]) * rng.uniform(0.8, 1.15)
    cover = rng.uniform(-1.5, 1.2)
    clouds = fractal_noise(rng, shape, (shape[0] / 3, shape[1] / 2), 5)
    weight = 1 / (1 + np.exp(-3 * (clouds + cover)))[..., None]
    sky = low + (zenith - low) * np.sqrt(up)
    canvas.image += sky + (np.array([0.92, 0.93, 0.95]) * rng.uniform(0.7, 1.0) - sky) * weight


def _ground(rng: np.random.Generator, canvas: Canvas, kind: str) -> None:
    """The textured plane below the horizon, from coarser mipmap levels of the tile farther away."""
    x, y = canvas.pixels()
    across, away = canvas.camera.ground_at(x, y)
    turn = rng.uniform(-0.6, 0.6)
    tile, metres = ground_tile(rng, kind)
    scale = tile.shape[0] / metres
    u = np.float32(scale) * (across * np.float32(np.cos(turn)) - away * np.float32(np.sin(turn)))
    v = np.float32(scale) * (across * np.float32(np.sin(turn)) + away * np.float32(np.cos(turn)))
    footprint = np.abs(np.gradient(away[:, 0])) * scale  # texels per pixel, the same along a row
    level = np.clip(np.log2(np.maximum(footprint, 1.0)) * 0.8, 0, 7.999).astype(np.float32)
    image = np.zeros_like(canvas.image)
    for halving in range(9):
        weight = np.clip(1 - np.abs(level - halving), 0, 1)
        rows = np.flatnonzero(weight)
        if not len(rows):
            continue
        size = tile.shape[0] >> halving
        small = cv2.resize(tile, (size, size), interpolation=cv2.INTER_AREA)
        part = slice(rows[0], rows[-1] + 1)
        grid = [np.mod(axis[part] * np.float32(0.5**halving), np.float32(size)) for axis in (u, v)]
        sampled = cv2.remap(small, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        image[part] += weight[part, None, None] * np.asarray(sampled, np.float32)
    haze = np.clip(away / 120, 0, 0.6)[..., None]
    below = np.clip(y - canvas.camera.horizon - 0.5, 0, 1)[..., None].astype(np.float32)
    canvas.image += (image + (np.float32(0.45) - image) * haze - canvas.image) * below


def _walls(rng: np.random.Generator, canvas: Canvas, backdrop: Backdrop) -> None:
    """A row of facades, or the wall of a hall, across the scene."""
    indoor = backdrop.place == "hall"
    distance = backdrop.clear_m * float(rng.uniform(1.05, 1.3 if indoor else 2.0))
    slope = rng.uniform(-0.2, 0.2)
    half = 1.3 * distance * canvas.reach + 2
    left = -half
    while left < half:
        width = 2.2 * half if indoor else float(rng.uniform(6, 16))
        height = float(rng.uniform(4.0, 7.0) if indoor else rng.uniform(8, 22))
        right = left + width
        corners = _upright((left, distance + slope * left), (right, distance + slope * right), height)
        if corners[:, 2].min() > 3.0:
            canvas.paste_plane(facade(rng, width, height, indoor=indoor), corners)
        left = right


def _upright(start: tuple[float, float], end: tuple[float, float], height: float) -> NDArray[np.float64]:
    """Corners [4, 3] of a wall between two points (x, z) of the ground, clockwise from the top left."""
    (x0, z0), (x1, z1) = start, end
    return np.array([[x0, height, z0], [x1, height, z1], [x1, 0.0, z1], [x0, 0.0, z0]])


def _clutter(rng: np.random.Generator, canvas: Canvas, clear_m: float) -> None:
    """Objects behind the people: boxes, boards, bins, poles and railings."""
    for _ in range(int(rng.integers(0, 14))):
        depth = clear_m * float(rng.uniform(0.9, 1.6))
        x = float(rng.uniform(-1.1, 1.1)) * canvas.reach * depth
        pole = rng.random() < 0.3
        width = 0.12 if pole else float(rng.uniform(0.4, 3.5))
        height = float(rng.uniform(2.0, 7.0) if pole else rng.uniform(0.4, 2.2))
        corners = _upright((x, depth), (x + width, depth + width * float(rng.uniform(-0.5, 0.5))), height)
        if corners[:, 2].min() > 1.0:
            canvas.paste_plane(board(rng, width, height), corners)


def _woods(rng: np.random.Generator, canvas: Canvas, clear_m: float) -> None:
    """A distant line of trees, with single trees and bushes in front."""
    camera = canvas.camera
    colour, coverage = treeline(rng, canvas.shape[1], int(camera.height * rng.uniform(0.1, 0.3)))
    foot = int(camera.horizon + 0.012 * camera.height) + canvas.margin
    canvas.paste_sprite(colour, coverage, (canvas.shape[1] // 2, foot))
    _trees(rng, canvas, clear_m * rng.uniform(1.0, 5.0, int(rng.integers(10, 26))), grown=0.7)


def _trees(rng: np.random.Generator, canvas: Canvas, depths: NDArray[np.float64], *, grown: float) -> None:
    """Trees (a share of ``grown``) and bushes at the given distances."""
    for depth in np.sort(depths)[::-1]:
        place = np.array([rng.uniform(-1.1, 1.1) * canvas.reach * depth, 0.0, depth])
        size = float(rng.uniform(4, 9) if rng.random() < grown else rng.uniform(1, 2.5))
        foot, top = canvas.project(np.stack([place, place + [0, size, 0]]))
        tall = int(foot[1] - top[1])
        if 12 < tall < 3 * canvas.shape[0]:
            colour, coverage = foliage(rng, tall, trunk=size > 2.5)
            canvas.paste_sprite(colour, coverage, (int(foot[0]), int(foot[1])))
