"""Training configurations: TOML files whose tables are this package's dataclasses, field by field."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from posetrack.errors import ConfigError

Config = TypeVar("Config")


def read_config(path: Path, sections: dict[str, type[Any]]) -> dict[str, Any]:
    """Read one dataclass from each table of a TOML file.

    Paths may hold environment variables (``$DATA/images``) and are relative to the file's folder.

    Args:
        path: The TOML file.
        sections: Table name -> dataclass; tables that the file leaves out get the defaults.

    Raises:
        ConfigError: the file cannot be read, or has a table or field that is unknown, missing or of another type.
    """
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}.") from error
    unknown = sorted(set(tables) - set(sections))
    if unknown:
        raise ConfigError(f"{path} has the unknown table [{unknown[0]}]; known are {', '.join(sections)}.")
    return {
        name: _build(kind, tables.get(name, {}), f"{path}: {name}", path.parent) for name, kind in sections.items()
    }


def _build(kind: type[Config], table: Any, where: str, folder: Path) -> Config:
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table.")
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in table:
        if name not in fields:
            raise ConfigError(f"{where}.{name} is unknown; known are {', '.join(fields)}.")
    values = {name: _convert(hints[name], value, f"{where}.{name}", folder) for name, value in table.items()}
    try:
        return kind(**values)
    except TypeError:
        required = [
            name
            for name, field in fields.items()
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        missing = next(name for name in required if name not in values)
        raise ConfigError(f"{where}.{missing} is missing.") from None


def _convert(kind: Any, value: Any, where: str, folder: Path) -> Any:
    """A TOML value as a field's type: nested tables become dataclasses, arrays tuples, strings paths."""
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, where, folder)  # type: ignore[arg-type]
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _convert(next(a for a in get_args(kind) if a is not type(None)), value, where, folder)
    if origin is Literal:
        return value  # the dataclass itself says which are allowed
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where} must be an array.")
        element = get_args(kind)[0]
        return tuple(_convert(element, item, f"{where}[{i}]", folder) for i, item in enumerate(value))
    if kind is Path and isinstance(value, str):
        return _path(value, where, folder)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{where} is {value!r}; give a value of type {kind.__name__}.")
    return value


def _path(value: str, where: str, folder: Path) -> Path:
    expanded = os.path.expandvars(value)
    if "$" in expanded:
        raise ConfigError(f"{where} is {value!r}, but that environment variable is not set.")
    return folder / expanded
