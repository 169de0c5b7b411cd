"""What may be written where: nothing is replaced unasked, and what is read never."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from posetrack.errors import ConfigError, OutputError


def check_targets(targets: Iterable[Path], inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse outputs that would destroy something. Call it before anything is written.

    Names count as equal if some disk takes them for equal: through links, and whatever their case.

    Args:
        targets: Files to be written.
        inputs: Files that are read.
        overwrite: Existing files may be replaced, if they are neither read nor written twice.

    Raises:
        ConfigError: a target is an input, or two targets are one file.
        OutputError: a target exists and ``overwrite`` is not given, or it is no ordinary file.
    """
    read = {identity: path for path in inputs for identity in _identities(path)}
    written: dict[object, Path] = {}
    for target in targets:
        identities = _identities(target)
        for identity in identities:
            if identity in read:
                raise ConfigError(f"{target} would replace {read[identity]}, which is read; give another target.")
            if identity in written:
                raise ConfigError(
                    f"{target} and {written[identity]} would be one file; rename one, or give another target."
                )
        written |= dict.fromkeys(identities, target)
        if os.path.isdir(target):
            raise OutputError(f"{target} is a folder; give the name of a file.")
        if os.path.exists(target) and not os.path.isfile(target):
            raise OutputError(f"{target} is no ordinary file; give another target.")
        if os.path.lexists(target) and not overwrite:
            raise OutputError(f"{target} exists already: give --overwrite to replace it, or another target.")


def _identities(path: Path) -> set[object]:
    """What a file is known by: its folder and name, as given and where links lead, and its place on the disk."""
    end = Path(os.path.realpath(path))
    identities = {(_place(one.parent), _folded(one.name)) for one in (path, end)}
    return identities | ({_place(path)} if os.path.exists(end) else set())


def _place(path: Path) -> object:
    """Device and number of what exists; of what does not, the folded path."""
    try:
        found = path.stat()
    except OSError:
        return _folded(os.path.realpath(path))
    return found.st_dev, found.st_ino


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
