"""The options of a run, as ``NAME.meta.json`` keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from posetrack.cli.options import TrackOptions
from posetrack.cli.refine_options import RefineOptions
from posetrack.cli.shared_options import changed
from posetrack.errors import ConfigError, DataFormatError

_OF_THE_MACHINE = {"models_dir", "threads"}
"""Options that do not affect the results."""

_ONLINE = "online"


def given_options(options: TrackOptions, refining: RefineOptions | None) -> dict[str, Any]:
    """The options that differ from their defaults and affect the results. Without ``refining``: ``online``."""
    second = {_ONLINE: True} if refining is None else changed(refining, RefineOptions())
    every = changed(options, TrackOptions()) | second
    return {name: value for name, value in every.items() if name not in _OF_THE_MACHINE}


def recorded_options(path: Path, given: Mapping[str, Any]) -> tuple[TrackOptions, RefineOptions | None]:
    """The options of a ``.meta.json``, and those of the second pass, if there was one.

    Raises:
        DataFormatError: an option is unknown, or of the wrong kind.
    """
    from posetrack.ranges import require_kinds

    tracking = {field.name for field in fields(TrackOptions)} - _OF_THE_MACHINE
    refining = {field.name for field in fields(RefineOptions)}
    unknown = sorted(set(given) - tracking - refining - {_ONLINE})
    if unknown:
        raise DataFormatError(f"{path}: there is no option {unknown[0]!r}; run `posetrack run` again.")
    options = TrackOptions(**{name: value for name, value in given.items() if name in tracking})
    second = RefineOptions(**{name: value for name, value in given.items() if name in refining})
    try:
        require_kinds(options)
        require_kinds(second)
    except ConfigError as error:
        raise DataFormatError(f"{path}: {error}") from error
    return options, None if given.get(_ONLINE) else second
