"""The output folder of a batch while the batch is running."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posetrack.batch.lock import FolderLock
from posetrack.batch.manifest import MANIFEST, Manifest
from posetrack.batch.names import CHUNKS, LOCK, OURS, OVERVIEWS, UNFINISHED
from posetrack.batch.remote import RemoteFolder
from posetrack.errors import ConfigError, OutputError
from posetrack.files.pending import output_folder

_FOLDERS = (UNFINISHED, CHUNKS, OVERVIEWS)

_ROUNDS_OF_CLEANING = 20
_BETWEEN_ROUNDS_S = 0.05


@contextmanager
def opened_output(output: Path, remote: RemoteFolder | None) -> Iterator[Manifest]:
    """Make the folder, keep other batches out, and open its manifest to write it.

    If a setting proves unusable (``ConfigError``) in a new batch that has no results yet, nothing of it is left;
    files that were there before are, whatever they are called.

    Args:
        output: The folder.
        remote: Where its manifest is if it is not there.

    Raises:
        OutputError: it cannot be written, or another batch is writing there.
        DataFormatError: the manifest is damaged, or of a later version.
    """
    with output_folder(output):
        check_folders(output)
        if remote is not None and not (output / MANIFEST).exists():
            remote.download(output / MANIFEST, output / MANIFEST)
        with FolderLock(output / LOCK):
            made = [LOCK, *(name for name in OURS if not os.path.lexists(output / name))]
            useless = False
            try:
                with Manifest.create(output / MANIFEST) as manifest:
                    clean(output)
                    try:
                        yield manifest
                    except ConfigError:
                        useless = MANIFEST in made and not any(record.outputs for record in manifest.clips())
                        raise
            finally:
                if useless:
                    clean(output)
                    for name in made:
                        (output / name).unlink(missing_ok=True)


def check_folders(output: Path) -> None:
    """See to it that our own folders in an output folder are folders: a link might lead out of it.

    Raises:
        OutputError: one is something else.
    """
    for name in _FOLDERS:
        folder = output / name
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise OutputError(f"{folder} is no folder (but a file, or a link): remove it.")


def is_within(path: Path, output: Path) -> bool:
    """Whether a path leads to a place in the output folder, whatever links there are on its way."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(output))


def may_be_read(path: Path, output: Path) -> bool:
    """Whether a path leads to a plain file in the output folder, or to nothing there."""
    return is_within(path, output) and (path.is_file() or not path.exists())


def clean(output: Path) -> None:
    """Remove what was never completed. An encoder whose worker was killed may write for a moment longer."""
    folder = output / UNFINISHED
    for _ in range(_ROUNDS_OF_CLEANING):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_BETWEEN_ROUNDS_S)
