"""Prepares, checks and cleans the output folder of a batch."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posetrack.batch.lock import locked
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
    """Make the folder, lock it, and open its manifest for writing.

    If the block raises ``ConfigError`` and the batch is new and has no results, its files are removed; files that
    were there before stay.

    Args:
        output: The folder.
        remote: Where to fetch a missing manifest from.

    Raises:
        OutputError: the folder cannot be written, or another batch is writing there.
        DataFormatError: the manifest is damaged, or was written by a later version.
    """
    with output_folder(output):
        check_folders(output)
        if remote is not None and not (output / MANIFEST).exists():
            remote.download(output / MANIFEST, output / MANIFEST)
        with locked(output / LOCK):
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
    """Check that our subfolders of an output folder are real folders: a link might lead out of it.

    Raises:
        OutputError: one is a file or a link.
    """
    for name in _FOLDERS:
        folder = output / name
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise OutputError(f"{folder} is a file or a link, not a folder: remove it.")


def is_within(path: Path, output: Path) -> bool:
    """Whether a path lies in the output folder after resolving links."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(output))


def may_be_read(path: Path, output: Path) -> bool:
    """Whether a path resolves to a regular file in the output folder, or to nothing there."""
    return is_within(path, output) and (path.is_file() or not path.exists())


def clean(output: Path) -> None:
    """Remove incomplete files. Retries, because the encoder of a killed worker may keep writing for a moment."""
    folder = output / UNFINISHED
    for _ in range(_ROUNDS_OF_CLEANING):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_BETWEEN_ROUNDS_S)
