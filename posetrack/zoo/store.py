"""The folder of downloaded and imported weights.

A file that bears its name is complete: downloads and imports get theirs after their hash was checked. A file laid
there by hand is checked when it is looked for first. What was checked is remembered in ``.checked/FILE.json``,
with the file's size and time of change, so that a file that was changed since is checked again.
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
    """What is known of a file in the store.

    Attributes:
        sha256: Its hash, all 64 hex digits.
        size_bytes: Its size when it was checked.
        mtime_ns: Its time of change then.
    """

    sha256: str
    size_bytes: int
    mtime_ns: int


class ModelStore:
    """A folder of weights.

    Args:
        folder: The folder; None: ``models`` in the folder that ``POSETRACK_HOME`` names, else in the user's data
            folder of this system (platformdirs). It is made when something is put into it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = _default_folder() if folder is None else Path(folder).expanduser()

    def path(self, entry: Entry) -> Path:
        """Where the file is, or would be."""
        return (BUNDLED if entry.bundled else self.folder) / entry.file

    def find(self, entry: Entry) -> Path | None:
        """The file, if it is there and what was published; None if it is not there.

        Raises:
            WeightsError: it is there and damaged, or was changed since it was imported, or cannot be read.
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
        """What is known of an entry's file, which is there; it is read only if it was not checked as it is now.

        Raises:
            WeightsError: it is not what was published or imported, or cannot be read.
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
        """The file; it is fetched if it is not there.

        Args:
            entry: Which weights.
            fetch: ``posetrack.zoo.download``, or None where nothing may be downloaded.

        Raises:
            WeightsError: it is neither there nor can be fetched. Says which file, where it comes from, where to
                put it, and what works without it.
        """
        found = self.find(entry)
        if found is not None:
            return found
        if fetch is None or entry.by_hand:
            raise self.missing(entry)
        return fetch(entry, self)

    def missing(self, entry: Entry, reason: str | None = None) -> WeightsError:
        """One sentence for somebody whose weights are not there and, for a reason, cannot be fetched."""
        why = f": {reason}" if reason else ""
        lite = "or use `--preset lite`, which needs no download."
        by_import = f"`posetrack models import {entry.name} FILE`"
        if entry.by_hand:
            return WeightsError(
                f"the weights {entry.name} ({entry.file}) are not here{why}; fetch them by hand from {entry.page} "
                f"and run {by_import}, which puts them at {self.path(entry)}, {lite}"
            )
        command = "" if reason else f"run `posetrack models download {entry.name}`, or "
        return WeightsError(
            f"the weights {entry.name} are not here{why}; {command}get {entry.file} from {entry.url} "
            f"and put it at {self.path(entry)} (or run {by_import}), {lite}"
        )

    def damaged(self, entry: Entry, sha256: str) -> WeightsError:
        """One sentence about a file in the store that is not what was published."""
        return WeightsError(
            f"{self.path(entry)} is not what {entry.publisher} published as {entry.name}: its SHA-256 begins with "
            f"{sha256[: len(entry.expected_digits or '')]} instead of {entry.expected_digits}; delete it, or run "
            f"`posetrack models download {entry.name}`, which replaces it."
        )

    def remember(self, entry: Entry, sha256: str) -> Checked:
        """Note the hash of a file that is in the store. Where the note cannot be written, it is checked again."""
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
        """While it lasts, no other process or thread writes an entry's file. Makes the folder.

        Args:
            entry: Which file.
            waiting: Called once if somebody else is writing it.

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
        """What was noted of an entry's file; None if nothing legible was."""
        try:
            note = Checked(**json.loads(self._note(entry).read_text(encoding="utf-8")))
        except (OSError, RecursionError, TypeError, ValueError):
            return None
        return note if isinstance(note.sha256, str) else None


def copy_and_hash(source: BinaryIO, target: BinaryIO | None) -> str:
    """The SHA-256 in hex digits of the rest of a file, which is copied on the way if there is a target."""
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        if target is not None:
            target.write(chunk)
    return digest.hexdigest()


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turns the system's errors while reading ``path`` into one ``WeightsError``."""
    try:
        yield
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}.") from error


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turns the system's errors while writing ``path`` into one ``WeightsError`` that says what to do."""
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
