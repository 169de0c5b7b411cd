"""Reads the table of published weights, strictly: errors are found on reading, not on use."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from posetrack.errors import ConfigError
from posetrack.records import read_record, read_toml, shown
from posetrack.zoo.entries import Entry

ENTRIES_FILE = Path(__file__).with_name("zoo.toml")
"""The table itself."""


@cache
def read_entries(path: Path = ENTRIES_FILE) -> Mapping[str, Entry]:
    """The table by name, in its order.

    Raises:
        ConfigError: the file cannot be read, or a field is unknown, missing, of the wrong type or out of its
            range.
    """
    table = read_toml(path)
    try:
        return types.MappingProxyType(_entries(table))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _entries(table: dict[str, Any]) -> dict[str, Entry]:
    unknown = set(table) - {"joint_orders", "weights"}
    if unknown:
        raise ConfigError(f"{', '.join(sorted(unknown))} is unknown; known are joint_orders, weights.")
    orders, rows = table.get("joint_orders", {}), table.get("weights", [])
    if not isinstance(orders, dict) or not isinstance(rows, list):
        raise ConfigError("joint_orders must be a table, and weights an array of tables.")
    entries: dict[str, Entry] = {}
    for number, row in enumerate(rows):
        entry = _entry(row, orders, f"weights[{number}]")
        if entry.name in entries or any(entry.file == other.file for other in entries.values()):
            raise ConfigError(f"{entry.name} or its file is there twice.")
        entries[entry.name] = entry
    return entries


def get_entry(name: str) -> Entry:
    """The weights of a name.

    Raises:
        ConfigError: there are none of that name; suggests similar names, or the kinds of files that are allowed.
    """
    entries = read_entries()
    if name in entries:
        return entries[name]
    path = Path(name)
    if path.suffix or path.name != name:
        raise ConfigError(
            f"{name} is not a file of weights: give a .safetensors file written by `posetrack train`, or a "
            "checkpoint (.pth, .pt, .safetensors) with --architecture, or an ONNX network (.onnx)."
        )
    alike = difflib.get_close_matches(name, entries, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(alike)}?" if alike else "`posetrack models list` shows what there is."
    raise ConfigError(f"there are no weights named {name!r}; {hint}")


def _entry(row: Any, orders: dict[str, Any], where: str) -> Entry:
    if not isinstance(row, dict) or "joints" in row:
        raise ConfigError(f"{where} must be a table, in which joint_order gives the joints.")
    order = row.get("joint_order")
    if order is not None and order not in list(orders):
        raise ConfigError(f"{where}: there is no joint_order {shown(order)}.")
    fields = {name: value for name, value in row.items() if name != "joint_order"}
    return read_record(Entry, fields | ({} if order is None else {"joints": orders[order]}), where)
