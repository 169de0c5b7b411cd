"""The boxes of MP4 and MOV files: what FFmpeg does not pass on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple


def is_iso(container: str) -> bool:
    """Whether FFmpeg's name of a format is that of MP4 and MOV."""
    return container.startswith("mov,")


class Box(NamedTuple):
    """A box of an ISO file (ISO/IEC 14496-12, 4.2): its type, and where its content begins and should end."""

    kind: bytes
    begin: int
    end: int


def boxes(file: BinaryIO, begin: int, end: int) -> Iterator[Box]:
    """The boxes between two places of a file, up to one that makes no sense; the last may reach beyond ``end``."""
    while begin + 8 <= end:
        file.seek(begin)
        head = file.read(16)
        size, kind, header = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:  # up to the file's end
            size = end - begin
        if size < header:
            return
        yield Box(kind, begin + header, begin + size)
        begin += size


def declared_frames(path: Path, container: str) -> int | None:
    """How many frames the header of a video file lists; None if it lists none, or cannot be understood.

    Args:
        path: The file.
        container: FFmpeg's name of its format. Others than MP4 and MOV are not looked into.
    """
    if not is_iso(container):
        return None
    try:
        with path.open("rb") as file:
            return _samples(file)
    except OSError:  # it has gone meanwhile, or the disk fails: whoever reads it says so
        return None


def _samples(file: BinaryIO) -> int | None:
    """Of the first video track. None for a fragmented file: there is no list."""
    end = file.seek(0, os.SEEK_END)
    movie = list(_inside(file, Box(b"", 0, end), b"moov"))
    for track in (track for found in movie for track in _inside(file, found, b"trak")):
        for media in _inside(file, track, b"mdia"):
            if any(_bytes(file, handler, 8, 4) == b"vide" for handler in _inside(file, media, b"hdlr")):
                return _sample_count(file, media)
    return None


def _sample_count(file: BinaryIO, media: Box) -> int | None:
    for information in _inside(file, media, b"minf"):
        for table in _inside(file, information, b"stbl"):
            for sizes in (*_inside(file, table, b"stsz"), *_inside(file, table, b"stz2")):
                return int.from_bytes(_bytes(file, sizes, 8, 4), "big") or None
    return None


def _inside(file: BinaryIO, box: Box, kind: bytes) -> Iterator[Box]:
    return (inner for inner in boxes(file, box.begin, box.end) if inner.kind == kind)


def _bytes(file: BinaryIO, box: Box, offset: int, count: int) -> bytes:
    file.seek(box.begin + offset)
    return file.read(count)
