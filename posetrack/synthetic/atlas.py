"""The texture atlas of a person: cloth, skin, face, hair and shoes, painted once before the first frame.

An atlas is float32 [512, 1024, 3], linear light (albedo). The left half has full resolution; the right half holds
three mipmap levels, so that small people do not shimmer. The columns of a patch run around the body (0 right,
1/4 front, 1/2 left, 3/4 back), its rows downwards.
"""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.synthetic.brushes import bump, fill, grid, linear, put, shade
from posetrack.synthetic.face import paint_head
from posetrack.synthetic.noise import Texture, fractal_noise
from posetrack.synthetic.outfits import Column, Outfit

PATCHES = {  # x, y, width, height in texels
    "torso": (0, 0, 256, 192),
    "head": (256, 0, 256, 192),
    "leg": (0, 192, 128, 256),
    "arm": (128, 192, 128, 256),
    "skirt": (256, 192, 256, 128),
    "foot": (256, 320, 128, 64),
    "mane": (384, 320, 128, 64),
    "pack": (256, 384, 128, 128),
}
ATLAS_SIZE = 512
MIP_ORIGINS = np.array([(0.0, 0.0), (512.0, 0.0), (512.0, 256.0), (512.0, 384.0)])
TORSO_ROWS = (0.275, -0.186)  # heights above the waist of the patch's first and last row
LEG_ROWS = (-0.25, 2.06)
ARM_ROWS = (-0.13, 2.65)


def paint(outfit: Outfit) -> Texture:
    """The atlas of a person, float32 [512, 1024, 3], linear light."""
    rng = np.random.default_rng(outfit.seed)
    atlas = np.zeros((ATLAS_SIZE, 2 * ATLAS_SIZE, 3), np.float32)
    painters = {
        "torso": _torso,
        "head": paint_head,
        "leg": _leg,
        "arm": _arm,
        "skirt": _skirt,
        "foot": _foot,
        "mane": _mane,
        "pack": _pack,
    }
    for name, painter in painters.items():
        x, y, width, height = PATCHES[name]
        atlas[y : y + height, x : x + width] = painter(outfit, rng, (height, width))
    return _with_halvings(atlas)


def paint_column(column: Column) -> Texture:
    """The atlas of a pillar, which has the torso's patch only."""
    rng = np.random.default_rng(column.seed)
    atlas = np.zeros((ATLAS_SIZE, 2 * ATLAS_SIZE, 3), np.float32)
    x, y, width, height = PATCHES["torso"]
    stains = 1 + 0.12 * fractal_noise(rng, (height, width), (90, 40), 5)
    atlas[y : y + height, x : x + width] = shade(fill((height, width), column.colour), stains)
    return _with_halvings(atlas)


def _with_halvings(atlas: Texture) -> Texture:
    np.clip(atlas, 0.004, 1.0, out=atlas)
    for level in range(1, len(MIP_ORIGINS)):
        x, y = MIP_ORIGINS[level].astype(int)
        size = ATLAS_SIZE >> level
        atlas[y : y + size, x : x + size] = cv2.resize(
            atlas[:ATLAS_SIZE, :ATLAS_SIZE], (size, size), interpolation=cv2.INTER_AREA
        )
    return atlas


def _folds(rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float], depth: float) -> Texture:
    """Brightness of cloth with soft folds, made of ridged noise lit from one side."""
    noise = fractal_noise(rng, shape, cell, 3)
    relief = np.gradient(noise, axis=0) * cell[0] / 3 + 0.5 * np.gradient(noise, axis=1) * cell[1] / 3
    return np.clip(1 + depth * np.tanh(relief), 0.3, 1.7).astype(np.float32)


def _cloth(outfit: Outfit, rng: np.random.Generator, around: Texture, down: Texture) -> Texture:
    """The top's fabric. ``around`` in turns and ``down`` in statures keep the weave's scale on all patches."""
    image = fill((around.shape[0], around.shape[1]), outfit.top)
    accent = linear(outfit.accent)
    period = rng.uniform(0.018, 0.05)
    if outfit.pattern in ("stripes", "checks"):
        image = put(image, accent, np.mod(down / period, 1) < rng.uniform(0.2, 0.5))
    if outfit.pattern == "pinstripes":
        image = put(image, accent, np.mod(around * 28, 1) < 0.22)
    if outfit.pattern == "checks":
        image = put(image, accent * 0.6, 0.5 * (np.mod(around * np.round(0.55 / period), 1) < 0.4))
    if outfit.pattern == "blotches":
        noise = fractal_noise(rng, image.shape[:2], (22, 22), 3)
        image = put(image, accent, 1 / (1 + np.exp(-9 * (noise - 0.4))))
        image = put(image, linear(outfit.bottom), 1 / (1 + np.exp(-9 * (-noise - 0.9))))
    return image


def _torso(outfit: Outfit, rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    around, height = grid(shape, TORSO_ROWS)
    front = np.cos(2 * np.pi * (around - 0.25))
    from_centre = np.abs(around - 0.25)
    image = _cloth(outfit, rng, around, height)
    if outfit.pattern == "print":
        image = put(image, linear(outfit.accent), _lettering(rng, shape))
    if outfit.pattern == "yoke":
        image = put(image, linear(outfit.accent), height > rng.uniform(0.12, 0.16))
    if outfit.pattern == "jacket":
        opening = rng.choice([0.004, 0.02, 0.05])
        under = opening + np.maximum(height - 0.15, 0) * 0.5
        image = put(image, linear(outfit.accent), from_centre < under)
        image = shade(image, 1 - 0.5 * bump(from_centre - under, 0.0, 0.004))
    if outfit.pattern == "buttons":
        image = shade(image, 1 - 0.35 * bump(around, 0.262, 0.003))
        dots = (np.abs(around - 0.25) < 0.004) & (np.mod(height / 0.04, 1) < 0.15)
        image = put(image, linear(outfit.sole), dots)
    image = shade(image, _folds(rng, shape, (44, 22), 0.19))
    below = height < outfit.hem
    image = put(image, linear(outfit.bottom), below)
    image = shade(image, 1 - 0.4 * bump(height, outfit.hem - 0.004, 0.005) * below)
    neckline = 0.222 - rng.uniform(0.0, 0.03) * np.maximum(front, 0) ** 3
    skin = height > neckline
    image = put(image, linear(outfit.skin), skin)
    image = shade(image, 1 - 0.35 * bump(height, neckline, 0.004))
    image = shade(image, 1 - 0.45 * np.clip((height - 0.235) / 0.03, 0, 1))
    flank = bump(np.abs(np.cos(2 * np.pi * around)), 1.0, 0.25) * bump(height, 0.10, 0.06)
    return shade(image, 1 - 0.38 * flank)


def _lettering(rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    """A word or a blot printed on the chest, as a mask."""
    mask = np.zeros(shape, np.uint8)
    row, column = int(shape[0] * rng.uniform(0.28, 0.38)), shape[1] // 4
    if rng.random() < 0.6:
        word = "".join(rng.choice(list("ABCEFHJKLMNOPRSTUXYZ0123456789"), rng.integers(2, 5)))
        scale = 1.6 / len(word) ** 0.5
        (width, _), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_DUPLEX, scale, 4)
        cv2.putText(
            mask, word, (column - width // 2, row + 10), cv2.FONT_HERSHEY_DUPLEX, scale, 255, 4, cv2.LINE_AA
        )
    else:
        cv2.ellipse(mask, (column, row), (int(rng.integers(10, 24)), int(rng.integers(8, 20))), 0, 0, 360, 255, -1)
    return mask.astype(np.float32) / np.float32(255)


def _leg(outfit: Outfit, rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    around, station = grid(shape, LEG_ROWS)
    cloth = fill(shape, outfit.bottom)
    faded = rng.uniform(0.0, 0.5)
    cloth = shade(
        cloth, 1 + faded * bump(around, 0.25, 0.1) * (bump(station, 0.45, 0.3) + bump(station, 1.2, 0.3))
    )
    if rng.random() < 0.12:
        cloth = put(cloth, linear(outfit.accent), np.abs(around - 0.5) > 0.46)
    creases = 0.09 + 0.2 * (bump(station, 1.0, 0.18) + bump(station, 0.0, 0.2) + bump(station, 1.9, 0.15))
    cloth = shade(cloth, 1 + creases * (_folds(rng, shape, (18, 26), 1.0) - 1))
    cloth = shade(cloth, 1 + 0.03 * fractal_noise(rng, shape, (3, 3), 1))
    bare = station > (outfit.legs if not outfit.skirt else -1.0)
    tights = outfit.skirt > 0 and rng.random() < 0.35
    image = put(cloth, linear((0.07, 0.07, 0.08) if tights else outfit.skin), bare)
    knee = bump(station, 1.0, 0.07) * bump(around, 0.25, 0.1) * bare
    image = shade(image, 1 - 0.12 * knee)
    image = shade(image, 1 - 0.45 * bump(station, outfit.legs + 0.03, 0.03) * bare)
    sock = (station > rng.uniform(1.8, 2.1)) & bare
    return put(image, linear(outfit.sole), sock)


def _arm(outfit: Outfit, rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    around, station = grid(shape, ARM_ROWS)
    cloth = _cloth(outfit, rng, around * 0.4, -0.16 * station)
    if outfit.pattern == "yoke" and rng.random() < 0.5:
        cloth = fill(shape, outfit.accent)
    creases = 0.13 + 0.2 * bump(station, 1.0, 0.2)
    cloth = shade(cloth, 1 + creases * (_folds(rng, shape, (14, 26), 1.0) - 1))
    bare = station > outfit.sleeve
    image = put(cloth, linear(outfit.skin), bare)
    image = shade(image, 1 - 0.45 * bump(station, outfit.sleeve + 0.03, 0.03) * bare)
    fingers = (station > 2.34) & (np.mod(around * 8, 1) < 0.16)
    image = shade(image, 1 - 0.35 * fingers)
    if rng.random() < 0.25:
        image = put(image, linear((0.1, 0.1, 0.1)), np.abs(station - 1.92) < 0.035)
    return image


def _skirt(outfit: Outfit, rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    around, down = grid(shape, (0.0, 1.0))
    image = fill(shape, outfit.bottom)
    pleats = np.sin(2 * np.pi * (around * rng.integers(9, 20) + 0.3 * np.sin(7 * around)))
    image = shade(image, 1 + 0.22 * (down * pleats).astype(np.float32))
    if rng.random() < 0.3:
        image = put(image, linear(outfit.accent), np.mod(down * 7, 1) < 0.3)
    return shade(image, _folds(rng, shape, (60, 16), 0.18))


def _foot(outfit: Outfit, rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    around, forward = grid(shape, (0.0, 1.0))
    image = fill(shape, outfit.shoe)
    up = np.sin(2 * np.pi * around)
    laces = (up > 0.75) & (forward > 0.42) & (forward < 0.72) & (np.mod(forward * 24, 1) < 0.45)
    image = put(image, linear(outfit.sole), laces)
    image = shade(image, 1 - 0.3 * bump(forward, 0.78, 0.02))
    if rng.random() < 0.5:
        swoosh = np.abs(up - 0.25 - 0.4 * (forward - 0.4)) < 0.1
        image = put(image, linear(outfit.accent), swoosh & (forward > 0.25) & (forward < 0.65))
    return put(image, linear(outfit.sole), up < 0.02)


def _mane(outfit: Outfit, rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    strands = fractal_noise(rng, shape, (80, 5), 3)
    return shade(fill(shape, outfit.hair_colour), np.clip(1 + 0.22 * strands, 0.4, 2.0))


def _pack(outfit: Outfit, rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    around, down = grid(shape, (0.0, 1.0))
    image = fill(shape, outfit.accent)
    image = shade(image, 1 - 0.5 * (bump(down, 0.3, 0.01) + bump(down, 0.55, 0.01)))
    image = shade(image, 1 - 0.4 * bump(np.abs(around - 0.75), 0.13, 0.008) * (down > 0.5))
    return shade(image, _folds(rng, shape, (30, 30), 0.15))
