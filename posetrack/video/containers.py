"""The boxes of MP4 and MOV files, for what FFmpeg does not report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple


class Box(NamedTuple):
    """A box of an ISO file (ISO/IEC 14496-12, 4.2): its type, and where its content begins and should end."""

    kind: bytes
    begin: int
    end: int


def boxes(file: BinaryIO, begin: int, end: int) -> Iterator[Box]:
    """The boxes between two places of a file, up to the first invalid one; the last may extend beyond ``end``."""
    while begin + 8 <= end:
        file.seek(begin)
        head = file.read(16)
        size, kind, header = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:  # to the end of the file
            size = end - begin
        if size < header:
            return
        yield Box(kind, begin + header, begin + size)
        begin += size


def bytes_at(file: BinaryIO, place: int, count: int) -> bytes:
    """That many bytes of a file; fewer at its end."""
    file.seek(place)
    return file.read(count)


def declared_frames(path: Path, container: str) -> int | None:
    """Number of frames listed in the header of a video file; None if there is no list, or it cannot be read.

    Args:
        path: The file.
        container: FFmpeg's name of its format. Only MP4 and MOV are looked into.
    """
    if not container.startswith("mov,"):
        return None
    try:
        with path.open("rb") as file:
            return _samples(file)
    except OSError:  # removed meanwhile, or the disk fails: decoding reports it
        return None


def _samples(file: BinaryIO) -> int | None:
    """Samples of the first video track. None for a fragmented file, which has no list."""
    whole = Box(b"", 0, file.seek(0, os.SEEK_END))
    for media in _inside(file, whole, b"moov", b"trak", b"mdia"):
        if any(bytes_at(file, handler.begin + 8, 4) == b"vide" for handler in _inside(file, media, b"hdlr")):
            for table in _inside(file, media, b"minf", b"stbl"):
                for sizes in (*_inside(file, table, b"stsz"), *_inside(file, table, b"stz2")):
                    return int.from_bytes(bytes_at(file, sizes.begin + 8, 4), "big") or None
            return None
    return None


def _inside(file: BinaryIO, box: Box, *kinds: bytes) -> Iterator[Box]:
    """The boxes reached from a box by a path of types."""
    if not kinds:
        yield box
        return
    for inner in boxes(file, box.begin, box.end):
        if inner.kind == kinds[0]:
            yield from _inside(file, inner, *kinds[1:])
