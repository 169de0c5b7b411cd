"""Colours of the drawing, RGB. Colour-blind people can tell the sides apart (Okabe and Ito, 2008)."""

from __future__ import annotations

import colorsys
from functools import lru_cache

from posetrack.types import UNLINKED

Rgb = tuple[int, int, int]

LEFT: Rgb = (86, 180, 233)
RIGHT: Rgb = (230, 120, 20)
CENTRE: Rgb = (240, 240, 240)
SIDES = (LEFT, RIGHT, CENTRE)
"""Sky blue, vermilion-orange, near white, which differ in lightness too."""

OUTLINE: Rgb = (20, 20, 20)

_GOLDEN_RATIO = 0.618033988749895
_UNLINKED: Rgb = (150, 150, 150)


@lru_cache(maxsize=1024)
def person_colour(track_id: int) -> Rgb:
    """Colour of a person: always the same for an id, and far from the colours of nearby ids.

    Hues advance by the golden ratio, which never repeats and keeps neighbours apart; every eight ids, lightness
    changes as well. People without an id are grey.
    """
    if track_id == UNLINKED:
        return _UNLINKED
    hue = (track_id * _GOLDEN_RATIO) % 1
    saturation, value = ((0.75, 1.0), (1.0, 0.9), (0.95, 0.7))[track_id // 8 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def readable_on(colour: Rgb) -> Rgb:
    """Black or white, whichever contrasts more with a colour (by luma, ITU-R BT.601)."""
    red, green, blue = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else (255, 255, 255)


def faded(colour: Rgb, share: float) -> Rgb:
    """A colour mixed with the outlines' dark: whole at 1, and half of it at 0."""
    keep = 0.5 + share / 2
    red, green, blue = (round(keep * own + (1 - keep) * dark) for own, dark in zip(colour, OUTLINE, strict=True))
    return red, green, blue
