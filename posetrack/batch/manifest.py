"""``OUT/manifest``: the state of each clip, in an SQLite file that survives crashes.

It can be read while a batch is writing it::

    with Manifest.open("results") as manifest:
        for record in manifest.clips():
            print(record.clip, record.status, record.frames)
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from posetrack.batch.database import REMEDY, check_files, closed_if_refused, connect, is_at_rest, sqlite_errors
from posetrack.batch.names import MANIFEST as MANIFEST
from posetrack.batch.records import COLUMNS, record_of, row_of
from posetrack.batch.records import ClipRecord as ClipRecord
from posetrack.errors import DataFormatError, OutputError

_APPLICATION = 0x706F7365  # "pose": marks the file as ours
_VERSION = 1
_NEEDS_RECOVERY = {
    sqlite3.SQLITE_READONLY_ROLLBACK,
    sqlite3.SQLITE_READONLY_RECOVERY,
    sqlite3.SQLITE_READONLY_CANTINIT,
}
"""Error codes after a writer was killed: the file needs recovery before it can be read."""

_TABLES = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    f"CREATE TABLE clips ({', '.join(COLUMNS)}, PRIMARY KEY (clip))",
)
_MAKE = ";".join(
    [
        "BEGIN EXCLUSIVE",
        *_TABLES,
        f"PRAGMA application_id = {_APPLICATION}",
        f"PRAGMA user_version = {_VERSION}",
        "COMMIT;",
    ]
)


class Manifest:
    """An open manifest, a context manager. Use ``open`` to read and ``create`` to write.

    Only the process that holds the output folder's lock writes; any number may read at the same time.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, close: Callable[[], None] | None = None
    ) -> None:
        self._connection = connection
        self._path = path
        self._close = close or connection.close

    @classmethod
    def open(cls, path: str | Path) -> Manifest:
        """Open an existing manifest for reading. Writes of batches that start later may not be visible.

        An empty file, which a batch killed at its start leaves behind, has no clips.

        Args:
            path: The file, or the output folder that holds it.

        Raises:
            DataFormatError: it is damaged, not a manifest, or written by a later version.
            OutputError: it is missing or cannot be read.
        """
        path = Path(path)
        path = path / MANIFEST if path.is_dir() else path
        if not path.exists():
            raise OutputError(f"There is no manifest {path}: give an output folder of `posetrack batch`.")
        check_files(path)
        with sqlite_errors(path):
            # Reading an idle manifest must not create files beside it.
            mode = "mode=ro&immutable=1" if is_at_rest(path) else "mode=ro"
            try:
                return cls._read(connect(path, mode), path)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode not in _NEEDS_RECOVERY:
                    raise
            return cls._copied(path)

    @classmethod
    def create(cls, path: str | Path) -> Manifest:
        """Open a manifest for writing. Made if missing.

        Raises:
            DataFormatError: it is damaged, not a manifest, or written by a later version.
            OutputError: it cannot be written.
        """
        path = Path(path)
        check_files(path)
        with sqlite_errors(path):
            connection = connect(path, "mode=rwc")
            with closed_if_refused(connection):
                if _is_new(connection):
                    connection.executescript(_MAKE)
                _check(connection, path)
                connection.execute("PRAGMA journal_mode = WAL")  # has no effect on disks without WAL support
                connection.execute("PRAGMA synchronous = FULL")
            return cls(connection, path)

    @classmethod
    def _read(cls, connection: sqlite3.Connection, path: Path) -> Manifest:
        with closed_if_refused(connection):
            new = _is_new(connection)
            if not new:
                _check(connection, path)
                return cls(connection, path)
        connection.close()
        empty = sqlite3.connect(":memory:", isolation_level=None)
        empty.executescript(_MAKE)
        return cls(empty, path)

    @classmethod
    def _copied(cls, path: Path) -> Manifest:
        """Recover a copy of a manifest whose writer was killed: reading must not change the output folder."""
        folder = tempfile.TemporaryDirectory(prefix="posetrack-")
        try:
            for ending in ("", "-journal", "-wal"):
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{ending}", f"{folder.name}/{MANIFEST}{ending}", follow_symlinks=False)
            manifest = cls._read(connect(Path(folder.name, MANIFEST), "mode=rw"), path)
        except OSError as error:
            folder.cleanup()
            raise OutputError(f"{path} cannot be read: {error.strerror}.") from error
        except BaseException:
            folder.cleanup()
            raise

        def close() -> None:
            manifest._connection.close()
            folder.cleanup()

        return cls(manifest._connection, path, close)

    def clips(self) -> list[ClipRecord]:
        """All clips, ordered by path."""
        records = []
        with sqlite_errors(self._path):
            for row in self._connection.execute(f"SELECT {', '.join(COLUMNS)} FROM clips ORDER BY clip"):
                try:
                    records.append(record_of(row))
                except ValueError as error:
                    raise DataFormatError(
                        f"{self._path} is damaged (clip {row[0]!r:.80}: {error}): {REMEDY}."
                    ) from None
        return records

    def put(self, records: Iterable[ClipRecord]) -> None:
        """Write records durably in one transaction. Each replaces its clip's earlier record."""
        places = ", ".join("?" * len(COLUMNS))
        with sqlite_errors(self._path), self._transaction():
            self._connection.executemany(f"INSERT OR REPLACE INTO clips VALUES ({places})", map(row_of, records))

    @property
    def footage(self) -> str | None:
        """The folder that clip paths are relative to; ``None`` if not yet set."""
        with sqlite_errors(self._path):
            row = self._connection.execute("SELECT value FROM facts WHERE name = 'footage'").fetchone()
        if row is None:
            return None
        if not isinstance(row[0], str) or "\0" in row[0] or not Path(row[0]).is_absolute():
            raise DataFormatError(f"{self._path} is damaged (the footage is {row[0]!r:.80}): {REMEDY}.")
        return row[0]

    @footage.setter
    def footage(self, folder: str) -> None:
        with sqlite_errors(self._path), self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES ('footage', ?)", (folder,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # some errors roll back by themselves
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_new(connection: sqlite3.Connection) -> bool:
    """Whether the database is empty."""
    facts = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    return facts == [0, 0] and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Require a sound manifest with exactly our tables: no views, no triggers.

    Raises:
        DataFormatError: it is not a manifest, is of a later version, or has other tables.
        sqlite3.Error: it is damaged.
    """
    application, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if application != _APPLICATION:
        raise DataFormatError(
            f"{path} is not a manifest of `posetrack batch`: choose another output folder, or move it away."
        )
    if version > _VERSION:
        raise DataFormatError(
            f"{path} was written by a later version of posetrack: update posetrack, or choose another output "
            "folder."
        )
    made = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    if version != _VERSION or sorted(made) != sorted((table,) for table in _TABLES):
        raise DataFormatError(f"{path} is damaged (it has the wrong tables): {REMEDY}.")
    if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("malformed")
