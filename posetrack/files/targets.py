"""Refuses outputs that would destroy something: existing files without --overwrite, and inputs always."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from posetrack.errors import ConfigError, OutputError
from posetrack.files.drafts import LONGEST_NAME_BYTES, TOO_LONG


def check_targets(targets: Iterable[Path], inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse outputs that would destroy something. Call it before anything is written.

    Names are equal if any disk treats them as equal: through links, and regardless of case.

    Args:
        targets: Files to be written.
        inputs: Files that are read.
        overwrite: Existing files may be replaced, unless they are inputs or written twice.

    Raises:
        ConfigError: a target is an input, or two targets are the same file.
        OutputError: a target exists and ``overwrite`` is false, or it is not an ordinary file, or its
            name is too long for disks.
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
        if len(os.fsencode(target.name)) > LONGEST_NAME_BYTES:
            raise OutputError(f"Cannot write {target}: {TOO_LONG}.")
        if os.path.isdir(target):
            raise OutputError(f"{target} is a folder; give the name of a file.")
        if os.path.exists(target) and not os.path.isfile(target):
            raise OutputError(f"{target} is not an ordinary file; give another target.")
        if os.path.lexists(target) and not overwrite:
            raise OutputError(f"{target} exists already: give --overwrite to replace it, or another target.")


def _identities(path: Path) -> set[object]:
    """Keys that identify a file: folder and name, as given and with links resolved, and device and inode."""
    end = Path(os.path.realpath(path))
    identities = {(_place(one.parent), _folded(one.name)) for one in (path, end)}
    return identities | ({_place(path)} if os.path.exists(end) else set())


def _place(path: Path) -> object:
    """Device and inode of an existing file or folder; otherwise the folded path."""
    try:
        found = path.stat()
    except OSError:
        return _folded(os.path.realpath(path))
    return found.st_dev, found.st_ino


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
