"""Write frames with their times to an MP4 file, with an ffmpeg child process."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from posetrack.errors import ConfigError, OutputError
from posetrack.ranges import require_kinds
from posetrack.types import Image
from posetrack.video.colour import Colour
from posetrack.video.ffmpeg import ffmpeg_program, file_url, is_written, reason
from posetrack.video.matroska import frame_header, stream_header

_FINEST_HZ = 90_000
_SECONDS_BETWEEN_KEY_FRAMES = 2
_BLOCK, _MOST_BLOCKS, _LONGEST_SIDE = 16, 139_264, 16_384
"""Side of a macroblock, maximum macroblocks per frame in level 6.2 (ITU-T H.264, table A-1), x264's maximum
side."""

_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingConfig:
    """Encoding settings.

    Attributes:
        crf: x264's constant rate factor, from 0 (lossless) to 51 (worst). Adding 6 halves the file, roughly.
        preset: x264's preset. Slower presets make smaller files.
        sound: Copy the source's sound.

    Raises:
        ConfigError: a setting is out of range.
    """

    crf: int = 20
    preset: str = "superfast"
    sound: bool = True

    def __post_init__(self) -> None:
        require_kinds(self)
        if not 0 <= self.crf <= 51:
            raise ConfigError(f"crf is {self.crf!r}; give 0 (lossless) to 51.")
        if self.preset not in _PRESETS:
            raise ConfigError(f"There is no encoder preset {self.preset!r}; choose one of {', '.join(_PRESETS)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Properties of the frames of a video.

    Attributes:
        width, height: Size in pixels.
        fps: Nominal frames per second; None if unknown. Each frame has its own time in any case.
        colour: How colours are written.
        sample_aspect: Width of a pixel divided by its height; None if pixels are square.
    """

    width: int
    height: int
    fps: Fraction | None
    colour: Colour
    sample_aspect: Fraction | None = None


def clock_rate(fps: Fraction | None) -> int:
    """Ticks per second of a file's clock: at least 90,000, with a whole number of ticks per frame.

    >>> clock_rate(Fraction(30000, 1001)), clock_rate(Fraction(24000, 1001)), clock_rate(None)
    (90000, 96000, 90000)
    """
    numerator = fps.numerator if fps else 1
    return numerator * -(-_FINEST_HZ // numerator)


def encodable(width: int, height: int) -> tuple[int, int]:
    """The size at which frames are encoded: their own, or the largest of the same shape that H.264 allows.

    >>> encodable(1920, 1081), encodable(16_000, 16_000), encodable(40_000, 100)
    ((1920, 1081), (5968, 5968), (16384, 40))
    """
    blocks = -(-width // _BLOCK) * -(-height // _BLOCK)
    scale = min(1.0, _LONGEST_SIDE / width, _LONGEST_SIDE / height, (_MOST_BLOCKS / blocks) ** 0.5)
    if scale == 1:
        return width, height
    unit = _BLOCK if blocks > _MOST_BLOCKS else 1
    return max(1, int(width * scale) // unit * unit), max(1, int(height * scale) // unit * unit)


class Encoder:
    """Encodes frames as H.264, yuv420p.

    Frames too large for H.264 are shrunk (``encodable``). Odd heights and widths get a repeated row at the bottom
    or column at the right: 4:2:0 needs even sizes, and so does H.264's cropping. The pipe to ffmpeg is short, so
    ``write`` blocks while ffmpeg is busy. ffmpeg runs in a separate session: Ctrl-C in the terminal does not reach
    it, and the file can still be finished.

    Args:
        path: The file. Replaced if it exists.
        picture: Properties of the frames.
        config: Encoding settings.
        faststart: Put the index before the frames, so that a browser can play the file while loading it.

    Raises:
        OutputError: from every method, if ffmpeg fails, with its reason.
    """

    def __init__(self, path: Path, picture: Picture, config: EncodingConfig, *, faststart: bool) -> None:
        self._path = path
        self._shape = (picture.height, picture.width, 3)
        self._size = encodable(picture.width, picture.height)
        self._padding = (self._size[1] % 2, self._size[0] % 2)
        self._last_s = -1.0
        self._complaints = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            _command(path, picture, config, faststart),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        even_width, even_height = self._size[0] + self._padding[1], self._size[1] + self._padding[0]
        self._send(stream_header(even_width, even_height, picture.fps))

    def write(self, image: Image, time_s: float) -> None:
        """Append a frame.

        Args:
            image: uint8 [H, W, 3] RGB.
            time_s: Presentation time, at least 0 and later than the previous frame's.
        """
        if image.shape != self._shape:
            raise ValueError(f"image has shape {image.shape}, expected {self._shape}")
        if time_s <= self._last_s:
            raise ValueError(f"frame at {time_s} s comes after one at {self._last_s} s")
        self._last_s = time_s
        if self._size != image.shape[1::-1]:
            image = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        if any(self._padding):
            below, right = self._padding
            image = np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        self._send(frame_header(time_s, image.nbytes))
        self._send(np.ascontiguousarray(image).data)

    def finish(self) -> None:
        """Complete the file."""
        with suppress(BrokenPipeError):  # ffmpeg has failed; the reason follows
            self._pipe.close()
        if self._process.wait() != 0 or not is_written(self._path):
            raise self._failure()
        self._complaints.close()

    def abort(self) -> None:
        """Stop ffmpeg now and leave an incomplete file. Allowed after ``finish``."""
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._pipe.close()
        self._complaints.close()

    def _send(self, data: bytes | memoryview) -> None:
        try:
            self._pipe.write(data)
        except BrokenPipeError:
            self._process.wait()
            raise self._failure() from None

    def _failure(self) -> OutputError:
        self._complaints.seek(0)
        complaints = self._complaints.read().decode(errors="replace")
        return OutputError(reason(complaints, self._process.returncode))


def _command(path: Path, picture: Picture, config: EncodingConfig, faststart: bool) -> list[str]:
    rate = clock_rate(picture.fps)
    filters = picture.colour.filters()
    if picture.sample_aspect is not None:
        filters += f",setsar={picture.sample_aspect.numerator}/{picture.sample_aspect.denominator}"
    words: list[str | int] = [
        ffmpeg_program(), "-nostdin", "-v", "error", "-y", "-f", "matroska", "-i", "pipe:0", "-vf", filters,
        "-c:v", "libx264", "-preset", config.preset, "-crf", config.crf,
        "-g", round((picture.fps or 25) * _SECONDS_BETWEEN_KEY_FRAMES), "-fps_mode", "passthrough",
        "-enc_time_base", f"1/{rate}", "-video_track_timescale", rate,
        *(("-movflags", "+faststart") if faststart else ()), "-f", "mp4", file_url(path),
    ]  # fmt: skip
    return [str(word) for word in words]
