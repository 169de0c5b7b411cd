"""The ffmpeg program: which one, and how it is asked."""

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
"""The formats of files that hold their own pictures and sound. All others are refused: playlists and scripts
(``concat``, ``hls``, ``dash``, ``sdp``, ``imf``, ``image2``, ``avisynth``, ``lavfi``, ``vapoursynth``) make FFmpeg
open what they name, and ``tty`` makes a video of any text."""

SELF_CONTAINED = {"protocol_whitelist": "file", "format_whitelist": ",".join(_CONTAINERS)}
"""ffmpeg's options for a local file as input: nothing but that file is opened, whatever it contains."""

REFUSED = "Format not on whitelist"
"""What ffmpeg says of a file in another format."""


@lru_cache(maxsize=1)
def ffmpeg_program() -> str:
    """Path of the ffmpeg in use: the system's if it can do the work, else the one that imageio-ffmpeg brings.

    Raises:
        OutputError: there is none that encodes H.264.
    """
    system = shutil.which("ffmpeg")
    if system is not None and _is_fit(system):
        return system
    try:
        bundled = str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        bundled = None
    if bundled is not None and _is_fit(bundled):
        return bundled
    raise OutputError(
        f"There is no ffmpeg with the H.264 encoder {_ENCODER} here: install ffmpeg "
        f"{_OLDEST[0]}.{_OLDEST[1]} or later (for example with: apt-get install ffmpeg)."
    )


def _is_fit(program: str) -> bool:
    """Whether it has the encoder and is recent enough (as builds without a version number are)."""
    try:
        told = ask(["-h", f"encoder={_ENCODER}"], program=program)
    except OSError:
        return False
    version = re.search(r"^ffmpeg version n?(\d+)\.(\d+)", told.stderr + told.stdout, re.MULTILINE)
    recent = version is None or (int(version[1]), int(version[2])) >= _OLDEST
    return recent and f"Encoder {_ENCODER}" in told.stdout


def ask(arguments: list[str], program: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ffmpeg to its end, apart from the terminal: it reads no keys, and Ctrl-C is not for it.

    Returns:
        Its exit status and what it said; bytes that are no UTF-8 (tags, file names) are replaced.
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
    """A file's name as ffmpeg takes it to the letter, whatever it contains (``-``, ``:``, ``%``, spaces).

    >>> file_url("/videos/-50%:a.mp4")
    'file:/videos/-50%:a.mp4'
    """
    return f"file:{Path(path).absolute()}"


def reading(path: str | Path) -> list[str]:
    """ffmpeg's arguments for a local file as input."""
    options = [word for name, value in SELF_CONTAINED.items() for word in (f"-{name}", value)]
    return [*options, "-i", file_url(path)]


def reason(complaints: str, status: int) -> str:
    """Why ffmpeg failed: its own last line of substance, without the name of the part that says it.

    >>> reason("[mp4 @ 0x5] Error opening output: Permission denied\\nConversion failed!", 1)
    'ffmpeg stopped: Error opening output: Permission denied'
    >>> reason("", -9)
    'ffmpeg was ended by signal 9'
    """
    if is_disk_full(complaints):
        return "the disk is full; make room or write elsewhere"
    lines = [re.sub(r"^(\[[^\]]*\] *)+", "", line).strip() for line in complaints.splitlines()]
    lines = [line for line in lines if line and line != "Conversion failed!"]
    if lines:
        return f"ffmpeg stopped: {lines[-1]}"
    return f"ffmpeg was ended by signal {-status}" if status < 0 else f"ffmpeg ended with status {status}"


def is_disk_full(complaints: str) -> bool:
    """Whether ffmpeg failed because the disk, or the user's share of it, is full."""
    return "No space left on device" in complaints or "Disk quota exceeded" in complaints
