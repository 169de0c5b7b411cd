"""Imports weights that the user fetched by hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from posetrack.errors import WeightsError
from posetrack.zoo.archives import ArchiveError, unpack
from posetrack.zoo.entries import Entry
from posetrack.zoo.store import ModelStore, copy_and_hash, read_errors, write_errors

_WEB_PAGE = (b"<!doctype html", b"<html")
_ARCHIVE = b"PK"
_BEGINNING_BYTES = 512


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Result of an import.

    Attributes:
        path: The file in the store.
        sha256: Its hash, all 64 hex digits.
        checked_digits: How many of them were compared with the publisher's; 0 if none are published.
    """

    path: Path
    sha256: str
    checked_digits: int


def import_file(entry: Entry, store: ModelStore, source: Path) -> Imported:
    """Copy a file into the store under an entry's name, if it has the published hash.

    An archive around an ONNX network (``posetrack.zoo.archives``) is imported as the network in it. Without a
    published hash, weights of pose networks must fit their network: they are loaded, without running any code in
    them. The copy gets its name when it is complete, and replaces an existing file.

    Raises:
        WeightsError: the file cannot be read or is not what was published, or the store cannot be written.
    """
    if entry.bundled:
        raise WeightsError(f"{entry.name} is part of posetrack already; there is nothing to import.")
    if not source.is_file():
        raise WeightsError(
            f"{source} is {'no file' if source.exists() else 'not there'}; give the file to import."
        )
    with store.locked(entry):
        target = store.path(entry)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.import")
        try:
            with read_errors(source), open(source, "rb") as original:
                beginning = original.read(_BEGINNING_BYTES)
                _refuse_rubbish(source, beginning)
                original.seek(0)
                with write_errors(temporary), open(temporary, "wb") as copy:
                    if beginning.startswith(_ARCHIVE) and entry.file.endswith(".onnx"):
                        sha256 = _unpacked(entry, source, original, copy)
                    else:
                        sha256 = copy_and_hash(original, copy)
                    copy.flush()
                    os.fsync(copy.fileno())
            if not entry.agrees(sha256):
                published = f"{'is' if entry.sha256 else 'begins with'} {entry.expected_digits}"
                origin = " or ".join(entry.sources) or entry.page
                raise WeightsError(
                    f"{source} is not what {entry.publisher} published as {entry.name}: its SHA-256 is {sha256}, "
                    f"the published one {published}; fetch it again from {origin}, or, if you trained it "
                    "yourself, leave it where it is and give --pose or --detector FILE with --architecture."
                )
            if entry.expected_digits is None and entry.loader == "checkpoint":
                _see_that_it_fits(entry, temporary, source)
            with write_errors(target):
                os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        store.remember(entry, sha256)
    return Imported(path=target, sha256=sha256, checked_digits=len(entry.expected_digits or ""))


def _unpacked(entry: Entry, source: Path, archive: BinaryIO, copy: BinaryIO) -> str:
    try:
        return unpack(archive, copy, entry.size_bytes)
    except ArchiveError as error:
        raise WeightsError(f"{source} {error}; fetch it again, or give the .onnx file itself.") from error


def _see_that_it_fits(entry: Entry, copy: Path, source: Path) -> None:
    from posetrack.models.checkpoints import load_checkpoint

    try:
        load_checkpoint(copy, entry.pose_architecture())
    except WeightsError as error:
        raise WeightsError(str(error).replace(str(copy), str(source))) from error


def _refuse_rubbish(source: Path, beginning: bytes) -> None:
    """Refuse what file-sharing sites return instead of the file, in case there is no hash."""
    if not beginning:
        raise WeightsError(f"{source} is empty; fetch it again.")
    if beginning.lstrip().lower().startswith(_WEB_PAGE):
        raise WeightsError(f"{source} is a web page, not weights; fetch the file that the page offers.")
