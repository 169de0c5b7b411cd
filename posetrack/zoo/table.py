"""Reads the table of published weights, strictly: a wrong field is found when it is read, not when it is used."""

from __future__ import annotations

import difflib
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from posetrack.errors import ConfigError
from posetrack.zoo.entries import Accuracy, Entry

ENTRIES_FILE = Path(__file__).with_name("zoo.toml")
"""The table itself."""


@cache
def read_entries(path: Path = ENTRIES_FILE) -> Mapping[str, Entry]:
    """The table by name, in its order.

    Raises:
        ConfigError: the file cannot be read, or a field is unknown, missing, of a wrong type or out of its range.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the table of weights {path}: {error}") from error
    unknown = set(table) - {"joint_orders", "weights"}
    if unknown:
        raise ConfigError(f"{path}: there is no {', '.join(sorted(unknown))}.")
    orders = {name: tuple(joints) for name, joints in table.get("joint_orders", {}).items()}
    entries: dict[str, Entry] = {}
    for row in table.get("weights", []):
        entry = _entry(dict(row), orders, f"{path}, weights {row.get('name')!r}")
        if entry.name in entries or any(entry.file == other.file for other in entries.values()):
            raise ConfigError(f"{path}: {entry.name} or its file is there twice.")
        entries[entry.name] = entry
    return types.MappingProxyType(entries)


def get_entry(name: str) -> Entry:
    """The weights of a name.

    Raises:
        ConfigError: there are none of that name; says which are named alike.
    """
    entries = read_entries()
    if name in entries:
        return entries[name]
    alike = difflib.get_close_matches(name, entries, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(alike)}?" if alike else "`posetrack models list` shows what there is."
    raise ConfigError(f"there are no weights named {name!r}; {hint}")


def _entry(row: dict[str, Any], orders: dict[str, tuple[str, ...]], where: str) -> Entry:
    order = row.pop("joint_order", None)
    if order is not None and order not in orders:
        raise ConfigError(f"{where}: there is no joint_order {order!r}.")
    figures = row.pop("accuracy", [])
    row["accuracy"] = tuple(Accuracy(**_checked(Accuracy, figure, f"{where}, accuracy")) for figure in figures)
    if "joints" in row:
        raise ConfigError(f"{where}: joints are given by joint_order.")
    row["joints"] = orders[order] if order else ()
    return Entry(**_checked(Entry, row, where))


def _checked(kind: type[Accuracy] | type[Entry], row: dict[str, Any], where: str) -> dict[str, Any]:
    """The fields of a row, lists as tuples, if each is known, of its type, and none is missing."""
    hints = get_type_hints(kind)
    unknown = sorted(set(row) - set(hints))
    if unknown:
        raise ConfigError(f"{where}: there is no field {', '.join(unknown)}.")
    missing = [field.name for field in fields(kind) if _is_required(field) and field.name not in row]
    if missing:
        raise ConfigError(f"{where}: {', '.join(missing)} is missing.")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    for name, value in values.items():
        if not _fits(value, hints[name]):
            raise ConfigError(f"{where}: {name} cannot be {value!r}.")
    return values


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of an annotated type: plain types, unions, literals and tuples."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if inner[1:] == (...,):
            return all(_fits(one, inner[0]) for one in value)
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
