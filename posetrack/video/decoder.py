"""The frames of a video file, decoded by ffmpeg in a process of its own: hostile files break nothing but that.

ffmpeg leaves out frames that edit lists hide, and turns and mirrors the picture as the whole display matrix says.
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
"""Asking for sound as well makes ffmpeg count time from the file's start, not the video's, in every format."""


class FileDecoder:
    """Goes through a video file once.

    Args:
        path: The file.
        media: What FFmpeg tells of it: at least the size. All frames get that size, and HDR becomes SDR.
        start_s: Earlier frames are skipped (seconds from the file's start); None: none are. Where the file cannot
            be entered in time, the first frame may come later.
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
        """The next frame's presentation time and picture; None behind the last frame.

        The time is in seconds from the file's start; the picture is uint8 [H, W, 3] RGB.
        """
        told = self._times.readline()
        if not told.endswith("\n"):
            return None
        image = np.empty(self._shape, np.uint8)
        unread = image.data.cast("B")
        while len(unread):
            count = self._pixels.readinto(unread)  # type: ignore[attr-defined]
            if not count:
                return None
            unread = unread[count:]
        return int(told) / _TICKS_PER_S, image

    def is_content(self) -> bool:
        """Behind the last frame: whether ffmpeg has found nothing wrong with the file."""
        return self._process.wait() == 0 and os.fstat(self._complaints.fileno()).st_size == 0

    def close(self) -> None:
        """End ffmpeg. Does no harm twice."""
        self._process.kill()
        self._process.wait()
        for file in (self._pixels, self._times, self._complaints):
            with suppress(OSError):
                file.close()
        if self._tables is not None:
            self._tables.cleanup()


def _filters(size: tuple[int, int], colour: Colour) -> str:
    """From decoded frames, turned upright, to RGB of one size, whatever the stream changes to in its course."""
    width, height = size
    steps = [f"setparams=colorspace={colour.matrix or 'unknown'}", f"scale={width}:{height}"]
    if colour.is_hdr:
        steps += ["format=gbrp12", f"lut3d=file={TABLE_NAME}:interp=tetrahedral"]
    return ",".join((*steps, "format=rgb24"))
