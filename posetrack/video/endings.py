"""Whether a file ends where its container ends, for containers that do not tell how many frames they hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_TS_PACKETS = {188: 0, 192: 4, 204: 0}
"""Bytes of an MPEG transport stream's packet (plain, of Blu-ray, with error correction), and where in it the sync
byte is (ISO/IEC 13818-1, 2.4.3.2)."""

_SYNC = b"\x47"
_FEWEST_PACKETS, _PACKETS_LOOKED_AT = 8, 100

_GIF_HEADER_BYTES = 13
_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21


def is_cut_off(path: Path, container: str) -> bool:
    """Whether a file breaks off within a unit of its container: a packet, or an image.

    A file cut exactly between two units is not found out, nor one in whose place others have written; a whole
    file is never taken for one that is cut.

    Args:
        path: The file.
        container: FFmpeg's name of its format. Others than ``gif`` and ``mpegts`` are not judged.
    """
    if container not in ("gif", "mpegts"):
        return False
    try:
        with path.open("rb") as file:
            return _is_cut_gif(file) if container == "gif" else _is_cut_transport_stream(file)
    except OSError:  # it has gone meanwhile, or the disk fails
        return False


def _is_cut_gif(file: BinaryIO) -> bool:
    """Follows the blocks (GIF89a, appendix B) up to the trailer, or to where they make no sense."""
    length = file.seek(0, os.SEEK_END)
    if length < _GIF_HEADER_BYTES:
        return True
    place = _GIF_HEADER_BYTES + _palette_bytes(_byte(file, 10))
    while place < length:
        kind = _byte(file, place)
        if kind == _GIF_EXTENSION:
            place += 2
        elif kind == _GIF_IMAGE:
            if place + 10 > length:
                return True
            place += 11 + _palette_bytes(_byte(file, place + 9))
        else:  # the trailer, or what only its writer understands
            return False
        while place < length and (block_bytes := _byte(file, place)):
            place += 1 + block_bytes
        if place >= length:
            return True
        place += 1
    return False


def _byte(file: BinaryIO, place: int) -> int:
    """The byte there; 0 behind the end, should others have shortened the file meanwhile."""
    file.seek(place)
    return int.from_bytes(file.read(1), "big")


def _palette_bytes(flags: int) -> int:
    """Of the palette that the flags of a screen or an image announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _is_cut_transport_stream(file: BinaryIO) -> bool:
    """Whether packets follow each other up to the end, and the last one is shorter than the others."""
    length = file.seek(0, os.SEEK_END)
    for size, sync in _TS_PACKETS.items():
        file.seek(max(0, length - size * _PACKETS_LOOKED_AT))
        tail = file.read()
        phases = [phase for phase in range(size) if set(tail[phase::size]) == set(_SYNC)]
        if phases and len(tail) >= size * _FEWEST_PACKETS:
            return all((len(tail) - phase + sync) % size for phase in phases)
    return False
