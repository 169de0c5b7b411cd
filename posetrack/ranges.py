"""Ranges of settings: a value out of its range, or of another kind, is refused in one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real

from posetrack.errors import ConfigError


def require_fraction(**options: float) -> None:
    """Refuses, as a ``ConfigError``, what is no number from 0 to 1."""
    for name, value in options.items():
        if not (isinstance(value, Real) and 0 <= value <= 1):
            raise ConfigError(f"{name} must lie between 0 and 1, not {value!r}.")


def require_at_least(minimum: float, **options: float) -> None:
    """Refuses, as a ``ConfigError``, what is no finite number from ``minimum`` on."""
    for name, value in options.items():
        if not (isinstance(value, Real) and minimum <= value < math.inf):
            raise ConfigError(f"{name} must be {minimum} or more, not {value!r}.")


def require_above(bound: float, **options: float) -> None:
    """Refuses, as a ``ConfigError``, what is no finite number above ``bound``."""
    for name, value in options.items():
        if not (isinstance(value, Real) and bound < value < math.inf):
            raise ConfigError(f"{name} must be above {bound}, not {value!r}.")


def require_whole(minimum: int, **options: int) -> None:
    """Refuses, as a ``ConfigError``, what is no whole number from ``minimum`` on."""
    for name, value in options.items():
        if not (isinstance(value, Integral) and value >= minimum):
            raise ConfigError(f"{name} must be a whole number, {minimum} or more, not {value!r}.")


def require_one_of(choices: Iterable[str], **options: str) -> None:
    """Refuses, as a ``ConfigError``, what is none of the ``choices``."""
    known = tuple(choices)
    for name, value in options.items():
        if value not in known:
            raise ConfigError(f"{name} must be one of {', '.join(known)}, not {value!r}.")
