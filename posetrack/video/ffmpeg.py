"""Find the ffmpeg program, and run it."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import imageio_ffmpeg

from posetrack.errors import OutputError

_OLDEST = (6, 0)
"""First version with ``-stats_enc_pre``."""

_ENCODER = "libx264"

_CONTAINERS = (
    "aac", "ac3", "aiff", "amr", "apng", "asf", "asf_o", "au", "av1", "avi", "avs", "avs2", "avs3", "caf",
    "cavsvideo", "dhav", "dirac", "dnxhd", "dts", "dv", "eac3", "evc", "flac", "flic", "flv", "gif", "gxf", "h261",
    "h263", "h264", "hevc", "ingenient", "ipu", "ivf", "kux", "live_flv", "lvf", "m4v", "matroska", "mjpeg",
    "mjpeg_2000", "mov", "mp3", "mp4", "mpeg", "mpegts", "mpegtsraw", "mpegvideo", "mpjpeg", "mtv", "mv", "mxf",
    "mxg", "nsv", "nut", "nuv", "obu", "ogg", "oma", "pmp", "psxstr", "pva", "r3d", "rm", "roq", "smjpeg", "smk",
    "swf", "tta", "ty", "vc1", "vc1test", "vvc", "w64", "wav", "webp_anim", "wtv", "wv", "xmv", "yop",
    "yuv4mpegpipe",
)  # fmt: skip
"""Formats whose files contain their own pictures and sound. All others are refused: playlists and scripts
(``concat``, ``hls``, ``dash``, ``sdp``, ``imf``, ``image2``, ``avisynth``, ``lavfi``, ``vapoursynth``) make FFmpeg
open the files they name, and ``tty`` turns any text into a video."""

SELF_CONTAINED = {"protocol_whitelist": "file", "format_whitelist": ",".join(_CONTAINERS)}
"""ffmpeg's input options for a local file: whatever the file contains, no other file is opened."""

REFUSED = "Format not on whitelist"
"""ffmpeg's error for a file in any other format."""


@lru_cache(maxsize=1)
def ffmpeg_program() -> str:
    """Path of the ffmpeg to use: the system's if it is suitable, otherwise imageio-ffmpeg's.

    Raises:
        OutputError: no ffmpeg here encodes H.264.
    """
    system = shutil.which("ffmpeg")
    if system is not None and _is_suitable(system):
        return system
    try:
        bundled = str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        bundled = None
    if bundled is not None and _is_suitable(bundled):
        return bundled
    raise OutputError(
        f"There is no ffmpeg with the H.264 encoder {_ENCODER} here: install ffmpeg "
        f"{_OLDEST[0]}.{_OLDEST[1]} or later (for example with: apt-get install ffmpeg)."
    )


def _is_suitable(program: str) -> bool:
    """Whether it has the encoder and is recent enough. Builds without a version number count as recent."""
    try:
        answer = run_ffmpeg(["-h", f"encoder={_ENCODER}"], program=program)
    except OSError:
        return False
    version = re.search(r"^ffmpeg version n?(\d+)\.(\d+)", answer.stderr + answer.stdout, re.MULTILINE)
    recent = version is None or (int(version[1]), int(version[2])) >= _OLDEST
    return recent and f"Encoder {_ENCODER}" in answer.stdout


def run_ffmpeg(arguments: list[str], program: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ffmpeg to its end, detached from the terminal: it reads no keys, and Ctrl-C does not reach it.

    Returns:
        Its exit status and output; bytes that are not UTF-8 (in tags, file names) are replaced.
    """
    return subprocess.run(
        [program or ffmpeg_program(), "-nostdin", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def file_url(path: str | Path) -> str:
    """A file name that ffmpeg takes literally, whatever it contains (``-``, ``:``, ``%``, spaces).

    >>> file_url("/videos/-50%:a.mp4")
    'file:/videos/-50%:a.mp4'
    """
    return f"file:{Path(path).absolute()}"


def reading(path: str | Path) -> list[str]:
    """ffmpeg's arguments to read a local file."""
    options = [word for name, value in SELF_CONTAINED.items() for word in (f"-{name}", value)]
    return [*options, "-i", file_url(path)]


def reason(complaints: str, status: int) -> str:
    """Why ffmpeg failed: the last informative line of its output, without the name of the component.

    >>> reason("[mp4 @ 0x5] Error opening output: Permission denied\\nConversion failed!", 1)
    'ffmpeg stopped: Error opening output: Permission denied'
    >>> reason("", -9)
    'ffmpeg was killed by signal 9'
    """
    if is_disk_full(complaints):
        return "the disk is full; make room or write elsewhere"
    lines = [re.sub(r"^(\[[^\]]*\] *)+", "", line).strip() for line in complaints.splitlines()]
    lines = [line for line in lines if line and line != "Conversion failed!"]
    if lines:
        return f"ffmpeg stopped: {lines[-1]}"
    return f"ffmpeg was killed by signal {-status}" if status < 0 else f"ffmpeg exited with status {status}"


def is_written(path: Path) -> bool:
    """Whether a file that ffmpeg claims to have written exists and is not empty."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def is_disk_full(complaints: str) -> bool:
    """Whether ffmpeg failed because the disk, or the user's quota, is full."""
    return "No space left on device" in complaints or "Disk quota exceeded" in complaints
