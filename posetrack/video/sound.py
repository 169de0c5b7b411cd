"""The source's sound beside the annotated frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ffmpeg

from posetrack.errors import OutputError
from posetrack.video.ffmpeg import SELF_CONTAINED, ask, file_url, is_disk_full, reason

_CARRIED_AS_IT_IS = frozenset({"aac", "mp3", "opus"})
"""Sound that MP4 holds and browsers play; any other is encoded as AAC."""

_SEEK_MARGIN_S = 30.0
"""ffmpeg goes to a key frame of the video, and sound may lie far from the frames it belongs to: reading begins
this much early, and what comes too early is left out."""


def cut_sound(source: str | Path, codecs: Sequence[str], start_s: float, length_s: float, target: Path) -> bool:
    """Write a part of a file's sound as an MP4 file whose time 0 is ``start_s``.

    Args:
        source: A media file.
        codecs: Of its audio streams; all of them are taken.
        start_s: From the file's start.
        length_s: At most.
        target: The file to write.

    Returns:
        Whether it could be done.

    Raises:
        OutputError: the disk is full.
    """
    early_s = max(0.0, start_s - _SEEK_MARGIN_S)
    media = ffmpeg.input(file_url(source), **SELF_CONTAINED, **({"ss": _seconds(early_s)} if early_s else {}))
    # Taking the video as well, and throwing it away, makes ffmpeg count time from the file's start instead of
    # its sound's start in every format.
    frames = ffmpeg.output(media["V:0"], "-", f="null", vcodec="copy", t=_seconds(start_s - early_s + length_s))
    for codec in ("copy", "aac") if _CARRIED_AS_IT_IS.issuperset(codecs) else ("aac",):
        part = {"ss": _seconds(start_s - early_s), "t": _seconds(length_s)}
        sound = ffmpeg.output(media["a"], file_url(target), f="mp4", acodec=codec, **part)
        told = ask([*_QUIETLY, *ffmpeg.get_args(ffmpeg.merge_outputs(sound, frames))])
        if told.returncode == 0:
            return True
        if is_disk_full(told.stderr):
            raise OutputError(reason(told.stderr, told.returncode))
    return False


def join(frames: Path, first_s: float, sound: Path | None, target: Path) -> None:
    """Put frames and sound into one MP4 file, index first, without encoding anything again.

    Args:
        frames: An MP4 file of frames.
        first_s: When the first of them is shown.
        sound: An MP4 file of sound; None: without sound.
        target: The file to write.

    Raises:
        OutputError: that failed.
    """
    streams = [ffmpeg.input(file_url(frames), itsoffset=_seconds(first_s))["v"]]
    if sound is not None:
        streams.append(ffmpeg.input(file_url(sound))["a"])
    joined = ffmpeg.output(*streams, file_url(target), f="mp4", codec="copy", movflags="+faststart")
    told = ask([*_QUIETLY, *ffmpeg.get_args(joined.global_args("-copyts"))])
    if told.returncode != 0:
        raise OutputError(reason(told.stderr, told.returncode))


_QUIETLY = ("-v", "error", "-y")


def _seconds(value: float) -> str:
    return f"{value:.6f}"
