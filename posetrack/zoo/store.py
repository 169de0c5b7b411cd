"""The folder of downloaded and imported weights.

A file under its final name is complete: downloads and imports get it after their hash was checked. A file put
there by hand is checked on first use. Results of checks are kept in ``.checked/FILE.json`` with the file's size
and modification time, so that a changed file is checked again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import platformdirs
from filelock import FileLock, Timeout

from posetrack.errors import WeightsError
from posetrack.zoo.entries import Entry

HOME_VARIABLE = "POSETRACK_HOME"
"""Environment variable: the folder that holds the folder ``models``."""

BUNDLED = Path(__file__).parents[1] / "models" / "bundled"

_CHUNK_BYTES = 1 << 20
_REMEDIES = {
    errno.ENOSPC: "the disk is full; make room, or choose another folder with --models-dir",
    errno.EDQUOT: "the disk quota is used up; make room, or choose another folder with --models-dir",
    errno.EFBIG: "the file would be larger than is allowed there; choose another folder with --models-dir",
    errno.EACCES: "no permission to write there; choose another folder with --models-dir",
    errno.EPERM: "no permission to write there; choose another folder with --models-dir",
    errno.EROFS: "the file system is read-only; choose another folder with --models-dir",
    errno.ENOTDIR: "a file of that name is in the way; choose another folder with --models-dir",
    errno.EEXIST: "a file of that name is in the way; choose another folder with --models-dir",
    errno.EISDIR: "a folder of that name is in the way; move it away",
}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A checked file in the store.

    Attributes:
        sha256: Its hash, all 64 hex digits.
        size_bytes: Its size when it was checked.
        mtime_ns: Its modification time then.
    """

    sha256: str
    size_bytes: int
    mtime_ns: int


class ModelStore:
    """A folder of weights.

    Args:
        folder: The folder, made when needed. Defaults to ``models`` in ``POSETRACK_HOME``, or else in the user's
            data folder (platformdirs).
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = _default_folder() if folder is None else Path(folder).expanduser()

    def path(self, entry: Entry) -> Path:
        """Path of the file, whether or not it exists."""
        return (BUNDLED if entry.bundled else self.folder) / entry.file

    def find(self, entry: Entry) -> Path | None:
        """The file, if it is there and matches what was published; None if it is missing.

        Raises:
            WeightsError: it is damaged, was changed since it was imported, or cannot be read.
        """
        path = self.path(entry)
        if entry.bundled:
            if not path.is_file():
                raise WeightsError(f"{path} is missing from the installation; install posetrack again.")
            return path
        with read_errors(path):
            if not path.is_file():
                return None
        self.checked(entry)
        return path

    def checked(self, entry: Entry) -> Checked:
        """The check of an entry's existing file, which is read only if it has changed since the last check.

        Raises:
            WeightsError: it differs from what was published or imported, or cannot be read.
        """
        path = self.path(entry)
        before = self._remembered(entry)
        with read_errors(path):
            status = path.stat()
            as_it_is = before and (before.size_bytes, before.mtime_ns) == (status.st_size, status.st_mtime_ns)
            if before and as_it_is and entry.agrees(before.sha256):
                return before
            with open(path, "rb") as file:
                sha256 = copy_and_hash(file, None)
        if not entry.agrees(sha256):
            raise self.damaged(entry, sha256)
        if before and entry.expected_digits is None and before.sha256 != sha256:
            raise WeightsError(
                f"{path} was changed since it was imported (its SHA-256 is {sha256}, it was {before.sha256}); "
                f"import it again: `posetrack models import {entry.name} FILE`."
            )
        return self.remember(entry, sha256)

    def require(self, entry: Entry, fetch: Callable[[Entry, ModelStore], Path] | None = None) -> Path:
        """The file; fetched if missing.

        Args:
            entry: The weights.
            fetch: ``posetrack.zoo.download``. ``None`` disables downloads.

        Raises:
            WeightsError: it is missing and cannot be fetched. Says which file, where it comes from, where to put
                it, and what works without it.
        """
        found = self.find(entry)
        if found is not None:
            return found
        if fetch is None or entry.by_hand:
            raise self.missing(entry)
        return fetch(entry, self)

    def missing(self, entry: Entry, reason: str | None = None) -> WeightsError:
        """Error for weights that are missing and, for a reason, cannot be fetched."""
        why = f": {reason}" if reason else ""
        by_import = f"`posetrack models import {entry.name} FILE`"
        lite = "or use `--preset lite`, which needs no download."
        if entry.by_hand:
            return WeightsError(
                f"the weights {entry.name} ({entry.file}) are not here{why}; fetch them by hand from "
                f"{_places(entry)} and run {by_import}, which puts them at {self.path(entry)}, {lite}"
            )
        command = "" if reason else f"run `posetrack models download {entry.name}`, or "
        places = _places(entry) if reason else " or ".join(entry.sources)
        return WeightsError(
            f"the weights {entry.name} are not here{why}; {command}get {entry.file} from {places} "
            f"and put it at {self.path(entry)} (or run {by_import}), {lite}"
        )

    def damaged(self, entry: Entry, sha256: str) -> WeightsError:
        """Error for a file in the store that is not what was published."""
        return WeightsError(
            f"{self.path(entry)} is not what {entry.publisher} published as {entry.name}: its SHA-256 begins with "
            f"{sha256[: len(entry.expected_digits or '')]} instead of {entry.expected_digits}; delete it, or run "
            f"`posetrack models download {entry.name}`, which replaces it."
        )

    def remember(self, entry: Entry, sha256: str) -> Checked:
        """Note the hash of a file in the store. If the note cannot be written, the file is checked again later."""
        status = self.path(entry).stat()
        checked = Checked(sha256=sha256, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)
        note = self._note(entry)
        temporary = note.with_name(f"{note.name}.{os.getpid()}")
        with suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(asdict(checked)), encoding="utf-8")
            os.replace(temporary, note)
        return checked

    @contextmanager
    def locked(self, entry: Entry, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Lock out other processes and threads that write an entry's file. Makes the folder.

        Args:
            entry: The weights.
            waiting: Called once if another process holds the lock.

        Raises:
            WeightsError: the folder cannot be written to.
        """
        with write_errors(self.path(entry)):
            folder = self.folder / ".locks"
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{entry.file}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting()
                lock.acquire()
            except NotImplementedError as error:
                remedy = "choose another folder with --models-dir"
                raise WeightsError(f"the file system of {folder} knows no locks; {remedy}.") from error
        try:
            yield
        finally:
            lock.release()

    def _note(self, entry: Entry) -> Path:
        return self.folder / ".checked" / f"{entry.file}.json"

    def _remembered(self, entry: Entry) -> Checked | None:
        """The note about an entry's file; None if it is missing or unreadable."""
        try:
            note = Checked(**json.loads(self._note(entry).read_text(encoding="utf-8")))
        except (OSError, RecursionError, TypeError, ValueError):
            return None
        return note if isinstance(note.sha256, str) else None


def _places(entry: Entry) -> str:
    """Where people may find a file that cannot be downloaded."""
    return f"{entry.page}, or {entry.elsewhere}" if entry.elsewhere else entry.page


def copy_and_hash(source: BinaryIO, target: BinaryIO | None) -> str:
    """SHA-256, in hex digits, of the rest of a file, which is also copied to the target if there is one."""
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        if target is not None:
            target.write(chunk)
    return digest.hexdigest()


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turns OS errors while reading ``path`` into a ``WeightsError``."""
    try:
        yield
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}.") from error


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turns OS errors while writing ``path`` into a ``WeightsError`` with a remedy."""
    try:
        yield
    except OSError as error:
        reason = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
        raise WeightsError(f"cannot write {path}: {reason}.") from error


def _default_folder() -> Path:
    home = os.environ.get(HOME_VARIABLE)
    if home:
        return Path(home).expanduser() / "models"
    return Path(platformdirs.user_data_dir("posetrack", appauthor=False)) / "models"
