"""The source's sound beside the annotated frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from posetrack.errors import OutputError
from posetrack.video.containers import boxes
from posetrack.video.ffmpeg import ask, file_url, is_disk_full, is_written, reading, reason

_CARRIED_AS_IT_IS = frozenset({"aac", "mp3", "opus"})
"""Sound that MP4 holds and browsers play; any other is encoded as AAC."""

_SEEK_MARGIN_S = 30.0
"""ffmpeg goes to a key frame of the video, and sound may lie far from the frames it belongs to: reading begins
this much early, and what comes too early is left out."""


class SoundError(Exception):
    """ffmpeg can do nothing with the sound."""


def cut_sound(source: str | Path, codecs: Sequence[str], start_s: float, length_s: float, target: Path) -> None:
    """Write a part of a file's sound as an MP4 file whose time 0 is ``start_s``.

    Args:
        source: A media file.
        codecs: Of its audio streams; all of them are taken.
        start_s: From the file's start.
        length_s: At most.
        target: The file to write.

    Raises:
        SoundError: that failed.
        OutputError: the disk is full.
    """
    early_s = max(0.0, start_s - _SEEK_MARGIN_S)
    media = [*(["-ss", _seconds(early_s)] if early_s else []), *reading(source)]
    part = ["-ss", _seconds(start_s - early_s), "-t", _seconds(length_s)]
    # Taking the video as well, and throwing it away, makes ffmpeg count time from the file's start instead of
    # its sound's start in every format.
    frames = ["-map", "0:V:0", "-c", "copy", "-t", _seconds(start_s - early_s + length_s), "-f", "null", "-"]
    for codec in ("copy", "aac") if _CARRIED_AS_IT_IS.issuperset(codecs) else ("aac",):
        sound = ["-map", "0:a", "-c:a", codec, *part, "-f", "mp4", file_url(target)]
        told = ask([*_QUIETLY, *media, *sound, *frames])
        if told.returncode == 0 and is_written(target):
            return
        if is_disk_full(told.stderr):
            raise OutputError(reason(told.stderr, told.returncode))
    raise SoundError


def holds_sound(path: Path) -> bool:
    """Whether there is any sound in a file of ``cut_sound``: a source's may end before the part begins."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        return any(box.kind == b"mdat" and box.end > box.begin for box in boxes(file, 0, length))


def join(frames: Path, first_s: float, sound: Path | None, target: Path) -> None:
    """Put frames and sound into one MP4 file, index first, without encoding anything again.

    Args:
        frames: An MP4 file of frames.
        first_s: When the first of them is shown.
        sound: An MP4 file of sound; None: without sound.
        target: The file to write.

    Raises:
        SoundError: that failed, and might be done without the sound.
        OutputError: that failed.
    """
    inputs, mapped = ["-itsoffset", _seconds(first_s), "-i", file_url(frames)], ["-map", "0:v"]
    if sound is not None:
        inputs += ["-i", file_url(sound)]
        mapped += ["-map", "1:a"]
    output = ["-c", "copy", "-copyts", "-movflags", "+faststart", "-f", "mp4", file_url(target)]
    told = ask([*_QUIETLY, *inputs, *mapped, *output])
    if told.returncode == 0 and is_written(target):
        return
    if sound is not None and not is_disk_full(told.stderr):
        raise SoundError
    raise OutputError(reason(told.stderr, told.returncode))


_QUIETLY = ("-v", "error", "-y")


def _seconds(value: float) -> str:
    return f"{value:.6f}"
