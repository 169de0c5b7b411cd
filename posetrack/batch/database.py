"""Opens SQLite files in the output folder and turns SQLite's errors into sentences."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posetrack.errors import DataFormatError, OutputError

REMEDY = "move it away to start afresh, or choose another output folder"

_PATIENCE_S = 10.0
_NOT_CREATABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def check_files(path: Path) -> None:
    """Check that all files of an SQLite database are regular files: a link might lead out of the output folder.

    Raises:
        OutputError: one is not a regular file.
    """
    for ending in ("", "-wal", "-shm", "-journal"):
        require_plain_file(path.with_name(f"{path.name}{ending}"))


def require_plain_file(path: Path) -> None:
    """Check that a path is a regular file or does not exist.

    Raises:
        OutputError: it is a folder, a link or something else.
    """
    try:
        plain = stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"Cannot inspect {path}: {error.strerror}.") from error
    if not plain:
        raise OutputError(f"{path} is not a regular file (perhaps a folder or a link): {REMEDY}.")


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a database in an SQLite URI mode (``mode=ro``). Transactions are explicit."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=_PATIENCE_S
    )


def is_at_rest(path: Path) -> bool:
    """Whether the database uses a write-ahead log and no process is writing."""
    try:
        with path.open("rb") as file:
            logs_ahead = file.read(19)[18:] == b"\x02"  # "file format write version" in SQLite's header
    except OSError:
        return False
    return logs_ahead and not path.with_name(f"{path.name}-wal").exists()


@contextmanager
def closed_if_refused(connection: sqlite3.Connection) -> Iterator[None]:
    """Close the database if the block raises."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences with a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _DAMAGED or not isinstance(error, sqlite3.OperationalError):
            raise DataFormatError(f"{path} is damaged ({error}): {REMEDY}.") from error
        if code == sqlite3.SQLITE_FULL:
            raise OutputError(f"Cannot write {path}: the disk is full; make room, then run it again.") from error
        if code == sqlite3.SQLITE_IOERR:
            raise OutputError(
                f"Cannot use {path} ({error}): check whether the disk is full or failing."
            ) from error
        if code in _NOT_CREATABLE:
            raise OutputError(f"Cannot write {path}: no permission, or a read-only disk.") from error
        raise OutputError(f"Cannot use {path}: {error}.") from error
