"""Files that bear their name only once they are complete."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posetrack.errors import OutputError

_REMEDIES = {
    errno.ENOSPC: "the disk is full; make room or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; make room or write elsewhere",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOENT: "the folder does not exist; create it first",
    errno.ENOTDIR: "its parent is not a folder; choose another path",
    errno.EEXIST: "a file of that name is in the way; choose another name",
    errno.EISDIR: "it is a folder; choose another name",
    errno.ENAMETOOLONG: "the name is too long for the disk; rename the source, or choose a shorter path",
}

LONGEST_NAME_BYTES = 255
"""Of a file's name, without its folder, on all disks in use."""


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turns the system's errors while writing ``path`` into one ``OutputError`` that says what to do."""
    try:
        yield
    except OSError as error:
        reason = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
        raise OutputError(f"Cannot write {path}: {reason}.") from error


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Make a folder for what is written meanwhile. After an error, what was made of it and is still empty goes.

    Raises:
        OutputError: it cannot be made.
    """
    made: list[Path] = []
    try:
        try:
            for one in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
                with suppress(FileExistsError):
                    one.mkdir()
                    made.append(one)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"the folder {folder} cannot be made: {error.strerror}.") from error
        yield
    except BaseException:
        for one in reversed(made):
            with suppress(OSError):  # it is not empty
                one.rmdir()
        raise


def give_name(temporary: Path, path: Path) -> None:
    """Rename a complete file once the disk has it: after a power cut the name stands for all of it or nothing."""
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def temporary_beside(path: Path, ending: str = "part") -> Path:
    """A name for a file of this process until it is complete: hidden, beside ``path``.

    It tells the file's own name, or a hash of that where the whole would become too long for a disk.
    """
    rest = f".{os.getpid()}.{ending}"
    name = f".{path.name}{rest}"
    if len(os.fsencode(name)) > LONGEST_NAME_BYTES:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}{rest}"
    return path.with_name(name)


class PendingFile:
    """A binary file written under a temporary name beside its own, which ``commit`` gives it.

    Args:
        path: The final name; an existing file is replaced by ``commit``, and untouched until then.

    Raises:
        OutputError: from every method, when the system refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = temporary_beside(path)
        with output_errors(path):
            self.stream = open(self._temporary, "wb")

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with output_errors(self.path):
            self.stream.write(data)

    def commit(self) -> None:
        """Complete: the file takes its name. Leaves nothing behind if that fails."""
        try:
            with output_errors(self.path):
                self.stream.close()
                give_name(self._temporary, self.path)
        except OutputError:
            self.discard()
            raise

    def clear(self) -> None:
        """Give back the room that the file takes; it is going to be discarded."""
        if not self.stream.closed:
            os.truncate(self._temporary, 0)

    def discard(self) -> None:
        """Remove what was written. Does no harm after ``commit``, or twice."""
        with suppress(OSError):  # what cannot be flushed to a full disk is being thrown away
            self.stream.close()
        self._temporary.unlink(missing_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file at once; one that was there is replaced.

    Raises:
        OutputError: the system refuses. Nothing new is left behind.
    """
    file = PendingFile(path)
    try:
        file.write(content)
    except OutputError:
        file.discard()
        raise
    file.commit()
