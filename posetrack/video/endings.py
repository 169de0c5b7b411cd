"""Checks whether a file ends where its container ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from posetrack.video.containers import boxes, bytes_at

_TS_PACKETS = {188: 0, 192: 4, 204: 0}
"""Packet size in bytes of an MPEG transport stream (plain, Blu-ray, with error correction) -> offset of its sync
byte (ISO/IEC 13818-1, 2.4.3.2)."""

_SYNC = b"\x47"
_FEWEST_PACKETS, _PACKETS_CHECKED = 8, 100

_GIF_HEADER_BYTES = 13
_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21


def is_cut_off(path: Path, container: str) -> bool:
    """Whether a file breaks off within a unit of its container: a box, a packet, an image.

    Does not detect a cut exactly between two units. Never reports a whole file as cut.

    Args:
        path: The file.
        container: FFmpeg's name of its format. Only AVI, GIF, Matroska, MP4, MOV and MPEG transport streams are
            checked.
    """
    judge = next((judge for name, judge in _JUDGES.items() if container.startswith(name)), None)
    if judge is None:
        return False
    try:
        with path.open("rb") as file:
            return judge(file)
    except OSError:  # removed meanwhile, or the disk fails
        return False


def _is_cut_gif(file: BinaryIO) -> bool:
    """Follow the blocks (GIF89a, appendix B) to the trailer, or to the first invalid one."""
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
        else:  # the trailer, or something unknown
            return False
        while place < length and (block_bytes := _byte(file, place)):
            place += 1 + block_bytes
        if place >= length:
            return True
        place += 1
    return False


def _byte(file: BinaryIO, place: int) -> int:
    """The byte at a place; 0 past the end, in case the file was shortened meanwhile."""
    return int.from_bytes(bytes_at(file, place, 1), "big")


def _palette_bytes(flags: int) -> int:
    """Size of the palette that the flags of a screen or an image announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _is_cut_transport_stream(file: BinaryIO) -> bool:
    """Whether packets follow each other to the end, and the last one is shorter than the others."""
    length = file.seek(0, os.SEEK_END)
    for size, sync in _TS_PACKETS.items():
        file.seek(max(0, length - size * _PACKETS_CHECKED))
        tail = file.read()
        phases = [phase for phase in range(size) if set(tail[phase::size]) == set(_SYNC)]
        if phases and len(tail) >= size * _FEWEST_PACKETS:
            return all((len(tail) - phase + sync) % size for phase in phases)
    return False


def _is_cut_iso(file: BinaryIO) -> bool:
    """Whether a box of frames, or of their list, extends beyond the end."""
    length = file.seek(0, os.SEEK_END)
    return any(box.end > length for box in boxes(file, 0, length) if box.kind in (b"mdat", b"moof", b"moov"))


def _is_cut_avi(file: BinaryIO) -> bool:
    """Whether the last RIFF chunk (the first has the form "AVI ", later ones AVIX) extends beyond the end."""
    length, place, size = file.seek(0, os.SEEK_END), 0, 0
    while place + 12 <= length:
        file.seek(place)
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] not in (b"AVI ", b"AVIX"):
            return False
        size = int.from_bytes(head[4:8], "little")
        place += 8 + size
    return place > length


def _is_cut_matroska(file: BinaryIO) -> bool:
    """Whether the segment extends beyond the end (RFC 8794, RFC 9559)."""
    length = file.seek(0, os.SEEK_END)
    place = 4 + sum(_element_size(file, 4))
    if bytes_at(file, place, 4) != b"\x18\x53\x80\x67":
        return False
    digits, size = _element_size(file, place + 4)
    unknown = size == (1 << 7 * digits) - 1
    return not unknown and place + 4 + digits + size > length


def _element_size(file: BinaryIO, place: int) -> tuple[int, int]:
    """Length in bytes of an element's size field (from its leading zero bits), and the size."""
    digits = 9 - _byte(file, place).bit_length()
    return digits, int.from_bytes(bytes_at(file, place, digits), "big") & (1 << 7 * digits) - 1


_JUDGES: dict[str, Callable[[BinaryIO], bool]] = {
    "avi": _is_cut_avi,
    "gif": _is_cut_gif,
    "matroska": _is_cut_matroska,
    "mov,": _is_cut_iso,
    "mpegts": _is_cut_transport_stream,
}
