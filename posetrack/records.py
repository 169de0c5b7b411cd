"""Reads dataclasses from TOML and JSON tables, checking every field."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from posetrack.errors import ConfigError

Record = TypeVar("Record")

_LARGEST_FILE = 2**22
"""Maximum bytes of a TOML file; our largest has 50 kB."""


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ConfigError(f"{path} is too large for a configuration: give a TOML file.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # ValueError: bad TOML or UTF-8, numbers of 4,300 digits
        raise ConfigError(f"{path} is not a TOML file: {error}.") from error


def read_record(kind: type[Record], table: Any, where: str, folder: Path = Path()) -> Record:
    """Make a dataclass from a table. Arrays become tuples, tables dataclasses, integers floats where needed.

    Args:
        kind: The dataclass. Its annotations give the types.
        table: The table from TOML or JSON. Missing fields get their defaults.
        where: Name of the table in error messages.
        folder: Base of relative paths. Paths may contain environment variables (``$DATA/images``).

    Raises:
        ConfigError: a field is unknown, missing, of the wrong type, or out of range.
    """
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table.")
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in table:
        if name not in fields:
            raise ConfigError(f"{where}.{shortened(name)} is unknown; choose one of {', '.join(fields)}.")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in table:
            raise ConfigError(f"{where}.{name} is missing.")
    return kind(
        **{name: _converted(hints[name], value, f"{where}.{name}", folder) for name, value in table.items()}
    )


def _converted(hint: Any, value: Any, where: str, folder: Path) -> Any:
    """Convert a value to an annotated type."""
    origin, inner = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return read_record(hint, value, where, folder)  # type: ignore[arg-type]
    if origin in (Union, UnionType):
        others = [one for one in inner if one is not NoneType]
        return None if value is None and NoneType in inner else _converted(others[0], value, where, folder)
    if origin is Literal:
        if value not in inner:
            raise ConfigError(f"{where} is {shown(value)}; choose {' or '.join(map(repr, inner))}.")
        return value
    if origin is tuple:
        return _tuple(inner, value, where, folder)
    return _plain(hint, value, where, folder)


def _plain(hint: type, value: Any, where: str, folder: Path) -> Any:
    if hint is Path and isinstance(value, str):
        return _path(value, where, folder)
    try:
        if hint is float and type(value) is int:
            return float(value)
    except OverflowError:
        pass
    if type(value) is not hint:
        raise ConfigError(f"{where} is {shown(value)}; give a value of type {hint.__name__}.")
    return value


def _tuple(inner: tuple[Any, ...], value: Any, where: str, folder: Path) -> tuple[Any, ...]:
    """Convert an array to a tuple, checking an annotated length."""
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} is {shown(value)}; give an array.")
    hints = (inner[0],) * len(value) if inner[1:] == (...,) else inner
    if len(value) != len(hints):
        raise ConfigError(f"{where} is {shown(value)}; give an array of {len(hints)}.")
    pairs = zip(hints, value, strict=True)
    return tuple(_converted(hint, one, f"{where}[{number}]", folder) for number, (hint, one) in enumerate(pairs))


def _path(value: str, where: str, folder: Path) -> Path:
    expanded = os.path.expandvars(value)
    if "$" in expanded:
        raise ConfigError(f"{where} is {shown(value)}, but that environment variable is not set.")
    if "\0" in expanded:
        raise ConfigError(f"{where} is {shown(value)}; give a path.")
    return folder / expanded


def check_numbers(config: object, prefix: str = "", **ranges: tuple[float, float]) -> None:
    """Check that numbers, also in tuples, lie in their ranges (inclusive).

    Args:
        config: The object with the attributes to check.
        prefix: Prefix of names in error messages: ``schedule.``.
        ranges: Attribute name -> smallest and largest allowed number.

    Raises:
        ConfigError: a number is out of range or NaN.
    """
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        if not all(least <= number <= most for number in _numbers(value)):
            raise ConfigError(f"{prefix}{name} is {shown(value)}; give {least} to {most}.")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, tuple):
        for one in value:
            yield from _numbers(one)
    elif value is not None:
        yield value


def shown(value: object) -> str:
    """A rejected value for an error message: its ``repr``, arrays in brackets, shortened.

    >>> shown((1, "a\\n"))
    "[1, 'a\\\\n']"
    """
    try:
        return shortened(repr(list(value) if isinstance(value, tuple) else value))
    except (ValueError, RecursionError):  # integers of more than 4,300 digits; endless nesting
        return "too large to show"


def shortened(text: str, length: int = 100) -> str:
    """Untrusted text for an error message: cut to ``length``, unprintable characters escaped."""
    beginning = text[:length] if text.isprintable() else text[:length].encode("unicode_escape").decode()
    return beginning + ("..." if len(text) > length else "")


def as_json(value: Any) -> Any:
    """A configuration value as JSON types, the same for equal values in every process.

    >>> as_json(frozenset({"b", "a"})), as_json((1, None))
    (['a', 'b'], [1, None])
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__} | {
            one.name: as_json(getattr(value, one.name)) for one in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(as_json, value))
    if isinstance(value, (list, tuple)):
        return [as_json(one) for one in value]
    return value if isinstance(value, (str, int, float, type(None))) else str(value)
