"""One batch at a time in an output folder."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from posetrack.batch.database import check_files
from posetrack.errors import OutputError


class FolderLock:
    """A lock of the system's, by way of SQLite: it goes with the process that holds it, however that ends.

    Args:
        path: A file for the purpose; it stays, empty.

    Raises:
        OutputError: another process holds the lock, or the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        check_files(path)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=0)
            self._connection.execute("PRAGMA journal_mode = OFF")  # nothing is ever written: no file for that
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            self.release()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise OutputError(
                    f"Another posetrack batch is writing to {path.parent}: wait for it, or choose another folder."
                ) from error
            raise OutputError(
                f"Cannot write to {path.parent} ({error}): check permissions and disk, or choose another folder."
            ) from error

    def release(self) -> None:
        """Let others in."""
        if self._connection is not None:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
