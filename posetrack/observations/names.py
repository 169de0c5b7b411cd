"""Names of observation files. In its own module, because importing pyarrow is slow."""

from __future__ import annotations

from pathlib import Path

ENDING = ".tracks"


def is_observations(path: Path) -> bool:
    """Whether a file's name says that it holds observations.

    >>> is_observations(Path("out/street.tracks"))
    True
    """
    return path.suffix == ENDING
