"""Training configurations: TOML files with one table for each settings dataclass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from posetrack.errors import ConfigError
from posetrack.records import read_record, read_toml, shortened


def read_config(path: Path, sections: dict[str, type[Any]]) -> dict[str, Any]:
    """Read one dataclass from each table of a TOML file.

    Paths may hold environment variables (``$DATA/images``) and are relative to the file's folder.

    Args:
        path: The TOML file.
        sections: Dataclass of each table. A missing table gets the defaults.

    Raises:
        ConfigError: the file cannot be read, or a table or field is unknown, missing, of the wrong type or out of
            range.
    """
    tables = read_toml(path)
    for name in tables:
        if name not in sections:
            known = ", ".join(sections)
            raise ConfigError(f"{path} has the unknown table [{shortened(name)}]; known are {known}.")
    try:
        return {
            name: read_record(kind, tables.get(name, {}), name, path.parent) for name, kind in sections.items()
        }
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
