"""A folder that only its user can write to, for files that are executed: exported networks.

Anyone who can write there could plant a network: comparing a few outputs does not detect one made to pass, and by
then ONNX Runtime has read it. So other users' files are not opened.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from posetrack.errors import OutputError
from posetrack.files.pending import output_errors

_REMEDY = "choose another folder with --models-dir"


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter. The user's own folder is closed to others.

    On systems without file owners (Windows), nothing is checked.

    Raises:
        OutputError: it belongs to another user, is a link, cannot be closed to others, or cannot be made.
    """
    with output_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not hasattr(os, "geteuid"):
            return
        status = folder.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise OutputError(f"{folder} is a link, where others could put networks: {_REMEDY}.")
        if status.st_uid != os.geteuid():
            raise OutputError(f"{folder} belongs to another user, who could put networks there: {_REMEDY}.")
        if _open_to_others(status.st_mode):
            folder.chmod(0o700)
            if _open_to_others(folder.lstat().st_mode):
                raise OutputError(f"{folder} cannot be closed to other users on this file system: {_REMEDY}.")


def _open_to_others(mode: int) -> bool:
    return bool(mode & (stat.S_IRWXG | stat.S_IRWXO))


def read_private(path: Path) -> bytes:
    """The content of a file that only this user can have written.

    Raises:
        OSError: it is missing, not a plain file, a link, another user's, or writable by others.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:
        if hasattr(os, "geteuid"):
            status = os.fstat(file.fileno())
            own = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
            if not own or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise PermissionError(f"{path} may have been written by another user")
        return file.read()
