"""Zip archives around one ONNX network, as MMPose publishes them (its "ONNX SDK").

Such an archive holds one ``.onnx`` file in some folder, and notes for other programs. Only that file is read, and
its name in the archive never becomes a path here.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

from posetrack.zoo.store import copy_and_hash

_SUFFIX = ".onnx"
_LARGEST_BYTES = 2**31
"""An ONNX file cannot be larger: it is one protocol buffer."""
_MOST_MEMBERS = 1000
_SMALL_BYTES = 2**24
_MOST_COMPRESSED = 100
"""Larger networks hardly become smaller; only what was made to fill a disk becomes this many times smaller."""
_SYMBOLIC_LINK = 0o120000
_KIND_OF_FILE = 0o170000
_ENCRYPTED = 0x1
_USUAL = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ArchiveError(Exception):
    """An archive is damaged, or not one around a single network; says why."""


def is_archive(address: str) -> bool:
    """Whether what lies at an address is an archive around the entry's file, rather than the file itself."""
    return urlsplit(address).path.lower().endswith(".zip")


def unpack(archive: BinaryIO, target: BinaryIO | None, size_bytes: int | None = None) -> str:
    """Copy the network out of an archive, if there is a target.

    Args:
        archive: The archive.
        target: Where to write the network. ``None`` only reads it.
        size_bytes: The network's size, if known.

    Returns:
        The network's SHA-256, 64 hex digits.

    Raises:
        ArchiveError: the archive is damaged, or has not exactly one ``.onnx`` file; or that is encrypted, too
            large, a link, compressed in an unusual way, or has a name that leads out of the archive.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            member = _network_in(opened)
            if size_bytes not in (None, member.file_size):
                raise ArchiveError(f"has a network of {member.file_size:,} bytes in it instead of {size_bytes:,}")
            if member.file_size > max(_SMALL_BYTES, _MOST_COMPRESSED * member.compress_size):
                raise ArchiveError(f"would grow to {member.file_size:,} bytes, as no network does")
            with opened.open(member) as content:
                return copy_and_hash(content, target)  # type: ignore[arg-type]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ArchiveError(f"is not a whole zip archive ({error or type(error).__name__})") from error


def _network_in(opened: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = opened.infolist()
    if len(members) > _MOST_MEMBERS:
        raise ArchiveError(f"has {len(members)} files, far more than a network needs")
    networks = [member for member in members if member.filename.lower().endswith(_SUFFIX)]
    if len(networks) != 1:
        raise ArchiveError(f"has {len(networks)} {_SUFFIX} files in it instead of one")
    member = networks[0]
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.filename:
        raise ArchiveError("has a file in it whose name leads out of the archive")
    if member.external_attr >> 16 & _KIND_OF_FILE == _SYMBOLIC_LINK:
        raise ArchiveError("has a link in it instead of a network")
    if member.flag_bits & _ENCRYPTED:
        raise ArchiveError("is encrypted")
    if member.compress_type not in _USUAL:
        raise ArchiveError("is compressed in an unusual way")
    if member.file_size > _LARGEST_BYTES:
        raise ArchiveError(f"has a network of {member.file_size:,} bytes in it, more than an ONNX file can have")
    return member
