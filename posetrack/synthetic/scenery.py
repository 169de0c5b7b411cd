"""Background textures: ground tiles, facades, walls and trees, float32 in linear light."""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.synthetic.noise import Texture, fractal_noise

_TILE = 512


def ground_tile(rng: np.random.Generator, kind: str) -> tuple[Texture, float]:
    """A repeating tile [512, 512, 3], and its side in metres."""
    fine = _repeating(fractal_noise(rng, (_TILE, _TILE), (10, 10), 3))
    broad = _repeating(fractal_noise(rng, (_TILE, _TILE), (160, 160), 3))
    colours = {
        "pavement": (0.30, 0.29, 0.28), "grass": (0.11, 0.17, 0.05), "floor": (0.33, 0.25, 0.17),
        "sand": (0.45, 0.37, 0.25),
    }  # fmt: skip
    base = np.array(colours[kind], np.float32) * np.float32(rng.uniform(0.6, 1.35))
    base *= rng.uniform(0.93, 1.07, 3).astype(np.float32)
    contrast = {"pavement": 0.10, "grass": 0.22, "floor": 0.05, "sand": 0.14}[kind]
    tile = base * (1 + contrast * fine + 0.10 * broad)[..., None]
    if kind in ("pavement", "floor"):
        tile = _paved(rng, tile, planks=kind == "floor" and rng.random() < 0.6)
    if kind == "grass":
        tile = tile * (1 + 0.10 * _repeating(broad)[..., None] * np.array([1.0, 0.5, 0.3], np.float32))
    return np.clip(tile, 0.01, 1.0).astype(np.float32), {"pavement": 4.0, "grass": 5.0, "floor": 4.0, "sand": 5.0}[
        kind
    ]


def _repeating(noise: Texture) -> Texture:
    """Noise that repeats seamlessly, blended with itself half a tile away."""
    ramp = np.abs(np.linspace(-1, 1, _TILE, dtype=np.float32))
    for axis in (0, 1):
        weight = ramp[:, None] if axis == 0 else ramp[None]
        noise = noise * (1 - weight) + np.roll(noise, _TILE // 2, axis=axis) * weight
    repeating: Texture = noise / (noise.std() + np.float32(1e-6))
    return repeating


def _paved(rng: np.random.Generator, tile: Texture, *, planks: bool) -> Texture:
    """Gaps between slabs or boards, each of a slightly different tone."""
    rows, columns = (16, 2) if planks else (int(rng.choice([4, 8, 16])), int(rng.choice([4, 8, 16])))
    tones = 1 + rng.normal(0, 0.12 if planks else 0.06, (rows, columns)).astype(np.float32)
    tones = np.repeat(np.repeat(tones, _TILE // rows, axis=0), _TILE // columns, axis=1)
    shifted = tile * tones[..., None]
    dark = np.ones((_TILE, _TILE), np.float32)
    dark[:: _TILE // rows] = dark[1 :: _TILE // rows] = 0.6
    dark[:, :: _TILE // columns] = dark[:, 1 :: _TILE // columns] = 0.6
    return shifted * dark[..., None]


def facade(rng: np.random.Generator, width_m: float, height_m: float, *, indoor: bool) -> Texture:
    """A facade, or the wall of a hall, at about 36 texels per metre."""
    density = 36.0
    shape = (int(height_m * density), int(width_m * density))
    walls = ((0.52, 0.46, 0.36), (0.40, 0.22, 0.16), (0.55, 0.55, 0.53), (0.30, 0.29, 0.28), (0.62, 0.55, 0.42),
             (0.35, 0.38, 0.42), (0.58, 0.42, 0.32))  # fmt: skip
    base = np.array(walls[rng.integers(len(walls))], np.float32) * np.float32(rng.uniform(0.7, 1.2))
    image = (
        base
        * (1 + 0.06 * fractal_noise(rng, shape, (60, 60), 4) + 0.03 * fractal_noise(rng, shape, (4, 4), 1))[
            ..., None
        ]
    )
    image = image.astype(np.float32)
    if rng.random() < 0.4:
        image[:: max(2, int(density * 0.09))] *= 0.86
    return _hall_wall(rng, image, density) if indoor else _storeys(rng, image, density)


def _storeys(rng: np.random.Generator, image: Texture, density: float) -> Texture:
    """Rows of windows above shops."""
    height, width = image.shape[:2]
    storey, bay = int(density * rng.uniform(2.9, 3.6)), int(density * rng.uniform(1.9, 3.2))
    size = (int(bay * rng.uniform(0.35, 0.6)), int(storey * rng.uniform(0.45, 0.65)))
    frame = np.array((0.75, 0.74, 0.70) if rng.random() < 0.6 else (0.12, 0.11, 0.10), np.float32)
    sill = rng.random() < 0.6
    for bottom in range(height - storey, 0, -storey):
        image[bottom - 4 : bottom] *= 0.75
        for left in range((width % bay) // 2, width - bay + 1, bay):
            x, y = left + (bay - size[0]) // 2, bottom - int(storey * 0.2) - size[1]
            if y > 4:
                _window(rng, image, (x, y), size, frame)
                if sill:
                    image[y + size[1] + 2 : y + size[1] + 6, max(x - 4, 0) : x + size[0] + 4] = frame * 0.8
    _shops(rng, image[height - storey :], density)
    return image


def _window(
    rng: np.random.Generator, image: Texture, corner: tuple[int, int], size: tuple[int, int], frame: Texture
) -> None:
    x, y = corner
    width, height = size
    image[y - 2 : y + height + 2, x - 2 : x + width + 2] = frame
    glass = np.linspace(rng.uniform(0.05, 0.35), rng.uniform(0.02, 0.10), height, dtype=np.float32)[:, None, None]
    tint = np.array([0.85, 1.0, 1.15], np.float32)
    image[y : y + height, x : x + width] = glass * tint
    if rng.random() < 0.4:
        drawn = int(width * rng.uniform(0.1, 0.5))
        image[y : y + height, x : x + drawn] = rng.uniform(0.3, 0.6)
    image[y : y + height, x + width // 2 - 1 : x + width // 2 + 1] = frame
    image[y + height // 3 : y + height // 3 + 2, x : x + width] = frame


def _shops(rng: np.random.Generator, image: Texture, density: float) -> None:
    """The ground floor: doors, shop windows, signs and awnings."""
    height, width = image.shape[:2]
    left = 0
    while left < width:
        bay = int(density * rng.uniform(1.0, 4.0))
        part = image[int(height * 0.24) : int(height * 0.93), left + 5 : left + bay - 5]
        if part.shape[1] > 12:
            _display(rng, part)
            if rng.random() < 0.7:
                sign = image[int(height * 0.07) : int(height * 0.22), left + 4 : left + bay - 4]
                sign[:] = paint_colour(rng)
                if rng.random() < 0.7:
                    _letters(rng, sign)
        left += bay


def _display(rng: np.random.Generator, pane: Texture) -> None:
    """A shop window: a dark room, goods on shelves, a reflected sky."""
    height, width = pane.shape[:2]
    room = np.float32(rng.uniform(0.01, 0.10))
    pane[:] = room * np.exp(0.5 * fractal_noise(rng, (height, width), (height / 2, width / 3 + 2), 4))[..., None]
    for _ in range(int(rng.integers(4, 26))):
        size = int(rng.uniform(0.05, 0.4) * height), int(rng.uniform(0.03, 0.3) * width) + 1
        x, floor = int(rng.integers(0, width)), int(rng.choice([0.4, 0.7, 1.0]) * height)
        pane[max(floor - size[0], 0) : floor, x : x + size[1]] = paint_colour(rng) * rng.uniform(0.15, 0.8)
    reflection = np.linspace(rng.uniform(0.02, 0.2), 0.0, height, dtype=np.float32)
    pane += reflection[:, None, None] * np.array([0.9, 1.0, 1.1], np.float32)
    pane[:3] = pane[-4:] = 0.05
    pane[:, :3] = pane[:, -3:] = 0.05


def paint_colour(rng: np.random.Generator) -> Texture:
    """A random paint colour, mostly grey, white, brown or dark, sometimes bright; linear light."""
    value = rng.beta(1.0, 1.6)
    chroma = rng.beta(0.8, 2.2)
    hue = rng.dirichlet([0.7, 0.6, 0.6])
    mixed: Texture = (value * ((1 - chroma) + chroma * hue / hue.max())).astype(np.float32)
    return np.clip(mixed, 0.01, 0.95)


def _letters(rng: np.random.Generator, image: Texture) -> None:
    """A word across the image."""
    height, width = image.shape[:2]
    if height < 8 or width < 16:
        return
    mask = np.zeros((height, width), np.uint8)
    word = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTUVWZ"), int(rng.integers(3, 9))))
    scale = height / 38
    (wide, _), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_DUPLEX, scale, 2)
    cv2.putText(mask, word, ((width - wide) // 2, int(height * 0.75)), cv2.FONT_HERSHEY_DUPLEX, scale, 255, 2, 16)
    weight = (mask.astype(np.float32) / 255)[..., None]
    image[:] = image * (1 - weight) + paint_colour(rng) * weight


def board(rng: np.random.Generator, width_m: float, height_m: float) -> Texture:
    """The front of an object: a painted, stained board, some with panels, bars or letters."""
    shape = (max(8, int(48 * height_m)), max(6, int(48 * width_m)))
    stains = fractal_noise(rng, shape, (shape[0] / 2 + 1, shape[1] / 2 + 1), 5)
    image = paint_colour(rng) * np.exp(rng.uniform(0.05, 0.4) * stains)[..., None]
    kind = rng.random()
    if kind < 0.3:
        rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        for row in range(rows):
            for column in range(columns):
                top, left = row * shape[0] // rows, column * shape[1] // columns
                image[
                    top + 2 : (row + 1) * shape[0] // rows - 2, left + 2 : (column + 1) * shape[1] // columns - 2
                ] = paint_colour(rng)
    elif kind < 0.5:
        image[:, np.mod(np.arange(shape[1]), 9) < 3] = paint_colour(rng)
    elif kind < 0.7:
        _letters(rng, image[shape[0] // 4 : shape[0] // 2 + 8])
    painted: Texture = np.clip(image, 0.005, 1.0).astype(np.float32)
    return painted


def _hall_wall(rng: np.random.Generator, image: Texture, density: float) -> Texture:
    """Posters, doors, a skirting board and a band of paint."""
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        image[int(height * 0.72) :] = paint_colour(rng)
    for _ in range(int(rng.integers(4, 22))):
        size = int(density * rng.uniform(0.3, 1.8)), int(density * rng.uniform(0.3, 2.4))
        x, y = int(rng.integers(0, width)), int(rng.integers(height // 5, height - size[0] // 3))
        part = image[y : y + size[0], x : x + size[1]]
        if min(part.shape[:2]) < 6:
            continue
        part[:] = cv2.resize(board(rng, size[1] / density, size[0] / density), (part.shape[1], part.shape[0]))
        part[:2] = part[-2:] = 0.05
    for _ in range(int(rng.integers(0, 3))):
        x = int(rng.integers(0, width))
        image[height - int(2.1 * density) :, x : x + int(density)] = paint_colour(rng)
    image[height - int(0.12 * density) :] = rng.uniform(0.03, 0.5)
    return image


def foliage(rng: np.random.Generator, height: int, *, trunk: bool) -> tuple[Texture, Texture]:
    """A tree or a bush: colour [h, w, 3] and coverage [h, w]."""
    scale = min(1.0, 420 / height)
    tall = max(8, int(height * scale))
    shape = (tall, int(tall * (0.8 if trunk else 1.6)))
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    middle, radius = (-0.3, 0.72) if trunk else (0.25, 0.8)
    crown = 1 - np.hypot(x, (y - middle) / radius) + 0.16 * fractal_noise(rng, shape, (tall / 5, tall / 5), 4)
    crown -= 2 * np.clip(np.maximum(np.abs(x), np.abs(y)) - 0.85, 0, None)
    alpha = np.clip(crown * 12, 0, 1).astype(np.float32)
    leaves = fractal_noise(rng, shape, (tall / 9, tall / 9), 5)
    base = np.array([0.07, 0.13, 0.03]) * rng.uniform(0.5, 1.6) * rng.uniform(0.85, 1.2, 3)
    lit = np.exp(0.55 * leaves - 0.5 * (y - middle) - 0.2)
    colour = (base * lit[..., None]).astype(np.float32)
    if trunk:
        stem = (np.abs(x + 0.02 * np.sin(5 * y)) < 0.07) & (y > -0.1) & (alpha < 0.5)
        colour[stem] = np.array([0.09, 0.07, 0.05]) * rng.uniform(0.6, 1.4)
        alpha = np.maximum(alpha, stem)
    size = (int(shape[1] / scale), int(shape[0] / scale))
    return np.asarray(cv2.resize(colour, size), np.float32), np.asarray(
        cv2.resize(alpha.astype(np.float32), size), np.float32
    )


def treeline(rng: np.random.Generator, width: int, height: int) -> tuple[Texture, Texture]:
    """Distant woods along the horizon: colour [height, width, 3] and coverage [height, width]."""
    outline = fractal_noise(rng, (1, width), (1, max(8.0, height * 0.8)), 5)[0]
    top = height * (0.42 - 0.16 * outline)
    rows = np.arange(height, dtype=np.float32)[:, None]
    alpha = np.clip(rows - top, 0, 1)
    leaves = fractal_noise(rng, (height, width), (height / 6, height / 6), 4)
    base = np.array([0.09, 0.14, 0.07]) * rng.uniform(0.6, 1.3)
    shaded = np.exp(0.35 * leaves - 0.6 * (rows - top) / height)
    return (base * shaded[..., None]).astype(np.float32), alpha.astype(np.float32)
