"""What people look like: build, clothes, hair and colours, chosen or random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds

Colour = tuple[float, float, float]
"""sRGB in [0, 1]."""

PATTERNS = ("plain", "stripes", "pinstripes", "checks", "print", "blotches", "jacket", "buttons", "yoke")
HAIRSTYLES = ("bald", "cropped", "short", "bob", "long", "ponytail", "cap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """What one person looks like. Lengths without a unit are fractions of stature.

    Attributes:
        stature_m: Height, metres.
        build: Girth relative to the average, from 0.8 to 1.4.
        curves: From 0, straight, to 1, narrow waist and wide hips.
        sleeve: Where the sleeve ends: 0 shoulder, 1 elbow, 2 wrist.
        sleeve_loose, top_loose, legs_loose: Distance from skin to cloth.
        hem: Height of the top's lower edge above the waist (negative: below).
        legs: Where the trousers end: 0.3 very short, 1 knee, 2 ankle.
        skirt: Length of the skirt from the waist along the leg: 0 none, 1 knee.
        hair: One of ``HAIRSTYLES``.
        backpack: Whether the person carries one.
        pattern: Pattern of the top, one of ``PATTERNS``.
        skin, hair_colour, top, accent, bottom, shoe, sole: Colours.
        seed: Seed of folds, prints and faces.
    """

    stature_m: float
    build: float
    curves: float
    sleeve: float
    sleeve_loose: float
    top_loose: float
    hem: float
    legs: float
    legs_loose: float
    skirt: float
    hair: str
    backpack: bool
    pattern: str
    skin: Colour
    hair_colour: Colour
    top: Colour
    accent: Colour
    bottom: Colour
    shoe: Colour
    sole: Colour
    seed: int

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.hair not in HAIRSTYLES:
            raise ConfigError(f"hair must be one of {', '.join(HAIRSTYLES)}, not {self.hair!r}")
        if self.pattern not in PATTERNS:
            raise ConfigError(f"pattern must be one of {', '.join(PATTERNS)}, not {self.pattern!r}")
        if not 0.5 <= self.stature_m <= 2.5:
            raise ConfigError(f"stature_m must be in [0.5, 2.5] metres, not {self.stature_m}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A round pillar, tree or bin that can hide people.

    Attributes:
        x, z: Position on the ground, metres.
        radius, height: Metres.
        colour: sRGB in [0, 1].
        seed: Seed of its stains.
    """

    x: float
    z: float
    radius: float
    height: float
    colour: Colour
    seed: int = 0

    def __post_init__(self) -> None:
        require_kinds(self)


_SKIN = ((0.96, 0.80, 0.69), (0.91, 0.72, 0.58), (0.84, 0.63, 0.48), (0.73, 0.52, 0.38), (0.55, 0.37, 0.26),
         (0.40, 0.27, 0.20), (0.93, 0.76, 0.65), (0.88, 0.69, 0.56))  # fmt: skip
_HAIR = ((0.09, 0.07, 0.06), (0.17, 0.11, 0.08), (0.30, 0.19, 0.11), (0.45, 0.30, 0.17), (0.70, 0.56, 0.34),
         (0.42, 0.19, 0.10), (0.62, 0.61, 0.60), (0.13, 0.10, 0.09))  # fmt: skip
_TOPS = ((0.90, 0.90, 0.88), (0.10, 0.10, 0.12), (0.72, 0.13, 0.15), (0.16, 0.26, 0.52), (0.20, 0.42, 0.30),
         (0.85, 0.68, 0.20), (0.47, 0.47, 0.50), (0.78, 0.42, 0.20), (0.36, 0.20, 0.42), (0.55, 0.73, 0.85),
         (0.85, 0.60, 0.66), (0.17, 0.20, 0.27), (0.62, 0.55, 0.43), (0.12, 0.45, 0.50), (0.30, 0.32, 0.22),
         (0.25, 0.25, 0.27))  # fmt: skip
_BOTTOMS = ((0.16, 0.21, 0.33), (0.25, 0.33, 0.48), (0.09, 0.09, 0.11), (0.40, 0.35, 0.28), (0.62, 0.56, 0.45),
            (0.30, 0.30, 0.32), (0.14, 0.15, 0.20), (0.40, 0.48, 0.60), (0.27, 0.28, 0.20),
            (0.70, 0.70, 0.70))  # fmt: skip
_SHOES = ((0.90, 0.90, 0.90), (0.10, 0.10, 0.10), (0.33, 0.22, 0.14), (0.55, 0.12, 0.14), (0.20, 0.28, 0.50),
          (0.45, 0.45, 0.46))  # fmt: skip


def _tinted(rng: np.random.Generator, palette: tuple[Colour, ...], spread: float) -> Colour:
    colour = np.array(palette[rng.integers(len(palette))]) + rng.normal(0, spread, 3) + rng.normal(0, spread)
    red, green, blue = np.clip(colour, 0.03, 0.96).tolist()
    return red, green, blue


def random_outfit(rng: np.random.Generator) -> Outfit:
    """A random adult or teenager of any build, in summer or winter clothes."""
    curves = float(rng.choice([0.0, 1.0])) * rng.uniform(0.5, 1.0)
    warm = rng.random() < 0.45
    skirt = float(rng.uniform(0.55, 1.35)) if curves and rng.random() < 0.3 else 0.0
    short_legs = not warm and rng.random() < 0.45
    patterns = ("plain", "plain", "jacket", "jacket", "buttons", "yoke") if warm else PATTERNS
    hair = ("short", "bob", "long", "long", "ponytail") if curves else ("cropped", "short", "short", "bald", "cap")
    return Outfit(
        stature_m=float(rng.normal(1.76 - 0.12 * (curves > 0), 0.07)),
        build=float(np.clip(rng.normal(1.0, 0.11), 0.82, 1.35)),
        curves=curves,
        sleeve=2.0 if warm else float(rng.choice([-0.1, 0.45, 0.6, 0.75, 1.7, 2.0])),
        sleeve_loose=float(rng.uniform(0.006, 0.013) if warm else rng.uniform(0.002, 0.011)),
        top_loose=float(rng.uniform(0.008, 0.02) if warm else rng.uniform(0.001, 0.012)),
        hem=float(rng.uniform(-0.03, 0.0) if skirt else rng.uniform(-0.14, -0.03)),
        legs=float(rng.uniform(0.35, 1.05)) if short_legs else 2.0,
        legs_loose=float(rng.uniform(0.004, 0.016) if short_legs else rng.uniform(0.001, 0.012)),
        skirt=skirt,
        hair=str(rng.choice(hair)),
        backpack=bool(rng.random() < 0.12),
        pattern=str(rng.choice(patterns)),
        skin=_tinted(rng, _SKIN, 0.015),
        hair_colour=_tinted(rng, _HAIR, 0.015),
        top=_tinted(rng, _TOPS, 0.04),
        accent=_tinted(rng, _TOPS, 0.04),
        bottom=_tinted(rng, _BOTTOMS, 0.03),
        shoe=_tinted(rng, _SHOES, 0.03),
        sole=_tinted(rng, ((0.92, 0.92, 0.9), (0.2, 0.2, 0.2), (0.85, 0.8, 0.7)), 0.02),
        seed=int(rng.integers(1 << 31)),
    )


_FROM_FRONT = (0.0, 30.0, 48.0, 60.0, 75.0, 95.0, 115.0, 140.0, 180.0)
_HAIRLINES = {
    "bald": (0.30, 0.30, 0.30, 0.30, 0.30, 0.30, 0.30, 0.30, 0.30),
    "cropped": (0.117, 0.114, 0.104, 0.094, 0.082, 0.074, 0.045, 0.030, 0.026),
    "short": (0.112, 0.108, 0.094, 0.082, 0.070, 0.066, 0.035, 0.018, 0.014),
    "bob": (0.108, 0.104, 0.086, 0.040, 0.016, 0.008, 0.0, 0.0, 0.0),
    "long": (0.112, 0.106, 0.088, 0.050, 0.026, 0.010, 0.0, 0.0, 0.0),
    "ponytail": (0.114, 0.110, 0.098, 0.086, 0.076, 0.070, 0.040, 0.022, 0.018),
    "cap": (0.100, 0.100, 0.098, 0.094, 0.092, 0.092, 0.090, 0.088, 0.088),
}


def hairline(style: str, degrees_from_front: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height above the neck, in statures, above which hair (or a cap) covers the head."""
    return np.interp(degrees_from_front, _FROM_FRONT, _HAIRLINES[style])
