"""Files that bear their name only once they are complete."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from posetrack.errors import OutputError
from posetrack.files.drafts import clear_drafts, new_file, new_folder
from posetrack.files.targets import check_targets

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


def check_outputs(paths: Iterable[Path], *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Before any work: refuse outputs that would destroy something, and clear what killed runs left of them.

    Args:
        paths: All files that are going to be written.
        overwrite: Existing files may be replaced.
        inputs: Files that are read, which are never replaced.

    Raises:
        ConfigError: two outputs are one file; one is an input.
        OutputError: one is a folder; one exists, if only as a link that leads nowhere, and ``overwrite`` is false.
    """
    paths = list(paths)
    check_targets(paths, inputs, overwrite=overwrite)
    clear_drafts(paths)


def give_name(temporary: Path, path: Path) -> None:
    """Rename a complete file once the disk has it: after a power cut the name stands for all of it or nothing."""
    _flush(temporary)
    os.replace(temporary, path)


def publish(files: Mapping[Path, Path], *, replace: bool = True) -> bool:
    """Give complete files their names, once the disk has all of them.

    Args:
        files: Temporary file -> the name that it gets, on the same disk.
        replace: Existing files are replaced.

    Returns:
        False if a name is taken and ``replace`` is false: then no file has got its name.

    Raises:
        OutputError: the system refuses.
    """
    moves = list(files.items())
    for temporary, path in moves:
        with output_errors(path):
            _flush(temporary)
    for done, (temporary, path) in enumerate(moves):
        with output_errors(path):
            if replace:
                os.replace(temporary, path)
            elif not _moved_if_free(temporary, path):
                for back, named in moves[:done]:
                    os.replace(named, back)
                return False
    for folder in {path.parent for _, path in moves}:
        with suppress(OSError):  # some systems cannot flush folders
            _flush(folder)
    return True


def _moved_if_free(temporary: Path, path: Path) -> bool:
    """Give a file its name, unless somebody has taken it in this moment."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a disk without second names
        if os.path.lexists(path):
            return False
        os.replace(temporary, path)
    else:
        temporary.unlink()
    return True


def _flush(path: Path) -> None:
    """See to it that a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside ``path`` for files that get their names together; removed with what is left in it.

    An ``OutputError`` meanwhile names the folder of ``path`` instead of the hidden one.

    Raises:
        OutputError: it cannot be made.
    """
    with output_errors(path):
        draft, lock = new_folder(path)
    try:
        yield draft
    except OutputError as error:
        raise OutputError(str(error).replace(str(draft), str(path.parent))) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)


class PendingFile:
    """A binary file written under a temporary name beside its own, which ``commit`` gives it.

    Args:
        path: The final name; an existing file is replaced by ``commit``, and untouched until then.

    Raises:
        OutputError: from every method, when the system refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with output_errors(path):
            self._temporary, self.stream = new_file(path)
            self._lock: int | None = os.dup(self.stream.fileno())  # until it has its name

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
        self._unlock()

    def clear(self) -> None:
        """Give back the room that the file takes; it is going to be discarded."""
        if not self.stream.closed:
            os.truncate(self._temporary, 0)

    def discard(self) -> None:
        """Remove what was written. Does no harm after ``commit``, or twice."""
        with suppress(OSError):  # what cannot be flushed to a full disk is being thrown away
            self.stream.close()
        self._temporary.unlink(missing_ok=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


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
