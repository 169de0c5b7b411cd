"""``OUT/manifest``: what has become of each clip, in an SQLite file that survives whatever ends the program.

To read one, also while a batch is writing it::

    with Manifest.open("results") as manifest:
        for record in manifest.clips():
            print(record.clip, record.status, record.frames)
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from posetrack.errors import DataFormatError, OutputError

MANIFEST = "manifest"
"""Name of the file in the output folder."""

Status = Literal["pending", "running", "done", "failed"]

_APPLICATION = 0x706F7365  # "pose": marks the file as ours
_VERSION = 1
_PATIENCE_S = 30.0
_NOT_CREATABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """One clip of the footage and what has become of it.

    Attributes:
        clip: Path relative to the footage's folder, with ``/``; a folder of images by the folder's path (``.``
            is the footage's folder itself).
        kind: ``video`` or ``images``.
        name: Name of its files: ``NAME_tracked.mp4``, ``NAME.json`` in the folder of OUT that mirrors the clip's.
        status: ``pending`` (not yet tried with these settings and this content, or interrupted), ``running``
            (being tracked; after a crash: was being tracked), ``done``, ``failed``.
        attempts: Times that it has been started with this content and these settings.
        error: Why it has failed, a sentence.
        warning: What the results of a clip that is done lack (its sound), a sentence.
        trace: Of an unexpected error, for whoever mends it.
        partial: It has failed because the file breaks off; the outputs hold all that could be read.
        frames, people, tracks: Frames tracked, most people in one frame, different people.
        seconds: By the clock, of the last try.
        source_fps: Nominal frames per second of the clip; None if unknown.
        outputs: ``video`` or a format's name -> path relative to OUT, with ``/``. Files of the last try that left
            any: those of a clip that waits to be done again, or has failed since, are of its earlier content or
            settings.
        output_bytes: Size of each, by the same keys.
        owned: The clip has been started at some time: files of its name in OUT are ours to replace.
        size: Bytes of the clip (of all its images).
        mtime_ns: When it was last changed, nanoseconds since 1970 (the latest of its images).
        digest: SHA-256 of the beginning and the end of its content.
        settings: SHA-256 of everything that decides over the results, apart from the clip itself.
        started_at, finished_at: Of the last try, UTC, ISO 8601.
    """

    clip: str
    kind: Literal["video", "images"]
    name: str
    status: Status = "pending"
    attempts: int = 0
    error: str | None = None
    warning: str | None = None
    trace: str | None = None
    partial: bool = False
    frames: int = 0
    people: int = 0
    tracks: int = 0
    seconds: float = 0.0
    source_fps: float | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    output_bytes: dict[str, int] = field(default_factory=dict)
    owned: bool = False
    size: int = 0
    mtime_ns: int = 0
    digest: str = ""
    settings: str = ""
    started_at: str | None = None
    finished_at: str | None = None

    @property
    def fps(self) -> float:
        """Frames tracked per second."""
        return self.frames / self.seconds if self.seconds else 0.0


_COLUMNS = [field.name for field in fields(ClipRecord)]
_JSON = ("outputs", "output_bytes")
_FLAGS = ("partial", "owned")

_TABLES = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE clips ({", ".join(_COLUMNS)}, PRIMARY KEY (clip));
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
"""


class Manifest:
    """The file, opened: a context manager. Made by ``open`` (to read) or ``create`` (to write).

    One process writes, the one that holds the output folder's lock; any number may read meanwhile.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, path: str | Path) -> Manifest:
        """Open an existing manifest to read it. What a batch writes that begins later may not be seen.

        Args:
            path: The file, or the output folder that it lies in.

        Raises:
            DataFormatError: it is damaged, no manifest, or written by a later version.
            OutputError: it is not there or may not be read.
        """
        path = Path(path)
        path = path / MANIFEST if path.is_dir() else path
        if not path.is_file():
            raise OutputError(f"There is no manifest {path}: give the output folder of `posetrack batch`.")
        with _errors(path):
            if _is_at_rest(path):  # reading leaves no trace
                return cls._checked(_connect(path, "mode=ro&immutable=1"), path)
            return cls._checked(_connect(path, "mode=ro"), path)

    @classmethod
    def create(cls, path: str | Path) -> Manifest:
        """Open a manifest to write it; made if it is not there.

        Raises:
            DataFormatError: it is damaged, no manifest, or written by a later version.
            OutputError: it cannot be written.
        """
        path = Path(path)
        with _errors(path):
            connection = _connect(path, "mode=rwc")
            with _closed_if_refused(connection):
                if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                    connection.executescript(f"BEGIN EXCLUSIVE;{_TABLES}COMMIT;")
                manifest = cls._checked(connection, path)
                connection.execute("PRAGMA journal_mode = WAL")  # remains what it was where the disk knows no WAL
                connection.execute("PRAGMA synchronous = FULL")
            return manifest

    @classmethod
    def _checked(cls, connection: sqlite3.Connection, path: Path) -> Manifest:
        with _closed_if_refused(connection):
            application, version = (
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
            if application != _APPLICATION:
                raise DataFormatError(
                    f"{path} is no manifest of `posetrack batch`: choose another output folder, or move it away."
                )
            if version > _VERSION:
                raise DataFormatError(
                    f"{path} was written by a later version of posetrack: update posetrack, or choose another "
                    "output folder."
                )
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("malformed")
        return cls(connection, path)

    def clips(self) -> list[ClipRecord]:
        """All clips, ordered by their path."""
        with _errors(self._path):
            rows = self._connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM clips ORDER BY clip").fetchall()
            return [_record(row) for row in rows]

    def put(self, records: Iterable[ClipRecord]) -> None:
        """Write records, each in the place of the clip's earlier one; all of them or none. Then they are safe."""
        places = ", ".join("?" * len(_COLUMNS))
        with _errors(self._path), self._transaction():
            self._connection.executemany(f"INSERT OR REPLACE INTO clips VALUES ({places})", map(_row, records))

    @property
    def footage(self) -> str | None:
        """The folder that the clips' paths are relative to; None: not told yet."""
        with _errors(self._path):
            row = self._connection.execute("SELECT value FROM facts WHERE name = 'footage'").fetchone()
            return None if row is None else str(row[0])

    @footage.setter
    def footage(self, folder: str) -> None:
        with _errors(self._path), self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES ('footage', ?)", (folder,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite has rolled back by itself after some errors
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=_PATIENCE_S
    )


def _is_at_rest(path: Path) -> bool:
    """Whether it has a write-ahead log, and nobody is writing."""
    try:
        with path.open("rb") as file:
            logs_ahead = file.read(19)[18:] == b"\x02"  # "file format write version" in SQLite's header
    except OSError:
        return False
    return logs_ahead and not path.with_name(f"{path.name}-wal").exists()


@contextmanager
def _closed_if_refused(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """SQLite's errors as sentences with a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _DAMAGED or not isinstance(error, sqlite3.OperationalError):
            raise DataFormatError(
                f"{path} is damaged ({error}): move it away to begin anew, or choose another output folder."
            ) from error
        if code == sqlite3.SQLITE_FULL:
            raise OutputError(f"Cannot write {path}: the disk is full; make room, then run it again.") from error
        if code == sqlite3.SQLITE_IOERR:
            raise OutputError(f"Cannot use {path} ({error}): see whether the disk is full or failing.") from error
        if code in _NOT_CREATABLE:
            raise OutputError(f"Cannot write {path}: no permission, or a read-only disk.") from error
        raise OutputError(f"Cannot use {path}: {error}.") from error


def _row(record: ClipRecord) -> list[Any]:
    values = {name: getattr(record, name) for name in _COLUMNS}
    values |= {name: json.dumps(values[name], ensure_ascii=False) for name in _JSON}
    return list(values.values())


def _record(row: tuple[Any, ...]) -> ClipRecord:
    values = dict(zip(_COLUMNS, row, strict=True))
    values |= {name: json.loads(values[name]) for name in _JSON}
    values |= {name: bool(values[name]) for name in _FLAGS}
    return ClipRecord(**values)
