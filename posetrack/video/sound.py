"""Copy the source's sound to the annotated video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from posetrack.errors import OutputError
from posetrack.video.containers import boxes
from posetrack.video.ffmpeg import file_url, is_disk_full, is_written, reading, reason, run_ffmpeg

_CARRIED_AS_IT_IS = frozenset({"aac", "mp3", "opus"})
"""Codecs that fit into MP4 and that browsers play; all others are encoded as AAC."""

_SEEK_MARGIN_S = 30.0
"""Start reading this much early, and drop the excess: ffmpeg seeks to a key frame of the video, and sound may be
stored far from its frames."""


class SoundError(Exception):
    """ffmpeg cannot read or write the sound."""


def cut_sound(source: str | Path, codecs: Sequence[str], start_s: float, length_s: float, target: Path) -> None:
    """Write part of a file's sound to an MP4 file whose time 0 is ``start_s``.

    Args:
        source: A media file.
        codecs: Codecs of its audio streams; all streams are taken.
        start_s: Seconds from the start of the file.
        length_s: Maximum length.
        target: The file to write.

    Raises:
        SoundError: ffmpeg failed.
        OutputError: the disk is full.
    """
    early_s = max(0.0, start_s - _SEEK_MARGIN_S)
    media = [*(["-ss", _seconds(early_s)] if early_s else []), *reading(source)]
    part = ["-ss", _seconds(start_s - early_s), "-t", _seconds(length_s)]
    # With the video mapped too (and discarded), ffmpeg counts time from the start of the file, not of the sound,
    # in every format.
    frames = ["-map", "0:V:0", "-c", "copy", "-t", _seconds(start_s - early_s + length_s), "-f", "null", "-"]
    for codec in ("copy", "aac") if _CARRIED_AS_IT_IS.issuperset(codecs) else ("aac",):
        sound = ["-map", "0:a", "-c:a", codec, *part, "-f", "mp4", file_url(target)]
        done = run_ffmpeg([*_QUIETLY, *media, *sound, *frames])
        if done.returncode == 0 and is_written(target):
            return
        if is_disk_full(done.stderr):
            raise OutputError(reason(done.stderr, done.returncode))
    raise SoundError


def holds_sound(path: Path) -> bool:
    """Whether a file of ``cut_sound`` contains any sound: the source's may end before the part begins."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        return any(box.kind == b"mdat" and box.end > box.begin for box in boxes(file, 0, length))


def join(frames: Path, first_s: float, sound: Path | None, target: Path) -> None:
    """Put frames and sound into one MP4 file, index first, without re-encoding.

    Args:
        frames: An MP4 file of frames.
        first_s: Presentation time of the first of them.
        sound: An MP4 file of sound; `None` for no sound.
        target: The file to write.

    Raises:
        SoundError: ffmpeg failed, and may succeed without the sound.
        OutputError: ffmpeg failed.
    """
    inputs, mapped = ["-itsoffset", _seconds(first_s), "-i", file_url(frames)], ["-map", "0:v"]
    if sound is not None:
        inputs += ["-i", file_url(sound)]
        mapped += ["-map", "1:a"]
    output = ["-c", "copy", "-copyts", "-movflags", "+faststart", "-f", "mp4", file_url(target)]
    done = run_ffmpeg([*_QUIETLY, *inputs, *mapped, *output])
    if done.returncode == 0 and is_written(target):
        return
    if sound is not None and not is_disk_full(done.stderr):
        raise SoundError
    raise OutputError(reason(done.stderr, done.returncode))


_QUIETLY = ("-v", "error", "-y")


def _seconds(value: float) -> str:
    return f"{value:.6f}"
