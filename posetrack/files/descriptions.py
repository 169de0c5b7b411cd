"""Names of the files that say where results come from."""

from __future__ import annotations

from pathlib import Path

DESCRIPTION = ".meta.json"
"""What their names end in: ``NAME.meta.json`` of a run, ``FILE.meta.json`` of a file that another file became."""


def description_path(path: Path) -> Path:
    """The description of a file or folder that was made of another: beside it, named after it.

    >>> description_path(Path("out/knee.trc")).name
    'knee.trc.meta.json'
    """
    whole = path.absolute() if path.name in ("", "..") else path  # such as "."
    return whole.parent / (whole.name + DESCRIPTION)
