"""The options of a run, as ``NAME.meta.json`` keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from posetrack.cli.options import TrackOptions
from posetrack.errors import ConfigError, DataFormatError
from posetrack.ranges import require_kinds

_OF_THE_MACHINE = {"models_dir", "threads"}
"""Options that say where and how fast, and not what comes out."""


def given_options(options: TrackOptions) -> dict[str, Any]:
    """The options that differ from their defaults, apart from those of the machine."""
    values = {
        field.name: getattr(options, field.name) for field in fields(options) if field.name not in _OF_THE_MACHINE
    }
    defaults = TrackOptions()
    return {name: value for name, value in values.items() if value not in (getattr(defaults, name), [])}


def recorded_options(path: Path, given: Mapping[str, Any]) -> TrackOptions:
    """The options of a ``.meta.json``.

    Raises:
        DataFormatError: an option is unknown, or of the wrong kind.
    """
    unknown = sorted(set(given) - {field.name for field in fields(TrackOptions)} | set(given) & _OF_THE_MACHINE)
    if unknown:
        raise DataFormatError(f"{path}: there is no option {unknown[0]!r}; run `posetrack run` again.")
    options = TrackOptions(**given)
    try:
        require_kinds(options)
    except ConfigError as error:
        raise DataFormatError(f"{path}: {error}") from error
    return options
