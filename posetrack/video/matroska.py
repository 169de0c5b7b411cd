"""Raw RGB frames with presentation times, as a Matroska stream for the pipe to ffmpeg.

A bare sequence of frames ("rawvideo") can only have a constant frame rate. Matroska is the simplest container
whose frames have times and that can be written without seeking (RFC 9559; V_UNCOMPRESSED with a FourCC, section
5.1.4.1.28.15).
"""

from __future__ import annotations

from fractions import Fraction

_TICK_NS = 1000
"""Times are written in microseconds."""

_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7


def stream_header(width: int, height: int, fps: Fraction | None) -> bytes:
    """The bytes before the first frame.

    Args:
        width, height: Size of every frame in pixels.
        fps: Gives the duration of the last frame; None if unknown.
    """
    duration = _number(0x23E383, round(1e9 / fps)) if fps else b""
    video = _number(0xB0, width) + _number(0xBA, height) + _element(0x2EB524, b"RGB\x18")
    track = (
        _number(0xD7, 1)  # number
        + _number(0x73C5, 1)  # unique id
        + _number(0x83, 1)  # type: video
        + duration
        + _element(0x86, b"V_UNCOMPRESSED")
        + _element(0xE0, video)
    )
    writer = b"posetrack"
    info = _number(0x2AD7B1, _TICK_NS) + _element(0x4D80, writer) + _element(0x5741, writer)
    kind = _element(0x4282, b"matroska") + _number(0x4287, 4) + _number(0x4285, 2)
    segment = (0x18538067).to_bytes(4, "big") + _UNKNOWN_SIZE
    return (
        _element(0x1A45DFA3, kind)
        + segment
        + _element(0x1549A966, info)
        + _element(0x1654AE6B, _element(0xAE, track))
    )


def frame_header(time_s: float, size: int) -> bytes:
    """The bytes before a frame's ``size`` bytes of RGB: the headers of a cluster and a block for it."""
    timestamp = _number(0xE7, round(time_s * 1e9 / _TICK_NS))
    block = b"\x81\x00\x00\x80"  # track 1, no offset from the cluster's time, key frame
    block_header = _header(0xA3, len(block) + size) + block
    return _header(0x1F43B675, len(timestamp) + len(block_header) + size) + timestamp + block_header


def _header(identifier: int, size: int) -> bytes:
    """An element's id and size. The size takes eight bytes, as its leading one bit says."""
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big") + (size | 1 << 56).to_bytes(8, "big")


def _element(identifier: int, content: bytes) -> bytes:
    return _header(identifier, len(content)) + content


def _number(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(8, "big"))
