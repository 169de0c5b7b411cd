"""Decode a video file in an ffmpeg child process: a hostile file can crash nothing else.

ffmpeg skips frames hidden by edit lists, and rotates and mirrors the picture according to the display matrix.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from posetrack.types import Image
from posetrack.video.colour import Colour
from posetrack.video.ffmpeg import ffmpeg_program, reading
from posetrack.video.probe import Media
from posetrack.video.tone_mapping import TABLE_NAME, write_table

_TICKS_PER_S = 1_000_000

_SOUND = ["-map", "0:a", "-c", "copy", "-f", "null", "-"]
"""With sound mapped too, ffmpeg counts time from the start of the file, not of the video, in every format."""


class FileDecoder:
    """Reads a video file once, front to back.

    Args:
        path: The file.
        media: Its properties; the size is required. All frames are scaled to it, and HDR becomes SDR.
        start_s: Skip frames before this time (seconds from the start of the file). If the file has no key frame
            early enough, the first frame comes later. `None` skips nothing.
    """

    def __init__(self, path: Path, media: Media, start_s: float | None = None) -> None:
        assert media.size is not None
        size, colour = media.size, media.colour
        self._shape = (size[1], size[0], 3)
        self._complaints = tempfile.TemporaryFile()
        self._tables = tempfile.TemporaryDirectory(prefix="posetrack-") if colour.is_hdr else None
        if self._tables is not None:
            write_table(Path(self._tables.name), colour)
        times_end, ffmpegs_end = os.pipe()
        self._times = os.fdopen(times_end, encoding="ascii")
        try:
            self._process = subprocess.Popen(
                [
                    ffmpeg_program(), "-nostdin", "-v", "error", "-copyts", "-start_at_zero",
                    *([] if start_s is None else ["-ss", f"{start_s:.6f}"]), *reading(path), "-map", "0:V:0",
                    "-vf", _filters(size, colour), "-fps_mode", "passthrough", "-f", "rawvideo",
                    "-enc_time_base", f"1/{_TICKS_PER_S}", "-stats_enc_pre", f"pipe:{ffmpegs_end}",
                    "-stats_enc_pre_fmt", "{pts}", "pipe:1",
                    *(_SOUND if media.audio_codecs else []),
                ],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._complaints, bufsize=0,
                cwd=self._tables.name if self._tables else None, pass_fds=[ffmpegs_end], start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(ffmpegs_end)
        assert self._process.stdout is not None
        self._pixels = self._process.stdout

    def next(self) -> tuple[float, Image] | None:
        """The next frame; None at the end of the file.

        Returns:
            Presentation time in seconds from the start of the file, and the picture, uint8 [H, W, 3] RGB.
        """
        ticks = self._times.readline()
        if not ticks.endswith("\n"):
            return None
        image = np.empty(self._shape, np.uint8)
        unread = image.data.cast("B")
        while len(unread):
            count = self._pixels.readinto(unread)  # type: ignore[attr-defined]
            if not count:
                return None
            unread = unread[count:]
        return int(ticks) / _TICKS_PER_S, image

    def succeeded(self) -> bool:
        """Whether ffmpeg reported no error in the file. Call it after the last frame."""
        return self._process.wait() == 0 and os.fstat(self._complaints.fileno()).st_size == 0

    def close(self) -> None:
        """Stop ffmpeg. May be called twice."""
        self._process.kill()
        self._process.wait()
        for file in (self._pixels, self._times, self._complaints):
            with suppress(OSError):
                file.close()
        if self._tables is not None:
            self._tables.cleanup()


def _filters(size: tuple[int, int], colour: Colour) -> str:
    """Filters from decoded, upright frames to RGB of one size, even if the stream changes size on the way."""
    width, height = size
    steps = [f"setparams=colorspace={colour.matrix or 'unknown'}", f"scale={width}:{height}"]
    if colour.is_hdr:
        steps += ["format=gbrp12", f"lut3d=file={TABLE_NAME}:interp=tetrahedral"]
    return ",".join((*steps, "format=rgb24"))
