"""Procedural surroundings, painted once per shot on a canvas larger than the frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.errors import ConfigError
from posetrack.synthetic.camera import Camera
from posetrack.synthetic.noise import Texture, fractal_noise
from posetrack.synthetic.scenery import board, facade, foliage, ground_tile, treeline
from posetrack.synthetic.shading import Light, to_display
from posetrack.types import Image

PLACES = ("street", "park", "hall", "mixture")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """A place.

    Attributes:
        place: One of ``PLACES``.
        seed: Chooses everything in it, and its light.
        clear_m: Distance up to which nothing but ground is painted: the people's room.
        margin: Pixels of canvas around the frame, for the camera to move in.
    """

    place: str
    seed: int
    clear_m: float = 12.0
    margin: int = 96

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise ConfigError(f"place must be one of {', '.join(PLACES)}, not {self.place!r}")
        if self.margin < 0:
            raise ConfigError(f"margin must not be negative, not {self.margin}")

    def light(self) -> Light:
        """The place's light."""
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
            elevation=float(rng.uniform(0.9, 1.3) if indoor else rng.uniform(0.45, 1.1)),
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
    margin = backdrop.margin
    shape = (camera.height + 2 * margin, camera.width + 2 * margin)
    x, y = np.meshgrid(
        np.arange(shape[1], dtype=np.float32) - margin, np.arange(shape[0], dtype=np.float32) - margin
    )
    canvas = _sky(rng, shape, (y - camera.horizon) / camera.height, indoor=backdrop.place == "hall")
    kinds = {"street": "pavement", "park": "grass", "hall": "floor"}
    ground_kind = kinds.get(backdrop.place) or str(rng.choice(["pavement", "grass", "floor", "sand"]))
    ground = _ground(rng, camera, (x, y), ground_kind)
    distance = backdrop.clear_m * float(
        rng.uniform(1.05, 2.0) if backdrop.place != "hall" else rng.uniform(1.05, 1.3)
    )
    walls = backdrop.place in ("street", "hall") or (backdrop.place == "mixture" and rng.random() < 0.6)
    below = np.clip(y - camera.horizon - 0.5, 0, 1)[..., None]
    canvas = canvas * (1 - below) + ground * below
    if walls:
        canvas = _wall(rng, camera, canvas, distance, backdrop)
    if backdrop.place == "park" or (backdrop.place == "mixture" and not walls):
        canvas = _trees(rng, camera, canvas, backdrop)
    canvas = _clutter(rng, camera, canvas, backdrop)
    if backdrop.place == "street" and rng.random() < 0.6:
        canvas = _trees(rng, camera, canvas, backdrop, sparse=True)
    canvas *= 1 + 0.12 * fractal_noise(rng, shape, (shape[0], shape[1] / 2), 2)[..., None]
    softened = cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.3, 1.5)))
    return np.clip(to_display(np.clip(softened, 0.002, 4.0)), 0, 255).astype(np.uint8)


def _sky(rng: np.random.Generator, shape: tuple[int, int], above: Texture, *, indoor: bool) -> Texture:
    """Linear light [shape, 3]; ``above`` is the height over the horizon in frames (negative: above)."""
    up = np.clip(-above, 0, 1)[..., None]
    if indoor:
        tone = rng.uniform(0.3, 0.7)
        return (np.array([1.0, 0.97, 0.92], np.float32) * (tone - 0.25 * up)).astype(np.float32)
    zenith = np.array([0.16, 0.32, 0.62]) * rng.uniform(0.7, 1.3)
    low = np.array([0.68, 0.76, 0.85]) * rng.uniform(0.8, 1.15)
    sky = low + (zenith - low) * np.sqrt(up)
    cover = rng.uniform(-1.5, 1.2)
    clouds = fractal_noise(rng, shape, (shape[0] / 3, shape[1] / 2), 5)
    weight = 1 / (1 + np.exp(-3 * (clouds + cover)))[..., None]
    blended: Texture = (sky + (np.array([0.92, 0.93, 0.95]) * rng.uniform(0.7, 1.0) - sky) * weight).astype(
        np.float32
    )
    return blended


def _ground(rng: np.random.Generator, camera: Camera, pixels: tuple[Texture, Texture], kind: str) -> Texture:
    """The textured ground plane, coarser halvings of the tile where a pixel covers more of it."""
    across, away = camera.ground_at(*pixels)
    turn = rng.uniform(-0.6, 0.6)
    tile, metres = ground_tile(rng, kind)
    scale = tile.shape[0] / metres
    u = scale * (across * np.cos(turn) - away * np.sin(turn))
    v = scale * (across * np.sin(turn) + away * np.cos(turn))
    footprint = np.abs(np.gradient(away, axis=0)) * scale
    level = np.clip(np.log2(np.maximum(footprint, 1.0)) * 0.8, 0, 7.999)
    image = np.zeros((*level.shape, 3), np.float32)
    for halving in range(9):
        rows = np.flatnonzero((np.abs(level - halving) < 1).any(axis=1))
        size = tile.shape[0] >> halving
        small = cv2.resize(tile, (size, size), interpolation=cv2.INTER_AREA)
        if not len(rows):
            continue
        part = slice(rows[0], rows[-1] + 1)
        grid = [np.mod(axis[part] * 0.5**halving, size).astype(np.float32) for axis in (u, v)]
        sampled = cv2.remap(small, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        image[part] += np.clip(1 - np.abs(level[part] - halving), 0, 1)[..., None].astype(np.float32) * sampled
    haze = np.clip(away / 120, 0, 0.6)[..., None].astype(np.float32)
    return image * (1 - haze) + np.float32(0.45) * haze


def _wall(
    rng: np.random.Generator, camera: Camera, canvas: Texture, distance: float, backdrop: Backdrop
) -> Texture:
    """A row of facades (or the wall of a hall) across the scene at ``distance`` metres."""
    indoor = backdrop.place == "hall"
    half = distance * (camera.width / 2 + backdrop.margin) / camera.focal_px * 1.3 + 2
    left = -half
    slope = rng.uniform(-0.2, 0.2)
    while left < half:
        width = 2.2 * half if indoor else float(rng.uniform(6, 16))
        height = float(rng.uniform(4.0, 7.0) if indoor else rng.uniform(8, 22))
        texture = facade(rng, width, height, indoor=indoor)
        corners = np.array([
            [left, height, distance + slope * left], [left + width, height, distance + slope * (left + width)],
            [left + width, 0.0, distance + slope * (left + width)], [left, 0.0, distance + slope * left],
        ])  # fmt: skip
        if corners[:, 2].min() > 3.0:
            canvas = _paste_plane(canvas, texture, camera, corners, backdrop.margin)
        left += width
    return canvas


def _paste_plane(
    canvas: Texture, texture: Texture, camera: Camera, corners: NDArray[np.float64], margin: int
) -> Texture:
    pixels, _ = camera.project(corners)
    height, width = texture.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (pixels + margin).astype(np.float32))
    extent = np.ptp(pixels, axis=0)
    shrink = max(1.0, min(width / max(extent[0], 1.0), height / max(extent[1], 1.0)))
    blurred = cv2.GaussianBlur(texture, (0, 0), 0.5 * shrink) if shrink > 1.2 else texture
    size = (canvas.shape[1], canvas.shape[0])
    warped = cv2.warpPerspective(blurred, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.round((pixels + margin) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    weight = mask.astype(np.float32)[..., None] / 255
    return canvas * (1 - weight) + warped * weight


def _clutter(rng: np.random.Generator, camera: Camera, canvas: Texture, backdrop: Backdrop) -> Texture:
    """Things that stand about behind the people: boxes, boards, bins, poles and railings."""
    reach = (camera.width / 2 + backdrop.margin) / camera.focal_px
    for _ in range(int(rng.integers(0, 14))):
        depth = backdrop.clear_m * float(rng.uniform(0.9, 1.6))
        x = rng.uniform(-1.1, 1.1) * reach * depth
        width, height = (0.12, rng.uniform(2, 7)) if rng.random() < 0.3 else rng.uniform((0.4, 0.4), (3.5, 2.2))
        away = depth + width * rng.uniform(-0.5, 0.5)
        corners = np.array([[x, height, depth], [x + width, height, away], [x + width, 0, away], [x, 0, depth]])
        if corners[:, 2].min() > 1.0:
            canvas = _paste_plane(
                canvas, board(rng, float(width), float(height)), camera, corners, backdrop.margin
            )
    return canvas


def _trees(
    rng: np.random.Generator, camera: Camera, canvas: Texture, backdrop: Backdrop, sparse: bool = False
) -> Texture:
    """Trees and bushes from far to near."""
    margin = backdrop.margin
    if not sparse:
        woods = treeline(rng, canvas.shape[1], int(camera.height * rng.uniform(0.1, 0.3)))
        foot = int(camera.horizon + 0.012 * camera.height) + margin
        canvas = _paste_sprite(canvas, *woods, (canvas.shape[1] // 2, foot))
    count = int(rng.integers(1, 4)) if sparse else int(rng.integers(10, 26))
    reach = (camera.width / 2 + margin) / camera.focal_px
    depths = np.sort(backdrop.clear_m * rng.uniform(1.0, 1.5 if sparse else 5.0, count))[::-1]
    for depth in depths:
        place = np.array([rng.uniform(-1.1, 1.1) * reach * depth, 0.0, depth])
        size = float(rng.uniform(4, 9) if sparse or rng.random() < 0.7 else rng.uniform(1, 2.5))
        (foot, top), _ = camera.project(np.stack([place, place + [0, size, 0]]))
        tall = int(foot[1] - top[1])
        if 12 < tall < 3 * canvas.shape[0]:
            sprite, alpha = foliage(rng, tall, trunk=size > 2.5)
            canvas = _paste_sprite(canvas, sprite, alpha, (int(foot[0]) + margin, int(foot[1]) + margin))
    return canvas


def _paste_sprite(canvas: Texture, sprite: Texture, alpha: Texture, foot: tuple[int, int]) -> Texture:
    height, width = alpha.shape
    left, top = foot[0] - width // 2, foot[1] - height
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, canvas.shape[1]), min(top + height, canvas.shape[0])
    if x0 < x1 and y0 < y1:
        part = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
        weight = alpha[part][..., None]
        canvas[y0:y1, x0:x1] = canvas[y0:y1, x0:x1] * (1 - weight) + sprite[part] * weight
    return canvas
