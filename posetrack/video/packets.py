"""List every frame of a video file, and the key frames, without decoding."""

from __future__ import annotations

import re
import subprocess
import tempfile
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posetrack.types import BoolArray
from posetrack.video.ffmpeg import ffmpeg_program, reading

_LIST = ["-map", "0:V:0", "-map", "0:a?", "-c", "copy", "-f", "framecrc", "-"]
"""With sound mapped too, ffmpeg counts time from the start of the file, not of the video, in every format."""

_PACKET = re.compile(r"0, *(-?\d+), *(-?\d+|NOPTS),.*?(?:, F=0x([0-9A-Fa-f]+))?(?:, S=.*)?$")
"""``stream, dts, pts, duration, size, checksum``, and the flags unless they are those of a plain key frame."""

_COMPLAINT = re.compile(rb"\[(in#\d+/|(mov,\S+|matroska,webm|avi|flv|mpegts|mpeg|asf|ogg|mxf|wtv) @)")
"""An error of the container. Codec errors do not count: a file may begin with frames that need earlier ones."""

_KEY, _CORRUPT, _DISCARD = 1, 2, 4
_NO_TIME = -(2**63)
_HALF_TICK_S = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class FrameList:
    """The F frames of a video in presentation order.

    Attributes:
        times_s: float64 [F], presentation times in seconds from the start of the file, ascending.
        keys: bool [F], whether the frame is a key frame.
        faultless: FFmpeg found no error in the container.
        packets: Number of packets read, including those of hidden frames.
    """

    times_s: NDArray[np.float64]
    keys: BoolArray
    faultless: bool
    packets: int

    def between(self, start_s: float, end_s: float) -> int:
        """Number of frames with ``start_s`` <= time < ``end_s``."""
        first, last = np.searchsorted(self.times_s, (start_s - _HALF_TICK_S, end_s - _HALF_TICK_S))
        return int(last - first)

    def decodable(self, first_s: float) -> int:
        """Number of decodable frames, given that the first decoded one is at ``first_s``.

        Frames before the first key frame need others that are not in the file. Of two at the same time, one is
        shown.
        """
        first_key_s = float(self.times_s[self.keys.argmax()]) if self.keys.any() else first_s
        different = np.diff(self.times_s, prepend=-np.inf) > _HALF_TICK_S
        return int((different & (self.times_s > min(first_s, first_key_s) - _HALF_TICK_S)).sum())


def list_frames(path: str | Path, *options: str) -> FrameList:
    """List a video's packets. Reads the whole file, at the speed of the disk, and decodes nothing.

    Times are those of ``open_source``, as far as the container has them. A file that FFmpeg cannot read has no
    frames and is not faultless.

    Args:
        path: The file.
        options: Further ffmpeg input options.
    """
    command = [ffmpeg_program(), "-nostdin", "-v", "error", *options, *reading(path), *_LIST]
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints,
            encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        with process:
            assert process.stdout is not None
            try:
                tick_s, decoded, shown, flags = _packets(process.stdout)
            except BaseException:
                process.kill()
                raise
        complaints.seek(0)
        complained = any(map(_COMPLAINT.match, complaints))
        begin = (flags & _KEY > 0).argmax() if len(flags) else 0  # a recording may begin within a frame
        faultless = process.returncode == 0 and not complained and not (flags[begin:] & _CORRUPT).any()
    unknown = shown == _NO_TIME
    if unknown.any():  # as in AVI and MPEG: times are even, and frames are shown with a delay after decoding
        shown = decoded + (0 if unknown[0] else shown[0] - decoded[0])
    times_s = shown * tick_s
    wanted = (times_s > -_HALF_TICK_S) & (flags & _DISCARD == 0)
    order = np.argsort(times_s[wanted], kind="stable")
    return FrameList(times_s[wanted][order], (flags & _KEY > 0)[wanted][order], bool(faultless), len(flags))


def _packets(lines: Iterable[str]) -> tuple[float, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Seconds per tick; decoding times, presentation times (ticks) and flags of the video's packets."""
    tick_s = 0.0
    decoded, shown, flags = array("q"), array("q"), array("q")
    for line in lines:
        if line.startswith("#tb 0: "):
            numerator, denominator = line.removeprefix("#tb 0: ").split("/")
            tick_s = int(numerator) / int(denominator)
        elif packet := _PACKET.match(line):
            decoded.append(int(packet[1]))
            shown.append(_NO_TIME if packet[2] == "NOPTS" else int(packet[2]))
            flags.append(_KEY if packet[3] is None else int(packet[3], 16))
    return tick_s, *(np.array(column, np.int64) for column in (decoded, shown, flags))  # type: ignore[return-value]
