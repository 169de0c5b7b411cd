"""Hidden, locked drafts of files and folders, and clearing those that killed processes leave behind.

A draft is named ``.NAME.PROCESS-NUMBER.part`` and lies beside ``NAME``. Its process holds a lock on the draft
itself, which the system releases however the process ends: an unlocked draft is a leftover. (filelock does not
fit: it locks a separate file, which would be left over too, and no folders.)
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

LONGEST_NAME_BYTES = 255
"""Longest name of a file, without its folder, that all common disks accept."""

TOO_LONG = "the name is too long for the disk; rename the source, or choose a shorter path"

_REST = re.compile(r"\.(\d+)(-[0-9a-f]{8})?(\.\w+)?\.part")
"""The end of a draft's name: the process, and a random number if the draft is locked."""


def temporary_beside(path: Path, ending: str = "part") -> Path:
    """A hidden name beside ``path`` for this process's incomplete file, which is not locked.

    It contains the file's own name, or a hash where the whole would be too long for a disk.
    """
    return _beside(path, f".{os.getpid()}.{ending}")


def new_file(path: Path) -> tuple[Path, BinaryIO]:
    """Create a draft of a file: its path, and a stream to write to. Locked until the stream is closed.

    Raises:
        OSError: it cannot be created.
    """
    while True:
        draft = _draft_beside(path)
        stream = open(draft, "xb")
        if _is_held(draft, stream.fileno()):
            return draft, stream
        stream.close()


def new_folder(path: Path) -> tuple[Path, int]:
    """Create a draft of a folder: its path, and a descriptor. Locked until the descriptor is closed.

    Raises:
        OSError: it cannot be created.
    """
    while True:
        draft = _draft_beside(path)
        draft.mkdir()
        descriptor = os.open(draft, os.O_RDONLY)
        if _is_held(draft, descriptor):
            return draft, descriptor
        os.close(descriptor)


def clear_drafts(paths: Iterable[Path]) -> None:
    """Remove the drafts of these files or folders that killed processes have left."""
    wanted: dict[Path, set[str]] = defaultdict(set)
    for path in paths:
        wanted[path.parent] |= {path.name, _hashed(path.name)}
    for folder, names in wanted.items():
        with suppress(OSError):  # a missing or unreadable folder is reported when something is written there
            for entry in list(os.scandir(folder)):
                rest = _REST.search(entry.name)
                if rest and rest.end() == len(entry.name) and entry.name[1 : rest.start()] in names:
                    _clear(Path(entry.path), int(rest[1]), locks=rest[2] is not None)


def _clear(draft: Path, process: int, *, locks: bool) -> None:
    """Remove a draft that no process locks. If its process would not lock it, that process must have ended."""
    if not locks and _lives(process):
        return
    with suppress(OSError):  # a process holds it, or another one has removed it
        descriptor = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if draft.is_dir():
                shutil.rmtree(draft)
            else:
                draft.unlink()
        finally:
            os.close(descriptor)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's process
        return True
    return True


def _is_held(draft: Path, descriptor: int) -> bool:
    """Lock a new draft. False if another process, clearing leftovers, has already taken it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks, where nothing is cleared
        return True
    return draft.exists()


def _draft_beside(path: Path) -> Path:
    """A draft's path with an unpredictable number, so that nobody can place a file or link there first."""
    return _beside(path, f".{os.getpid()}-{secrets.token_hex(4)}.part")


def _beside(path: Path, rest: str) -> Path:
    name = f".{path.name}{rest}"
    if len(os.fsencode(name)) > LONGEST_NAME_BYTES:
        name = f".{_hashed(path.name)}{rest}"
    return path.with_name(name)


def _hashed(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
