"""Check and clean image files before a decoder sees them.

libpng and libjpeg print errors on the terminal, and cannot be silenced. So damaged PNG files are detected here,
and PNG and JPEG files are stripped of everything that is not needed to show them.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits per sample allowed for each colour type (PNG, third edition, table 8)."""

MOST_PIXELS = 1 << 30
"""Images with more pixels are not decoded, as in OpenCV."""

_SOI, _SCAN, _ADOBE, _EXIF = b"\xff\xd8", 0xDA, 0xEE, 0xE1
_ORIENTATION = 0x0112
_MAX_SAMPLE_VALUE = 281


def is_png(data: bytes) -> bool:
    """Whether the data is a PNG file, perhaps a damaged one."""
    return data.startswith(_PNG)


def is_jpeg(data: bytes) -> bool:
    """Whether the data is a JPEG file, perhaps a damaged one."""
    return data.startswith(_SOI + b"\xff")


def plain_png(data: bytes) -> bytes | None:
    """The same image without colour profiles, texts and other metadata; None if it is damaged."""
    kept = []
    for kind, chunk in _chunks(data):
        if kind in _NEEDED:
            kept.append((kind, chunk))
        if kind == b"IEND":
            break
    kinds = [kind for kind, _ in kept]
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"] or not _is_header(kept[0][1]):
        return None
    pixels = b"".join(chunk[8:-4] for kind, chunk in kept if kind == b"IDAT")
    return _PNG + b"".join(chunk for _, chunk in kept) if _inflates(pixels) else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and bytes of each chunk, up to the first damaged one."""
    place = len(_PNG)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if zlib.crc32(data[place + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return
        yield data[place + 4 : place + 8], data[place:end]
        place = end


def _is_header(chunk: bytes) -> bool:
    if len(chunk) != 25:
        return False
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", chunk[8:21])
    return (
        0 < width * height <= MOST_PIXELS
        and depth in _PNG_DEPTHS.get(colour, ())
        and (compression, filtering) == (0, 0)
        and interlace in (0, 1)
    )


def _inflates(pixels: bytes) -> bool:
    """Whether the data begins like a zlib stream; the rest is covered by the chunks' checksums."""
    return len(pixels) > 2 and pixels[0] & 15 == 8 and int.from_bytes(pixels[:2], "big") % 31 == 0


def plain_jpeg(data: bytes) -> tuple[bytes, int] | None:
    """The same image without metadata, and its EXIF orientation; None if it is damaged."""
    kept, orientation, place = [_SOI], 1, 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        segment = data[place : place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")]
        if marker == _SCAN:
            return (b"".join(kept) + data[place:], orientation) if b"\xff\xd9" in data[place:] else None
        if marker == _EXIF and segment[4:10] == b"Exif\0\0":
            orientation = tiff_value(segment[10:], _ORIENTATION) or 1
        if not 0xE1 <= marker <= 0xEF and marker != 0xFE or marker == _ADOBE:
            kept.append(segment)
        place += len(segment)
    return None


def tiff_value(data: bytes, wanted: int) -> int | None:
    """First value of a tag in the first directory of TIFF or EXIF data; None if the tag is missing."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return None
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, place)
        for entry in range(entries):
            tag, kind, count = struct.unpack_from(f"{order}HHI", data, place + 2 + 12 * entry)
            if tag == wanted:
                at = place + 10 + 12 * entry
                if kind == 3 and count > 2:  # the values are stored elsewhere
                    (at,) = struct.unpack_from(f"{order}I", data, at)
                return int(struct.unpack_from(f"{order}H" if kind == 3 else f"{order}I", data, at)[0])
    except struct.error:
        return None
    return None


def stated_white(data: bytes) -> int | None:
    """The value of white stated in a PNM or JPEG 2000 file; None if the file does not state it."""
    pnm = re.match(rb"P[2356](?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+(\d+)\s", data[:4096])
    if pnm:
        return int(pnm[1])
    size = data[:4096].find(b"\xff\x4f\xff\x51") if data[:4] in (b"\xff\x4f\xff\x51", b"\0\0\0\x0c") else -1
    return (1 << (data[size + 42] & 0x7F) + 1) - 1 if 0 <= size < len(data) - 42 else None


def stated_bits(data: bytes) -> int:
    """Significant bits per sample stated in a PNG or TIFF file; 0 if the file does not state them."""
    if is_png(data):
        significant = next((chunk[8:-4] for kind, chunk in _chunks(data) if kind == b"sBIT"), b"")
        return max(significant, default=0)
    return (tiff_value(data, _MAX_SAMPLE_VALUE) or 0).bit_length()
