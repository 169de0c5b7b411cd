"""A scale in words: metres per pixel, or a known length."""

from __future__ import annotations

import re

from posetrack.errors import ConfigError

_UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_FINEST, _COARSEST = 1e-5, 0.5
"""Metres per pixel at which a person is 200,000 and four pixels tall: more is a length that lacks its pixels."""

_LENGTH = re.compile(r"(.+?)(mm|cm|m)=(.+?)px")


def metres_per_pixel(text: str) -> float:
    """The scale that a text gives.

    >>> metres_per_pixel("0.005"), metres_per_pixel("180cm=360px")
    (0.005, 0.005)

    Raises:
        ConfigError: it is neither a number above 0 nor a length such as ``1.8m=350px``; or as ``scale_in``.
    """
    scale = scale_in(text)
    if scale is None:
        raise ConfigError(
            f"--scale {text}: give metres per pixel, such as 0.005, or a known length, such as 1.8m=350px."
        )
    return scale


def scale_in(text: str) -> float | None:
    """The metres per pixel that a text gives; None if it gives none.

    Raises:
        ConfigError: nobody could be seen at that scale.
    """
    try:
        match = _LENGTH.fullmatch(text.replace(" ", ""))
        scale = float(match[1]) * _UNITS[match[2]] / float(match[3]) if match else float(text)
    except (ValueError, ZeroDivisionError):
        return None
    if not 0 < scale < float("inf"):
        return None
    if not _FINEST <= scale <= _COARSEST:
        problem = "can be seen" if scale > _COARSEST else "fits into the image"
        raise ConfigError(
            f"--scale {text} is {scale:g} m per pixel, at which no person {problem}: give a length and its "
            "pixels, such as 1.8m=350px."
        )
    return scale
