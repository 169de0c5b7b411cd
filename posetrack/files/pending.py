"""Files that get their names once they are complete."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from posetrack.errors import OutputError
from posetrack.files.drafts import TOO_LONG, clear_drafts, new_file, new_folder
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
    errno.ENAMETOOLONG: TOO_LONG,
}


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turns the system's errors while writing ``path`` into an ``OutputError`` with the remedy."""
    try:
        yield
    except OSError as error:
        reason = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
        raise OutputError(f"Cannot write {path}: {reason}.") from error


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Create a folder for outputs. After an error, removes the folders it created that are still empty.

    Raises:
        OutputError: it cannot be created.
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
            raise OutputError(f"the folder {folder} cannot be made: {error.strerror}; choose another.") from error
        yield
    except BaseException:
        for one in reversed(made):
            with suppress(OSError):  # it is not empty
                one.rmdir()
        raise


def check_outputs(paths: Iterable[Path], *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Before any work: refuse outputs that would destroy something, and clear their drafts from killed runs.

    Args:
        paths: All files to be written.
        overwrite: Existing files may be replaced.
        inputs: Files that are read; they are never replaced.

    Raises:
        ConfigError: two outputs are the same file, or one is an input.
        OutputError: an output is a folder; or it exists, even as a dangling link, and ``overwrite`` is false.
    """
    paths = list(paths)
    check_targets(paths, inputs, overwrite=overwrite)
    clear_drafts(paths)


def give_name(temporary: Path, path: Path) -> None:
    """Flush a complete file to disk and rename it: after a power cut the file is either whole or not there."""
    _flush(temporary)
    os.replace(temporary, path)


def publish(files: Mapping[Path, Path], *, replace: bool = True) -> bool:
    """Flush complete files to disk, then give all of them their names.

    Args:
        files: Temporary file -> its final name, on the same disk.
        replace: Replace existing files.

    Returns:
        False if a name is taken and ``replace`` is false: then no file has been renamed.

    Raises:
        OutputError: a file cannot be flushed or renamed.
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
    """Give a file its name, unless the name is taken; no other process can take it in between."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links
        if os.path.lexists(path):
            return False
        os.replace(temporary, path)
    else:
        temporary.unlink()
    return True


def _flush(path: Path) -> None:
    """Flush a file's content, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside ``path`` for files that get their names together. Removed at the end.

    An ``OutputError`` raised inside names the folder of ``path`` instead of the hidden one.

    Raises:
        OutputError: it cannot be created.
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
        path: The final name. ``commit`` replaces an existing file; until then it stays untouched.

    Raises:
        OutputError: from every method, if the file cannot be written.
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
        """Give the complete file its name. If that fails, nothing is left."""
        try:
            with output_errors(self.path):
                self.stream.close()
                give_name(self._temporary, self.path)
        except OutputError:
            self.discard()
            raise
        self._unlock()

    def clear(self) -> None:
        """Empty the file, to free disk space before it is discarded."""
        if not self.stream.closed:
            os.truncate(self._temporary, 0)

    def discard(self) -> None:
        """Remove what was written. Does nothing after ``commit`` or another ``discard``."""
        with suppress(OSError):  # a full disk: flushing fails, and nothing is kept anyway
            self.stream.close()
        self._temporary.unlink(missing_ok=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file; an existing one is replaced.

    Raises:
        OutputError: it cannot be written. Nothing new is left.
    """
    file = PendingFile(path)
    try:
        file.write(content)
    except OutputError:
        file.discard()
        raise
    file.commit()
