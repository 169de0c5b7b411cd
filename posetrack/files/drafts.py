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
"""Of a file's name, without its folder, on all disks in use."""

_REST = re.compile(r"\.(\d+)(-[0-9a-f]{8})?(\.\w+)?\.part")
"""What a draft's name says behind the file's own: the process, and a number if it is locked."""


def temporary_beside(path: Path, ending: str = "part") -> Path:
    """A name for a file of this process until it is complete: hidden, beside ``path``, not locked.

    It tells the file's own name, or a hash of that where the whole would become too long for a disk.
    """
    return _beside(path, f".{os.getpid()}.{ending}")


def new_file(path: Path) -> tuple[Path, BinaryIO]:
    """Make a draft of a file, open to be written: its path, and the stream. Locked until the stream is closed.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        draft = _draft_beside(path)
        stream = open(draft, "xb")
        if _is_held(draft, stream.fileno()):
            return draft, stream
        stream.close()


def new_folder(path: Path) -> tuple[Path, int]:
    """Make a draft that is a folder: its path, and a descriptor. Locked until the descriptor is closed.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        draft = _draft_beside(path)
        draft.mkdir()
        descriptor = os.open(draft, os.O_RDONLY)
        if _is_held(draft, descriptor):
            return draft, descriptor
        os.close(descriptor)


def clear_drafts(paths: Iterable[Path]) -> None:
    """Remove the drafts that killed processes have left of files, or folders, of these names."""
    wanted: dict[Path, set[str]] = defaultdict(set)
    for path in paths:
        wanted[path.parent] |= {path.name, _hashed(path.name)}
    for folder, names in wanted.items():
        with suppress(OSError):  # it is not there, or may not be listed: whoever writes there says so
            for entry in list(os.scandir(folder)):
                rest = _REST.search(entry.name)
                if rest and rest.end() == len(entry.name) and entry.name[1 : rest.start()] in names:
                    _clear(Path(entry.path), int(rest[1]), locks=rest[2] is not None)


def _clear(draft: Path, process: int, *, locks: bool) -> None:
    """Remove a draft that nobody holds; of one that its process does not lock, the process must have ended."""
    if not locks and _lives(process):
        return
    with suppress(OSError):  # somebody holds it, or has been quicker
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
    except OSError:  # somebody else's
        return True
    return True


def _is_held(draft: Path, descriptor: int) -> bool:
    """Lock a new draft. False: somebody who clears up has been quicker."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # the disk knows no locks: nobody clears up there
        return True
    return draft.exists()


def _draft_beside(path: Path) -> Path:
    """With a number that nobody can guess: no file, and no link, lies in wait under that name."""
    return _beside(path, f".{os.getpid()}-{secrets.token_hex(4)}.part")


def _beside(path: Path, rest: str) -> Path:
    name = f".{path.name}{rest}"
    if len(os.fsencode(name)) > LONGEST_NAME_BYTES:
        name = f".{_hashed(path.name)}{rest}"
    return path.with_name(name)


def _hashed(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
