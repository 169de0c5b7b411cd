"""Kinds and ranges of settings: a value of another kind, or out of its range, is refused in one sentence."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from posetrack.errors import ConfigError

_KINDS: dict[Any, Any] = {float: Real, int: Integral, bool: (bool, np.bool_)}
_WORDS = {float: "a number", int: "a whole number", bool: "True or False", str: "text", NoneType: "None"}


def require_kinds(config: object, prefix: str = "") -> None:
    """Refuse fields whose values are not of the annotated type. Call it before the ranges are checked.

    Numbers may be Python's or NumPy's, but neither NaN nor True and False. Lists pass for tuples.

    Args:
        config: A dataclass.
        prefix: Put before a field's name in an error, such as ``schedule.``.

    Raises:
        ConfigError: a field is of another type.
    """
    for name, hint in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if not _fits(hint, value):
            raise ConfigError(f"{prefix}{name} must be {_in_words(hint)}, not {reprlib.repr(value)}.")


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value is of an annotated type."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(one, value) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is tuple:
        return isinstance(value, tuple | list) and _elements_fit(inner, value)
    if hint in (int, float) and (isinstance(value, bool) or value != value):
        return False
    return isinstance(value, _KINDS.get(hint, origin or hint))


def _elements_fit(hints: tuple[Any, ...], values: tuple[Any, ...] | list[Any]) -> bool:
    if hints[1:] == (...,):
        return all(_fits(hints[0], value) for value in values)
    return len(values) == len(hints) and all(map(_fits, hints, values))


def _in_words(hint: Any) -> str:
    """An annotation as it reads in an error.

    >>> _in_words(int | Literal["auto"]), _in_words(tuple[int, ...])
    ("a whole number or 'auto'", 'a tuple[int, ...]')
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_in_words, inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    return _WORDS.get(hint) or f"a {hint if origin else hint.__name__}"


def require_fraction(**options: float) -> None:
    """Refuse, with a ``ConfigError``, numbers outside 0 to 1."""
    for name, value in options.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} must lie between 0 and 1, not {value!r}.")


def require_at_least(minimum: float, **options: float) -> None:
    """Refuse, with a ``ConfigError``, numbers below ``minimum``, and infinity."""
    for name, value in options.items():
        if not minimum <= value < math.inf:
            raise ConfigError(f"{name} must be {minimum} or more, not {value!r}.")


def require_above(bound: float, **options: float) -> None:
    """Refuse, with a ``ConfigError``, numbers up to ``bound``, and infinity."""
    for name, value in options.items():
        if not bound < value < math.inf:
            raise ConfigError(f"{name} must be above {bound}, not {value!r}.")


def require_whole(minimum: int, **options: int) -> None:
    """Refuse, with a ``ConfigError``, whole numbers below ``minimum``."""
    for name, value in options.items():
        if not value >= minimum:
            raise ConfigError(f"{name} must be a whole number, {minimum} or more, not {value!r}.")


def require_one_of(choices: Iterable[str], **options: str) -> None:
    """Refuse, with a ``ConfigError``, values that are not among the ``choices``."""
    known = tuple(choices)
    for name, value in options.items():
        if value not in known:
            raise ConfigError(f"{name} must be one of {', '.join(known)}, not {value!r}.")
