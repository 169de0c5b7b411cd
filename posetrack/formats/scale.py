"""A scale in words: metres per pixel, or a known length."""

from __future__ import annotations

import re

from posetrack.errors import ConfigError

_UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_LENGTH = re.compile(r"(.+?)(mm|cm|m)=(.+?)px")


def metres_per_pixel(text: str) -> float:
    """The scale that a text gives.

    >>> metres_per_pixel("0.005"), metres_per_pixel("180cm=360px")
    (0.005, 0.005)

    Raises:
        ConfigError: it is neither a number above 0 nor a length such as ``1.8m=350px``.
    """
    try:
        match = _LENGTH.fullmatch(text.replace(" ", ""))
        scale = float(match[1]) * _UNITS[match[2]] / float(match[3]) if match else float(text)
        if 0 < scale < float("inf"):
            return scale
    except (ValueError, ZeroDivisionError):
        pass
    raise ConfigError(
        f"--scale {text}: give metres per pixel, such as 0.005, or a known length, such as 1.8m=350px."
    )
